//! The sandbox: the engine with its ticker, its gate and what it has compiled.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use wardlock_core::id::Digest;
use wasmtime::component::Linker;
use wasmtime::{Engine, PoolingAllocationConfig};

use crate::compiled::Compiled;
use crate::engine::{self, Features, Ticker};
use crate::error::SandboxError;
use crate::gate::{Gate, Share};
use crate::instance::{self, Guest};

/// How many components compile at once: one that never seems to end leaves room for others.
const COMPILERS: usize = 4;

/// How much a sandbox gives.
#[derive(Debug, Clone)]
pub struct SandboxConfig {
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
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            max_concurrent: 32,
            max_per_plugin: 16,
            max_waiting: 512,
            max_wait: Duration::from_millis(250),
            max_time: Duration::from_secs(5),
            max_memory_bytes: 64 << 20,
            max_component_bytes: 32 << 20,
            // Thirty megabytes of Python take half a minute where both cores are busy with others.
            max_compile: Duration::from_mins(2),
        }
    }
}

/// Runs plugins. Clones share one engine.
#[derive(Clone)]
pub struct Sandbox {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    // The ticker ends before the engine that it ticks.
    pub(crate) ticker: Ticker,
    pub(crate) gate: Gate,
    pub(crate) config: SandboxConfig,
    /// The turns of compilers: one that was given up goes on until it is done, and keeps its turn so long.
    pub(crate) compilers: Arc<Semaphore>,
    pub(crate) linker: Linker<Guest>,
    pub(crate) engine: Engine,
    compiled: Mutex<HashMap<Digest, Weak<Compiled>>>,
}

impl Sandbox {
    /// Makes a sandbox with its own engine and ticker thread.
    pub fn new(config: SandboxConfig) -> Result<Self, SandboxError> {
        let memory_bytes = usize::try_from(config.max_memory_bytes).unwrap_or(usize::MAX);
        let engine = engine::engine(config.max_concurrent, memory_bytes).map_err(SandboxError::Engine)?;
        let linker = instance::linker(&engine).map_err(SandboxError::Engine)?;
        let ticker = Ticker::start(&engine).map_err(SandboxError::Ticker)?;
        let gate = Gate::new(config.max_concurrent, config.max_wait);
        let compiled = Mutex::new(HashMap::new());
        let compilers = Arc::new(Semaphore::new(COMPILERS));
        Ok(Self { inner: Arc::new(Inner { ticker, gate, config, compilers, linker, engine, compiled }) })
    }

    /// Returns what of the engine depends on this machine.
    pub fn features(&self) -> Features {
        Features {
            pagemap_scan: PoolingAllocationConfig::is_pagemap_scan_available(),
            max_concurrent: self.inner.config.max_concurrent,
        }
    }
}

impl Inner {
    /// Makes the places of one plugin.
    pub(crate) fn share(&self) -> Share {
        let config = &self.config;
        Share::new(config.max_per_plugin.min(config.max_concurrent), config.max_waiting)
    }

    /// Returns a component that is in use somewhere already.
    pub(crate) fn known(&self, digest: Digest) -> Option<Arc<Compiled>> {
        let compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        compiled.get(&digest).and_then(Weak::upgrade)
    }

    /// Remembers a component as long as a plugin uses it.
    pub(crate) fn remember(&self, compiled: &Arc<Compiled>) {
        let mut known = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, other| other.strong_count() > 0);
        known.insert(compiled.digest, Arc::downgrade(compiled));
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox").field("config", &self.inner.config).finish_non_exhaustive()
    }
}
