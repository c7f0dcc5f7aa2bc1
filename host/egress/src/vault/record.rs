//! What the vault keeps: registrations and grants, and their form inside a sealed row.
//!
//! The row's form is private to `vault` and has its own version; the public types carry no secret but those that
//! are being brought in.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wardlock_core::connection::Connection;
use wardlock_core::id::{GrantName, Region, RegistrationName, ServiceName};

use super::kept::Kept;
use super::secret::Secret;

/// The name of the client secret among a registration's secrets.
pub const CLIENT_SECRET: &str = "client-secret";

/// A registration to be stored: an OAuth client at a provider.
#[derive(Debug)]
pub struct NewRegistration {
    /// Its name here.
    pub name: RegistrationName,
    /// The service at which it is registered.
    pub service: ServiceName,
    /// The provider's client id.
    pub client_id: String,
    /// The redirect URI that is registered.
    pub redirect_uri: String,
    /// The client secret; `None` for a public client, and where a service has a key instead of clients.
    pub secret: Option<Secret>,
    /// Secrets of regions that have their own.
    pub region_secrets: BTreeMap<Region, Secret>,
    /// The program that gave the secret, with its arguments; empty: none did.
    pub program: Vec<String>,
    /// When it was made.
    pub created_ms: u64,
}

/// A stored registration, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistrationInfo {
    /// Its name here.
    pub name: RegistrationName,
    /// The service at which it is registered.
    pub service: ServiceName,
    /// The provider's client id.
    pub client_id: String,
    /// The redirect URI that is registered.
    pub redirect_uri: String,
    /// Whether a client secret is stored.
    pub has_secret: bool,
    /// The regions that have a secret of their own.
    pub region_secrets: Vec<Region>,
    /// Further secrets that are stored, by name.
    pub further_secrets: Vec<String>,
    /// The programs that gave secrets, with their arguments, by the secret's name ([`CLIENT_SECRET`] and those of further
    /// secrets).
    pub programs: BTreeMap<String, Vec<String>>,
    /// When it was made.
    pub created_ms: u64,
}

/// The account at the provider that a grant is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// The provider's id of it.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// `production`, `sandbox` or `developer`.
    pub environment: String,
}

/// An access token to be stored.
#[derive(Debug)]
pub struct NewAccess {
    /// The token.
    pub token: Arc<Secret>,
    /// When it ends, by the wall clock.
    pub expires_ms: u64,
}

/// A consent to be stored.
#[derive(Debug)]
pub struct NewGrant {
    /// Its name here.
    pub name: GrantName,
    /// The registration under which it was given.
    pub registration: RegistrationName,
    /// The service for which it was given.
    pub service: ServiceName,
    /// The region whose hosts it is for.
    pub region: Region,
    /// `production`, `sandbox` or `developer`.
    pub environment: String,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// What renews the access token: a refresh token, the access token itself, or a key that is used as it is. `None`: the
    /// client asks for itself.
    pub refresh_token: Option<Arc<Secret>>,
    /// The first access token, where the exchange gave one.
    pub access: Option<NewAccess>,
    /// The API host that the provider named.
    pub api_host: Option<String>,
    /// The account; `None`: it could not be looked up yet, and the grant serves nothing.
    pub tenant: Option<Tenant>,
    /// The same account, as other services that share the grant call it.
    pub accounts: BTreeMap<ServiceName, Tenant>,
    /// The provider's id of the person who consented, where it could be asked for.
    pub user: Option<String>,
    /// When it was given.
    pub created_ms: u64,
}

/// Whether a grant can be renewed, as far as the provider has said; kept on disk, so that a restart asks nothing twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Condition {
    /// The provider allows no token call before a moment. The grant lives.
    Throttled {
        /// Until when, by the wall clock.
        until_ms: u64,
    },
    /// The provider no longer accepts it: its refresh token is never sent again, and a person must consent.
    Reconnect {
        /// The provider's code.
        code: String,
        /// When it said so.
        at_ms: u64,
        /// When a refresh began that was cut off before its answer was stored; the provider may have replaced the
        /// token then.
        interrupted_ms: Option<u64>,
    },
}

