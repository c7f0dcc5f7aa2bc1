//! The scan of answers: what an upstream sends becomes a [`Scrubbed`] here, and nowhere else.
//!
//! Headers pass by an allow-list; every stored secret, in every listed spelling, is cut out of header values and
//! body. What cannot be read (compressed, partial) is refused. This is defence in depth: an upstream that spells a
//! token in a way that is not listed gets it through (promise 1).

mod body;
mod headers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;
use wardlock_core::id::ConnectionName;
use wardlock_core::service::ServiceDefinition;

use crate::vault::Needles;

pub use body::{ScrubbedBody, ScrubbedStream};

/// Answers up to this size are read whole before the agent gets a byte; larger ones are scanned as they flow.
pub const BUFFERED: usize = 4 * 1024 * 1024;

/// Why an answer does not reach the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It is compressed although identity was asked for.
    #[error("the answer is encoded, so it cannot be scanned for secrets")]
    Encoded,
    /// It is a piece of an answer, which nobody asked for.
    #[error("the answer is a part or a protocol switch, so it cannot be scanned for secrets")]
    Partial,
    /// It broke off.
    #[error("the answer broke off")]
    Broken,
    /// It came too slowly.
    #[error("the answer did not end in time")]
    Timeout,
}

/// An answer that was scanned. Only this module makes one.
#[derive(Debug)]
#[must_use]
pub struct Scrubbed {
    status: StatusCode,
    headers: HeaderMap,
    body: ScrubbedBody,
    redactions: usize,
}

impl Scrubbed {
    /// Returns the status.
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// Returns the headers that may reach the agent. Framing is for whoever sends it.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the body; `None` where it is larger than [`BUFFERED`] and flows.
    pub fn body(&self) -> Option<&Bytes> {
        match &self.body {
            ScrubbedBody::Whole(bytes) => Some(bytes),
            ScrubbedBody::Flowing(_) => None,
        }
    }

    /// Returns how many places were cut so far: all of them, unless the body flows.
    pub fn redactions(&self) -> usize {
        self.redactions
    }

    /// Returns whether the upstream showed a stored secret, which was cut out.
    pub fn exposed(&self) -> bool {
        self.redactions > 0
    }

    /// Gives the body, to be sent.
    pub fn into_body(self) -> ScrubbedBody {
        self.body
    }
}

/// What a scan goes by.
pub(crate) struct Scan<'a> {
    pub service: &'a ServiceDefinition,
    pub connection: &'a ConnectionName,
    /// The host that was asked; a `Location` on another one is dropped.
    pub host: &'a str,
    pub needles: Arc<Needles>,
    /// When the buffered part must be there.
    pub deadline: Instant,
    /// How long a flowing body may be silent.
    pub idle: Duration,
}

impl Scan<'_> {
    /// Scans an answer.
    pub async fn scrub(self, answer: Response<Incoming>) -> Result<Scrubbed, ScanError> {
        let (head, incoming) = answer.into_parts();
        headers::check(head.status, &head.headers)?;
        let replacement = format!("[REDACTED:{}]", self.connection).into_bytes();
        let (headers, in_headers) = headers::pass(&self, &head.headers, &replacement);
        let (body, redactions) = body::read(&self, incoming, replacement, in_headers).await?;
        Ok(Scrubbed { status: head.status, headers, body, redactions })
    }
}
