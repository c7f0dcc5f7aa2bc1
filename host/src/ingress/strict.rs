//! A byte stream that passes only HTTP/1.1 with one framing on to hyper, and waits for no slow client.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::framing::{Framing, Misframed};
use super::unread::Unread;

/// Stands in for a head that is not passed on, so that the refusal has a request to answer. No client can send it: a
/// target that begins with no slash is misframed.
const REFUSED_HEAD: &[u8] = b"OPTIONS * HTTP/1.1\r\nconnection: close\r\n\r\n";
/// The target of [`REFUSED_HEAD`].
pub const REFUSED_TARGET: &str = "*";
/// Bytes that no chunked body goes on with: whoever reads the body is told that it broke off.
const REFUSED_BODY: &[u8] = b"\0\r\n\r\n";

/// Why a connection's bytes are no longer passed on; empty as long as they are.
pub type Refused = Arc<OnceLock<Misframed>>;

/// Checks the framing of everything that is read, and whether it arrives; writes pass unchanged as long as they are read.
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
    /// Within what time a head must have arrived, and when it must if one has begun.
    head_time: Duration,
    head_due: Option<Pin<Box<Sleep>>>,
    unread: Unread,
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
    /// Wraps an accepted connection: a head must arrive, and an answer be read, within these times.
    pub fn new(inner: S, head_time: Duration, unread_time: Duration) -> Self {
        Self {
            inner,
            framing: Framing::default(),
            ready: Vec::new(),
            taken: 0,
            refused: Refused::default(),
            end: End::Open,
            scratch: vec![0; 16 << 10].into_boxed_slice(),
            head_time,
            head_due: None,
            unread: Unread::new(unread_time),
        }
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

    /// Returns whether a head that has begun should have arrived by now; whoever asks is woken when it should.
    fn head_is_late(&mut self, cx: &mut Context<'_>) -> bool {
        if self.end != End::Open || !self.framing.in_head() {
            self.head_due = None;
            return false;
        }
        let due = self.head_due.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.head_time)));
        due.as_mut().poll(cx).is_ready()
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
            // Not cleared: a connection that waits must not hold the room of its last head.
            self.ready = Vec::new();
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
            match Pin::new(&mut this.inner).poll_read(cx, &mut chunk) {
                Poll::Ready(read) => read?,
                Poll::Pending if this.head_is_late(cx) => {
                    this.refuse(Misframed::Late);
                    continue;
                }
                Poll::Pending => return Poll::Pending,
            }
            match (chunk.filled(), this.end) {
                ([], End::Silent) => return Poll::Pending,
                ([], _) => return Poll::Ready(Ok(())),
                // What comes after a refusal is read and dropped: unread, it would make the kernel cut the answer off.
                (_, End::Silent) => {}
                (bytes, _) => {
                    if let Err(misframed) = this.framing.feed(bytes, &mut this.ready) {
                        this.refuse(misframed);
                    }
                    if !this.ready.is_empty() {
                        this.head_due = None;
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StrictStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.unread.check(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.unread.check(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever flushes has written all there is.
        self.unread.all_taken();
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
