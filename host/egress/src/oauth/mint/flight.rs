//! One refresh, from the budget to the durable token. It runs in a task of its own, so that nobody's hurry ends it
//! between the provider's answer and the disk (promise 7).

use std::sync::Arc;

use wardlock_audit::Act;

use super::{Live, Shared, Wanted};
use crate::oauth::endpoint;
use crate::oauth::exchange::{self, TokenError, Tokens};
use crate::route;
use crate::vault::wire::SecretForm;
use crate::vault::{RefreshMaterial, Secret, Vault, VaultError};

/// What a flight is for.
pub(super) struct Order {
    pub wanted: Wanted,
    /// The token that must not be taken up again.
    pub rejected: Option<Arc<Secret>>,
    /// Whether the provider called the last one stale.
    pub forced: bool,
    /// Whether the stored token is the one to be renewed before its time; taking it up would renew nothing.
    pub renewing: bool,
}

/// Takes up the stored token if it still lives, else makes a new one.
pub(super) async fn fly(shared: &Shared, order: &Order) -> Result<Arc<Live>, TokenError> {
    if let Some(live) = stored(shared, order).await? {
        return Ok(live);
    }
    let material = budgeted_material(shared, order).await?;
    let grant = order.wanted.grant.as_str();
    record(shared, grant, "begun").await?;
    let result = renew(shared, order, &material).await;
    let word = result.as_ref().map_or_else(TokenError::word, |_| "ok");
    if record(shared, grant, word).await.is_err() {
        tracing::warn!(grant, "the end of a token refresh could not be audited");
    }
    result
}

async fn stored(shared: &Shared, order: &Order) -> Result<Option<Arc<Live>>, TokenError> {
    let Wanted { grant, generation, .. } = order.wanted.clone();
    let found = on_vault(&shared.vault, move |vault| vault.access_token(&grant, generation)).await?;
    let Some((token, expires_ms)) = found else {
        return Ok(None);
    };
    let now_ms = (shared.clock)();
    let rejected = order.rejected.as_ref().is_some_and(|rejected| rejected.same(&token));
    if rejected || order.renewing {
        return Ok(None);
    }
    Ok(Live::taken_up(token, now_ms, expires_ms).map(Arc::new))
}

/// Reads what a refresh needs, if the provider's budget has room, and takes a place in the budget.
async fn budgeted_material(shared: &Shared, order: &Order) -> Result<RefreshMaterial, TokenError> {
    let Wanted { grant, generation, service, .. } = order.wanted.clone();
    let (budget, now_ms) = (service.oauth.budget, (shared.clock)());
    let window_ms = budget.window_seconds.saturating_mul(1000);
    let taken = on_vault(&shared.vault, move |vault| {
        let material = vault.refresh_material(&grant)?;
        let calls = vault.token_calls_since(&grant, now_ms.saturating_sub(window_ms))?;
        // Calls that a clock set back has put into the future count too.
        let room = calls.len() < usize::try_from(budget.calls).unwrap_or(usize::MAX);
        if room && material.generation == generation {
            vault.note_token_call(&grant, now_ms)?;
        }
        Ok((material, room, calls.first().copied()))
    });
    let (material, room, oldest) = taken.await?;
    if material.generation != generation || material.service != service.name {
        return Err(TokenError::GrantChanged);
    }
    if room {
        return Ok(material);
    }
    let free_ms = oldest.unwrap_or(now_ms).saturating_add(window_ms).saturating_sub(now_ms);
    Err(TokenError::Throttled {
        retry_after_seconds: free_ms.div_ceil(1000).clamp(1, budget.window_seconds.max(1)),
    })
}

async fn renew(shared: &Shared, order: &Order, material: &RefreshMaterial) -> Result<Arc<Live>, TokenError> {
    let service = &order.wanted.service;
    let row = route::row(service, &material.region)
        .map_err(|_| TokenError::Internal("the region is not in the table"))?;
    let url = endpoint::url(&row.accounts, &service.oauth.token_path)?;
    let form = SecretForm::new()
        .plain("grant_type", "refresh_token")
        .plain("client_id", &material.client_id)
        .secret("client_secret", &material.client_secret)
        .secret("refresh_token", &material.refresh_token);
    let raw = endpoint::post(&shared.dialer, service, url, form, None).await?;
    let tokens = exchange::read(service, &material.region, raw)?;
    if tokens.environment.as_ref().is_some_and(|found| *found != material.environment) {
        return Err(TokenError::Misconfigured {
            code: "foreign_environment".to_owned(),
            cause: "the renewed token is for another environment than the consent was".to_owned(),
        });
    }
    keep(shared, order, tokens).await
}

/// Makes the tokens durable, and only then gives the access token out.
async fn keep(shared: &Shared, order: &Order, tokens: Tokens) -> Result<Arc<Live>, TokenError> {
    let Wanted { grant, generation, .. } = order.wanted.clone();
    let now_ms = (shared.clock)();
    let expires_ms = now_ms.saturating_add(tokens.lifetime_seconds.saturating_mul(1000));
    let Tokens { access, refresh, api_host, .. } = tokens;
    let stored = on_vault(&shared.vault, move |vault| {
        vault.store_access_token(&grant, generation, access, expires_ms, refresh, api_host)
    });
    Ok(Arc::new(Live::new(stored.await?, now_ms, expires_ms, order.forced)))
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
