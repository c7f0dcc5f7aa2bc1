//! The sandbox from outside: real components, golden cases, and guests that misbehave.

#![allow(
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "all of it is tests: a failure is a failed test, and files are looked at from outside"
)]

mod bounded;
mod busy;
mod chain;
mod golden;
mod hostile;
mod inert;
mod loading;
mod support;
mod written;
