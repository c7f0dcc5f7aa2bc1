//! One instance of a plugin: a fresh store, bounded in memory, time and handed-over data, for one request.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::{Duration, Instant};

use wardlock_core::id::Digest;
use wardlock_core::plugin::PluginFault;
use wasmtime::component::{Component, HasSelf, Instance, InstancePre, Linker};
use wasmtime::{Engine, Store, Trap};

use crate::adapt::Shown;
use crate::bindings::exports::wardlock::policy::settings::{Description, Problem};
use crate::bindings::exports::wardlock::policy::{request_hook, settings};
use crate::bindings::wardlock::policy::{log as wit_log, types};
use crate::engine::TICK;
use crate::imports;
use crate::limits::{Limits, MemoryLimit};
use crate::log::{self, PluginLog, SharedLog};
use crate::text::escaped;
use crate::wasi::{self, Forbidden, Wasi};

/// The most handles that a guest may hold at once.
const MAX_HANDLES: usize = 256;

/// What the host keeps for one instance. It holds nothing that the guest may not have.
pub(crate) struct Guest {
    pub(crate) wasi: Wasi,
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
    request_hook: request_hook::GuestIndices,
}

/// What an instance is for and how far it may go.
#[derive(Clone, Copy)]
pub(crate) struct Bounds<'a> {
    /// The plugin's name, for its log.
    pub(crate) plugin: &'a Arc<str>,
    /// The component's digest.
    pub(crate) digest: Digest,
    /// The request's id.
    pub(crate) request_id: &'a str,
    /// The request's time.
    pub(crate) now_ms: u64,
    /// The most memory.
    pub(crate) memory_bytes: usize,
    /// The most bytes that the guest may hand over in one call.
    pub(crate) handover_bytes: usize,
}

/// Makes the linker: the contract's imports and inert WASI.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::new(engine);
    types::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    wit_log::add_to_linker::<_, HasSelf<Guest>>(&mut linker, |guest| guest)?;
    wasi::add_to_linker(&mut linker)?;
    Ok(linker)
}

impl Linked {
    /// Links a component whose imports and exports have been checked.
    pub(crate) fn new(linker: &Linker<Guest>, component: &Component) -> wasmtime::Result<Self> {
        let mut linker = linker.clone();
        imports::deny_sockets(component.engine(), component, &mut linker)?;
        let pre = linker.instantiate_pre(component)?;
        let settings = settings::GuestIndices::new(&pre)?;
        let request_hook = request_hook::GuestIndices::new(&pre)?;
        Ok(Self { pre, settings, request_hook })
    }

    /// Makes an instance. Its start code runs here.
    pub(crate) async fn instantiate(&self, bounds: Bounds<'_>) -> Result<Live<'_>, PluginFault> {
        let log = Arc::new(Mutex::new(PluginLog::open(bounds.plugin, bounds.request_id)));
        let guest = Guest {
            wasi: Wasi::new(bounds.request_id, bounds.digest, bounds.now_ms, Arc::clone(&log)),
            limits: Limits::new(bounds.memory_bytes),
            log,
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
    /// Asks the plugin what it is, and for its settings' schema.
    pub(crate) async fn describe(&mut self) -> Result<(Description, String), (&'static str, PluginFault)> {
        let settings = self.settings().map_err(|fault| ("describe", fault))?;
        let described = settings.call_describe(&mut self.store).await;
        let description = described.map_err(|e| ("describe", fault(&e, During::Call)))?;
        let schema = settings.call_schema(&mut self.store).await;
        Ok((description, schema.map_err(|e| ("schema", fault(&e, During::Call)))?))
    }

    /// Gives the plugin its settings.
    pub(crate) async fn configure(&mut self, text: &str) -> Result<Result<(), Vec<Problem>>, PluginFault> {
        let settings = self.settings()?;
        settings.call_configure(&mut self.store, text).await.map_err(|e| fault(&e, During::Call))
    }

    /// Asks the plugin to judge a request.
    pub(crate) async fn on_request(&mut self, request: &Shown<'_>) -> Result<types::Answer, PluginFault> {
        let hook = self.linked.request_hook.load(&mut self.store, &self.instance);
        let hook = hook.map_err(|e| fault(&e, During::Start))?;
        hook.call_on_request(&mut self.store, request.request()).await.map_err(|e| fault(&e, During::Call))
    }

    /// Checks that the exports have the contract's types.
    pub(crate) fn check_types(&mut self) -> wasmtime::Result<()> {
        self.linked.settings.load(&mut self.store, &self.instance)?;
        self.linked.request_hook.load(&mut self.store, &self.instance)?;
        Ok(())
    }

    fn settings(&mut self) -> Result<settings::Guest, PluginFault> {
        self.linked.settings.load(&mut self.store, &self.instance).map_err(|e| fault(&e, During::Start))
    }
}

/// How many times its limit a guest may take by the wall clock, whatever keeps it from running.
const WALL_TIMES: u32 = 10;

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
    let mut run = pin!(run);
    let turns = limit.as_millis().div_ceil(TICK.as_millis());
    let in_turns = async {
        for turn in 0..=turns {
            let started = Instant::now();
            if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(run.as_mut().poll(context))).await {
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
