//! The front doors: accept connections, admit what is HTTP with one reading, and hand it to the agents' pipeline, to the
//! operators' few answers or to the dashboard.
//!
//! Owns steps 1 and 2 of a request's path. It never dials out and never sees a credential but the agent's own
//! token, which it consumes.

mod admit;
mod dashboard;
mod dry_run;
mod framing;
mod operators;
mod peer;
mod places;
mod prefers;
mod query_token;
mod rates;
mod reply;
mod slots;
mod sockets;
mod strict;
mod unread;
mod unsent;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{Instrument as _, Span, field};
use wardlock_core::id::RequestId;
use wardlock_core::refusal::Refusal;

use crate::gate::Gate;
use crate::ids::new_request_id;
use crate::logs::OnceAMinute;
use crate::pipeline;
use slots::{Slot, Slots};

pub use admit::{AgentRequest, Limits, RawRequest, UnreadBody};
pub use dry_run::DryRun;
pub use peer::Peer;
pub use places::{Held, Places};
pub use prefers::Prefers;
pub use rates::Rates;
pub use reply::{AgentBody, BrokenOff, FlowingBody, KeptAnswer, Reply};
pub use unsent::Unsent;

/// How long the next connection waits at the door after one for which there was no room: clients that come back as soon as they
/// are closed would otherwise leave the machine no time for anything else.
const PACE_WHEN_FULL: Duration = Duration::from_millis(1);

/// Serves agents until `shutdown` resolves, then lets requests under way finish for at most `drain`.
pub async fn serve(listener: TcpListener, gate: Arc<Gate>, shutdown: impl Future<Output = ()>, drain: Duration) {
    let limits = Limits::new(&gate.seat().config, listener.local_addr().ok());
    run(listener, Door::new(limits, Agents { gate }), shutdown, drain).await;
}

/// Serves operators in the same way.
pub async fn serve_operators(
    listener: TcpListener,
    gate: Arc<Gate>,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let limits = Limits::of_operators(&gate.seat().config, listener.local_addr().ok());
    run(listener, Door::new(limits, operators::Operators { gate }), shutdown, drain).await;
}

/// Serves the dashboard in the same way; `address` is where it listens.
pub async fn serve_dashboard(
    listener: TcpListener,
    address: SocketAddr,
    gate: Arc<Gate>,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let desk = dashboard::Dashboard::new(gate, address);
    let limits = Limits::of_dashboard(&desk.gate.seat().config, desk.host());
    run(listener, Door::new(limits, desk), shutdown, drain).await;
}