/// Where a grant came from that was not consented to here: a copy, of which the original may still be in use. Gone with
/// the next consent, and once the provider has replaced the refresh token here, for then the original's is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Copied {
    /// When the copy was made, by the clock of who made it.
    pub made_ms: u64,
    /// When it was imported or restored here.
    pub brought_ms: u64,
}

/// A stored grant, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrantInfo {
    /// Its name here.
    pub name: GrantName,
    /// The registration under which it was given.
    pub registration: RegistrationName,
    /// The service for which it was given.
    pub service: ServiceName,
    /// The region whose hosts it is for.
    pub region: Region,
    /// `production`, `sandbox` or `developer`.
    pub environment: String,
    /// The scopes that were granted.
    pub scopes: Vec<String>,
    /// The API host that the provider named.
    pub api_host: Option<String>,
    /// The account, as the service calls it for which the grant was given; `None`: it could not be looked up yet.
    pub tenant: Option<Tenant>,
    /// The same account, as other services that share the grant call it: those that were asked.
    pub accounts: BTreeMap<ServiceName, Tenant>,
    /// The provider's id of the person who consented, where it is known.
    pub user: Option<String>,
    /// Which consent this is: every new one has a higher number.
    pub generation: u64,
    /// When it was given.
    pub created_ms: u64,
    /// When the stored access token ends; `None`: none is stored.
    pub access_expires_ms: Option<u64>,
    /// What hinders its renewal; `None`: nothing that is known.
    pub condition: Option<Condition>,
    /// The copy that it came from, where it was imported or restored.
    pub copied: Option<Copied>,
}

impl GrantInfo {
    /// Returns the account as a service calls it; `None`: that service was never asked.
    pub fn account_of(&self, service: &ServiceName) -> Option<&Tenant> {
        if *service == self.service { self.tenant.as_ref() } else { self.accounts.get(service) }
    }

    /// Returns the tenant of a connection's requests on this grant; `None` where it is not the pinned one, or nobody can know.
    pub fn tenant_of(&self, connection: &Connection) -> Option<String> {
        let own = self.account_of(&connection.service.name);
        let consented = self.tenant.as_ref().or(own)?;
        connection.tenant_on(own.map(|own| own.id.as_str()), &consented.id)
    }

    /// Returns whether there is something with which an answer of a connection's service may be compared: what the workspace file
    /// names, or what that service itself called the account.
    pub fn is_pinned_for(&self, connection: &Connection) -> bool {
        connection.tenant.is_some() || self.account_of(&connection.service.name).is_some()
    }
}

/// A refresh token that, as far as is known, lives at the provider: a stored grant's, or one that is stored no more and
/// could not be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveGrant {
    /// The stored grant; `None`: it is not stored any more.
    pub grant: Option<GrantName>,
    /// Whose consent it is, where it is known.
    pub user: Option<String>,
    /// The account's id, where it is known.
    pub tenant: Option<String>,
    /// When it was given.
    pub created_ms: u64,
}

/// What a refresh may do, once it has its place in the journal and in the provider's budget.
#[derive(Debug)]
pub(crate) enum Begun {
    /// Call. The call is in the budget and in the journal.
    Call(Box<RefreshMaterial>),
    /// Do not: this hinders it.
    Hindered(Condition),
}

/// How a refresh ended that brought no access token.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// Whether it is known what the provider did: it answered, or the call never reached it.
    pub(crate) answered: bool,
    /// A refresh token that came in an answer which is not used otherwise. The old one may be dead by now.
    pub(crate) rotated: Option<Arc<Secret>>,
    /// What hinders further calls.
    pub(crate) condition: Option<Condition>,
}

/// The secrets of a registration, as they hold in a region.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientSecrets {
    /// `None`: a public client, or a key.
    pub(crate) client_secret: Option<Arc<Secret>>,
    /// Further ones, by name.
    pub(crate) further: BTreeMap<String, Arc<Secret>>,
}

impl ClientSecrets {
    /// Returns every one.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Secret> {
        self.client_secret.iter().chain(self.further.values()).map(AsRef::as_ref)
    }
}

