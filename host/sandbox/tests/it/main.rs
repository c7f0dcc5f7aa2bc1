//! The sandbox from outside: real components, and guests that misbehave; guests run in this process here, and in workers
//! in the other program of tests. The golden cases run in the product's own.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "all of it is tests: a failure is a failed test, and files are looked at from outside"
)]

mod bounded;
mod busy;
mod chain;
mod folder;
mod hooks;
mod hostile;
mod inert;
mod kept;
mod loading;
mod sdk;
mod support;
mod written;

/// Where guests run in these tests.
pub fn runs() -> wardlock_sandbox::Runs {
    wardlock_sandbox::Runs::InProcess
}
