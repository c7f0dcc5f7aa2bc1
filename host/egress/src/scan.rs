//! The scan of answers: what an upstream sends becomes a [`Scrubbed`] here, and nowhere else.
//!
//! Headers pass by an allow-list; every stored secret, in every listed spelling, is cut out of header values and
//! body. What is compressed is unpacked first; what cannot be read (another coding, a part) is refused. This is defence
//! in depth: an upstream that spells a token in a way that is not listed gets it through (promise 1).

mod body;
mod edit;
mod headers;
mod links;
mod unpack;

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::Instant;
use wardlock_core::id::ConnectionName;
use wardlock_core::service::ServiceDefinition;

use crate::companions::Companions;
use crate::vault::{Needles, Vault};
use body::Source;
use edit::Again;
use unpack::{Coding, Unpacker};

pub use body::{ScrubbedBody, ScrubbedStream};
pub use edit::EditError;

/// Answers up to this size are read whole before the agent gets a byte; larger ones are scanned as they flow, and so are
/// those of a type that the service lists as flowing.
pub const BUFFERED: usize = 4 * 1024 * 1024;

/// Why an answer does not reach the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScanError {
    /// It unpacks to far more than it is.
    #[error("the answer is compressed beyond all measure, so it is not unpacked")]
    Bomb,
    /// It is compressed, although identity was asked for, in a way that is not unpacked, or not as it says.
    #[error("the answer is encoded, so it cannot be scanned for secrets")]
    Encoded,
    /// The vault was locked while it flowed.
    #[error("the vault was locked, so the answer can no longer be scanned for secrets")]
    Locked,
    /// It is a piece of an answer, which nobody asked for.
    #[error("the answer is a part or a protocol switch, so it cannot be scanned for secrets")]
    Partial,
    /// It broke off.
    #[error("the answer broke off")]
    Broken,
    /// A plugin must judge it whole, and it flows or is larger than what is held.
    #[error("the answer flows or is larger than {} MiB, and a plugin must judge it whole", BUFFERED >> 20)]
    NotHeld,
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
    again: Again,
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

    /// Returns the body; `None` where it flows.
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
    /// What stands before a path of the provider's in a link that leads through the proxy; `None`: links stay as they are.
    pub links_to: Option<String>,
    pub needles: Arc<Needles>,
    /// What goes beside the token: what of it no vault holds is looked for, too.
    pub companions: &'a Arc<Companions>,
    /// Where those come from that a flowing body is to be searched for later. It keeps no vault open.
    pub vault: Weak<Vault>,
    /// Whether plugins must judge the answer whole: what cannot be held is refused.
    pub holds: bool,
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
        let unpacker = Unpacker::of(Coding::of(&head.headers)?);
        let flows = head.status.is_success() && self.flows(&head.headers);
        let replacement = format!("[REDACTED:{}]", self.connection).into_bytes();
        let (headers, in_headers) = headers::pass(&self, &head.headers, &replacement);
        let again = Again { needles: Arc::clone(&self.needles), replacement: replacement.clone() };
        let (body, redactions) =
            body::read(&self, Source::new(incoming, unpacker), flows, replacement, in_headers).await?;
        Ok(Scrubbed { status: head.status, headers, body, redactions, again })
    }

    /// Returns whether the answer's type is one that is read as it comes.
    fn flows(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media_type = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.service.answer.flowing_types.contains(&media_type)
    }
}
