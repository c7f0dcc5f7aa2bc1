//! What is asked of a definition: which operation a path means, which region a host belongs to, what people call a scope.

use std::collections::BTreeSet;

use super::{FieldSource, Operation, ServiceDefinition};
use crate::canonical::{Method, Parameter};
use crate::id::Region;

impl Operation {
    /// Returns whether a header of an agent's passes with it, besides those that pass with every operation.
    pub fn takes_header(&self, name: &str) -> bool {
        let is_source =
            |source: &FieldSource| matches!(source, FieldSource::Header { name: known } if known == name);
        self.headers.contains(name) || self.fields.iter().any(is_source)
    }
}

impl ServiceDefinition {
    /// Returns whether a grant of another service serves this one too: same provider, and in that region the same endpoints,
    /// asked in the same way. A key is never shared: nothing tells that a provider takes it elsewhere.
    pub fn shares_grants_with(&self, other: &Self, region: &Region) -> bool {
        let endpoints = |service: &Self| {
            let row = service.regions.get(region)?;
            let oauth = &service.oauth;
            Some((
                row.accounts.clone(),
                row.token_host().to_owned(),
                oauth.token_path.clone(),
                oauth.refresh.clone(),
                (oauth.client_auth, oauth.token_params.clone(), oauth.client_credentials_params.clone()),
                oauth.answer.clone(),
            ))
        };
        let any_key = self.oauth.is_key() || other.oauth.is_key();
        let same_provider = self.provider.is_some() && self.provider == other.provider && !any_key;
        same_provider && endpoints(self).is_some() && endpoints(self) == endpoints(other)
    }

    /// Returns what people call a scope: the consent page's words, else its value.
    pub fn scope_display<'a>(&'a self, scope: &'a str) -> &'a str {
        let by_prefix = || {
            let mut prefixes =
                self.guide.scopes.iter().filter_map(|(known, shown)| Some((known.strip_suffix('*')?, shown)));
            prefixes.find(|(prefix, _)| scope.starts_with(prefix)).map(|(_, shown)| shown)
        };
        self.guide.scopes.get(scope).or_else(by_prefix).map_or(scope, String::as_str)
    }

    /// Returns the operation of that name.
    pub fn operation(&self, name: &str) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.name == name)
    }

    /// Returns the place in [`ServiceDefinition::operations`] of the one that a method and a decoded path mean, with
    /// the path's parameters. Where several fit, the narrowest wins; `parse` saw to it that there is one.
    pub fn route(&self, method: Method, path: &[String]) -> Option<(usize, Vec<Parameter>)> {
        let mut found: Option<(usize, Vec<Parameter>)> = None;
        for (at, operation) in self.operations.iter().enumerate().filter(|(_, o)| o.method == method) {
            let Some(parameters) = operation.path.matches(path, &self.paths) else {
                continue;
            };
            if found.as_ref().is_none_or(|(best, _)| operation.path.beats(&self.operations[*best].path)) {
                found = Some((at, parameters));
            }
        }
        found
    }

    /// Returns the resource that a lookup field leads to.
    pub fn lookup(&self, resource: &str, field: &str) -> Option<&str> {
        let own = self.lookups.get(&format!("{resource}.{field}"));
        own.or_else(|| self.lookups.get(field)).map(String::as_str)
    }

    /// Returns the region row that a host of the table belongs to, with the environment for API hosts.
    pub fn region_of_host(&self, host: &str) -> Option<(&Region, Option<&str>)> {
        for (region, row) in &self.regions {
            if row.accounts == host || row.token_host() == host {
                return Some((region, None));
            }
            for by_environment in row.hosts.values() {
                if let Some((environment, _)) = by_environment.iter().find(|(_, h)| *h == host) {
                    return Some((region, Some(environment)));
                }
            }
        }
        None
    }

    /// Returns every host of the table: the only ones that are ever dialled for this service.
    pub fn all_hosts(&self) -> BTreeSet<&str> {
        let rows = self.regions.values();
        rows.flat_map(|row| {
            [row.accounts.as_str(), row.token_host()]
                .into_iter()
                .chain(row.hosts.values().flat_map(|hosts| hosts.values().map(String::as_str)))
        })
        .collect()
    }
}
