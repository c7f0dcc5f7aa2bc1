//! The upstream that both calls end at: TLS, HTTP/1.1, one small answer. It runs on a thread of its own.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// The name that it goes by.
pub const HOST: &str = "www.zohoapis.eu";
/// The account that a consent finds behind it.
pub const TENANT: &str = "20071234567";

/// A running upstream; its thread ends with the process.
pub struct Upstream {
    pub address: SocketAddr,
    /// The authority that vouches for it.
    pub ca_der: Vec<u8>,
    /// Bytes of the one answer's body.
    pub body_bytes: usize,
}

impl Upstream {
    pub fn start() -> anyhow::Result<Self> {
        let (config, ca_der) = tls()?;
        let body = Bytes::from(leads());
        let body_bytes = body.len();
        let (tell, told) = mpsc::channel();
        thread::Builder::new().name("upstream".to_owned()).spawn(move || run(config, &body, &tell))?;
        let address = told.recv().context("the upstream ended")??;
        Ok(Self { address, ca_der, body_bytes })
    }
}

/// Answers until the process ends.
fn run(config: ServerConfig, body: &Bytes, tell: &mpsc::Sender<std::io::Result<SocketAddr>>) {
    let serve = async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        tell.send(listener.local_addr()).map_err(std::io::Error::other)?;
        let acceptor = TlsAcceptor::from(Arc::new(config));
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(connection(acceptor.clone(), stream, body.clone()));
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended: std::io::Result<()> = runtime.and_then(|runtime| runtime.block_on(serve));
    if let Err(error) = ended {
        // Whoever still waits for the address is told; afterwards the calls that fail tell it.
        drop(tell.send(Err(error)));
    }
}

async fn connection(acceptor: TlsAcceptor, stream: TcpStream, body: Bytes) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request| std::future::ready(Ok::<_, Infallible>(answer(&request, &body))));
    // An end of the connection is the client's business.
    drop(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
}

fn answer(request: &Request<Incoming>, leads: &Bytes) -> Response<Full<Bytes>> {
    let body = if request.uri().path() == "/crm/v8/org" { Bytes::from(org()) } else { leads.clone() };
    let mut response = Response::new(Full::new(body));
    let json = http::HeaderValue::from_static("application/json;charset=UTF-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// What the look-up after a consent asks for.
fn org() -> String {
    let org = serde_json::json!({ "zgid": TENANT, "company_name": "Acme EU GmbH", "type": "Production" });
    serde_json::json!({ "org": [org] }).to_string()
}

/// About 1 KiB of leads.
fn leads() -> String {
    let lead = |at: u64| {
        serde_json::json!({
            "id": format!("5000000000000{at:06}"), "Last_Name": format!("Moreau {at}"), "Company": "Northwind Optics",
        })
    };
    let leads: Vec<_> = (1..=12).map(lead).collect();
    let info = serde_json::json!({ "per_page": 200, "count": leads.len(), "page": 1, "more_records": false });
    serde_json::json!({ "data": leads, "info": info }).to_string()
}

fn tls() -> anyhow::Result<(ServerConfig, Vec<u8>)> {
    let ca_key = KeyPair::generate()?;
    let mut ca = CertificateParams::new(Vec::new())?;
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // By default both have the same name, and OpenSSL takes the leaf for one that vouches for itself.
    ca.distinguished_name.push(DnType::CommonName, "bench authority");
    let ca_der = ca.self_signed(&ca_key)?.der().to_vec();
    let key = KeyPair::generate()?;
    let mut leaf = CertificateParams::new(vec![HOST.to_owned()])?;
    leaf.use_authority_key_identifier_extension = true;
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().to_vec().into()], key)?;
    Ok((config, ca_der))
}
