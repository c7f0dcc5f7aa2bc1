//! Requests and replies as plain values, and how a reply becomes bytes.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method};
use hyper::body::{Body, Frame, SizeHint};
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};
use tokio::time::Sleep;

use crate::quirks::Fault;
use crate::region::Place;

/// A request, complete and decoded once.
#[derive(Clone, Debug)]
pub(crate) struct Call<P = Place> {
    /// Where in its provider it arrived.
    pub place: P,
    pub method: Method,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl<P> Call<P> {
    /// Returns the call at another place.
    pub fn at<Q>(self, place: Q) -> Call<Q> {
        let Call { method, path, query, headers, body, .. } = self;
        Call { place, method, path, query, headers, body }
    }

    pub fn segments(&self) -> Vec<String> {
        let decode = |segment: &str| percent_decode_str(segment).decode_utf8_lossy().into_owned();
        self.path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
    }

    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Returns the form fields of the body, if it is a form.
    pub fn form(&self) -> Vec<(String, String)> {
        let is_form = self.header("content-type").is_some_and(|kind| kind.contains("x-www-form-urlencoded"));
        if is_form { pairs(&String::from_utf8_lossy(&self.body)) } else { Vec::new() }
    }

    pub fn json(&self) -> Result<Value, Reply> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Reply::error(400, "JSON_PARSE_ERROR", "Error occured while parsing the JSON", json!({})))
    }
}

/// Decodes `a=b&c=d`.
pub(crate) fn pairs(text: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

/// A reply.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Sends the body in HTTP chunks of at most this many bytes.
    pub chunk_bytes: Option<usize>,
    pub fault: Option<Fault>,
    /// Goes out in place of all that.
    pub instead: Option<Vec<u8>>,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Reply {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Reply { status, headers, body: body.into(), chunk_bytes: None, fault: None, instead: None }
    }

    pub fn json(status: u16, body: &Value) -> Reply {
        Reply::new(status, "application/json;charset=UTF-8", body.to_string())
    }

    pub fn html(status: u16, body: impl Into<Vec<u8>>) -> Reply {
        Reply::new(status, "text/html;charset=UTF-8", body)
    }

    /// Returns a reply that has no body, such as 204.
    pub fn empty(status: u16) -> Reply {
        Reply { status, headers: Vec::new(), body: Vec::new(), chunk_bytes: None, fault: None, instead: None }
    }

    /// Returns bytes that need be no reply.
    pub fn bytes(bytes: Vec<u8>) -> Reply {
        let ends = Reply::empty(200).with_header("connection", "close");
        Reply { instead: Some(bytes), ..ends }
    }

    /// Returns the CRM's error envelope.
    pub fn error(status: u16, code: &str, message: &str, details: Value) -> Reply {
        let mut body = json!({"code": code, "details": {}, "message": message, "status": "error"});
        body["details"] = details;
        Reply::json(status, &body)
    }

    pub fn maintenance() -> Reply {
        Reply::html(503, "<html><head><title>Zoho</title></head><body><h1>We will be back soon</h1></body></html>")
    }

    #[must_use]
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Reply {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub fn with_fault(mut self, fault: Option<Fault>) -> Reply {
        self.fault = fault;
        self
    }

    /// Turns the reply into hyper's form; nothing where the answer is to be lost.
    pub fn into_response(self) -> Result<hyper::Response<ReplyBody>, Lost> {
        let mut builder = hyper::Response::builder().status(self.status);
        for (name, value) in &self.headers {
            builder = builder.header(name, value);
        }
        let fallback = || hyper::Response::new(ReplyBody::whole(Vec::new()));
        let body = match (self.fault, self.chunk_bytes) {
            (Some(Fault::LoseAnswer), _) => return Err(Lost),
            (Some(Fault::CutAnswer), _) => ReplyBody::cut(&self.body),
            (Some(Fault::Drip { pause }), _) => {
                ReplyBody { pause: Some(pause), ..ReplyBody::chunks(&self.body, 1) }
            }
            (None, Some(size)) => ReplyBody::chunks(&self.body, size),
            (None, None) => ReplyBody::whole(self.body),
        };
        Ok(builder.body(body).unwrap_or_else(|_| fallback()))
    }
}

/// The answer, or the rest of it, is not sent: hyper ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a fault that was asked for")
    }
}

impl std::error::Error for Lost {}

/// A body that is either one piece of known length or a row of chunks, each flushed before the next.
#[derive(Debug)]
pub(crate) struct ReplyBody {
    pieces: VecDeque<Bytes>,
    length: Option<u64>,
    flush_first: bool,
    /// Before each piece.
    pause: Option<Duration>,
    sleeping: Option<Pin<Box<Sleep>>>,
    /// Whether the connection breaks after the last piece.
    breaks: bool,
}

impl ReplyBody {
    fn whole(body: Vec<u8>) -> ReplyBody {
        let length = Some(body.len() as u64);
        let pieces = if body.is_empty() { VecDeque::new() } else { VecDeque::from([Bytes::from(body)]) };
        ReplyBody { pieces, length, flush_first: false, pause: None, sleeping: None, breaks: false }
    }

    /// Half of a body whose whole length was announced.
    fn cut(body: &[u8]) -> ReplyBody {
        let mut half = ReplyBody::whole(body[..body.len() / 2].to_vec());
        half.length = Some(body.len() as u64);
        ReplyBody { breaks: true, ..half }
    }

    fn chunks(body: &[u8], size: usize) -> ReplyBody {
        let pieces = body.chunks(size.max(1)).map(Bytes::copy_from_slice).collect();
        ReplyBody { pieces, length: None, flush_first: false, pause: None, sleeping: None, breaks: false }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Lost;

    fn poll_frame(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Lost>>> {
        if let Some(pause) = self.pause.filter(|_| !self.pieces.is_empty()) {
            let sleeping = self.sleeping.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
            ready!(sleeping.as_mut().poll(ctx));
            self.sleeping = None;
        }
        if self.breaks && self.pieces.is_empty() {
            return Poll::Ready(Some(Err(Lost)));
        }
        // A pending poll makes hyper flush what it has, so that each chunk is a write of its own.
        if self.flush_first && self.length.is_none() {
            self.flush_first = false;
            ctx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.flush_first = true;
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty() && !self.breaks
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
