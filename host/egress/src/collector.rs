//! The addresses besides providers that are dialled: where the operator wants spans to be told, and that a request waits. They get no
//! secret, nor anything of a request's head or body.
//!
//! The address is the operator's own, so it may lie in a private network. Redirects are not followed, and nothing of the
//! environment, such as a proxy, changes where it leads.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::dialer::Dialer;

/// Until TCP is up.
const CONNECT: Duration = Duration::from_secs(3);
/// Until the answer is there: nothing waits for it, but what is told later waits in a bounded queue.
const TOTAL: Duration = Duration::from_secs(5);
/// A collector's answer is a few bytes; more of it is not read.
const ANSWER: usize = 64 << 10;

/// Why a collector was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CollectorError {
    /// Nobody is there, or whoever is there broke off.
    #[error("it cannot be reached")]
    Unreachable,
    /// It is too slow.
    #[error("it does not answer in time")]
    Timeout,
    /// It answered something other than success; a redirect is not followed.
    #[error("it answers with status {0}")]
    Status(u16),
}

/// A collector of messages, and the connections to it.
#[derive(Debug)]
pub struct Collector {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    address: Uri,
    kind: header::HeaderValue,
}

impl Collector {
    /// Sets the way to an address up that takes messages of a content type; nothing is dialled yet.
    pub fn new(address: Uri, kind: &'static str, dialer: &Dialer) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(dialer.tls())
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(connector);
        Self { client, address, kind: header::HeaderValue::from_static(kind) }
    }

    /// Posts one message.
    pub async fn tell(&self, message: Vec<u8>) -> Result<(), CollectorError> {
        let mut request = Request::new(Full::new(Bytes::from(message)));
        *request.method_mut() = Method::POST;
        request.uri_mut().clone_from(&self.address);
        request.headers_mut().insert(header::CONTENT_TYPE, self.kind.clone());
        let told = async {
            let answer = self.client.request(request).await.map_err(|_| CollectorError::Unreachable)?;
            let status = answer.status();
            // Read to its end, so that the connection serves the next message; what it says helps nobody here.
            let _ = Limited::new(answer.into_body(), ANSWER).collect().await;
            if status.is_success() { Ok(()) } else { Err(CollectorError::Status(status.as_u16())) }
        };
        tokio::time::timeout(TOTAL, told).await.unwrap_or(Err(CollectorError::Timeout))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that answers everything with one head, and counts who called.
    async fn server(answer: &'static str) -> (Uri, tokio::sync::mpsc::UnboundedReceiver<Vec<u8>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = format!("http://{}/v1/traces", listener.local_addr().expect("an address"));
        let (sender, received) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut bytes = vec![0; 4096];
                let count = stream.read(&mut bytes).await.expect("a request");
                bytes.truncate(count);
                let _ = sender.send(bytes);
                stream.write_all(answer.as_bytes()).await.expect("an answer");
            }
        });
        (address.parse().expect("an address"), received)
    }

    fn collector(address: Uri) -> Collector {
        let dialer = Dialer::fixed(BTreeMap::new(), Vec::new()).expect("a dialer");
        Collector::new(address, "application/x-protobuf", &dialer)
    }

    #[tokio::test]
    async fn a_message_is_posted_to_the_address_and_says_what_it_is() {
        let (address, mut received) =
            server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        collector(address).tell(b"message".to_vec()).await.expect("told");
        let request = String::from_utf8(received.recv().await.expect("a request")).expect("UTF-8");
        assert!(
            request.starts_with("POST /v1/traces HTTP/1.1\r\n") && request.ends_with("\r\n\r\nmessage"),
            "{request}"
        );
        assert!(request.contains("content-type: application/x-protobuf\r\n"), "{request}");
        assert_eq!(request.matches("\r\n").count(), 5, "no header but host, length and type: {request}");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed_and_a_dead_address_is_an_error() {
        let (elsewhere, mut lured) =
            server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await;
        let redirect = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        let (address, _received) = server(redirect.leak()).await;
        assert_eq!(collector(address).tell(Vec::new()).await, Err(CollectorError::Status(307)));
        assert!(lured.try_recv().is_err(), "nobody came there");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address =
            format!("http://{}/", listener.local_addr().expect("an address")).parse().expect("an address");
        drop(listener);
        assert_eq!(collector(address).tell(Vec::new()).await, Err(CollectorError::Unreachable));
    }
}
