//! The Google Ads API host: who calls, for which customer, and where the call leads.
//!
//! The order of checks is: version (404), quota, access token (401), scope, developer token, customer (403),
//! arguments (400).

use http::Method;
use serde_json::{Value, json};

use super::Host;
use super::failure::{AdsError, Failure, denied, invalid};
use super::mutate::{self, Request};
use super::resources::of_collection;
use super::search;
use super::world::World;
use crate::echo;
use crate::oauth::page;
use crate::quirks::{ApiAnswer, EchoPart};
use crate::switches::Switches;
use crate::wire::{Call, Reply};

const SCOPE: &str = "https://www.googleapis.com/auth/adwords";
const VERSIONS: std::ops::RangeInclusive<u32> = 21..=26;

/// Answers on the API host.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call<Host>) -> Reply {
    let request_id = world.make_request_id();
    let version = call.segments().into_iter().next().unwrap_or_default();
    let streamed = call.path.ends_with(":searchStream");
    let answered = match switches.api_answers.pop_front().and_then(|answer| scripted(answer, switches)) {
        Some(failure) => Err(failure),
        None => serve(world, switches, call, &request_id),
    };
    let reply = match answered {
        Ok(body) => Reply::json(200, &body),
        Err(failure) => failure.reply(&version, &request_id, streamed),
    };
    let part = match switches.echo_part {
        EchoPart::Value => call.header("authorization"),
        EchoPart::Token => token_of(call),
        EchoPart::Second => call.header("developer-token"),
    };
    let reply = reply.with_header("request-id", request_id);
    echo::apply(reply, switches.echo, part).with_fault(switches.api_faults.pop_front())
}

/// Returns the reply that a test has put into the queue, if it is not "as usual".
fn scripted(answer: ApiAnswer, switches: &Switches) -> Option<Failure> {
    Some(match answer {
        ApiAnswer::Normal => return None,
        ApiAnswer::RateLimited => exhausted(switches),
        ApiAnswer::InvalidToken | ApiAnswer::AuthenticationFailure => unauthenticated(true),
        ApiAnswer::Internal => {
            Failure::Front { status: (500, "INTERNAL"), message: "Internal error encountered.".to_owned() }
        }
        ApiAnswer::Maintenance => Failure::Page(Reply::maintenance()),
        ApiAnswer::Bytes(bytes) => Failure::Page(Reply::bytes(bytes)),
        ApiAnswer::Raw { status, content_type, body } => Failure::Page(Reply::new(status, &content_type, body)),
    })
}

fn serve(world: &mut World, switches: &Switches, call: &Call<Host>, id: &str) -> Result<Value, Failure> {
    let segments = call.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let [version, rest @ ..] = parts.as_slice() else { return Err(no_such_page()) };
    let number = version.strip_prefix('v').and_then(|number| number.parse::<u32>().ok());
    if !number.is_some_and(|number| VERSIONS.contains(&number)) {
        return Err(no_such_page());
    }
    if switches.google.rate_limited {
        return Err(exhausted(switches));
    }
    let user = authenticated(world, call)?;
    let get = call.method == Method::GET;
    match rest {
        ["customers:listAccessibleCustomers"] if get => {
            let found = world.users.iter().find(|known| known.email == user);
            let direct = found.into_iter().flat_map(|user| &user.customers);
            let names: Vec<String> = direct.map(|customer| format!("customers/{customer}")).collect();
            Ok(json!({"resourceNames": names}))
        }
        ["googleAdsFields:search"] if !get => search::field_metadata(&body_of(call)?),
        ["customers", customer, action] if call.method == Method::POST => {
            may_reach(world, call, &user, customer)?;
            let request = Request { customer, version, id };
            act(world, switches, &request, action, &body_of(call)?)
        }
        _ => Err(no_such_page()),
    }
}

