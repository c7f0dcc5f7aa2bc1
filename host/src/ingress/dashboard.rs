//! The dashboard's door: admits what its own pages send, and gives it to `dashboard`. An agent's token means nothing here, and
//! nothing of here means anything to agents.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Either;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use wardlock_core::refusal::{Code, Refusal};

use super::reply::WholeBody;
use super::{AgentBody, Connections, Desk, Limits, Peer, admit};
use crate::dashboard::{self, Answer, Visit, origin};
use crate::gate::Gate;

/// What every answer says. Pages load nothing but this listener's own files, run no script that stands in a page, and are shown in
/// nobody's frame. The referrer stays within the origin, and not away: a form of a page without one says `Origin: null`.
const FIXED: [(header::HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (header::CACHE_CONTROL, "no-store"),
    (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// The dashboard's desk.
pub(super) struct Dashboard {
    pub gate: Arc<Gate>,
    address: SocketAddr,
}

impl Dashboard {
    pub fn new(gate: Arc<Gate>, address: SocketAddr) -> Self {
        Self { gate, address }
    }

    /// Returns the one `Host` that it answers to.
    pub fn host(&self) -> String {
        dashboard::host_of(self.address)
    }

    async fn answer(&self, limits: &Limits, peer: &Peer, request: Request<Incoming>) -> Answer {
        let method = request.method().clone();
        let (raw, body) = match admit::admit(limits, request) {
            Ok((raw, body)) => (raw, body.read().await),
            Err(refusal) => return self.refused(&refusal),
        };
        let body = match body {
            Ok(body) => body,
            Err(refusal) => return self.refused(&refusal),
        };
        let _busy = peer.busy();
        let post = match method {
            Method::GET => false,
            Method::POST => true,
            _ => {
                return dashboard::told(
                    405,
                    "Not done here",
                    &["Pages are looked at, and forms sent; nothing else."],
                );
            }
        };
        let (path, query) = raw.target().split_once('?').unwrap_or((raw.target(), ""));
        let visit = Visit::new(post, path, query, raw.header("cookie"), raw.header("content-type"), &body);
        let visit = visit.from(peer.user(), self.address);
        dashboard::answer(&self.gate, visit).await
    }

    /// What was never admitted, as a person reads it. A wrong name is told the right one: it is ours, and never what was asked for.
    fn refused(&self, refusal: &Refusal) -> Answer {
        let place = format!("The dashboard is at {}, and answers to no other name.", origin(self.address));
        let sentences = match refusal.code {
            Code::HostNotAllowed => vec![place.as_str()],
            Code::BrowserRefused => vec![
                "This was asked for by another page than the dashboard's own, so nothing was done.",
                place.as_str(),
            ],
            _ => vec![refusal.detail.as_str()],
        };
        dashboard::told(refusal.code.status(), "Refused", &sentences)
    }
}

impl Desk for Dashboard {
    /// One request a connection, as at the operators' door; an approval takes as long as the provider does.
    const LIFETIME: Option<Duration> = Some(Duration::from_mins(3));

    async fn request(&self, limits: &Limits, peer: &Peer, request: Request<Incoming>) -> Response<AgentBody> {
        rendered(self.answer(limits, peer, request).await)
    }

    fn refuse(&self, refusal: &Refusal) -> Response<AgentBody> {
        rendered(self.refused(refusal))
    }

    fn note(&self, _connections: Connections) {}
}

fn rendered(answer: Answer) -> Response<AgentBody> {
    let mut response = Response::new(Either::Left(WholeBody::new(answer.body)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    for (name, value) in FIXED {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if answer.status == StatusCode::METHOD_NOT_ALLOWED.as_u16() {
        headers.insert(header::ALLOW, HeaderValue::from_static("GET, POST"));
    }
    let own = [(header::LOCATION, answer.location), (header::SET_COOKIE, answer.cookie)];
    for (name, value) in own {
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}
