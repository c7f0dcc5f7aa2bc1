//! `wardlock serve`: listeners, signals, and an end that leaves nothing under way.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::admin::{self, Failure};
use crate::gate::Gate;
use crate::harden;
use crate::ingress;
use crate::loaded::{Loaded, Severity};
use crate::telemetry::Spans;

/// How often what is kept in memory goes to disk: sums of unauthenticated requests, agents' last use.
const SUMMARY: Duration = Duration::from_mins(1);

/// How often it is looked for tokens that must be renewed ahead of their end.
const RENEWALS: Duration = Duration::from_mins(30);

/// How long the audit may take for the last rows, those of requests that were cut off among them. It takes milliseconds
/// unless its disk fails.
const LAST_ROWS: Duration = Duration::from_secs(3);

/// Connections that the kernel keeps until they are accepted: whoever finds no room there waits for seconds before its system tries
/// again. Linux keeps 4096 at most (`net.core.somaxconn`).
const WAITING: u32 = 4096;

/// A running set of listeners.
pub struct Running {
    agents: SocketAddr,
    operators: Option<SocketAddr>,
    dashboard: Option<SocketAddr>,
    stop: watch::Sender<bool>,
    /// The agents' listener, the operators' and the dashboard's.
    fronts: Vec<tokio::task::JoinHandle<()>>,
    background: Vec<tokio::task::JoinHandle<()>>,
    gate: Arc<Gate>,
}

impl Running {
    /// Binds every listener, then serves. A port that is taken is an error, never shared. `dashboard` is where that is, if anywhere.
    #[expect(clippy::unused_async, reason = "it spawns, so it must be called within a runtime")]
    pub async fn start(
        gate: Arc<Gate>,
        agents: SocketAddr,
        dashboard: Option<SocketAddr>,
    ) -> Result<Self, Failure> {
        let config = &gate.seat().config;
        let (listener, agents) = bind(agents, "agents")?;
        let for_operators = match config.operators() {
            Some(address) => Some(bind(address, "operators")?),
            None => None,
        };
        let for_visitors = dashboard.map(bind_dashboard).transpose()?;
        let (stop, stopped) = watch::channel(false);
        let drain = config.shutdown_timeout();
        let front = ingress::serve(listener, Arc::clone(&gate), until(stopped.clone()), drain);
        let mut fronts = vec![tokio::spawn(front)];
        let mut operators = None;
        if let Some((listener, address)) = for_operators {
            let front = ingress::serve_operators(listener, Arc::clone(&gate), until(stopped.clone()), drain);
            fronts.push(tokio::spawn(front));
            operators = Some(address);
        }
        let mut dashboard = None;
        if let Some((listeners, address)) = for_visitors {
            for listener in listeners {
                let stopped = until(stopped.clone());
                let front = ingress::serve_dashboard(listener, address, Arc::clone(&gate), stopped, drain);
                fronts.push(tokio::spawn(front));
            }
            dashboard = Some(*gate.seat().dashboard.get_or_init(|| address));
        }
        let background = vec![
            spawn_admin(Arc::clone(&gate))?,
            spawn_summaries(Arc::clone(&gate)),
            spawn_approvers(Arc::clone(&gate)),
        ];
        Ok(Self { agents, operators, dashboard, stop, fronts, background, gate })
    }

    /// Returns the agents' address.
    pub fn agents(&self) -> SocketAddr {
        self.agents
    }

    /// Returns the operators' address, if there is one.
    pub fn operators(&self) -> Option<SocketAddr> {
        self.operators
    }

    /// Returns the dashboard's address, if there is one.
    pub fn dashboard(&self) -> Option<SocketAddr> {
        self.dashboard
    }

    /// Stops accepting, lets requests under way end within `shutdown_time`, and cuts the rest off: whoever is cut off drops
    /// their record's guard, which writes `aborted`.
    pub async fn stop(self) {
        let seat = self.gate.seat();
        seat.is_stopping.store(true, Ordering::SeqCst);
        seat.draft_moved.notify_waiters();
        let _ = self.stop.send(true);
        for front in self.fronts {
            if let Err(error) = front.await {
                tracing::error!(%error, "a listener ended badly");
            }
        }
        for task in self.background {
            task.abort();
            // Gone, and with it what it held of the home.
            let _ = task.await;
        }
        let Some(host) = self.gate.opened() else { return };
        host.write_down().await;
        match tokio::time::timeout(LAST_ROWS, host.audit().drain()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "the audit's last rows could not be written"),
            Err(_) => tracing::error!("the audit's last rows could not be written in time; the next start tells"),
        }
    }
}

/// Binds a listener; `key` is its name under `[listen]`.
fn bind(address: SocketAddr, key: &str) -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = listen(address).map_err(|error| taken(address, key, &error))?;
    let address = listener.local_addr().map_err(Failure::no)?;
    Ok((listener, address))
}

fn taken(address: SocketAddr, key: &str, error: &std::io::Error) -> Failure {
    Failure::no(format!("failed to listen on {address}: {error}"))
        .hint(format!("another program has the port; set `{key}` under `[listen]` in wardlock.toml"))
}

