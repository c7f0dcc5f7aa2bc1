//! Who is calling: the token, and what its scopes allow.

use serde_json::json;

use super::scope;
use crate::quirks::BadTokenAnswer;
use crate::switches::Switches;
use crate::wire::{Call, Reply};
use crate::world::{Subject, World};

/// A call whose token was good.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub subject: Subject,
    pub scopes: Vec<String>,
}

impl Session {
    /// Refuses unless one of the rows is granted in full: a disjunction of conjunctions.
    pub fn need(&self, rows: &[&[&str]]) -> Result<(), Reply> {
        let granted = |row: &&[&str]| row.iter().all(|scope| scope::is_granted(&self.scopes, scope));
        if rows.iter().any(granted) {
            return Ok(());
        }
        Err(Reply::error(401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL", json!({})))
    }

    /// Refuses unless the operation on the module is granted.
    pub fn need_module(&self, module: &str, operation: &str) -> Result<(), Reply> {
        self.need(&[&[&scope::of_module(module, operation)]])
    }
}

/// Opens a session. A token is bound to user, org, region and environment: elsewhere it is simply invalid.
pub(crate) fn open(world: &World, switches: &Switches, call: &Call) -> Result<Session, Reply> {
    let Some(token) = token_of(call, switches.bearer_accepted) else {
        return Err(refused(BadTokenAnswer::AuthenticationFailure));
    };
    let grant = world.grant_of_access(token).filter(|grant| {
        // The upload host is shared by the environments of its region.
        let same_environment =
            call.place.role == crate::region::Role::Upload || grant.subject.environment == call.place.environment;
        grant.subject.region == call.place.region && same_environment
    });
    let grant = grant.ok_or_else(|| refused(switches.bad_token))?;
    Ok(Session { subject: grant.subject.clone(), scopes: grant.scopes.clone() })
}

/// Returns the token of the `Authorization` header.
pub(crate) fn token_of(call: &Call, bearer: bool) -> Option<&str> {
    let (scheme, token) = call.header("authorization")?.split_once(' ')?;
    let known =
        scheme.eq_ignore_ascii_case("Zoho-oauthtoken") || (bearer && scheme.eq_ignore_ascii_case("Bearer"));
    Some(token.trim()).filter(|token| known && !token.is_empty())
}

pub(crate) fn refused(answer: BadTokenAnswer) -> Reply {
    match answer {
        BadTokenAnswer::InvalidToken => Reply::error(401, "INVALID_TOKEN", "invalid oauth token", json!({})),
        BadTokenAnswer::AuthenticationFailure => {
            Reply::error(401, "AUTHENTICATION_FAILURE", "Authentication failed", json!({}))
        }
    }
}
