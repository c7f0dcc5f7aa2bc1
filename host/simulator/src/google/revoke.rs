//! The revocation endpoint. One token ends everything that its user has granted to its client.

use http::Method;
use serde_json::json;

use super::Host;
use super::token::error;
use super::world::World;
use crate::oauth::Parameters;
use crate::wire::{Call, Reply};

/// Answers `/revoke`: whoever knows the token may revoke it, and an unknown one is a 400.
pub(crate) fn answer(world: &mut World, call: &Call<Host>) -> Reply {
    let given = Parameters::read(call);
    let token = given.text("token");
    if call.method != Method::POST || token.is_empty() {
        return error(400, "invalid_request", "Bad Request");
    }
    let knows = |grant: &&super::world::Grant| {
        grant.refresh_token.as_deref() == Some(token)
            || grant.access_tokens.iter().any(|(access, _)| access == token)
    };
    let Some((client, user)) =
        world.grants.iter().find(knows).map(|grant| (grant.client.clone(), grant.user.clone()))
    else {
        return error(400, "invalid_token", "Token expired or revoked");
    };
    world.grants.retain(|grant| grant.client != client || grant.user != user);
    world.consented.remove(&(user, client));
    Reply::json(200, &json!({}))
}
