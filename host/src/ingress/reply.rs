//! What reaches an agent: a scanned answer, or a refusal that the host made. There is no third kind.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use wardlock_core::answer::Outcome;
use wardlock_core::id::RequestId;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_core::service::RefusalShape;
use wardlock_egress::Scrubbed;

/// The body type of every reply.
pub type AgentBody = Full<Bytes>;

/// A reply. Made from a [`Scrubbed`] answer or from a [`Refusal`] only.
pub struct Reply {
    status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
}

impl Reply {
    /// Passes a scanned answer on.
    pub fn answered(id: &RequestId, outcome: Outcome, answer: Scrubbed) -> Self {
        let exposed = if answer.redactions() > 0 { "redacted" } else { "false" };
        let mut headers: Vec<(HeaderName, HeaderValue)> =
            answer.headers().iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        headers.extend(own_headers("allow", id, Some(outcome), exposed));
        Self { status: answer.status().as_u16(), headers, body: answer.into_body() }
    }

    /// Tells a refusal, in the provider's own error shape where there is one and the agent did not ask otherwise.
    pub fn refused(
        id: &RequestId,
        decision: &'static str,
        outcome: Option<Outcome>,
        refusal: &Refusal,
        shape: Option<&RefusalShape>,
    ) -> Self {
        let (content_type, document) = match shape {
            Some(shape) => (shape.content_type.as_str(), refusal.in_shape(shape, id.as_str())),
            None => ("application/problem+json", refusal.problem(id.as_str())),
        };
        let mut headers: Vec<_> = own_headers(decision, id, outcome, "false").collect();
        if let Ok(value) = HeaderValue::from_str(content_type) {
            headers.push((header::CONTENT_TYPE, value));
        }
        if let Some(seconds) = refusal.retry_after {
            headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if refusal.code == Code::Unauthenticated {
            headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"wardlock\"")));
        }
        let closes = matches!(refusal.code, Code::BadRequest | Code::BodyTooLarge | Code::RequestTimeout);
        if closes {
            headers.push((header::CONNECTION, HeaderValue::from_static("close")));
        }
        Self { status: refusal.code.status(), headers, body: Bytes::from(document.to_string()) }
    }

    /// Tells a refusal of a request that was never admitted.
    pub fn refused_early(id: &RequestId, refusal: &Refusal) -> Self {
        Self::refused(id, "deny", None, refusal, None)
    }

    /// Returns the status, for tracing.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Builds the response. `Content-Length` is hyper's.
    pub fn into_response(self) -> Response<AgentBody> {
        let mut response = Response::new(Full::new(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

fn own_headers(
    decision: &'static str,
    id: &RequestId,
    outcome: Option<Outcome>,
    exposed: &'static str,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let id = HeaderValue::from_str(id.as_str()).ok();
    [
        (HeaderName::from_static("wardlock-decision"), Some(HeaderValue::from_static(decision))),
        (HeaderName::from_static("wardlock-request-id"), id),
        (
            HeaderName::from_static("wardlock-outcome"),
            outcome.map(|outcome| HeaderValue::from_static(outcome.as_str())),
        ),
        (HeaderName::from_static("wardlock-secret-exposed"), Some(HeaderValue::from_static(exposed))),
        (header::CACHE_CONTROL, Some(HeaderValue::from_static("no-store"))),
        (header::X_CONTENT_TYPE_OPTIONS, Some(HeaderValue::from_static("nosniff"))),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
}
