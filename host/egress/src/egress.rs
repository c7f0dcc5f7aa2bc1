//! The handle on everything behind the wall.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use tokio::task::JoinHandle;
use wardlock_audit::{Act, Audit, Clock, Receipt};
use wardlock_core::decision::Permit;
use wardlock_core::id::{GrantName, Region, RegistrationName};
use wardlock_core::service::ServiceDefinition;

use crate::client::{Clients, Limits};
use crate::dialer::Dialer;
use crate::oauth::callback::CallbackListener;
use crate::oauth::connect::{self, ConnectError, ConnectPlan, Connected, Progress};
use crate::oauth::exchange::TokenError;
use crate::oauth::mint::{RefreshWatch, TokenOwner, Wanted};
use crate::oauth::registered::RegisteredClient;
use crate::oauth::revoke::Revoked;
use crate::send::{self, SendError, Sent};
use crate::turns::{self, Busy, Turn, Turns};
use crate::vault::{GrantInfo, LiveGrant, Needles, Secret, Vault, VaultError};

/// What is known of a grant, without its secrets.
pub type GrantStatus = GrantInfo;

/// Why egress could not do what it was asked to besides sending.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The audit cannot record, so nothing was called.
    #[error("the audit cannot record, so the provider was not called")]
    AuditUnavailable,
    /// A client secret brought no token, so the old one stays.
    #[error("the new secret brought no token for grant `{grant}`, so the old one stays: {error}")]
    NotProved {
        /// The grant on which it was tried.
        grant: GrantName,
        /// What the provider said.
        error: TokenError,
    },
    /// A fault of ours.
    #[error("a call on the vault ended early")]
    Internal,
}

/// On what a client secret was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It brought a token for this grant.
    Works {
        /// The grant.
        grant: GrantName,
    },
    /// No grant uses it yet.
    NoGrant,
}

/// What became of a grant that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disconnected {
    /// What the provider said.
    pub revoked: Revoked,
}

/// Opens secrets and connects upstream, for the whole host. Cheap to clone.
#[derive(Clone)]
pub struct Egress(Arc<Inner>);

struct Inner {
    vault: Arc<Vault>,
    dialer: Dialer,
    audit: Audit,
    clock: Clock,
    clients: Clients,
    owner: TokenOwner,
    /// Grants as they are stored. This process is the only one that has the vault open, and every change of a grant
    /// goes through this crate, so what is kept here is true until [`Egress::forget`].
    grants: RwLock<HashMap<GrantName, Arc<GrantStatus>>>,
    /// What must be seen through although nobody waits for it.
    unwatched: Mutex<Vec<JoinHandle<()>>>,
    turns: Arc<Turns>,
    /// Held by the consent that is compared with what is stored, until it is stored itself.
    connecting: Arc<tokio::sync::Mutex<()>>,
}

impl Egress {
    /// Makes the handle, with the usual limits of time.
    pub fn new(vault: Arc<Vault>, dialer: Dialer, audit: Audit, clock: Clock) -> Self {
        Self::with_limits(vault, dialer, audit, clock, Limits::default())
    }

    /// Makes the handle.
    pub fn with_limits(vault: Arc<Vault>, dialer: Dialer, audit: Audit, clock: Clock, limits: Limits) -> Self {
        let owner = TokenOwner::new(Arc::clone(&vault), dialer.clone(), audit.clone(), Arc::clone(&clock));
        let clients = Clients::new(dialer.clone(), limits);
        Self(Arc::new(Inner {
            vault,
            dialer,
            audit,
            clock,
            clients,
            owner,
            grants: RwLock::default(),
            unwatched: Mutex::default(),
            turns: Arc::default(),
            connecting: Arc::default(),
        }))
    }

    /// Has somebody count the refreshes of tokens; only the first to ask is heard.
    pub fn watch_refreshes(&self, watch: RefreshWatch) {
        self.0.owner.watch(watch);
    }

