//! `POST /`: up to fifty calls in one, each with its own method, path and body.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::{Value, json};

use super::Host;
use super::failure::Failure;
use super::graph::serve;
use super::session::{Given, token_of};
use super::world::World;
use crate::switches::Switches;
use crate::wire::{Call, pairs};

const MOST_CALLS: usize = 50;

/// Carries out every call of a batch, under the batch's own token where a call has none.
pub(crate) fn answer(
    world: &mut World,
    switches: &Switches,
    call: &Call<Host>,
    given: &Given,
) -> Result<Value, Failure> {
    let calls = given.json("batch").and_then(|batch| batch.as_array().cloned());
    let calls = calls.ok_or_else(|| Failure::parameter("The parameter batch is required"))?;
    if calls.len() > MOST_CALLS {
        return Err(Failure::parameter("Too many requests in batch message. Maximum batch size is 50"));
    }
    let token = token_of(call, given).ok_or_else(Failure::no_token)?;
    let mut answers = Vec::new();
    for member in &calls {
        let inner = inner(call, member, &token, given)?;
        let trace = format!("ASimulatorBatch{:08}", world.calls);
        let (code, body) = match serve(world, switches, &inner, &Given::read(&inner)) {
            Ok(body) => (200, body),
            Err(failure) => (failure.status, failure.body(&trace)),
        };
        answers.push(json!({"code": code, "headers": [], "body": body.to_string()}));
    }
    Ok(Value::Array(answers))
}

fn inner(call: &Call<Host>, member: &Value, token: &str, given: &Given) -> Result<Call<Host>, Failure> {
    let text = |name: &str| member.get(name).and_then(Value::as_str).unwrap_or_default();
    let relative = text("relative_url").trim_start_matches('/');
    let (path, query) = relative.split_once('?').unwrap_or((relative, ""));
    if path.trim_matches('/').is_empty() {
        return Err(Failure::parameter("Only one batch in a batch is allowed"));
    }
    let method = Method::from_bytes(text("method").to_ascii_uppercase().as_bytes());
    let mut query = pairs(query);
    for (name, value) in [("access_token", token), ("appsecret_proof", given.text("appsecret_proof"))] {
        if !value.is_empty() && !query.iter().any(|(key, _)| key == name) {
            query.push((name.to_owned(), value.to_owned()));
        }
    }
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
    Ok(Call {
        place: call.place,
        method: method.unwrap_or(Method::GET),
        path: format!("/{path}"),
        query,
        headers,
        body: Bytes::from(text("body").to_owned()),
    })
}
