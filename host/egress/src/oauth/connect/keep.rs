//! What comes after tokens are there: whose account they are for, what is stored, and what becomes of the grant that is
//! replaced.

use std::collections::BTreeMap;
use std::sync::Arc;

use wardlock_audit::Act;
use wardlock_core::id::{GrantName, RegistrationName, ServiceName};
use wardlock_core::service::{ServiceDefinition, TenantOf};

use super::{ConnectError, ConnectPlan, Connected, Obtained, Replaced, Sharing, client_at};
use crate::companions::Companions;
use crate::egress::Egress;
use crate::oauth::mint::on_vault;
use crate::oauth::registered::RegisteredClient;
use crate::oauth::revoke::Revoked;
use crate::oauth::tenant::{Found, Lookup, LookupError, allow};
use crate::vault::{
    ClientMaterial, ClientSecrets, Condition, GrantInfo, LiveGrant, NewAccess, NewGrant, RefreshMaterial, Secret,
    Tenant, VaultError,
};

/// How a look-up of the account is called in the audit; of another service's, with its name behind.
const LOOKUP: &str = "tenant.lookup";

/// Whose account it is.
pub(super) struct Identified {
    /// `None`: it could not be looked up, for this reason.
    pub tenant: Result<Tenant, LookupError>,
    /// As other services call it; nothing where it could not be looked up.
    pub others: BTreeMap<ServiceName, Result<Tenant, LookupError>>,
    pub user: Option<String>,
}

impl Identified {
    /// Returns the account as each service calls it that told.
    pub fn of_others(&self) -> BTreeMap<ServiceName, Tenant> {
        let told = self.others.iter().filter_map(|(service, told)| Some((service.clone(), told.clone().ok()?)));
        told.collect()
    }

    /// Refuses to put a grant in the place of one that is pinned if it is of another account, which nobody named, or if nobody knows
    /// whose it is: the pin would be gone.
    pub async fn may_replace(
        &self,
        egress: &Egress,
        plan: &ConnectPlan,
        old: Option<&Old>,
    ) -> Result<(), ConnectError> {
        let found = match &self.tenant {
            Ok(found) => found,
            Err(error) if plan.account.is_some() || old.is_some_and(|old| old.info.tenant.is_some()) => {
                return Err(ConnectError::Lookup(error.clone()));
            }
            Err(_) => return Ok(()),
        };
        let Some(pinned) = old.and_then(|old| self.differs_from(old, plan, found)) else {
            return Ok(());
        };
        let replaced = gives_way(pinned, plan, &found.id, &found.label);
        let word = if replaced.is_ok() { "named" } else { "refused" };
        let result = format!("{word}: {} for {}", found.id, pinned.id);
        egress.record(Act::admin(&plan.who, "grant.other-account", plan.grant.as_str(), result)).await?;
        replaced
    }

    /// Returns what a service pinned, if it calls the account otherwise now: the plan's service, or one that shares the grant.
    fn differs_from<'a>(&self, old: &'a Old, plan: &ConnectPlan, found: &Tenant) -> Option<&'a Tenant> {
        let own = old.comparable(plan).map(|pinned| (pinned, found));
        let others = self.others.iter();
        let others =
            others.filter_map(|(service, told)| Some((old.info.account_of(service)?, told.as_ref().ok()?)));
        let is_other =
            |(pinned, told): &(&Tenant, &Tenant)| pinned.id != told.id && pinned.environment == told.environment;
        own.into_iter().chain(others).find(is_other).map(|(pinned, _)| pinned)
    }
}

/// What a look-up goes by.
pub(super) struct Shown<'a> {
    pub access: &'a Secret,
    pub refresh: Option<&'a Secret>,
    pub secrets: &'a ClientSecrets,
    pub environment: &'a str,
    pub granted: &'a [String],
}

impl<'a> Shown<'a> {
    /// Prepares to ask a service for the account; `params` are what its connection gives to it.
    fn lookup(
        &self,
        egress: &'a Egress,
        plan: &'a ConnectPlan,
        (service, params): (&'a ServiceDefinition, &'a BTreeMap<String, String>),
        companions: &'a Arc<Companions>,
    ) -> Lookup<'a> {
        Lookup {
            clients: egress.clients(),
            service,
            region: &plan.region,
            environment: self.environment,
            grant: &plan.grant,
            access: self.access,
            companions,
            params,
            secrets: [Some(self.access), self.refresh].into_iter().flatten().chain(self.secrets.all()).collect(),
        }
    }
}

