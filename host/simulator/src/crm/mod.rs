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
mod echo;
mod list;
mod mass;
mod metadata;
mod notes;
mod org;
mod query;
mod related;
mod route;
mod scope;
mod search;
mod session;
mod settings;
mod tokens;
mod write;

use serde_json::{Value, json};

use crate::quirks::{ApiAnswer, BadTokenAnswer};
use crate::seed::owner_of;
use crate::switches::Switches;
use crate::wire::{Call, Reply};
use crate::world::{Org, World};
pub(crate) use session::Session;

/// What a handler works with: the org of the token, and who is calling.
pub(crate) struct Ctx<'a> {
    pub org: &'a mut Org,
    pub switches: &'a Switches,
    pub session: &'a Session,
    pub now: u64,
    /// The calling user as records name it.
    pub owner: Value,
}

/// A reply, or the error that ends the call.
pub(crate) type Outcome = Result<Reply, Reply>;

/// Answers on an API or upload host.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call) -> Reply {
    let scripted = switches.api_answers.pop_front().and_then(scripted);
    let reply = scripted.unwrap_or_else(|| serve(world, switches, call).unwrap_or_else(|error| error));
    echo::apply(reply, switches, call).with_fault(switches.api_faults.pop_front())
}

/// Returns the reply that a test has put into the queue, if it is not "as usual".
fn scripted(answer: ApiAnswer) -> Option<Reply> {
    Some(match answer {
        ApiAnswer::Normal => return None,
        ApiAnswer::RateLimited => too_many(),
        ApiAnswer::InvalidToken => session::refused(BadTokenAnswer::InvalidToken),
        ApiAnswer::AuthenticationFailure => session::refused(BadTokenAnswer::AuthenticationFailure),
        ApiAnswer::Internal => Reply::error(500, "INTERNAL_ERROR", "Internal server error occurred.", json!({})),
        ApiAnswer::Maintenance => Reply::maintenance(),
        ApiAnswer::Bytes(bytes) => Reply::bytes(bytes),
        ApiAnswer::Raw { status, content_type, body } => Reply::new(status, &content_type, body),
    })
}

fn serve(world: &mut World, switches: &Switches, call: &Call) -> Outcome {
    let session = session::open(world, switches, call)?;
    if !switches.api_access {
        let details = json!({"permissions": ["Crm_Implied_Api_Access"]});
        return Err(Reply::error(403, "NO_PERMISSION", "permission denied", details));
    }
    if switches.rate_limited {
        return Err(too_many());
    }
    let now = world.now();
    let owner = owner_of(world.user(&session.subject.user), &session.subject.zgid);
    let users = world.users.clone();
    let Some(org) = world.org_of(&session.subject) else {
        return Err(session::refused(switches.bad_token));
    };
    let mut ctx = Ctx { org, switches, session: &session, now, owner };
    let reply = route::route(&mut ctx, &users, call).unwrap_or_else(|error| error);
    ctx.org.credits_used += cost(call);
    Ok(with_credits(reply, ctx.org, switches))
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

/// There is no `Retry-After`, and no telling concurrency from daily credits.
fn too_many() -> Reply {
    Reply::error(429, "TOO_MANY_REQUESTS", "You have made too many requests in a short time", json!({}))
}
