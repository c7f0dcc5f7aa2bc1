//! Which query parameters and headers an operation takes.

use std::collections::BTreeSet;

use crate::canonical::CanonicalRequest;
use crate::refusal::{Code, Refusal};
use crate::service::{
    Breadth, FieldSource, Operation, Pin, Presence, RequestRules, ResourceSource, ServiceDefinition, nearest,
};

/// Refuses a parameter that the operation does not take, and one that stands twice although its value is judged:
/// of two values, servers take the first, the last or both.
pub(super) fn check(
    service: &ServiceDefinition,
    operation: &Operation,
    request: &CanonicalRequest,
) -> Result<(), Refusal> {
    let rules = &service.request;
    let mut judged = judged_names(operation);
    judged.extend(service.tenant.pins.iter().filter_map(|pin| match pin {
        Pin::Query(name) => Some(name.as_str()),
        _ => None,
    }));
    let mut seen = BTreeSet::new();
    for parameter in request.query() {
        let name = parameter.name.as_str();
        let is_judged = judged.contains(name);
        if !is_judged && !operation.query.contains(name) && !rules.query.contains(name) {
            return Err(not_allowed(rules, operation, &judged, name));
        }
        if is_judged && !seen.insert(name) {
            let detail = format!("query parameter `{name}` stands twice");
            return Err(
                Refusal::new(Code::NotCanonical, "query", detail).hint("send it once, with commas between values")
            );
        }
    }
    Ok(())
}

/// Keeps the headers that the service or the operation takes, and the content type.
pub(super) fn keep_headers(
    service: &ServiceDefinition,
    operation: Option<&Operation>,
    request: &mut CanonicalRequest,
) {
    let pinned =
        |name: &str| service.tenant.pins.iter().any(|pin| matches!(pin, Pin::Header(known) if known == name));
    let rules = &service.request;
    request.retain_headers(|name| {
        let taken = operation.is_some_and(|operation| operation.takes_header(name));
        // A pinned header is compared and then set by the host.
        name == "content-type" || rules.headers.contains(name) || taken || pinned(name)
    });
}

fn not_allowed(rules: &RequestRules, operation: &Operation, judged: &BTreeSet<&str>, name: &str) -> Refusal {
    let shown: String = name.chars().take(64).collect();
    let detail = format!("operation `{}` takes no query parameter `{}`", operation.name, shown.escape_debug());
    let taken = judged.iter().copied().chain(operation.query.iter().chain(&rules.query).map(String::as_str));
    let refusal = Refusal::new(Code::QueryNotAllowed, "query", detail);
    if let Some(word) = nearest(&shown, taken.clone()) {
        return refusal.hint(format!("did you mean `{word}`?"));
    }
    let all: BTreeSet<&str> = taken.collect();
    if all.is_empty() {
        return refusal.hint("it takes none");
    }
    refusal.hint(format!("it takes {}", all.into_iter().collect::<Vec<_>>().join(", ")))
}

/// Returns the parameters whose values decide what the request touches.
fn judged_names(operation: &Operation) -> BTreeSet<&str> {
    let resources = operation.resources.iter().filter_map(|source| match source {
        ResourceSource::Query(name) | ResourceSource::QueryIs { name, .. } => Some(name),
        ResourceSource::Fixed(_)
        | ResourceSource::Path(_)
        | ResourceSource::Related(_)
        | ResourceSource::Coql(_)
        | ResourceSource::Gaql(_)
        | ResourceSource::BodyKeys(_)
        | ResourceSource::Body(_) => None,
    });
    let fields = operation.fields.iter().filter_map(|source| match source {
        FieldSource::QueryList { name, .. }
        | FieldSource::QueryCriteria { name }
        | FieldSource::QueryOpaque { name } => Some(name),
        FieldSource::Header { .. }
        | FieldSource::Coql(_)
        | FieldSource::Gaql(_)
        | FieldSource::BodyRecords { .. }
        | FieldSource::BodyList { .. } => None,
    });
    let breadth = match &operation.breadth {
        Breadth::Query { name, .. } | Breadth::QueryCount(name) => Some(name),
        Breadth::Fixed(_)
        | Breadth::BodyCount(_)
        | Breadth::Coql { .. }
        | Breadth::Gaql { .. }
        | Breadth::Unbounded => None,
    };
    let presence = operation.destructive_with.iter().filter_map(|presence| match presence {
        Presence::Query(name) => Some(name),
        Presence::Body(_) | Presence::BodyIs { .. } => None,
    });
    resources.chain(fields).chain(breadth).chain(presence).map(String::as_str).collect()
}
