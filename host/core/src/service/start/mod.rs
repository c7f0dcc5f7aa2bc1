//! The beginning of a definition: what a few answers, or a server's own metadata, say of a service, as commented TOML.
//!
//! What nobody knows yet is written as [`FILL_IN`], which the linter finds. Nothing is fetched here or anywhere: no host outside
//! a service's tables is ever dialled.

mod login;
mod metadata;
mod text;

use super::{ClientAuth, DefinitionError, ExtraPlace, parse};
use crate::id::{BadName, ServiceName};

pub use login::{DevicePath, Login, RevokePath};

/// Stands where something is still to be filled in.
pub(super) const FILL_IN: &str = "FILL-IN";

/// The same where a host is wanted (RFC 2606 section 2: no such name exists).
pub(super) const FILL_IN_HOST: &str = "fill-in.invalid";

/// What is known of a new service.
#[derive(Debug, Clone)]
pub struct Start {
    /// The name by which connections refer to it.
    pub name: String,
    /// The name shown to people.
    pub display: String,
    /// The API's version, as the provider writes it.
    pub version: String,
    /// The host of the API.
    pub api_host: String,
    /// The host of the provider's developer console.
    pub console: Option<String>,
    /// Where the access token goes.
    pub token_goes: TokenGoes,
    /// Scopes that its operations need.
    pub scopes: Vec<String>,
    /// How a person logs in.
    pub login: Login,
}

/// Why there is no definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The text is not metadata.
    #[error("this is not the metadata of an authorization server (RFC 8414): {problem}")]
    NotMetadata {
        /// What is wrong.
        problem: String,
    },
    /// The metadata is another server's.
    #[error("the metadata is of issuer `{found}`, not of `{given}` (RFC 8414 section 3.3)")]
    Issuer {
        /// What the metadata says.
        found: String,
        /// What was asked for.
        given: String,
    },
    /// The metadata lacks what a definition needs.
    #[error("the metadata has no `{member}`")]
    Missing {
        /// The member.
        member: &'static str,
    },
    /// A part cannot stand in a definition.
    #[error("{what} `{given}`: {rule}")]
    Value {
        /// Which part.
        what: &'static str,
        /// What was given.
        given: String,
        /// What it must be.
        rule: String,
    },
    /// The name is none.
    #[error(transparent)]
    Name(#[from] BadName),
    /// The parts do not make a definition.
    #[error("these parts make no definition: {0}")]
    Definition(DefinitionError),
}

/// Where the access token goes in a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenGoes {
    place: ExtraPlace,
    prefix: String,
}

impl TokenGoes {
    /// What most services take (RFC 6750 section 2.1), as [`TokenGoes::parse`] reads it.
    pub const USUAL: &'static str = "authorization: Bearer TOKEN";

    /// Reads an example of a request: `authorization: Bearer TOKEN`, `x-api-token: TOKEN` or `?key=TOKEN`.
    pub fn parse(example: &str) -> Result<Self, StartError> {
        let fail = || StartError::Value {
            what: "where the token goes",
            given: example.to_owned(),
            rule: format!("write it as `{}`, or as `?key=TOKEN` where it goes into the query", Self::USUAL),
        };
        let before = example.trim().strip_suffix("TOKEN").ok_or_else(fail)?;
        if let Some(name) = before.strip_prefix('?').and_then(|rest| rest.strip_suffix('=')) {
            let place = ExtraPlace::Query(name.to_owned());
            return if name.is_empty() { Err(fail()) } else { Ok(Self { place, prefix: String::new() }) };
        }
        let (name, prefix) = before.split_once(':').ok_or_else(fail)?;
        Ok(Self { place: ExtraPlace::Header(name.to_ascii_lowercase()), prefix: prefix.trim_start().to_owned() })
    }
}

impl Start {
    /// Returns the commented text of a definition.
    pub fn definition(&self) -> Result<String, StartError> {
        self.check()?;
        let text = text::render(self);
        parse(&text, &format!("{}.toml", self.name)).map_err(StartError::Definition)?;
        Ok(text)
    }

    fn check(&self) -> Result<(), StartError> {
        ServiceName::parse(&self.name)?;
        let hosts = [("API host", Some(&self.api_host)), ("console host", self.console.as_ref())];
        for (what, host) in hosts.into_iter().filter_map(|(what, host)| Some((what, host?))) {
            login::check_host(what, host)?;
        }
        if self.display.is_empty() || self.display.contains(char::is_control) {
            let rule = "a name of one line".to_owned();
            return Err(StartError::Value { what: "display name", given: self.display.clone(), rule });
        }
        if let Some(scope) = self.scopes.iter().chain(&self.login.announced).find(|scope| !is_scope(scope)) {
            let rule = "one scope, without space, comma or quotation mark".to_owned();
            return Err(StartError::Value { what: "scope", given: scope.clone(), rule });
        }
        self.login.check()
    }
}

/// RFC 6749 section 3.3, without the comma, which separates scopes at some providers.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && !b"\"\\,".contains(&b))
}

impl ClientAuth {
    /// Returns the word used in definitions.
    fn word(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Basic => "basic",
            Self::None => "none",
        }
    }
}
