//! A plugin's edits, applied one by one to a copy of the request.

use serde_json::Value;

use crate::canonical::{CanonicalRequest, parse_json};
use crate::plugin::{Edit, caps::NO_POINTER};
use crate::pointer;

/// Headers that no plugin may set or remove: credentials, routing, framing, and the host's own.
const PROTECTED_HEADERS: [&str; 16] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "forwarded",
    "via",
    "expect",
];

/// Applies one edit, or says why not. Nothing is ever silently ignored.
pub(super) fn apply(request: &mut CanonicalRequest, edit: &Edit) -> Result<(), String> {
    match edit {
        Edit::SetHeader(header) => {
            let name = editable_header(&header.name)?;
            let clean = header.value.iter().all(|&b| b == b'\t' || (0x20..0x7f).contains(&b) || b >= 0x80);
            if !clean {
                return Err(format!("the value for header `{name}` holds a control character"));
            }
            request.set_header(name, header.value.clone());
        }
        Edit::RemoveHeader(name) => {
            let name = editable_header(name)?;
            request.retain_headers(|kept| kept != name);
        }
        Edit::SetQuery(parameter) => request.set_query(&parameter.name, &parameter.value),
        Edit::RemoveQuery(name) => {
            request.take_query(name);
        }
        Edit::SetJson(pointer, value) => {
            let body = set_json(request.body(), pointer, value)?;
            request.set_body(body);
        }
        Edit::ReplaceBody(body) => request.set_body(body.clone()),
    }
    Ok(())
}

fn editable_header(name: &str) -> Result<&str, String> {
    let is_token =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_token {
        return Err("a header name must be lower-case letters, digits and `-`".to_owned());
    }
    let protected = PROTECTED_HEADERS.contains(&name)
        || ["x-forwarded-", "proxy-", "wardlock-", "sec-"].iter().any(|prefix| name.starts_with(prefix));
    if protected {
        return Err(format!("header `{name}` is protected"));
    }
    Ok(name)
}

fn set_json(body: &[u8], pointer: &str, value: &str) -> Result<Vec<u8>, String> {
    if !pointer::is_pointer(pointer) {
        return Err(NO_POINTER.to_owned());
    }
    let mut document = parse_json(body).map_err(|error| error.to_string())?;
    let value = parse_json(value.as_bytes()).map_err(|_| format!("the value for `{pointer}` is not JSON"))?;
    match document.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => insert_json(&mut document, pointer, value)?,
    }
    serde_json::to_vec(&document).map_err(|error| error.to_string())
}

fn insert_json(document: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    let nowhere = || format!("`{pointer}` names no place in the body");
    let (parent, last) = pointer.rsplit_once('/').ok_or_else(nowhere)?;
    let key = pointer::step(last);
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(key, value);
            Ok(())
        }
        _ => Err(nowhere()),
    }
}
