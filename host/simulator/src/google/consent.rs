//! The authorization endpoint: a page for GET, a redirect for the form's POST.

use http::Method;
use url::Url;

use super::Host;
use super::config::GoogleClient;
use super::world::{Code, World};
use crate::config::TokenKind;
use crate::oauth::page;
use crate::wire::{Call, Reply};
use crate::world::Challenge;

/// What the client asks for, once its parameters have been accepted.
struct Ask {
    client: String,
    redirect_uri: String,
    scopes: Vec<String>,
    offline: bool,
    prompt_consent: bool,
    state: Option<String>,
    challenge: Option<Challenge>,
}

/// Answers `/o/oauth2/v2/auth`. Google shows a page, and does not redirect, for a bad client, redirect or scope.
pub(crate) fn answer(world: &mut World, call: &Call<Host>) -> Reply {
    let ask = match read(world, call) {
        Ok(ask) => ask,
        Err((status, message)) => return page::error(status, &message),
    };
    let emails: Vec<&str> = world.users.iter().map(|user| user.email.as_str()).collect();
    if call.method == Method::GET {
        return page::plain_consent("Google Accounts", &ask.client, &ask.scopes, &emails);
    }
    let form = call.form();
    let chosen = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    if chosen("decision").as_deref() != Some("accept") {
        return redirect(&ask, &[("error", "access_denied")]);
    }
    let user = chosen("user").or_else(|| emails.first().map(|email| (*email).to_owned()));
    match user.filter(|user| emails.contains(&user.as_str())) {
        Some(user) => accept(world, &ask, user),
        None => page::error(400, "no such account"),
    }
}

fn read(world: &World, call: &Call<Host>) -> Result<Ask, (u16, String)> {
    let required = |name: &str| {
        call.parameter(name).ok_or_else(|| (400, format!("Error 400: invalid_request. Missing parameter: {name}")))
    };
    let client = world.clients.get(required("client_id")?);
    let client = client.ok_or((401, "Error 401: invalid_client. The OAuth client was not found.".to_owned()))?;
    if required("response_type")? != "code" {
        return Err((400, "Error 400: unsupported_response_type".to_owned()));
    }
    let redirect_uri = required("redirect_uri")?;
    if !may_redirect(client, redirect_uri) {
        return Err((400, "Error 400: redirect_uri_mismatch".to_owned()));
    }
    let scopes: Vec<String> = required("scope")?.split_ascii_whitespace().map(str::to_owned).collect();
    if scopes.is_empty() || !scopes.iter().all(|scope| is_scope(scope)) {
        return Err((400, "Error 400: invalid_scope. Some requested scopes were invalid.".to_owned()));
    }
    let challenge = call.parameter("code_challenge").map(|value| Challenge {
        value: value.to_owned(),
        hashed: call.parameter("code_challenge_method") == Some("S256"),
    });
    let prompts = call.parameter("prompt").unwrap_or_default();
    Ok(Ask {
        client: client.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        scopes,
        offline: call.parameter("access_type") == Some("offline"),
        prompt_consent: prompts.split(' ').any(|prompt| prompt == "consent"),
        state: call.parameter("state").map(str::to_owned),
        challenge,
    })
}

/// A desktop client may name any port of a loopback address (RFC 8252 section 7.3); a web client only what it has
/// registered.
fn may_redirect(client: &GoogleClient, uri: &str) -> bool {
    if !client.desktop {
        return client.redirect_uris.iter().any(|registered| registered == uri);
    }
    Url::parse(uri).is_ok_and(|url| {
        url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "[::1]" | "localhost"))
    })
}

fn is_scope(text: &str) -> bool {
    matches!(text, "openid" | "email" | "profile") || text.starts_with("https://www.googleapis.com/auth/")
}

fn accept(world: &mut World, ask: &Ask, user: String) -> Reply {
    let first_consent = world.consented.insert((user.clone(), ask.client.clone()));
    let code = Code {
        value: world.make_token(TokenKind::Code),
        made_ms: world.mint.now(),
        client: ask.client.clone(),
        user,
        redirect_uri: ask.redirect_uri.clone(),
        challenge: ask.challenge.clone(),
        with_refresh_token: ask.offline && (first_consent || ask.prompt_consent),
        scopes: ask.scopes.clone(),
    };
    let reply = redirect(ask, &[("code", &code.value), ("scope", &ask.scopes.join(" "))]);
    world.codes.push(code);
    reply
}

fn redirect(ask: &Ask, fields: &[(&str, &str)]) -> Reply {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    if let Some(state) = &ask.state {
        query.append_pair("state", state);
    }
    query.extend_pairs(fields);
    let joint = if ask.redirect_uri.contains('?') { '&' } else { '?' };
    let location = format!("{}{joint}{}", ask.redirect_uri, query.finish());
    Reply::empty(302).with_header("location", location).with_header("cache-control", "no-store")
}
