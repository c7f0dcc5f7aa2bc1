//! Connects an account: consent, callback, exchange, look-up, pin, and only then a stored grant.
//!
//! Until the last step nothing is written, so giving up at any moment leaves nothing behind.

mod error;
mod plan;

use std::sync::Arc;
use std::time::Duration;

use wardlock_audit::Act;

use crate::egress::{Egress, EgressError};
use crate::oauth::callback::{CallbackListener, Expected, Heard};
use crate::oauth::consent::{self, Consent, PendingConsent};
use crate::oauth::endpoint;
use crate::oauth::exchange::{self, TokenError, Tokens};
use crate::oauth::mint::on_vault;
use crate::oauth::revoke::Revocation;
use crate::oauth::scopes;
use crate::oauth::tenant::{Found, Lookup};
use crate::route;
use crate::vault::wire::SecretForm;
use crate::vault::{ClientMaterial, NewAccess, NewGrant, Secret, Tenant};

pub use error::ConnectError;
pub use plan::{ConnectPlan, Connected, Event, Progress};

/// A consent that was exchanged and is not stored yet.
struct Exchanged {
    tokens: Tokens,
    refresh: Secret,
    environment: String,
    granted: Vec<String>,
    missing: Vec<String>,
}

/// Connects. See [`Egress::connect`].
pub(crate) async fn connect(
    egress: &Egress,
    plan: ConnectPlan,
    listener: &CallbackListener,
    progress: &dyn Progress,
) -> Result<Connected, ConnectError> {
    let client = client_of(egress, &plan, listener).await?;
    let (service, now_ms) = (&plan.service, egress.now_ms());
    let redirect = listener.redirect_uri();
    let pending = Consent::begin(service, &plan.region, &client.client_id, &redirect, &plan.scopes, now_ms)?;
    let expected = listener.expect(&pending, Arc::clone(service));
    progress.on(Event::Open(&egress.dialer().shown(pending.authorize_url())));
    let code = wait(expected, progress).await?;
    progress.on(Event::Returned);

    let exchanged = exchange_code(egress, &plan, &client, &pending, code).await?;
    progress.on(Event::Exchanged { missing: &exchanged.missing });
    match identify(egress, &plan, &client, &exchanged).await {
        Ok(tenant) => {
            progress.on(Event::Tenant { id: &tenant.id, label: &tenant.label });
            store(egress, plan, exchanged, tenant).await
        }
        Err(error) => {
            give_back(egress, &plan, &client, &exchanged.refresh).await;
            Err(error)
        }
    }
}

async fn client_of(
    egress: &Egress,
    plan: &ConnectPlan,
    listener: &CallbackListener,
) -> Result<ClientMaterial, ConnectError> {
    let (registration, region) = (plan.registration.clone(), plan.region.clone());
    let (info, client) = egress
        .read_vault(move |vault| {
            Ok((vault.registration(&registration)?, vault.client_material(&registration, &region)?))
        })
        .await
        .map_err(|error| match error {
            EgressError::Vault(error) => ConnectError::Vault(error),
            EgressError::AuditUnavailable => ConnectError::AuditUnavailable,
            EgressError::NotProved { error, .. } => ConnectError::Exchange(error),
            EgressError::Internal => {
                ConnectError::Exchange(TokenError::Internal("a call on the vault ended early"))
            }
        })?;
    if info.service != plan.service.name {
        return Err(ConnectError::OtherService { registered: info.service.to_string() });
    }
    let ours = listener.redirect_uri();
    if client.redirect_uri != ours {
        return Err(ConnectError::RedirectUri { registered: client.redirect_uri, ours });
    }
    Ok(client)
}

/// Waits for the callback, as long as the consent lasts.
async fn wait(mut expected: Expected, progress: &dyn Progress) -> Result<Secret, ConnectError> {
    let heard = async {
        loop {
            match expected.next().await {
                Some(Heard::Code(code)) => return Ok(code),
                Some(Heard::Problem(problem)) => return Err(ConnectError::Callback(problem)),
                Some(Heard::Notice(sentence)) => progress.on(Event::Notice(&sentence)),
                None => return Err(ConnectError::TimedOut),
            }
        }
    };
    let lifetime = Duration::from_millis(consent::LIFETIME_MS);
    tokio::time::timeout(lifetime, heard).await.unwrap_or(Err(ConnectError::TimedOut))
}

async fn exchange_code(
    egress: &Egress,
    plan: &ConnectPlan,
    client: &ClientMaterial,
    pending: &PendingConsent,
    code: Secret,
) -> Result<Exchanged, ConnectError> {
    egress.record(Act::grant("token.exchange", plan.grant.as_str(), "begun")).await?;
    let tokens = post_code(egress, plan, client, pending, &code).await;
    let word = tokens.as_ref().map_or_else(TokenError::word, |_| "ok");
    egress.record(Act::grant("token.exchange", plan.grant.as_str(), word)).await?;
    let mut tokens = tokens.map_err(ConnectError::Exchange)?;

    let refresh = tokens.refresh.take().ok_or(ConnectError::NoRefreshToken)?;
    let oauth = &plan.service.oauth;
    let granted = tokens.scope.as_deref().map(|scope| scopes::split(oauth, scope)).unwrap_or_default();
    // Older answers of Zoho's hold no scope; then nothing is known to be missing.
    let missing = if granted.is_empty() { Vec::new() } else { scopes::missing(&plan.scopes, &granted) };
    let environment = tokens.environment.clone().unwrap_or_else(|| plan.environment.clone());
    Ok(Exchanged { tokens, refresh, environment, granted, missing })
}

