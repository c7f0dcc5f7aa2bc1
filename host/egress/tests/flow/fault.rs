//! A faulty provider on loopback: it shows any certificate, reads each request, and answers with exactly the bytes that
//! a script says.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// One step of an answer.
#[derive(Clone, Debug)]
pub enum Step {
    /// These bytes, at once.
    Send(Vec<u8>),
    /// These bytes, one at a time, with this pause before each.
    Drip(Vec<u8>, Duration),
    /// These bytes, over and over, until nobody reads them.
    Forever(Vec<u8>),
    /// The end of the connection.
    Close,
    /// Silence.
    Hang,
}

/// Shorthand for text that is sent.
pub fn send(text: impl Into<Vec<u8>>) -> Step {
    Step::Send(text.into())
}

/// A whole answer with a body and the header lines that are given.
pub fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<Step> {
    let body = body.as_ref();
    let mut bytes = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend_from_slice(body);
    vec![Step::Send(bytes)]
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its head, as it came.
    pub head: String,
}

impl Seen {
    /// The token that it carries.
    pub fn token(&self) -> String {
        let line = self.head.lines().find_map(|line| line.strip_prefix("authorization: Zoho-oauthtoken "));
        line.expect("a token").to_owned()
    }
}

/// Which certificate is shown, or what is there instead of TLS.
#[derive(Clone, Copy, Debug)]
pub enum Trust {
    Good,
    Expired,
    NotYet,
    /// For another name.
    OtherHost,
    /// Signed by itself.
    SelfSigned,
    /// Signed by an authority that nobody trusts.
    UnknownAuthority,
    /// An authority for other names only signed it.
    NameConstraint,
    /// TLS 1.0 or 1.1, as the server's hello says.
    Old(u8),
    /// Plain HTTP.
    Plain,
}

type Script = Arc<dyn Fn(&Seen) -> Vec<Step> + Send + Sync>;

/// The server.
pub struct Fault {
    pub address: SocketAddr,
    /// The authority that vouches for a good certificate.
    pub ca_der: Vec<u8>,
    accepted: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fault {
    /// Answers every request as the script says.
    pub async fn answering(script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::with(Trust::Good, script).await
    }

    /// The same, with this certificate.
    pub async fn with(trust: Trust, script: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let (config, ca_der) = certificate(trust);
        let (accepted, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (count, kept, script): (_, _, Script) = (Arc::clone(&accepted), Arc::clone(&seen), Arc::new(script));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let (acceptor, kept, script) = (acceptor.clone(), Arc::clone(&kept), Arc::clone(&script));
                tokio::spawn(async move {
                    match trust {
                        Trust::Plain => serve(stream, &kept, &script).await,
                        Trust::Old(minor) => say_old_hello(stream, minor).await,
                        _ => {
                            if let Ok(stream) = acceptor.accept(stream).await {
                                serve(stream, &kept, &script).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, ca_der, accepted, seen }
    }

    /// Returns how many connections were made to it.
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Returns the requests that came.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("a lock").clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, kept: &Mutex<Vec<Seen>>, script: &Script) {
    while let Some(head) = read_request(&mut stream).await {
        let seen = Seen { head };
        kept.lock().expect("a lock").push(seen.clone());
        for step in script(&seen) {
            if carry_out(&mut stream, step).await.is_none() {
                return;
            }
        }
    }
}

/// Reads a head and the body that its length announces.
async fn read_request(stream: &mut (impl AsyncRead + Unpin)) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(bytes).ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    let mut body = vec![0; length.unwrap_or_default()];
    stream.read_exact(&mut body).await.ok()?;
    Some(head)
}

/// Returns `None` where the connection is at its end.
async fn carry_out(stream: &mut (impl AsyncWrite + Unpin), step: Step) -> Option<()> {
    match step {
        Step::Send(bytes) => stream.write_all(&bytes).await.ok()?,
        Step::Drip(bytes, pause) => {
            for byte in bytes {
                tokio::time::sleep(pause).await;
                stream.write_all(&[byte]).await.ok()?;
                stream.flush().await.ok()?;
            }
        }
        Step::Forever(bytes) => loop {
            stream.write_all(&bytes).await.ok()?;
        },
        Step::Close => {
            let _ = stream.shutdown().await;
            return None;
        }
        Step::Hang => std::future::pending().await,
    }
    stream.flush().await.ok()
}

/// Answers a client's hello with one of an old version: a `ServerHello` record (RFC 4346 section 7.4.1.3).
async fn say_old_hello(mut stream: TcpStream, minor: u8) {
    let mut hello = vec![0x16, 3, minor, 0, 42, 2, 0, 0, 38, 3, minor];
    hello.extend([7; 32]);
    // No session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
    hello.extend([0, 0x00, 0x2f, 0]);
    let _ = stream.write_all(&hello).await;
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
}

/// Makes the certificate, and the authority that is to be trusted.
fn certificate(trust: Trust) -> (ServerConfig, Vec<u8>) {
    let authority = |narrow: bool| {
        let key = KeyPair::generate().expect("a key");
        let mut ca = CertificateParams::new(Vec::new()).expect("parameters");
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        if narrow {
            let permitted_subtrees = vec![rcgen::GeneralSubtree::DnsName("other.example".to_owned())];
            ca.name_constraints =
                Some(rcgen::NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
        }
        let der = ca.self_signed(&key).expect("signed").der().to_vec();
        (Issuer::new(ca, key), der)
    };
    let (issuer, ca_der) = authority(matches!(trust, Trust::NameConstraint));
    let names = match trust {
        Trust::OtherHost => vec!["www.zohoapis.eu.evil.example".to_owned()],
        _ => vec!["www.zohoapis.eu".to_owned(), "accounts.zoho.eu".to_owned()],
    };
    let key = KeyPair::generate().expect("a key");
    let mut leaf = CertificateParams::new(names).expect("parameters");
    match trust {
        Trust::Expired => leaf.not_after = date_time_ymd(2001, 1, 1),
        Trust::NotYet => leaf.not_before = date_time_ymd(2090, 1, 1),
        _ => {}
    }
    let certificate = match trust {
        Trust::SelfSigned => leaf.self_signed(&key),
        Trust::UnknownAuthority => leaf.signed_by(&key, &authority(false).0),
        _ => leaf.signed_by(&key, &issuer),
    };
    let certificate = certificate.expect("signed").der().clone();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a certificate");
    (config, ca_der)
}
