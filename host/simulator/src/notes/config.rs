//! What the provider of notes is started with.

use std::collections::BTreeMap;
use std::fmt;

/// An OAuth client.
#[derive(Clone)]
pub struct NotesClient {
    /// The client id.
    pub id: String,
    /// The secret; `None`: a public client.
    pub secret: Option<String>,
    /// The redirect URIs; compared exactly, but for the port of a public client's loopback address (RFC 8252).
    pub redirect_uris: Vec<String>,
}

impl NotesClient {
    /// Makes a confidential client.
    pub fn new(id: impl Into<String>, secret: impl Into<String>, redirect_uri: impl Into<String>) -> NotesClient {
        NotesClient { id: id.into(), secret: Some(secret.into()), redirect_uris: vec![redirect_uri.into()] }
    }

    /// Makes a public client.
    pub fn public(id: impl Into<String>, redirect_uri: impl Into<String>) -> NotesClient {
        NotesClient { id: id.into(), secret: None, redirect_uris: vec![redirect_uri.into()] }
    }
}

impl fmt::Debug for NotesClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NotesClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A person who has notes.
#[derive(Clone, Debug)]
pub struct NotesAccount {
    /// The login, and the name used by [`Consent`](crate::Consent).
    pub email: String,
    /// The account's id.
    pub id: String,
    /// The name shown.
    pub name: String,
}

/// What the provider of notes is started with.
#[derive(Clone)]
pub struct NotesConfig {
    /// Clients that are registered from the start.
    pub clients: Vec<NotesClient>,
    /// The people.
    pub accounts: Vec<NotesAccount>,
    /// Static keys, each with its account's id.
    pub api_keys: BTreeMap<String, String>,
    /// The keys of apps that were looked at and approved, each with the app's name.
    pub app_keys: BTreeMap<String, String>,
}

impl NotesConfig {
    /// A key of the account `n-1001`. It opens the simulator only.
    pub const API_KEY: &'static str = "simulator-notes-key-of-nobody";
    /// The key of the app "Simulated app"; as above.
    pub const APP_KEY: &'static str = "simulator-app-key-of-nobody";
}

impl Default for NotesConfig {
    /// `nora@notes.example` has account `n-1001`, which has a key; `otto@notes.example` has `n-1002`. One app is approved.
    fn default() -> NotesConfig {
        let account = |name: &str, id: &str| NotesAccount {
            email: format!("{}@notes.example", name.to_ascii_lowercase()),
            id: id.to_owned(),
            name: name.to_owned(),
        };
        let key = |key: &str, of: &str| BTreeMap::from([(key.to_owned(), of.to_owned())]);
        NotesConfig {
            clients: Vec::new(),
            accounts: vec![account("Nora", "n-1001"), account("Otto", "n-1002")],
            api_keys: key(NotesConfig::API_KEY, "n-1001"),
            app_keys: key(NotesConfig::APP_KEY, "Simulated app"),
        }
    }
}

impl fmt::Debug for NotesConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("NotesConfig").field("accounts", &self.accounts).finish_non_exhaustive()
    }
}
