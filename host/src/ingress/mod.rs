//! The agents' front door: accepts connections, admits what is HTTP with one reading, and hands it to the pipeline.
//!
//! Owns steps 1 and 2 of a request's path. It never dials out and never sees a credential but the agent's own
//! token, which it consumes.

mod admit;
mod framing;
mod peer;
mod places;
mod query_token;
mod rates;
mod reply;
mod strict;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use wardlock_core::refusal::Refusal;

use crate::gate::Gate;
use crate::host::new_request_id;
use crate::pipeline;

pub use admit::{AgentRequest, Limits, RawRequest};
pub use peer::Peer;
pub use places::{Place, Places};
pub use rates::Rates;
pub use reply::{AgentBody, BrokenOff, FlowingBody, Reply};

/// Head of a request must arrive within this time: a slow client must not hold a slot.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);

/// Serves agents until `shutdown` resolves, then lets requests under way finish for at most `drain`.
pub async fn serve(listener: TcpListener, gate: Arc<Gate>, shutdown: impl Future<Output = ()>, drain: Duration) {
    let door = Arc::new(Door::new(gate, &listener));
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(Arc::clone(&door).connection(stream)); }
                // Out of descriptors or an aborted handshake: neither may end the listener.
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    drop(listener);
    door.closing.close();
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(drain, finished).await.is_err() {
        tracing::warn!("requests under way were cut off at the end of the drain time");
    }
}

/// What every connection shares.
struct Door {
    gate: Arc<Gate>,
    limits: Limits,
    /// Closed when the listener shuts down; connections then finish their request and end.
    closing: Semaphore,
    slots: Arc<Semaphore>,
}

impl Door {
    fn new(gate: Arc<Gate>, listener: &TcpListener) -> Self {
        let limits = Limits::new(&gate.seat().config, listener.local_addr().ok());
        let slots = Arc::new(Semaphore::new(limits.connections));
        Self { gate, limits, closing: Semaphore::new(0), slots }
    }

    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let Ok(_slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            // Dropping the socket is the cheapest refusal under a flood.
            return;
        };
        let _ = stream.set_nodelay(true);
        let peer = Peer::of(&stream);
        let stream = strict::StrictStream::new(stream);
        let (door, misframed) = (Arc::clone(&self), stream.refused());
        let service = service_fn(move |request: Request<Incoming>| {
            let door = Arc::clone(&door);
            let stands_in = request.uri().path() == strict::REFUSED_TARGET;
            let misframed = misframed.get().copied().filter(|_| stands_in);
            async move {
                Ok::<_, Infallible>(match misframed {
                    Some(misframed) => door.refuse(&admit::misframed(misframed)),
                    None => door.request(peer, request).await,
                })
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .max_headers(self.limits.headers)
            .max_buf_size(self.limits.head_bytes)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            _ = self.closing.acquire() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "an agent's connection ended early");
        }
    }

    async fn request(&self, peer: Peer, request: Request<Incoming>) -> Response<AgentBody> {
        let id = new_request_id();
        let admitted = admit::admit(&self.limits, request).await;
        // Asked for only now: a slow client holds no host that somebody wants to lock.
        match (admitted, self.gate.host()) {
            (Ok(raw), Ok(host)) => pipeline::run(&host, peer, id, raw).await.into_response(),
            (Ok(raw), Err(locked)) => pipeline::refuse_locked(&id, raw, &locked).into_response(),
            (Err(refusal), _) => self.refuse(&refusal),
        }
    }

    /// Refuses what was never admitted: it is counted, and has no row of its own.
    fn refuse(&self, refusal: &Refusal) -> Response<AgentBody> {
        if let Ok(host) = self.gate.host() {
            host.sums().count_unauthenticated();
        }
        Reply::refused_early(&new_request_id(), refusal).into_response()
    }
}
