//! Which scopes to ask for, and which of them were granted. Pure.

use std::collections::BTreeSet;

use wardlock_core::connection::Connection;
use wardlock_core::service::OAuth;

/// Returns the least scopes for a connection: its operations on its resources, and the tenant look-up.
pub fn scopes_for(connection: &Connection) -> Vec<String> {
    connection.service.least_scopes(&connection.operations, &connection.resources).into_iter().collect()
}

/// Returns the scopes that were wanted but not granted. Providers answer with another separator than the one they
/// are asked with, and with other case.
pub(crate) fn missing(wanted: &[String], granted: &[String]) -> Vec<String> {
    let granted: BTreeSet<String> = granted.iter().map(|scope| scope.to_lowercase()).collect();
    wanted.iter().filter(|scope| !granted.contains(&scope.to_lowercase())).cloned().collect()
}

/// Splits scopes as a provider may separate them.
pub(crate) fn split(oauth: &OAuth, scopes: &str) -> Vec<String> {
    let is_separator = |c: char| {
        c.is_whitespace() || oauth.scope_separators_in_answer.contains(&c) || oauth.scope_separator.contains(c)
    };
    scopes.split(is_separator).filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}

/// Joins scopes as the authorization request wants them.
pub(crate) fn join(oauth: &OAuth, scopes: &[String]) -> String {
    scopes.join(&oauth.scope_separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(scopes: &[&str]) -> Vec<String> {
        scopes.iter().map(|&scope| scope.to_owned()).collect()
    }

    #[test]
    fn what_was_granted_is_compared_without_case() {
        let wanted = texts(&["A.modules.leads.READ", "A.org.READ"]);
        assert_eq!(missing(&wanted, &texts(&["a.modules.Leads.read"])), texts(&["A.org.READ"]));
        assert!(missing(&wanted, &texts(&["A.ORG.READ", "A.modules.leads.READ", "more"])).is_empty());
    }
}
