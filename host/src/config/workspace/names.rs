//! The names that a service definition gives meaning to: operations, groups, resources.

use std::collections::BTreeSet;

use wardlock_core::service::{ResourceSource, ServiceDefinition};

/// Returns the operations that a name stands for: itself, or a group's.
pub(super) fn expand(service: &ServiceDefinition, given: &str) -> Option<Vec<String>> {
    if service.operation(given).is_some() {
        return Some(vec![given.to_owned()]);
    }
    service.groups.get(given).cloned()
}

/// Returns every name that may stand in `operations`.
pub(super) fn operation_names(service: &ServiceDefinition) -> BTreeSet<&str> {
    let operations = service.operations.iter().map(|operation| operation.name.as_str());
    operations.chain(service.groups.keys().map(String::as_str)).collect()
}

/// Returns the resources that the definition names. An account may have others of its own.
pub(super) fn known_resources(service: &ServiceDefinition) -> BTreeSet<&str> {
    let fixed =
        service.operations.iter().flat_map(|operation| &operation.resources).flat_map(|source| match source {
            ResourceSource::Fixed(name) => vec![name.as_str()],
            ResourceSource::QueryIs { then, otherwise, .. } => vec![then.as_str(), otherwise.as_str()],
            ResourceSource::Path(_)
            | ResourceSource::Related(_)
            | ResourceSource::Query(_)
            | ResourceSource::Coql(_)
            | ResourceSource::Gaql(_)
            | ResourceSource::BodyKeys(_)
            | ResourceSource::Body(_) => Vec::new(),
        });
    let named = service.lookups.values().chain(service.related.values()).chain(service.scope_names.keys());
    fixed.chain(named.map(String::as_str)).collect()
}

/// What a name in `resources` is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ResourceName {
    /// One of the definition's, or `*`.
    Known,
    /// Perhaps one of the account's own, perhaps a slip.
    Unsure,
    /// None that any request could touch.
    Wrong(String),
}

/// Says what a name in `resources` is.
pub(super) fn resource_name(service: &ServiceDefinition, known: &BTreeSet<&str>, given: &str) -> ResourceName {
    if given == "*" || known.contains(given) {
        return ResourceName::Known;
    }
    let unknown = || ResourceName::Wrong(format!("service `{}` has no resource `{given}`", service.name));
    let is_plain = !given.is_empty() && given.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !is_plain {
        return unknown();
    }
    if known.iter().any(|name| name.eq_ignore_ascii_case(given)) {
        return ResourceName::Wrong(format!("resource `{given}` is spelt otherwise"));
    }
    if service.scope_name_of_others.is_none() {
        return unknown();
    }
    let slip = known.iter().any(|name| strsim::damerau_levenshtein(name, given) == 1);
    if slip { ResourceName::Unsure } else { ResourceName::Known }
}

/// Returns settings as JSON; `Err` names the top key under which something stands that JSON cannot say.
pub(crate) fn json_of(settings: &toml::Table) -> Result<serde_json::Value, String> {
    for (key, value) in settings {
        if !is_json(value) {
            return Err(key.clone());
        }
    }
    serde_json::to_value(settings).map_err(|_| String::new())
}

fn is_json(value: &toml::Value) -> bool {
    match value {
        toml::Value::Datetime(_) => false,
        toml::Value::Array(items) => items.iter().all(is_json),
        toml::Value::Table(table) => table.values().all(is_json),
        toml::Value::Float(number) => number.is_finite(),
        toml::Value::String(_) | toml::Value::Integer(_) | toml::Value::Boolean(_) => true,
    }
}
