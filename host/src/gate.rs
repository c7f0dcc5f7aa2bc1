//! Whether the vault is open: behind the gate stands the whole host, or nothing at all.
//!
//! Locking takes the host apart, so that no key, token or open database stays in memory; the listeners and the home's
//! lock stay, and agents are told `vault_locked`. Unlocking builds it anew.

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use wardlock_audit::Act;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_egress::vault::KeySource;

use crate::admin::Failure;
use crate::approvers::Approvers;
use crate::config::{ConfigError, HostConfig};
use crate::home::{CONFIG_FILE, Home, HomeLock};
use crate::host::{Host, World};
use crate::loaded::PolicyFiles;
use crate::metrics::Metrics;

/// How often it is looked whether the last request under way has let go of the host.
const LOOK: Duration = Duration::from_millis(10);

/// What stays while the vault is locked: the home, held for this process, and its settings.
pub struct Seat {
    /// The home.
    pub home: Home,
    /// Its settings, as they were at the start.
    pub config: HostConfig,
    /// The file that those were read from.
    pub config_file: PolicyFiles,
    /// Where requests go.
    pub world: World,
    /// What has been counted since the process started.
    pub metrics: Arc<Metrics>,
    /// Who is told that a draft waits.
    pub approvers: Approvers,
    /// Tells whoever waits that some draft has moved on.
    pub draft_moved: Notify,
    /// Whether the process is about to end: nobody is waited for any more.
    pub is_stopping: AtomicBool,
    /// Whether drafts that the process before this one left have been settled: those of this one end by themselves.
    pub drafts_settled: AtomicBool,
    /// Where the dashboard is, once it listens.
    pub dashboard: OnceLock<SocketAddr>,
    _lock: HomeLock,
}

impl Seat {
    /// Takes the home. `what` says who holds it.
    pub fn take(home: Home, world: World, what: &str) -> Result<Arc<Self>, Failure> {
        if home.is_simulator() != world.simulated {
            return Err(wrong_world(&home, world.simulated));
        }
        let lock = home.lock(what)?;
        home.clear_outgoing()?;
        let text = HostConfig::text(&home)?;
        let config = HostConfig::parse(CONFIG_FILE, &text).map_err(ConfigError::from)?;
        let mut config_file = PolicyFiles::default();
        config_file.note(CONFIG_FILE, &text);
        let metrics = Metrics::new();
        let approvers = Approvers::new(config.approvers(), &metrics);
        Ok(Arc::new(Self {
            home,
            config,
            config_file,
            world,
            metrics,
            approvers,
            draft_moved: Notify::new(),
            is_stopping: AtomicBool::new(false),
            drafts_settled: AtomicBool::new(false),
            dashboard: OnceLock::new(),
            _lock: lock,
        }))
    }
}

fn wrong_world(home: &Home, simulated: bool) -> Failure {
    let path = home.path().display();
    if simulated {
        return Failure::home(format!("{path} is not a simulator's home"))
            .hint("make one with `wardlock --home FOLDER init` and mark it by `wardlock --home FOLDER serve --simulator` while it is still empty");
    }
    Failure::home(format!("{path} belongs to the simulator and never dials a real provider"))
        .hint("run `wardlock serve --simulator`, or use another home")
}

/// The gate.
pub struct Gate {
    seat: Arc<Seat>,
    host: RwLock<Option<Arc<Host>>>,
    /// One locking or unlocking at a time.
    turning: tokio::sync::Mutex<()>,
}

impl Gate {
    /// An open gate.
    pub fn of(host: Arc<Host>) -> Arc<Self> {
        let seat = Arc::clone(host.seat());
        Arc::new(Self { seat, host: RwLock::new(Some(host)), turning: tokio::sync::Mutex::default() })
    }

    /// A gate that stays locked until somebody unlocks it.
    pub fn locked(seat: Arc<Seat>) -> Arc<Self> {
        Arc::new(Self { seat, host: RwLock::default(), turning: tokio::sync::Mutex::default() })
    }

    /// Returns what stays while the vault is locked.
    pub fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Returns the host, or the refusal for agents while the vault is locked.
    pub fn host(&self) -> Result<Arc<Host>, Refusal> {
        self.opened().ok_or_else(|| {
            Refusal::new(Code::VaultLocked, "vault", "the vault is locked")
                .hint("the operator runs `wardlock vault unlock`")
        })
    }

    /// Returns the host, if the vault is open.
    pub fn opened(&self) -> Option<Arc<Host>> {
        self.host.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens the vault; nothing happens if it is open.
    pub async fn unlock(&self, key: &KeySource, who: &str) -> Result<(), Failure> {
        let _turn = self.turning.lock().await;
        if self.opened().is_some() {
            return Ok(());
        }
        let host = Host::unlock(&self.seat, key).await?;
        note(&host, Act::admin(who, "vault.unlock", "vault", "ok")).await;
        note(&host, host.policy_loaded()).await;
        *self.host.write().unwrap_or_else(PoisonError::into_inner) = Some(host);
        tracing::info!("the vault is unlocked");
        Ok(())
    }

    /// Locks the vault: no request begins from here on, those under way may end, and then the host is gone. Returns
    /// whether it is; if not, the last request takes it along.
    pub async fn lock(&self, who: &str) -> bool {
        let _turn = self.turning.lock().await;
        let Some(host) = self.host.write().unwrap_or_else(PoisonError::into_inner).take() else {
            return true;
        };
        tracing::info!("the vault is locked");
        host.write_down().await;
        note(&host, Act::admin(who, "vault.lock", "vault", "ok")).await;
        let patience = Instant::now() + self.seat.config.shutdown_timeout();
        while Arc::strong_count(&host) > 1 && Instant::now() < patience {
            tokio::time::sleep(LOOK).await;
        }
        let audit = host.audit().clone();
        let left = patience.saturating_duration_since(Instant::now()).max(LOOK);
        let drained = tokio::time::timeout(left, audit.drain()).await;
        let last = Arc::strong_count(&host) == 1 && matches!(drained, Ok(Ok(())));
        // Closing databases blocks.
        let gone = tokio::task::spawn_blocking(move || drop(host)).await;
        last && gone.is_ok()
    }
}

async fn note(host: &Host, act: Act) {
    if let Err(error) = host.audit().act(act).await {
        tracing::error!(%error, "the audit cannot record that the vault was locked or unlocked");
    }
}
