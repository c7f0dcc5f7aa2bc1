//! One instance of a plugin: a fresh store, bounded in memory, time and handed-over data, for one request.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use wardlock_core::id::Digest;
use wardlock_core::plugin::PluginFault;
use wardlock_core::plugin::quota::QuotaFault;
use wasmtime::component::{Component, HasSelf, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store, Trap};

use crate::adapt::{Shown, ShownResponse};
use crate::bindings::exports::wardlock::policy::settings::Problem;
use crate::bindings::exports::wardlock::policy::{request_hook, response_hook, settings};
use crate::bindings::wardlock::policy::{folder as wit_folder, log as wit_log, quota as wit_quota, types};
use crate::engine::TICK;
use crate::files::{Files, NoFolder};
use crate::imports;
use crate::limits::{Limits, MemoryLimit};
use crate::log::{self, SharedLog};
use crate::takes::{TakeRefused, Takes, Waits};
use crate::text::escaped;
use crate::trusted::Mapping;
use crate::wasi::{self, Forbidden, Wasi};

/// The most handles that a guest may hold at once.
const MAX_HANDLES: usize = 256;

/// What the host keeps for one instance. It holds nothing that the guest may not have.
pub(crate) struct Guest {
    pub(crate) wasi: Wasi,
    pub(crate) takes: Takes,
    /// What it may read.
    pub(crate) files: Option<Arc<Files>>,
    limits: Limits,
    log: SharedLog,
}

impl types::Host for Guest {}

impl wit_log::Host for Guest {
    fn log(&mut self, level: u8, message: String) {
        log::write(&self.log, level, &message);
    }
}

/// A component with all that does not depend on a request: linked once, and its exports found.
pub(crate) struct Linked {
    pre: InstancePre<Guest>,
    settings: settings::GuestIndices,
    /// Absent where it judges no requests.
    request_hook: Option<request_hook::GuestIndices>,
    /// Absent where it judges no answers.
    response_hook: Option<response_hook::GuestIndices>,
    digest: Digest,
    files: Option<Arc<Files>>,
    /// What the code is in, where it was mapped. Last, because it must outlive everything above.
    _mapping: Option<Mapping>,
}

/// What an instance is for and how far it may go.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    /// The request's id.
    pub(crate) request_id: &'a str,
    /// The request's time.
    pub(crate) now_ms: u64,
    /// The most memory.
    pub(crate) memory_bytes: usize,
    /// The most bytes that the guest may hand over in one call.
    pub(crate) handover_bytes: usize,
    /// Where its lines go.
    pub(crate) log: &'a SharedLog,
}

/// Makes the linker: the contract's imports and inert WASI.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    types::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    wit_log::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    wit_quota::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    wit_folder::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    wasi::add_to_linker(&mut linker)?;
    Ok(linker)
}

impl Linked {
    /// Links a component whose imports and exports have been checked.
    pub(crate) fn new(linker: &Linker<Guest>, component: &Component, digest: Digest) -> wasmtime::Result<Self> {
        let mut linker = linker.clone();
        imports::deny_sockets(component.engine(), component, &mut linker)?;
        let pre = linker.instantiate_pre(component)?;
        let settings = settings::GuestIndices::new(&pre)?;
        let names = imports::names(component.engine(), component);
        let hooks = imports::hooks(&names).map_err(wasmtime::Error::new)?;
        let request_hook = hooks.judge_requests().then(|| request_hook::GuestIndices::new(&pre)).transpose()?;
        let response_hook = hooks.judge_answers().then(|| response_hook::GuestIndices::new(&pre)).transpose()?;
        Ok(Self { pre, settings, request_hook, response_hook, digest, files: None, _mapping: None })
    }

    /// Gives it files to read.
    pub(crate) fn reading(self, files: Option<Files>) -> Self {
        Self { files: files.map(Arc::new), ..self }
    }

    /// Keeps what the code is mapped in.
    pub(crate) fn mapped(self, mapping: Mapping) -> Self {
        Self { _mapping: Some(mapping), ..self }
    }

