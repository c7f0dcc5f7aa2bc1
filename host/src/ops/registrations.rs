//! Registrations: OAuth clients at a provider, each stored once and used by any number of grants.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::id::{GrantName, Region, RegistrationName};
use wardlock_core::service::{RegistrationSecret, ServiceDefinition};
use wardlock_egress::vault::{CLIENT_SECRET, NewRegistration, RegistrationInfo, Secret, VaultError};
use wardlock_egress::{EgressError, Tried};

use super::{blocking, named, note, who};
use crate::admin::Failure;
use crate::host::Host;

/// How the audit calls a secret that takes another's place.
const SET_SECRET: &str = "registration.set-secret";

/// An OAuth client to be stored.
pub(super) struct New<'a> {
    pub name: &'a str,
    pub service: &'a str,
    pub client_id: &'a str,
    /// The program that gives its secret; empty: the secret was brought, or there is none.
    pub program: Vec<String>,
}

pub(super) async fn add(host: &Arc<Host>, new: New<'_>, secret: Option<Secret>) -> Result<Value, Failure> {
    let name = named(RegistrationName::parse(new.name))?;
    let service = host.service(new.service)?;
    if service.oauth.is_key() {
        return Err(Failure::usage(format!("service `{}` has a key and no OAuth clients", service.name))
            .hint("`wardlock connect` asks for the key; no registration is needed"));
    }
    let client_id = checked_client_id(new.client_id)?;
    let secret = match secret {
        None if !new.program.is_empty() => Some(printed(new.program.clone()).await?),
        given => given,
    };
    fits_clients(&service, secret.is_some())?;
    let redirect_uri = host.config().redirect_uri();
    let new = NewRegistration {
        name: name.clone(),
        service: service.name.clone(),
        client_id: client_id.clone(),
        redirect_uri: redirect_uri.clone(),
        secret,
        region_secrets: BTreeMap::new(),
        program: new.program,
        created_ms: host.now_ms(),
    };
    let vault = Arc::clone(host.vault());
    blocking(move || vault.add_registration(new)).await??;
    note(host, Act::admin(who(), "registration.add", name.as_str(), "ok")).await;
    Ok(json!({
        "registration": name.as_str(),
        "service": service.name.as_str(),
        "client_id": masked(&client_id),
        "redirect_uri": redirect_uri,
        "further_secrets": further_secrets(&service, &name),
    }))
}

/// Refuses a secret where the service's clients are public, and none where they say who they are by one.
fn fits_clients(service: &ServiceDefinition, has_secret: bool) -> Result<(), Failure> {
    let (problem, hint) = match (has_secret, service.oauth.needs_client_secret()) {
        (false, true) => {
            ("say who they are by a secret", "run it again without `--public`; the secret is asked for")
        }
        (true, false) => ("are public and have no secret", "run it again with `--public`"),
        _ => return Ok(()),
    };
    Err(Failure::usage(format!("clients of service `{}` {problem}", service.name)).hint(hint))
}

/// What the service needs beside a client secret, and the command that takes each.
fn further_secrets(service: &ServiceDefinition, name: &RegistrationName) -> Vec<Value> {
    let row = |(which, secret): (&String, &RegistrationSecret)| {
        json!({
            "name": which,
            "help": secret.help,
            "optional": secret.optional,
            "command": format!("wardlock registration set-secret {name} --name {which}"),
        })
    };
    service.secrets.iter().map(row).collect()
}

/// Takes what a program prints. It blocks, so it runs aside.
pub(super) async fn printed(program: Vec<String>) -> Result<Secret, Failure> {
    let printed = blocking(move || Secret::from_program(&program)).await?;
    printed.map_err(|error| {
        Failure::no(crate::text::with_causes(&error))
            .hint("run the program yourself, as the user and on the machine that Wardlock runs as: it must print the secret and nothing else")
    })
}

/// A secret that takes another's place.
pub(super) struct NewSecret<'a> {
    pub name: &'a str,
    pub region: Option<String>,
    /// One of the service's further secrets; `None`: the client secret.
    pub which: Option<String>,
    pub unproved: bool,
    /// The program that gives it; empty: it was brought, or the one of last time gives it.
    pub program: Vec<String>,
}

