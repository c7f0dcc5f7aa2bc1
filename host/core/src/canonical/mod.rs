//! The canonical request: decoded once, judged decoded, rendered in one spelling.
//!
//! Policy, audit and upstream URL are all rendered from the one [`CanonicalRequest`]. A target that has two
//! readings is refused here and never reaches a rule.

mod json;
mod target;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::Digest;
use crate::refusal::{Code, Refusal};

pub use json::{JsonProblem, parse_strict as parse_json};
pub use target::render_query;

/// The methods that are ever forwarded. TRACE would echo the credential; CONNECT is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Method {
    /// RFC 9110 section 9.3.1.
    Get,
    /// RFC 9110 section 9.3.2.
    Head,
    /// RFC 9110 section 9.3.3.
    Post,
    /// RFC 9110 section 9.3.4.
    Put,
    /// RFC 5789.
    Patch,
    /// RFC 9110 section 9.3.5.
    Delete,
}

impl Method {
    /// Parses a method; methods are case-sensitive (RFC 9110 section 9.1).
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "GET" => Self::Get,
            "HEAD" => Self::Head,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "DELETE" => Self::Delete,
            _ => return None,
        })
    }

    /// Returns the method as it stands in a request line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// One header field: lower-case name, value as bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Lower-case name.
    pub name: String,
    /// Value without surrounding white space.
    pub value: Vec<u8>,
}

/// One query parameter, decoded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Decoded name.
    pub name: String,
    /// Decoded value; empty where the request had none.
    pub value: String,
}

/// Why a request has no canonical form. All of them are the agent's to mend (400).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCanonical {
    /// The method is not one of those forwarded.
    #[error("the method is not one of GET, HEAD, POST, PUT, PATCH, DELETE")]
    Method,
    /// The target does not begin with exactly one slash.
    #[error("the request target must be a path that begins with one `/`")]
    OriginForm,
    /// A `%` is not followed by two hexadecimal digits.
    #[error("a `%` in the {place} is not followed by two hexadecimal digits")]
    BadEscape {
        /// `path` or `query`.
        place: &'static str,
    },
    /// The decoded bytes are not UTF-8.
    #[error("the {place} does not decode to UTF-8")]
    NotUtf8 {
        /// `path` or `query`.
        place: &'static str,
    },
    /// A character that upstreams read in different ways.
    #[error("the {place} holds {what}, which has more than one reading")]
    Ambiguous {
        /// `path` or `query`.
        place: &'static str,
        /// What was found.
        what: &'static str,
    },
    /// GET and HEAD carry no body here.
    #[error("a {method} request carries a body")]
    UnexpectedBody {
        /// The method.
        method: &'static str,
    },
}

/// A request in its one form. Made by [`CanonicalRequest::parse`] only; changed by plugins' edits only.
///
/// Its parts are shared with its clones, because every step of a request keeps what it judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CanonicalRequest {
    method: Method,
    segments: Arc<Vec<String>>,
    query: Arc<Vec<Parameter>>,
    headers: Arc<Vec<Header>>,
    body: Arc<Vec<u8>>,
}

impl NotCanonical {
    /// Returns the refusal that tells it.
    pub fn refusal(&self) -> Refusal {
        let refusal = Refusal::new(Code::NotCanonical, "canonical", self.to_string());
        match self {
            Self::Method => refusal.hint("write one of them, in capitals: no other is forwarded"),
            _ => refusal,
        }
    }
}

impl CanonicalRequest {
    /// Parses what the listener admitted. `target` is the origin-form target as it stood in the request line;
    /// `headers` have lower-case names. The body is never re-rendered.
    pub fn parse(method: &str, target: &str, headers: Vec<Header>, body: Vec<u8>) -> Result<Self, NotCanonical> {
        let method = Method::parse(method).ok_or(NotCanonical::Method)?;
        let (segments, query) = target::parse(target)?;
        if matches!(method, Method::Get | Method::Head) && !body.is_empty() {
            return Err(NotCanonical::UnexpectedBody { method: method.as_str() });
        }
        let (segments, query) = (Arc::new(segments), Arc::new(query));
        Ok(Self { method, segments, query, headers: Arc::new(headers), body: Arc::new(body) })
    }

