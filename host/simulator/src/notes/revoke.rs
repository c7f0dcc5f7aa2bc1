//! The revocation endpoint (RFC 7009): a refresh token ends its grant, an access token itself.

use super::Host;
use super::form::{Form, client};
use super::world::World;
use crate::wire::{Call, Reply};

/// Answers `/revoke`. A token that is unknown is as good as revoked.
pub(crate) fn answer(world: &mut World, call: &Call<Host>) -> Reply {
    revoked(world, call).unwrap_or_else(|refusal| refusal)
}

fn revoked(world: &mut World, call: &Call<Host>) -> Result<Reply, Reply> {
    let form = Form::read(call)?;
    let client = client(world, call, &form)?;
    let token = form.required("token")?.to_owned();
    for grant in world.grants.iter_mut().filter(|grant| grant.client == client.id) {
        grant.access_tokens.retain(|access| access.token != token);
    }
    let ends = |grant: &super::world::Grant| {
        grant.client == client.id && grant.refresh_token.as_deref() == Some(token.as_str())
    };
    world.grants.retain(|grant| !ends(grant));
    Ok(Reply::empty(200).with_header("cache-control", "no-store"))
}