/// Replaces a client secret once it has brought a token (`unproved` stores it whatever the provider says), or a further
/// secret of the service.
pub(super) async fn set_secret(
    host: &Arc<Host>,
    new: NewSecret<'_>,
    secret: Option<Secret>,
) -> Result<Value, Failure> {
    let NewSecret { name, region, which, unproved, program } = new;
    let name = named(RegistrationName::parse(name))?;
    let (vault, its_name) = (Arc::clone(host.vault()), name.clone());
    let registration = blocking(move || vault.registration(&its_name)).await??;
    let service = host.service(registration.service.as_str())?;
    can_take(&service, which.as_deref())?;
    let slot = which.as_deref().unwrap_or(CLIENT_SECRET);
    let program = match registration.programs.get(slot) {
        Some(stored) if secret.is_none() && program.is_empty() => stored.clone(),
        _ => program,
    };
    let secret = match secret {
        Some(secret) => secret,
        None if program.is_empty() => {
            return Err(Failure::usage(format!("no program gave `{slot}` last time"))
                .hint("write the program after `--`, or leave `--again` out and type the secret"));
        }
        None => printed(program.clone()).await?,
    };
    if let Some(which) = which {
        host.egress().put_further_secret(&name, &which, secret).await.map_err(Failure::no)?;
        remember_program(host, &name, &which, program).await?;
        note(host, Act::admin(who(), SET_SECRET, name.as_str(), "ok")).await;
        return Ok(json!({ "registration": name.as_str(), "secret": which, "stored": true }));
    }
    let region = region.as_deref().map(|region| known_region(&service, region)).transpose()?;
    let tried_on = put_client_secret(host, &service, &name, region.as_ref(), secret, unproved).await?;
    if region.is_none() {
        remember_program(host, &name, CLIENT_SECRET, program).await?;
    }
    let proved = tried_on.is_some();
    let ended = if proved { "ok" } else { "unproved" };
    note(host, Act::admin(who(), SET_SECRET, name.as_str(), ended)).await;
    Ok(json!({
        "registration": name.as_str(),
        "region": region.as_ref().map(Region::as_str),
        "proved": proved,
        "tried_on_grant": tried_on.as_ref().map(GrantName::as_str),
    }))
}

/// Refuses a further secret that the service does not know, and a client secret where its clients have none.
fn can_take(service: &ServiceDefinition, which: Option<&str>) -> Result<(), Failure> {
    match which {
        Some(which) if !service.secrets.contains_key(which) => {
            let known: Vec<&str> = service.secrets.keys().map(String::as_str).collect();
            Err(Failure::usage(format!("service `{}` has no further secret `{which}`", service.name)).hint(
                if known.is_empty() { "it has none".to_owned() } else { format!("it has: {}", known.join(", ")) },
            ))
        }
        None if !service.oauth.needs_client_secret() => {
            Err(Failure::usage(format!("service `{}` has no client secret", service.name))
                .hint("`wardlock connect` takes a new key; a public client has no secret at all"))
        }
        _ => Ok(()),
    }
}

fn known_region(service: &ServiceDefinition, region: &str) -> Result<Region, Failure> {
    let region = Region::parse(region).map_err(Failure::usage)?;
    if service.regions.contains_key(&region) {
        return Ok(region);
    }
    let known: Vec<&str> = service.regions.keys().map(Region::as_str).collect();
    Err(Failure::usage(format!("service `{}` has no region `{region}`", service.name))
        .hint(format!("its regions: {}", known.join(", "))))
}

/// Stores a client secret; returns the grant that it brought a token for.
async fn put_client_secret(
    host: &Arc<Host>,
    service: &Arc<ServiceDefinition>,
    name: &RegistrationName,
    region: Option<&Region>,
    secret: Secret,
    unproved: bool,
) -> Result<Option<GrantName>, Failure> {
    let told = |error: EgressError| {
        match error {
        EgressError::Vault(error) => error.into(),
        error @ EgressError::NotProved { .. } => Failure::no(error).hint(
            "copy the secret again from the console of the account's data centre; `--unproved` stores it all the same",
        ),
        error => Failure::no(error),
    }
    };
    if unproved {
        host.egress().put_client_secret(name, region, Arc::new(secret)).await.map_err(told)?;
        return Ok(None);
    }
    match host.egress().set_client_secret(name, region, secret, service, &who()).await.map_err(told)? {
        Tried::Works { grant } => Ok(Some(grant)),
        Tried::NoGrant => Ok(None),
    }
}

async fn remember_program(
    host: &Arc<Host>,
    name: &RegistrationName,
    which: &str,
    program: Vec<String>,
) -> Result<(), Failure> {
    let (vault, name, which) = (Arc::clone(host.vault()), name.clone(), which.to_owned());
    Ok(blocking(move || vault.set_program(&name, &which, program)).await??)
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
            "client_secret": if registration.has_secret { "stored" } else { "none" },
            "further_secrets": registration.further_secrets,
            "programs": registration.programs,
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
