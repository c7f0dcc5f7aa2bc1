//! The client for token and revocation endpoints: a form goes out, at most 64 KiB come back, nothing is followed.
//!
//! Each call has a client of its own, so that two grants share neither a socket nor a TLS session. Nothing of a URL,
//! form or answer is ever in an error.

use std::time::Duration;

use http::HeaderValue;
use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::Url;
use wardlock_core::service::ServiceDefinition;
use zeroize::Zeroizing;

use crate::dialer::Dialer;
use crate::inject;
use crate::route;
use crate::vault::wire::SecretForm;

/// The most that is read of an answer; a token answer has about 1 KiB.
const MOST: usize = 64 * 1024;
const CONNECT: Duration = Duration::from_secs(5);
const TOTAL: Duration = Duration::from_secs(20);
/// A provider may ask for more patience than this, but does not get it unasked for longer.
const LONGEST_RETRY_AFTER: u64 = 3600;

/// Why an endpoint gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// The host is not in the service's table. A bug.
    #[error("the host is not one of the service's")]
    HostNotAllowed,
    /// The client cannot be made.
    #[error("the client cannot be made")]
    Client,
    /// The client must say who it is by a secret, and none is stored.
    #[error("the registration has no client secret")]
    NoClientSecret,
    /// No connection came about.
    #[error("the token endpoint cannot be reached")]
    Unreachable,
    /// The exchange broke.
    #[error("the token endpoint broke the connection")]
    Broken,
    /// Time ran out.
    #[error("the token endpoint did not answer in time")]
    Timeout,
    /// The answer is larger than any token answer.
    #[error("the token endpoint's answer is far too large")]
    TooLarge,
}

/// An answer, unread.
pub(crate) struct RawAnswer {
    pub status: u16,
    pub retry_after: Option<u64>,
    pub body: Zeroizing<Vec<u8>>,
}

/// Returns the URL of an endpoint on a region's accounts host.
pub(crate) fn url(accounts: &str, path: &str) -> Result<Url, EndpointError> {
    Url::parse(&format!("https://{accounts}{path}")).map_err(|_| EndpointError::HostNotAllowed)
}

/// Posts a form.
pub(crate) async fn post(
    dialer: &Dialer,
    service: &ServiceDefinition,
    url: Url,
    form: SecretForm,
    authorization: Option<HeaderValue>,
) -> Result<RawAnswer, EndpointError> {
    check_host(service, &url)?;
    let request =
        client(dialer)?.post(url).header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.into_body());
    ask(request, authorization).await
}

/// Asks for something to be deleted.
pub(crate) async fn delete(
    dialer: &Dialer,
    service: &ServiceDefinition,
    url: Url,
    authorization: Option<HeaderValue>,
) -> Result<RawAnswer, EndpointError> {
    check_host(service, &url)?;
    ask(client(dialer)?.delete(url), authorization).await
}

async fn ask(
    mut request: reqwest::RequestBuilder,
    authorization: Option<HeaderValue>,
) -> Result<RawAnswer, EndpointError> {
    request = request.header("accept", "application/json");
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    let answer = request.send().await.map_err(|error| fault(&error))?;
    let status = answer.status().as_u16();
    let retry_after = answer
        .headers()
        .get(RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok())
        .map(|seconds| seconds.clamp(1, LONGEST_RETRY_AFTER));
    Ok(RawAnswer { status, retry_after, body: read(answer).await? })
}

fn client(dialer: &Dialer) -> Result<reqwest::Client, EndpointError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(dialer.tls())
        .dns_resolver(dialer.resolver())
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .https_only(true)
        .http1_only()
        .referer(false)
        .retry(reqwest::retry::never())
        .user_agent(inject::AGENT)
        .pool_max_idle_per_host(0)
        .connect_timeout(CONNECT)
        .timeout(TOTAL)
        .build()
        .map_err(|_| EndpointError::Client)
}

async fn read(mut answer: reqwest::Response) -> Result<Zeroizing<Vec<u8>>, EndpointError> {
    // The whole room at once: a buffer that grows leaves copies of tokens behind.
    let mut body = Zeroizing::new(Vec::with_capacity(MOST));
    while let Some(chunk) = answer.chunk().await.map_err(|error| fault(&error))? {
        if body.len() + chunk.len() > MOST {
            return Err(EndpointError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn fault(error: &reqwest::Error) -> EndpointError {
    if error.is_connect() {
        return EndpointError::Unreachable;
    }
    if error.is_timeout() {
        return EndpointError::Timeout;
    }
    EndpointError::Broken
}

fn check_host(service: &ServiceDefinition, url: &Url) -> Result<(), EndpointError> {
    let plain =
        url.scheme() == "https" && url.port().is_none() && url.username().is_empty() && url.password().is_none();
    match url.host_str() {
        Some(host) if plain && route::is_listed(service, host) => Ok(()),
        _ => Err(EndpointError::HostNotAllowed),
    }
}
