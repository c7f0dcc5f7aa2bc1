//! Looks up the account of a grant that was stored without, or what a service that shares the grant calls it: no new consent, the
//! tokens that are there.

use std::sync::Arc;

use wardlock_audit::Act;

use super::keep::{self, Identified, Shown};
use super::{ConnectError, ConnectPlan, Connected};
use crate::egress::Egress;
use crate::oauth::mint::Wanted;
use crate::vault::GrantInfo;

/// Looks the account up and pins it. See [`Egress::pin`].
pub(crate) async fn pin(egress: &Egress, plan: ConnectPlan) -> Result<Connected, ConnectError> {
    let info = unpinned(egress, &plan).await?;
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
    let identified = keep::identify(egress, &plan, shown).await?;
    let mut found = identified.of_others();
    let Identified { tenant, others, user } = identified;
    let tenant = tenant.map_err(ConnectError::Lookup)?;
    found.insert(plan.service.name.clone(), tenant.clone());
    egress.record(Act::admin(&plan.who, "grant.pin", plan.grant.as_str(), "begun")).await?;
    let (name, generation) = (plan.grant.clone(), info.generation);
    egress.read_vault(move |vault| vault.pin_accounts(&name, generation, found, user)).await?;
    egress.forget(&plan.grant);
    if egress.record(Act::admin(&plan.who, "grant.pin", plan.grant.as_str(), "ok")).await.is_err() {
        tracing::warn!(grant = plan.grant.as_str(), "the end of a look-up could not be audited");
    }
    Ok(Connected {
        grant: plan.grant,
        generation: info.generation,
        tenant: Some(tenant),
        unpinned: None,
        others,
        region: plan.region,
        scopes: info.scopes,
        missing: Vec::new(),
        replaced: None,
    })
}

/// Returns the grant, unless the plan's service has told its account already.
async fn unpinned(egress: &Egress, plan: &ConnectPlan) -> Result<GrantInfo, ConnectError> {
    let grant = plan.grant.clone();
    let info = egress.read_vault(move |vault| vault.grant_info(&grant)).await?;
    if info.account_of(&plan.service.name).is_some() {
        return Err(ConnectError::NotUnpinned(plan.grant.clone()));
    }
    Ok(info)
}
