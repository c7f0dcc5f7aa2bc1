//! Tokens: the code exchange, the long-lived exchange, the app's own token, and what a token is.

use serde_json::{Value, json};

use super::failure::Failure;
use super::session::Given;
use super::world::{Code, Token, World};
use crate::config::TokenKind;
use crate::oauth::verifies;
use crate::switches::Switches;

/// What Meta says data may be read for after the last consent: 90 days.
const DATA_ACCESS_MS: u64 = 90 * 86_400_000;

/// Answers `/oauth/access_token`, by GET or POST.
pub(crate) fn access_token(world: &mut World, switches: &Switches, given: &Given) -> Result<Value, Failure> {
    let app = world.apps.get(given.text("client_id"));
    let app = app.ok_or_else(|| Failure::client("Error validating application. Invalid application ID."))?;
    if app.secret != given.text("client_secret") {
        return Err(Failure::client("Error validating client secret."));
    }
    let app = app.id.clone();
    match given.text("grant_type") {
        "" | "authorization_code" => exchange(world, switches, &app, given),
        "fb_exchange_token" => lengthen(world, switches, &app, given.text("fb_exchange_token")),
        "client_credentials" => Ok(json!({"access_token": app_token(world, &app), "token_type": "bearer"})),
        other => Err(Failure::parameter(format!("Invalid grant_type: {other}"))),
    }
}

fn exchange(world: &mut World, switches: &Switches, app: &str, given: &Given) -> Result<Value, Failure> {
    let now = world.mint.now();
    let known = |code: &Code| code.value == given.text("code") && code.app == app;
    let place = world.codes.iter().position(known);
    let place = place.ok_or_else(|| Failure::code(36009, "This authorization code has been used."))?;
    if world.codes[place].redirect_uri != given.text("redirect_uri") {
        let text = "Error validating verification code. Please make sure your redirect_uri is identical to the one \
                    you used in the OAuth dialog request";
        return Err(Failure::code(36008, text));
    }
    // Single use: from here on the code is gone, whatever happens.
    let code = world.codes.remove(place);
    if code.made_ms + switches.meta.code_lifetime_ms <= now {
        return Err(Failure::code(36007, "This authorization code has expired."));
    }
    if !verifies(code.challenge.as_ref(), given.text("code_verifier")) {
        return Err(Failure::parameter("Invalid code verifier"));
    }
    let seconds = switches.meta.short_lifetime_seconds;
    Ok(issue(world, &code.app, &code.user, code.scopes, seconds))
}

/// Makes a long-lived token of one that is still valid; that one goes on living to its own end.
fn lengthen(world: &mut World, switches: &Switches, app: &str, token: &str) -> Result<Value, Failure> {
    let Some(token) = world.tokens.iter().find(|known| known.value == token).cloned() else {
        return Err(Failure::bad_token());
    };
    if token.expires_ms <= world.mint.now() {
        return Err(Failure::expired());
    }
    if token.app != app {
        return Err(Failure::parameter("The access token does not belong to application"));
    }
    let seconds = switches.meta.long_lifetime_seconds;
    Ok(issue(world, &token.app, &token.user, token.scopes, seconds))
}

/// There is no refresh token, and the scopes are not named.
fn issue(world: &mut World, app: &str, user: &str, scopes: Vec<String>, seconds: u64) -> Value {
    let value = world.make_token(TokenKind::Access);
    let now = world.mint.now();
    world.tokens.push(Token {
        value: value.clone(),
        app: app.to_owned(),
        user: user.to_owned(),
        scopes,
        made_ms: now,
        expires_ms: now + seconds * 1000,
    });
    json!({"access_token": value, "token_type": "bearer", "expires_in": seconds})
}

/// The app's own token is made of its id and its secret.
fn app_token(world: &World, app: &str) -> String {
    let secret = world.apps.get(app).map_or("", |app| app.secret.as_str());
    format!("{app}|{secret}")
}

/// Answers `/debug_token`: whoever asks is the app, or a user of the app.
pub(crate) fn debug(world: &World, asks: &str, given: &Given) -> Result<Value, Failure> {
    let app = world.apps.keys().find(|app| app_token(world, app) == asks).cloned();
    let app =
        app.or_else(|| world.live_token(asks).map(|token| token.app.clone())).ok_or_else(Failure::bad_token)?;
    let input = given.text("input_token");
    let Some(token) = world.tokens.iter().find(|token| token.value == input && token.app == app) else {
        let error = json!({"code": 190, "message": "The access token could not be decrypted"});
        return Ok(json!({"data": {"error": error, "is_valid": false, "scopes": []}}));
    };
    let is_valid = token.expires_ms > world.mint.now();
    let mut data = json!({
        "app_id": token.app, "type": "USER", "application": "Simulated app", "user_id": token.user,
        "issued_at": token.made_ms / 1000, "expires_at": token.expires_ms / 1000,
        "data_access_expires_at": (token.made_ms + DATA_ACCESS_MS) / 1000,
        "is_valid": is_valid, "scopes": token.scopes,
    });
    if !is_valid {
        let message = "Error validating access token: Session has expired";
        data["error"] = json!({"code": 190, "subcode": 463, "message": message});
    }
    Ok(json!({"data": data}))
}

/// Answers `DELETE /{user-id}/permissions`: ends every token of the user and the app.
pub(crate) fn revoke(world: &mut World, app: &str, user: &str) -> Value {
    world.tokens.retain(|token| token.app != app || token.user != user);
    json!({"success": true})
}