/// Carries out an action on a customer.
fn act(
    world: &mut World,
    switches: &Switches,
    request: &Request<'_>,
    action: &str,
    body: &Value,
) -> Result<Value, Failure> {
    let page_rows = switches.google.page_rows;
    let customer = world.customers.get(request.customer).ok_or_else(no_such_page)?;
    match action.split_once(':') {
        Some(("googleAds", "search")) => search::page(customer, body, page_rows),
        Some(("googleAds", "searchStream")) => search::stream(customer, body, page_rows, request.id),
        Some(("googleAds", "mutate")) => mutate::any_kind(world, request, body),
        Some((collection, "mutate")) => {
            let kind = of_collection(collection).filter(|kind| kind.can_be_mutated);
            mutate::one_kind(world, request, kind.ok_or_else(no_such_page)?, body)
        }
        _ => Err(no_such_page()),
    }
}

fn body_of(call: &Call<Host>) -> Result<Value, Failure> {
    serde_json::from_slice(&call.body).map_err(|_| Failure::Front {
        status: (400, "INVALID_ARGUMENT"),
        message: "Invalid JSON payload received.".to_owned(),
    })
}

/// Returns the e-mail of the user whose token and developer token came.
fn authenticated(world: &World, call: &Call<Host>) -> Result<String, Failure> {
    let token = token_of(call).ok_or_else(|| unauthenticated(false))?;
    let grant = world.grant_of_access(token).ok_or_else(|| unauthenticated(true))?;
    if !grant.scopes.iter().any(|scope| scope == SCOPE) {
        let message = "Request had insufficient authentication scopes.".to_owned();
        return Err(Failure::Front { status: (403, "PERMISSION_DENIED"), message });
    }
    let Some(developer_token) = call.header("developer-token").filter(|token| !token.is_empty()) else {
        let text = "Http header 'developer-token' is required.";
        return Err(denied(AdsError::new("requestError", "DEVELOPER_TOKEN_PARAMETER_MISSING", text)));
    };
    if !world.developer_tokens.contains(developer_token) {
        let text = "The developer token is not valid.";
        return Err(denied(AdsError::new("authenticationError", "DEVELOPER_TOKEN_INVALID", text)));
    }
    Ok(grant.user.clone())
}

fn token_of(call: &Call<Host>) -> Option<&str> {
    let (scheme, token) = call.header("authorization")?.split_once(' ')?;
    Some(token.trim()).filter(|token| scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty())
}

/// A client account of a manager is reached only by naming the manager in `login-customer-id`.
fn may_reach(world: &World, call: &Call<Host>, user: &str, customer: &str) -> Result<(), Failure> {
    let is_id = |text: &str| text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    let login = call.header("login-customer-id");
    if !is_id(customer) || !login.is_none_or(is_id) {
        let text = format!("Invalid customer ID '{customer}'.");
        return Err(invalid(AdsError::new("requestError", "INVALID_CUSTOMER_ID", text)));
    }
    if world.reaches(user, login, customer) {
        return Ok(());
    }
    let text = "User doesn't have permission to access customer. Note: If you're accessing a client customer, the \
                manager's customer id must be set in the 'login-customer-id' header.";
    Err(denied(AdsError::new("authorizationError", "USER_PERMISSION_DENIED", text)))
}

fn unauthenticated(came: bool) -> Failure {
    let message = if came {
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid \
         authentication credential."
    } else {
        "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other \
         valid authentication credential."
    };
    Failure::Front { status: (401, "UNAUTHENTICATED"), message: message.to_owned() }
}

/// The delay is in the body; no header tells it.
fn exhausted(switches: &Switches) -> Failure {
    let seconds = switches.google.retry_delay_seconds;
    let text = format!("Too many requests. Retry in {seconds} seconds.");
    let mut error = AdsError::new("quotaError", "RESOURCE_EXHAUSTED", text);
    error.details = Some(json!({"quotaErrorDetails": {
        "rateScope": "DEVELOPER", "rateName": "Number of operations per day", "retryDelay": format!("{seconds}s"),
    }}));
    Failure::Ads { status: (429, "RESOURCE_EXHAUSTED"), errors: vec![error] }
}

fn no_such_page() -> Failure {
    Failure::Page(page::error(404, "The requested URL was not found on this server."))
}
