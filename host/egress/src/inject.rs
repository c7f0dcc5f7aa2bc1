//! Builds the upstream request from a permit, and puts the credential in last.
//!
//! The header map is fresh: nothing of the agent's survives but the names that the service lists. The body's bytes
//! are the ones that were judged.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use http::uri::PathAndQuery;
use http::{Request, Uri};
use http_body_util::Full;
use wardlock_core::canonical::{CanonicalRequest, Method};
use wardlock_core::decision::Permit;
use wardlock_core::service::{Added, BodyKind, Place, ServiceDefinition};
use zeroize::Zeroizing;

use crate::client::Body;
use crate::companions::Companions;
use crate::vault::Secret;
use crate::vault::wire::{header_value, query_pair};

/// How Wardlock names itself upstream.
pub(crate) const AGENT: &str = concat!("wardlock/", env!("CARGO_PKG_VERSION"));

/// Headers that are never forwarded, whatever a service definition lists: the host sets them, or they belong to one
/// hop, or they would carry a credential. `range` would cut a secret in two before the scan sees it.
const NEVER_FORWARDED: [&str; 19] = [
    "accept-encoding",
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];

/// Why a permit makes no request. A bug: the canonical form holds nothing that HTTP cannot carry.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// A header name or value cannot stand in a request.
    #[error("header `{0}` cannot be sent")]
    Header(String),
    /// The parts make no request.
    #[error("the parts make no request")]
    Request,
}

/// With what the host fills in what a service wants added.
pub(crate) struct Filling<'a> {
    /// The access token or key.
    pub credential: &'a Secret,
    /// Further secret values.
    pub companions: &'a Companions,
    /// Values that the connection gives.
    pub params: &'a BTreeMap<String, String>,
    /// The tenant's id; `None` where it is only to be found out.
    pub tenant: Option<&'a str>,
}

/// Builds the request. What the host adds goes in last, and the credential last of all.
pub(crate) fn of_permit(permit: &Permit, url: Uri, filling: &Filling<'_>) -> Result<Request<Body>, InjectError> {
    let classified = permit.classified();
    let declared = classified.definition().map_or(BodyKind::None, |operation| operation.body);
    let (service, request) = (classified.service(), classified.request());
    let listed = |name: &str| {
        service.request.headers.contains(name)
            || classified.definition().is_some_and(|operation| operation.takes_header(name))
    };
    let mut headers = forwarded(service, request, listed)?;
    describe_body(&mut headers, request, declared)?;
    let body = Bytes::copy_from_slice(request.body());
    finish(service, request.method(), url, headers, body, filling)
}

/// Builds a GET without anything of an agent's in it, for the tenant look-up.
pub(crate) fn lookup(
    service: &ServiceDefinition,
    url: Uri,
    filling: &Filling<'_>,
) -> Result<Request<Body>, InjectError> {
    finish(service, Method::Get, url, HeaderMap::new(), Bytes::new(), filling)
}

fn forwarded(
    service: &ServiceDefinition,
    request: &CanonicalRequest,
    listed: impl Fn(&str) -> bool,
) -> Result<HeaderMap, InjectError> {
    let mut headers = HeaderMap::new();
    for header in request.headers() {
        let name = header.name.as_str();
        let own = NEVER_FORWARDED.contains(&name) || service.inject.headers().any(|set| set == name);
        if own || !listed(name) {
            continue;
        }
        let bad = || InjectError::Header(name.to_owned());
        let header_name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        headers.append(header_name, HeaderValue::from_bytes(&header.value).map_err(|_| bad())?);
    }
    Ok(headers)
}

fn describe_body(
    headers: &mut HeaderMap,
    request: &CanonicalRequest,
    declared: BodyKind,
) -> Result<(), InjectError> {
    let takes_body = matches!(request.method(), Method::Post | Method::Put | Method::Patch);
    if request.body().is_empty() && !takes_body {
        return Ok(());
    }
    headers.insert(CONTENT_LENGTH, HeaderValue::from(request.body().len()));
    if request.body().is_empty() {
        return Ok(());
    }
    let given = request.header("content-type");
    let content_type = match (given, declared) {
        (Some(given), _) => {
            Some(HeaderValue::from_bytes(given).map_err(|_| InjectError::Header("content-type".to_owned()))?)
        }
        (None, BodyKind::Json | BodyKind::JsonOrForm) => Some(HeaderValue::from_static("application/json")),
        (None, BodyKind::Form) => Some(HeaderValue::from_static("application/x-www-form-urlencoded")),
        (None, BodyKind::None | BodyKind::Multipart | BodyKind::Any) => None,
    };
    if let Some(content_type) = content_type {
        headers.insert(CONTENT_TYPE, content_type);
    }
    Ok(())
}

fn finish(
    service: &ServiceDefinition,
    method: Method,
    url: Uri,
    mut headers: HeaderMap,
    body: Bytes,
    filling: &Filling<'_>,
) -> Result<Request<Body>, InjectError> {
    let host = url.host().ok_or(InjectError::Request)?;
    headers.insert(HOST, HeaderValue::from_str(host).map_err(|_| InjectError::Header("host".to_owned()))?);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    // A compressed answer could not be scanned.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut query = Zeroizing::new(String::new());
    for addition in service.additions(filling.params, filling.tenant, |name| names(&url, name)) {
        let value = match addition.value {
            Added::Text(text) => Value::Plain(text),
            Added::Credential => Value::Secret(&service.inject.prefix, filling.credential),
            Added::Secret => match filling.companions.at(addition.place) {
                Some(secret) => Value::Secret("", secret),
                None => continue,
            },
        };
        match addition.place {
            Place::Header(name) => {
                let bad = || InjectError::Header(name.to_owned());
                let header = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
                headers.insert(header, value.header().ok_or_else(bad)?);
            }
            Place::Query(name) => {
                if !query.is_empty() {
                    query.push('&');
                }
                query.push_str(&value.pair(name));
            }
        }
    }
    let url = with_query(url, &query)?;
    let mut request = Request::builder()
        .method(method.as_str())
        .uri(url)
        .body(Full::new(body))
        .map_err(|_| InjectError::Request)?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// A value that is added.
enum Value<'a> {
    Plain(&'a str),
    /// With what stands before it in a header.
    Secret(&'a str, &'a Secret),
}

impl Value<'_> {
    fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::Plain(text) => HeaderValue::from_str(text).ok(),
            Self::Secret(prefix, secret) => header_value(prefix, secret).ok(),
        }
    }

    fn pair(&self, name: &str) -> Zeroizing<String> {
        match self {
            Self::Plain(text) => Zeroizing::new(plain_pair(name, text)),
            Self::Secret(_, secret) => query_pair(name, secret),
        }
    }
}

fn names(url: &Uri, name: &str) -> bool {
    let query = url.query().unwrap_or_default();
    url::form_urlencoded::parse(query.as_bytes()).any(|(known, _)| known == name)
}

fn plain_pair(name: &str, value: &str) -> String {
    url::form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}

/// Adds to the query; what was judged stays as it was, in front.
fn with_query(url: Uri, added: &str) -> Result<Uri, InjectError> {
    if added.is_empty() {
        return Ok(url);
    }
    let target = url.path_and_query().map_or("/", PathAndQuery::as_str);
    let joint = if url.query().is_some() { '&' } else { '?' };
    let target = Zeroizing::new(format!("{target}{joint}{added}"));
    let mut parts = url.into_parts();
    parts.path_and_query = Some(target.parse().map_err(|_| InjectError::Request)?);
    Uri::from_parts(parts).map_err(|_| InjectError::Request)
}
