//! Connects without a person's consent: a client that asks for itself (RFC 6749 section 4.4), and a key that the
//! provider's console handed out.

use std::sync::Arc;

use wardlock_audit::Act;

use super::keep::{self, Storing};
use super::replace;
use super::{ConnectError, ConnectPlan, Connected, client_at, client_of, obtained, read};
use crate::egress::Egress;
use crate::oauth::exchange::{TokenError, Tokens};
use crate::vault::Secret;

/// How each is called in the audit.
const AS_CLIENT: &str = "grant.connect.client-credentials";
const BY_KEY: &str = "grant.connect.key";

/// Connects as the client. See [`Egress::connect_client`].
pub(crate) async fn as_client(egress: &Egress, plan: ConnectPlan) -> Result<Connected, ConnectError> {
    let client = client_of(egress, &plan, None).await?;
    replace::old(egress, &plan).await?;
    egress.record(Act::admin(&plan.who, AS_CLIENT, plan.grant.as_str(), "trying")).await?;
    let raw = client_at(egress, &plan, &client).renew(None, &plan.scopes).await;
    let tokens = raw.map_err(TokenError::from).and_then(|raw| read(&plan, raw));
    let word = tokens.as_ref().map_or_else(TokenError::word, |_| "ok");
    egress.record(Act::grant("token.exchange", plan.grant.as_str(), word)).await?;
    let mut obtained = obtained(&plan, tokens.map_err(ConnectError::Exchange)?, None);
    if obtained.granted.is_empty() {
        // The same are asked for each time; an answer without them granted what was asked (RFC 6749 section 5.1).
        obtained.granted.clone_from(&plan.scopes);
    }
    let identified = keep::identify(egress, &plan, obtained.shown(&client)).await?;
    let replacing = identified.replacing(egress, &plan).await?;
    Storing { plan, obtained, identified, replacing, how: AS_CLIENT, unkept: None }.see_through(egress).await
}

/// Stores a key once the account could be looked up with it. See [`Egress::connect_key`].
pub(crate) async fn by_key(egress: &Egress, plan: ConnectPlan, key: Secret) -> Result<Connected, ConnectError> {
    let client = client_of(egress, &plan, None).await?;
    replace::old(egress, &plan).await?;
    egress.record(Act::admin(&plan.who, BY_KEY, plan.grant.as_str(), "trying")).await?;
    let access = Arc::new(key);
    let tokens = Tokens {
        access: Arc::clone(&access),
        refresh: None,
        lifetime_seconds: plan.service.oauth.default_lifetime_seconds,
        scope: None,
        api_host: None,
        environment: None,
    };
    let obtained = obtained(&plan, tokens, Some(access));
    let identified = keep::identify(egress, &plan, obtained.shown(&client)).await?;
    // A key that the provider does not take is a slip, and not worth keeping.
    if let Err(error) = &identified.tenant {
        return Err(ConnectError::Lookup(error.clone()));
    }
    let replacing = identified.replacing(egress, &plan).await?;
    Storing { plan, obtained, identified, replacing, how: BY_KEY, unkept: None }.see_through(egress).await
}
