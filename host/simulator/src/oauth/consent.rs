//! The authorize endpoint: a page for GET, a redirect for the form's POST.

use http::Method;

use super::page;
use crate::config::{Environment, TokenKind, UserSpec};
use crate::quirks::{CallbackField, RefreshIssue};
use crate::region::Region;
use crate::seed::environment_zgid;
use crate::switches::Switches;
use crate::wire::{Call, Reply};
use crate::world::{Challenge, Code, Subject, World};

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

/// Answers `/oauth/v2/auth`.
pub(crate) fn answer(world: &mut World, switches: &Switches, call: &Call) -> Reply {
    let ask = match read(world, switches, call) {
        Ok(ask) => ask,
        Err(message) => return page::error(400, &message),
    };
    let users: Vec<&UserSpec> = world.users.iter().filter(|user| may_start_at(user, call.place.region)).collect();
    let home = users.iter().find(|user| user.region == call.place.region).or(users.first());
    let Some(home) = home.map(|user| user.email.clone()) else {
        return page::error(400, "no account in this data centre");
    };
    if call.method == Method::GET {
        return page::consent(&ask.client, &ask.scopes, &users, &home);
    }
    let form = call.form();
    let chosen = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    if chosen("decision").as_deref() != Some("accept") {
        return redirect(&ask, switches, &[("error", "access_denied")], switches.state_on_error);
    }
    let email = chosen("user").unwrap_or(home);
    let Some(user) = users.into_iter().find(|user| user.email == email).cloned() else {
        return page::error(400, "no such account");
    };
    let environment = chosen("environment").and_then(|name| Environment::named(&name));
    accept(world, switches, &ask, &user, environment.unwrap_or(Environment::Production))
}

/// Authorize may start anywhere, and the browser is moved to the user's home; but not into or out of China.
fn may_start_at(user: &UserSpec, region: Region) -> bool {
    (user.region == Region::Cn) == (region == Region::Cn)
}

fn read(world: &World, switches: &Switches, call: &Call) -> Result<Ask, String> {
    let required = |name: &str| call.parameter(name).ok_or(format!("{name} is missing"));
    if required("response_type")? != "code" {
        return Err("Invalid Response Type".into());
    }
    let client = world.clients.get(required("client_id")?).ok_or("Invalid Client ID")?;
    let redirect_uri = required("redirect_uri")?;
    if !client.redirect_uris.iter().any(|registered| registered == redirect_uri) {
        return Err("Invalid Redirect Uri: Redirect URI passed does not match with the one configured".into());
    }
    let scopes = split_scopes(required("scope")?, switches.space_separates_scopes);
    if scopes.is_empty() || !scopes.iter().all(|scope| is_scope(scope)) {
        return Err("Invalid OAuth Scope: Scope does not exist".into());
    }
    let challenge = call.parameter("code_challenge").map(|value| Challenge {
        value: value.to_owned(),
        hashed: call.parameter("code_challenge_method") == Some("S256"),
    });
    Ok(Ask {
        client: client.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        scopes,
        offline: call.parameter("access_type") == Some("offline"),
        prompt_consent: call.parameter("prompt") == Some("consent"),
        state: call.parameter("state").map(str::to_owned),
        challenge,
    })
}

/// Splits a requested scope.
pub(crate) fn split_scopes(text: &str, spaces: bool) -> Vec<String> {
    let separates = |character: char| character == ',' || (spaces && character == ' ');
    text.split(separates).map(str::trim).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// Whether the text has the grammar `Service.scope[.sub].OPERATION`.
pub(crate) fn is_scope(text: &str) -> bool {
    let operations = ["ALL", "READ", "CREATE", "UPDATE", "DELETE", "WRITE", "CUSTOM", "VIEW"];
    let parts: Vec<&str> = text.split('.').collect();
    let is_word =
        |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let operation = parts.last().map(|part| part.to_ascii_uppercase()).unwrap_or_default();
    parts.len() >= 3 && parts.iter().all(is_word) && operations.contains(&operation.as_str())
}

fn accept(world: &mut World, switches: &Switches, ask: &Ask, user: &UserSpec, environment: Environment) -> Reply {
    let enabled = world.clients.get(&ask.client).is_some_and(|client| client.regions.contains(&user.region));
    if !enabled {
        return page::error(400, "Invalid Client ID: the client is not enabled for your data centre");
    }
    let with_refresh_token =
        note_consent(world, switches, (&user.email, &ask.client), ask.offline, ask.prompt_consent);
    let code = Code {
        value: world.make_token(TokenKind::Code),
        made_ms: world.now(),
        client: ask.client.clone(),
        redirect_uri: ask.redirect_uri.clone(),
        challenge: ask.challenge.clone(),
        with_refresh_token,
        subject: subject_of(user, environment),
        scopes: ask.scopes.clone(),
    };
    let server = format!("https://{}", user.region.accounts_host());
    let fields = [
        ("code", Some(code.value.as_str())),
        ("location", overridden(&switches.callback_location, user.region.code())),
        ("accounts-server", overridden(&switches.callback_accounts_server, &server)),
    ];
    let fields: Vec<(&str, &str)> = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let reply = redirect(ask, switches, &fields, true);
    world.codes.push(code);
    reply
}

/// Notes that a user has consented to a client; returns whether a refresh token comes of it.
pub(crate) fn note_consent(
    world: &mut World,
    switches: &Switches,
    (user, client): (&str, &str),
    offline: bool,
    prompt_consent: bool,
) -> bool {
    let first_consent = world.consented.insert((user.to_owned(), client.to_owned()));
    match switches.refresh_issue {
        RefreshIssue::AsZoho => offline && (first_consent || prompt_consent),
        RefreshIssue::Always => true,
        RefreshIssue::Never => false,
    }
}

/// Returns whose data a user gives away.
pub(crate) fn subject_of(user: &UserSpec, environment: Environment) -> Subject {
    Subject {
        user: user.email.clone(),
        region: user.region,
        environment,
        zgid: environment_zgid(&user.zgid, environment),
    }
}

fn overridden<'a>(switch: &'a CallbackField, truth: &'a str) -> Option<&'a str> {
    match switch {
        CallbackField::Normal => Some(truth),
        CallbackField::Missing => None,
        CallbackField::Override(value) => Some(value),
    }
}

fn redirect(ask: &Ask, switches: &Switches, fields: &[(&str, &str)], with_state: bool) -> Reply {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields);
    if let Some(state) = ask.state.as_deref().filter(|_| with_state) {
        query.append_pair("state", state);
    }
    let joint = if ask.redirect_uri.contains('?') { '&' } else { '?' };
    let tail = if switches.callback_trailing_ampersand { "&" } else { "" };
    let location = format!("{}{joint}{}{tail}", ask.redirect_uri, query.finish());
    Reply::empty(302).with_header("location", location).with_header("cache-control", "no-store")
}