    /// Makes an instance. Its start code runs here, outside any request: at time zero, with the randomness of loading,
    /// so that it makes no difference whether it runs for each request or once, before a snapshot.
    pub(crate) async fn instantiate(&self, bounds: Bounds<'_>) -> Result<Live<'_>, PluginFault> {
        let guest = Guest {
            wasi: Wasi::outside_requests(self.digest, Arc::clone(bounds.log)),
            takes: Takes::OUTSIDE,
            files: self.files.clone(),
            limits: Limits::new(bounds.memory_bytes),
            log: Arc::clone(bounds.log),
        };
        let mut store = Store::new(self.pre.engine(), guest);
        store.limiter(|guest| &mut guest.limits);
        store.set_hostcall_fuel(bounds.handover_bytes);
        store.set_max_component_handles(MAX_HANDLES);
        // At each tick the guest gives way; the wall clock around the whole call ends it.
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        let instance = self.pre.instantiate_async(&mut store).await.map_err(|e| fault(&e, During::Start))?;
        Ok(Live { linked: self, store, instance })
    }
}

/// A running instance. After any fault it is dead and only fit to be dropped.
pub(crate) struct Live<'a> {
    linked: &'a Linked,
    store: Store<Guest>,
    instance: Instance,
}

impl Live<'_> {
    /// Asks the plugin what it is.
    pub(crate) async fn describe(&mut self) -> Result<settings::Description, PluginFault> {
        let settings = self.settings()?;
        settings.call_describe(&mut self.store).await.map_err(|e| fault(&e, During::Call))
    }

    /// Asks the plugin for its settings' schema.
    pub(crate) async fn schema(&mut self) -> Result<String, PluginFault> {
        let settings = self.settings()?;
        settings.call_schema(&mut self.store).await.map_err(|e| fault(&e, During::Call))
    }

    /// Gives the plugin its settings.
    pub(crate) async fn configure(&mut self, text: &str) -> Result<Result<(), Vec<Problem>>, PluginFault> {
        let settings = self.settings()?;
        settings.call_configure(&mut self.store, text).await.map_err(|e| fault(&e, During::Call))
    }

    /// From here on it is the request's time, and its randomness, and what it takes is the request's.
    pub(crate) fn enter(&mut self, bounds: Bounds<'_>, takes: Takes) {
        let guest = self.store.data_mut();
        guest.wasi.enter(bounds.request_id, self.linked.digest, bounds.now_ms);
        guest.takes = takes;
    }

    /// Returns how much memory it has taken so far.
    pub(crate) fn taken_bytes(&self) -> u64 {
        self.store.data().limits.taken_bytes() as u64
    }

    /// Returns what a snapshot is read from.
    pub(crate) fn parts(&mut self) -> (&mut Store<Guest>, Instance) {
        (&mut self.store, self.instance)
    }

    /// Asks the plugin to judge a request.
    pub(crate) async fn on_request(&mut self, request: &Shown<'_>) -> Result<types::Answer, PluginFault> {
        let hook = self.linked.request_hook.as_ref().ok_or_else(no_hook)?;
        let hook = hook.load(&mut self.store, &self.instance).map_err(|e| fault(&e, During::Start))?;
        hook.call_on_request(&mut self.store, request.request()).await.map_err(|e| fault(&e, During::Call))
    }

    /// Asks the plugin to judge an answer.
    pub(crate) async fn on_response(
        &mut self,
        response: &ShownResponse<'_>,
    ) -> Result<response_hook::ResponseAnswer, PluginFault> {
        let hook = self.linked.response_hook.as_ref().ok_or_else(no_hook)?;
        let hook = hook.load(&mut self.store, &self.instance).map_err(|e| fault(&e, During::Start))?;
        hook.call_on_response(&mut self.store, response.response()).await.map_err(|e| fault(&e, During::Call))
    }

    /// Checks that the exports have the contract's types.
    pub(crate) fn check_types(&mut self) -> wasmtime::Result<()> {
        self.linked.settings.load(&mut self.store, &self.instance)?;
        if let Some(hook) = &self.linked.request_hook {
            hook.load(&mut self.store, &self.instance)?;
        }
        if let Some(hook) = &self.linked.response_hook {
            hook.load(&mut self.store, &self.instance)?;
        }
        Ok(())
    }

    fn settings(&mut self) -> Result<settings::Guest, PluginFault> {
        self.linked.settings.load(&mut self.store, &self.instance).map_err(|e| fault(&e, During::Start))
    }
}

