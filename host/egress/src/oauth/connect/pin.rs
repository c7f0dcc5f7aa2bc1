//! Looks up the account of a grant that was stored without: no new consent, the tokens that are there.

use std::sync::Arc;

use wardlock_audit::Act;
use wardlock_core::id::GrantName;

use super::keep::{self, Identified, Shown};
use super::{ConnectError, ConnectPlan, Connected};
use crate::egress::Egress;
use crate::oauth::mint::Wanted;
use crate::vault::GrantInfo;

/// Looks the account up and pins it. See [`Egress::pin`].
pub(crate) async fn pin(egress: &Egress, plan: ConnectPlan) -> Result<Connected, ConnectError> {
    let info = unpinned(egress, &plan.grant).await?;
    let wanted =
        Wanted { grant: plan.grant.clone(), generation: info.generation, service: Arc::clone(&plan.service) };
    let live = egress.owner().token(&wanted).await.map_err(ConnectError::Exchange)?;
    let name = plan.grant.clone();
    let material = egress.read_vault(move |vault| vault.refresh_material(&name)).await?;
    let shown = Shown {
        access: live.token(),
        refresh: material.refresh_token.as_deref(),
        secrets: &material.secrets,
        environment: &info.environment,
        granted: &info.scopes,
    };
    let Identified { tenant, user } = keep::identify(egress, &plan, shown).await?;
    let tenant = tenant.map_err(ConnectError::Lookup)?;
    egress.record(Act::admin(&plan.who, "grant.pin", plan.grant.as_str(), "begun")).await?;
    let (name, generation, pinned) = (plan.grant.clone(), info.generation, tenant.clone());
    egress.read_vault(move |vault| vault.set_tenant(&name, generation, pinned, user)).await?;
    egress.forget(&plan.grant);
    if egress.record(Act::admin(&plan.who, "grant.pin", plan.grant.as_str(), "ok")).await.is_err() {
        tracing::warn!(grant = plan.grant.as_str(), "the end of a look-up could not be audited");
    }
    Ok(Connected {
        grant: plan.grant,
        generation: info.generation,
        tenant: Some(tenant),
        unpinned: None,
        region: plan.region,
        scopes: info.scopes,
        missing: Vec::new(),
        replaced: None,
    })
}

async fn unpinned(egress: &Egress, name: &GrantName) -> Result<GrantInfo, ConnectError> {
    let grant = name.clone();
    let info = egress.read_vault(move |vault| vault.grant_info(&grant)).await?;
    if info.tenant.is_some() {
        return Err(ConnectError::NotUnpinned(name.clone()));
    }
    Ok(info)
}
