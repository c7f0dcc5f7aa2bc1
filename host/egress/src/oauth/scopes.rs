//! Which scopes to ask for, and which of them were granted. Pure.

use std::collections::BTreeSet;

use wardlock_core::connection::Connection;
use wardlock_core::service::{OAuth, ScopeNeed, ServiceDefinition};

/// Stands in a scope for the resource's own scope name.
const MODULE: &str = "{module}";
/// Stands in a connection's resources for all of them.
const EVERY: &str = "*";

/// Returns the least set of scopes for a connection: its operations on its resources, and the tenant look-up.
///
/// Each need is a list of alternatives, narrowest first. Needs with one alternative are taken first, so that a
/// need which they already meet adds nothing.
pub fn scopes_for(connection: &Connection) -> Vec<String> {
    let service = &connection.service;
    let mut needs: Vec<Vec<Vec<String>>> = vec![service.tenant.scopes.clone()];
    for name in &connection.operations {
        if let Some(operation) = service.operation(name) {
            needs.extend(expand(service, &operation.scopes, &connection.resources));
        }
    }
    needs.sort_by_key(Vec::len);
    let mut chosen: BTreeSet<String> = BTreeSet::new();
    for need in needs {
        let met = need.iter().any(|all| all.iter().all(|scope| chosen.contains(scope)));
        if let (false, Some(first)) = (met, need.into_iter().next()) {
            chosen.extend(first);
        }
    }
    chosen.into_iter().collect()
}

/// Turns an operation's need into one need per resource, with the resource's name put in.
fn expand(service: &ServiceDefinition, need: &ScopeNeed, resources: &BTreeSet<String>) -> Vec<ScopeNeed> {
    let per_resource = need.iter().flatten().any(|scope| scope.contains(MODULE));
    if need.is_empty() || !per_resource {
        return vec![need.clone()];
    }
    if resources.contains(EVERY) {
        let broad: ScopeNeed =
            need.iter().filter(|all| !all.iter().any(|scope| scope.contains(MODULE))).cloned().collect();
        return vec![broad];
    }
    let named = resources.iter().filter(|resource| !resource.starts_with('$'));
    named.map(|resource| put_in(need, &scope_name(service, resource))).collect()
}

fn put_in(need: &ScopeNeed, name: &str) -> ScopeNeed {
    need.iter().map(|all| all.iter().map(|scope| scope.replace(MODULE, name)).collect()).collect()
}

/// Returns a resource's name as it stands in scopes: as the definition lists it, else the one that all others share,
/// else lower case without underscores.
fn scope_name(service: &ServiceDefinition, resource: &str) -> String {
    let listed = service.scope_names.get(resource).or(service.scope_name_of_others.as_ref());
    listed.cloned().unwrap_or_else(|| resource.to_lowercase().replace('_', ""))
}

/// Returns the scopes that were wanted but not granted. Providers answer with another separator than the one they
/// are asked with, and with other case.
pub(crate) fn missing(oauth: &OAuth, wanted: &[String], granted: &str) -> Vec<String> {
    let granted: BTreeSet<String> = split(oauth, granted).map(str::to_lowercase).collect();
    wanted.iter().filter(|scope| !granted.contains(&scope.to_lowercase())).cloned().collect()
}

/// Splits scopes as a provider may separate them.
pub(crate) fn split<'a>(oauth: &'a OAuth, scopes: &'a str) -> impl Iterator<Item = &'a str> {
    let is_separator = |c: char| {
        c.is_whitespace() || oauth.scope_separators_in_answer.contains(&c) || oauth.scope_separator.contains(c)
    };
    scopes.split(is_separator).filter(|scope| !scope.is_empty())
}

/// Joins scopes as the authorization request wants them.
pub(crate) fn join(service: &ServiceDefinition, scopes: &[String]) -> String {
    scopes.join(&service.oauth.scope_separator)
}

