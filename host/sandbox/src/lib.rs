//! Runs policy plugins: WebAssembly components on wasmtime, without secrets, clock or network.
//!
//! A plugin is loaded once ([`Sandbox::load`]): pinned by its digest, compiled, refused if it imports what no plugin
//! gets, asked what it is, and given its settings on trial. Each request then gets a fresh instance
//! ([`Plugin::decide`]), bounded in time, memory and what it may hand over; [`run_chain`] asks a connection's plugins
//! in order, and [`ask_about_answer`] one of them about an answer. Whatever goes wrong in a plugin is a fault, and every fault denies: there is no other way out.
//!
//! This crate depends on `wardlock-core` alone of ours, so that code which runs plugins cannot even name a secret.
//!
//! In reading order:
//!
//! - `sandbox`, `plugin`, `gate`: the host's side: what is loaded, and how many decisions run at once.
//! - `loaded`, `cache`: code, once for each component and settings; compiled code that outlives the process.
//! - `inside`, `worker`: guests in this process, or in processes of their own. The rest is the same in both:
//! - `runtime`, `engine`: which WebAssembly runs, in what pool, and the thread that ends its time.
//! - `bindings`: the contract in `wit/`, generated.
//! - `prepare`, `snapshot`: a component, asked what it is, given its settings on trial, and compiled as it stands then.
//! - `breaker`: plugins that fail and fail, and are not run for a while.
//! - `nesting`, `imports`: how deep components stand in one, what it may import and must export.
//! - `wasi`, `random`, `log`, `limits`: what an instance has: nothing, and little of it.
//! - `logs`: the newest lines that plugins logged, in memory.
//! - `takes`: what a guest takes of its quotas.
//! - `files`: the files that it may read.
//! - `instance`: one instance for one request, or for one answer.
//! - `description`, `schema`: what a plugin says of itself and what settings it takes.
//! - `adapt`: between core's records and the contract's types; the caps on answers.
//! - `chain`: the plugins of a connection, in order.
//! - `inspect`: what can be said of a component without settings.
//! - `error`: why a plugin does not load.
//! - `trusted`: the one place with `unsafe` code.

mod adapt;
mod bindings;
mod breaker;
mod cache;
mod chain;
mod description;
mod engine;
mod error;
mod files;
mod gate;
mod imports;
mod inside;
mod inspect;
mod instance;
mod limits;
mod loaded;
mod log;
mod logs;
mod nesting;
mod plugin;
mod prepare;
mod random;
mod reused;
mod runtime;
mod sandbox;
mod schema;
mod snapshot;
mod takes;
mod text;
mod trusted;
mod wasi;
mod worker;

pub use cache::CodeCache;
pub use chain::{AskedPlugin, RequestContext, ask_about_answer, run_chain};
pub use description::{CAPABILITIES, Description};
pub use engine::Features;
pub use error::{LoadError, SandboxError, SettingsProblem};
pub use files::{Files, MAX_FILE_BYTES, MAX_FILES, TooManyFiles};
pub use inspect::{About, Inspection};
pub use log::LastLines;
pub use logs::{LogFilter, LogLevel, LogLine, LogPage, LogSource, MAX_KEPT_BYTES, MAX_KEPT_LINES, PluginLogs};
pub use plugin::{LoadSpec, Plugin};
#[doc(hidden)]
pub use reused::Reused;
pub use sandbox::{ITSELF, Runs, Sandbox, SandboxConfig};
pub use takes::{Quotas, TakeAnswer};
pub use worker::{Confinement, Measure, WORKER, worker_main};

/// Code that runs plugins cannot name the vault: there is no dependency path to it.
///
/// What it may name compiles:
/// ```
/// use wardlock_core::id as allowed;
/// let _ = allowed::Digest::of(b"a plugin");
/// ```
/// The same line with the vault in it does not, and that is all that differs:
/// ```compile_fail,E0432
/// use wardlock_egress::vault as allowed;
/// let _ = wardlock_core::id::Digest::of(b"a plugin");
/// ```
#[cfg(doctest)]
mod plugin_cannot_name_vault {}
