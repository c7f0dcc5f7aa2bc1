//! The running host: every part, wired once. Commands, listeners and the pipeline all borrow from here.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use wardlock_audit::{Act, Audit};
use wardlock_core::connection::{Connection, WriteMode};
use wardlock_core::service::ServiceDefinition;
use wardlock_egress::vault::{Accepted, KeySource, Vault, VaultError};
use wardlock_egress::{CallbackListener, Dialer, Egress, Limits, ListenError};
use wardlock_sandbox::{ITSELF, Sandbox, SandboxConfig};
use wardlock_state::{Basis, State};

use crate::admin::Failure;
use crate::admitted;
use crate::anchor::Anchor;
use crate::code::CompiledPlugins;
use crate::config::HostConfig;
use crate::dashboard::Visitors;
use crate::drafts;
use crate::gate::Seat;
use crate::home::Home;
use crate::ingress::{Places, Rates};
use crate::loaded::{Loaded, OpenConnection, Services, Sources};
use crate::metrics::Metrics;
use crate::ops::{AuditLooked, Looks};
use crate::record;
use crate::recorder::Recorder;
use crate::recount;
use crate::sums::Sums;
use crate::writes;

/// Where requests go: the world, or the simulator.
pub struct World {
    /// How hosts are dialled.
    pub dialer: Dialer,
    /// Whether this is the simulator's world.
    pub simulated: bool,
    /// What is executed as a plugin worker: a program that calls [`wardlock_sandbox::worker_main`] where it is told to.
    pub worker: PathBuf,
}

impl World {
    /// The real one.
    pub fn real() -> Result<Self, Failure> {
        let dialer = Dialer::system().map_err(|error| Failure::home(format!("failed to set up TLS: {error}")))?;
        Ok(Self { dialer, simulated: false, worker: ITSELF.into() })
    }
}

/// Every part of a running Wardlock.
pub struct Host {
    seat: Arc<Seat>,
    services: RwLock<Arc<Services>>,
    loaded: RwLock<Arc<Loaded>>,
    sandbox: Sandbox,
    vault: Arc<Vault>,
    egress: Egress,
    audit: Audit,
    anchor: Anchor,
    state: State,
    recorder: Arc<Recorder>,
    places: Arc<Places>,
    rates: Rates,
    sums: Sums,
    visitors: Visitors,
    pub(crate) looks: Looks,
    callback: tokio::sync::Mutex<Weak<CallbackListener>>,
    audit_looked: AuditLooked,
    /// Held while everything is loaded anew: of two reloads, the later one is what stays.
    reloading: tokio::sync::Mutex<()>,
    /// One at a time sets a level or a proof, in the vault, in the state and in the audit.
    levels: tokio::sync::Mutex<()>,
}

impl Host {
    /// Opens the home and everything in it. `what` says who holds the lock.
    pub async fn open(home: Home, unlock: &KeySource, world: World, what: &str) -> Result<Arc<Self>, Failure> {
        Self::unlock(&Seat::take(home, world, what)?, unlock).await
    }

