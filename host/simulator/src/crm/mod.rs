//! Zoho CRM v8: from a call on an API host to its reply (facts section 3).
//!
//! The order of checks is the provider's: token, API access, path (404), scope (401), parameters (400).

mod actions;
mod bulk;
mod compare;
mod composite;
mod convert;
mod coql;
mod criteria;
mod list;
mod mass;
mod metadata;
mod need;
mod notes;
mod org;
mod query;
mod related;
mod route;
mod scope;
mod search;
mod settings;
mod tokens;
mod write;

use serde_json::{Value, json};

use crate::api::{Outcome, Trouble};
use crate::quirks::BadTokenAnswer;
use crate::seed::owner_of;
use crate::session::{self, Session};
use crate::switches::Switches;
use crate::wire::{Call, Reply};
use crate::world::{Org, World};

/// What a handler works with: the org of the token, and who is calling.
pub(crate) struct Ctx<'a> {
    pub org: &'a mut Org,
    pub switches: &'a Switches,
    pub session: &'a Session,
    pub now: u64,
    /// The calling user as records name it.
    pub owner: Value,
}

/// Answers on an API or upload host.
pub(crate) fn answer(world: &mut World, switches: &Switches, call: &Call) -> Outcome {
    let session = session::open(world, switches, call).map_err(trouble)?;
    if !switches.api_access {
        let details = json!({"permissions": ["Crm_Implied_Api_Access"]});
        return Err(Reply::error(403, "NO_PERMISSION", "permission denied", details));
    }
    if switches.rate_limited {
        return Err(trouble(Trouble::TooMany));
    }
    let now = world.now();
    let owner = owner_of(world.user(&session.subject.user), &session.subject.zgid);
    let users = world.users.clone();
    let Some(org) = world.org_of(&session.subject) else {
        return Err(trouble(Trouble::BadToken(switches.bad_token)));
    };
    let mut ctx = Ctx { org, switches, session: &session, now, owner };
    let reply = route::route(&mut ctx, &users, call).unwrap_or_else(|error| error);
    ctx.org.credits_used += cost(call);
    Ok(with_credits(reply, ctx.org, switches))
}

/// Returns the CRM's words for what any product can run into.
pub(crate) fn trouble(trouble: Trouble) -> Reply {
    let (status, code, message) = match trouble {
        Trouble::NoToken | Trouble::BadToken(BadTokenAnswer::AuthenticationFailure) => {
            (401, "AUTHENTICATION_FAILURE", "Authentication failed")
        }
        Trouble::BadToken(BadTokenAnswer::InvalidToken) => (401, "INVALID_TOKEN", "invalid oauth token"),
        Trouble::ScopeMismatch => (401, "OAUTH_SCOPE_MISMATCH", "invalid oauth scope to access this URL"),
        // There is no `Retry-After`, and no telling concurrency from daily credits.
        Trouble::TooMany => (429, "TOO_MANY_REQUESTS", "You have made too many requests in a short time"),
        Trouble::Internal => (500, "INTERNAL_ERROR", "Internal server error occurred."),
    };
    Reply::error(status, code, message, json!({}))
}

/// Returns what a call costs (facts 3.6), roughly.
fn cost(call: &Call) -> u64 {
    let path = call.path.as_str();
    if path.ends_with("/actions/count") || path.contains("/bulk/v8/read") {
        return 50;
    }
    if path.ends_with("/actions/convert") { 5 } else { 1 }
}

/// The header appears only once half of the credits are used.
fn with_credits(reply: Reply, org: &Org, switches: &Switches) -> Reply {
    let used = org.credits_used + switches.credits_used;
    if used * 2 <= switches.credits_limit {
        return reply;
    }
    reply.with_header("x-api-credits-remaining", switches.credits_limit.saturating_sub(used).to_string())
}
