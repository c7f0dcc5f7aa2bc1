//! The sandbox as the host has it: where guests run, how many at once, and what is loaded.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use wardlock_core::id::Digest;
use wardlock_core::plugin::{MAX_MEMORY, MAX_TIME};

use crate::cache::CodeCache;
use crate::engine::Features;
use crate::error::SandboxError;
use crate::gate::{Gate, Share};
use crate::inside::Inside;
use crate::loaded::Loaded;
use crate::logs::PluginLogs;
use crate::worker::Crew;

/// The program that runs now, whatever stands in its file meanwhile.
pub const ITSELF: &str = "/proc/self/exe";

/// How much a sandbox gives.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
    /// Where guests run.
    pub runs: Runs,
    /// How many decisions may run at once. Guests only compute, so a few for each processor are enough.
    pub max_concurrent: u32,
    /// How many of them may be one plugin's, so that its neighbours always find a place.
    pub max_per_plugin: u32,
    /// How many decisions may wait for one plugin.
    pub max_waiting: u32,
    /// How long a decision may wait for its place.
    pub max_wait: Duration,
    /// The longest time limit that a plugin may have.
    pub max_time: Duration,
    /// The largest memory limit that a plugin may have.
    pub max_memory_bytes: u64,
    /// The largest component that loads.
    pub max_component_bytes: usize,
    /// How long a component may take to compile, the wait for its turn included.
    pub max_compile: Duration,
    /// Whether plugins are written down as they stand after `configure`, so that a request need not wait for it.
    pub snapshots: bool,
}

/// Where guests run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runs {
    /// In processes of their own, which hold no secret, no network, no files and no environment.
    Workers {
        /// How many.
        count: u32,
        /// What is executed; it must call [`crate::worker_main`] when its first argument is [`crate::WORKER`].
        program: PathBuf,
    },
    /// In this process: a microsecond or ten faster, and an escape from WebAssembly would find everything.
    InProcess,
}

impl Runs {
    /// Returns workers of a program, one for each processor.
    pub fn workers(program: &Path) -> Self {
        let processors = std::thread::available_parallelism().map_or(2, |count| count.get().clamp(2, 4));
        Self::Workers { count: u32::try_from(processors).unwrap_or(2), program: program.to_owned() }
    }
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            runs: Runs::workers(Path::new(ITSELF)),
            max_concurrent: 32,
            max_per_plugin: 16,
            max_waiting: 512,
            // A crowd that fills every place of a busy machine waits its turn: to refuse it sooner would only bring it back.
            max_wait: Duration::from_secs(2),
            max_time: MAX_TIME,
            max_memory_bytes: MAX_MEMORY,
            max_component_bytes: 32 << 20,
            // Thirty megabytes of Python take half a minute where both cores are busy with others.
            max_compile: Duration::from_mins(2),
            snapshots: true,
        }
    }
}

/// Runs plugins. Clones share one engine.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) gate: Gate,
    pub(crate) config: SandboxConfig,
    pub(crate) runner: Runner,
    pub(crate) cache: OnceLock<Arc<dyn CodeCache>>,
    pub(crate) logs: PluginLogs,
    loaded: Mutex<HashMap<Key, Weak<Loaded>>>,
}

/// What runs guests.
pub(crate) enum Runner {
    Workers(Arc<Crew>),
    Inside(Arc<Inside>),
}

/// What code is compiled for: a component, with its settings where it is a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) component: Digest,
    pub(crate) settings: Option<Digest>,
    /// What it may read.
    pub(crate) files: Option<Digest>,
}

impl Sandbox {
    /// Starts a sandbox: its workers, or an engine with its ticker thread. To be called within a tokio runtime that
    /// outlives it, and before the process holds its first secret.
    pub async fn start(config: SandboxConfig) -> Result<Self, SandboxError> {
        let runner = match &config.runs {
            Runs::Workers { count, program } => Runner::Workers(Crew::start(*count, program, &config).await?),
            Runs::InProcess => Runner::Inside(Arc::new(Inside::start(&config)?)),
        };
        Ok(Self::of(config, runner))
    }

    /// Makes a sandbox in this process, whatever the configuration says.
    pub fn new(mut config: SandboxConfig) -> Result<Self, SandboxError> {
        config.runs = Runs::InProcess;
        let runner = Runner::Inside(Arc::new(Inside::start(&config)?));
        Ok(Self::of(config, runner))
    }

    fn of(config: SandboxConfig, runner: Runner) -> Self {
        let gate = Gate::new(config.max_concurrent, config.max_wait);
        let (cache, logs, loaded) = (OnceLock::new(), PluginLogs::default(), Mutex::default());
        Self { inner: Arc::new(Inner { gate, config, runner, cache, logs, loaded }) }
    }

    /// From now on, compiled code is kept and looked for there.
    pub fn keep_code(&self, cache: Arc<dyn CodeCache>) {
        // One cache for the life of a sandbox: a second one changes nothing.
        let _ = self.inner.cache.set(cache);
    }

    /// Returns the newest lines that its plugins logged. They go when the sandbox goes.
    pub fn logs(&self) -> &PluginLogs {
        &self.inner.logs
    }

    /// Returns the ids of the processes that run guests now; none where this one does.
    pub fn worker_ids(&self) -> Vec<u32> {
        match &self.inner.runner {
            Runner::Workers(crew) => crew.ids(),
            Runner::Inside(_) => Vec::new(),
        }
    }

    /// Returns what of it depends on this machine.
    pub fn features(&self) -> Features {
        let max_concurrent = self.inner.config.max_concurrent;
        match &self.inner.runner {
            Runner::Workers(crew) => crew.features(max_concurrent),
            Runner::Inside(_) => Inside::features(max_concurrent),
        }
    }
}

impl Inner {
    /// Makes the places of one plugin.
    pub(crate) fn share(&self) -> Share {
        let config = &self.config;
        Share::new(config.max_per_plugin.min(config.max_concurrent), config.max_waiting)
    }

    /// Returns what is in use somewhere already.
    pub(crate) fn known(&self, key: Key) -> Option<Arc<Loaded>> {
        let loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.get(&key).and_then(Weak::upgrade)
    }

    /// Remembers what is loaded as long as a plugin uses it.
    pub(crate) fn remember(&self, loaded: &Arc<Loaded>) {
        let mut known = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, other| other.strong_count() > 0);
        known.insert(loaded.key, Arc::downgrade(loaded));
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("config", &self.inner.config).finish_non_exhaustive()
    }
}
