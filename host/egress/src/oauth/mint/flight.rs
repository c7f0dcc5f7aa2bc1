//! One refresh, from the budget to the durable token. It runs in a task of its own, so that nobody's hurry ends it
//! between the provider's answer and the disk (promise 7).

use std::sync::Arc;

use wardlock_audit::Act;
use wardlock_core::service::ServiceDefinition;

use super::{Live, Shared, Wanted};
use crate::failpoint;
use crate::oauth::exchange::{self, Failed, TokenError, Tokens};
use crate::oauth::registered::RegisteredClient;
use crate::vault::{Begun, Condition, RefreshMaterial, Secret, Settled, Vault, VaultError};

/// What a flight is for.
pub(super) struct Order {
    pub wanted: Wanted,
    /// The token that must not be taken up again.
    pub rejected: Option<Arc<Secret>>,
    /// Whether the provider called the last one stale.
    pub forced: bool,
    /// Whether the stored token is the one to be renewed before its time; taking it up would renew nothing.
    pub renewing: bool,
    /// A client secret that is tried instead of the stored one. A call with it is always made.
    pub trying: Option<Arc<Secret>>,
}

/// Takes up the stored token if it still lives, else makes a new one.
pub(super) async fn fly(shared: &Shared, order: &Order) -> Result<Arc<Live>, TokenError> {
    if order.trying.is_some() && order.wanted.service.oauth.is_key() {
        return Err(TokenError::Internal("a key is no client secret"));
    }
    if order.trying.is_none()
        && let Some(live) = stored(shared, order).await?
    {
        return Ok(live);
    }
    failpoint::pass("before-journal");
    let mut material = begun(shared, order).await?;
    failpoint::pass("after-journal");
    if let Some(trying) = &order.trying {
        material.secrets.client_secret = Some(Arc::clone(trying));
    }
    let grant = order.wanted.grant.as_str();
    let result = match record(shared, grant, "begun").await {
        Ok(()) => renew(shared, order, &material).await,
        Err(error) => Err(Failed::answered(error)),
    };
    let result = match result {
        Ok(live) => Ok(live),
        Err(failed) => Err(settled(shared, order, failed).await),
    };
    let word = result.as_ref().map_or_else(TokenError::word, |_| "ok");
    shared.refreshed(&order.wanted.grant, word);
    if record(shared, grant, word).await.is_err() {
        tracing::warn!(grant, "the end of a token refresh could not be audited");
    }
    failpoint::pass("after-audit");
    result
}

async fn stored(shared: &Shared, order: &Order) -> Result<Option<Arc<Live>>, TokenError> {
    let Wanted { grant, generation, .. } = order.wanted.clone();
    let found = on_vault(&shared.vault, move |vault| {
        Ok((vault.access_token(&grant, generation)?, vault.refresh_material(&grant)?))
    });
    let (stored, material) = found.await?;
    let now_ms = (shared.clock)();
    let service = &order.wanted.service;
    if service.oauth.is_key() {
        return key(service, &material, now_ms).map(Some);
    }
    let Some((token, expires_ms)) = stored else {
        return Ok(None);
    };
    let rejected = order.rejected.as_ref().is_some_and(|rejected| rejected.same(&token));
    if rejected || order.renewing {
        return Ok(None);
    }
    let most_ms = service.oauth.max_lifetime_seconds.saturating_mul(1000);
    let before_ms = service.oauth.refresh.before_seconds.map(|seconds| seconds.saturating_mul(1000));
    Ok(Live::taken_up(token, material.secrets, now_ms, expires_ms, most_ms, before_ms).map(Arc::new))
}

/// A key is used as it is stored. One that the provider refuses is replaced by hand.
fn key(service: &ServiceDefinition, material: &RefreshMaterial, now_ms: u64) -> Result<Arc<Live>, TokenError> {
    let key = material.refresh_token.clone().ok_or(TokenError::GrantChanged)?;
    let lifetime_ms = service.oauth.default_lifetime_seconds.saturating_mul(1000);
    let ends_ms = now_ms.saturating_add(lifetime_ms);
    Ok(Arc::new(Live::new(key, material.secrets.clone(), now_ms, ends_ms, false, None)))
}

/// Takes a place in the provider's budget and in the journal, unless something that is kept on disk hinders it.
async fn begun(shared: &Shared, order: &Order) -> Result<RefreshMaterial, TokenError> {
    let Wanted { grant, generation, service } = order.wanted.clone();
    let (budget, now_ms) = (service.oauth.budget, (shared.clock)());
    let begun = on_vault(&shared.vault, move |vault| vault.begin_refresh(&grant, generation, budget, now_ms));
    match begun.await? {
        Begun::Call(material) => Ok(*material),
        Begun::Hindered(condition) => Err(hindered(condition, now_ms)),
    }
}

