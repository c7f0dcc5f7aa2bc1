//! A byte stream that passes only HTTP/1.1 with one framing on to hyper.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::{Framing, Misframed};

/// Stands in for a head that is not passed on, so that the refusal has a request to answer. No client can send it: a
/// target that begins with no slash is misframed.
const REFUSED_HEAD: &[u8] = b"OPTIONS * HTTP/1.1\r\nconnection: close\r\n\r\n";
/// The target of [`REFUSED_HEAD`].
pub const REFUSED_TARGET: &str = "*";
/// Bytes that no chunked body goes on with: whoever reads the body is told that it broke off.
const REFUSED_BODY: &[u8] = b"\0\r\n\r\n";

/// Why a connection's bytes are no longer passed on; empty as long as they are.
pub type Refused = Arc<OnceLock<Misframed>>;

/// Checks the framing of everything that is read; writes pass unchanged.
pub struct StrictStream<S> {
    inner: S,
    framing: Framing,
    /// Checked bytes that hyper has not taken yet, from `taken` on.
    ready: Vec<u8>,
    taken: usize,
    refused: Refused,
    /// What hyper is told after the last of `ready`.
    end: End,
    scratch: Box<[u8]>,
}

/// How the stream of checked bytes goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// With what the peer sends.
    Open,
    /// With silence: hyper would take an end for a client that has gone, and drop the refusal.
    Silent,
    /// Not at all.
    Closed,
}

impl<S> StrictStream<S> {
    /// Wraps an accepted connection.
    pub fn new(inner: S) -> Self {
        let scratch = vec![0; 16 << 10].into_boxed_slice();
        let (framing, refused) = (Framing::default(), Refused::default());
        Self { inner, framing, ready: Vec::new(), taken: 0, refused, end: End::Open, scratch }
    }

    /// Returns where the reason will stand if bytes are refused.
    pub fn refused(&self) -> Refused {
        Arc::clone(&self.refused)
    }

    /// Passes nothing more on.
    fn refuse(&mut self, misframed: Misframed) {
        // There is one refusal a connection: nothing is checked after it.
        let _ = self.refused.set(misframed);
        let (instead, end) =
            if self.framing.at_head() { (REFUSED_HEAD, End::Silent) } else { (REFUSED_BODY, End::Closed) };
        self.ready.extend_from_slice(instead);
        self.end = end;
    }

    /// Hands checked bytes over; `false` when there are none.
    fn hand_over(&mut self, buffer: &mut ReadBuf<'_>) -> bool {
        let waiting = &self.ready[self.taken..];
        if waiting.is_empty() {
            return false;
        }
        let count = waiting.len().min(buffer.remaining());
        buffer.put_slice(&waiting[..count]);
        self.taken += count;
        if self.taken == self.ready.len() {
            self.ready.clear();
            self.taken = 0;
        }
        true
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StrictStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.hand_over(buffer) || this.end == End::Closed {
                return Poll::Ready(Ok(()));
            }
            let mut chunk = ReadBuf::new(&mut this.scratch);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut chunk))?;
            match (chunk.filled(), this.end) {
                ([], End::Silent) => return Poll::Pending,
                ([], _) => return Poll::Ready(Ok(())),
                // What comes after a refusal is read and dropped: unread, it would make the kernel cut the answer off.
                (_, End::Silent) => {}
                (bytes, _) => {
                    if let Err(misframed) = this.framing.feed(bytes, &mut this.ready) {
                        this.refuse(misframed);
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StrictStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
