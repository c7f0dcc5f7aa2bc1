//! A request's body as its operation declares it: its type is checked, and JSON is parsed once.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{places, respelt};
use crate::canonical::{CanonicalRequest, parse_json};
use crate::refusal::{Code, Refusal};
use crate::service::{BodyKind, Operation, RequestRules};

/// The rule that refuses bodies.
pub(super) const RULE: &str = "body";

/// How a form says what it is.
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

/// Checks the body against its declaration and returns what is read of it, if it is read and there is any.
pub(super) fn read(
    rules: &RequestRules,
    operation: &Operation,
    request: &CanonicalRequest,
) -> Result<Option<Value>, Refusal> {
    check_type(rules, operation, request)?;
    if request.body().is_empty() {
        return Ok(None);
    }
    if operation.body == BodyKind::None {
        let detail = format!("operation `{}` takes no body", operation.name);
        return Err(Refusal::new(Code::BodyType, RULE, detail));
    }
    let Some(json) = parse(operation, request)? else {
        return Ok(None);
    };
    // Where calls are carried, their list stands in the one place that is meant for it.
    let list = operation.envelope.as_ref().map(|envelope| format!("/{}", envelope.list));
    let is_denied = |pointer: &&String| list.as_ref() != Some(*pointer) && places::holds(&json, pointer);
    match rules.deny_body.iter().find(is_denied) {
        Some(pointer) => {
            Err(Refusal::new(Code::BodyType, RULE, format!("the body may not hold `{pointer}`")).hint(
                "leave it out: the service's definition lists it under `request.deny_body`, because it would change whose \
                 credential is used, what the request is, or what its answer holds",
            ))
        }
        None => check_spelling(operation, &json).map(|()| Some(json)),
    }
}

/// Refuses a body that has a member which is read in two spellings.
fn check_spelling(operation: &Operation, json: &Value) -> Result<(), Refusal> {
    let Some(pointer) = respelt::place(operation, json) else { return Ok(()) };
    let detail = format!(
        "`{pointer}` stands in the body in two spellings, which some readers take for one name, so it has more than one reading"
    );
    Err(Refusal::new(Code::NotCanonical, RULE, detail)
        .hint("leave out all spellings but the one that is documented"))
}

/// Reads the body where its operation says what it is; `None` where it does not, or there is none.
fn parse(operation: &Operation, request: &CanonicalRequest) -> Result<Option<Value>, Refusal> {
    let is_read = matches!(operation.body, BodyKind::Json | BodyKind::Form | BodyKind::JsonOrForm);
    if !is_read || request.body().is_empty() {
        return Ok(None);
    }
    let refused = |problem: String| Refusal::new(Code::NotCanonical, RULE, problem);
    if is_form(operation, request) {
        return form(request.body()).map(Some).map_err(|problem| refused(problem.to_owned()));
    }
    parse_json(request.body()).map(Some).map_err(|problem| refused(problem.to_string()))
}

/// Returns whether the body is a form.
pub(super) fn is_form(operation: &Operation, request: &CanonicalRequest) -> bool {
    match operation.body {
        BodyKind::Form => true,
        BodyKind::JsonOrForm => request.header("content-type").is_some_and(says_form),
        BodyKind::Json | BodyKind::None | BodyKind::Multipart | BodyKind::Any => false,
    }
}

fn says_form(content_type: &[u8]) -> bool {
    std::str::from_utf8(content_type).is_ok_and(|value| is_type(value, FORM))
}

/// Reads a form (URL standard section 5.1) as an object. A value that holds a JSON object or array is read as that, because
/// there are servers that do (Meta). What has two readings is refused.
fn form(body: &[u8]) -> Result<Value, &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "the form is not UTF-8")?;
    if text.contains(';') {
        // The first standard of forms took it for `&`, and there are servers that still do.
        return Err("a bare `;` in the form has more than one reading");
    }
    let mut members = serde_json::Map::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = (form_name(pair)?, form_text(pair.split_once('=').unwrap_or_default().1)?);
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)) {
            // `a[b]` and `a.b` are a member of `a` for some servers, and a name for others (PHP: `a_b`).
            return Err("a name in a form is of letters, digits, `_` and `-`; others have more than one reading");
        }
        let value = match looks_like_json(&value).then(|| parse_json(value.as_bytes())) {
            Some(Ok(json)) => json,
            // A reader less strict than ours may find members in it.
            Some(Err(_)) if value.contains(['"', '\\']) || is_json(&value) => {
                return Err("a value looks like JSON and has more than one reading");
            }
            Some(Err(_)) | None => Value::String(value),
        };
        if members.insert(name, value).is_some() {
            return Err("a name stands twice in the form");
        }
    }
    Ok(Value::Object(members))
}

