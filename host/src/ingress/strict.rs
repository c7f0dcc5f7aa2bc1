//! A byte stream that passes only HTTP/1.1 with one framing on to hyper.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::framing::Framing;

/// Bytes that hyper's parser answers with 400 and a closed connection.
const REFUSED: &[u8] = b"\0\r\n\r\n";

/// Checks the framing of everything that is read; writes pass unchanged.
pub struct StrictStream<S> {
    inner: S,
    framing: Framing,
    /// Checked bytes that hyper has not taken yet, from `taken` on.
    ready: Vec<u8>,
    taken: usize,
    refused: bool,
    scratch: Box<[u8]>,
}

impl<S> StrictStream<S> {
    /// Wraps an accepted connection.
    pub fn new(inner: S) -> Self {
        let scratch = vec![0; 16 << 10].into_boxed_slice();
        Self { inner, framing: Framing::default(), ready: Vec::new(), taken: 0, refused: false, scratch }
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
            if this.hand_over(buffer) || this.refused {
                // After a refusal nothing more is read: hyper sees the end of the stream.
                return Poll::Ready(Ok(()));
            }
            let mut chunk = ReadBuf::new(&mut this.scratch);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            if let Err(misframed) = this.framing.feed(chunk.filled(), &mut this.ready) {
                tracing::debug!(reason = misframed.0, "a request was refused for its framing");
                this.refused = true;
                this.ready.extend_from_slice(REFUSED);
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
