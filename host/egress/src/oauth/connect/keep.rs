//! What comes after tokens are there: whose account they are for, what is stored, and what becomes of the grant that is
//! replaced.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::oneshot;
use wardlock_audit::Act;
use wardlock_core::id::{GrantName, RegistrationName, ServiceName};
use wardlock_core::service::ServiceDefinition;

use super::replace::{Old, Replacing};
use super::{ConnectError, ConnectPlan, Connected, Obtained, Replaced, Sharing, client_at};
use crate::companions::Companions;
use crate::egress::Egress;
use crate::oauth::exchange::TokenError;
use crate::oauth::mint::on_vault;
use crate::oauth::registered::RegisteredClient;
use crate::oauth::revoke::Revoked;
use crate::oauth::tenant::{Found, Lookup, LookupError, allow};
use crate::vault::{ClientMaterial, ClientSecrets, Condition, LiveGrant, NewAccess, NewGrant, Secret, Tenant};

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
    if let Some(asked) = plan.named_tenant.as_ref().filter(|asked| **asked != id) {
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

/// Returns what each other service calls the account: as it says now, else as it said of the same account before.
fn accounts(plan: &ConnectPlan, identified: &Identified, replacing: &Replacing) -> BTreeMap<ServiceName, Tenant> {
    let mut accounts = identified.of_others();
    let same = replacing.old.iter().filter(|_| replacing.is_same).flat_map(|old| old.pins(plan));
    for (service, pinned) in same.filter(|(_, pinned)| pinned.environment == plan.environment) {
        if *service != plan.service.name {
            accounts.entry(service.clone()).or_insert_with(|| pinned.clone());
        }
    }
    accounts
}

/// A grant that is to be stored.
pub(super) struct Storing {
    pub plan: ConnectPlan,
    pub obtained: Obtained,
    pub identified: Identified,
    pub replacing: Replacing,
    /// How it was come by, as the audit calls it.
    pub how: &'static str,
    /// What gives it back unless it is stored.
    pub unkept: Option<Unkept>,
}

impl Storing {
    /// Stores the grant, and then gives the one up that it replaces. Who leaves meanwhile leaves nothing by half: what is stored is never
    /// given back.
    pub async fn see_through(self, egress: &Egress) -> Result<Connected, ConnectError> {
        let (done, stored) = oneshot::channel();
        let its_own = egress.clone();
        egress.see_through(async move {
            // Nobody may wait for it any more.
            drop(done.send(self.store(&its_own).await));
        });
        let ended = |_| ConnectError::Exchange(TokenError::Internal("storing a grant ended early"));
        stored.await.map_err(ended)?
    }

    async fn store(self, egress: &Egress) -> Result<Connected, ConnectError> {
        let Self { plan, obtained, identified, replacing, how, unkept } = self;
        let now_ms = egress.now_ms();
        let Obtained { tokens, refresh, environment, granted, missing } = obtained;
        let expires_ms = now_ms.saturating_add(tokens.lifetime_seconds.saturating_mul(1000));
        let accounts = accounts(&plan, &identified, &replacing);
        let (tenant, unpinned) = match identified.tenant {
            Ok(tenant) => (Some(tenant), None),
            Err(error) => (None, Some(error)),
        };
        // The provider may answer a second consent with the token of the first: then there is nothing to give up.
        let same = |old: &Old| match (&old.material.refresh_token, &refresh) {
            (Some(old), Some(new)) => old.same(new),
            _ => false,
        };
        let Replacing { old, turn, .. } = replacing;
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
        let generation = put(egress, &plan, new, how).await?;
        if let Some(unkept) = unkept {
            unkept.kept();
        }
        // What comes now is the provider's time, and no other consent waits for it.
        drop(turn);
        let replaced = match old {
            Some(old) => Some(give_up(egress, &plan, old).await),
            None => None,
        };
        let ConnectPlan { grant, region, .. } = plan;
        let others = identified.others;
        Ok(Connected { grant, generation, tenant, unpinned, others, region, scopes: granted, missing, replaced })
    }
}

/// Puts the grant into the vault between two rows of the audit, and returns its generation.
async fn put(egress: &Egress, plan: &ConnectPlan, new: NewGrant, how: &str) -> Result<u64, ConnectError> {
    let act = |result: &str| Act::admin(&plan.who, how, plan.grant.as_str(), result);
    egress.record(act("begun")).await?;
    let word = if new.tenant.is_some() { "ok" } else { "unpinned" };
    let (name, now_ms) = (plan.grant.clone(), new.created_ms);
    let stored = on_vault(egress.vault(), move |vault| {
        let generation = vault.put_grant(new)?;
        // The call that brought the tokens counts against the provider's budget too.
        vault.note_token_call(&name, now_ms)?;
        Ok(generation)
    });
    let generation = stored.await.map_err(ConnectError::Exchange)?;
    egress.forget(&plan.grant);
    if egress.record(act(word)).await.is_err() {
        tracing::warn!(grant = plan.grant.as_str(), "the end of a connect could not be audited");
    }
    Ok(generation)
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