    /// Sends what a permit allows, once, and returns the scanned answer. The receipt proves that the intent is
    /// recorded; the one for another permit is refused.
    pub async fn send(&self, permit: Permit, receipt: Receipt) -> Result<Sent, SendError> {
        send::send(self, permit, receipt).await
    }

    /// Waits, at most as long as `patience`, until the provider takes one more call of the permit's grant. Hold the turn until
    /// the answer has ended.
    pub async fn turn(&self, permit: &Permit, patience: Duration) -> Result<Turn, Busy> {
        turns::turn(&self.0.turns, permit, patience).await
    }

    /// Returns what is known of a grant; `None` where there is none. Cheap after the first time.
    pub fn grant_status(&self, grant: &GrantName) -> Result<Option<Arc<GrantStatus>>, VaultError> {
        let kept = self.0.grants.read().unwrap_or_else(PoisonError::into_inner).get(grant).cloned();
        if kept.is_some() {
            return Ok(kept);
        }
        // Kept under the same lock that `forget` takes, so that nothing forgotten meanwhile is kept.
        let mut grants = self.0.grants.write().unwrap_or_else(PoisonError::into_inner);
        let status = match self.0.vault.grant_info(grant) {
            Ok(info) => Arc::new(info),
            Err(VaultError::NoGrant(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        grants.insert(grant.clone(), Arc::clone(&status));
        Ok(Some(status))
    }

    /// Returns whether a stored secret stands in the bytes, in any of the usual encodings. Ask it about every part of
    /// an agent's request before any plugin or row sees it (promise 1).
    pub fn contains_secret(&self, bytes: &[u8]) -> Result<bool, VaultError> {
        Ok(self.needles()?.find_in(bytes))
    }

    /// Connects an account: opens the consent, waits for the callback, exchanges, looks the account up, compares it
    /// with the pin, and stores the grant last. Dropping the future at any moment leaves nothing half-written.
    pub async fn connect(
        &self,
        plan: ConnectPlan,
        listener: &CallbackListener,
        progress: &dyn Progress,
    ) -> Result<Connected, ConnectError> {
        let connected = connect::connect(self, plan, listener, progress).await;
        if connected.is_err() {
            // A consent that is given back is told of before the failure is.
            self.finish().await;
        }
        connected
    }

    /// Connects an account by the device flow: the person agrees on any device, and nobody comes back here.
    pub async fn connect_device(
        &self,
        plan: ConnectPlan,
        progress: &dyn Progress,
    ) -> Result<Connected, ConnectError> {
        let connected = connect::connect_device(self, plan, progress).await;
        if connected.is_err() {
            self.finish().await;
        }
        connected
    }

    /// Connects as the client itself, without anybody's consent.
    pub async fn connect_client(&self, plan: ConnectPlan) -> Result<Connected, ConnectError> {
        connect::as_client(self, plan).await
    }

    /// Stores a key, once the account could be looked up with it.
    pub async fn connect_key(&self, plan: ConnectPlan, key: Secret) -> Result<Connected, ConnectError> {
        connect::by_key(self, plan, key).await
    }

    /// Stores or replaces a further secret of a registration.
    pub async fn put_further_secret(
        &self,
        registration: &RegistrationName,
        which: &str,
        secret: Secret,
    ) -> Result<(), EgressError> {
        let (name, which) = (registration.clone(), which.to_owned());
        self.change_registration(registration, move |vault| {
            vault.set_further_secret(&name, &which, Arc::new(secret))
        })
        .await
    }

    /// Changes a registration, and forgets what its grants have in memory: what failed with the old secret may work now.
    async fn change_registration(
        &self,
        registration: &RegistrationName,
        change: impl FnOnce(&Vault) -> Result<(), VaultError> + Send + 'static,
    ) -> Result<(), EgressError> {
        let name = registration.clone();
        let grants = self
            .read_vault(move |vault| {
                change(vault)?;
                let grants = vault.grants()?.into_iter().filter(|grant| grant.registration == name);
                Ok(grants.map(|grant| grant.name).collect::<Vec<_>>())
            })
            .await?;
        grants.iter().for_each(|grant| self.forget(grant));
        Ok(())
    }

    /// Stores a refresh token that a person obtained by other means, once it has brought an access token for the right
    /// account. Its owner must stop using it elsewhere.
    pub async fn connect_pasted(&self, plan: ConnectPlan, pasted: Secret) -> Result<Connected, ConnectError> {
        connect::connect_pasted(self, plan, pasted).await
    }

    /// Looks up the account of a grant that was stored without, and pins it: no new consent.
    pub async fn pin(&self, plan: ConnectPlan) -> Result<Connected, ConnectError> {
        connect::pin(self, plan).await
    }

    /// Revokes a grant at the provider and removes it here. It is removed even where the provider cannot be told;
    /// the answer says so.
    pub async fn disconnect(
        &self,
        grant: &GrantName,
        service: &ServiceDefinition,
        who: &str,
    ) -> Result<Disconnected, EgressError> {
        let name = grant.clone();
        let (info, material) =
            self.read_vault(move |vault| Ok((vault.grant_info(&name)?, vault.refresh_material(&name)?))).await?;
        self.act(Act::admin(who, "grant.disconnect", grant.as_str(), "begun")).await?;
        let client = RegisteredClient::of_grant(&self.0.dialer, service, &material);
        let revoked = client.revoke(material.refresh_token.as_deref()).await;
        let name = grant.clone();
        self.read_vault(move |vault| vault.remove_grant(&name)).await?;
        self.forget(grant);
        if revoked == Revoked::Failed {
            let GrantInfo { registration, user, tenant, created_ms, .. } = info;
            let tenant = tenant.map(|tenant| tenant.id);
            connect::remember(self, registration, LiveGrant { grant: None, user, tenant, created_ms }).await;
        }
        if self.act(Act::admin(who, "grant.disconnect", grant.as_str(), revoked.as_str())).await.is_err() {
            tracing::warn!(grant = grant.as_str(), "the end of a disconnect could not be audited");
        }
        Ok(Disconnected { revoked })
    }

    /// Replaces a registration's client secret, or a region's own, once it has brought a token for one of its grants;
    /// until then, and if it does not, the old one stays. `service` is the registration's. Returns whether it was
    /// tried: with no grant there is nothing to try it on.
    pub async fn set_client_secret(
        &self,
        registration: &RegistrationName,
        region: Option<&Region>,
        secret: Secret,
        service: &Arc<ServiceDefinition>,
        who: &str,
    ) -> Result<Tried, EgressError> {
        let (name, its_region) = (registration.clone(), region.cloned());
        let grant = self.read_vault(move |vault| vault.grant_using(&name, its_region.as_ref())).await?;
        let secret = Arc::new(secret);
        let tried = match &grant {
            None => Tried::NoGrant,
            Some(grant) => {
                let service = Arc::clone(service);
                let wanted = Wanted { grant: grant.name.clone(), generation: grant.generation, service };
                self.act(Act::admin(who, "registration.try-secret", registration.as_str(), "begun")).await?;
                match self.0.owner.try_secret(&wanted, Arc::clone(&secret)).await {
                    Ok(_) => Tried::Works { grant: grant.name.clone() },
                    Err(error) => return Err(EgressError::NotProved { grant: grant.name.clone(), error }),
                }
            }
        };
        self.put_client_secret(registration, region, secret).await?;
        Ok(tried)
    }

    /// Replaces a client secret without trying it.
    pub async fn put_client_secret(
        &self,
        registration: &RegistrationName,
        region: Option<&Region>,
        secret: Arc<Secret>,
    ) -> Result<(), EgressError> {
        let (name, region) = (registration.clone(), region.cloned());
        self.change_registration(registration, move |vault| {
            vault.set_registration_secret(&name, region.as_ref(), secret)
        })
        .await
    }

    /// Renews a grant's token ahead of its end where the service says how long before, although nobody asks for it: one that renews
    /// itself cannot be renewed any more once it has ended. A failure is kept as any, and tried again later.
    pub async fn renew_ahead(&self, grant: &GrantStatus, service: &Arc<ServiceDefinition>) {
        let Some(before) = service.oauth.refresh.before_seconds else { return };
        let ends_ms = grant.access_expires_ms.unwrap_or(0);
        if ends_ms.saturating_sub(self.now_ms()) > before.saturating_mul(1000) {
            return;
        }
        let service = Arc::clone(service);
        let wanted = Wanted { grant: grant.name.clone(), generation: grant.generation, service };
        // The first takes the stored one up, the second finds that it ages, and lets it be renewed.
        for _ in 0..2 {
            if let Err(error) = self.0.owner.token(&wanted).await {
                tracing::warn!(grant = grant.name.as_str(), %error, "a token could not be renewed ahead of its end");
                return;
            }
        }
    }

    /// Forgets what is kept of a grant in memory: its tokens, failures and sockets. Call it after changing a grant or its
    /// registration in the vault by another way than this handle.
    pub fn forget(&self, grant: &GrantName) {
        self.0.grants.write().unwrap_or_else(PoisonError::into_inner).remove(grant);
        self.0.owner.forget(grant);
        self.0.clients.forget_grant(grant);
    }

    /// Waits for what goes on although nobody waits for it: consents that are given back. A process that ends before could
    /// leave one behind at the provider.
    pub async fn finish(&self) {
        let unwatched = std::mem::take(&mut *self.0.unwatched.lock().unwrap_or_else(PoisonError::into_inner));
        for task in unwatched {
            // One that panicked has been reported by the panic hook.
            drop(task.await);
        }
    }

    /// Waits until no other consent is being stored.
    pub(crate) async fn turn_to_connect(&self) -> tokio::sync::OwnedMutexGuard<()> {
        Arc::clone(&self.0.connecting).lock_owned().await
    }

    /// Runs something to its end although its caller may be gone.
    pub(crate) fn see_through(&self, work: impl Future<Output = ()> + Send + 'static) {
        // Without a runtime the process is ending, and nothing can be sent any more.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let mut unwatched = self.0.unwatched.lock().unwrap_or_else(PoisonError::into_inner);
        unwatched.retain(|task| !task.is_finished());
        unwatched.push(runtime.spawn(work));
    }

    /// Returns the vault.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.0.vault
    }

    /// Returns the dialer.
    pub fn dialer(&self) -> &Dialer {
        &self.0.dialer
    }

    pub(crate) fn clients(&self) -> &Clients {
        &self.0.clients
    }

    pub(crate) fn owner(&self) -> &TokenOwner {
        &self.0.owner
    }

    pub(crate) fn needles(&self) -> Result<Arc<Needles>, VaultError> {
        self.0.vault.all_needles()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        (self.0.clock)()
    }

    /// Records an act, durable when this returns.
    pub(crate) async fn record(&self, act: Act) -> Result<(), ConnectError> {
        self.act(act).await.map_err(|_| ConnectError::AuditUnavailable)
    }

    async fn act(&self, act: Act) -> Result<(), EgressError> {
        self.0.audit.act(act).await.map_err(|_| EgressError::AuditUnavailable)
    }

    /// Runs a call on the vault off the async threads.
    pub(crate) async fn read_vault<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Vault) -> Result<T, VaultError> + Send + 'static,
    ) -> Result<T, EgressError> {
        let vault = Arc::clone(&self.0.vault);
        let done = tokio::task::spawn_blocking(move || call(&vault)).await;
        Ok(done.map_err(|_| EgressError::Internal)??)
    }
}

impl std::fmt::Debug for Egress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Egress").field("dialer", &self.0.dialer).finish_non_exhaustive()
    }
}
