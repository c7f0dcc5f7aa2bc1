//! The one engine: what of WebAssembly is allowed, how instances are pooled, and the thread that ends their time.
//!
//! Every feature that policies do not need is off: most advisories of the last year are about those.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::trusted::Publisher;
use crate::worker::Confinement;
use wasmtime::{Config, Enabled, Engine, EngineWeak, InstanceAllocationStrategy, PoolingAllocationConfig};

/// The most core instances in one component: Python and JavaScript guests carry many.
pub(crate) const MAX_CORE_INSTANCES: u32 = 64;
/// The most linear memories in one component.
pub(crate) const MAX_MEMORIES: u32 = 4;
/// The most tables in one component.
pub(crate) const MAX_TABLES: u32 = 16;
/// The most elements in one table.
pub(crate) const MAX_TABLE_ELEMENTS: usize = 20_000;

/// How often running guests give way to their neighbours. A time limit is counted in these.
pub(crate) const TICK: Duration = Duration::from_millis(1);
/// So many ticks without any guest running, and the ticker sleeps until the next one.
const IDLE_TICKS: u32 = 500;

/// What of the engine depends on this machine: for `doctor`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Features {
    /// Whether Linux's `PAGEMAP_SCAN` (6.7 and later) works: without it a decision takes twice as long.
    ///
    /// It must be looked at before the process gives up being dumpable and before seccomp: wasmtime asks once.
    pub pagemap_scan: bool,
    /// How many decisions may run at once.
    pub max_concurrent: u32,
    /// How many processes run guests, and what holds these; `None`: this process runs them.
    pub workers: Option<(u32, Confinement)>,
}

/// Whether code can run where a file is mapped: elsewhere the caches of instructions want more care than this gives.
pub(crate) const MAPS_CODE: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

/// Builds the engine for `slots` instances at once, each with at most `memory_bytes` in one memory.
pub(crate) fn engine(slots: u32, memory_bytes: usize) -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Threads and the component model's async are not even compiled in; this keeps the latter off should a
        // dependency turn it on.
        .concurrency_support(false)
        .shared_memory(false)
        .wasm_memory64(false)
        // On for wasmtime's own code between the components of one plugin, which copies from one's memory to the other's:
        // QuickJS's toolchain makes such plugins. The pool still refuses a module that has several memories of its own.
        .wasm_multi_memory(true)
        .wasm_gc(false)
        .wasm_function_references(false)
        .wasm_exceptions(false)
        .wasm_stack_switching(false)
        .wasm_relaxed_simd(false)
        .cranelift_nan_canonicalization(true)
        .epoch_interruption(true)
        .max_wasm_stack(512 << 10)
        .async_stack_size(2 << 20)
        .async_stack_zeroing(true)
        // Where in a plugin's source it trapped is nobody's question here, and these tables are a third of compiled code.
        .generate_address_map(false)
        .native_unwind_info(false)
        .wasm_backtrace_max_frames(None)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(slots, memory_bytes)));
    if MAPS_CODE {
        config.with_custom_code_memory(Some(Arc::new(Publisher::new())));
    }
    Engine::new(&config)
}

/// The pool holds the worst component of the limits in every slot, so that only the semaphore before it says no.
/// Memories keep their 4 GiB reservation: with less, every access is checked.
fn pool(slots: u32, memory_bytes: usize) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots.saturating_mul(MAX_CORE_INSTANCES))
        .total_memories(slots.saturating_mul(MAX_MEMORIES))
        .total_tables(slots.saturating_mul(MAX_TABLES))
        .total_stacks(slots)
        .total_gc_heaps(slots)
        .max_core_instances_per_component(MAX_CORE_INSTANCES)
        .max_memories_per_component(MAX_MEMORIES)
        .max_tables_per_component(MAX_TABLES)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_memory_size(memory_bytes)
        .table_elements(MAX_TABLE_ELEMENTS)
        .pagemap_scan(Enabled::Auto);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.linear_memory_keep_resident(256 << 10)
            .table_keep_resident(64 << 10)
            .async_stack_keep_resident(32 << 10);
    }
    pool
}

/// Counts up the engine's epoch while guests run, so that each gives way and none runs for ever.
///
/// Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    running: AtomicUsize,
    asleep: AtomicBool,
    ended: AtomicBool,
}

/// A guest is running: the epoch counts up until this is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    /// Starts the thread, and waits until it runs: what a thread does before that, a worker may have given up.
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let (engine, its) = (engine.weak(), Arc::clone(&shared));
        let (runs, running) = mpsc::channel();
        let thread = thread::Builder::new().name("plugin-ticker".to_owned()).spawn(move || {
            // Who waits below is there until this arrives.
            let _ = runs.send(());
            tick(&engine, &its);
        })?;
        running.recv().map_err(io::Error::other)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Notes that a guest runs from now on.
    pub(crate) fn running(&self) -> Running<'_> {
        self.shared.running.fetch_add(1, Ordering::SeqCst);
        // The ticker says that it falls asleep before it looks for guests, we the other way round: one of the two
        // sees the other.
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
        Running(&self.shared)
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic of the ticker has been reported by the panic hook already.
            drop(thread.join());
        }
    }
}

fn tick(engine: &EngineWeak, shared: &Shared) {
    let mut idle = 0;
    while !shared.ended.load(Ordering::SeqCst) {
        let Some(engine) = engine.upgrade() else {
            return;
        };
        engine.increment_epoch();
        drop(engine);
        idle = if shared.running.load(Ordering::SeqCst) == 0 { idle + 1 } else { 0 };
        if idle < IDLE_TICKS {
            thread::park_timeout(TICK);
            continue;
        }
        shared.asleep.store(true, Ordering::SeqCst);
        while shared.running.load(Ordering::SeqCst) == 0 && !shared.ended.load(Ordering::SeqCst) {
            thread::park();
        }
        shared.asleep.store(false, Ordering::SeqCst);
        idle = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_takes_no_feature_that_policies_do_not_need() {
        let engine = engine(1, 1 << 20).expect("an engine");
        for (feature, text) in [
            ("threads", "(module (memory 1 1 shared))"),
            ("memory64", "(module (memory i64 1))"),
            ("multi-memory", "(module (memory 1) (memory 1))"),
            ("gc", "(module (type (struct)))"),
            ("exceptions", "(module (tag))"),
        ] {
            let component = format!("(component (core {}", text.strip_prefix('(').expect("a module"));
            let bytes = wat::parse_str(format!("{component})")).expect(feature);
            assert!(wasmtime::component::Component::new(&engine, bytes).is_err(), "{feature}");
        }
    }

    #[test]
    fn a_dropped_ticker_ends_its_thread() {
        let engine = engine(1, 1 << 20).expect("an engine");
        let ticker = Ticker::start(&engine).expect("a ticker");
        drop(ticker.running());
        drop(ticker);
    }
}
