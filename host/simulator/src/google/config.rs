//! What Google is started with.

use std::fmt;

/// An OAuth client, as Google's console keeps it.
#[derive(Clone)]
pub struct GoogleClient {
    /// The client id.
    pub id: String,
    /// The secret. A desktop client has one as well.
    pub secret: String,
    /// The redirect URIs of a web client; compared exactly.
    pub redirect_uris: Vec<String>,
    /// Whether it is a "Desktop app": any port of a loopback address may then be redirected to (RFC 8252).
    pub desktop: bool,
}

impl GoogleClient {
    /// Makes a "Web application" client.
    pub fn web(id: impl Into<String>, secret: impl Into<String>, redirect_uri: impl Into<String>) -> GoogleClient {
        GoogleClient {
            id: id.into(),
            secret: secret.into(),
            redirect_uris: vec![redirect_uri.into()],
            desktop: false,
        }
    }

    /// Makes a "Desktop app" client.
    pub fn desktop(id: impl Into<String>, secret: impl Into<String>) -> GoogleClient {
        GoogleClient { id: id.into(), secret: secret.into(), redirect_uris: Vec::new(), desktop: true }
    }
}

impl fmt::Debug for GoogleClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GoogleClient").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A person who can consent.
#[derive(Clone, Debug)]
pub struct GoogleUser {
    /// The login, and the name used by [`Consent`](crate::Consent).
    pub email: String,
    /// The ids of the customers that the person reaches directly; managers give access to their clients.
    pub customers: Vec<String>,
}

/// What Google is started with.
#[derive(Clone)]
pub struct GoogleConfig {
    /// Clients that are registered from the start.
    pub clients: Vec<GoogleClient>,
    /// The people.
    pub users: Vec<GoogleUser>,
    /// The developer tokens that are approved.
    pub developer_tokens: Vec<String>,
}

impl Default for GoogleConfig {
    /// `owner@google.example` reaches the manager 1000000000, `direct@google.example` the customer 2222222222, and
    /// `other@google.example` the manager 9000000000 of somebody else. One developer token is approved.
    fn default() -> GoogleConfig {
        let user = |name: &str, customer: &str| GoogleUser {
            email: format!("{name}@google.example"),
            customers: vec![customer.to_owned()],
        };
        GoogleConfig {
            clients: Vec::new(),
            users: vec![user("owner", "1000000000"), user("direct", "2222222222"), user("other", "9000000000")],
            developer_tokens: vec!["SimulatorDeveloperTokn".to_owned()],
        }
    }
}

impl fmt::Debug for GoogleConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("GoogleConfig").field("users", &self.users).finish_non_exhaustive()
    }
}
