//! What reaches an agent: a scanned answer, or a refusal that the host made. There is no third kind.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::channel::{Channel, Sender};
use http_body_util::{BodyExt as _, Either, Limited};
use hyper::body::{Body, Frame, SizeHint};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use tokio::sync::oneshot;
use wardlock_core::answer::{FailedRecord, Failures, Outcome, PartReading};
use wardlock_core::id::RequestId;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_core::service::RefusalShape;
use wardlock_egress::BUFFERED;

use super::places::Held;

/// Bytes of a whole body that are handed over at once. What hyper took, it keeps until the agent has read it, so more would let a
/// slow reader keep a whole answer without its place.
const PIECE: usize = 32 << 10;

/// The body type of every reply: whole, or an answer that flows.
pub type AgentBody = Either<WholeBody, FlowingBody>;

/// A body that is there. It is handed over in pieces, and its request's place is taken until the last.
#[derive(Debug)]
pub struct WholeBody {
    left: Bytes,
    place: Option<Held>,
}

impl WholeBody {
    /// Makes one that needs no place.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self { left: bytes.into(), place: None }
    }
}

impl Body for WholeBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        let count = self.left.len().min(PIECE);
        let piece = self.left.split_to(count);
        Poll::Ready((!piece.is_empty()).then_some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.len() as u64)
    }
}

/// The body of an answer that flows. Whoever fills it learns when nobody reads it any more.
#[derive(Debug)]
pub struct FlowingBody {
    pieces: Channel<Bytes, BrokenOff>,
    place: Option<Held>,
    /// Tells by its end that this is gone.
    _alive: oneshot::Sender<()>,
}

impl FlowingBody {
    /// Makes one that holds so many pieces, with its other end, and what resolves when the body is gone.
    pub(crate) fn new(pieces: usize) -> (Sender<Bytes, BrokenOff>, Self, oneshot::Receiver<()>) {
        let (sender, pieces) = Channel::new(pieces);
        let (alive, gone) = oneshot::channel();
        (sender, Self { pieces, place: None, _alive: alive }, gone)
    }
}

impl Body for FlowingBody {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        Pin::new(&mut self.pieces).poll_frame(cx)
    }
}

/// An answer that flowed ended before its end.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the upstream's answer broke off")]
pub struct BrokenOff;

/// An answer that was scanned and is kept for its agent: what [`Reply::keep`] made, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    /// The status.
    pub status: u16,
    /// The headers, those of the host too: names in lower case and values.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
}

impl KeptAnswer {
    /// Returns the first header of that (lower-case) name, as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(given, _)| given == name)?;
        std::str::from_utf8(value).ok()
    }
}

/// A reply. Made from a scanned answer or from a [`Refusal`] only.
pub struct Reply {
    status: u16,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: AgentBody,
}

impl Reply {
    /// Passes a scanned answer on: its parts come out of a `Scrubbed`, in `delivery`.
    pub(crate) fn answered(
        id: &RequestId,
        outcome: Outcome,
        status: u16,
        headers: HeaderMap,
        exposed: bool,
        body: Bytes,
    ) -> Self {
        let exposed = if exposed { "redacted" } else { "false" };
        let headers = answer_headers(headers).chain(own_headers("allow", id, Some(outcome.as_str()), exposed));
        Self { status, headers: headers.collect(), body: whole(body) }
    }

    /// Passes an answer on while it is scanned; what it will have been, only its end can tell.
    pub(crate) fn flowing(id: &RequestId, status: u16, headers: HeaderMap, body: FlowingBody) -> Self {
        let headers = answer_headers(headers).chain(own_headers("allow", id, Some("pending"), "pending"));
        Self { status, headers: headers.collect(), body: Either::Right(body) }
    }

    /// Tells how long the request waited for its turn at the provider, if it did: whoever sends too many at once learns it.
    #[must_use]
    pub(crate) fn after_waiting(mut self, waited: Duration) -> Self {
        let milliseconds = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
        if milliseconds > 0 {
            self.headers.push((HeaderName::from_static("wardlock-queued-ms"), HeaderValue::from(milliseconds)));
        }
        self
    }

