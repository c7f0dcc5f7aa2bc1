//! The two listeners: TLS for every host of the table, and plain HTTP on loopback for the browser's consent page.

use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::record::{Journal, Recording, Tape, Taped};
use crate::region::{Place, Role};
use crate::site::{self, Site};
use crate::switches::SwitchBoard;
use crate::wire::{Call, Lost, Reply, ReplyBody, pairs};
use crate::world::{SharedWorld, lock};
use crate::{api, google, meta, notes, oauth};

/// What every connection needs.
#[derive(Clone)]
pub(crate) struct Shared {
    pub world: SharedWorld,
    pub google: Arc<Mutex<google::World>>,
    pub meta: Arc<Mutex<meta::World>>,
    pub notes: Arc<Mutex<notes::World>>,
    pub switches: SwitchBoard,
    pub journal: Arc<Journal>,
}

/// Serves TLS until dropped. Connections end with it.
pub(crate) async fn serve_tls(listener: TcpListener, acceptor: TlsAcceptor, shared: Shared) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let (acceptor, shared) = (acceptor.clone(), shared.clone());
        connections.spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let sni = stream.get_ref().1.server_name().map(str::to_owned);
            let tape = shared.journal.open(sni, false);
            serve_connection(stream, tape, shared).await;
        });
    }
}

/// Serves the consent page in plain HTTP until dropped.
pub(crate) async fn serve_plain(listener: TcpListener, shared: Shared) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        while connections.try_join_next().is_some() {}
        let shared = shared.clone();
        connections.spawn(async move {
            let tape = shared.journal.open(None, true);
            serve_connection(stream, tape, shared).await;
        });
    }
}

async fn serve_connection<S>(stream: S, tape: Arc<Tape>, shared: Shared)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let io = TokioIo::new(Taped::new(stream, Arc::clone(&tape)));
    let service = service_fn(move |request| {
        let (tape, shared) = (Arc::clone(&tape), shared.clone());
        async move { handle(request, &tape, &shared).await }
    });
    if let Err(error) = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn handle(
    request: hyper::Request<Incoming>,
    tape: &Tape,
    shared: &Shared,
) -> Result<hyper::Response<ReplyBody>, Lost> {
    let (head, body) = request.into_parts();
    let Ok(body) = body.collect().await else {
        return Reply::html(400, "the body ended early").into_response();
    };
    let body = body.to_bytes();
    let host = host_of(&head);
    let (found, path) = locate(tape, &host, head.uri.path());
    let role = found.as_ref().map_or(Role::Unknown, |site| if tape.plain { Role::Consent } else { site.role() });
    shared.journal.add(Recording {
        sequence: 0,
        at_ms: lock(&shared.world).now(),
        connection: tape.index,
        role,
        region: found.as_ref().and_then(Site::region),
        sni: tape.sni.clone(),
        host,
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers.iter().map(text_header).collect(),
        body: body.to_vec(),
        raw: tape.cut(),
    });
    let Some(site) = found else {
        return Reply::html(421, "no such host here").into_response();
    };
    let query = pairs(head.uri.query().unwrap_or_default());
    let call = Call { place: (), method: head.method, path, query, headers: head.headers, body };
    let mut reply = answer(site, call, role, shared);
    if let Some(bytes) = reply.instead.take() {
        tape.say_instead(bytes);
    }
    reply.into_response()
}

/// Gives the call to the provider that it is for.
fn answer(site: Site, call: Call<()>, role: Role, shared: &Shared) -> Reply {
    let browses = role == Role::Consent;
    match site {
        Site::Google(host) => {
            let (mut world, call) = (lock(&shared.google), call.at(host));
            if browses {
                return google::browser(&mut world, &call);
            }
            shared.switches.change(|switches| google::answer(&mut world, switches, &call))
        }
        Site::Meta(host) => {
            let (mut world, call) = (lock(&shared.meta), call.at(host));
            if browses {
                return meta::browser(&mut world, &call);
            }
            shared.switches.change(|switches| meta::answer(&mut world, switches, &call))
        }
        Site::Notes(host) => {
            let (mut world, call) = (lock(&shared.notes), call.at(host));
            if browses {
                return notes::browser(&mut world, &call);
            }
            shared.switches.change(|switches| notes::answer(&mut world, switches, &call))
        }
        Site::Zoho(place) => zoho(&call.at(place), role, shared),
    }
}

/// Gives the call to the part of Zoho that plays the role.
fn zoho(call: &Call<Place>, role: Role, shared: &Shared) -> Reply {
    let mut world = lock(&shared.world);
    shared.switches.change(|switches| match role {
        Role::Consent => oauth::browser(&mut world, switches, call),
        Role::Accounts => oauth::answer(&mut world, switches, call),
        Role::Api | Role::Upload => api::answer(&mut world, switches, call),
        Role::Console => Reply::html(200, "<html><body><h1>API console</h1></body></html>"),
        Role::Unknown => Reply::html(421, "no such host here"),
    })
}

/// Returns the place that a request is for, with the path as that host would see it.
fn locate(tape: &Tape, host: &str, path: &str) -> (Option<Site>, String) {
    if !tape.plain {
        // The name in TLS and the one in `Host` must agree, as they do behind any real front end.
        let agrees = tape.sni.as_deref().is_none_or(|sni| sni.eq_ignore_ascii_case(host));
        return (site::find(host).filter(|_| agrees), path.to_owned());
    }
    let (first, rest) = path.trim_start_matches('/').split_once('/').unwrap_or_default();
    (site::find(first).filter(|site| site.role() == Role::Accounts), format!("/{rest}"))
}

fn host_of(head: &http::request::Parts) -> String {
    let header = head.headers.get("host").and_then(|value| value.to_str().ok());
    let host = header.or_else(|| head.uri.authority().map(http::uri::Authority::as_str)).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    name.map_or(host, |(name, _)| name).to_ascii_lowercase()
}

fn text_header((name, value): (&http::HeaderName, &http::HeaderValue)) -> (String, String) {
    (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned())
}
