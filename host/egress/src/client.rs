//! The pooled upstream client: HTTP/1.1 over TLS, no proxy, no redirects, no cookies.
//!
//! Each connection of a workspace has a pool of its own, so that two of them never share a socket (facts U8), and a
//! new consent begins with a new pool.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{HttpConnector, capture_connection};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use wardlock_core::id::GrantName;
use wardlock_core::service::ServiceDefinition;

use crate::dialer::{Dialer, Resolver};
use crate::route;

/// The body of an upstream request: whole, as it was judged.
pub(crate) type Body = Full<Bytes>;

type Pool = Client<HttpsConnector<HttpConnector<Resolver>>, Body>;

const IDLE: Duration = Duration::from_mins(1);
const IDLE_PER_HOST: usize = 128;
const MAX_ANSWER_HEADERS: usize = 100;

/// How long the parts of a call may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until TCP is up.
    pub connect: Duration,
    /// Until the answer's last byte; where the answer flows, until its head.
    pub total: Duration,
    /// How long an answer that flows may be silent. It has no limit in all: a stream may live for hours.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(30), idle: Duration::from_secs(30) }
    }
}

/// Whose sockets these are. `owner` names the workspace and connection, or the consent that is looking up.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PoolKey {
    pub owner: String,
    pub grant: GrantName,
    pub generation: u64,
}

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The host is not in the service's table. A bug: routes come from the table.
    #[error("the host is not one of the service's")]
    HostNotAllowed,
    /// No connection came about, so surely nothing was sent.
    #[error("failed to connect")]
    Unreachable,
    /// The exchange broke after a connection was there: the request may have been executed.
    #[error("the connection broke before the answer came")]
    Broken,
    /// Time ran out.
    #[error("no answer came in time")]
    Timeout {
        /// Whether a connection was there, so that the request may have been executed.
        sent: bool,
    },
}

impl CallError {
    /// Returns whether the request surely never left.
    pub fn surely_not_sent(&self) -> bool {
        match self {
            Self::HostNotAllowed | Self::Unreachable => true,
            Self::Broken => false,
            Self::Timeout { sent } => !sent,
        }
    }
}

/// Every pool.
#[derive(Debug)]
pub(crate) struct Clients {
    dialer: Dialer,
    limits: Limits,
    pools: Mutex<HashMap<String, (PoolKey, Pool)>>,
}

impl Clients {
    pub fn new(dialer: Dialer, limits: Limits) -> Self {
        Self { dialer, limits, pools: Mutex::new(HashMap::new()) }
    }

    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Sends one request and returns the head of its answer. The caller bounds the time of the body.
    pub async fn call(
        &self,
        key: PoolKey,
        service: &ServiceDefinition,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, CallError> {
        check_host(service, request.uri())?;
        let captured = capture_connection(&mut request);
        let answer = self.pool(key).request(request);
        let answer = tokio::time::timeout(self.limits.total, answer).await;
        match answer {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if error.is_connect() => Err(CallError::Unreachable),
            Ok(Err(_)) => Err(CallError::Broken),
            Err(_) => Err(CallError::Timeout { sent: captured.connection_metadata().is_some() }),
        }
    }

    /// Forgets a pool; its idle sockets close.
    pub fn forget(&self, owner: &str) {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).remove(owner);
    }

    /// Forgets every pool of a grant.
    pub fn forget_grant(&self, grant: &GrantName) {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|_, (key, _)| key.grant != *grant);
    }

    fn pool(&self, key: PoolKey) -> Pool {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, pool)) = pools.get(&key.owner)
            && *known == key
        {
            return pool.clone();
        }
        let pool = self.build();
        pools.insert(key.owner.clone(), (key, pool.clone()));
        pool
    }

    fn build(&self) -> Pool {
        let mut tcp = HttpConnector::new_with_resolver(self.dialer.resolver());
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(self.limits.connect));
        tcp.set_keepalive(Some(IDLE));
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(self.dialer.tls())
            .https_only()
            .enable_http1()
            .wrap_connector(tcp);
        Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http1_max_headers(MAX_ANSWER_HEADERS)
            .set_host(false)
            .build(connector)
    }
}

/// Checks, right before dialling, what routing already made sure of.
fn check_host(service: &ServiceDefinition, url: &Uri) -> Result<(), CallError> {
    let https = url.scheme() == Some(&http::uri::Scheme::HTTPS);
    match url.host() {
        Some(host) if https && url.port().is_none() && route::is_listed(service, host) => Ok(()),
        _ => Err(CallError::HostNotAllowed),
    }
}
