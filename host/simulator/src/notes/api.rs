//! The notes: who calls, and what they may do (RFC 6750 on the tokens' host; a key of its own kind on the other).

use http::Method;
use serde_json::{Value, json};

use super::Host;
use super::world::{Note, World};
use crate::echo;
use crate::quirks::{ApiAnswer, EchoPart};
use crate::switches::Switches;
use crate::wire::{Call, Reply};

/// Who calls.
struct Caller {
    account: String,
    /// `None`: a key, which may do everything.
    scopes: Option<Vec<String>>,
}

/// Answers on the API's hosts.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call<Host>) -> Reply {
    let reply = match switches.api_answers.pop_front().and_then(scripted) {
        Some(reply) => reply,
        None => serve(world, call).unwrap_or_else(|refusal| refusal),
    };
    let part = match switches.echo_part {
        EchoPart::Value => call.header("authorization").or_else(|| key_of(call)),
        EchoPart::Token => token_of(call).or_else(|| key_of(call)),
        EchoPart::Second => call.header("x-app-key"),
    };
    echo::apply(reply, switches.echo, part).with_fault(switches.api_faults.pop_front())
}

/// Returns the reply that a test has put into the queue, if it is not "as usual".
fn scripted(answer: ApiAnswer) -> Option<Reply> {
    Some(match answer {
        ApiAnswer::Normal => return None,
        ApiAnswer::RateLimited => error(429, "too_many_requests").with_header("retry-after", "1"),
        ApiAnswer::InvalidToken | ApiAnswer::AuthenticationFailure => invalid_token(),
        ApiAnswer::Internal => error(500, "server_error"),
        ApiAnswer::Maintenance => Reply::maintenance(),
        ApiAnswer::Bytes(bytes) => Reply::bytes(bytes),
        ApiAnswer::Raw { status, content_type, body } => Reply::new(status, &content_type, body),
    })
}

fn serve(world: &mut World, call: &Call<Host>) -> Result<Reply, Reply> {
    let caller = caller(world, call)?;
    let segments = call.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        ["v1", "me"] => {
            only(call, &[Method::GET])?;
            let name = world.name_of(&caller.account);
            Ok(Reply::json(200, &json!({"id": caller.account, "name": name})))
        }
        ["v1", "app"] => {
            only(call, &[Method::GET])?;
            let app = call.header("x-app-key").and_then(|key| world.app_keys.get(key));
            let app = app.ok_or_else(|| error(403, "app_key_required"))?;
            Ok(Reply::json(200, &json!({"app": app})))
        }
        ["v1", "notes"] => {
            only(call, &[Method::GET, Method::POST])?;
            if call.method == Method::POST { create(world, call, &caller) } else { list(world, call, &caller) }
        }
        ["v1", "notes", id] => {
            only(call, &[Method::GET, Method::DELETE])?;
            if call.method == Method::DELETE { delete(world, &caller, id) } else { read(world, &caller, id) }
        }
        _ => Err(error(404, "not_found")),
    }
}

fn caller(world: &World, call: &Call<Host>) -> Result<Caller, Reply> {
    if call.place == Host::Key {
        let refused = || error(401, "invalid_key").with_header("www-authenticate", "ApiKey realm=\"notes\"");
        let account = key_of(call).and_then(|key| world.api_keys.get(key)).ok_or_else(refused)?;
        return Ok(Caller { account: account.clone(), scopes: None });
    }
    // Without a token no error is told (RFC 6750 section 3.1).
    let missing = || error(401, "token_required").with_header("www-authenticate", "Bearer realm=\"notes\"");
    let (grant, access) = world.grant_of_access(token_of(call).ok_or_else(missing)?).ok_or_else(invalid_token)?;
    Ok(Caller { account: grant.account.clone(), scopes: Some(access.scopes.clone()) })
}

fn token_of(call: &Call<Host>) -> Option<&str> {
    let (scheme, token) = call.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn key_of(call: &Call<Host>) -> Option<&str> {
    call.header("x-api-key").or_else(|| call.parameter("key")).filter(|_| call.place == Host::Key)
}

fn may(caller: &Caller, scope: &str) -> Result<(), Reply> {
    if caller.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|granted| granted == scope)) {
        return Ok(());
    }
    let told = format!("Bearer realm=\"notes\", error=\"insufficient_scope\", scope=\"{scope}\"");
    Err(error(403, "insufficient_scope").with_header("www-authenticate", told))
}

fn only(call: &Call<Host>, methods: &[Method]) -> Result<(), Reply> {
    if methods.contains(&call.method) {
        return Ok(());
    }
    let allowed: Vec<&str> = methods.iter().map(Method::as_str).collect();
    Err(error(405, "method_not_allowed").with_header("allow", allowed.join(", ")))
}

fn list(world: &World, call: &Call<Host>, caller: &Caller) -> Result<Reply, Reply> {
    may(caller, "notes.read")?;
    let number = |name: &str, usual: usize, most: usize| match call.parameter(name).map(str::parse::<usize>) {
        None => Ok(usual),
        Some(Ok(number)) if (1..=most).contains(&number) => Ok(number),
        Some(_) => Err(error(400, "invalid_parameter")),
    };
    let (page, per_page) = (number("page", 1, 1_000_000)?, number("per_page", 20, 100)?);
    let all = world.notes.get(&caller.account).map(Vec::as_slice).unwrap_or_default();
    let shown: Vec<Value> = all.iter().skip((page - 1) * per_page).take(per_page).map(shown).collect();
    Ok(Reply::json(200, &json!({"notes": shown, "total": all.len()})))
}

fn read(world: &World, caller: &Caller, id: &str) -> Result<Reply, Reply> {
    may(caller, "notes.read")?;
    let note = world.notes.get(&caller.account).into_iter().flatten().find(|note| note.id == id);
    note.map(|note| Reply::json(200, &shown(note))).ok_or_else(|| error(404, "not_found"))
}

fn create(world: &mut World, call: &Call<Host>, caller: &Caller) -> Result<Reply, Reply> {
    may(caller, "notes.write")?;
    let body: Value = serde_json::from_slice(&call.body).map_err(|_| error(400, "invalid_json"))?;
    let text = body["text"].as_str().ok_or_else(|| error(400, "text_required"))?.to_owned();
    let id = format!("{}-{}", caller.account, world.mint.number());
    let note = Note { id: id.clone(), text };
    let reply = Reply::json(201, &shown(&note)).with_header("location", format!("/v1/notes/{id}"));
    world.notes.entry(caller.account.clone()).or_default().push(note);
    Ok(reply)
}

fn delete(world: &mut World, caller: &Caller, id: &str) -> Result<Reply, Reply> {
    may(caller, "notes.write")?;
    let notes = world.notes.entry(caller.account.clone()).or_default();
    let place = notes.iter().position(|note| note.id == id).ok_or_else(|| error(404, "not_found"))?;
    notes.remove(place);
    Ok(Reply::empty(204))
}

fn shown(note: &Note) -> Value {
    json!({"id": note.id, "text": note.text})
}

fn invalid_token() -> Reply {
    error(401, "invalid_token").with_header("www-authenticate", "Bearer realm=\"notes\", error=\"invalid_token\"")
}

fn error(status: u16, code: &str) -> Reply {
    Reply::json(status, &json!({"error": code}))
}