    /// Opens everything in a home that is held already.
    pub async fn unlock(seat: &Arc<Seat>, unlock: &KeySource) -> Result<Arc<Self>, Failure> {
        let Seat { home, config, world, metrics, .. } = &**seat;
        let plugins = SandboxConfig {
            runs: config.plugin_runs(&world.worker),
            max_concurrent: config.plugin_concurrency(),
            ..SandboxConfig::default()
        };
        // Workers start while there is no secret here yet.
        let sandbox = Sandbox::start(plugins)
            .await
            .map_err(|error| Failure::home(format!("failed to start the plugin engine: {error}")))?;
        // After the engine, which looks at the process's memory map once, and before the first key is there.
        crate::harden::close_memory();
        let vault = Arc::new(Vault::open(&home.state_folder(), unlock)?);
        sandbox.keep_code(Arc::new(CompiledPlugins::new(Arc::clone(seat), vault.keys())));
        let audit = record::open(home, config, &vault, metrics)?;
        let anchor = Anchor::check(&audit, &vault)?;
        let state = State::open(&home.state_path("state.db")?, clock())?;
        let settled = admitted::settle(&state, &vault, now_ms())?;
        let patience = config.upstream_timeout();
        let limits = Limits { total: patience, idle: patience, ..Limits::default() };
        let egress = Egress::with_limits(Arc::clone(&vault), world.dialer.clone(), audit.clone(), clock(), limits);
        egress.watch_refreshes(metrics.refresh_watch());
        let services = Arc::new(Services::load(home));
        let loaded = first_load(seat, &sandbox, &vault, &services).await?;
        recount::all(&audit, &state, &loaded).await;
        let recorder = Recorder::start(&home.state_folder(), vault.keys(), Arc::clone(metrics));
        let recorder =
            recorder.map_err(|error| Failure::home(format!("failed to start the recorder: {error}")))?;
        recorder.settle(&loaded, now_ms());
        let places = Places::new(config.requests(), config.requests_per_agent());
        let host = Arc::new(Self {
            seat: Arc::clone(seat),
            services: RwLock::new(services),
            loaded: RwLock::new(loaded),
            sandbox,
            vault,
            egress,
            audit,
            anchor,
            state,
            recorder: Arc::new(recorder),
            places,
            rates: Rates::new(config.rate(), config.rate_per_agent()),
            sums: Sums::default(),
            visitors: Visitors::default(),
            looks: Looks::default(),
            callback: tokio::sync::Mutex::default(),
            audit_looked: AuditLooked::default(),
            reloading: tokio::sync::Mutex::default(),
            levels: tokio::sync::Mutex::default(),
        });
        if !seat.drafts_settled.load(Ordering::SeqCst) {
            host.settle_drafts().await?;
            seat.drafts_settled.store(true, Ordering::SeqCst);
        }
        host.distrust_levels()?;
        host.note_all(settled).await;
        host.note_revision().await;
        Ok(host)
    }

    /// Has the audit know how new the vault is, where who may do what may have changed.
    pub(crate) async fn note_revision(&self) {
        self.anchor.note(&self.audit, &self.vault).await;
    }

    async fn note_all(&self, acts: Vec<Act>) {
        for act in acts {
            if let Err(error) = self.audit.act(act).await {
                tracing::error!(%error, "the audit cannot record");
            }
        }
    }

    /// Waits until nobody else sets a level or a proof. Whoever holds reloads, too, has done so before.
    pub(crate) async fn turn_of_levels(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.levels.lock().await
    }

    /// Takes no notice of write levels that this vault did not make, or made and took back since.
    fn distrust_levels(&self) -> Result<(), Failure> {
        let keys = self.vault.keys();
        for (key, level) in self.state.write_levels() {
            let place = writes::place_of(&key.0, &key.1);
            let settings = self.vault.write_mark(&place)?.settings;
            if !writes::is_marked_level(&keys, &place, &level, settings) {
                tracing::warn!(connection = place, "the state holds a write level that does not hold");
                self.state.distrust_write_level(&key);
            }
        }
        Ok(())
    }

    /// Says what became of drafts that were being sent when the process before this one ended.
    async fn settle_drafts(self: &Arc<Self>) -> Result<(), Failure> {
        let host = Arc::clone(self);
        let settled = tokio::task::spawn_blocking(move || drafts::settle(&host)).await;
        let settled = settled.map_err(|error| Failure::no(format!("a worker thread failed: {error}")))?;
        settled.map(drop).map_err(|error| Failure::home(format!("failed to settle drafts: {error}")))
    }

    /// Returns the act by which the audit shows which policy holds from here on: one digest over all its files.
    pub fn policy_loaded(&self) -> Act {
        let mut files = self.seat.config_file.clone();
        files.extend(self.loaded().files());
        Act::admin("wardlock", "policy.loaded", "wardlock.toml, services, workspaces", files.digest().to_string())
    }

