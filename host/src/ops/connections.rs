//! Connections: what a workspace may do with which grant, and whether it can.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_core::connection::{Connection, Owner, WriteMode};
use wardlock_core::id::{AgentName, PublisherName};
use wardlock_core::service::{GrantType, ServiceDefinition, TenantOf};
use wardlock_egress::vault::{GrantInfo, RegistrationInfo, Tenant};

use super::freeze::frozen_by;
use super::{blocking, grants, named, readiness, registrations};
use crate::admin::Failure;
use crate::host::Host;
use crate::loaded::{Loaded, LoadedConnection, State};
use crate::writes;

/// What is said of a connection where each agent has its own.
const EACH_ITS_OWN: &str = "each agent's own";
/// What is said of one that would serve, were its workspace not frozen.
const FROZEN: &str = "frozen";

pub(super) async fn list(host: &Arc<Host>) -> Result<Value, Failure> {
    let stored = Stored::read(host).await?;
    let loaded = host.loaded();
    let mut rows = Vec::new();
    for found in loaded.connections() {
        let connection = &found.connection;
        let grant = stored.grant(found);
        rows.push(json!({
            "connection": format!("{}/{}", connection.workspace, connection.name),
            "label": connection.label,
            "service": connection.service.name.as_str(),
            "region": connection.region.as_str(),
            "grant": connection.grant.as_str(),
            "tenant": tenant_of(found, grant),
            "writes": level(host, found, grant),
            "writes_at_most": connection.writes.as_str(),
            "state": state_word(host, found, grant),
            "frozen": frozen_by(host, connection.workspace.as_str()),
            "stale": loaded.stale(connection.workspace.as_str()),
            "agents": stored.of_agents(host, found).await?,
            "scopes_missing": missing(connection, grant),
            "access_expires": grant.and_then(|grant| grant.access_expires_ms).map(crate::text::time),
            "token_calls_left": stored.calls_left(found, grant),
        }));
    }
    rows.extend(loaded.closed().map(|(workspace, reason)| {
        json!({ "connection": format!("{workspace}/*"), "state": format!("closed: {reason}") })
    }));
    Ok(Value::Array(rows))
}

/// Shows a connection; where consents are each agent's own, as the named agent has it, or with what each of them has.
pub(super) async fn show(
    host: &Arc<Host>,
    (workspace, connection): (&str, &str),
    agent: Option<&str>,
) -> Result<Value, Failure> {
    let agent = agent.map(AgentName::parse).map(named).transpose()?;
    let loaded = host.loaded();
    let found = find(&loaded, workspace, connection)?;
    let stored = Stored::read(host).await?;
    if agent.is_some() {
        let own = writes::for_agent(&found.connection, agent.as_ref())?;
        return shown(host, &LoadedConnection { connection: Arc::new(own), ..found.clone() }, &stored).await;
    }
    if found.connection.owner == Owner::Workspace {
        return shown(host, found, &stored).await;
    }
    let mut all = described(host, found, &stored).await?;
    for row in all["agents"].as_array_mut().into_iter().flatten() {
        if let Some(agent) = row["agent"].as_str().and_then(|agent| AgentName::parse(agent).ok()) {
            row["readiness"] = stored.readiness(host, &of_agent(found, &agent)).await?;
        }
    }
    Ok(all)
}

/// A connection with one consent, and whether it can be relied on.
async fn shown(host: &Arc<Host>, found: &LoadedConnection, stored: &Stored) -> Result<Value, Failure> {
    let mut shown = described(host, found, stored).await?;
    shown["readiness"] = stored.readiness(host, found).await?;
    Ok(shown)
}

fn of_agent(found: &LoadedConnection, agent: &AgentName) -> LoadedConnection {
    LoadedConnection { connection: Arc::new(found.connection.of_agent(agent)), ..found.clone() }
}

/// Returns whether it is about all agents' consents, and not about one.
fn is_of_all(connection: &Connection) -> bool {
    connection.owner == Owner::Agent && connection.grant.agent().is_none()
}