/// A grant that is about to be replaced.
pub(super) struct Old {
    pub info: GrantInfo,
    pub material: RefreshMaterial,
}

impl Old {
    /// Returns the account that it is for, where the one of a new grant can be compared with it: told by the same service's look-up,
    /// in the same environment. Services that share a grant tell of it by ids of different kinds, and where a login reaches several
    /// accounts, the look-up finds any of them.
    fn comparable(&self, plan: &ConnectPlan) -> Option<&Tenant> {
        let service = &plan.service;
        let pinned = self.info.account_of(&service.name).filter(|_| service.tenant.of == TenantOf::Grant);
        pinned.filter(|tenant| tenant.environment == plan.environment)
    }
}

/// Returns whether a grant of this account may be replaced by one of another: by the one that whoever connects named.
fn gives_way(pinned: &Tenant, plan: &ConnectPlan, found: &str, label: &str) -> Result<(), ConnectError> {
    if plan.account.as_deref() == Some(found) {
        return Ok(());
    }
    Err(ConnectError::OtherAccount {
        grant: plan.grant.clone(),
        pinned: pinned.id.clone(),
        found: found.to_owned(),
        label: label.to_owned(),
    })
}

/// Finds the grant that a new one would replace. Nobody is asked where the workspace file wants an account that it cannot give way to.
pub(super) async fn old(egress: &Egress, plan: &ConnectPlan) -> Result<Option<Old>, ConnectError> {
    let name = plan.grant.clone();
    let found = egress.read_vault(move |vault| match vault.grant_info(&name) {
        Ok(info) => Ok(Some(Old { info, material: vault.refresh_material(&name)? })),
        Err(VaultError::NoGrant(_)) => Ok(None),
        Err(error) => Err(error),
    });
    let old = found.await?;
    let pinned = old.as_ref().and_then(|old| old.comparable(plan));
    if let Some((pinned, wanted)) =
        pinned.zip(plan.tenant.as_ref()).filter(|(pinned, wanted)| pinned.id != **wanted)
    {
        gives_way(pinned, plan, wanted, "as the workspace file says")?;
    }
    Ok(old)
}

/// Finds the account, and makes sure that it is the one that the connection is for. An account that cannot be looked up is
/// no error here: whether the grant is kept without is the caller's to say.
pub(super) async fn identify(
    egress: &Egress,
    plan: &ConnectPlan,
    shown: Shown<'_>,
) -> Result<Identified, ConnectError> {
    let right_environment = |found: &str| {
        if found == plan.environment {
            return Ok(());
        }
        Err(ConnectError::Environment { expected: plan.environment.clone(), found: found.to_owned() })
    };
    right_environment(shown.environment)?;
    let companions = Companions::of(&plan.service, shown.access, shown.secrets);
    let companions = Arc::new(companions.map_err(ConnectError::Exchange)?);
    let lookup = shown.lookup(egress, plan, (&plan.service, &plan.params), &companions);
    let Found { id, label, environment } = match audited_lookup(egress, plan, LOOKUP, &lookup).await? {
        Ok(found) => found,
        Err(error) => return Ok(Identified { tenant: Err(error), others: BTreeMap::new(), user: None }),
    };
    environment.as_deref().map_or(Ok(()), right_environment)?;
    if let Some(expected) = plan.tenant.as_ref().filter(|expected| **expected != id) {
        return Err(ConnectError::Tenant { expected: expected.clone(), found: id, label });
    }
    if let Some(asked) = plan.account.as_ref().filter(|asked| **asked != id) {
        return Err(ConnectError::NotAsked { asked: asked.clone(), found: id, label });
    }
    // Asked last: of a foreign account nothing more is read.
    let user = lookup.user(shown.granted).await;
    let others = ask_others(egress, plan, &shown).await?;
    Ok(Identified { tenant: Ok(Tenant { id, label, environment: plan.environment.clone() }), others, user })
}