    /// Loads workspaces, services and plugins anew; requests under way keep what they have. Returns what was and what is.
    pub async fn reload(&self) -> [Arc<Loaded>; 2] {
        let _turn = self.reloading.lock().await;
        let services = Arc::new(Services::load(self.home()));
        let before = self.loaded();
        let loaded = match self.accepted().await {
            Ok(accepted) => {
                let sources = self.sources(&services, accepted.as_ref());
                let loaded = Arc::new(Loaded::load_after(sources, &before).await);
                self.narrow(&services, &loaded, accepted).await;
                loaded
            }
            Err(error) => {
                // Nobody can tell what was accepted, so nothing changes.
                tracing::error!(%error, "what admins accepted cannot be read; what was loaded goes on");
                return [Arc::clone(&before), before];
            }
        };
        let recounts = recount::is_wanted(&before, &loaded);
        if recounts {
            // What was written before a bound was there counts for it.
            recount::all(&self.audit, &self.state, &loaded).await;
        }
        *self.services.write().unwrap_or_else(PoisonError::into_inner) = services;
        let before = {
            let mut held = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *held, Arc::clone(&loaded))
        };
        if recounts {
            // And what was written while it was counted.
            recount::all(&self.audit, &self.state, &loaded).await;
        }
        self.settle_recorder().await;
        [before, loaded]
    }

    /// Keeps everything as it is loaded for as long as this is held.
    pub async fn hold_reloads(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.reloading.lock().await
    }

    /// Returns what a load takes.
    pub fn sources<'a>(&'a self, services: &'a Services, accepted: Option<&'a Accepted>) -> Sources<'a> {
        let publishers = self.config().publishers();
        Sources { home: self.home(), sandbox: &self.sandbox, services, publishers, accepted }
    }

    /// What serves from here on is all that files alone may say again.
    async fn narrow(&self, services: &Arc<Services>, loaded: &Arc<Loaded>, accepted: Option<Accepted>) {
        let (vault, services, loaded) = (Arc::clone(&self.vault), Arc::clone(services), Arc::clone(loaded));
        let narrowed = tokio::task::spawn_blocking(move || narrow(&vault, &services, &loaded, accepted.as_ref()));
        let told = match narrowed.await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::error!(
            error = told,
            "what files narrow could not be kept: until the next reload they may widen it again"
        );
    }

    async fn accepted(&self) -> Result<Option<Accepted>, Failure> {
        let vault = Arc::clone(&self.vault);
        let accepted = tokio::task::spawn_blocking(move || vault.accepted()).await;
        Ok(accepted.map_err(|error| Failure::no(format!("a worker thread failed: {error}")))??)
    }

    /// Returns what is loaded now.
    pub fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the services that are loaded now.
    pub fn services(&self) -> Arc<Services> {
        Arc::clone(&self.services.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Returns the home.
    pub fn home(&self) -> &Home {
        &self.seat.home
    }

    /// Returns what stays when the vault is locked.
    pub fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Returns the configuration.
    pub fn config(&self) -> &HostConfig {
        &self.seat.config
    }

    /// Returns the plugin engine.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Returns the vault.
    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// Returns the upstream side.
    pub fn egress(&self) -> &Egress {
        &self.egress
    }

    /// Returns what was found of the audit when it was looked at last.
    pub(crate) fn audit_looked(&self) -> &AuditLooked {
        &self.audit_looked
    }

    /// Returns the audit.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Returns the state.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Returns the recorder.
    pub fn recorder(&self) -> &Arc<Recorder> {
        &self.recorder
    }

    /// Has the recorder take what is loaded now.
    async fn settle_recorder(&self) {
        let (recorder, loaded) = (Arc::clone(&self.recorder), self.loaded());
        let settled = tokio::task::spawn_blocking(move || recorder.settle(&loaded, now_ms())).await;
        if let Err(error) = settled {
            tracing::error!(%error, "the recorder failed");
        }
    }

    /// Returns what is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.seat.metrics
    }

    /// Returns the places for requests under way.
    pub fn places(&self) -> &Arc<Places> {
        &self.places
    }

    /// Returns how often agents may ask.
    pub fn rates(&self) -> &Rates {
        &self.rates
    }

    /// Returns which world this is.
    pub fn world(&self) -> &World {
        &self.seat.world
    }

    /// Returns a service, or says which there are.
    pub fn service(&self, name: &str) -> Result<Arc<ServiceDefinition>, Failure> {
        let services = self.services();
        services.get(name).cloned().ok_or_else(|| {
            let known: Vec<&str> = services.names().collect();
            Failure::usage(format!("there is no service `{name}`"))
                .hint(format!("services here: {}", known.join(", ")))
        })
    }

    /// Returns the listener that consents come back to, bound while anybody waits there: several consents share it, told
    /// apart by their state.
    pub async fn callback(&self) -> Result<Arc<CallbackListener>, ListenError> {
        let mut shared = self.callback.lock().await;
        if let Some(listener) = shared.upgrade() {
            return Ok(listener);
        }
        let config = self.config();
        let listener = CallbackListener::bind(config.callback(), config.callback_url(), clock()).await?;
        let listener = Arc::new(listener);
        *shared = Arc::downgrade(&listener);
        Ok(listener)
    }

    /// Returns the write level that is enabled now for a grant's generation; the workspace file's `writes` is the ceiling above it.
    pub fn write_level(
        &self,
        open: &OpenConnection,
        connection: &Connection,
        generation: Option<u64>,
    ) -> WriteMode {
        if connection.writes == WriteMode::Off {
            return WriteMode::Off;
        }
        let found = self.state.write_level(&connection.workspace, &writes::key_of(connection));
        match (generation, found) {
            (Some(generation), Some(found)) if found.basis == (Basis { generation, rules: open.rules() }) => {
                found.level
            }
            // Never enabled, or lapsed.
            _ => WriteMode::Off,
        }
    }

    /// Returns the time in milliseconds since 1970-01-01T00:00:00Z.
    pub fn now_ms(&self) -> u64 {
        now_ms()
    }

    /// Returns what the audit gets as sums.
    pub fn sums(&self) -> &Sums {
        &self.sums
    }

    /// Returns who may look at the dashboard.
    pub fn visitors(&self) -> &Visitors {
        &self.visitors
    }

    /// Counts a request that was refused before it was known whose it is.
    pub fn count_unauthenticated(&self) {
        self.sums.count_unauthenticated();
        self.metrics().unauthenticated();
    }

    /// Renews tokens that must be renewed ahead of their end, although nobody asks for them: those that renew themselves.
    pub async fn renew_ahead(&self) {
        let loaded = self.loaded();
        let vault = Arc::clone(self.vault());
        let Ok(Ok(grants)) = tokio::task::spawn_blocking(move || vault.grants()).await else { return };
        for grant in grants {
            let mut serving = loaded.connections().filter(|found| {
                let connection = &found.connection;
                connection.uses(&grant.name)
                    && connection.takes_grant_of(&grant.service)
                    && connection.region == grant.region
            });
            if let Some(found) = serving.next() {
                self.egress.renew_ahead(&grant, &found.connection.service).await;
            }
        }
    }

    /// Writes down what is kept in memory between times, agents' last use and sums, and forgets quotas and recordings that have ended.
    pub async fn write_down(&self) {
        if let Err(error) = self.state.flush_last_used() {
            tracing::error!(%error, "agents' last use cannot be written");
        }
        if let Err(error) = self.state.tidy_drafts() {
            tracing::error!(%error, "drafts that have ended cannot be taken away");
        }
        if let Err(error) = self.state.forget_ended_quotas() {
            tracing::error!(%error, "quotas whose windows ended cannot be forgotten");
        }
        self.settle_recorder().await;
        self.rates.tidy();
        self.note_all(self.sums.take()).await;
        // Refreshed tokens, too, are nothing that an older vault brings back.
        self.note_revision().await;
    }
}

