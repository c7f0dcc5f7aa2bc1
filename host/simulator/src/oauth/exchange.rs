//! Codes and refresh tokens become access tokens, within the provider's limits (facts 2.6).

use std::collections::VecDeque;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::consent::split_scopes;
use super::token::{Parameters, error, throttled};
use crate::config::{Environment, TokenKind};
use crate::quirks::{ApiDomain, ExpiresIn, Pkce, Rotation, ScopeAnswer, WrongRegion};
use crate::region::Region;
use crate::switches::Switches;
use crate::wire::Reply;
use crate::world::{AccessToken, Challenge, Code, Grant, Subject, World};

/// Redeems an authorization code.
pub(crate) fn code(
    world: &mut World,
    switches: &Switches,
    region: Region,
    client: &str,
    given: &Parameters,
) -> Reply {
    let now = world.now();
    let lives = |code: &Code| code.made_ms + switches.code_lifetime_ms > now;
    let place = world.codes.iter().position(|code| code.value == given.text("code") && lives(code));
    let Some(place) = place.filter(|place| world.codes[*place].client == client) else {
        return error("invalid_code");
    };
    if world.codes[place].subject.region != region {
        return wrong_region(switches);
    }
    if world.codes[place].redirect_uri != given.text("redirect_uri") {
        return error("invalid_redirect_uri");
    }
    // Single use: from here on the code is gone, whatever happens.
    let code = world.codes.remove(place);
    if switches.pkce == Pkce::Verify && !verifies(code.challenge.as_ref(), given.text("code_verifier")) {
        return error("invalid_code");
    }
    if code.with_refresh_token && too_many_new(world, switches, client, &code.subject.user) {
        return throttled(switches.throttle.answer);
    }
    grant(world, switches, client, code.subject, code.scopes, code.with_refresh_token)
}

/// Makes a grant with its first tokens.
pub(crate) fn grant(
    world: &mut World,
    switches: &Switches,
    client: &str,
    subject: Subject,
    scopes: Vec<String>,
    with_refresh_token: bool,
) -> Reply {
    let now = world.now();
    let refresh_token = with_refresh_token.then(|| world.make_token(TokenKind::Refresh));
    world.grants.push(Grant {
        client: client.to_owned(),
        subject,
        scopes,
        made_ms: now,
        refresh_token: refresh_token.clone(),
        replaced: Vec::new(),
        access_tokens: VecDeque::new(),
        window_started_ms: now,
        calls_in_window: 1,
    });
    evict_refresh_tokens(world, switches.live_refresh_tokens);
    let place = world.grants.len() - 1;
    issue(world, switches, place, refresh_token.as_deref(), false)
}

/// Makes an access token from a refresh token.
pub(crate) fn refresh(
    world: &mut World,
    switches: &Switches,
    region: Region,
    client: &str,
    given: &Parameters,
) -> Reply {
    let now = world.now();
    let Some(place) = world.place_of_refresh(given.text("refresh_token")) else {
        return error("invalid_code");
    };
    if world.is_replay(place, given.text("refresh_token"), switches.rotation) {
        world.grants.remove(place);
        return error("invalid_code");
    }
    let grant = &mut world.grants[place];
    if grant.subject.region != region {
        return wrong_region(switches);
    }
    if grant.client != client {
        return error("invalid_client");
    }
    if over_budget(grant, switches, now) {
        return throttled(switches.throttle.answer);
    }
    if switches.rotation == Rotation::Never {
        return issue(world, switches, place, None, true);
    }
    let new = world.make_token(TokenKind::Refresh);
    let grant = &mut world.grants[place];
    if let Some(old) = grant.refresh_token.replace(new.clone()) {
        grant.replaced.push((old, now));
    }
    issue(world, switches, place, Some(&new), true)
}

/// Makes an access token for a self client: no user, no refresh token, one org named by `soid`.
pub(crate) fn client_credentials(
    world: &mut World,
    switches: &Switches,
    region: Region,
    client: &str,
    given: &Parameters,
) -> Reply {
    // The org is named by a product and its id: `ZohoCRM.20071234567`.
    let Some((_, zgid)) = given.text("soid").split_once('.') else {
        return error("missing_org_info");
    };
    let org = world.orgs.iter().find(|org| org.zgid == zgid && org.region == region);
    let Some(environment) = org.map(|org| org.environment) else {
        return error("missing_org_info");
    };
    let subject = Subject { user: String::new(), region, environment, zgid: zgid.to_owned() };
    let scopes = split_scopes(given.text("scope"), switches.space_separates_scopes);
    grant(world, switches, client, subject, scopes, false)
}

fn wrong_region(switches: &Switches) -> Reply {
    match switches.wrong_region {
        WrongRegion::InvalidClient => error("invalid_client"),
        WrongRegion::InvalidCode => error("invalid_code"),
    }
}

