//! The device flow (RFC 8628), and the page on which its person enters the code.

use http::Method;
use serde_json::json;

use super::config::NotesClient;
use super::consent::decision;
use super::form::{Form, client, error};
use super::world::{Device, World, is_scope};
use super::{Host, token};
use crate::config::TokenKind;
use crate::oauth::page;
use crate::wire::{Call, Reply};
use crate::world::Decision;

const LIFETIME_MS: u64 = 300_000;
const INTERVAL_MS: u64 = 1_000;
/// Letters that cannot be taken for others (RFC 8628 section 6.1).
const LETTERS: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Answers `/device_authorization`.
pub(crate) fn code(world: &mut World, call: &Call<Host>) -> Reply {
    made(world, call).unwrap_or_else(|refusal| refusal)
}

fn made(world: &mut World, call: &Call<Host>) -> Result<Reply, Reply> {
    let form = Form::read(call)?;
    let client = client(world, call, &form)?;
    let scopes = form.scopes();
    if scopes.is_empty() || !scopes.iter().all(|scope| is_scope(scope)) {
        return Err(error(400, "invalid_scope", "There is no such scope."));
    }
    let device = Device {
        value: world.make_token(TokenKind::Code),
        user_code: user_code(world.mint.number()),
        made_ms: world.mint.now(),
        client: client.id,
        scopes,
        polled_ms: None,
        decision: Decision::Wait,
    };
    let page = "https://login.notes.example/device";
    let body = json!({
        "device_code": device.value,
        "user_code": device.user_code,
        "verification_uri": page,
        "verification_uri_complete": format!("{page}?user_code={}", device.user_code),
        "expires_in": LIFETIME_MS / 1000,
        "interval": INTERVAL_MS / 1000,
    });
    world.devices.push(device);
    Ok(Reply::json(200, &body).with_header("cache-control", "no-store"))
}

/// Writes a number in letters, as `BBBB-BBCD`.
fn user_code(number: u64) -> String {
    let mut rest = usize::try_from(number).unwrap_or_default();
    let mut letters = Vec::new();
    for _ in 0..8 {
        letters.push(char::from(LETTERS[rest % LETTERS.len()]));
        rest /= LETTERS.len();
    }
    let text: String = letters.into_iter().rev().collect();
    format!("{}-{}", &text[..4], &text[4..])
}

/// Answers a device that asks for its token.
pub(crate) fn poll(world: &mut World, client: &NotesClient, form: &Form) -> Result<Reply, Reply> {
    let now = world.mint.now();
    let value = form.required("device_code")?;
    let is_it = |device: &Device| device.value == value && device.client == client.id;
    let place = world.devices.iter().position(is_it);
    let place = place.ok_or_else(|| error(400, "invalid_grant", "There is no such device code."))?;
    let device = &mut world.devices[place];
    if device.made_ms + LIFETIME_MS <= now {
        return Err(error(400, "expired_token", "Nobody entered the code in time."));
    }
    let last = device.polled_ms.replace(now);
    let email = match &device.decision {
        Decision::Wait if last.is_some_and(|last| last + INTERVAL_MS > now) => {
            return Err(error(400, "slow_down", "Ask less often."));
        }
        Decision::Wait => return Err(error(400, "authorization_pending", "Nobody has entered the code yet.")),
        Decision::Deny => return Err(error(400, "access_denied", "The person said no.")),
        Decision::Approve(email) => email.clone(),
    };
    let account =
        world.account_of(&email).ok_or_else(|| error(400, "access_denied", "There is no such account."))?;
    // Single use.
    let device = world.devices.remove(place);
    let number = world.grant(&client.id, &account, device.scopes);
    token::issue(world, number, None)
}

/// Answers `/device`, where the person enters the code and decides.
pub(crate) fn page(world: &mut World, call: &Call<Host>) -> Reply {
    let Some(code) = call.parameter("user_code") else {
        return Reply::html(
            200,
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Notes (simulator)</title></head><body><main>\
             <h1>Connect a device</h1><form><p><label>Code <input name=\"user_code\"></label> <button>Continue</button></p>\
             </form></main></body></html>",
        );
    };
    let Some(device) = world.devices.iter().find(|device| device.user_code == code) else {
        return page::error(400, "There is no such code.");
    };
    let emails: Vec<&str> = world.accounts.iter().map(|account| account.email.as_str()).collect();
    if call.method == Method::GET {
        return page::plain_consent("Notes", &device.client, &device.scopes, &emails);
    }
    let decided = decision(call, &emails).map_or(Decision::Deny, Decision::Approve);
    let code = code.to_owned();
    if !world.decide_device(&code, decided) {
        return page::error(400, "This code was used before.");
    }
    Reply::html(200, "<!doctype html><html lang=\"en\"><body><p>You may close this page.</p></body></html>")
}
