//! A client that costs little: keep-alive, the same bytes again and again, and no more of the answer read than where
//! it ends.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio_rustls::TlsConnector;

use crate::figures::nanos;

/// What is called, and what must come back.
#[derive(Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// For a call over TLS: the server's name and its authority.
    pub tls: Option<(&'static str, Vec<u8>)>,
    /// The request as it goes on the wire.
    pub request: Arc<[u8]>,
    pub body_bytes: usize,
}

/// What came of a load.
pub struct Load {
    pub nanos: Vec<u32>,
    pub time: Duration,
}

/// Calls over so many connections for so long, on a thread of its own.
pub fn load(target: &Target, connections: usize, time: Duration) -> anyhow::Result<Load> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ready = Arc::new(Barrier::new(connections + 1));
        let start = |_| tokio::spawn(connection(target.clone(), Arc::clone(&ready), time));
        let tasks: Vec<_> = (0..connections).map(start).collect();
        ready.wait().await;
        let started = Instant::now();
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await??);
        }
        Ok(Load { nanos: all, time: started.elapsed() })
    })
}

async fn connection(target: Target, ready: Arc<Barrier>, time: Duration) -> anyhow::Result<Vec<u32>> {
    let mut buffer = vec![0; 16 << 10];
    // The first exchange is not counted: it finds pools and caches empty.
    let opened = open(&target, &mut buffer).await;
    // Whoever failed lets the others go all the same, or they would wait for ever.
    ready.wait().await;
    let mut stream = opened?;
    let until = Instant::now() + time;
    let mut times = Vec::new();
    loop {
        let started = Instant::now();
        if started >= until {
            return Ok(times);
        }
        exchange(&mut stream, &target, &mut buffer).await?;
        times.push(nanos(started.elapsed()));
    }
}

/// Plain or TLS.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

async fn open(target: &Target, buffer: &mut [u8]) -> anyhow::Result<Box<dyn Stream>> {
    let stream = TcpStream::connect(target.address).await?;
    stream.set_nodelay(true)?;
    let mut stream: Box<dyn Stream> = match &target.tls {
        Some((name, ca_der)) => {
            let connector = TlsConnector::from(Arc::new(trusting(ca_der.clone())?));
            Box::new(connector.connect(ServerName::try_from(*name)?, stream).await?)
        }
        None => Box::new(stream),
    };
    exchange(&mut stream, target, buffer).await?;
    Ok(stream)
}

fn trusting(ca_der: Vec<u8>) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca_der))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

async fn exchange(stream: &mut Box<dyn Stream>, target: &Target, buffer: &mut [u8]) -> anyhow::Result<()> {
    stream.write_all(&target.request).await?;
    stream.flush().await?;
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the connection ended within an answer");
        filled += read;
        let Some(head) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let (head, body) = (&buffer[..head + 4], filled - head - 4);
        if !head.starts_with(b"HTTP/1.1 200 ") {
            bail!("not answered with 200: {}", String::from_utf8_lossy(&buffer[..filled]));
        }
        let length = content_length(head).context("an answer without a length")?;
        ensure!(length == target.body_bytes, "a body of {length} bytes");
        if body >= length {
            ensure!(body == length, "more than one answer came");
            return Ok(());
        }
    }
}

fn content_length(head: &[u8]) -> Option<usize> {
    let name = b"\r\ncontent-length: ";
    let at = head.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name))? + name.len();
    let digits = head[at..].split(|byte| !byte.is_ascii_digit()).next()?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