/// How many times its limit a guest may take by the wall clock, whatever keeps it from running.
pub(crate) const WALL_TIMES: u32 = 10;

/// How many turns a guest has without a rest. An honest one is done within the first, or within the second where a tick
/// ends meanwhile.
const FREE_TURNS: u128 = 2;
/// How many times as long as a turn a guest rests after it, from then on. While it runs, what else waits for its thread
/// waits too, so the thread is the neighbours' for longer than it is the guest's.
const REST_TIMES: u32 = 2;
/// The longest rest: one turn of bulk operations, or on a machine that is busy with others, takes more than a tick.
const LONGEST_REST: Duration = TICK.saturating_mul(4);

/// Runs something of a guest's for at most so long. What is left of it after that is dropped with its store.
///
/// The limit is of the guest's own time, in turns: it gives way at each tick of the engine, so a turn is at least what
/// is left of one tick, and on a busy machine it is not charged for the time in which others ran. The wall clock bounds
/// it besides.
pub(crate) async fn within<T, E>(
    limit: Duration,
    run: impl Future<Output = Result<T, E>>,
    late: impl FnOnce(PluginFault) -> E,
) -> Result<T, E> {
    within_or_waiting(limit, &Waits::default(), run, late).await
}

/// The same for a guest that may wait for its host: that is no turn of its own, and only the wall clock bounds it.
pub(crate) async fn within_or_waiting<T, E>(
    limit: Duration,
    waits: &Waits,
    run: impl Future<Output = Result<T, E>>,
    late: impl FnOnce(PluginFault) -> E,
) -> Result<T, E> {
    let mut run = pin!(run);
    let turns = limit.as_millis().div_ceil(TICK.as_millis());
    let in_turns = async {
        for turn in 0..=turns {
            let started = Instant::now();
            let polled = poll_fn(|context| match run.as_mut().poll(context) {
                // Whatever wakes it polls it again.
                Poll::Pending if waits.are_for_the_host() => Poll::Pending,
                polled => Poll::Ready(polled),
            });
            if let Poll::Ready(outcome) = polled.await {
                return Some(outcome);
            }
            if turn < FREE_TURNS {
                tokio::task::yield_now().await;
            } else {
                let rest = started.elapsed().saturating_mul(REST_TIMES);
                tokio::time::sleep(rest.clamp(TICK, LONGEST_REST)).await;
            }
        }
        None
    };
    match tokio::time::timeout(limit.saturating_mul(WALL_TIMES), in_turns).await {
        Ok(Some(outcome)) => outcome,
        Ok(None) | Err(_) => {
            let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
            Err(late(PluginFault::Timeout { limit_ms }))
        }
    }
}

fn no_hook() -> PluginFault {
    PluginFault::Engine { what: "the plugin does not have this hook".to_owned() }
}

/// Where an error came up: before a call only the engine can be at fault, in a call what the guest handed over.
#[derive(Clone, Copy, PartialEq, Eq)]
enum During {
    Start,
    Call,
}

fn fault(error: &wasmtime::Error, during: During) -> PluginFault {
    if error.is::<MemoryLimit>() {
        return PluginFault::Memory;
    }
    if let Some(forbidden) = error.downcast_ref::<Forbidden>() {
        return PluginFault::Trap { kind: forbidden.to_string() };
    }
    if error.is::<NoFolder>() {
        return PluginFault::Trap { kind: NoFolder.to_string() };
    }
    if let Some(TakeRefused(refused)) = error.downcast_ref::<TakeRefused>() {
        return match refused {
            QuotaFault::Misuse { .. } | QuotaFault::TooManyCounters => {
                PluginFault::Trap { kind: refused.to_string() }
            }
            QuotaFault::Unavailable { .. } => PluginFault::Engine { what: refused.to_string() },
        };
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        let text = trap.to_string();
        return PluginFault::Trap { kind: text.trim_start_matches("wasm trap: ").to_owned() };
    }
    let what = escaped(&error.root_cause().to_string(), 300);
    match during {
        During::Start => PluginFault::Engine { what },
        During::Call => PluginFault::Nonsense { what },
    }
}
