//! The login dialog: a page for GET, a redirect for the form's POST.

use http::Method;

use super::Host;
use super::world::{Code, World};
use crate::config::TokenKind;
use crate::oauth::page;
use crate::wire::{Call, Reply};
use crate::world::Challenge;

/// What the app asks for, once its parameters have been accepted.
struct Ask {
    app: String,
    redirect_uri: String,
    scopes: Vec<String>,
    state: Option<String>,
    challenge: Option<Challenge>,
}

/// Answers `/dialog/oauth`. A bad app or redirect gets a page, and no redirect.
pub(crate) fn answer(world: &mut World, call: &Call<Host>) -> Reply {
    let ask = match read(world, call) {
        Ok(ask) => ask,
        Err(message) => return page::error(400, message),
    };
    let emails: Vec<&str> = world.users.iter().map(|user| user.email.as_str()).collect();
    if call.method == Method::GET {
        return page::plain_consent("Facebook", &ask.app, &ask.scopes, &emails);
    }
    let form = call.form();
    let chosen = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    if chosen("decision").as_deref() != Some("accept") {
        let fields = [
            ("error", "access_denied"),
            ("error_code", "200"),
            ("error_description", "Permissions error"),
            ("error_reason", "user_denied"),
        ];
        return redirect(&ask, &fields);
    }
    let email = chosen("user").or_else(|| emails.first().map(|email| (*email).to_owned()));
    let user = world.users.iter().find(|user| Some(&user.email) == email.as_ref());
    let Some(user) = user.map(|user| user.id.clone()) else {
        return page::error(400, "no such account");
    };
    let code = Code {
        value: world.make_token(TokenKind::Code),
        made_ms: world.mint.now(),
        app: ask.app.clone(),
        user,
        redirect_uri: ask.redirect_uri.clone(),
        challenge: ask.challenge.clone(),
        scopes: ask.scopes.clone(),
    };
    let reply = redirect(&ask, &[("code", &code.value)]);
    world.codes.push(code);
    reply
}

fn read(world: &World, call: &Call<Host>) -> Result<Ask, &'static str> {
    let app = call.parameter("client_id").and_then(|id| world.apps.get(id));
    let app = app.ok_or("Invalid App ID: the provided app ID does not look like a valid app ID.")?;
    let redirect_uri = call.parameter("redirect_uri").unwrap_or_default();
    if !app.redirect_uris.iter().any(|registered| registered == redirect_uri) {
        return Err(
            "URL blocked: this redirect failed because the redirect URI is not white-listed in the app's \
                    client OAuth settings.",
        );
    }
    if call.parameter("response_type").is_some_and(|kind| kind != "code") {
        return Err("Invalid response type");
    }
    let scopes = call.parameter("scope").unwrap_or("public_profile").split([',', ' ']);
    let scopes: Vec<String> = scopes.filter(|scope| !scope.is_empty()).map(str::to_owned).collect();
    let is_scope = |scope: &String| scope.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !scopes.iter().all(is_scope) {
        return Err("Invalid Scopes");
    }
    let challenge = call.parameter("code_challenge").map(|value| Challenge {
        value: value.to_owned(),
        hashed: call.parameter("code_challenge_method") == Some("S256"),
    });
    Ok(Ask {
        app: app.id.clone(),
        redirect_uri: redirect_uri.to_owned(),
        scopes,
        state: call.parameter("state").map(str::to_owned),
        challenge,
    })
}

fn redirect(ask: &Ask, fields: &[(&str, &str)]) -> Reply {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(fields);
    if let Some(state) = &ask.state {
        query.append_pair("state", state);
    }
    let joint = if ask.redirect_uri.contains('?') { '&' } else { '?' };
    // Meta ends the address with an empty fragment of this name.
    let location = format!("{}{joint}{}#_=_", ask.redirect_uri, query.finish());
    Reply::empty(302).with_header("location", location).with_header("cache-control", "no-store")
}
