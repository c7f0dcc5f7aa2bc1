//! What a simulator is started with: orgs, users, clients, time and tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::google::GoogleConfig;
use crate::meta::MetaConfig;
use crate::notes::NotesConfig;
use crate::region::Region;
use crate::switches::Switches;

/// Returns the time in milliseconds since 1970.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Makes a token of a kind; the number counts all tokens made so far. It must not repeat itself.
pub type TokenFactory = Arc<dyn Fn(TokenKind, u64) -> String + Send + Sync>;

/// Which token is being made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// An authorization code.
    Code,
    /// An access token.
    Access,
    /// A refresh token.
    Refresh,
}

/// One of the environments of an org. A token is bound to the one chosen at consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Environment {
    /// Live data.
    Production,
    /// A copy to try things on.
    Sandbox,
    /// A developer edition.
    Developer,
}

impl Environment {
    /// Every environment.
    pub const ALL: [Environment; 3] = [Environment::Production, Environment::Sandbox, Environment::Developer];

    /// Returns the value of `type` in `/org`.
    pub fn org_type(self) -> &'static str {
        match self {
            Environment::Production => "Production",
            Environment::Sandbox => "Sandbox",
            Environment::Developer => "Developer",
        }
    }

    /// Returns the first label of the API host.
    pub fn api_label(self) -> &'static str {
        match self {
            Environment::Production => "www",
            Environment::Sandbox => "sandbox",
            Environment::Developer => "developer",
        }
    }

    pub(crate) fn named(text: &str) -> Option<Environment> {
        Environment::ALL.into_iter().find(|environment| environment.org_type().eq_ignore_ascii_case(text))
    }
}

/// A company with a CRM. It gets one org per environment: the sandbox's `zgid` is one higher, the developer
/// edition's two.
#[derive(Clone, Debug)]
pub struct OrgSpec {
    /// Where it lives.
    pub region: Region,
    /// The production org's `zgid`: digits.
    pub zgid: String,
    /// `company_name`.
    pub company: String,
}

/// A person who can consent.
#[derive(Clone, Debug)]
pub struct UserSpec {
    /// The login, and the name used by [`Consent`](crate::Consent).
    pub email: String,
    /// First name.
    pub first_name: String,
    /// Last name.
    pub last_name: String,
    /// The data centre that holds the account.
    pub region: Region,
    /// The `zgid` of the production org of the user's company.
    pub zgid: String,
}

/// An OAuth client, as the API console keeps it.
#[derive(Clone)]
pub struct ClientSpec {
    /// The client id, the same in every region.
    pub id: String,
    /// The secret where no region has its own.
    pub secret: String,
    /// Secrets of single regions: Zoho makes one per data centre unless told otherwise.
    pub region_secrets: BTreeMap<Region, String>,
    /// The redirect URIs; compared exactly.
    pub redirect_uris: Vec<String>,
    /// The data centres for which "multi-DC" is switched on.
    pub regions: Vec<Region>,
}

impl ClientSpec {
    /// Makes a client that is enabled everywhere with one secret.
    pub fn new(id: impl Into<String>, secret: impl Into<String>, redirect_uri: impl Into<String>) -> ClientSpec {
        ClientSpec {
            id: id.into(),
            secret: secret.into(),
            region_secrets: BTreeMap::new(),
            redirect_uris: vec![redirect_uri.into()],
            regions: Region::ALL.to_vec(),
        }
    }

    /// Enables only these regions.
    #[must_use]
    pub fn only_in(mut self, regions: &[Region]) -> ClientSpec {
        self.regions = regions.to_vec();
        self
    }

    /// Gives one region a secret of its own.
    #[must_use]
    pub fn secret_in(mut self, region: Region, secret: impl Into<String>) -> ClientSpec {
        self.region_secrets.insert(region, secret.into());
        self
    }

    pub(crate) fn secret_of(&self, region: Region) -> &str {
        self.region_secrets.get(&region).unwrap_or(&self.secret)
    }
}

impl fmt::Debug for ClientSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ClientSpec").field("id", &self.id).finish_non_exhaustive()
    }
}

/// What a simulator is started with.
#[derive(Clone)]
pub struct SimulatorConfig {
    /// The companies.
    pub orgs: Vec<OrgSpec>,
    /// The people.
    pub users: Vec<UserSpec>,
    /// Clients that are registered from the start.
    pub clients: Vec<ClientSpec>,
    /// The clients and people of Google.
    pub google: GoogleConfig,
    /// The apps and people of Meta.
    pub meta: MetaConfig,
    /// The clients, people and keys of the provider of notes.
    pub notes: NotesConfig,
    /// How long an access token of Zoho, Google or the provider of notes lives: one hour.
    pub access_token_lifetime_ms: u64,
    /// The time.
    pub clock: Clock,
    /// Makes the tokens, so that tests can plant canaries.
    pub tokens: TokenFactory,
    /// The quirks at start.
    pub switches: Switches,
}

impl Default for SimulatorConfig {
    /// One org and one user per region, a second company in the EU, real time and random tokens.
    fn default() -> SimulatorConfig {
        SimulatorConfig {
            orgs: crate::seed::orgs(),
            users: crate::seed::users(),
            clients: Vec::new(),
            google: GoogleConfig::default(),
            meta: MetaConfig::default(),
            notes: NotesConfig::default(),
            access_token_lifetime_ms: 3_600_000,
            clock: Arc::new(system_clock),
            tokens: Arc::new(|_, _| random_token()),
            switches: Switches::default(),
        }
    }
}

impl fmt::Debug for SimulatorConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SimulatorConfig")
            .field("orgs", &self.orgs)
            .field("users", &self.users)
            .finish_non_exhaustive()
    }
}

fn system_clock() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// Returns a token in Zoho's form: `1000.<32 hex>.<32 hex>`.
fn random_token() -> String {
    format!("1000.{}.{}", random_hex(), random_hex())
}

fn random_hex() -> String {
    let mut bytes = [0_u8; 16];
    // A machine without randomness cannot run TLS either, so this is never reached with an error.
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "no randomness");
    }
    hex::encode(bytes)
}