async fn run<D: Desk>(
    listener: TcpListener,
    door: Arc<Door<D>>,
    shutdown: impl Future<Output = ()>,
    drain: Duration,
) {
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    let mut told = OnceAMinute::default();
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let slot = door.slot();
                    let had_room = matches!(slot, Some((_, false)));
                    match slot {
                        Some((slot, _)) => { connections.spawn(Arc::clone(&door).connection(stream, slot)); }
                        // Dropping the socket is the cheapest refusal under a flood.
                        None => drop(stream),
                    }
                    if !had_room {
                        tokio::time::sleep(PACE_WHEN_FULL).await;
                    }
                },
                // Out of descriptors or an aborted handshake: neither may end the listener.
                Err(error) => {
                    if told.is_due() {
                        tracing::warn!(%error, "accepting connections fails");
                    }
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

/// Who answers behind a door.
trait Desk: Send + Sync + 'static {
    /// How long one connection may last; `None`: as long as it is used.
    const LIFETIME: Option<Duration>;

    /// Answers a request with one framing.
    fn request(
        &self,
        limits: &Limits,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> impl Future<Output = Response<AgentBody>> + Send;

    /// Answers what has no one reading as HTTP.
    fn refuse(&self, refusal: &Refusal) -> Response<AgentBody>;

    /// Notes what becomes of connections.
    fn note(&self, connections: Connections);
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connections {
    /// It has a slot.
    Opened,
    /// One that had a slot ended.
    Closed,
    /// One must leave, because another came and there was no slot free.
    Displaced,
    /// One found no slot that could be made free.
    Refused,
}

/// What every connection shares.
struct Door<D: Desk> {
    desk: D,
    limits: Limits,
    /// Closed when the listener shuts down; connections then finish their request and end.
    closing: Semaphore,
    slots: Arc<Slots>,
}

/// A connection that is open, until this is dropped.
struct Open<D: Desk>(Arc<Door<D>>);

impl<D: Desk> Drop for Open<D> {
    fn drop(&mut self) {
        self.0.desk.note(Connections::Closed);
    }
}

impl<D: Desk> Door<D> {
    fn new(limits: Limits, desk: D) -> Arc<Self> {
        let slots = Slots::new(limits.connections);
        Arc::new(Self { desk, limits, closing: Semaphore::new(0), slots })
    }

    /// Takes a slot for a new connection, if there is one or another gives its own; the flag says whether one had to.
    fn slot(&self) -> Option<(Slot, bool)> {
        let taken = self.slots.take();
        match &taken {
            Some((_, false)) => {}
            Some((_, true)) => self.desk.note(Connections::Displaced),
            None => self.desk.note(Connections::Refused),
        }
        taken
    }

    async fn connection(self: Arc<Self>, stream: TcpStream, slot: Slot) {
        self.desk.note(Connections::Opened);
        let _open = Open(Arc::clone(&self));
        let _ = stream.set_nodelay(true);
        let slot = Arc::new(slot);
        let peer = Arc::new(Peer::new(&stream, Arc::clone(&slot)));
        let stream = strict::StrictStream::new(stream, self.limits.head_timeout, self.limits.unread_timeout);
        let (door, misframed) = (Arc::clone(&self), stream.refused());
        let service = service_fn(move |request: Request<Incoming>| {
            let (door, peer) = (Arc::clone(&door), Arc::clone(&peer));
            let stands_in = request.uri().path() == strict::REFUSED_TARGET;
            let misframed = misframed.get().copied().filter(|_| stands_in);
            async move {
                Ok::<_, Infallible>(match misframed {
                    Some(misframed) => door.desk.refuse(&admit::misframed(misframed)),
                    None => door.desk.request(&door.limits, &peer, request).await,
                })
            }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            // The stream itself times a head that has begun, and says so; this ends connections that lie idle.
            .header_read_timeout(2 * self.limits.head_timeout)
            .keep_alive(D::LIFETIME.is_none())
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
            () = slot.told_to_leave() => return,
            () = over(D::LIFETIME) => return,
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Waits until a connection has lasted long enough.
async fn over(lifetime: Option<Duration>) {
    match lifetime {
        Some(lifetime) => tokio::time::sleep(lifetime).await,
        None => std::future::pending().await,
    }
}

/// The agents' desk: everything goes to the pipeline.
struct Agents {
    gate: Arc<Gate>,
}

impl Desk for Agents {
    const LIFETIME: Option<Duration> = None;

    async fn request(&self, limits: &Limits, peer: &Peer, request: Request<Incoming>) -> Response<AgentBody> {
        let id = new_request_id();
        let span = request_span(&id);
        self.answer(limits, peer, id, request).instrument(span).await
    }

    fn refuse(&self, refusal: &Refusal) -> Response<AgentBody> {
        self.refuse_as(&new_request_id(), refusal)
    }

    fn note(&self, connections: Connections) {
        let metrics = &self.gate.seat().metrics;
        match connections {
            Connections::Opened => drop(metrics.connections.inc()),
            Connections::Closed => drop(metrics.connections.dec()),
            Connections::Displaced => drop(metrics.connections_displaced.inc()),
            Connections::Refused => drop(metrics.connections_refused.inc()),
        }
    }
}

impl Agents {
    async fn answer(
        &self,
        limits: &Limits,
        peer: &Peer,
        id: RequestId,
        request: Request<Incoming>,
    ) -> Response<AgentBody> {
        let response = match admit::admit(limits, request) {
            // In a box, so that a connection that only waits does not hold the room for a request.
            Ok((raw, body)) => Box::pin(pipeline::run(&self.gate, peer, id, raw, body)).await.into_response(),
            Err(refusal) => self.refuse_as(&id, &refusal),
        };
        Span::current().record("status", response.status().as_u16());
        // One line a request, and at `debug`: at `info` they would fill a disk.
        tracing::debug!("answered");
        response
    }

    /// Refuses what was never admitted: it is counted, and has no row of its own.
    fn refuse_as(&self, id: &RequestId, refusal: &Refusal) -> Response<AgentBody> {
        self.gate.seat().metrics.refused(refusal.code);
        match self.gate.opened() {
            Some(host) => host.count_unauthenticated(),
            None => self.gate.seat().metrics.unauthenticated(),
        }
        Reply::refused_early(id, refusal).into_response()
    }
}

/// The span of one request: names and words, never a path, a header or a body. It is at the level of errors so that it is there
/// at every level, and whatever is logged in it carries the id.
fn request_span(id: &RequestId) -> Span {
    tracing::error_span!(
        "request",
        request_id = id.as_str(),
        workspace = field::Empty,
        agent = field::Empty,
        connection = field::Empty,
        operation = field::Empty,
        decision = field::Empty,
        outcome = field::Empty,
        status = field::Empty,
    )
}
