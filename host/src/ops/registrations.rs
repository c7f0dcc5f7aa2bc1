//! Registrations: OAuth clients at a provider, each stored once and used by any number of grants.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::id::{Region, RegistrationName};
use wardlock_egress::vault::{NewRegistration, RegistrationInfo, Secret, VaultError};
use wardlock_egress::{EgressError, Tried};

use super::{OPERATOR, blocking, named, note};
use crate::admin::Failure;
use crate::host::Host;

pub(super) async fn add(
    host: &Arc<Host>,
    name: &str,
    service: &str,
    client_id: &str,
    secret: Option<Secret>,
) -> Result<Value, Failure> {
    let name = named(RegistrationName::parse(name))?;
    let service = host.service(service)?;
    let client_id = checked_client_id(client_id)?;
    let secret = secret.ok_or_else(|| Failure::usage("the client secret is missing"))?;
    let redirect_uri = host.config().redirect_uri();
    let new = NewRegistration {
        name: name.clone(),
        service: service.name.clone(),
        client_id: client_id.clone(),
        redirect_uri: redirect_uri.clone(),
        secret,
        region_secrets: BTreeMap::new(),
        created_ms: host.now_ms(),
    };
    let vault = Arc::clone(host.vault());
    blocking(move || vault.add_registration(new)).await??;
    note(host, Act::admin(OPERATOR, "registration.add", name.as_str(), "ok")).await;
    Ok(json!({
        "registration": name.as_str(),
        "service": service.name.as_str(),
        "client_id": masked(&client_id),
        "redirect_uri": redirect_uri,
    }))
}

/// Replaces a client secret once it has brought a token; `unproved` stores it whatever the provider says.
pub(super) async fn set_secret(
    host: &Arc<Host>,
    name: &str,
    region: Option<&str>,
    unproved: bool,
    secret: Option<Secret>,
) -> Result<Value, Failure> {
    let name = named(RegistrationName::parse(name))?;
    let secret = secret.ok_or_else(|| Failure::usage("the client secret is missing"))?;
    let (vault, its_name) = (Arc::clone(host.vault()), name.clone());
    let registration = blocking(move || vault.registration(&its_name)).await??;
    let service = host.service(registration.service.as_str())?;
    let region = region.map(Region::parse).transpose().map_err(Failure::usage)?;
    if let Some(region) = &region
        && !service.regions.contains_key(region)
    {
        let known: Vec<&str> = service.regions.keys().map(Region::as_str).collect();
        return Err(Failure::usage(format!("service `{}` has no region `{region}`", service.name))
            .hint(format!("its regions: {}", known.join(", "))));
    }
    let told = |error: EgressError| {
        match error {
        EgressError::Vault(error) => error.into(),
        error @ EgressError::NotProved { .. } => Failure::no(error).hint(
            "copy the secret again from the console of the account's data centre; `--unproved` stores it all the same",
        ),
        error => Failure::no(error),
    }
    };
    let tried_on = if unproved {
        host.egress().put_client_secret(&name, region.as_ref(), Arc::new(secret)).await.map_err(told)?;
        None
    } else {
        let set = host.egress().set_client_secret(&name, region.as_ref(), secret, &service, OPERATOR).await;
        match set.map_err(told)? {
            Tried::Works { grant } => Some(grant),
            Tried::NoGrant => None,
        }
    };
    let proved = tried_on.is_some();
    note(
        host,
        Act::admin(OPERATOR, "registration.set-secret", name.as_str(), if proved { "ok" } else { "unproved" }),
    )
    .await;
    Ok(json!({
        "registration": name.as_str(),
        "region": region.as_ref().map(Region::as_str),
        "proved": proved,
        "tried_on_grant": tried_on.as_ref().map(wardlock_core::id::GrantName::as_str),
    }))
}

pub(super) async fn list(host: &Arc<Host>) -> Result<Value, Failure> {
    let vault = Arc::clone(host.vault());
    let registrations: Result<Vec<_>, VaultError> = blocking(move || {
        let with_live = |registration: RegistrationInfo| {
            let live = vault.live_grants(&registration.name)?.len();
            Ok((registration, live))
        };
        vault.registrations()?.into_iter().map(with_live).collect()
    })
    .await?;
    let services = host.services();
    let rows = registrations?.into_iter().map(|(registration, live)| {
        let service = services.get(registration.service.as_str());
        json!({
            "registration": registration.name.as_str(),
            "service": registration.service.as_str(),
            "client_id": masked(&registration.client_id),
            "redirect_uri": registration.redirect_uri,
            "created": crate::text::time(registration.created_ms),
            "live_grants": live,
            "live_grants_of_one_person_at_most": service.and_then(|service| service.oauth.max_live_grants),
        })
    });
    Ok(Value::Array(rows.collect()))
}

/// A client id is no secret, but an id that is shown whole invites copying it beside one.
pub(super) fn masked(client_id: &str) -> String {
    let shown: String = client_id.chars().take(9).collect();
    if shown.len() == client_id.len() { shown } else { format!("{shown}…") }
}

fn checked_client_id(client_id: &str) -> Result<String, Failure> {
    let trimmed = client_id.trim();
    let plain = !trimmed.is_empty() && trimmed.len() <= 512 && trimmed.bytes().all(|b| b.is_ascii_graphic());
    if plain {
        return Ok(trimmed.to_owned());
    }
    Err(Failure::usage("the client id is empty or holds a character that no client id has")
        .hint("copy it again from the provider's console"))
}