fn hindered(condition: Condition, now_ms: u64) -> TokenError {
    match condition {
        Condition::Throttled { until_ms } => {
            let seconds = until_ms.saturating_sub(now_ms).div_ceil(1000).max(1);
            TokenError::Throttled { retry_after_seconds: seconds }
        }
        Condition::Reconnect { code, interrupted_ms, .. } => {
            TokenError::Reconnect { code, interrupted: interrupted_ms.is_some() }
        }
    }
}

async fn renew(shared: &Shared, order: &Order, material: &RefreshMaterial) -> Result<Arc<Live>, Failed> {
    let service = &order.wanted.service;
    let client = RegisteredClient::of_grant(&shared.dialer, service, material);
    failpoint::pass("before-request");
    let raw = client.renew(material.refresh_token.as_deref(), &material.scopes).await?;
    failpoint::pass("after-answer");
    let asks_for_itself = material.refresh_token.is_none();
    let mut tokens = exchange::read(service, &material.region, raw)
        .map_err(|failed| Failed { rotated: failed.rotated.filter(|_| !asks_for_itself), ..failed })?;
    if asks_for_itself {
        // Whatever else it was given, the client goes on asking for itself.
        tokens.refresh = None;
    }
    if tokens.environment.as_ref().is_some_and(|found| *found != material.environment) {
        let error = TokenError::Misconfigured {
            code: "foreign_environment".to_owned(),
            cause: "the renewed token is for another environment than the consent was".to_owned(),
        };
        return Err(Failed { error, answered: true, rotated: tokens.refresh });
    }
    keep(shared, order, material, tokens).await
}

/// Makes the tokens durable, and only then gives the access token out. Where that fails, the answer counts as never
/// heard: a token that works today and is gone tomorrow would hide a lost login.
async fn keep(
    shared: &Shared,
    order: &Order,
    material: &RefreshMaterial,
    tokens: Tokens,
) -> Result<Arc<Live>, Failed> {
    let Wanted { grant, generation, service } = order.wanted.clone();
    let now_ms = (shared.clock)();
    let expires_ms = now_ms.saturating_add(tokens.lifetime_seconds.saturating_mul(1000));
    let Tokens { access, refresh, api_host, .. } = tokens;
    let kept = Arc::clone(&access);
    let stored = on_vault(&shared.vault, move |vault| {
        vault.store_access_token(&grant, generation, &kept, expires_ms, refresh, api_host)
    });
    let stored = stored.await;
    failpoint::pass("after-storing");
    stored.map_err(|error| Failed { error, answered: false, rotated: None })?;
    let before_ms = service.oauth.refresh.before_seconds.map(|seconds| seconds.saturating_mul(1000));
    Ok(Arc::new(Live::new(access, material.secrets.clone(), now_ms, expires_ms, order.forced, before_ms)))
}

/// Writes down what a failed call taught, before anybody is told of it.
async fn settled(shared: &Shared, order: &Order, failed: Failed) -> TokenError {
    let Failed { error, answered, rotated } = failed;
    let now_ms = (shared.clock)();
    let condition = match &error {
        TokenError::Throttled { retry_after_seconds } => Some(Condition::Throttled {
            until_ms: now_ms.saturating_add(retry_after_seconds.saturating_mul(1000)),
        }),
        TokenError::Reconnect { code, .. } => {
            Some(Condition::Reconnect { code: code.clone(), at_ms: now_ms, interrupted_ms: None })
        }
        _ => None,
    };
    let Wanted { grant, generation, .. } = order.wanted.clone();
    let settled = on_vault(&shared.vault, move |vault| {
        vault.settle_refresh(&grant, generation, Settled { answered, rotated, condition })?;
        Ok(vault.grant_info(&grant)?.condition)
    });
    match settled.await {
        Ok(Some(condition @ Condition::Reconnect { .. })) => hindered(condition, now_ms),
        Ok(_) => error,
        Err(fault) => {
            tracing::error!(grant = order.wanted.grant.as_str(), %fault, "the end of a token refresh could not be stored");
            error
        }
    }
}

async fn record(shared: &Shared, grant: &str, result: &str) -> Result<(), TokenError> {
    let act = Act::grant("token.refresh", grant, result);
    shared.audit.act(act).await.map_err(|_| TokenError::AuditUnavailable)
}

/// Runs a call on the vault, which blocks, off the async threads. Once begun, it runs to its end.
pub(crate) async fn on_vault<T: Send + 'static>(
    vault: &Arc<Vault>,
    call: impl FnOnce(&Vault) -> Result<T, VaultError> + Send + 'static,
) -> Result<T, TokenError> {
    let vault = Arc::clone(vault);
    let done = tokio::task::spawn_blocking(move || call(&vault)).await;
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(VaultError::NoGrant(_) | VaultError::OtherGeneration { .. })) => Err(TokenError::GrantChanged),
        Ok(Err(_)) => Err(TokenError::VaultLocked),
        Err(_) => Err(TokenError::Internal("a call on the vault ended early")),
    }
}