    /// Tells what the provider's error means, and how long to wait where only its body says so.
    #[must_use]
    pub(crate) fn explained(mut self, hint: Option<String>, retry_after: Option<u32>) -> Self {
        // A definition may hold any character, a header only ASCII (RFC 9110 section 5.5).
        let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
        let hint = hint.map(|hint| hint.chars().map(plain).collect::<String>());
        if let Some(value) = hint.and_then(|hint| HeaderValue::try_from(hint).ok()) {
            self.headers.push((HeaderName::from_static("wardlock-hint"), value));
        }
        let told = self.headers.iter().any(|(name, _)| *name == header::RETRY_AFTER);
        if let Some(seconds) = retry_after.filter(|_| !told) {
            self.headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        self
    }

    /// Tells what came of each request that another carried, in their order: `ok, failed INVALID_DATA`.
    #[must_use]
    pub(crate) fn part_by_part(mut self, parts: &[PartReading]) -> Self {
        let is_word = |code: &&String| {
            code.len() <= 64 && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
        };
        let word = |part: &PartReading| match part.code.as_ref().filter(is_word) {
            Some(code) => format!("{} {code}", part.as_str()),
            None => part.as_str().to_owned(),
        };
        let told = parts.iter().map(word).collect::<Vec<_>>().join(", ");
        if let (false, Ok(value)) = (parts.is_empty(), HeaderValue::try_from(told)) {
            self.headers.push((HeaderName::from_static("wardlock-parts"), value));
        }
        self
    }

    /// Tells how many of its records failed, `2/7`, and the first of them by place and code: `2 INVALID_DATA, 5`.
    #[must_use]
    pub(crate) fn failing(mut self, failures: Option<&Failures>) -> Self {
        let Some(failures) = failures else { return self };
        let word = |one: &FailedRecord| match &one.code {
            Some(code) => format!("{} {code}", one.number),
            None => one.number.to_string(),
        };
        let first = failures.first.iter().map(word).collect::<Vec<_>>().join(", ");
        let told = [
            (HeaderName::from_static("wardlock-failed"), format!("{}/{}", failures.failed, failures.of)),
            (HeaderName::from_static("wardlock-failed-at"), first),
        ];
        let valid = told.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)));
        self.headers.extend(valid);
        self
    }

    /// Tells which plugins took something out of the answer.
    #[must_use]
    pub(crate) fn edited_by(mut self, plugins: &[String]) -> Self {
        if let (false, Ok(value)) = (plugins.is_empty(), HeaderValue::try_from(plugins.join(", "))) {
            self.headers.push((HeaderName::from_static("wardlock-answer-edited-by"), value));
        }
        self
    }

    /// Keeps the request's place until the agent has taken the answer: as long, the answer is in memory.
    #[must_use]
    pub(crate) fn holding(mut self, place: Held) -> Self {
        match &mut self.body {
            Either::Left(body) => body.place = Some(place),
            Either::Right(body) => body.place = Some(place),
        }
        self
    }

    /// Tells what the host itself knows.
    pub(crate) fn own(id: &RequestId, document: &serde_json::Value) -> Self {
        let mut headers: Vec<_> = own_headers("allow", id, None, "false").collect();
        headers.push((header::CONTENT_TYPE, HeaderValue::from_static("application/json")));
        Self { status: 200, headers, body: whole(document.to_string()) }
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
        let mut headers: Vec<_> = own_headers(decision, id, outcome.map(Outcome::as_str), "false").collect();
        if let Ok(value) = HeaderValue::from_str(content_type) {
            headers.push((header::CONTENT_TYPE, value));
        }
        if let Some(seconds) = refusal.retry_after {
            headers.push((header::RETRY_AFTER, HeaderValue::from(seconds)));
        }
        if refusal.code == Code::Unauthenticated {
            headers.push((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"wardlock\"")));
        }
        let closes = matches!(
            refusal.code,
            Code::BadRequest | Code::HeadTooLarge | Code::BodyTooLarge | Code::RequestTimeout
        );
        if closes {
            headers.push((header::CONNECTION, HeaderValue::from_static("close")));
        }
        Self { status: refusal.code.status(), headers, body: whole(document.to_string()) }
    }

    /// Tells a refusal of a request that was never admitted.
    pub fn refused_early(id: &RequestId, refusal: &Refusal) -> Self {
        Self::refused(id, "deny", None, refusal, None)
    }

    /// Keeps an answer instead of sending it; `None`: it is larger than what is held, or broke off.
    pub(crate) async fn keep(self) -> Option<KeptAnswer> {
        let body = Limited::new(self.body, BUFFERED).collect().await.ok()?.to_bytes();
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
        Some(KeptAnswer { status: self.status, headers: headers.collect(), body: body.to_vec() })
    }

    /// Gives an answer that was kept. The request that asks for it has an id of its own; the answer keeps that of its own request.
    pub(crate) fn kept(id: &RequestId, answer: KeptAnswer) -> Self {
        let named = |(name, value): (String, Vec<u8>)| {
            Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
        };
        let mut headers: Vec<_> = answer.headers.into_iter().filter_map(named).collect();
        if let Ok(value) = HeaderValue::from_str(id.as_str()) {
            headers.push((HeaderName::from_static("wardlock-fetched-by"), value));
        }
        Self { status: answer.status, headers, body: whole(answer.body) }
    }

    /// Tells a client that asked for it (`Prefer: respond-async`, RFC 7240 section 4.1) that its request is held.
    #[must_use]
    pub(crate) fn accepted(mut self, id: &RequestId, refusal: &Refusal, shape: Option<&RefusalShape>) -> Self {
        self.status = StatusCode::ACCEPTED.as_u16();
        if shape.is_none() {
            self.body = whole(refusal.problem_under(id.as_str(), self.status).to_string());
        }
        let preference = HeaderName::from_static("preference-applied");
        self.headers.push((preference, HeaderValue::from_static("respond-async")));
        let place = refusal.draft.as_ref().and_then(|place| HeaderValue::from_str(&place.url).ok());
        self.headers.extend(place.map(|place| (header::LOCATION, place)));
        self
    }

    /// Returns what came of the request, where its answer says so.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        let (_, value) = self.headers.iter().find(|(name, _)| name.as_str() == "wardlock-outcome")?;
        Outcome::ALL.into_iter().find(|outcome| value.as_bytes() == outcome.as_str().as_bytes())
    }

    /// Returns the status, for tracing.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Builds the response. `Content-Length` is hyper's.
    pub fn into_response(self) -> Response<AgentBody> {
        let mut response = Response::new(self.body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_GATEWAY);
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response
    }
}

