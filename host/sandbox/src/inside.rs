//! Guests in this process: an engine beside everything else that is here.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use wardlock_core::id::Digest;

use crate::cache;
use crate::engine::Features;
use crate::error::{LoadError, SandboxError};
use crate::files::Files;
use crate::instance::Linked;
use crate::prepare::{Code, Job, Prepared};
use crate::runtime::Runtime;
use crate::sandbox::SandboxConfig;
use crate::text::escaped;

/// How many components compile at once: one that never seems to end leaves room for others.
const COMPILERS: u8 = 4;

/// An engine in this process.
pub(crate) struct Inside {
    pub(crate) runtime: Arc<Runtime>,
    /// The turns of compilers: one that was given up goes on until it is done, and keeps its turn so long.
    compilers: Arc<Semaphore>,
    pub(crate) fingerprint: u64,
}

impl Inside {
    /// Starts the engine.
    pub(crate) fn start(config: &SandboxConfig) -> Result<Self, SandboxError> {
        let memory_bytes = usize::try_from(config.max_memory_bytes).unwrap_or(usize::MAX);
        let slots = config.max_concurrent.saturating_add(COMPILERS.into());
        let runtime = Arc::new(Runtime::new(slots, memory_bytes)?);
        let compilers = Arc::new(Semaphore::new(COMPILERS.into()));
        Ok(Self { fingerprint: cache::fingerprint(&runtime.engine), runtime, compilers })
    }

    /// Prepares a component on a thread of its own: large ones take seconds. Nothing can stop a compiler, so one that
    /// takes too long is left to itself and only keeps its turn.
    pub(crate) async fn prepare(
        &self,
        config: &SandboxConfig,
        bytes: Arc<Vec<u8>>,
        job: Job,
    ) -> Result<(Prepared, Code), LoadError> {
        let (runtime, compilers) = (Arc::clone(&self.runtime), Arc::clone(&self.compilers));
        let preparing = async {
            let turn = compilers.acquire_owned().await;
            let handle = Handle::current();
            tokio::task::spawn_blocking(move || {
                let prepared = handle.block_on(runtime.prepare(&bytes, &job));
                drop(turn);
                prepared
            })
            .await
        };
        let limit = config.max_compile;
        match tokio::time::timeout(limit, preparing).await {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(_)) => Err(LoadError::Engine { what: "the compiler stopped".to_owned() }),
            Err(_) => Err(LoadError::SlowToCompile { limit }),
        }
    }

    /// Takes prepared code.
    pub(crate) fn install(&self, code: &Code, digest: Digest, files: Option<Files>) -> Result<Linked, LoadError> {
        let taken = self.runtime.take(code, digest, files);
        taken.map_err(|error| LoadError::Engine { what: escaped(&format!("{error:#}"), 300) })
    }

    /// Returns what depends on this machine.
    pub(crate) fn features(max_concurrent: u32) -> Features {
        Features { pagemap_scan: Runtime::pagemap_scan(), max_concurrent, workers: None }
    }
}
