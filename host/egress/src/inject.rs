//! Builds the upstream request from a permit, and puts the credential in last.
//!
//! The header map is fresh: nothing of the agent's survives but the names that the service lists. The body's bytes
//! are the ones that were judged.

use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use http::{Request, Uri};
use http_body_util::Full;
use wardlock_core::canonical::{CanonicalRequest, Method};
use wardlock_core::decision::Permit;
use wardlock_core::service::{BodyKind, ServiceDefinition};

use crate::client::Body;

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

/// Builds the request. `credential` goes into the service's header, last and alone.
pub(crate) fn of_permit(permit: &Permit, url: Uri, credential: HeaderValue) -> Result<Request<Body>, InjectError> {
    let classified = permit.classified();
    let declared = classified.definition().map_or(BodyKind::None, |operation| operation.body);
    let (service, request) = (classified.service(), classified.request());
    let listed = |name: &str| {
        service.request.headers.contains(name)
            || classified.definition().is_some_and(|operation| operation.headers.contains(name))
    };
    let mut headers = forwarded(service, request, listed)?;
    describe_body(&mut headers, request, declared)?;
    finish(service, request.method(), url, headers, Bytes::copy_from_slice(request.body()), credential)
}

/// Builds a GET without anything of an agent's in it, for the tenant look-up.
pub(crate) fn lookup(
    service: &ServiceDefinition,
    url: Uri,
    credential: HeaderValue,
) -> Result<Request<Body>, InjectError> {
    finish(service, Method::Get, url, HeaderMap::new(), Bytes::new(), credential)
}

fn forwarded(
    service: &ServiceDefinition,
    request: &CanonicalRequest,
    listed: impl Fn(&str) -> bool,
) -> Result<HeaderMap, InjectError> {
    let mut headers = HeaderMap::new();
    for header in request.headers() {
        let name = header.name.as_str();
        let own = NEVER_FORWARDED.contains(&name) || name == service.inject.header;
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
        (None, BodyKind::Json) => Some(HeaderValue::from_static("application/json")),
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
    mut credential: HeaderValue,
) -> Result<Request<Body>, InjectError> {
    let host = url.host().ok_or(InjectError::Request)?;
    headers.insert(HOST, HeaderValue::from_str(host).map_err(|_| InjectError::Header("host".to_owned()))?);
    headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    // A compressed answer could not be scanned.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let bad = || InjectError::Header(service.inject.header.clone());
    let name = HeaderName::from_bytes(service.inject.header.as_bytes()).map_err(|_| bad())?;
    credential.set_sensitive(true);
    headers.insert(name, credential);
    let mut request = Request::builder()
        .method(method.as_str())
        .uri(url)
        .body(Full::new(body))
        .map_err(|_| InjectError::Request)?;
    *request.headers_mut() = headers;
    Ok(request)
}
