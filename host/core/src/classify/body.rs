//! A request's body as its operation declares it: its type is checked, and JSON is parsed once.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::canonical::{CanonicalRequest, parse_json};
use crate::refusal::{Code, Refusal};
use crate::service::{BodyKind, Operation};

const RULE: &str = "body";

/// Checks the body against its declaration and returns its JSON, if it is JSON and there is any.
pub(super) fn read(operation: &Operation, request: &CanonicalRequest) -> Result<Option<Value>, Refusal> {
    check_type(operation, request)?;
    if request.body().is_empty() {
        return Ok(None);
    }
    match operation.body {
        BodyKind::None => {
            let detail = format!("operation `{}` takes no body", operation.name);
            Err(Refusal::new(Code::BodyType, RULE, detail))
        }
        BodyKind::Json => parse_json(request.body())
            .map(Some)
            .map_err(|problem| Refusal::new(Code::NotCanonical, RULE, problem.to_string())),
        BodyKind::Multipart | BodyKind::Any => Ok(None),
    }
}

/// An absent content type counts as declared: Zoho's SDK sends none.
fn check_type(operation: &Operation, request: &CanonicalRequest) -> Result<(), Refusal> {
    let mut given = request.headers().iter().filter(|header| header.name == "content-type");
    let (Some(first), second) = (given.next(), given.next()) else {
        return Ok(());
    };
    if second.is_some() {
        return Err(Refusal::new(Code::NotCanonical, RULE, "the request has two content types"));
    }
    let declared = match operation.body {
        // Without a body the type says nothing.
        BodyKind::None | BodyKind::Any => return Ok(()),
        BodyKind::Json => "application/json",
        BodyKind::Multipart => "multipart/form-data",
    };
    if std::str::from_utf8(&first.value).is_ok_and(|value| is_type(value, declared)) {
        return Ok(());
    }
    let detail = format!("operation `{}` takes {declared}, and the request says something else", operation.name);
    Err(Refusal::new(Code::BodyType, RULE, detail)
        .hint(format!("send `Content-Type: {declared}`, in UTF-8, or no content type")))
}

/// Compares a media type (RFC 9110 section 8.3.1). JSON may name no charset but UTF-8 (RFC 8259 section 8.1).
fn is_type(value: &str, declared: &str) -> bool {
    let mut parts = value.split(';').map(str::trim);
    if !parts.next().is_some_and(|given| given.eq_ignore_ascii_case(declared)) {
        return false;
    }
    let mut seen = BTreeSet::new();
    parts.all(|parameter| {
        let Some((name, value)) = parameter.split_once('=') else {
            return false;
        };
        let name = name.to_ascii_lowercase();
        let fits = match name.as_str() {
            "charset" => value.trim_matches('"').eq_ignore_ascii_case("utf-8"),
            "boundary" => declared.starts_with("multipart/") && !value.is_empty(),
            _ => false,
        };
        fits && seen.insert(name)
    })
}

/// Returns the keys of the records at a JSON pointer: `Some` only where every item is an object.
///
/// A nested object's keys come as `Outer.Inner` besides `Outer` (a lookup's `{"id": …}`, a subform's rows), so that
/// a mask on the outer name and one on the inner both see it.
pub(super) fn record_keys(body: &Value, pointer: &str) -> Option<BTreeSet<String>> {
    let mut keys = BTreeSet::new();
    match body.pointer(pointer)? {
        Value::Array(records) => {
            for record in records {
                add_keys(record.as_object()?, "", &mut keys);
            }
        }
        Value::Object(record) => add_keys(record, "", &mut keys),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
    }
    Some(keys)
}

/// Recursion is bounded by the JSON parser's own limit of 128 levels.
fn add_keys(record: &serde_json::Map<String, Value>, outer: &str, keys: &mut BTreeSet<String>) {
    for (key, value) in record {
        let name = if outer.is_empty() { key.clone() } else { format!("{outer}.{key}") };
        add_nested(value, &name, keys);
        keys.insert(name);
    }
}

fn add_nested(value: &Value, name: &str, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(inner) => add_keys(inner, name, keys),
        Value::Array(items) => items.iter().for_each(|item| add_nested(item, name, keys)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns the texts at a JSON pointer: one text, or a list of them. `Some(empty)` where there is nothing.
pub(super) fn texts<'a>(body: &'a Value, pointer: &str) -> Option<Vec<&'a str>> {
    match body.pointer(pointer) {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::String(text)) => Some(vec![text]),
        Some(Value::Array(items)) => items.iter().map(Value::as_str).collect(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => None,
    }
}

/// Returns how many items stand at a JSON pointer.
pub(super) fn count(body: &Value, pointer: &str) -> Option<u32> {
    match body.pointer(pointer)? {
        Value::Array(items) => u32::try_from(items.len()).ok(),
        Value::Object(_) => Some(1),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// Returns whether something stands at a JSON pointer.
pub(super) fn holds(body: &Value, pointer: &str) -> bool {
    body.pointer(pointer).is_some_and(|value| !value.is_null())
}
