//! Takes a refresh token that a person obtained by other means: for a console that hands tokens out itself, or a move
//! from another tool. It is proved by a refresh and a look-up before it is stored.

use std::sync::Arc;

use wardlock_audit::Act;

use super::keep::{self, Storing};
use super::replace;
use super::{ConnectError, ConnectPlan, Connected, client_at, client_of, obtained, read};
use crate::egress::Egress;
use crate::oauth::exchange::TokenError;
use crate::vault::Secret;

/// How it is called in the audit, apart from consents.
const HOW: &str = "grant.connect.advanced-paste";

/// Stores a pasted refresh token. See [`Egress::connect_pasted`].
pub(crate) async fn connect(
    egress: &Egress,
    plan: ConnectPlan,
    pasted: Secret,
) -> Result<Connected, ConnectError> {
    let client = client_of(egress, &plan, None).await?;
    replace::old(egress, &plan).await?;
    egress.record(Act::admin(&plan.who, HOW, plan.grant.as_str(), "trying")).await?;
    let raw = client_at(egress, &plan, &client).renew(Some(&pasted), &plan.scopes).await;
    let tokens = raw.map_err(TokenError::from).and_then(|raw| read(&plan, raw));
    let word = tokens.as_ref().map_or_else(TokenError::word, |_| "ok");
    egress.record(Act::grant("token.refresh", plan.grant.as_str(), word)).await?;
    let mut tokens = tokens.map_err(ConnectError::Pasted)?;

    // Where the provider rotates, the pasted one is spent.
    let refresh = tokens.refresh.take().unwrap_or_else(|| Arc::new(pasted));
    let obtained = obtained(&plan, tokens, Some(refresh));
    // Nobody consented here, so nothing is given back: the token is theirs who pasted it.
    let identified = keep::identify(egress, &plan, obtained.shown(&client)).await?;
    let replacing = identified.replacing(egress, &plan).await?;
    Storing { plan, obtained, identified, replacing, how: HOW, unkept: None }.see_through(egress).await
}