async fn post_code(
    egress: &Egress,
    plan: &ConnectPlan,
    client: &ClientMaterial,
    pending: &PendingConsent,
    code: &Secret,
) -> Result<Tokens, TokenError> {
    let service = &plan.service;
    let row =
        route::row(service, &plan.region).map_err(|_| TokenError::Internal("the region is not in the table"))?;
    let url = endpoint::url(&row.accounts, &service.oauth.token_path)?;
    let mut form = SecretForm::new()
        .plain("grant_type", "authorization_code")
        .plain("client_id", &client.client_id)
        .secret("client_secret", &client.client_secret)
        .plain("redirect_uri", pending.redirect_uri())
        .secret("code", code);
    if let Some(verifier) = pending.verifier() {
        form = form.secret("code_verifier", verifier);
    }
    let raw = endpoint::post(egress.dialer(), service, url, form, None).await?;
    exchange::read(service, &plan.region, raw).map_err(|failed| failed.error)
}

/// Finds the account, and makes sure that it is the one that the connection is for.
async fn identify(
    egress: &Egress,
    plan: &ConnectPlan,
    client: &ClientMaterial,
    exchanged: &Exchanged,
) -> Result<Tenant, ConnectError> {
    if exchanged.environment != plan.environment {
        let found = exchanged.environment.clone();
        return Err(ConnectError::Environment { expected: plan.environment.clone(), found });
    }
    egress.record(Act::grant("tenant.lookup", plan.grant.as_str(), "begun")).await?;
    let lookup = Lookup {
        clients: egress.clients(),
        service: &plan.service,
        region: &plan.region,
        environment: &exchanged.environment,
        grant: &plan.grant,
        access: &exchanged.tokens.access,
        secrets: [&exchanged.tokens.access, &exchanged.refresh, &client.client_secret],
    };
    let found = lookup.run().await;
    let word = if found.is_ok() { "ok" } else { "failed" };
    egress.record(Act::grant("tenant.lookup", plan.grant.as_str(), word)).await?;
    let Found { id, label, environment } = found.map_err(ConnectError::Lookup)?;
    if let Some(found) = environment
        && found != plan.environment
    {
        return Err(ConnectError::Environment { expected: plan.environment.clone(), found });
    }
    match &plan.tenant {
        Some(expected) if *expected != id => {
            Err(ConnectError::Tenant { expected: expected.clone(), found: id, label })
        }
        Some(_) | None => Ok(Tenant { id, label, environment: plan.environment.clone() }),
    }
}

async fn store(
    egress: &Egress,
    plan: ConnectPlan,
    exchanged: Exchanged,
    tenant: Tenant,
) -> Result<Connected, ConnectError> {
    let now_ms = egress.now_ms();
    let Exchanged { tokens, refresh, environment, granted, missing } = exchanged;
    let expires_ms = now_ms.saturating_add(tokens.lifetime_seconds.saturating_mul(1000));
    let new = NewGrant {
        name: plan.grant.clone(),
        registration: plan.registration.clone(),
        service: plan.service.name.clone(),
        region: plan.region.clone(),
        environment,
        scopes: granted.clone(),
        refresh_token: refresh,
        access: Some(NewAccess { token: tokens.access, expires_ms }),
        api_host: tokens.api_host,
        tenant: Some(tenant.clone()),
        created_ms: now_ms,
    };
    let act = |result: &str| Act::admin(&plan.who, "grant.connect", plan.grant.as_str(), result);
    egress.record(act("begun")).await?;
    let name = plan.grant.clone();
    let stored = on_vault(egress.vault(), move |vault| {
        let generation = vault.put_grant(new)?;
        // The exchange counts against the provider's budget too.
        vault.note_token_call(&name, now_ms)?;
        Ok(generation)
    });
    let generation = stored.await.map_err(ConnectError::Exchange)?;
    egress.forget(&plan.grant);
    if egress.record(act("ok")).await.is_err() {
        tracing::warn!(grant = plan.grant.as_str(), "the end of a connect could not be audited");
    }
    Ok(Connected { grant: plan.grant, generation, tenant, region: plan.region, scopes: granted, missing })
}

/// Tells the provider that a consent which is not kept is not wanted: it would count among the user's grants.
async fn give_back(egress: &Egress, plan: &ConnectPlan, client: &ClientMaterial, refresh: &Secret) {
    let revocation = Revocation {
        dialer: egress.dialer(),
        service: &plan.service,
        region: &plan.region,
        client_id: &client.client_id,
        client_secret: &client.client_secret,
        token: refresh,
    };
    let revoked = revocation.run().await;
    let act = Act::grant("token.revoke", plan.grant.as_str(), revoked.as_str());
    if egress.record(act).await.is_err() {
        tracing::warn!(grant = plan.grant.as_str(), "a revocation could not be audited");
    }
}
