//! Which OAuth scopes operations need on resources.

use std::collections::BTreeSet;

use super::{Operation, ScopeNeed, ServiceDefinition};

/// Stands in a scope for the resource's name.
pub(super) const PLACEHOLDER: &str = "{module}";

impl ServiceDefinition {
    /// Returns the name by which scopes call a resource; `None` where the service has no scopes per resource.
    pub fn scope_name(&self, resource: &str) -> Option<&str> {
        self.scope_names.get(resource).or(self.scope_name_of_others.as_ref()).map(String::as_str)
    }

    /// Returns the least scopes with which these operations work on these resources, and the tenant look-up too, with those
    /// that every consent asks for.
    ///
    /// An operation's first alternative counts as its narrowest. Where `resources` holds `*`, the first without
    /// a place for a resource's name is taken.
    pub fn least_scopes(&self, operations: &BTreeSet<String>, resources: &BTreeSet<String>) -> BTreeSet<String> {
        let mut scopes = self.oauth.scopes.clone();
        self.add_scopes(&self.tenant.scopes, resources, &mut scopes);
        let wanted = self.operations.iter().filter(|o| operations.contains(&o.name) && o.refused.is_none());
        for operation in wanted {
            self.add_scopes(&operation.scopes, resources, &mut scopes);
        }
        scopes
    }

    /// Returns whether granted scopes suffice for an operation on resources. Scopes compare without case
    /// (Zoho's own pages disagree about it).
    pub fn scopes_suffice(&self, operation: &Operation, resources: &[String], granted: &BTreeSet<String>) -> bool {
        let granted: BTreeSet<String> = granted.iter().map(|scope| scope.to_lowercase()).collect();
        let holds = |scope: &String| {
            let names = self.scope_names_of(resources.iter().map(String::as_str));
            expand(scope, &names).iter().all(|scope| granted.contains(&scope.to_lowercase()))
        };
        operation.scopes.is_empty() || operation.scopes.iter().any(|all| all.iter().all(holds))
    }

    fn add_scopes(&self, need: &ScopeNeed, resources: &BTreeSet<String>, scopes: &mut BTreeSet<String>) {
        let everywhere = resources.contains("*");
        let is_plain = |all: &&Vec<String>| !all.iter().any(|scope| scope.contains(PLACEHOLDER));
        let chosen = if everywhere { need.iter().find(is_plain).or(need.first()) } else { need.first() };
        let names = self.scope_names_of(resources.iter().map(String::as_str));
        for scope in chosen.into_iter().flatten() {
            scopes.extend(expand(scope, &names));
        }
    }

    fn scope_names_of<'a>(&'a self, resources: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let named = resources.filter(|resource| !resource.starts_with('$') && *resource != "*");
        named.filter_map(|resource| self.scope_name(resource)).collect()
    }
}

fn expand(scope: &str, names: &BTreeSet<&str>) -> Vec<String> {
    if !scope.contains(PLACEHOLDER) {
        return vec![scope.to_owned()];
    }
    names.iter().map(|name| scope.replace(PLACEHOLDER, name)).collect()
}
