//! Who is calling: the token, and what its scopes allow. The same for every product of an account.

use crate::api::Trouble;
use crate::region::Role;
use crate::scope;
use crate::switches::Switches;
use crate::wire::Call;
use crate::world::{Subject, World};

/// A call whose token was good.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub subject: Subject,
    pub scopes: Vec<String>,
}

impl Session {
    /// Whether one of the rows is granted in full: a disjunction of conjunctions.
    pub fn is_granted(&self, rows: &[&[&str]]) -> bool {
        rows.iter().any(|row| row.iter().all(|scope| scope::is_granted(&self.scopes, scope)))
    }
}

/// Opens a session. A token is bound to user, org, region and environment: elsewhere it is simply invalid.
pub(crate) fn open(world: &World, switches: &Switches, call: &Call) -> Result<Session, Trouble> {
    let token = token_of(call, switches.bearer_accepted).ok_or(Trouble::NoToken)?;
    let grant = world.grant_of_access(token).filter(|grant| {
        // The upload host and the accounts host are shared by the environments of their region.
        let shared = matches!(call.place.role, Role::Upload | Role::Accounts);
        let same_environment = shared || grant.subject.environment == call.place.environment;
        grant.subject.region == call.place.region && same_environment
    });
    let grant = grant.ok_or(Trouble::BadToken(switches.bad_token))?;
    Ok(Session { subject: grant.subject.clone(), scopes: grant.scopes.clone() })
}

/// Returns the token of the `Authorization` header.
pub(crate) fn token_of(call: &Call, bearer: bool) -> Option<&str> {
    let (scheme, token) = call.header("authorization")?.split_once(' ')?;
    let known =
        scheme.eq_ignore_ascii_case("Zoho-oauthtoken") || (bearer && scheme.eq_ignore_ascii_case("Bearer"));
    Some(token.trim()).filter(|token| known && !token.is_empty())
}
