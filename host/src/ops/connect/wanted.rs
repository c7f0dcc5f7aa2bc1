//! What one consent asks for and whom: the scopes of every connection that will use the grant, in the words of the provider's page, and the
//! services that tell whose account it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardlock_core::connection::Connection;
use wardlock_core::id::ServiceName;
use wardlock_core::service::TenantOf;
use wardlock_egress::{Sharing, scopes_for};

use crate::admin::Failure;
use crate::host::Host;
use crate::loaded::{Loaded, LoadedConnection, Services};
use crate::ops::is_signed;

/// Refuses a consent that asks for other scopes than were shown; who signs has been shown them.
pub fn are_shown(scopes: &[String], shown: Option<&[String]>) -> Result<(), Failure> {
    let problem = match shown {
        None if is_signed() => {
            "who signs this signs for the scopes that are asked for, and none are named".to_owned()
        }
        Some(shown) if shown != scopes => {
            format!("the consent asks for other scopes than were shown: {}", scopes.join(", "))
        }
        _ => return Ok(()),
    };
    Err(Failure::no(problem).hint("look again with `wardlock connections show`, and run `wardlock connect` anew"))
}

/// Returns the scopes to ask for: those of every connection that uses this grant, so that one consent serves them all.
pub fn wanted_scopes(loaded: &Loaded, connection: &Connection) -> Vec<String> {
    let of_one = |found: &LoadedConnection| found.scopes.clone().unwrap_or_else(|| scopes_for(&found.connection));
    let all: BTreeSet<String> = served_by(loaded, connection).flat_map(of_one).collect();
    all.into_iter().collect()
}

/// Returns the connections that a grant of this one serves, of the same region and environment. The connection may be an agent's own.
fn served_by<'a>(loaded: &'a Loaded, connection: &'a Connection) -> impl Iterator<Item = &'a LoadedConnection> {
    loaded.connections().filter(|found| {
        let one = &found.connection;
        let is_there = one.region == connection.region && one.environment == connection.environment;
        let names_it = one.owner == connection.owner && one.grant == connection.grant;
        is_there && (names_it || one.uses(&connection.grant)) && one.takes_grant_of(&connection.service.name)
    })
}

/// Returns the other services of connections that use this grant, each once: those that tell whose account it is. Where a connection
/// names its account itself, there is nothing to ask.
pub fn sharing(loaded: &Loaded, connection: &Connection) -> Vec<Sharing> {
    let mut others = BTreeMap::new();
    for found in served_by(loaded, connection) {
        let Connection { service, params, .. } = &*found.connection;
        if service.name != connection.service.name && service.tenant.of == TenantOf::Grant {
            let other = || Sharing { service: Arc::clone(service), params: params.clone() };
            others.entry(service.name.clone()).or_insert_with(other);
        }
    }
    others.into_values().collect()
}

/// Returns every service whose look-up tells whose account a grant is.
pub fn pinning(services: &Services) -> BTreeSet<ServiceName> {
    services
        .iter()
        .filter(|service| service.tenant.of == TenantOf::Grant)
        .map(|service| service.name.clone())
        .collect()
}

/// What the consent asks for, in the words of the provider's page.
pub fn asked_for(shown: &[String]) -> String {
    let mut lines = vec!["This asks for:".to_owned()];
    lines.extend(shown.iter().map(|scope| format!("  - {scope}")));
    lines.join("\n")
}

/// Returns each scope as the provider's page calls it, with its value, where any service of the provider says so.
pub fn shown_scopes(host: &Arc<Host>, connection: &Connection, scopes: &[String]) -> Vec<String> {
    let services = host.services();
    let own = &connection.service;
    let others = || services.iter().filter(|other| other.provider.is_some() && other.provider == own.provider);
    let shown = |scope: &String| {
        let mut displays = std::iter::once(own).chain(others()).map(|service| service.scope_display(scope));
        match displays.find(|display| display != scope) {
            Some(display) => format!("{display} ({scope})"),
            None => scope.clone(),
        }
    };
    scopes.iter().map(shown).collect()
}