/// Binds both loopback addresses: browsers reach `localhost` at either, and whoever had the other one would be the dashboard to
/// them, links and passkeys included. A machine without the other kind of address has nobody there.
fn bind_dashboard(address: SocketAddr) -> Result<(Vec<TcpListener>, SocketAddr), Failure> {
    use std::io::ErrorKind::{AddrNotAvailable, Unsupported};

    const KEY: &str = "dashboard";
    let (listener, address) = bind(address, KEY)?;
    let other: IpAddr = match address.ip() {
        IpAddr::V4(_) => Ipv6Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv4Addr::LOCALHOST.into(),
    };
    let other = SocketAddr::from((other, address.port()));
    let is_absent = |error: &std::io::Error| {
        // EAFNOSUPPORT has no kind of its own.
        let no_family = error.raw_os_error() == Some(rustix::io::Errno::AFNOSUPPORT.raw_os_error());
        no_family || [AddrNotAvailable, Unsupported].contains(&error.kind())
    };
    match listen(other) {
        Ok(twin) => Ok((vec![listener, twin], address)),
        Err(error) if is_absent(&error) => Ok((vec![listener], address)),
        Err(error) => Err(taken(other, KEY, &error)),
    }
}

/// As `TcpListener::bind`, with room for more who wait.
fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A restart may take the port while connections of the last run are still being forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

async fn until(mut stopped: watch::Receiver<bool>) {
    // An error means that the sender is gone, which is a stop too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// Binds at once, so that a command finds the daemon as soon as it says that it serves.
fn spawn_admin(gate: Arc<Gate>) -> Result<tokio::task::JoinHandle<()>, Failure> {
    let path = gate.seat().home.state_path("admin.sock")?;
    let listener = admin::bind(&path).map_err(|error| {
        Failure::home(format!("failed to make the admin socket {}: {error}", path.display()))
            .hint("a socket's path may have about 100 bytes; a home with a shorter path has room for it")
    })?;
    Ok(tokio::spawn(admin::serve(listener, gate)))
}

fn spawn_approvers(gate: Arc<Gate>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let seat = gate.seat();
        seat.approvers.run(seat.config.approvers(), &seat.world.dialer).await;
    })
}

fn spawn_summaries(gate: Arc<Gate>) -> tokio::task::JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(SUMMARY);
        let mut renewed: Option<Instant> = None;
        loop {
            ticks.tick().await;
            let Some(host) = gate.opened() else { continue };
            host.write_down().await;
            if renewed.is_none_or(|at| at.elapsed() >= RENEWALS) {
                renewed = Some(Instant::now());
                host.renew_ahead().await;
            }
        }
    })
}

/// The signals that mean stop.
pub struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    /// Takes the signals over: from here on they no longer end the process by themselves.
    pub fn listen() -> Result<Self, Failure> {
        let terminate = signal(SignalKind::terminate()).map_err(Failure::no)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(Failure::no)?;
        Ok(Self { terminate, interrupt })
    }

    /// Waits for SIGTERM or SIGINT.
    pub async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Logs everything that is wrong in what was loaded.
pub(crate) fn tell_problems(loaded: &Loaded) {
    for problem in loaded.problems() {
        match problem.severity {
            Severity::Closes => tracing::error!(problem = problem.reason(), hint = problem.hint, "closed"),
            Severity::Stale => tracing::error!(problem = problem.reason(), hint = problem.hint, "not taken"),
            Severity::Note => tracing::warn!(problem = problem.reason(), hint = problem.hint, "noted"),
        }
    }
}

/// Serves until SIGTERM or SIGINT; SIGHUP loads anew. A second signal ends at once.
/// `dashboard` is where that is, if anywhere; `spans` are what goes to a collector.
pub async fn run(gate: Arc<Gate>, dashboard: Option<SocketAddr>, spans: Option<Spans>) -> Result<(), Failure> {
    harden::open_many_files();
    let mut stop = Stop::listen()?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::no)?;
    let seat = gate.seat();
    if let Some(host) = gate.opened()
        && let Err(error) = host.audit().act(host.policy_loaded()).await
    {
        tracing::error!(%error, "the audit cannot record which policy holds");
    }
    let running = Running::start(Arc::clone(&gate), seat.config.agents(), dashboard).await?;
    let spans = spans.zip(seat.config.otlp());
    let telling = spans.map(|(spans, to)| spans.tell(to, &seat.world.dialer, &seat.metrics));
    let vault = if gate.opened().is_some() { "open" } else { "locked" };
    let operators = running.operators().map_or_else(|| "off".to_owned(), |address| address.to_string());
    tracing::info!(agents = %running.agents(), operators, home = %seat.home.path().display(), vault, "serving");
    if let Some(address) = running.dashboard() {
        let place = crate::dashboard::origin(address);
        tracing::info!(place, hint = "`wardlock dashboard` makes a one-time link", "the dashboard is on");
    }
    if let Some(host) = gate.opened() {
        tell_problems(&host.loaded());
    }
    loop {
        tokio::select! {
            () = stop.asked() => break,
            _ = hangup.recv() => {
                let Some(host) = gate.opened() else {
                    tracing::warn!("the vault is locked; everything is loaded when it is unlocked");
                    continue;
                };
                crate::ops::reload(&host).await;
                tracing::info!("loaded anew");
            }
        }
    }
    tracing::info!("stopping; requests under way may finish");
    let end = async {
        running.stop().await;
        // After the last request, whose span is told, too.
        if let Some(telling) = telling {
            telling.stop().await;
        }
    };
    tokio::select! {
        () = end => {}
        () = stop.asked() => {}
    }
    Ok(())
}