/// How far writes are enabled now.
fn level(host: &Host, found: &LoadedConnection, grant: Option<&GrantInfo>) -> &'static str {
    let connection = &found.connection;
    match &found.state {
        _ if is_of_all(connection) => EACH_ITS_OWN,
        State::Open(open) => {
            let set = host.write_level(open, connection, grant.map(|grant| grant.generation));
            set.min(connection.writes).as_str()
        }
        State::Closed { .. } => WriteMode::Off.as_str(),
    }
}

/// Finds a connection, or says what there is.
pub(crate) fn find<'a>(
    loaded: &'a Loaded,
    workspace: &str,
    connection: &str,
) -> Result<&'a LoadedConnection, Failure> {
    if let Some(found) = loaded.connection(workspace, connection) {
        return Ok(found);
    }
    let failure = Failure::no(format!("there is no connection `{workspace}/{connection}`"));
    if loaded.workspace(workspace).is_some_and(|found| found.connections.is_err()) {
        let reasons = loaded.reasons(workspace, connection).join("; ");
        return Err(failure.hint(format!("workspace `{workspace}` does not load: {reasons}")));
    }
    let known: Vec<String> = loaded
        .connections()
        .map(|found| format!("{}/{}", found.connection.workspace, found.connection.name))
        .collect();
    Err(failure.hint(match known.as_slice() {
        [] => "there is none yet; write workspaces/NAME.toml, or run `wardlock init --policy POLICY --workspace NAME --region REGION`".to_owned(),
        known => format!("connections here: {}", known.join(", ")),
    }))
}

/// What the vault holds, without its secrets.
struct Stored {
    grants: Vec<GrantInfo>,
    registrations: Vec<RegistrationInfo>,
    /// When each grant's token endpoint was called within a day, by its name.
    calls: BTreeMap<String, Vec<u64>>,
    now_ms: u64,
}

/// The longest window of a provider's budget that is looked at, milliseconds.
const LONGEST_WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

impl Stored {
    async fn read(host: &Arc<Host>) -> Result<Self, Failure> {
        let (vault, now_ms) = (Arc::clone(host.vault()), host.now_ms());
        let read = move || {
            let (grants, registrations) = (vault.grants()?, vault.registrations()?);
            let mut calls = BTreeMap::new();
            for grant in &grants {
                let since_ms = now_ms.saturating_sub(LONGEST_WINDOW_MS);
                calls.insert(grant.name.to_string(), vault.token_calls_since(&grant.name, since_ms)?);
            }
            Ok(Self { grants, registrations, calls, now_ms })
        };
        let read: Result<Self, wardlock_egress::vault::VaultError> = blocking(read).await?;
        Ok(read?)
    }

    fn grant(&self, found: &LoadedConnection) -> Option<&GrantInfo> {
        self.grants.iter().find(|grant| grant.name == found.connection.grant)
    }

    /// Where consents are each agent's own: each one's, and how far its writes are enabled.
    async fn of_agents(&self, host: &Arc<Host>, found: &LoadedConnection) -> Result<Option<Vec<Value>>, Failure> {
        if !is_of_all(&found.connection) {
            return Ok(None);
        }
        let agents = super::writes::agents_of(host, &found.connection).await?;
        Ok(Some(agents.iter().map(|agent| self.of_agent(host, &of_agent(found, agent))).collect()))
    }

    fn of_agent(&self, host: &Host, own: &LoadedConnection) -> Value {
        let grant = self.grant(own);
        let tenant = grant.and_then(|grant| account(&own.connection, grant));
        json!({
            "agent": own.connection.grant.agent(),
            "grant": own.connection.grant.as_str(),
            "state": grant.map_or("not connected".to_owned(), grants::condition),
            "writes": level(host, own, grant),
            "scopes_missing": missing(&own.connection, grant),
            "tenant": tenant.map(|tenant| tenant.id.as_str()),
            "account": tenant.map(|tenant| tenant.label.as_str()),
            "access_expires": grant.and_then(|grant| grant.access_expires_ms).map(crate::text::time),
            "token_calls_left": self.calls_left(own, grant),
        })
    }

    async fn readiness(&self, host: &Arc<Host>, found: &LoadedConnection) -> Result<Value, Failure> {
        let grant = self.grant(found);
        readiness::of(host, found, grant, self.registration_for(found, grant)).await
    }