/// What a code exchange needs of a registration.
#[derive(Debug)]
pub(crate) struct ClientMaterial {
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) secrets: ClientSecrets,
}

/// What a refresh needs of a grant and its registration.
#[derive(Debug)]
pub(crate) struct RefreshMaterial {
    pub(crate) client_id: String,
    pub(crate) secrets: ClientSecrets,
    /// What renews the access token; `None`: the client asks for itself.
    pub(crate) refresh_token: Option<Arc<Secret>>,
    pub(crate) scopes: Vec<String>,
    pub(crate) region: Region,
    pub(crate) environment: String,
}

/// A registration inside its row, version 4. Version 1 had no secrets of before, version 2 no leftovers, version 3 always
/// a client secret and no further ones.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistrationRow {
    pub(super) service: String,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) secret: Option<Kept>,
    pub(super) region_secrets: BTreeMap<String, Kept>,
    #[serde(default)]
    pub(super) further: BTreeMap<String, Kept>,
    #[serde(default)]
    pub(super) programs: BTreeMap<String, Vec<String>>,
    pub(super) created_ms: u64,
    /// Secrets of before, oldest first: the provider may still take them, so they are looked for.
    #[serde(default)]
    pub(super) previous: Vec<Kept>,
    /// Grants that are stored no more and may live on at the provider, oldest first.
    #[serde(default)]
    pub(super) leftovers: Vec<LeftoverRow>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeftoverRow {
    pub(super) user: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) created_ms: u64,
}

/// How many leftovers are remembered: more than any provider lets live.
const MOST_LEFTOVERS: usize = 100;

impl RegistrationRow {
    /// Remembers a grant that could not be revoked.
    pub(super) fn leave(&mut self, leftover: LeftoverRow) {
        self.leftovers.push(leftover);
        let surplus = self.leftovers.len().saturating_sub(MOST_LEFTOVERS);
        self.leftovers.drain(..surplus);
    }

    /// Replaces the common secret, or a region's own; the old one is still looked for.
    pub(super) fn renew_secret(&mut self, region: Option<&Region>, secret: Arc<Secret>) {
        let old = match region {
            None => self.secret.replace(Kept(secret)),
            Some(region) => self.region_secrets.insert(region.as_str().to_owned(), Kept(secret)),
        };
        self.retire(old);
    }

    /// Replaces a further secret; the old one is still looked for.
    pub(super) fn renew_further(&mut self, name: &str, secret: Arc<Secret>) {
        let old = self.further.insert(name.to_owned(), Kept(secret));
        self.retire(old);
    }

    fn retire(&mut self, old: impl IntoIterator<Item = Kept>) {
        self.previous.extend(old);
        let surplus = self.previous.len().saturating_sub(MOST_PREVIOUS);
        self.previous.drain(..surplus);
    }

    /// Takes over the secrets of a registration of the same name, so that they are still looked for.
    pub(super) fn inherit(&mut self, old: RegistrationRow) {
        self.retire(old.secrets().map(Kept).collect::<Vec<_>>());
    }

    /// Returns every secret in it.
    pub(super) fn secrets(self) -> impl Iterator<Item = Arc<Secret>> {
        let current =
            self.secret.into_iter().chain(self.region_secrets.into_values()).chain(self.further.into_values());
        self.previous.into_iter().chain(current).map(|kept| kept.0)
    }
}

