//! The same guests as `tests/it` has, in workers; and what only workers do.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "all of it is tests: a failure is a failed test, and files are looked at from outside"
)]

#[path = "../it/bounded.rs"]
mod bounded;
#[path = "../it/busy.rs"]
mod busy;
#[path = "../it/chain.rs"]
mod chain;
mod compiled;
#[cfg(feature = "escape")]
mod escape;
#[path = "../it/folder.rs"]
mod folder;
#[path = "../it/hooks.rs"]
mod hooks;
#[path = "../it/hostile.rs"]
mod hostile;
#[path = "../it/inert.rs"]
mod inert;
#[path = "../it/kept.rs"]
mod kept;
mod life;
#[path = "../it/loading.rs"]
mod loading;
#[path = "../it/support.rs"]
mod support;
#[path = "../it/written.rs"]
mod written;

/// Where guests run in these tests.
pub fn runs() -> wardlock_sandbox::Runs {
    wardlock_sandbox::Runs::Workers { count: 2, program: env!("CARGO_BIN_EXE_wardlock-plugin-worker").into() }
}
