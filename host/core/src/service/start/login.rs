//! How a person logs in at a new service: entered by hand, or as the server itself announces it.

use super::{ClientAuth, StartError};
use crate::service::check::{is_host_name, is_plain_path};

/// Endpoints, and how a client says who it is at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Host of the authorization endpoint.
    pub accounts: String,
    /// Host of the token endpoint, where that is another.
    pub token: Option<String>,
    /// What the callback's `iss` will be, where the server announces that it sends one.
    pub issuer: Option<String>,
    /// Authorization endpoint, where there is one.
    pub authorize_path: Option<String>,
    /// Token endpoint.
    pub token_path: String,
    /// Revocation endpoint, if it is known.
    pub revoke: Option<RevokePath>,
    /// Device authorization endpoint, if there is one.
    pub device: Option<DevicePath>,
    /// How the client says who it is at the token endpoint.
    pub client_auth: ClientAuth,
    /// Whether PKCE S256 is sent.
    pub pkce: bool,
    /// Whether a scope asks for a refresh token (`offline_access`).
    pub offline: bool,
    /// Scopes that the server announces.
    pub announced: Vec<String>,
    /// What else is to know, a sentence each.
    pub notes: Vec<String>,
    /// From where this is known.
    pub evidence: String,
}

/// A revocation endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokePath {
    /// Its path, on the token host.
    pub path: String,
    /// How the client says who it is there.
    pub client_auth: ClientAuth,
}

/// A device authorization endpoint: its path, on the token host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DevicePath(pub String);

impl Login {
    /// Returns what a person said.
    pub fn by_hand(accounts: String, token: Option<String>, authorize_path: String, token_path: String) -> Self {
        Self {
            token: token.filter(|token| *token != accounts),
            accounts,
            issuer: None,
            authorize_path: Some(authorize_path),
            token_path,
            revoke: None,
            device: None,
            client_auth: ClientAuth::Body,
            pkce: true,
            offline: false,
            announced: Vec::new(),
            notes: Vec::new(),
            evidence: "entered by hand".to_owned(),
        }
    }

    pub(super) fn check(&self) -> Result<(), StartError> {
        check_host("host of the consent page", &self.accounts)?;
        self.token.as_deref().map_or(Ok(()), |token| check_host("token host", token))?;
        let paths = [
            ("authorization path", self.authorize_path.as_deref()),
            ("token path", Some(self.token_path.as_str())),
        ];
        for (what, path) in paths.into_iter().filter_map(|(what, path)| Some((what, path?))) {
            if !is_plain_path(path) {
                let rule = "a path begins with `/` and holds no `?`, `#` or space".to_owned();
                return Err(StartError::Value { what, given: path.to_owned(), rule });
            }
        }
        Ok(())
    }
}

pub(super) fn check_host(what: &'static str, host: &str) -> Result<(), StartError> {
    if is_host_name(host) {
        return Ok(());
    }
    let rule = "a bare host name in lower case, without scheme, port or path".to_owned();
    Err(StartError::Value { what, given: host.to_owned(), rule })
}
