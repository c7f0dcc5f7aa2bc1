//! Whether a new consent may take the place of the grant that is there: only for the same account, or for the one that whoever connects
//! named.
//!
//! Each service that shares a grant calls its account by an id of its own, so each is compared with its own word. Every service that
//! was asked must say the same as before, and one at least must have been asked: an account that nobody confirms could be any.

use tokio::sync::OwnedMutexGuard;
use wardlock_audit::Act;
use wardlock_core::id::ServiceName;
use wardlock_core::service::TenantOf;

use super::keep::Identified;
use super::{ConnectError, ConnectPlan};
use crate::egress::Egress;
use crate::vault::{GrantInfo, RefreshMaterial, Tenant, VaultError};

/// A grant that is about to be replaced.
pub(super) struct Old {
    pub info: GrantInfo,
    pub material: RefreshMaterial,
}

impl Old {
    /// Returns what each service called the account. Where a login reaches several accounts, its look-up finds any of them, and pins
    /// none.
    pub fn pins<'a>(&'a self, plan: &'a ConnectPlan) -> impl Iterator<Item = (&'a ServiceName, &'a Tenant)> {
        let own = self.info.tenant.as_ref().map(|tenant| (&self.info.service, tenant));
        own.into_iter().chain(&self.info.accounts).filter(|(service, _)| plan.pinning.contains(*service))
    }
}

/// What a new grant takes the place of. While this lives no other consent is stored.
pub(super) struct Replacing {
    pub old: Option<Old>,
    /// Whether both are for the same account, so that what a service said then is true of both.
    pub is_same: bool,
    pub turn: OwnedMutexGuard<()>,
}

/// Finds the grant that a new one would replace. Nobody is asked where the workspace file wants an account that it cannot give way to.
pub(super) async fn old(egress: &Egress, plan: &ConnectPlan) -> Result<Option<Old>, ConnectError> {
    let old = find(egress, plan).await?;
    let own = old.iter().flat_map(|old| old.pins(plan)).find(|(service, _)| **service == plan.service.name);
    let wanted = plan.tenant.as_ref().filter(|wanted| plan.named_tenant.as_ref() != Some(wanted));
    match own.zip(wanted) {
        Some(((service, pinned), wanted)) if pinned.id != *wanted => Err(ConnectError::OtherAccount {
            grant: plan.grant.clone(),
            service: service.clone(),
            pinned: pinned.id.clone(),
            found: wanted.clone(),
            label: "as the workspace file says".to_owned(),
            name: Some(wanted.clone()),
        }),
        _ => Ok(old),
    }
}

async fn find(egress: &Egress, plan: &ConnectPlan) -> Result<Option<Old>, ConnectError> {
    let name = plan.grant.clone();
    let found = egress.read_vault(move |vault| match vault.grant_info(&name) {
        Ok(info) => Ok(Some(Old { info, material: vault.refresh_material(&name)? })),
        Err(VaultError::NoGrant(_)) => Ok(None),
        Err(error) => Err(error),
    });
    Ok(found.await?)
}

impl Identified {
    /// Finds what stands there by now, which an invitation may have waited for days for, and refuses to put a grant of another account in
    /// its place, or one of which nobody knows whose it is.
    pub async fn replacing(&self, egress: &Egress, plan: &ConnectPlan) -> Result<Replacing, ConnectError> {
        let turn = egress.turn_to_connect().await;
        let old = find(egress, plan).await?;
        let is_pinned =
            old.as_ref().is_some_and(|old| old.info.tenant.is_some() || old.pins(plan).next().is_some());
        let is_same = match (&self.tenant, &old) {
            (Err(error), _) if is_pinned || plan.named_tenant.is_some() => {
                return Err(ConnectError::Lookup(error.clone()));
            }
            (Ok(found), Some(old)) => self.is_same(egress, plan, found, old).await?,
            (Err(_) | Ok(_), _) => false,
        };
        Ok(Replacing { old, is_same, turn })
    }

    /// Compares what each service says with what it said before.
    async fn is_same(
        &self,
        egress: &Egress,
        plan: &ConnectPlan,
        found: &Tenant,
        old: &Old,
    ) -> Result<bool, ConnectError> {
        let (mut is_same, mut unconfirmed) = (false, None);
        for (service, pinned) in old.pins(plan) {
            match self.told_by(plan, service) {
                Some(told) if told.id == pinned.id => is_same = true,
                Some(told) => return gives_way(egress, plan, found, (service, pinned), Some(told)).await,
                None => unconfirmed = unconfirmed.or(Some((service, pinned))),
            }
        }
        match unconfirmed.filter(|_| !is_same) {
            Some(pin) => gives_way(egress, plan, found, pin, None).await,
            None => Ok(is_same),
        }
    }

    fn told_by(&self, plan: &ConnectPlan, service: &ServiceName) -> Option<&Tenant> {
        let told = if *service == plan.service.name { &self.tenant } else { self.others.get(service)? };
        told.as_ref().ok()
    }
}

/// Lets another account, or one that a service does not confirm, take the pinned one's place where whoever connects named it. They are
/// not the same, whatever comes of it.
async fn gives_way(
    egress: &Egress,
    plan: &ConnectPlan,
    found: &Tenant,
    (service, pinned): (&ServiceName, &Tenant),
    told: Option<&Tenant>,
) -> Result<bool, ConnectError> {
    let is_named = plan.named_tenant.as_ref() == Some(&found.id);
    let word = if is_named { "named" } else { "refused" };
    let result = match told {
        Some(told) => format!("{word}: {} for {}", told.id, pinned.id),
        None => format!("{word}: {} for {}, unconfirmed by {service}", found.id, pinned.id),
    };
    egress.record(Act::admin(&plan.who, "grant.other-tenant", plan.grant.as_str(), result)).await?;
    if is_named {
        return Ok(false);
    }
    let (grant, service, pinned) = (plan.grant.clone(), service.clone(), pinned.id.clone());
    let name = (plan.service.tenant.of == TenantOf::Grant).then(|| found.id.clone());
    Err(match told {
        Some(told) => {
            let (found, label) = (told.id.clone(), told.label.clone());
            ConnectError::OtherAccount { grant, service, pinned, found, label, name }
        }
        None => ConnectError::Unconfirmed { grant, service, pinned, name },
    })
}