    /// How many token calls the provider's budget still allows now.
    fn calls_left(&self, found: &LoadedConnection, grant: Option<&GrantInfo>) -> Option<u32> {
        let oauth = &found.connection.service.oauth;
        let grant = grant.filter(|_| !oauth.is_key())?;
        let since_ms = self.now_ms.saturating_sub(oauth.budget.window_seconds.saturating_mul(1000));
        let made = self.calls.get(grant.name.as_str())?.iter().filter(|at_ms| **at_ms >= since_ms).count();
        Some(oauth.budget.calls.saturating_sub(u32::try_from(made).unwrap_or(u32::MAX)))
    }

    /// The registration of the grant; without one, one that a consent could use.
    fn registration_for(&self, found: &LoadedConnection, grant: Option<&GrantInfo>) -> Option<&RegistrationInfo> {
        let Connection { service, grant_services, .. } = &*found.connection;
        let fits = |one: &&RegistrationInfo| one.service == service.name || grant_services.contains(&one.service);
        self.registration(grant).or_else(|| self.registrations.iter().find(fits))
    }

    fn registration(&self, grant: Option<&GrantInfo>) -> Option<&RegistrationInfo> {
        let grant = grant?;
        self.registrations.iter().find(|registration| registration.name == grant.registration)
    }
}

/// The account of a grant, as the connection's service calls it; where that was never asked, as the one does that was consented for.
fn account<'a>(connection: &Connection, grant: &'a GrantInfo) -> Option<&'a Tenant> {
    grant.account_of(&connection.service.name).or(grant.tenant.as_ref())
}

/// The tenant that requests are pinned to: the file's where the login reaches several accounts, else the grant's.
fn tenant_of(found: &LoadedConnection, grant: Option<&GrantInfo>) -> Option<String> {
    let connection = &found.connection;
    match connection.service.tenant.of {
        TenantOf::Connection => connection.tenant.clone(),
        TenantOf::Grant => grant.and_then(|grant| grant.tenant_of(connection)),
    }
}

async fn described(host: &Arc<Host>, found: &LoadedConnection, stored: &Stored) -> Result<Value, Failure> {
    let connection = &found.connection;
    let service = &connection.service;
    let grant = stored.grant(found);
    let registration = stored.registration_for(found, grant);
    let row = service.regions.get(&connection.region);
    let token_url = row.map(|row| format!("https://{}{}", row.token_host(), service.oauth.token_path));
    let needed = wardlock_egress::scopes_for(connection);
    let scopes = grant.map(|grant| grant.scopes.clone());
    let plugins = plugins(found);
    Ok(json!({
        "connection": format!("{}/{}", connection.workspace, connection.name),
        "label": connection.label,
        "state": state_word(host, found, grant),
        "frozen": frozen_by(host, connection.workspace.as_str()),
        "stale": host.loaded().stale(connection.workspace.as_str()),
        "owner": if connection.owner == Owner::Agent { "agent" } else { "workspace" },
        "agent": connection.grant.agent(),
        "agents": stored.of_agents(host, found).await?,
        "service": service.name.as_str(),
        "auth_type": auth_type(service),
        "grant_types": service.oauth.grants.iter().map(|grant| grant.as_str()).collect::<Vec<_>>(),
        "key": service.key,
        "params": connection.params,
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
        "scopes_needed": needed.clone(),
        "scopes_asked": found.scopes.clone().unwrap_or(needed),
        "scopes_of_consent": scopes_of_consent(host, connection),
        "scopes_missing": missing(connection, grant),
        "access_expires": grant.and_then(|grant| grant.access_expires_ms).map(crate::text::time),
        "token_calls_left": stored.calls_left(found, grant),
        "tenant": tenant_of(found, grant),
        "tenant_in_file": connection.tenant,
        "account": grant.and_then(|grant| account(connection, grant)).map(|tenant| tenant.label.clone()),
        "resources": connection.resources,
        "operations": connection.operations,
        "writes": level(host, found, grant),
        "writes_at_most": connection.writes.as_str(),
        "plugins": plugins,
        "secrets": secrets(service, grant, registration),
    }))
}

