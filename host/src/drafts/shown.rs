//! A held request as a person is shown it: made from the bytes whose digest the person approves.
//!
//! The command line makes it anew from [`Exact`], so that whatever answers at the admin socket shows nothing other than what it asks a
//! signature for.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use wardlock_core::canonical::{CanonicalRequest, Header, parse_json};
use wardlock_core::id::Digest;

use super::content::{BadContent, Bytes};
use crate::shown::naming;

/// Whatever a request's digest is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exact {
    method: String,
    target: String,
    /// Names in lower case and values, base64.
    headers: Vec<(String, Bytes)>,
    /// Base64.
    body: Bytes,
}

impl Exact {
    pub(super) fn new(method: &str, target: &str, headers: &[(String, Bytes)], body: &Bytes) -> Self {
        let (method, target) = (method.to_owned(), target.to_owned());
        Self { method, target, headers: headers.to_vec(), body: body.clone() }
    }

    /// Returns the request, in its canonical form.
    pub fn request(&self) -> Result<CanonicalRequest, BadContent> {
        let header = |(name, value): &(String, Bytes)| Header { name: name.clone(), value: value.0.clone() };
        let headers = self.headers.iter().map(header).collect();
        CanonicalRequest::parse(&self.method, &self.target, headers, self.body.0.clone())
            .map_err(|_| BadContent::NotCanonical)
    }
}

/// Tells a request as a person reads it.
pub fn told(request: &CanonicalRequest) -> Value {
    let header = |header: &Header| format!("{}: {}", header.name, String::from_utf8_lossy(&header.value));
    json!({
        "method": request.method().as_str(),
        "target": request.path_and_query(),
        "headers": request.headers().iter().map(header).collect::<Vec<_>>(),
        "body_sha256": Digest::of(request.body()).to_string(),
        "body_is": body_is(request.body()),
        "body": body(request.body()),
    })
}

/// How a body is shown, so that a text is not taken for a JSON string, nor our own words for either.
fn body_is(bytes: &[u8]) -> &'static str {
    if bytes.is_empty() {
        "empty"
    } else if parse_json(bytes).is_ok() {
        "JSON"
    } else if std::str::from_utf8(bytes).is_ok() {
        "text"
    } else {
        "no text"
    }
}

/// A body as a person reads it: JSON as it is, other text as text, and of anything else its length.
fn body(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    let text = || std::str::from_utf8(bytes).map(|text| Value::String(text.to_owned())).ok();
    // What no two readers read alike is shown as it is written.
    let json = parse_json(bytes).ok();
    json.or_else(text).unwrap_or_else(|| Value::String(format!("{} bytes that are no text", bytes.len())))
}

/// What a draft's row shows that is the same at each look.
const LASTING: [&str; 3] = ["agent", "operation", "effect"];
/// What is the same at each look of what it would send, besides the request.
const LASTING_OF_REQUEST: [&str; 7] = ["tenant", "host", "purpose", "reason", "held_by", "resources", "records"];

/// Returns the word for a draft as it is shown: its connection, with a digest of all that an approval is of besides the request.
pub fn word_for(shown: &Value) -> String {
    let of_row = LASTING.iter().map(|name| shown[*name].clone());
    let of_request = LASTING_OF_REQUEST.iter().map(|name| shown["would_send"][*name].clone());
    let lasting: Value = of_row.chain(of_request).collect();
    naming(shown["connection"].as_str().unwrap_or_default(), &lasting)
}

/// Makes what a draft would send anew from its exact bytes, and returns whether those are the request that is named.
pub fn is_as_shown(shown: &mut Value) -> bool {
    if shown["exact"].is_null() {
        // Nothing is kept of it any more, so nothing is shown.
        return shown["would_send"].is_null();
    }
    let exact = Exact::deserialize(&shown["exact"]).ok().and_then(|exact| exact.request().ok());
    let Some(request) = exact.filter(|request| shown["request_sha256"] == request.digest().to_string()) else {
        return false;
    };
    let Value::Object(told) = told(&request) else { return false };
    let Some(would_send) = shown["would_send"].as_object_mut() else { return false };
    would_send.extend(told);
    true
}
