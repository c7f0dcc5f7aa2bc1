//! Reads the definition, and shows what it says of requests.

use std::sync::{Arc, LazyLock};

use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::classify::{Classified, classify};
use wardlock_core::plugin::FieldUse;
use wardlock_core::service::{ServiceDefinition, parse};

/// The definition as it stands in TOML.
pub const TEXT: &str = include_str!("../../../services/zoho-crm.toml");

/// Returns the definition.
pub fn service() -> &'static Arc<ServiceDefinition> {
    static SERVICE: LazyLock<Arc<ServiceDefinition>> =
        LazyLock::new(|| Arc::new(parse(TEXT, "zoho-crm.toml").unwrap_or_else(|error| panic!("{error}"))));
    &SERVICE
}

/// Classifies a request that the definition takes.
pub fn classified(method: &str, target: &str, headers: &[(&str, &str)], body: &str) -> Classified {
    let headers = headers
        .iter()
        .map(|(name, value)| Header { name: (*name).to_owned(), value: value.as_bytes().to_vec() })
        .collect();
    let request = CanonicalRequest::parse(method, target, headers, body.as_bytes().to_vec()).expect(target);
    classify(service(), request).unwrap_or_else(|refusal| panic!("{method} {target}: {}", refusal.detail))
}

/// Writes `name effect resources`.
pub fn show(classified: &Classified) -> String {
    let operation = classified.operation();
    format!("{} {} {}", operation.name, operation.effect.as_str(), operation.resources.join("+"))
}

/// Writes `fields | breadth`.
pub fn show_touched(classified: &Classified) -> String {
    let operation = classified.operation();
    let fields = operation.fields.as_ref().map_or("?".to_owned(), |fields| {
        let field = |field: &wardlock_core::plugin::Field| {
            let how = match field.how {
                FieldUse::Read => "",
                FieldUse::Filter => "?",
                FieldUse::Write => "!",
            };
            format!("{}.{}{how}", field.of, field.name)
        };
        fields.iter().map(field).collect::<Vec<_>>().join(" ")
    });
    format!("{fields} | {}", operation.breadth.map_or("any".to_owned(), |breadth| breadth.to_string()))
}

/// Checks `name effect resources` of a request without a body.
#[track_caller]
pub fn check_route(line: &str, expect: &str) {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    assert_eq!(show(&classified(method, target, &[], "")), expect, "{line}");
}

/// Checks `fields | breadth` of a request.
#[track_caller]
pub fn check_touched(line: &str, body: &str, expect: &str) {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    assert_eq!(show_touched(&classified(method, target, &[], body)), expect, "{line} {body}");
}
