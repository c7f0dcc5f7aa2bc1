//! Any COQL query is read without a panic, and in a time that its length bounds; a query that is not understood
//! leaves its fields unknown, and one that names a module has it among its resources. The input is the query.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::classify::classify;
use wardlock_core::plugin::Effect;

fuzz_target!(|query: &str| {
    let body = format!("{{\"select_query\":{}}}", json_string(query));
    let json = Header { name: "content-type".to_owned(), value: b"application/json".to_vec() };
    let request = CanonicalRequest::parse("POST", "/crm/v8/coql", vec![json], body.into_bytes());
    let classified = classify(&support::ZOHO, request.expect("this target is canonical"));
    let Ok(classified) = classified else { return };
    let operation = classified.operation();
    assert_eq!(operation.effect, Effect::Read);
    assert!(!operation.resources.is_empty());
    let Some(fields) = &operation.fields else { return };
    for field in fields {
        assert!(
            operation.resources.contains(&field.of),
            "{} is a field of a resource that is not named",
            field.name
        );
    }
});

/// Writes a JSON string. By hand, so that the fuzzer's input reaches the parser with nothing in between but escapes.
fn json_string(text: &str) -> String {
    let escaped = text.chars().map(|character| match character {
        '"' | '\\' => format!("\\{character}"),
        c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
        c => c.to_string(),
    });
    format!("\"{}\"", escaped.collect::<String>())
}
