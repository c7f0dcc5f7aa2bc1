//! What operators and their monitoring are answered: `/metrics` and `/health`, to GET and to nobody's name. An agent's token
//! means nothing here, and nothing can be changed here.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Either;
use hyper::body::Incoming;
use hyper::header::{self, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use wardlock_core::refusal::Refusal;

use super::reply::WholeBody;
use super::{AgentBody, Connections, Desk, Limits, Peer, Reply, admit};
use crate::gate::Gate;
use crate::health;
use crate::ids::new_request_id;
use crate::metrics::Format;

/// An answer must be made within this time.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// The content type of what is no metrics.
const TEXT: &str = "text/plain; charset=utf-8";

/// The operators' desk.
pub(super) struct Operators {
    pub gate: Arc<Gate>,
}

impl Desk for Operators {
    /// One request a connection, read within this time: whoever reads slowly holds one of few slots.
    const LIFETIME: Option<Duration> = Some(Duration::from_secs(30));

    async fn request(&self, limits: &Limits, peer: &Peer, request: Request<Incoming>) -> Response<AgentBody> {
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
        let format = Format::accepted(accept.unwrap_or_default());
        let admitted = match admit::admit(limits, request) {
            Ok((_, body)) => body.read().await.map(drop),
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = admitted {
            return self.refuse(&refusal);
        }
        let _busy = peer.busy();
        if method != Method::GET {
            let mut response =
                answer(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET is answered here\n".to_owned());
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET"));
            return response;
        }
        let answered = tokio::time::timeout(ANSWER_TIME, self.get(&path, format)).await;
        answered.unwrap_or_else(|_| answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, "too_slow\n".to_owned()))
    }

    fn refuse(&self, refusal: &Refusal) -> Response<AgentBody> {
        Reply::refused_early(&new_request_id(), refusal).into_response()
    }

    fn note(&self, _connections: Connections) {}
}

impl Operators {
    async fn get(&self, path: &str, format: Format) -> Response<AgentBody> {
        match path {
            "/metrics" => {
                let text = self.gate.seat().metrics.render(&self.gate, format).await;
                answer(StatusCode::OK, format.content_type(), text)
            }
            "/health" => match health::hindrances(&self.gate).await.as_slice() {
                [] => answer(StatusCode::OK, TEXT, "ok\n".to_owned()),
                found => answer(StatusCode::SERVICE_UNAVAILABLE, TEXT, found.join("\n") + "\n"),
            },
            _ => answer(StatusCode::NOT_FOUND, TEXT, "there are `/metrics` and `/health`\n".to_owned()),
        }
    }
}

fn answer(status: StatusCode, content_type: &'static str, text: String) -> Response<AgentBody> {
    let mut response = Response::new(Either::Left(WholeBody::new(text)));
    *response.status_mut() = status;
    let fixed = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in fixed {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
