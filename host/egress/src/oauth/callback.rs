//! The loopback listener that a provider sends the browser back to.
//!
//! It is bound before the browser opens, and knows a callback by its `state` and by the cookie of the browser in which the
//! consent was begun: one valid state is one hit. What a callback says about regions and hosts may only select a row of the
//! service's table.

mod heads;
mod invite;
mod judge;
pub(crate) mod pasted;
mod request;
mod start;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use url::{Position, Url};
use wardlock_core::id::{Digest, Region};
use wardlock_core::service::ServiceDefinition;

use crate::Clock;
use crate::oauth::consent::{self, PendingConsent};
use crate::vault::Secret;
use heads::{Head, Heads};
use start::Mark;

pub(crate) use invite::{Invited, Taken};
pub use judge::CallbackProblem;

const PATIENCE: Duration = Duration::from_secs(10);
/// How much is told of one consent without ending it: each sentence once, and no more than this.
const NOTICES: usize = 8;
/// How often a taken port is asked for again, and how long between.
const TRIES: usize = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

const WITHOUT_STATE: &str = "the browser came back without this consent's state, so whoever led it here may not be the provider, and nothing ends: ";
const ELSEWHERE: &str = "a browser in which this consent was not begun came back from the provider, and was turned away. If it is the right person's, \
     have them begin in that same browser; if you know of none, somebody else has seen the provider's address";

/// Why the listener cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Only loopback may be listened on (RFC 8252 section 7.3).
    #[error("`{0}` is not a loopback address")]
    NotLoopback(SocketAddr),
    /// Another program has the port, or it may not be had.
    #[error("failed to listen on {address}")]
    Bind {
        /// Address.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
}

/// The listener. It ends when it is dropped.
#[derive(Debug)]
pub struct CallbackListener {
    place: Arc<Place>,
    waiting: Arc<Waiting>,
    task: JoinHandle<()>,
}

/// Where the listener is, and under which address browsers reach it.
#[derive(Debug)]
struct Place {
    address: SocketAddr,
    /// What stands before the path in the redirect URI: the listener's own address, or the operator's public one, from
    /// which a reverse proxy leads here.
    base: String,
    /// What `Host` must be.
    host: String,
}

impl Place {
    /// Returns whether browsers come here over TLS.
    fn is_secure(&self) -> bool {
        self.base.starts_with("https://")
    }
}

/// Consents under way, by the digest of their state, and invitations, by that of their token.
#[derive(Debug, Default)]
struct Waiting {
    consents: Mutex<HashMap<Digest, Waiter>>,
    invitations: invite::Invitations,
}

/// One consent under way.
#[derive(Debug)]
struct Waiter {
    service: Arc<ServiceDefinition>,
    region: Region,
    expires_at_ms: u64,
    audience: Audience,
    /// What leads a browser to the provider: the digest of the token in the start address.
    start: Digest,
    lead: Lead,
    /// What was told without ending it.
    told: HashSet<String>,
    /// Has room for all that may be told, and for the end.
    tell: mpsc::Sender<Heard>,
}

/// Who sits at the browser, and so what can be said to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Audience {
    /// Whoever gave the command: at the terminal that shows what comes of it.
    Operator,
    /// The person whose account it is, by an invitation: without a terminal, and without a command to give.
    Invited,
}

/// What the listener heard.
#[derive(Debug)]
pub(crate) enum Heard {
    /// The authorization code.
    Code(Secret),
    /// An error, or a callback that stops here.
    Problem(CallbackProblem),
    /// Something that ends nothing, because somebody else may have sent it.
    Notice(String),
}

/// What becomes of a state that a browser brings.
enum Brought {
    /// It is waited for, and is taken.
    Awaited(Box<Waiter>),
    /// It is waited for from another browser.
    Elsewhere(Audience),
    /// Nobody waits for it.
    Unknown,
}

impl CallbackListener {
    /// Binds the listener. Do this before the browser opens. `public` is the redirect URI that the operator made
    /// reachable for other machines, where there is one; its path is [`CallbackListener::PATH`].
    pub async fn bind(address: SocketAddr, public: Option<&Url>, clock: Clock) -> Result<Self, ListenError> {
        if !address.ip().is_loopback() {
            return Err(ListenError::NotLoopback(address));
        }
        let bound = |source| ListenError::Bind { address, source };
        let listener = bound_soon(address).await.map_err(bound)?;
        let address = listener.local_addr().map_err(bound)?;
        let (base, host) = match public {
            Some(public) => (
                public.origin().ascii_serialization(),
                public[Position::BeforeHost..Position::AfterPort].to_owned(),
            ),
            None => (format!("http://{address}"), address.to_string()),
        };
        let place = Arc::new(Place { address, base, host });
        let waiting = Arc::new(Waiting::default());
        let task = tokio::spawn(accept(listener, Arc::clone(&place), Arc::clone(&waiting), clock));
        Ok(Self { place, waiting, task })
    }

    /// The path of every redirect URI.
    pub const PATH: &str = "/callback";

    /// Returns the redirect URI to register, to the letter.
    pub fn redirect_uri(&self) -> String {
        format!("{}{}", self.place.base, Self::PATH)
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.place.address
    }

    /// Makes a one-time link to a page that leads to a consent.
    pub(crate) fn invite(&self, sentences: Vec<String>, expires_ms: u64) -> Result<Invited, getrandom::Error> {
        invite::invite(&self.waiting, &self.place.base, sentences, expires_ms)
    }

