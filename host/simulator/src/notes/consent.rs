//! The authorization endpoint: a page for GET, a redirect for the form's POST. PKCE is required, and `S256` the only method;
//! every redirect names the issuer (RFC 9207).

use http::Method;
use url::Url;

use super::Host;
use super::config::NotesClient;
use super::world::{Code, World, is_scope};
use crate::config::TokenKind;
use crate::oauth::page;
use crate::wire::{Call, Reply};
use crate::world::Challenge;

/// What the callback's `iss` says.
pub(crate) const ISSUER: &str = "https://login.notes.example";

/// Where the browser is sent back to, once the client and the address are known to be right.
struct Back {
    client: String,
    redirect_uri: String,
    state: Option<String>,
}

/// Answers `/authorize`. Only what makes the redirect itself doubtful is told on a page (RFC 6749 section 4.1.2.1).
pub(crate) fn answer(world: &mut World, call: &Call<Host>) -> Reply {
    let back = match back(world, call) {
        Ok(back) => back,
        Err(message) => return page::error(400, &message),
    };
    let (scopes, challenge) = match asked(call) {
        Ok(asked) => asked,
        Err((error, text)) => return redirect(&back, &[("error", error), ("error_description", text)]),
    };
    let emails: Vec<&str> = world.accounts.iter().map(|account| account.email.as_str()).collect();
    if call.method == Method::GET {
        return page::plain_consent("Notes", &back.client, &scopes, &emails);
    }
    match decision(call, &emails) {
        None => redirect(&back, &[("error", "access_denied"), ("error_description", "The person said no.")]),
        Some(email) => match world.account_of(&email) {
            Some(account) => accept(world, &back, account, scopes, challenge),
            None => page::error(400, "There is no such account."),
        },
    }
}

/// Returns who has accepted: the account chosen, or the first one.
pub(crate) fn decision(call: &Call<Host>, emails: &[&str]) -> Option<String> {
    let form = call.form();
    let chosen = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    if chosen("decision").as_deref() != Some("accept") {
        return None;
    }
    chosen("user").or_else(|| emails.first().map(|email| (*email).to_owned()))
}

fn back(world: &World, call: &Call<Host>) -> Result<Back, String> {
    let client = call.parameter("client_id").and_then(|id| world.clients.get(id));
    let client = client.ok_or("No such client is registered here.")?;
    let redirect_uri = call.parameter("redirect_uri").ok_or("`redirect_uri` is missing.")?;
    if !may_redirect(client, redirect_uri) {
        return Err("This client has not registered that `redirect_uri`.".to_owned());
    }
    Ok(Back {
        client: client.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        state: call.parameter("state").map(str::to_owned),
    })
}

fn asked(call: &Call<Host>) -> Result<(Vec<String>, Challenge), (&'static str, &'static str)> {
    if call.parameter("response_type") != Some("code") {
        return Err(("unsupported_response_type", "`code` is the only one."));
    }
    let challenge =
        call.parameter("code_challenge").filter(|_| call.parameter("code_challenge_method") == Some("S256"));
    let challenge = challenge.ok_or(("invalid_request", "PKCE with S256 is required."))?;
    let scope = call.parameter("scope").unwrap_or_default();
    let scopes: Vec<String> = scope.split_ascii_whitespace().map(str::to_owned).collect();
    if scopes.is_empty() || !scopes.iter().all(|scope| is_scope(scope)) {
        return Err(("invalid_scope", "There is no such scope."));
    }
    Ok((scopes, Challenge { value: challenge.to_owned(), hashed: true }))
}

/// A public client on somebody's machine takes whatever port is free (RFC 8252 section 7.3).
fn may_redirect(client: &NotesClient, uri: &str) -> bool {
    let same = |registered: &String| {
        registered == uri
            || (client.secret.is_none() && loopback(registered).is_some_and(|one| loopback(uri) == Some(one)))
    };
    client.redirect_uris.iter().any(same)
}

/// Returns a loopback address without its port.
fn loopback(uri: &str) -> Option<Url> {
    let mut url = Url::parse(uri).ok()?;
    let is_it = url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "[::1]"));
    url.set_port(None).ok()?;
    Some(url).filter(|_| is_it)
}

fn accept(world: &mut World, back: &Back, account: String, scopes: Vec<String>, challenge: Challenge) -> Reply {
    let value = world.make_token(TokenKind::Code);
    let reply = redirect(back, &[("code", &value)]);
    world.codes.push(Code {
        value,
        made_ms: world.mint.now(),
        client: back.client.clone(),
        account,
        redirect_uri: back.redirect_uri.clone(),
        challenge,
        scopes,
        redeemed: None,
    });
    reply
}

fn redirect(back: &Back, fields: &[(&str, &str)]) -> Reply {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields);
    if let Some(state) = &back.state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", ISSUER);
    let joint = if back.redirect_uri.contains('?') { '&' } else { '?' };
    let location = format!("{}{joint}{}", back.redirect_uri, query.finish());
    Reply::empty(302).with_header("location", location).with_header("cache-control", "no-store")
}
