//! What the provider knows: clients, users, grants and orgs. Plain data; the rules are in `oauth` and `crm`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use crate::config::{ClientSpec, Environment, SimulatorConfig, TokenKind, UserSpec};
use crate::mint::Mint;
use crate::quirks::Rotation;
use crate::region::Region;
use crate::seed;

/// The world as all connections share it.
pub(crate) type SharedWorld = Arc<Mutex<World>>;

/// A record of a module: its fields by API name, with `id`.
pub(crate) type Record = Map<String, Value>;

/// Locks, also after a panic elsewhere: a test that failed must not fail its neighbours.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) struct World {
    mint: Mint,
    pub access_token_lifetime_ms: u64,
    pub clients: BTreeMap<String, ClientSpec>,
    pub users: Vec<UserSpec>,
    pub orgs: Vec<Org>,
    pub codes: Vec<Code>,
    pub devices: Vec<Device>,
    /// Oldest first.
    pub grants: Vec<Grant>,
    /// Who (e-mail) has consented to which client.
    pub consented: BTreeSet<(String, String)>,
}

/// An authorization code that was not yet redeemed.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub value: String,
    pub made_ms: u64,
    pub client: String,
    pub redirect_uri: String,
    pub challenge: Option<Challenge>,
    pub with_refresh_token: bool,
    pub subject: Subject,
    pub scopes: Vec<String>,
}

/// A device that waits for its person.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    /// The device code.
    pub value: String,
    pub user_code: String,
    pub made_ms: u64,
    pub client: String,
    /// Where the codes were made.
    pub region: Region,
    pub scopes: Vec<String>,
    pub offline: bool,
    pub prompt_consent: bool,
    pub polled_ms: Option<u64>,
    pub decision: Decision,
}

/// What the person has decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// Nothing yet.
    Wait,
    /// By e-mail.
    Approve(String),
    Deny,
}

/// A PKCE challenge.
#[derive(Clone, Debug)]
pub(crate) struct Challenge {
    pub value: String,
    pub hashed: bool,
}

/// Whose data a grant is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub user: String,
    pub region: Region,
    pub environment: Environment,
    pub zgid: String,
}

/// A consent with its tokens.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub client: String,
    pub subject: Subject,
    pub scopes: Vec<String>,
    pub made_ms: u64,
    pub refresh_token: Option<String>,
    /// Refresh tokens that rotation replaced, and when.
    pub replaced: Vec<(String, u64)>,
    /// Oldest first.
    pub access_tokens: VecDeque<AccessToken>,
    pub window_started_ms: u64,
    pub calls_in_window: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    pub token: String,
    pub expires_ms: u64,
}

/// An org in one environment.
#[derive(Clone, Debug)]
pub(crate) struct Org {
    pub region: Region,
    pub environment: Environment,
    pub zgid: String,
    pub company: String,
    pub next_id: u64,
    /// By name; those of the other products are called `books/{organization}/contacts` and the like.
    pub modules: BTreeMap<String, Vec<Record>>,
    pub deleted: Vec<Record>,
    pub credits_used: u64,
    /// Accepted side effects (`actions/watch`, `send_mail`, bulk jobs, uploads), by kind.
    pub accepted: Vec<(String, Value)>,
}

impl World {
    pub fn shared(config: SimulatorConfig, mint: Mint) -> SharedWorld {
        let orgs = seed::build(&config.orgs, &config.users);
        let clients = config.clients.into_iter().map(|client| (client.id.clone(), client)).collect();
        Arc::new(Mutex::new(World {
            mint,
            access_token_lifetime_ms: config.access_token_lifetime_ms,
            clients,
            users: config.users,
            orgs,
            codes: Vec::new(),
            devices: Vec::new(),
            grants: Vec::new(),
            consented: BTreeSet::new(),
        }))
    }

    pub fn now(&self) -> u64 {
        self.mint.now()
    }

    pub fn make_token(&mut self, kind: TokenKind) -> String {
        self.mint.token(kind)
    }

    /// Returns a code that a person can type, and that was never made before.
    pub fn make_user_code(&mut self) -> String {
        format!("WDLK-{:04}", self.mint.number())
    }

