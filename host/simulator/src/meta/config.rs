//! What Meta is started with.

use std::fmt;

/// An app, as Meta's developer console keeps it.
#[derive(Clone)]
pub struct MetaApp {
    /// The app id: the OAuth client id.
    pub id: String,
    /// The app secret.
    pub secret: String,
    /// The valid OAuth redirect URIs; compared exactly.
    pub redirect_uris: Vec<String>,
    /// Whether "Require app secret" is on: every API call then needs `appsecret_proof`.
    pub requires_proof: bool,
}

impl MetaApp {
    /// Makes an app that requires `appsecret_proof`.
    pub fn new(id: impl Into<String>, secret: impl Into<String>, redirect_uri: impl Into<String>) -> MetaApp {
        MetaApp {
            id: id.into(),
            secret: secret.into(),
            redirect_uris: vec![redirect_uri.into()],
            requires_proof: true,
        }
    }

    /// Switches "Require app secret" off.
    #[must_use]
    pub fn without_proof(mut self) -> MetaApp {
        self.requires_proof = false;
        self
    }
}

impl fmt::Debug for MetaApp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MetaApp").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A person who can consent.
#[derive(Clone, Debug)]
pub struct MetaUser {
    /// The login, and the name used by [`Consent`](crate::Consent).
    pub email: String,
    /// The user id.
    pub id: String,
    /// The name shown.
    pub name: String,
    /// The ids of the ad accounts, without `act_`.
    pub accounts: Vec<String>,
}

/// What Meta is started with.
#[derive(Clone)]
pub struct MetaConfig {
    /// Apps that are registered from the start.
    pub apps: Vec<MetaApp>,
    /// The people.
    pub users: Vec<MetaUser>,
}

impl Default for MetaConfig {
    /// `owner@meta.example` has the ad accounts 111 and 222, `other@meta.example` has 999.
    fn default() -> MetaConfig {
        let user = |email: &str, id: &str, name: &str, accounts: &[&str]| MetaUser {
            email: email.to_owned(),
            id: id.to_owned(),
            name: name.to_owned(),
            accounts: accounts.iter().map(|account| (*account).to_owned()).collect(),
        };
        MetaConfig {
            apps: Vec::new(),
            users: vec![
                user("owner@meta.example", "10001", "Olive Owner", &["111", "222"]),
                user("other@meta.example", "20002", "Otto Other", &["999"]),
            ],
        }
    }
}

impl fmt::Debug for MetaConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MetaConfig").field("users", &self.users).finish_non_exhaustive()
    }
}