/// Loads what the home says when nothing was loaded before.
async fn first_load(
    seat: &Seat,
    sandbox: &Sandbox,
    vault: &Vault,
    services: &Services,
) -> Result<Arc<Loaded>, Failure> {
    let accepted = vault.accepted()?;
    let (home, publishers) = (&seat.home, seat.config.publishers());
    let sources = Sources { home, sandbox, services, publishers, accepted: accepted.as_ref() };
    let loaded = Loaded::load(sources).await;
    narrow(vault, services, &loaded, accepted.as_ref())?;
    Ok(Arc::new(loaded))
}

/// Keeps what is loaded as what was accepted, where operators have keys and it is less than that.
fn narrow(
    vault: &Vault,
    services: &Services,
    loaded: &Loaded,
    accepted: Option<&Accepted>,
) -> Result<(), VaultError> {
    let Some(accepted) = accepted else { return Ok(()) };
    let holds = loaded.accepted_from(services, accepted);
    if holds == *accepted {
        return Ok(());
    }
    tracing::info!("the files let agents do less than an admin accepted: that is what counts as accepted now");
    vault.accept(&holds)
}

/// The wall clock, as the crates that need one take it.
pub fn clock() -> Arc<dyn Fn() -> u64 + Send + Sync> {
    Arc::new(now_ms)
}

/// Returns the time in milliseconds since 1970-01-01T00:00:00Z.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
