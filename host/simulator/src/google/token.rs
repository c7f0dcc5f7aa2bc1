//! The token endpoint (RFC 6749 section 5, with Google's texts).

use http::Method;
use serde_json::json;

use super::Host;
use super::world::{Code, Grant, World};
use crate::config::TokenKind;
use crate::oauth::{Parameters, extended, verifies};
use crate::quirks::TokenAnswer;
use crate::switches::Switches;
use crate::wire::{Call, Reply};

const DAY_MS: u64 = 86_400_000;
/// A refresh token of an app in "Testing" lives a week.
const TESTING_MS: u64 = 7 * DAY_MS;

/// Answers `/token`.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call<Host>) -> Reply {
    let fault = switches.token_faults.pop_front();
    let reply = carried_out(world, switches, call).unwrap_or_else(|error| error);
    extended(reply, switches).with_fault(fault)
}

fn carried_out(world: &mut World, switches: &mut Switches, call: &Call<Host>) -> Result<Reply, Reply> {
    match switches.token_answers.pop_front() {
        None | Some(TokenAnswer::Normal) => {}
        Some(TokenAnswer::Error(code)) => return Err(error(400, &code, "Bad Request")),
        Some(TokenAnswer::Throttled(_)) => return Err(error(429, "rate_limit_exceeded", "Rate Limit Exceeded")),
        Some(TokenAnswer::Maintenance) => return Err(Reply::maintenance()),
        Some(TokenAnswer::Raw { status, content_type, body }) => {
            return Err(Reply::new(status, &content_type, body));
        }
    }
    if call.method != Method::POST {
        return Err(error(400, "invalid_request", "Bad Request"));
    }
    let given = Parameters::read(call);
    let client = client(world, &given)?;
    match given.text("grant_type") {
        "authorization_code" => exchange(world, switches, &client, &given),
        "refresh_token" => refresh(world, switches, &client, &given),
        "" => Err(error(400, "invalid_request", "Missing required parameter: grant_type")),
        other => Err(error(400, "unsupported_grant_type", &format!("Invalid grant_type: {other}"))),
    }
}

/// Returns the id of the client that has shown its secret, in the body or by Basic.
fn client(world: &World, given: &Parameters) -> Result<String, Reply> {
    let Some(client) = world.clients.get(given.text("client_id")) else {
        return Err(error(401, "invalid_client", "The OAuth client was not found."));
    };
    if given.text("client_secret") != client.secret {
        return Err(error(401, "invalid_client", "The provided client secret is invalid."));
    }
    Ok(client.id.clone())
}

fn exchange(world: &mut World, switches: &Switches, client: &str, given: &Parameters) -> Result<Reply, Reply> {
    let now = world.mint.now();
    let lives = |code: &Code| code.made_ms + switches.google.code_lifetime_ms > now;
    let place = world.codes.iter().position(|code| code.value == given.text("code") && lives(code));
    let place = place.ok_or_else(|| error(400, "invalid_grant", "Malformed auth code."))?;
    // Single use: from here on the code is gone, whatever happens.
    let code = world.codes.remove(place);
    if code.client != client {
        return Err(error(401, "unauthorized_client", "Unauthorized"));
    }
    if code.redirect_uri != given.text("redirect_uri") {
        return Err(error(400, "redirect_uri_mismatch", "Bad Request"));
    }
    if !verifies(code.challenge.as_ref(), given.text("code_verifier")) {
        let missing = given.text("code_verifier").is_empty();
        let text = if missing { "Missing code verifier." } else { "Invalid code verifier." };
        return Err(error(400, "invalid_grant", text));
    }
    let refresh_token = code.with_refresh_token.then(|| world.make_token(TokenKind::Refresh));
    world.grants.push(Grant {
        client: client.to_owned(),
        user: code.user,
        scopes: code.scopes,
        made_ms: now,
        refresh_token: refresh_token.clone(),
        access_tokens: Vec::new(),
    });
    evict(world, switches.google.live_refresh_tokens);
    let place = world.grants.len() - 1;
    Ok(issue(world, switches, place, refresh_token.as_deref()))
}

fn refresh(world: &mut World, switches: &Switches, client: &str, given: &Parameters) -> Result<Reply, Reply> {
    let now = world.mint.now();
    let dead = || error(400, "invalid_grant", "Token has been expired or revoked.");
    let token = given.text("refresh_token");
    let place = world.grants.iter().position(|grant| grant.refresh_token.as_deref() == Some(token));
    let place = place.ok_or_else(dead)?;
    if world.grants[place].client != client {
        return Err(error(401, "unauthorized_client", "Unauthorized"));
    }
    if switches.google.testing && world.grants[place].made_ms + TESTING_MS <= now {
        return Err(dead());
    }
    Ok(issue(world, switches, place, None))
}

/// Evicts the oldest refresh tokens of whoever made the newest one, silently.
fn evict(world: &mut World, limit: usize) {
    let Some(newest) = world.grants.last().map(|grant| (grant.client.clone(), grant.user.clone())) else {
        return;
    };
    let same = |grant: &Grant| grant.refresh_token.is_some() && grant.client == newest.0 && grant.user == newest.1;
    while world.grants.iter().filter(|grant| same(grant)).count() > limit.max(1) {
        let Some(oldest) = world.grants.iter().position(same) else { return };
        world.grants.remove(oldest);
    }
}

/// Makes the access token. The refresh token is in the exchange's answer only.
fn issue(world: &mut World, switches: &Switches, place: usize, refresh_token: Option<&str>) -> Reply {
    let token = world.make_token(TokenKind::Access);
    let expires_ms = world.mint.now() + world.access_token_lifetime_ms;
    let lifetime_seconds = world.access_token_lifetime_ms / 1000;
    let grant = &mut world.grants[place];
    grant.access_tokens.push((token.clone(), expires_ms));
    let mut body = json!({
        "access_token": token,
        // Google counts the time on the way: an hour is answered as 3599.
        "expires_in": lifetime_seconds.saturating_sub(1),
        "scope": grant.scopes.join(" "),
        "token_type": "Bearer",
    });
    if let Some(refresh_token) = refresh_token {
        body["refresh_token"] = json!(refresh_token);
        if switches.google.testing {
            body["refresh_token_expires_in"] = json!(TESTING_MS / 1000 - 1);
        }
    }
    Reply::json(200, &body)
}

/// Returns an error of RFC 6749 section 5.2.
pub(crate) fn error(status: u16, code: &str, description: &str) -> Reply {
    Reply::json(status, &json!({"error": code, "error_description": description}))
}