    /// Begins to wait for a consent's callback, from a browser that was led to the provider's `page` from here. Whoever was
    /// invited is led there now.
    pub(crate) fn wait_for(
        &self,
        consent: &PendingConsent,
        service: Arc<ServiceDefinition>,
        page: Url,
        invited: Option<Taken>,
    ) -> Result<Expected, getrandom::Error> {
        let (tell, heard) = mpsc::channel(NOTICES + 1);
        let token = consent::random_text()?;
        let mark = Mark::new(consent.state(), self.place.is_secure())?;
        let lead = Lead { page, mark };
        let waiter = Waiter {
            service,
            region: consent.region().clone(),
            expires_at_ms: consent.expires_at_ms(),
            audience: if invited.is_some() { Audience::Invited } else { Audience::Operator },
            start: Digest::of(token.as_bytes()),
            lead: lead.clone(),
            told: HashSet::new(),
            tell,
        };
        self.waiting.consents().insert(consent.state(), waiter);
        Ok(Expected {
            start: format!("{}{}{token}", self.place.base, start::PATH),
            state: consent.state(),
            waiting: Arc::clone(&self.waiting),
            heard,
            _invitation: invited.map(|taken| taken.lead_on(lead)),
        })
    }
}

/// Binds. A listener that was dropped just now holds the port until its task has ended, so one that is taken is asked for again.
async fn bound_soon(address: SocketAddr) -> std::io::Result<TcpListener> {
    for _ in 0..TRIES {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => tokio::time::sleep(BETWEEN_TRIES).await,
            bound => return bound,
        }
    }
    TcpListener::bind(address).await
}

impl Drop for CallbackListener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A callback that is waited for. Dropping it forgets the state.
#[derive(Debug)]
pub(crate) struct Expected {
    start: String,
    state: Digest,
    waiting: Arc<Waiting>,
    heard: mpsc::Receiver<Heard>,
    /// The browser that used it is led on again as long as this waits.
    _invitation: Option<invite::Kept>,
}

/// Where a browser is led, and what makes it known when it comes back.
#[derive(Debug, Clone)]
struct Lead {
    page: Url,
    mark: Mark,
}

impl Expected {
    /// Returns the address at which a browser begins the consent.
    pub(crate) fn start(&self) -> &str {
        &self.start
    }

    /// Returns what was heard next; `None` when nothing can come any more.
    pub(crate) async fn next(&mut self) -> Option<Heard> {
        self.heard.recv().await
    }
}

impl Drop for Expected {
    fn drop(&mut self) {
        self.waiting.consents().remove(&self.state);
    }
}

impl Waiting {
    fn consents(&self) -> MutexGuard<'_, HashMap<Digest, Waiter>> {
        self.consents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the consent that a state belongs to, from the browser in which it was begun: once.
    fn take(&self, state: &str, headers: &HeaderMap) -> Brought {
        let state = Digest::of(state.as_bytes());
        let mut waiting = self.consents();
        match waiting.get_mut(&state) {
            None => Brought::Unknown,
            Some(waiter) if !waiter.lead.mark.is_on(headers) => {
                waiter.notice(ELSEWHERE.to_owned());
                Brought::Elsewhere(waiter.audience)
            }
            Some(_) => {
                waiting.remove(&state).map_or(Brought::Unknown, |waiter| Brought::Awaited(Box::new(waiter)))
            }
        }
    }

    /// Tells the consents that this browser began, and returns the first one's sentence, and to whom to say it.
    fn notice(
        &self,
        headers: &HeaderMap,
        sentence: impl Fn(&ServiceDefinition) -> String,
    ) -> Option<(String, Audience)> {
        let mut waiting = self.consents();
        let mut first = None;
        for waiter in waiting.values_mut().filter(|waiter| waiter.lead.mark.is_on(headers)) {
            let said = sentence(&waiter.service);
            waiter.notice(format!("{WITHOUT_STATE}{said}"));
            first.get_or_insert((said, waiter.audience));
        }
        first
    }
}

impl Waiter {
    /// Tells something that ends nothing.
    fn notice(&mut self, sentence: String) {
        if self.told.len() < NOTICES && self.told.insert(sentence.clone()) {
            // A receiver that is gone has given up waiting.
            let _ = self.tell.try_send(Heard::Notice(sentence));
        }
    }
}

async fn accept(listener: TcpListener, place: Arc<Place>, waiting: Arc<Waiting>, clock: Clock) {
    let heads = Heads::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors: others may be given back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let head = Arc::new(heads.wait_for_one());
        let (place, waiting, clock) = (Arc::clone(&place), Arc::clone(&waiting), Arc::clone(&clock));
        tokio::spawn(async move {
            tokio::select! {
                _ = tokio::time::timeout(PATIENCE, serve(stream, Arc::clone(&head), place, waiting, clock)) => {}
                () = head.told_to_leave() => {}
            }
        });
    }
}

async fn serve(stream: TcpStream, head: Arc<Head>, place: Arc<Place>, waiting: Arc<Waiting>, clock: Clock) {
    let service = service_fn(move |request| {
        head.is_whole();
        let (place, waiting, now_ms) = (Arc::clone(&place), Arc::clone(&waiting), clock());
        async move { Ok::<_, std::convert::Infallible>(request::answer(&place, &waiting, now_ms, &request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(5))
        .max_buf_size(16 * 1024)
        .max_headers(64)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if served.is_err() {
        tracing::debug!("a connection to the callback listener ended early");
    }
}
