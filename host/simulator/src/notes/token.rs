//! The token endpoint (RFC 6749 section 5). Refresh tokens rotate; one that comes again ends its grant (RFC 9700 section
//! 4.14.2), and so does a code.

use serde_json::json;

use super::config::NotesClient;
use super::form::{Form, client, error};
use super::world::{AccessToken, Grant, World, is_scope};
use super::{Host, device};
use crate::config::TokenKind;
use crate::oauth::{extended, verifies};
use crate::quirks::TokenAnswer;
use crate::switches::Switches;
use crate::wire::{Call, Reply};

const CODE_LIFETIME_MS: u64 = 60_000;

/// Answers `/token`.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call<Host>) -> Reply {
    let fault = switches.token_faults.pop_front();
    let reply = scripted(switches).unwrap_or_else(|| carried_out(world, call).unwrap_or_else(|refusal| refusal));
    extended(reply, switches).with_fault(fault)
}

/// Returns the reply that a test has put into the queue, if it is not "as usual".
fn scripted(switches: &mut Switches) -> Option<Reply> {
    Some(match switches.token_answers.pop_front()? {
        TokenAnswer::Normal => return None,
        TokenAnswer::Error(code) => error(400, &code, "A test wants this."),
        TokenAnswer::Throttled(_) => {
            error(429, "temporarily_unavailable", "Too many calls.").with_header("retry-after", "60")
        }
        TokenAnswer::Maintenance => Reply::maintenance(),
        TokenAnswer::Raw { status, content_type, body } => Reply::new(status, &content_type, body),
    })
}

fn carried_out(world: &mut World, call: &Call<Host>) -> Result<Reply, Reply> {
    let form = Form::read(call)?;
    let client = client(world, call, &form)?;
    match form.required("grant_type")? {
        "authorization_code" => exchange(world, &client, &form),
        "refresh_token" => refresh(world, &client, &form),
        "client_credentials" => for_itself(world, &client, &form),
        "urn:ietf:params:oauth:grant-type:device_code" => device::poll(world, &client, &form),
        _ => Err(error(400, "unsupported_grant_type", "There is no such grant type.")),
    }
}

fn exchange(world: &mut World, client: &NotesClient, form: &Form) -> Result<Reply, Reply> {
    let refused = |text: &str| error(400, "invalid_grant", text);
    let now = world.mint.now();
    let value = form.required("code")?;
    let is_it = |code: &super::world::Code| code.value == value && code.client == client.id;
    let place = world.codes.iter().position(is_it).ok_or_else(|| refused("There is no such code."))?;
    let code = world.codes[place].clone();
    if let Some(number) = code.redeemed {
        world.end(number);
        return Err(refused("The code was used before; what it had brought is over."));
    }
    if code.made_ms + CODE_LIFETIME_MS <= now {
        return Err(refused("The code is too old."));
    }
    if form.required("redirect_uri")? != code.redirect_uri {
        return Err(refused("`redirect_uri` is another than the code's."));
    }
    if !verifies(Some(&code.challenge), form.required("code_verifier")?) {
        return Err(refused("`code_verifier` is not the one of the code's challenge."));
    }
    let number = world.grant(&client.id, &code.account, code.scopes);
    world.codes[place].redeemed = Some(number);
    issue(world, number, None)
}

fn refresh(world: &mut World, client: &NotesClient, form: &Form) -> Result<Reply, Reply> {
    let refused = |text: &str| error(400, "invalid_grant", text);
    let token = form.required("refresh_token")?;
    let has = |grant: &&Grant| {
        grant.refresh_token.as_deref() == Some(token) || grant.used.iter().any(|used| used == token)
    };
    let found = world.grants.iter().find(has).filter(|grant| grant.client == client.id);
    let found = found.ok_or_else(|| refused("There is no such refresh token."))?;
    let (number, granted) = (found.number, found.scopes.clone());
    if found.refresh_token.as_deref() != Some(token) {
        world.end(number);
        return Err(refused("The refresh token was used before; its grant is over."));
    }
    let asked = Some(form.scopes()).filter(|asked| !asked.is_empty());
    if asked.as_ref().is_some_and(|asked| !asked.iter().all(|scope| granted.contains(scope))) {
        return Err(error(400, "invalid_scope", "The person has not granted all of that."));
    }
    issue(world, number, asked)
}

/// Gives a client a token for its own account. It gets no refresh token (RFC 6749 section 4.4.3).
fn for_itself(world: &mut World, client: &NotesClient, form: &Form) -> Result<Reply, Reply> {
    if client.secret.is_none() {
        return Err(error(400, "unauthorized_client", "A public client cannot ask for itself."));
    }
    let scopes = form.scopes();
    if scopes.is_empty() || !scopes.iter().all(|scope| is_scope(scope) && scope != "offline_access") {
        return Err(error(400, "invalid_scope", "There is no such scope."));
    }
    let number = world.grant(&client.id, &client.id, scopes);
    issue(world, number, None)
}

/// Makes an access token with all scopes or fewer, and the next refresh token where the grant lasts.
pub(crate) fn issue(world: &mut World, number: u64, fewer: Option<Vec<String>>) -> Result<Reply, Reply> {
    let (token, next) = (world.make_token(TokenKind::Access), world.make_token(TokenKind::Refresh));
    let expires_ms = world.mint.now() + world.access_token_lifetime_ms;
    let lifetime_seconds = world.access_token_lifetime_ms / 1000;
    let grant = world.grants.iter_mut().find(|grant| grant.number == number);
    let grant = grant.ok_or_else(|| error(400, "invalid_grant", "There is no such grant."))?;
    let scopes = fewer.unwrap_or_else(|| grant.scopes.clone());
    let mut body = json!({
        "access_token": token, "token_type": "Bearer", "expires_in": lifetime_seconds, "scope": scopes.join(" "),
    });
    grant.access_tokens.push(AccessToken { token, expires_ms, scopes });
    if grant.scopes.iter().any(|scope| scope == "offline_access") {
        body["refresh_token"] = json!(next);
        grant.used.extend(grant.refresh_token.replace(next));
    }
    Ok(Reply::json(200, &body).with_header("cache-control", "no-store"))
}
