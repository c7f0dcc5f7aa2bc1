//! The Graph host: where a call leads, and the headers that every answer has.

use http::Method;
use serde_json::{Value, json};

use super::failure::Failure;
use super::session::{self, Given};
use super::world::World;
use super::{Host, NEWEST, batch, read, token, unversioned, write};
use crate::echo;
use crate::oauth::extended;
use crate::quirks::{ApiAnswer, EchoPart, TokenAnswer};
use crate::switches::Switches;
use crate::wire::{Call, Reply};

/// A reply that need be no JSON, or the error that ends the call.
type Outcome = Result<Value, Ended>;

/// What ended a call.
pub(crate) enum Ended {
    Failure(Failure),
    /// A reply of a test's own.
    Page(Reply),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Ended {
        Ended::Failure(failure)
    }
}

/// Answers on the Graph host.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call<Host>) -> Reply {
    world.calls += 1;
    let given = Given::read(call);
    let is_token_call = matches!(unversioned(&call.segments()).as_deref(), Some(["oauth", "access_token"]));
    if is_token_call {
        let fault = switches.token_faults.pop_front();
        let outcome = match switches.token_answers.pop_front().and_then(scripted_token) {
            Some(ended) => Err(ended),
            None => token::access_token(world, switches, &given).map_err(Ended::from),
        };
        let reply = reply(world, switches, outcome);
        return extended(reply, switches).with_fault(fault);
    }
    let outcome = match switches.api_answers.pop_front().and_then(scripted) {
        Some(ended) => Err(ended),
        None => serve(world, switches, call, &given).map_err(Ended::from),
    };
    let reply = with_usage(reply(world, switches, outcome), world, switches, call);
    let token = session::token_of(call, &given);
    let part = match switches.echo_part {
        EchoPart::Value => call.header("authorization"),
        EchoPart::Token => token.as_deref(),
        EchoPart::Second => Some(given.text("appsecret_proof")).filter(|proof| !proof.is_empty()),
    };
    echo::apply(reply, switches.echo, part).with_fault(switches.api_faults.pop_front())
}

/// Returns the token answer that a test has put into the queue, if it is not "as usual".
fn scripted_token(answer: TokenAnswer) -> Option<Ended> {
    Some(match answer {
        TokenAnswer::Normal => return None,
        TokenAnswer::Error(message) => Ended::Failure(Failure::client(&message)),
        TokenAnswer::Throttled(_) => Ended::Failure(Failure::throttled(4)),
        TokenAnswer::Maintenance => Ended::Page(Reply::maintenance()),
        TokenAnswer::Raw { status, content_type, body } => Ended::Page(Reply::new(status, &content_type, body)),
    })
}

/// The same for an API answer.
fn scripted(answer: ApiAnswer) -> Option<Ended> {
    Some(match answer {
        ApiAnswer::Normal => return None,
        ApiAnswer::RateLimited => Ended::Failure(Failure::throttled(17)),
        ApiAnswer::InvalidToken => Ended::Failure(Failure::expired()),
        ApiAnswer::AuthenticationFailure => Ended::Failure(Failure::bad_token()),
        ApiAnswer::Internal => Ended::Failure(Failure::internal()),
        ApiAnswer::Maintenance => Ended::Page(Reply::maintenance()),
        ApiAnswer::Bytes(bytes) => Ended::Page(Reply::bytes(bytes)),
        ApiAnswer::Raw { status, content_type, body } => Ended::Page(Reply::new(status, &content_type, body)),
    })
}

/// Carries out one call; a batch carries out each of its own.
pub(crate) fn serve(
    world: &mut World,
    switches: &Switches,
    call: &Call<Host>,
    given: &Given,
) -> Result<Value, Failure> {
    let segments = call.segments();
    let Some(parts) = unversioned(&segments) else {
        return Err(Failure::unknown_path(&call.path));
    };
    if let Some(code) = switches.meta.throttled {
        return Err(Failure::throttled(code));
    }
    if parts == ["debug_token"] {
        let asks = session::token_of(call, given).ok_or_else(Failure::no_token)?;
        return token::debug(world, &asks, given);
    }
    let method = session::method(call, given);
    if parts.is_empty() && method == Method::POST {
        return batch::answer(world, switches, call, given);
    }
    let token = session::open(world, call, given)?;
    if method == Method::GET {
        return read::answer(world, switches, &token, &parts, given);
    }
    if let [user, "permissions"] = parts.as_slice()
        && method == Method::DELETE
        && (*user == "me" || *user == token.user)
    {
        return Ok(token::revoke(world, &token.app, &token.user));
    }
    write::answer(world, &token, &method, &parts, given)
}

fn reply(world: &World, switches: &Switches, outcome: Outcome) -> Reply {
    let trace = format!("ASimulatorTrace{:08}", world.calls);
    let reply = match outcome {
        Ok(body) => Reply::json(200, &body),
        Err(Ended::Failure(failure)) => {
            let status = if switches.meta.errors_in_200 { 200 } else { failure.status };
            Reply::json(status, &failure.body(&trace))
        }
        Err(Ended::Page(reply)) => return reply,
    };
    reply.with_header("facebook-api-version", format!("v{NEWEST}.0")).with_header("x-fb-trace-id", trace)
}

/// Adds what has been used up; the times are in minutes, and there is no `Retry-After`.
fn with_usage(reply: Reply, world: &World, switches: &Switches, call: &Call<Host>) -> Reply {
    let is_throttled = switches.meta.throttled.is_some();
    let used = if is_throttled { 100 } else { world.calls.min(99) };
    let minutes = if is_throttled { switches.meta.minutes_to_regain_access } else { 0 };
    let app = json!({"call_count": used, "total_cputime": 1, "total_time": 2});
    let reply = reply.with_header("x-app-usage", app.to_string());
    let account = call.segments().iter().find_map(|part| part.strip_prefix("act_").map(str::to_owned));
    let Some(account) = account else { return reply };
    let use_case = json!({account: [{
        "type": "ads_management", "call_count": used, "total_cputime": 1, "total_time": 2,
        "estimated_time_to_regain_access": minutes,
    }]});
    let reply = reply.with_header("x-business-use-case-usage", use_case.to_string());
    reply.with_header("x-ad-account-usage", json!({"acc_id_util_pct": used}).to_string())
}
