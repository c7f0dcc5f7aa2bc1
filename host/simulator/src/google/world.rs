//! What Google knows: clients, users, grants and customers. Plain data; the rules are in the modules beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use serde_json::{Map, Value};

use super::config::{GoogleClient, GoogleConfig, GoogleUser};
use super::handle::GoogleMutation;
use super::seed;
use crate::config::TokenKind;
use crate::mint::Mint;
use crate::world::Challenge;

/// A resource: its fields in camel case, with `resourceName`.
pub(crate) type Row = Map<String, Value>;

pub(crate) struct World {
    pub mint: Mint,
    pub clients: BTreeMap<String, GoogleClient>,
    pub users: Vec<GoogleUser>,
    pub developer_tokens: BTreeSet<String>,
    pub access_token_lifetime_ms: u64,
    pub codes: Vec<Code>,
    /// Oldest first.
    pub grants: Vec<Grant>,
    /// Who (e-mail) has consented to which client.
    pub consented: BTreeSet<(String, String)>,
    pub customers: BTreeMap<String, Customer>,
    pub mutations: Vec<GoogleMutation>,
    requests: u64,
}

/// An authorization code that was not yet redeemed.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub value: String,
    pub made_ms: u64,
    pub client: String,
    pub user: String,
    pub redirect_uri: String,
    pub challenge: Option<Challenge>,
    pub with_refresh_token: bool,
    pub scopes: Vec<String>,
}

/// A consent with its tokens.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub client: String,
    pub user: String,
    pub scopes: Vec<String>,
    pub made_ms: u64,
    pub refresh_token: Option<String>,
    /// Each with the end of its life.
    pub access_tokens: Vec<(String, u64)>,
}

/// An account of Google Ads.
#[derive(Clone, Debug)]
pub(crate) struct Customer {
    pub id: String,
    pub manager: bool,
    /// The ids of a manager's clients.
    pub clients: Vec<String>,
    /// Rows by collection, such as `campaigns`.
    pub rows: BTreeMap<&'static str, Vec<Row>>,
    pub next_id: u64,
}

impl World {
    pub fn shared(config: GoogleConfig, lifetime_ms: u64, mint: Mint) -> Arc<Mutex<World>> {
        let clients = config.clients.into_iter().map(|client| (client.id.clone(), client)).collect();
        Arc::new(Mutex::new(World {
            mint,
            clients,
            users: config.users,
            developer_tokens: config.developer_tokens.into_iter().collect(),
            access_token_lifetime_ms: lifetime_ms,
            codes: Vec::new(),
            grants: Vec::new(),
            consented: BTreeSet::new(),
            customers: seed::customers(),
            mutations: Vec::new(),
            requests: 0,
        }))
    }

    /// Makes a token in Google's form.
    pub fn make_token(&self, kind: TokenKind) -> String {
        let prefix = match kind {
            TokenKind::Access => "ya29.",
            TokenKind::Code => "4/0A",
            TokenKind::Refresh => "1//0",
        };
        format!("{prefix}{}", self.mint.token(kind))
    }

    /// Makes the id of a request, as the header `request-id` has it.
    pub fn make_request_id(&mut self) -> String {
        self.requests += 1;
        format!("Simulator{:013}", self.requests)
    }

    /// Returns the grant of a live access token.
    pub fn grant_of_access(&self, token: &str) -> Option<&Grant> {
        let now = self.mint.now();
        self.grants.iter().find(|grant| {
            grant.access_tokens.iter().any(|(access, expires_ms)| access == token && *expires_ms > now)
        })
    }

    /// Whether the user reaches the customer: directly, or through the manager that the request names.
    pub fn reaches(&self, email: &str, login_customer: Option<&str>, customer: &str) -> bool {
        let Some(user) = self.users.iter().find(|user| user.email == email) else { return false };
        let start = login_customer.unwrap_or(customer);
        user.customers.iter().any(|direct| direct == start) && self.is_under(start, customer)
    }

    fn is_under(&self, manager: &str, customer: &str) -> bool {
        let Some(found) = self.customers.get(manager) else { return false };
        manager == customer || found.clients.iter().any(|client| self.is_under(client, customer))
    }
}
