//! An HTTP/1.1 client of bytes. It sends exactly what it is given, so that a test can send what no library would, and
//! keeps every byte that comes back.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// Longer than any answer takes; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(30);

/// One connection.
pub struct RawClient {
    stream: TcpStream,
    /// Received and not yet taken.
    pending: Vec<u8>,
}

/// A reply, taken apart.
#[derive(Debug, Clone)]
pub struct RawReply {
    /// The status code.
    pub status: u16,
    /// Header fields in order; names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, with chunks joined.
    pub body: Vec<u8>,
    /// The reply as it came, byte for byte.
    pub bytes: Vec<u8>,
}

impl RawReply {
    /// Returns the first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Reads the body as JSON.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("no JSON: {}", String::from_utf8_lossy(&self.body)))
    }
}

/// Sends bytes on a connection of their own and reads one reply.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<RawReply> {
    let mut client = RawClient::connect(address)?;
    client.send(bytes);
    client.read_reply()
}

/// Sends bytes on a connection of their own and reads all that comes until the other side closes.
pub fn exchange_all(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut client = RawClient::connect(address)?;
    client.send(bytes);
    client.read_to_end()
}

impl RawClient {
    /// Connects.
    pub fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, pending: Vec::new() })
    }

    /// Sends bytes. A server that refuses early may close before it has read all of them, so a failure here is none:
    /// what it answered counts.
    pub fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes);
    }

    /// Sends bytes one at a time, each as a packet of its own.
    pub fn drip(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.send(&[*byte]);
        }
    }

    /// Reads one reply.
    pub fn read_reply(&mut self) -> anyhow::Result<RawReply> {
        self.read(true)
    }

    /// Reads the reply to a HEAD request: it has the length of a body and no body.
    pub fn read_reply_to_head(&mut self) -> anyhow::Result<RawReply> {
        self.read(false)
    }

    /// Reads all that comes until the other side closes.
    pub fn read_to_end(&mut self) -> anyhow::Result<Vec<u8>> {
        while self.more()? {}
        Ok(std::mem::take(&mut self.pending))
    }

    fn read(&mut self, with_body: bool) -> anyhow::Result<RawReply> {
        let mut bytes = self.take_until(b"\r\n\r\n")?;
        let (status, headers) = parse_head(&bytes)?;
        let mut reply = RawReply { status, headers, body: Vec::new(), bytes: Vec::new() };
        if with_body && status >= 200 && status != 204 && status != 304 {
            let (body, wire) = self.read_body(&reply)?;
            reply.body = body;
            bytes.extend(wire);
        }
        reply.bytes = bytes;
        Ok(reply)
    }

    /// Returns the body, and the bytes that it came as.
    fn read_body(&mut self, head: &RawReply) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        if head.header("transfer-encoding") == Some("chunked") {
            return self.read_chunks();
        }
        let body = match head.header("content-length") {
            Some(length) => self.take(length.parse().context("the reply's Content-Length")?)?,
            None => self.read_to_end()?,
        };
        Ok((body.clone(), body))
    }

    fn read_chunks(&mut self) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
        let (mut body, mut wire) = (Vec::new(), Vec::new());
        loop {
            let line = self.take_until(b"\r\n")?;
            let digits = std::str::from_utf8(&line)?.trim();
            let size = usize::from_str_radix(digits, 16).with_context(|| format!("a chunk's size: `{digits}`"))?;
            let chunk = self.take(size + 2)?;
            ensure!(chunk.ends_with(b"\r\n"), "a chunk is longer than its size");
            body.extend_from_slice(&chunk[..size]);
            wire.extend(line);
            wire.extend(chunk);
            if size == 0 {
                return Ok((body, wire));
            }
        }
    }

    fn take(&mut self, count: usize) -> anyhow::Result<Vec<u8>> {
        while self.pending.len() < count {
            ensure!(self.more()?, "the connection ended {} bytes too early", count - self.pending.len());
        }
        Ok(self.pending.drain(..count).collect())
    }

    fn take_until(&mut self, end: &[u8]) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.pending.windows(end.len()).position(|window| window == end) {
                return self.take(at + end.len());
            }
            let so_far = self.pending.len();
            ensure!(self.more()?, "the connection ended after {so_far} bytes of a head");
        }
    }

    /// Receives more; false at the end. A server that closes with unread input resets the connection, and what it
    /// said before is still its answer.
    fn more(&mut self) -> anyhow::Result<bool> {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.pending.extend_from_slice(&buffer[..count]);
                Ok(count > 0)
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error).context("reading a reply"),
        }
    }
}

fn parse_head(bytes: &[u8]) -> anyhow::Result<(u16, Vec<(String, String)>)> {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.trim_end().split("\r\n");
    let first = lines.next().unwrap_or_default();
    let Some(status) = first.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)) else {
        bail!("no status line: `{first}`");
    };
    let status = status.parse().with_context(|| format!("no status: `{first}`"))?;
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').with_context(|| format!("no header: `{line}`"))?;
        Ok((name.to_ascii_lowercase(), value.trim().to_owned()))
    });
    Ok((status, headers.collect::<anyhow::Result<_>>()?))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::JoinHandle;

    use super::*;

    /// Answers one connection with fixed bytes once a head has come, and returns what it received.
    fn answer(bytes: &'static [u8]) -> (SocketAddr, JoinHandle<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut received = Vec::new();
            while !received.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                received.push(byte[0]);
            }
            stream.write_all(bytes).unwrap();
            received
        });
        (address, server)
    }

    #[test]
    fn bytes_go_out_as_they_are() {
        let (address, server) = answer(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2\r\nX-A: b: c\r\n\r\nno");
        let request = b"get  /../\xff HTTP/9.9\nHost: a\r\nHost: b\r\n\r\n";
        let reply = exchange(address, request).unwrap();
        assert_eq!(server.join().unwrap(), request);
        assert_eq!((reply.status, reply.body.as_slice()), (400, b"no".as_slice()));
        assert_eq!(reply.header("x-a"), Some("b: c"));
        assert!(reply.bytes.starts_with(b"HTTP/1.1 400") && reply.bytes.ends_with(b"\r\n\r\nno"));
    }

    #[test]
    fn chunks_are_joined_and_replies_kept_apart() {
        let (address, server) = answer(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n\
              HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        );
        let mut client = RawClient::connect(address).unwrap();
        client.drip(b"GET / HTTP/1.1\r\n\r\n");
        let reply = client.read_reply().unwrap();
        assert_eq!(reply.body, b"abc0123456789");
        assert_eq!(client.read_reply().unwrap().status, 204);
        assert_eq!(client.read_reply_to_head().unwrap().header("content-length"), Some("5"));
        assert!(client.read_reply().is_err(), "the connection is at its end");
        server.join().unwrap();
    }

    #[test]
    fn body_without_a_length_ends_with_the_connection() {
        let (address, server) = answer(b"HTTP/1.1 200 OK\r\n\r\n{\"a\": 1}");
        let reply = exchange(address, b"GET / HTTP/1.1\r\n\r\n").unwrap();
        assert_eq!(reply.json().unwrap()["a"], 1);
        server.join().unwrap();
    }
}
