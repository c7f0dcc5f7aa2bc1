//! The token endpoint: who calls, with what, and the answers that come before any grant is looked at.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::json;

use super::exchange;
use super::extra::extended;
use crate::quirks::{ThrottleAnswer, TokenAnswer};
use crate::region::Region;
use crate::switches::Switches;
use crate::wire::{Call, Reply};
use crate::world::World;

/// The parameters of a token call, from query, form and Basic header.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub fn read<P>(call: &Call<P>) -> Parameters {
        let mut all = basic(call);
        all.extend(call.form());
        all.extend(call.query.iter().cloned());
        Parameters(all)
    }

    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}

/// Answers `/oauth/v2/token`.
pub(crate) fn answer(world: &mut World, switches: &mut Switches, call: &Call) -> Reply {
    let fault = switches.token_faults.pop_front();
    let reply = carried_out(world, switches, call);
    extended(reply, switches).with_fault(fault)
}

/// Returns the reply that a test has put into the queue, if it is not "as usual".
pub(crate) fn scripted(switches: &mut Switches) -> Option<Reply> {
    Some(match switches.token_answers.pop_front()? {
        TokenAnswer::Normal => return None,
        TokenAnswer::Error(code) => error(&code),
        TokenAnswer::Throttled(form) => throttled(form),
        TokenAnswer::Maintenance => Reply::maintenance(),
        TokenAnswer::Raw { status, content_type, body } => Reply::new(status, &content_type, body),
    })
}

fn carried_out(world: &mut World, switches: &mut Switches, call: &Call) -> Reply {
    if let Some(reply) = scripted(switches) {
        return reply;
    }
    let parameters = Parameters::read(call);
    if call.method != Method::POST || parameters.text("grant_type").is_empty() {
        return Reply::json(400, &json!({"error": "invalid_request"}));
    }
    let region = call.place.region;
    let client = match authenticated(world, region, &parameters) {
        Ok(client) => client,
        Err(refusal) => return refusal,
    };
    match parameters.text("grant_type") {
        "authorization_code" => exchange::code(world, switches, region, &client, &parameters),
        "refresh_token" => exchange::refresh(world, switches, region, &client, &parameters),
        "client_credentials" => exchange::client_credentials(world, switches, region, &client, &parameters),
        // Zoho has no `unsupported_grant_type`.
        _ => error("invalid_client"),
    }
}

/// Returns the id of the client that calls, if it is enabled here and knows its secret.
pub(crate) fn authenticated(world: &World, region: Region, parameters: &Parameters) -> Result<String, Reply> {
    let client = world.clients.get(parameters.text("client_id"));
    let client =
        client.filter(|client| client.regions.contains(&region)).ok_or_else(|| error("invalid_client"))?;
    if client.secret_of(region) != parameters.text("client_secret") {
        return Err(error("invalid_client_secret"));
    }
    Ok(client.id.clone())
}

/// Returns an error as Zoho does: with status 200.
pub(crate) fn error(code: &str) -> Reply {
    Reply::json(200, &json!({"error": code}))
}

/// Returns the throttle's answer.
pub(crate) fn throttled(form: ThrottleAnswer) -> Reply {
    let english = json!({
        "error_description": "You have made too many requests continuously. Please try again after some time.",
        "error": "Access Denied", "status": "failure",
    });
    let chinese = json!({"error_description": "您连续发出了太多请求。请稍后再试。", "error": "拒绝访问", "status": "failure"});
    match form {
        ThrottleAnswer::BadRequest => Reply::json(400, &english),
        ThrottleAnswer::Localised => Reply::json(400, &chinese),
        ThrottleAnswer::Ok => Reply::json(200, &english),
    }
}

fn basic<P>(call: &Call<P>) -> Vec<(String, String)> {
    let value = call.header("authorization").and_then(|value| value.strip_prefix("Basic "));
    let decoded =
        value.and_then(|value| STANDARD.decode(value).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    match decoded.as_deref().and_then(|text| text.split_once(':')) {
        Some((id, secret)) => {
            vec![("client_id".into(), id.to_owned()), ("client_secret".into(), secret.to_owned())]
        }
        None => Vec::new(),
    }
}