    /// Returns the method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Returns the decoded path segments.
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Returns the decoded query parameters, in order, duplicates kept.
    pub fn query(&self) -> &[Parameter] {
        &self.query
    }

    /// Returns the values of one query parameter, in order.
    pub fn query_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.query.iter().filter(move |p| p.name == name).map(|p| p.value.as_str())
    }

    /// Returns the headers.
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Returns the first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().find(|h| h.name == name).map(|h| h.value.as_slice())
    }

    /// Returns the body, byte for byte as the agent sent it or a plugin replaced it.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Renders the path in its one spelling.
    pub fn path(&self) -> String {
        target::render_path(&self.segments)
    }

    /// Renders the query in its one spelling, without the question mark; `None` where there is none.
    pub fn query_string(&self) -> Option<String> {
        target::render_query(&self.query)
    }

    /// Renders path and query as they go on the wire.
    pub fn path_and_query(&self) -> String {
        match self.query_string() {
            Some(query) => format!("{}?{query}", self.path()),
            None => self.path(),
        }
    }

    /// Splits the first `count` segments off the path; `None` when that would leave no path.
    pub fn split_prefix(mut self, count: usize) -> Option<(Vec<String>, Self)> {
        if self.segments.len() <= count {
            return None;
        }
        let prefix = Arc::make_mut(&mut self.segments).drain(..count).collect();
        Some((prefix, self))
    }

    /// Keeps only the headers that `keep` names.
    pub fn retain_headers(&mut self, keep: impl Fn(&str) -> bool) {
        match Arc::get_mut(&mut self.headers) {
            Some(headers) => headers.retain(|header| keep(&header.name)),
            // Only what stays is copied.
            None => {
                self.headers =
                    Arc::new(self.headers.iter().filter(|header| keep(&header.name)).cloned().collect());
            }
        }
    }

    /// Removes every parameter of that name and returns the removed values.
    pub fn take_query(&mut self, name: &str) -> Vec<String> {
        if self.query.iter().all(|p| p.name != name) {
            return Vec::new();
        }
        Arc::make_mut(&mut self.query).extract_if(.., |p| p.name == name).map(|p| p.value).collect()
    }

    /// Replaces every parameter of that name by one; it stands where the first of them stood, or last.
    pub(crate) fn set_query(&mut self, name: &str, value: &str) {
        let query = Arc::make_mut(&mut self.query);
        let at = query.iter().position(|p| p.name == name);
        query.retain(|p| p.name != name);
        let at = at.unwrap_or(query.len()).min(query.len());
        query.insert(at, Parameter { name: name.to_owned(), value: value.to_owned() });
    }

    /// Replaces every header of that name by one.
    pub(crate) fn set_header(&mut self, name: &str, value: Vec<u8>) {
        let headers = Arc::make_mut(&mut self.headers);
        headers.retain(|header| header.name != name);
        headers.push(Header { name: name.to_owned(), value });
    }

    /// Replaces the body.
    pub(crate) fn set_body(&mut self, body: Vec<u8>) {
        self.body = Arc::new(body);
    }

    /// Digests all that is sent of this request: method, path, query, headers, body.
    pub fn digest(&self) -> Digest {
        let (path, query) = (self.path(), self.query_string().unwrap_or_default());
        let mut fields: Vec<&[u8]> =
            vec![self.method.as_str().as_bytes(), path.as_bytes(), query.as_bytes(), &self.body];
        for header in self.headers.iter() {
            fields.push(header.name.as_bytes());
            fields.push(&header.value);
        }
        Digest::of_fields(fields)
    }
}