/// Asks every other service that will use the grant what it calls the account. One that does not tell leaves no more unpinned than its
/// own connections.
async fn ask_others(
    egress: &Egress,
    plan: &ConnectPlan,
    shown: &Shown<'_>,
) -> Result<BTreeMap<ServiceName, Result<Tenant, LookupError>>, ConnectError> {
    let mut told = BTreeMap::new();
    for other in &plan.sharing {
        told.insert(other.service.name.clone(), ask_other(egress, plan, shown, other).await?);
    }
    Ok(told)
}

async fn ask_other(
    egress: &Egress,
    plan: &ConnectPlan,
    shown: &Shown<'_>,
    Sharing { service, params }: &Sharing,
) -> Result<Result<Tenant, LookupError>, ConnectError> {
    let needed = &service.tenant.scopes;
    // Where the provider does not say what it granted, only asking tells.
    if !(needed.is_empty() || shown.granted.is_empty() || allow(needed, shown.granted)) {
        return Ok(Err(LookupError::NotGranted));
    }
    let Ok(companions) = Companions::of(service, shown.access, shown.secrets).map(Arc::new) else {
        return Ok(Err(LookupError::Internal));
    };
    let lookup = shown.lookup(egress, plan, (service, params), &companions);
    let found = audited_lookup(egress, plan, &format!("{LOOKUP}.{}", service.name), &lookup).await?;
    Ok(found.and_then(|Found { id, label, environment }| match environment {
        Some(other) if other != plan.environment => Err(LookupError::OtherEnvironment),
        _ => Ok(Tenant { id, label, environment: plan.environment.clone() }),
    }))
}

/// Looks the account up between two rows of the audit, without which nothing is asked.
async fn audited_lookup(
    egress: &Egress,
    plan: &ConnectPlan,
    what: &str,
    lookup: &Lookup<'_>,
) -> Result<Result<Found, LookupError>, ConnectError> {
    egress.record(Act::grant(what, plan.grant.as_str(), "begun")).await?;
    let found = lookup.tenant().await;
    let word = if found.is_ok() { "ok" } else { "failed" };
    egress.record(Act::grant(what, plan.grant.as_str(), word)).await?;
    Ok(found)
}

/// Stores the grant, and then gives the one up that it replaces. `how` is told in the audit.
pub(super) async fn store(
    egress: &Egress,
    plan: ConnectPlan,
    obtained: Obtained,
    identified: Identified,
    old: Option<Old>,
    how: &'static str,
) -> Result<Connected, ConnectError> {
    let now_ms = egress.now_ms();
    let Obtained { tokens, refresh, environment, granted, missing } = obtained;
    let expires_ms = now_ms.saturating_add(tokens.lifetime_seconds.saturating_mul(1000));
    let accounts = identified.of_others();
    let (tenant, unpinned) = match identified.tenant {
        Ok(tenant) => (Some(tenant), None),
        Err(error) => (None, Some(error)),
    };
    // The provider may answer a second consent with the token of the first: then there is nothing to give up.
    let same = |old: &Old| match (&old.material.refresh_token, &refresh) {
        (Some(old), Some(new)) => old.same(new),
        _ => false,
    };
    let old = old.filter(|old| !same(old));
    let new = NewGrant {
        name: plan.grant.clone(),
        registration: plan.registration.clone(),
        service: plan.service.name.clone(),
        region: plan.region.clone(),
        environment,
        scopes: granted.clone(),
        refresh_token: refresh,
        // A key has no token besides, and no end.
        access: (!plan.service.oauth.is_key()).then_some(NewAccess { token: tokens.access, expires_ms }),
        api_host: tokens.api_host,
        tenant: tenant.clone(),
        accounts,
        user: identified.user,
        created_ms: now_ms,
    };
    let act = |result: &str| Act::admin(&plan.who, how, plan.grant.as_str(), result);
    egress.record(act("begun")).await?;
    let name = plan.grant.clone();
    let stored = on_vault(egress.vault(), move |vault| {
        let generation = vault.put_grant(new)?;
        // The call that brought the tokens counts against the provider's budget too.
        vault.note_token_call(&name, now_ms)?;
        Ok(generation)
    });
    let generation = stored.await.map_err(ConnectError::Exchange)?;
    egress.forget(&plan.grant);
    let word = if tenant.is_some() { "ok" } else { "unpinned" };
    if egress.record(act(word)).await.is_err() {
        tracing::warn!(grant = plan.grant.as_str(), "the end of a connect could not be audited");
    }
    let replaced = match old {
        Some(old) => Some(give_up(egress, &plan, old).await),
        None => None,
    };
    let ConnectPlan { grant, region, .. } = plan;
    let others = identified.others;
    Ok(Connected { grant, generation, tenant, unpinned, others, region, scopes: granted, missing, replaced })
}