    /// Notes what a person has decided; returns whether the code waits for that.
    pub fn decide_device(&mut self, user_code: &str, decision: Decision) -> bool {
        let waits = |device: &&mut Device| device.user_code == user_code && device.decision == Decision::Wait;
        let Some(device) = self.devices.iter_mut().find(waits) else { return false };
        device.decision = decision;
        true
    }

    pub fn add_client(&mut self, client: ClientSpec) {
        self.clients.insert(client.id.clone(), client);
    }

    pub fn remove_client(&mut self, id: &str) {
        self.clients.remove(id);
        self.grants.retain(|grant| grant.client != id);
        self.codes.retain(|code| code.client != id);
        self.devices.retain(|device| device.client != id);
    }

    pub fn user(&self, email: &str) -> Option<&UserSpec> {
        self.users.iter().find(|user| user.email == email)
    }

    /// Returns the grant of a live access token.
    pub fn grant_of_access(&self, token: &str) -> Option<&Grant> {
        let now = self.now();
        let lives = |access: &AccessToken| access.token == token && access.expires_ms > now;
        self.grants.iter().find(|grant| grant.access_tokens.iter().any(lives))
    }

    /// Returns the place of the grant that a refresh token is, or was, of.
    pub fn place_of_refresh(&self, token: &str) -> Option<usize> {
        self.grants.iter().position(|grant| {
            grant.refresh_token.as_deref() == Some(token) || grant.replaced.iter().any(|(old, _)| old == token)
        })
    }

    /// Returns whether a refresh token of this grant was replaced, and its grace is over.
    pub fn is_replay(&self, place: usize, token: &str, rotation: Rotation) -> bool {
        let grace_ms = match rotation {
            Rotation::WithGrace { milliseconds } => milliseconds,
            Rotation::Never | Rotation::WithoutGrace => 0,
        };
        let grant = &self.grants[place];
        let replaced = grant.replaced.iter().find(|(old, _)| old == token);
        replaced.is_some_and(|(_, at_ms)| self.now() >= at_ms + grace_ms)
    }

    pub fn org_of(&mut self, subject: &Subject) -> Option<&mut Org> {
        self.orgs.iter_mut().find(|org| {
            org.region == subject.region && org.environment == subject.environment && org.zgid == subject.zgid
        })
    }

    pub fn access_tokens(&self) -> Vec<String> {
        let now = self.now();
        let live = self.grants.iter().flat_map(|grant| &grant.access_tokens);
        live.filter(|access| access.expires_ms > now).map(|access| access.token.clone()).collect()
    }

    pub fn refresh_tokens(&self) -> Vec<String> {
        self.grants.iter().filter_map(|grant| grant.refresh_token.clone()).collect()
    }

    pub fn expire_access_tokens(&mut self) {
        for grant in &mut self.grants {
            grant.access_tokens.clear();
        }
    }

    pub fn revoke_user(&mut self, email: &str) {
        self.grants.retain(|grant| grant.subject.user != email);
        self.consented.retain(|(user, _)| user != email);
    }

    pub fn accepted(&self, zgid: &str) -> Vec<(String, Value)> {
        self.orgs.iter().find(|org| org.zgid == zgid).map(|org| org.accepted.clone()).unwrap_or_default()
    }

    /// Returns what is to be known of an org; the default where there is none.
    pub fn with_org<T: Default>(&self, zgid: &str, read: impl FnOnce(&Org) -> T) -> T {
        self.orgs.iter().find(|org| org.zgid == zgid).map(read).unwrap_or_default()
    }

    pub fn records(&self, zgid: &str, module: &str) -> Vec<Value> {
        let org = self.orgs.iter().find(|org| org.zgid == zgid);
        let records = org.and_then(|org| org.modules.get(module));
        records.into_iter().flatten().cloned().map(Value::Object).collect()
    }
}

impl Org {
    /// Returns an id that no record of the org has.
    pub fn make_id(&mut self) -> String {
        self.next_id += 1;
        self.next_id.to_string()
    }

    pub fn find(&self, module: &str, id: &str) -> Option<&Record> {
        self.modules.get(module)?.iter().find(|record| record_id(record) == id)
    }

    pub fn find_mut(&mut self, module: &str, id: &str) -> Option<&mut Record> {
        self.modules.get_mut(module)?.iter_mut().find(|record| record_id(record) == id)
    }
}

/// Returns a record's id.
pub(crate) fn record_id(record: &Record) -> &str {
    record.get("id").and_then(Value::as_str).unwrap_or_default()
}
