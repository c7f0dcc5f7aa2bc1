//! Connections: what a workspace may do with which grant, and whether it can.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_egress::vault::{GrantInfo, RegistrationInfo};

use super::{blocking, grants, registrations};
use crate::admin::Failure;
use crate::host::Host;
use crate::loaded::{Loaded, LoadedConnection, State};

pub(super) async fn list(host: &Arc<Host>) -> Result<Value, Failure> {
    let stored = Stored::read(host).await?;
    let loaded = host.loaded();
    let rows = loaded.connections().map(|found| {
        let connection = &found.connection;
        let grant = stored.grant(found);
        json!({
            "connection": format!("{}/{}", connection.workspace, connection.name),
            "label": connection.label,
            "service": connection.service.name.as_str(),
            "region": connection.region.as_str(),
            "grant": connection.grant.as_str(),
            "tenant": grant.and_then(|grant| grant.tenant.as_ref()).map(|tenant| tenant.id.clone()),
            "writes": connection.writes.as_str(),
            "state": state_word(found, grant),
        })
    });
    Ok(Value::Array(rows.collect()))
}

pub(super) async fn show(host: &Arc<Host>, workspace: &str, connection: &str) -> Result<Value, Failure> {
    let loaded = host.loaded();
    let found = find(&loaded, workspace, connection)?;
    let stored = Stored::read(host).await?;
    Ok(described(found, &stored))
}

/// Finds a connection, or says what there is.
pub(super) fn find<'a>(
    loaded: &'a Loaded,
    workspace: &str,
    connection: &str,
) -> Result<&'a LoadedConnection, Failure> {
    if let Some(found) = loaded.connection(workspace, connection) {
        return Ok(found);
    }
    let failure = Failure::no(format!("there is no connection `{workspace}/{connection}`"));
    if let Some(Err(reason)) = loaded.workspace(workspace).map(|found| found.connections.as_ref()) {
        return Err(failure.hint(format!("workspace `{workspace}` does not load: {reason}")));
    }
    let known: Vec<String> = loaded
        .connections()
        .map(|found| format!("{}/{}", found.connection.workspace, found.connection.name))
        .collect();
    Err(failure.hint(match known.as_slice() {
        [] => "there is none yet; write workspaces/NAME.toml, or run `wardlock init --policy`".to_owned(),
        known => format!("connections here: {}", known.join(", ")),
    }))
}

/// What the vault holds, without its secrets.
struct Stored {
    grants: Vec<GrantInfo>,
    registrations: Vec<RegistrationInfo>,
}

impl Stored {
    async fn read(host: &Arc<Host>) -> Result<Self, Failure> {
        let vault = Arc::clone(host.vault());
        let read = move || Ok(Self { grants: vault.grants()?, registrations: vault.registrations()? });
        let read: Result<Self, wardlock_egress::vault::VaultError> = blocking(read).await?;
        Ok(read?)
    }

    fn grant(&self, found: &LoadedConnection) -> Option<&GrantInfo> {
        self.grants.iter().find(|grant| grant.name == found.connection.grant)
    }

    fn registration(&self, grant: Option<&GrantInfo>) -> Option<&RegistrationInfo> {
        let grant = grant?;
        self.registrations.iter().find(|registration| registration.name == grant.registration)
    }
}

fn described(found: &LoadedConnection, stored: &Stored) -> Value {
    let connection = &found.connection;
    let service = &connection.service;
    let grant = stored.grant(found);
    let registration = stored.registration(grant);
    let row = service.regions.get(&connection.region);
    let token_url = row.map(|row| format!("https://{}{}", row.token_host(), service.oauth.token_path));
    let scopes = grant.map_or_else(|| wardlock_egress::scopes_for(connection), |grant| grant.scopes.clone());
    let plugins = connection.chain.iter().map(|link| {
        json!({ "name": link.name.as_str(), "sha256": link.digest.to_string(), "capabilities": link.capabilities })
    });
    json!({
        "connection": format!("{}/{}", connection.workspace, connection.name),
        "label": connection.label,
        "state": state_word(found, grant),
        "service": service.name.as_str(),
        "auth_type": if service.oauth.pkce { "oauth2 authorization code with PKCE" } else { "oauth2 authorization code" },
        "region": connection.region.as_str(),
        "environment": connection.environment,
        "registration": registration.map(|registration| registration.name.as_str()),
        "client_id": registration.map(|registration| registrations::masked(&registration.client_id)),
        "redirect_uri": registration.map(|registration| registration.redirect_uri.clone()),
        "accounts_host": row.map(|row| row.accounts.clone()),
        "token_url": token_url,
        "api_base": connection.host("api").map(|host| format!("https://{host}")),
        "grant": connection.grant.as_str(),
        "generation": grant.map(|grant| grant.generation),
        "scopes": scopes,
        "tenant": grant.and_then(|grant| grant.tenant.as_ref()).map(|tenant| tenant.id.clone()),
        "tenant_in_file": connection.tenant,
        "account": grant.and_then(|grant| grant.tenant.as_ref()).map(|tenant| tenant.label.clone()),
        "resources": connection.resources,
        "operations": connection.operations,
        "writes": connection.writes.as_str(),
        "plugins": plugins.collect::<Vec<_>>(),
        "secrets": {
            "client_secret": stored_word(registration.is_some()),
            "refresh_token": stored_word(grant.is_some()),
            "access_token": stored_word(grant.is_some_and(|grant| grant.access_expires_ms.is_some())),
        },
    })
}

fn stored_word(stored: bool) -> &'static str {
    if stored { "stored" } else { "missing" }
}

fn state_word(found: &LoadedConnection, grant: Option<&GrantInfo>) -> String {
    match (&found.state, grant) {
        (State::Closed { reason }, _) => format!("closed: {reason}"),
        (State::Open(_), None) => "not connected".to_owned(),
        (State::Open(_), Some(grant)) => {
            let pinned = crate::report::pinned_tenant(&found.connection, grant);
            match (pinned, &grant.condition) {
                (Err(refusal), _) => refusal.detail,
                (Ok(_), None) => "serves".to_owned(),
                (Ok(_), Some(_)) => grants::condition(grant),
            }
        }
    }
}