/// A grant inside its row, version 5. Its generation stands beside it, authenticated. Version 1 had neither journal nor
/// condition, version 2 neither user nor mark of a copy, version 3 always a refresh token, version 4 one service's account.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GrantRow {
    pub(super) registration: String,
    pub(super) service: String,
    pub(super) region: String,
    pub(super) environment: String,
    pub(super) scopes: Vec<String>,
    pub(super) refresh_token: Option<Kept>,
    pub(super) access: Option<AccessRow>,
    /// Tokens of before, oldest first: they may still come back in an answer, so they are looked for.
    pub(super) previous: Vec<Kept>,
    pub(super) api_host: Option<String>,
    pub(super) tenant: Option<TenantRow>,
    /// By service. Since version 5.
    #[serde(default)]
    pub(super) accounts: BTreeMap<String, TenantRow>,
    #[serde(default)]
    pub(super) user: Option<String>,
    pub(super) created_ms: u64,
    /// The journal: a refresh that was begun and whose answer is not known.
    #[serde(default)]
    pub(super) pending: Option<PendingRow>,
    #[serde(default)]
    pub(super) condition: Option<Condition>,
    /// Since version 3.
    #[serde(default)]
    pub(super) copied: Option<Copied>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PendingRow {
    /// When the first of them began.
    pub(super) since_ms: u64,
    /// Whether an earlier one was never answered, so that the provider may have rotated the token already.
    pub(super) unanswered: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessRow {
    pub(super) token: Kept,
    pub(super) expires_ms: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantRow {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) environment: String,
}

/// How many secrets of before are kept for each grant and registration.
const MOST_PREVIOUS: usize = 6;

impl GrantRow {
    /// Pins the account as a service calls it, unless that stands there already.
    pub(super) fn pin(&mut self, service: &str, account: TenantRow) {
        if service == self.service {
            self.tenant.get_or_insert(account);
        } else {
            self.accounts.entry(service.to_owned()).or_insert(account);
        }
    }

    /// Notes that the token endpoint is about to be called.
    pub(super) fn begin_refresh(&mut self, now_ms: u64) {
        let since_ms = self.pending.as_ref().map_or(now_ms, |pending| pending.since_ms);
        self.pending = Some(PendingRow { since_ms, unanswered: self.pending.is_some() });
    }

    /// Notes how a call ended that brought no access token.
    pub(super) fn settle_refresh(&mut self, settled: Settled) {
        let unanswered =
            self.pending.as_ref().filter(|pending| pending.unanswered).map(|pending| pending.since_ms);
        self.condition = settled.condition.map(|condition| match condition {
            Condition::Reconnect { code, at_ms, .. } => {
                Condition::Reconnect { code, at_ms, interrupted_ms: unanswered }
            }
            Condition::Throttled { until_ms } => Condition::Throttled { until_ms },
        });
        if settled.answered {
            self.pending = None;
        }
        if let Some(rotated) = settled.rotated {
            self.renew_refresh(rotated);
        }
    }

    /// Replaces the access token; the old one is still looked for.
    pub(super) fn renew_access(&mut self, token: Arc<Secret>, expires_ms: u64) {
        self.pending = None;
        self.condition = None;
        let new = AccessRow { token: Kept(token), expires_ms };
        if let Some(old) = self.access.replace(new) {
            self.retire(old.token);
        }
    }

    /// Replaces the refresh token; the old one is still looked for.
    pub(super) fn renew_refresh(&mut self, token: Arc<Secret>) {
        if self.refresh_token.as_ref().is_some_and(|kept| kept.0.same(&token)) {
            return;
        }
        if let Some(old) = self.refresh_token.replace(Kept(token)) {
            self.retire(old);
        }
        self.copied = None;
    }

    /// Marks it as brought from a copy, and lets the copy's access token go: it is minted anew when it is needed.
    pub(super) fn bring(&mut self, copied: Copied) {
        if let Some(access) = self.access.take() {
            self.retire(access.token);
        }
        self.copied = Some(copied);
    }

    /// Takes over what a grant of the same name had, so that it is still looked for.
    pub(super) fn inherit(&mut self, old: GrantRow) {
        for secret in old.secrets().collect::<Vec<_>>() {
            self.retire(Kept(secret));
        }
    }

    /// Returns every secret in it.
    pub(super) fn secrets(self) -> impl Iterator<Item = Arc<Secret>> {
        let access = self.access.map(|access| access.token);
        self.previous.into_iter().chain(self.refresh_token).chain(access).map(|kept| kept.0)
    }

    fn retire(&mut self, old: Kept) {
        // Where the access token renews itself, one secret leaves two places.
        if self.previous.iter().any(|kept| kept.0.same(&old.0)) {
            return;
        }
        self.previous.push(old);
        let surplus = self.previous.len().saturating_sub(MOST_PREVIOUS);
        self.previous.drain(..surplus);
    }
}