/// Returns whether an ordinary reader takes it for JSON.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// Returns whether a text begins as a JSON object or array does.
pub(super) fn looks_like_json(text: &str) -> bool {
    text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}').starts_with(['{', '['])
}

/// Returns the name in a pair of a form.
pub(super) fn form_name(pair: &str) -> Result<String, &'static str> {
    form_text(pair.split_once('=').map_or(pair, |(name, _)| name))
}

fn form_text(text: &str) -> Result<String, &'static str> {
    let bytes = text.as_bytes();
    let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    if bytes.iter().enumerate().any(|(at, &byte)| byte == b'%' && !(is_hex(at + 1) && is_hex(at + 2))) {
        return Err("a `%` in the form is not followed by two hexadecimal digits");
    }
    let spaced = text.replace('+', " ");
    let decoded = percent_encoding::percent_decode_str(&spaced).decode_utf8();
    let decoded = decoded.map_err(|_| "the form does not decode to UTF-8")?;
    if decoded.contains('\0') {
        return Err("the form holds a NUL");
    }
    Ok(decoded.into_owned())
}

/// An absent content type counts as declared: Zoho's SDK sends none.
fn check_type(rules: &RequestRules, operation: &Operation, request: &CanonicalRequest) -> Result<(), Refusal> {
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
        BodyKind::Json | BodyKind::JsonOrForm => "application/json",
        BodyKind::Form => FORM,
        BodyKind::Multipart => "multipart/form-data",
    };
    let given = std::str::from_utf8(&first.value).unwrap_or_default();
    let takes_json = matches!(operation.body, BodyKind::Json | BodyKind::JsonOrForm);
    let is_other_json = || takes_json && rules.json_types.iter().any(|other| is_type(given, other));
    let is_form = || operation.body == BodyKind::JsonOrForm && is_type(given, FORM);
    if is_type(given, declared) || is_other_json() || is_form() {
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
    let found = places::at(body, pointer);
    for value in found.iter().copied() {
        match value {
            Value::Array(records) => {
                for record in records {
                    add_keys(record.as_object()?, "", &mut keys);
                }
            }
            Value::Object(record) => add_keys(record, "", &mut keys),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return None,
        }
    }
    (!found.is_empty()).then_some(keys)
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

/// Returns the keys of the objects that stand in a list at a JSON pointer; `None` where something else stands there.
pub(super) fn item_keys<'a>(body: &'a Value, pointer: &str) -> Option<BTreeSet<&'a str>> {
    let items = body.pointer(pointer)?.as_array()?;
    let mut keys = BTreeSet::new();
    for item in items {
        keys.extend(item.as_object()?.keys().map(String::as_str));
    }
    Some(keys)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_form_is_read_as_an_object() {
        let read = |text: &str| form(text.as_bytes());
        assert_eq!(read("name=a+b%26&status=PAUSED&&x"), Ok(json!({"name": "a b&", "status": "PAUSED", "x": ""})));
        assert_eq!(read("spec=%7B%22access_token%22%3A1%7D"), Ok(json!({"spec": {"access_token": 1}})));
        assert_eq!(read("n=7&text=%5Bnot+json"), Ok(json!({"n": "7", "text": "[not json"})));
        assert_eq!(read("n=a%3Bb&text=say+%22%7B%22"), Ok(json!({"n": "a;b", "text": "say \"{\""})));
    }

    #[test]
    fn a_form_with_two_readings_is_refused() {
        const NAME: &str =
            "a name in a form is of letters, digits, `_` and `-`; others have more than one reading";
        const JSON: &str = "a value looks like JSON and has more than one reading";
        for (text, problem) in [
            ("a=1&a=2", "a name stands twice in the form"),
            ("a%5B0%5D=1", NAME),
            ("a.b=1", NAME),
            ("+a=1", NAME),
            ("=1", NAME),
            ("a=1;method=delete", "a bare `;` in the form has more than one reading"),
            ("a=%7B%22b%22%3A1%2C%22b%22%3A2%7D", JSON),
            ("a=%EF%BB%BF%7B%22b%22%3A1%7D", JSON),
            ("a=+%5B%5Cu0061", JSON),
            // JSON for others, and none for us: they would see a list where rules see a text.
            ("ids=%5B1%2C2%2C1.000000000000000001%5D", JSON),
            ("a=%zz", "a `%` in the form is not followed by two hexadecimal digits"),
            ("a=%2", "a `%` in the form is not followed by two hexadecimal digits"),
            ("a=%ff", "the form does not decode to UTF-8"),
            ("a=%00", "the form holds a NUL"),
        ] {
            assert_eq!(form(text.as_bytes()), Err(problem), "{text}");
        }
    }
}