/// Gives up what was replaced: it would count among the person's grants for ever.
async fn give_up(egress: &Egress, plan: &ConnectPlan, old: Old) -> Replaced {
    let Old { info, material } = old;
    let dead = matches!(info.condition, Some(Condition::Reconnect { .. }));
    let live = LiveGrant {
        grant: None,
        user: info.user,
        tenant: info.tenant.map(|tenant| tenant.id),
        created_ms: info.created_ms,
    };
    if info.service != plan.service.name || !plan.service.oauth.revoking_spares_other_grants {
        if !dead {
            remember(egress, info.registration, live).await;
        }
        return Replaced::Spared;
    }
    let client = RegisteredClient::of_grant(egress.dialer(), &plan.service, &material);
    let revoked = client.revoke(material.refresh_token.as_deref()).await;
    if revoked == Revoked::Failed && !dead {
        remember(egress, info.registration, live).await;
    }
    audited(egress, &plan.grant, revoked).await;
    Replaced::Revoked(revoked)
}

/// A consent that was exchanged and is not stored yet. Dropped, for whatever reason (an error, a person who pressed ctrl-C), it
/// is given back: it would count among the person's grants for ever.
pub(super) struct Unkept {
    egress: Egress,
    plan: ConnectPlan,
    client: Arc<ClientMaterial>,
    refresh: Option<Arc<Secret>>,
}

impl Unkept {
    pub fn new(
        egress: &Egress,
        plan: &ConnectPlan,
        client: &Arc<ClientMaterial>,
        refresh: Option<&Arc<Secret>>,
    ) -> Self {
        let refresh = refresh.map(Arc::clone);
        Self { egress: egress.clone(), plan: plan.clone(), client: Arc::clone(client), refresh }
    }

    /// It is stored.
    pub fn kept(mut self) {
        self.refresh = None;
    }
}

impl Drop for Unkept {
    fn drop(&mut self) {
        let Some(refresh) = self.refresh.take() else {
            return;
        };
        let (egress, plan, client) = (self.egress.clone(), self.plan.clone(), Arc::clone(&self.client));
        self.egress.see_through(async move { give_back(&egress, &plan, &client, &refresh).await });
    }
}

/// Tells the provider that a consent which is not kept is not wanted.
async fn give_back(egress: &Egress, plan: &ConnectPlan, client: &ClientMaterial, refresh: &Secret) {
    let live = LiveGrant { grant: None, user: None, tenant: None, created_ms: egress.now_ms() };
    if !plan.service.oauth.revoking_spares_other_grants {
        // Revoking it could end every other grant of the same person.
        remember(egress, plan.registration.clone(), live).await;
        return;
    }
    let revoked = client_at(egress, plan, client).revoke(Some(refresh)).await;
    if revoked == Revoked::Failed {
        remember(egress, plan.registration.clone(), live).await;
    }
    audited(egress, &plan.grant, revoked).await;
}

async fn audited(egress: &Egress, grant: &GrantName, revoked: Revoked) {
    let act = Act::grant("token.revoke", grant.as_str(), revoked.as_str());
    if egress.record(act).await.is_err() {
        tracing::warn!(grant = grant.as_str(), "a revocation could not be audited");
    }
}

/// Remembers a grant that lives on at the provider. The connect itself is done: a failure here costs a count.
pub(crate) async fn remember(egress: &Egress, registration: RegistrationName, live: LiveGrant) {
    let noted = egress.read_vault(move |vault| vault.note_leftover(&registration, live)).await;
    if let Err(error) = noted {
        tracing::warn!(%error, "a grant that could not be revoked is not counted");
    }
}
