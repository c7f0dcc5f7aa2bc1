//! The engine's side: everything that touches WebAssembly. It stands in this process or in a worker, and is the same there.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wardlock_core::id::Digest;
use wardlock_core::plugin::{Answer, PluginFault, PluginRequest, PluginResponse, ResponseAnswer};
use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, PoolingAllocationConfig};

use crate::adapt::{self, BodyView, Shown, ShownResponse};
use crate::engine::{self, MAPS_CODE, Running, Ticker};
use crate::error::SandboxError;
use crate::files::Files;
use crate::instance::{self, Bounds, Guest, Linked, Live, within, within_or_waiting};
use crate::log::{self, PluginLog, SharedLog};
use crate::takes::{Take, Takes, Waits};
use crate::trusted;
use crate::worker::handing;

/// An engine with its ticker and its linker.
pub(crate) struct Runtime {
    // The ticker ends before the engine that it ticks.
    ticker: Ticker,
    pub(crate) linker: Linker<Guest>,
    pub(crate) engine: Engine,
}

/// What one decision may take, and what is shown.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Call {
    /// How long it may run.
    pub(crate) time: Duration,
    /// The most memory.
    pub(crate) memory_bytes: usize,
    /// The most bytes that the guest may hand over.
    pub(crate) handover_bytes: usize,
    /// How much of a request's body it sees.
    pub(crate) body: BodyView,
    /// How much of an answer's body it sees.
    pub(crate) answer_body: BodyView,
    /// Whether it may take of quotas.
    pub(crate) counts: bool,
}

/// What came of a decision, and what was logged.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Judged<A = Answer> {
    pub(crate) answer: Result<A, PluginFault>,
    pub(crate) log: PluginLog,
}

impl<A> Judged<A> {
    /// Nobody ran.
    pub(crate) fn failed(fault: PluginFault) -> Self {
        Self { answer: Err(fault), log: PluginLog::default() }
    }
}

impl Runtime {
    /// Makes an engine with room for so many instances at once, each with at most `memory_bytes` in one memory.
    pub(crate) fn new(slots: u32, memory_bytes: usize) -> Result<Self, SandboxError> {
        let engine = engine::engine(slots, memory_bytes).map_err(SandboxError::Engine)?;
        let linker = instance::linker(&engine).map_err(SandboxError::Engine)?;
        let ticker = Ticker::start(&engine).map_err(SandboxError::Ticker)?;
        Ok(Self { ticker, linker, engine })
    }

    /// Returns whether Linux's `PAGEMAP_SCAN` works.
    pub(crate) fn pagemap_scan() -> bool {
        PoolingAllocationConfig::is_pagemap_scan_available()
    }

    /// Notes that a guest runs from now on.
    pub(crate) fn running(&self) -> Running<'_> {
        self.ticker.running()
    }

    /// Links a component whose imports have been checked.
    pub(crate) fn link(&self, component: &Component, digest: Digest) -> wasmtime::Result<Linked> {
        Linked::new(&self.linker, component, digest)
    }

    /// Takes code that [`Runtime::prepare`] made, here or in another process of this build.
    pub(crate) fn take(&self, code: &[u8], digest: Digest, files: Option<Files>) -> wasmtime::Result<Linked> {
        Ok(self.link(&trusted::component(&self.engine, code)?, digest)?.reading(files))
    }

    /// Takes such code from a file that nobody can change. Where that works, all processes that do share its memory.
    pub(crate) fn take_file(
        &self,
        file: OwnedFd,
        length: u64,
        digest: Digest,
        files: Option<Files>,
    ) -> wasmtime::Result<Linked> {
        if !MAPS_CODE {
            return self.take(&handing::read(file, length)?, digest, files);
        }
        let (component, mapping) = trusted::mapped(&self.engine, &file, length)?;
        Ok(self.link(&component, digest)?.reading(files).mapped(mapping))
    }

    /// Judges a request, in a fresh instance that is dropped afterwards. What it takes of quotas goes through `takes`.
    ///
    /// `settings` are given to the instance first; `None`: they are in its snapshot.
    pub(crate) async fn judge(
        &self,
        linked: &Linked,
        settings: Option<&str>,
        call: &Call,
        request: &PluginRequest,
        takes: Option<Arc<dyn Take>>,
    ) -> Judged {
        let log: SharedLog = Arc::new(Mutex::default());
        let _running = self.running();
        let waits = Waits::default();
        let judge = async {
            let takes = match takes {
                Some(takes) => Takes::Counted(takes, waits.clone()),
                None => Takes::NO_CAPABILITY,
            };
            let mut live = linked.start(settings, call, (&request.id, request.now_ms), &log, takes).await?;
            #[cfg(feature = "escape")]
            if let Some(found) = crate::worker::escape::answer(request) {
                return Ok(found);
            }
            adapt::answer(live.on_request(&Shown::new(request, call.body)).await?)
        };
        let answer = within_or_waiting(call.time, &waits, judge, |fault| fault).await;
        Judged { answer, log: log::take(&log) }
    }

    /// Judges an answer, likewise.
    pub(crate) async fn judge_answer(
        &self,
        linked: &Linked,
        settings: Option<&str>,
        call: &Call,
        response: &PluginResponse,
    ) -> Judged<ResponseAnswer> {
        let log: SharedLog = Arc::new(Mutex::default());
        let _running = self.running();
        let judge = async {
            let request = (response.id.as_str(), response.now_ms);
            let mut live = linked.start(settings, call, request, &log, Takes::OUTSIDE).await?;
            adapt::response_answer(live.on_response(&ShownResponse::new(response, call.answer_body)).await?)
        };
        let answer = within(call.time, judge, |fault| fault).await;
        Judged { answer, log: log::take(&log) }
    }
}

impl Linked {
    /// Starts an instance that has its settings, in the time of a request.
    pub(crate) async fn start(
        &self,
        settings: Option<&str>,
        call: &Call,
        (request_id, now_ms): (&str, u64),
        log: &SharedLog,
        takes: Takes,
    ) -> Result<Live<'_>, PluginFault> {
        let bounds = Bounds {
            request_id,
            now_ms,
            memory_bytes: call.memory_bytes,
            handover_bytes: call.handover_bytes,
            log,
        };
        let mut live = self.instantiate(bounds).await?;
        if let Some(settings) = settings
            && live.configure(settings).await?.is_err()
        {
            let what = "it refuses the settings that it took when it was loaded".to_owned();
            return Err(PluginFault::Nonsense { what });
        }
        live.enter(bounds, takes);
        Ok(live)
    }
}
