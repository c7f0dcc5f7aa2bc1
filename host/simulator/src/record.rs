//! The byte-exact recording of everything that was received.
//!
//! Bytes are taken where they leave TLS, before any parser sees them; a request's own bytes are cut out of its
//! connection's afterwards, by a reader that shares no code with hyper.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::region::{Region, Role};
use crate::world::lock;

/// A request as it was received.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Its place in the order of arrival, over all connections, from 0; not reset by clearing.
    pub sequence: u64,
    /// When it was complete, by the simulator's clock.
    pub at_ms: u64,
    /// The connection that it came on: an index into [`Simulator::connections`](crate::Simulator::connections).
    pub connection: usize,
    /// What the host is for.
    pub role: Role,
    /// The data centre of the host.
    pub region: Option<Region>,
    /// The name asked for in TLS.
    pub sni: Option<String>,
    /// The `Host` header.
    pub host: String,
    /// The method.
    pub method: String,
    /// The request target, as it came.
    pub target: String,
    /// The headers as hyper read them (names in lower case), in order.
    pub headers: Vec<(String, String)>,
    /// The body, decoded from its framing.
    pub body: Vec<u8>,
    /// The request's bytes, from its first line to the end of its body, as they came.
    pub raw: Vec<u8>,
}

impl Recording {
    /// Returns the first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Returns the target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }
}

/// A connection as it was received, whether or not anything on it was valid HTTP.
#[derive(Clone, Debug)]
pub struct ConnectionRecording {
    /// The name asked for in TLS.
    pub sni: Option<String>,
    /// Whether it came to the plain consent listener.
    pub plain: bool,
    /// Every byte that was received, after TLS.
    pub raw: Vec<u8>,
}

/// A live connection's tape.
#[derive(Debug)]
pub(crate) struct Tape {
    pub index: usize,
    pub sni: Option<String>,
    pub plain: bool,
    bytes: Mutex<Bytes>,
    /// What goes out in place of the next answer.
    instead: Mutex<Option<Vec<u8>>>,
}

#[derive(Debug, Default)]
struct Bytes {
    received: Vec<u8>,
    /// Where the next request starts.
    offset: usize,
}

impl Tape {
    /// Has these bytes sent, and nothing that is written after this.
    pub fn say_instead(&self, bytes: Vec<u8>) {
        *lock(&self.instead) = Some(bytes);
    }

    /// Returns the bytes of the request that was just read, and moves on.
    pub fn cut(&self) -> Vec<u8> {
        let mut bytes = lock(&self.bytes);
        let rest = &bytes.received[bytes.offset..];
        let raw = rest[..request_length(rest).unwrap_or(rest.len())].to_vec();
        bytes.offset += raw.len();
        raw
    }
}

/// Everything that was received.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    tapes: Mutex<Vec<Arc<Tape>>>,
    recordings: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    next: u64,
    rows: Vec<Recording>,
}

impl Journal {
    pub fn open(&self, sni: Option<String>, plain: bool) -> Arc<Tape> {
        let mut tapes = lock(&self.tapes);
        let tape =
            Arc::new(Tape { index: tapes.len(), sni, plain, bytes: Mutex::default(), instead: Mutex::default() });
        tapes.push(Arc::clone(&tape));
        tape
    }

    pub fn add(&self, mut recording: Recording) {
        let mut entries = lock(&self.recordings);
        recording.sequence = entries.next;
        entries.next += 1;
        entries.rows.push(recording);
    }

    pub fn recordings(&self) -> Vec<Recording> {
        lock(&self.recordings).rows.clone()
    }

    pub fn clear(&self) {
        lock(&self.recordings).rows.clear();
    }

    pub fn connections(&self) -> Vec<ConnectionRecording> {
        let copy = |tape: &Arc<Tape>| ConnectionRecording {
            sni: tape.sni.clone(),
            plain: tape.plain,
            raw: lock(&tape.bytes).received.clone(),
        };
        lock(&self.tapes).iter().map(copy).collect()
    }
}

/// A stream that keeps a copy of what is read from it, and says something else if it is told to.
#[derive(Debug)]
pub(crate) struct Taped<S> {
    stream: S,
    tape: Arc<Tape>,
    /// What is left to say in place of what is written; nothing written goes out any more.
    instead: Option<Vec<u8>>,
}

impl<S> Taped<S> {
    pub fn new(stream: S, tape: Arc<Tape>) -> Taped<S> {
        Taped { stream, tape, instead: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Taped<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        ctx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(ctx, buf);
        lock(&self.tape.bytes).received.extend_from_slice(&buf.filled()[before..]);
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Taped<S> {
    fn poll_write(mut self: Pin<&mut Self>, ctx: &mut Context<'_>, buf: &[u8]) -> Poll<std::io::Result<usize>> {
        let this = &mut *self;
        if let Some(bytes) = lock(&this.tape.instead).take() {
            this.instead = Some(bytes);
        }
        let Some(instead) = &mut this.instead else {
            return Pin::new(&mut this.stream).poll_write(ctx, buf);
        };
        while !instead.is_empty() {
            let said = ready!(Pin::new(&mut this.stream).poll_write(ctx, instead))?;
            instead.drain(..said);
        }
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(ctx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, ctx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(ctx)
    }
}

/// Returns the length of the first request in the bytes, if it is complete.
fn request_length(bytes: &[u8]) -> Option<usize> {
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let head = head_length(&bytes[start..])? + start;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let header = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(|value| value.trim().to_owned()))
    };
    if header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        return Some(head + chunked_length(&bytes[head..])?);
    }
    let length = header("content-length").and_then(|value| value.parse::<usize>().ok()).unwrap_or(0);
    (bytes.len() >= head + length).then_some(head + length)
}

/// Returns the length up to and with the empty line; a bare LF ends a line as well.
fn head_length(bytes: &[u8]) -> Option<usize> {
    let mut line_start = 0;
    for (index, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
        let line = &bytes[line_start..index];
        if line.is_empty() || line == b"\r" {
            return Some(index + 1);
        }
        line_start = index + 1;
    }
    None
}

fn chunked_length(bytes: &[u8]) -> Option<usize> {
    let mut position = 0;
    loop {
        let line = bytes[position..].iter().position(|byte| *byte == b'\n')?;
        let text = String::from_utf8_lossy(&bytes[position..position + line]).into_owned();
        let size = usize::from_str_radix(text.split(';').next()?.trim(), 16).ok()?;
        position += line + 1;
        if size == 0 {
            return Some(position + head_length(&bytes[position..])?);
        }
        position = position.checked_add(size)?.checked_add(2).filter(|end| *end <= bytes.len())?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cuts the first part off the two together; an incomplete one is not cut.
    #[track_caller]
    fn check(first: &str, rest: &str, is_complete: bool) {
        let cut = request_length(format!("{first}{rest}").as_bytes());
        assert_eq!(cut, is_complete.then_some(first.len()));
    }

    #[test]
    fn requests_are_cut_at_their_own_end() {
        check("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /2", true);
        check("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "GET", true);
        check("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n", "GET", true);
        check("\r\nGET / HTTP/1.1\n\n", "GET", true);
        check("GET / HTTP/1.1\r\nHost: a\r\n", "", false);
        check("POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc", "", false);
    }
}
