//! Runs policy plugins: WebAssembly components on wasmtime, without secrets, clock or network.
//!
//! A plugin is loaded once ([`Sandbox::load`]): pinned by its digest, compiled, refused if it imports what no plugin
//! gets, asked what it is, and given its settings on trial. Each request then gets a fresh instance
//! ([`Plugin::decide`]), bounded in time, memory and what it may hand over; [`run_chain`] asks a connection's plugins
//! in order. Whatever goes wrong in a plugin is a fault, and every fault denies: there is no other way out.
//!
//! This crate depends on `wardlock-core` alone of ours, so that code which runs plugins cannot even name a secret.
//!
//! In reading order:
//!
//! - `engine`: which WebAssembly runs, in what pool, and the thread that ends its time.
//! - `bindings`: the contract in `wit/`, generated.
//! - `sandbox`: the engine together with what it has compiled; its limits.
//! - `gate`: how many decisions run at once.
//! - `nesting`, `imports`: how deep components stand in one, what it may import and must export.
//! - `wasi`, `random`, `log`, `limits`: what an instance has: nothing, and little of it.
//! - `instance`: one instance for one request.
//! - `compiled`, `description`, `schema`: a component, asked what it is and what settings it takes.
//! - `plugin`: a plugin in its place, and the decision.
//! - `adapt`: between core's records and the contract's types; the caps on answers.
//! - `chain`: the plugins of a connection, in order.
//! - `inspect`: what can be said of a component without settings.
//! - `error`: why a plugin does not load.

mod adapt;
mod bindings;
mod chain;
mod compiled;
mod description;
mod engine;
mod error;
mod gate;
mod imports;
mod inspect;
mod instance;
mod limits;
mod log;
mod nesting;
mod plugin;
mod random;
mod reused;
mod sandbox;
mod schema;
mod text;
mod wasi;

pub use chain::{RequestContext, run_chain};
pub use description::{CAPABILITIES, Description};
pub use engine::Features;
pub use error::{LoadError, SandboxError, SettingsProblem};
pub use inspect::{About, Inspection};
pub use plugin::{LoadSpec, Plugin};
#[doc(hidden)]
pub use reused::Reused;
pub use sandbox::{Sandbox, SandboxConfig};

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
