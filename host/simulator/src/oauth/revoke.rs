//! The two revoke endpoints (facts 2.5). Neither is RFC 7009: an unknown token is a 400.

use http::Method;
use serde_json::json;

use super::token::Parameters;
use crate::wire::{Call, Reply};
use crate::world::World;

/// Answers `/oauth/v2/token/revoke`: whoever knows the token may revoke it.
pub(crate) fn classic(world: &mut World, call: &Call) -> Reply {
    if call.method != Method::POST {
        return gone();
    }
    revoke(world, call, Parameters::read(call).text("token"), None)
}

/// Answers `/oauth/v2/revoke/token`: with the client's Basic credentials and `token_type`.
pub(crate) fn authenticated(world: &mut World, call: &Call) -> Reply {
    let parameters = Parameters::read(call);
    let is_basic = call.header("authorization").is_some_and(|value| value.starts_with("Basic "));
    let client = world.clients.get(parameters.text("client_id"));
    let secret = client.map(|client| client.secret_of(call.place.region));
    if call.method != Method::POST || !is_basic || secret != Some(parameters.text("client_secret")) {
        return Reply::json(401, &json!({"error": "invalid_client"}));
    }
    match parameters.text("token_type") {
        kind @ ("refresh_token" | "access_token") => revoke(world, call, parameters.text("token"), Some(kind)),
        _ => gone(),
    }
}

/// Revoking a refresh token kills its access tokens; an access token dies alone.
fn revoke(world: &mut World, call: &Call, token: &str, kind: Option<&str>) -> Reply {
    let here = |grant: &crate::world::Grant| grant.subject.region == call.place.region;
    if kind != Some("access_token") {
        let before = world.grants.len();
        world.grants.retain(|grant| grant.refresh_token.as_deref() != Some(token) || !here(grant));
        if world.grants.len() < before {
            return done();
        }
    }
    if kind != Some("refresh_token") {
        for grant in world.grants.iter_mut().filter(|grant| here(grant)) {
            let before = grant.access_tokens.len();
            grant.access_tokens.retain(|access| access.token != token);
            if grant.access_tokens.len() < before {
                return done();
            }
        }
    }
    gone()
}

fn done() -> Reply {
    Reply::json(200, &json!({"status": "success"}))
}

fn gone() -> Reply {
    Reply::json(400, &json!({"error": "invalid_token"}))
}