/// Whether the verifier is the challenge's (RFC 7636 section 4.6); without a challenge anything is.
pub(crate) fn verifies(challenge: Option<&Challenge>, verifier: &str) -> bool {
    let Some(challenge) = challenge else { return true };
    if !challenge.hashed {
        return challenge.value == verifier;
    }
    challenge.value == URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

fn too_many_new(world: &World, switches: &Switches, client: &str, user: &str) -> bool {
    let Some(limit) = switches.refresh_tokens_per_minute else { return false };
    let now = world.now();
    let is_recent = |grant: &&Grant| {
        grant.client == client
            && grant.subject.user == user
            && grant.refresh_token.is_some()
            && grant.made_ms + 60_000 > now
    };
    world.grants.iter().filter(is_recent).count() >= limit
}

/// Evicts the oldest refresh token of whoever made the newest one, even if it is in use, with its access tokens.
fn evict_refresh_tokens(world: &mut World, limit: usize) {
    let Some(newest) = world.grants.last().map(|grant| (grant.client.clone(), grant.subject.user.clone())) else {
        return;
    };
    let same = |grant: &Grant| {
        grant.refresh_token.is_some() && grant.client == newest.0 && grant.subject.user == newest.1
    };
    while world.grants.iter().filter(|grant| same(grant)).count() > limit.max(1) {
        let Some(oldest) = world.grants.iter().position(same) else { return };
        world.grants.remove(oldest);
    }
}

/// Counts the call, and says whether it is one too many.
fn over_budget(grant: &mut Grant, switches: &Switches, now: u64) -> bool {
    let throttle = switches.throttle;
    if now >= grant.window_started_ms + throttle.window_ms {
        grant.window_started_ms = now;
        grant.calls_in_window = 0;
    }
    grant.calls_in_window += 1;
    let over = grant.calls_in_window > throttle.calls;
    if over && throttle.retry_extends {
        grant.window_started_ms = now;
    }
    over
}

/// Makes the access token, evicts the oldest ones, and writes the answer.
fn issue(
    world: &mut World,
    switches: &Switches,
    place: usize,
    refresh_token: Option<&str>,
    refreshed: bool,
) -> Reply {
    let token = world.make_token(TokenKind::Access);
    let lifetime_ms = world.access_token_lifetime_ms;
    let access = AccessToken { token: token.clone(), expires_ms: world.now() + lifetime_ms };
    let grant = &mut world.grants[place];
    grant.access_tokens.push_back(access);
    while grant.access_tokens.len() > switches.live_access_tokens.max(1) {
        grant.access_tokens.pop_front();
    }
    let mut body = Map::new();
    body.insert("access_token".into(), json!(token));
    if let Some(refresh_token) = refresh_token {
        body.insert("refresh_token".into(), json!(refresh_token));
    }
    match switches.scope_answer {
        ScopeAnswer::Spaces => drop(body.insert("scope".into(), json!(grant.scopes.join(" ")))),
        ScopeAnswer::Commas => drop(body.insert("scope".into(), json!(grant.scopes.join(",")))),
        ScopeAnswer::Missing => {}
    }
    if let Some(domain) = api_domain(&switches.api_domain, &grant.subject, refreshed) {
        body.insert("api_domain".into(), json!(domain));
    }
    body.insert("token_type".into(), json!("Bearer"));
    add_expiry(&mut body, switches.expires_in, lifetime_ms);
    Reply::json(200, &Value::Object(body))
}

fn api_domain(switch: &ApiDomain, subject: &Subject, refreshed: bool) -> Option<String> {
    let truth = format!("https://{}", subject.region.api_host(subject.environment));
    match switch {
        ApiDomain::Normal => Some(truth),
        ApiDomain::Missing => None,
        ApiDomain::MissingOnRefresh => (!refreshed).then_some(truth),
        ApiDomain::Legacy => {
            let www = subject.region.api_host(Environment::Production);
            Some(format!("https://{}", www.replace("www.zohoapis.", "api.zoho.")))
        }
        ApiDomain::Override(value) => Some(value.clone()),
    }
}

fn add_expiry(body: &mut Map<String, Value>, switch: ExpiresIn, lifetime_ms: u64) {
    let seconds = lifetime_ms / 1000;
    match switch {
        ExpiresIn::Seconds => drop(body.insert("expires_in".into(), json!(seconds))),
        ExpiresIn::Text => drop(body.insert("expires_in".into(), json!(seconds.to_string()))),
        ExpiresIn::Absent => {}
        ExpiresIn::Absurd(value) => drop(body.insert("expires_in".into(), json!(value))),
        ExpiresIn::LegacyPair => {
            body.insert("expires_in".into(), json!(lifetime_ms));
            body.insert("expires_in_sec".into(), json!(seconds));
        }
    }
}