fn whole(bytes: impl Into<Bytes>) -> AgentBody {
    Either::Left(WholeBody::new(bytes))
}

fn answer_headers(headers: HeaderMap) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let mut last = None;
    headers.into_iter().filter_map(move |(name, value)| {
        // A further value of the same name comes without it.
        last = name.or_else(|| last.take());
        last.clone().map(|name| (name, value))
    })
}

fn own_headers(
    decision: &'static str,
    id: &RequestId,
    outcome: Option<&'static str>,
    exposed: &'static str,
) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let id = HeaderValue::from_str(id.as_str()).ok();
    [
        (HeaderName::from_static("wardlock-decision"), Some(HeaderValue::from_static(decision))),
        (HeaderName::from_static("wardlock-request-id"), id),
        (HeaderName::from_static("wardlock-outcome"), outcome.map(HeaderValue::from_static)),
        (HeaderName::from_static("wardlock-secret-exposed"), Some(HeaderValue::from_static(exposed))),
        (header::CACHE_CONTROL, Some(HeaderValue::from_static("no-store"))),
        (header::X_CONTENT_TYPE_OPTIONS, Some(HeaderValue::from_static("nosniff"))),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wardlock_core::id::{AgentName, WorkspaceName};

    use super::super::places::Places;
    use super::super::slots::Slots;
    use super::*;

    #[tokio::test]
    async fn a27_an_answer_keeps_its_place_until_the_last_piece_is_taken() {
        let places = Places::new(1, 1);
        let whose = (WorkspaceName::parse("acme").expect("a name"), AgentName::parse("slow").expect("a name"));
        let connection = Arc::new(Slots::new(1).take().expect("a slot").0);
        let place = places.take(&whose.0, &whose.1).expect("a place").on(connection.busy());
        let mut body = WholeBody { left: Bytes::from(vec![7; 2 * PIECE + 1]), place: Some(place) };
        assert_eq!(body.size_hint().exact(), Some(2 * PIECE as u64 + 1));
        for length in [PIECE, PIECE, 1] {
            assert!(!body.is_end_stream());
            assert_eq!(places.in_use(), 1);
            let piece = body.frame().await.expect("a piece").expect("no error").into_data().expect("data");
            assert_eq!(piece.len(), length);
        }
        assert!(body.is_end_stream() && body.frame().await.is_none());
        drop(body);
        assert_eq!(places.in_use(), 0);
    }
}
