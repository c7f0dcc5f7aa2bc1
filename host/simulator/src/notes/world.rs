//! What the provider of notes knows. Plain data; the rules are in the modules beside it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::config::{NotesAccount, NotesClient, NotesConfig};
use crate::config::TokenKind;
use crate::mint::Mint;
use crate::world::{Challenge, Decision};

pub(crate) struct World {
    pub mint: Mint,
    pub clients: BTreeMap<String, NotesClient>,
    pub accounts: Vec<NotesAccount>,
    pub api_keys: BTreeMap<String, String>,
    pub app_keys: BTreeMap<String, String>,
    pub access_token_lifetime_ms: u64,
    /// Redeemed ones stay, so that a second use is noticed.
    pub codes: Vec<Code>,
    pub devices: Vec<Device>,
    /// Oldest first.
    pub grants: Vec<Grant>,
    /// By account, oldest first.
    pub notes: BTreeMap<String, Vec<Note>>,
}

/// An authorization code.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub value: String,
    pub made_ms: u64,
    pub client: String,
    pub account: String,
    pub redirect_uri: String,
    pub challenge: Challenge,
    pub scopes: Vec<String>,
    /// The number of the grant that it has become.
    pub redeemed: Option<u64>,
}

/// A device that waits for its person.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub value: String,
    pub user_code: String,
    pub made_ms: u64,
    pub client: String,
    pub scopes: Vec<String>,
    pub polled_ms: Option<u64>,
    pub decision: Decision,
}

/// A consent with its tokens, or what a client may do for itself.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub number: u64,
    pub client: String,
    pub account: String,
    pub scopes: Vec<String>,
    pub refresh_token: Option<String>,
    /// Refresh tokens that another has replaced.
    pub used: Vec<String>,
    pub access_tokens: Vec<AccessToken>,
}

#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    pub token: String,
    pub expires_ms: u64,
    pub scopes: Vec<String>,
}

#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub id: String,
    pub text: String,
}

impl World {
    pub fn shared(config: NotesConfig, lifetime_ms: u64, mint: Mint) -> Arc<Mutex<World>> {
        let first = |account: &NotesAccount| {
            let text = format!("The first note of {}", account.name);
            (account.id.clone(), vec![Note { id: format!("{}-0", account.id), text }])
        };
        let notes = config.accounts.iter().map(first).collect();
        Arc::new(Mutex::new(World {
            mint,
            clients: config.clients.into_iter().map(|client| (client.id.clone(), client)).collect(),
            accounts: config.accounts,
            api_keys: config.api_keys,
            app_keys: config.app_keys,
            access_token_lifetime_ms: lifetime_ms,
            codes: Vec::new(),
            devices: Vec::new(),
            grants: Vec::new(),
            notes,
        }))
    }

    /// Makes a grant, without tokens yet, and returns its number.
    pub fn grant(&mut self, client: &str, account: &str, scopes: Vec<String>) -> u64 {
        let number = self.mint.number();
        self.grants.push(Grant {
            number,
            client: client.to_owned(),
            account: account.to_owned(),
            scopes,
            refresh_token: None,
            used: Vec::new(),
            access_tokens: Vec::new(),
        });
        number
    }

    /// Ends a grant with all its tokens.
    pub fn end(&mut self, number: u64) {
        self.grants.retain(|grant| grant.number != number);
    }

    /// Returns the grant of a live access token, and the token.
    pub fn grant_of_access(&self, token: &str) -> Option<(&Grant, &AccessToken)> {
        let now = self.mint.now();
        self.grants.iter().find_map(|grant| {
            let found = grant.access_tokens.iter().find(|access| access.token == token)?;
            (found.expires_ms > now).then_some((grant, found))
        })
    }

    pub fn make_token(&self, kind: TokenKind) -> String {
        self.mint.token(kind)
    }

    /// Notes what a person (an e-mail) has decided; returns whether the code waits for that.
    pub fn decide_device(&mut self, user_code: &str, decision: Decision) -> bool {
        let waits = |device: &&mut Device| device.user_code == user_code && device.decision == Decision::Wait;
        let Some(device) = self.devices.iter_mut().find(waits) else { return false };
        device.decision = decision;
        true
    }

    /// Returns the id of a person's account.
    pub fn account_of(&self, email: &str) -> Option<String> {
        self.accounts.iter().find(|account| account.email == email).map(|account| account.id.clone())
    }

    /// Returns the name of an account; that of a client which asks for itself is its id.
    pub fn name_of(&self, account: &str) -> String {
        let found = self.accounts.iter().find(|one| one.id == account);
        found.map_or_else(|| account.to_owned(), |account| account.name.clone())
    }
}

/// Whether it is a scope that somebody may ask for.
pub(crate) fn is_scope(text: &str) -> bool {
    matches!(text, "notes.read" | "notes.write" | "offline_access")
}