/// Which secrets are stored, and which are missing.
fn secrets(
    service: &ServiceDefinition,
    grant: Option<&GrantInfo>,
    registration: Option<&RegistrationInfo>,
) -> Value {
    json!({
        "client_secret": match registration {
            Some(registration) if registration.has_secret => "stored",
            _ if service.oauth.needs_client_secret() => "missing",
            _ => "none",
        },
        "refresh_token": match service.oauth.grants.first() {
            Some(GrantType::ClientCredentials) => "none",
            _ => stored_word(grant.is_some()),
        },
        "access_token": stored_word(grant.is_some_and(|grant| grant.access_expires_ms.is_some())),
    })
}

/// Its chain. One that does not load has none.
fn plugins(found: &LoadedConnection) -> Vec<Value> {
    let State::Open(open) = &found.state else { return Vec::new() };
    let shown = found.connection.chain.iter().zip(&open.standings).map(|(link, standing)| {
        json!({
            "name": link.name.as_str(),
            "sha256": link.digest.to_string(),
            "publisher": standing.publisher().map(PublisherName::as_str),
            "signature": standing.words(),
            "capabilities": link.capabilities,
        })
    });
    shown.collect()
}

/// Returns the scopes that the next consent asks for. Where each agent has a consent of its own, all are asked for the same.
fn scopes_of_consent(host: &Host, connection: &Connection) -> Vec<String> {
    let loaded = host.loaded();
    let found = loaded.connection(connection.workspace.as_str(), connection.name.as_str());
    found.map(|found| super::connect::wanted_scopes(&loaded, &found.connection)).unwrap_or_default()
}

/// Returns the scopes that a connection's operations need and its grant does not have, whatever was asked for. An operation needs one
/// of its alternatives only. A provider that does not say what it granted counts as having granted everything.
pub(super) fn missing(connection: &Connection, grant: Option<&GrantInfo>) -> Vec<String> {
    let Some(grant) = grant.filter(|grant| !grant.scopes.is_empty()) else {
        return Vec::new();
    };
    let service = &connection.service;
    let granted: BTreeSet<String> = grant.scopes.iter().cloned().collect();
    let resources: Vec<String> = connection.resources.iter().cloned().collect();
    let lacks = |name: &&String| {
        let operation = service.operation(name).filter(|operation| operation.refused.is_none());
        operation.is_some_and(|operation| !service.scopes_suffice(operation, &resources, &granted))
    };
    let lacking: BTreeSet<String> = connection.operations.iter().filter(lacks).cloned().collect();
    if lacking.is_empty() {
        return Vec::new();
    }
    let has = |scope: &String| granted.iter().any(|known| known.eq_ignore_ascii_case(scope));
    service.least_scopes(&lacking, &connection.resources).into_iter().filter(|scope| !has(scope)).collect()
}

fn auth_type(service: &ServiceDefinition) -> &'static str {
    match service.oauth.grants.first() {
        Some(GrantType::Key) => "key",
        Some(GrantType::ClientCredentials) => "oauth2 client credentials",
        Some(GrantType::DeviceCode) => "oauth2 device code",
        Some(GrantType::AuthorizationCode) | None if service.oauth.pkce => "oauth2 authorization code with PKCE",
        Some(GrantType::AuthorizationCode) | None => "oauth2 authorization code",
    }
}

fn stored_word(stored: bool) -> &'static str {
    if stored { "stored" } else { "missing" }
}

/// What keeps a connection from serving, or that it serves. A freeze is told in the place of that: the rest must be mended all the same.
fn state_word(host: &Host, found: &LoadedConnection, grant: Option<&GrantInfo>) -> String {
    let is_frozen = host.state().is_frozen(&found.connection.workspace);
    match (&found.state, grant) {
        (State::Closed { reason }, _) => format!("closed: {reason}"),
        (State::Open(_), None) if is_of_all(&found.connection) && is_frozen => FROZEN.to_owned(),
        (State::Open(_), None) if is_of_all(&found.connection) => EACH_ITS_OWN.to_owned(),
        (State::Open(_), None) => "not connected".to_owned(),
        (State::Open(_), Some(grant)) => {
            let pinned = crate::report::pinned_tenant(&found.connection, grant);
            match (pinned, &grant.condition) {
                (Err(refusal), _) => refusal.detail,
                (Ok(_), None) if is_frozen => FROZEN.to_owned(),
                (Ok(_), None) => "serves".to_owned(),
                (Ok(_), Some(_)) => grants::condition(grant),
            }
        }
    }
}
