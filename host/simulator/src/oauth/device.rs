//! The device flow (facts 2.8). It is not RFC 8628: other names, other grant types, times in milliseconds, and a person
//! of another data centre sends the device there.

use http::Method;
use serde_json::json;

use super::consent::{is_scope, note_consent, split_scopes, subject_of};
use super::exchange;
use super::extra::extended;
use super::token::{Parameters, authenticated, error, scripted};
use crate::config::{Environment, TokenKind};
use crate::switches::Switches;
use crate::wire::{Call, Reply};
use crate::world::{Decision, Device, World};

/// Answers `/oauth/v3/device/code`. The client gives its id only.
pub(crate) fn code(world: &mut World, switches: &Switches, call: &Call) -> Reply {
    let given = Parameters::read(call);
    if call.method != Method::POST || given.text("grant_type") != "device_request" {
        return Reply::json(400, &json!({"error": "invalid_request"}));
    }
    let region = call.place.region;
    let client = world.clients.get(given.text("client_id"));
    let Some(client) = client.filter(|client| client.regions.contains(&region)).map(|client| client.id.clone())
    else {
        return error("invalid_client");
    };
    let scopes = split_scopes(given.text("scope"), switches.space_separates_scopes);
    if scopes.is_empty() || !scopes.iter().all(|scope| is_scope(scope)) {
        return error("invalid_scope");
    }
    let device = Device {
        value: world.make_token(TokenKind::Code),
        user_code: world.make_user_code(),
        made_ms: world.now(),
        client,
        region,
        scopes,
        offline: given.text("access_type") == "offline",
        prompt_consent: given.text("prompt") == "consent",
        polled_ms: None,
        decision: Decision::Wait,
    };
    let page = format!("https://{}/oauth/v3/device", region.accounts_host());
    let body = json!({
        "user_code": device.user_code, "device_code": device.value, "verification_url": page,
        "verification_uri_complete": format!("{page}?user_code={}", device.user_code),
        "expires_in": switches.device_lifetime_ms, "interval": switches.device_interval_ms,
    });
    world.devices.push(device);
    Reply::json(200, &body)
}

/// Answers `/oauth/v3/device/token`, which a device polls.
pub(crate) fn token(world: &mut World, switches: &mut Switches, call: &Call) -> Reply {
    let fault = switches.token_faults.pop_front();
    let reply =
        scripted(switches).unwrap_or_else(|| poll(world, switches, call).unwrap_or_else(|refusal| refusal));
    extended(reply, switches).with_fault(fault)
}

fn poll(world: &mut World, switches: &Switches, call: &Call) -> Result<Reply, Reply> {
    let given = Parameters::read(call);
    if call.method != Method::POST || given.text("grant_type") != "device_token" {
        return Err(Reply::json(400, &json!({"error": "invalid_request"})));
    }
    let region = call.place.region;
    let client = authenticated(world, region, &given)?;
    let now = world.now();
    let is_it = |device: &Device| device.value == given.text("code") && device.client == client;
    let place = world.devices.iter().position(is_it).ok_or_else(|| error("invalid_code"))?;
    let device = &mut world.devices[place];
    if device.made_ms + switches.device_lifetime_ms <= now {
        world.devices.remove(place);
        return Err(error("expired"));
    }
    let last = device.polled_ms.replace(now);
    if last.is_some_and(|last| last + switches.device_interval_ms > now) {
        return Err(error("slow_down"));
    }
    let email = match &device.decision {
        Decision::Wait if device.region == region => return Err(error("authorization_pending")),
        // Before the decision, no other data centre knows of the device.
        Decision::Wait => return Err(error("invalid_code")),
        Decision::Deny => {
            world.devices.remove(place);
            return Err(error("access_denied"));
        }
        Decision::Approve(email) => email.clone(),
    };
    let user = world.user(&email).cloned().ok_or_else(|| error("access_denied"))?;
    if user.region != region {
        // The next poll goes elsewhere, where it is the first.
        world.devices[place].polled_ms = None;
        return Err(Reply::json(200, &json!({"error": "other_dc", "user_location": user.region.code()})));
    }
    // Single use.
    let device = world.devices.remove(place);
    let with_refresh_token =
        note_consent(world, switches, (&email, &client), device.offline, device.prompt_consent);
    let subject = subject_of(&user, Environment::Production);
    Ok(exchange::grant(world, switches, &client, subject, device.scopes, with_refresh_token))
}
