//! Egress against the simulator, each test named by the promise that it keeps.

#![expect(clippy::expect_used, reason = "a test says what it expects")]

mod fault;
mod home;
mod support;

mod answers;
mod connecting;
mod consent;
mod echo;
mod flowing;
mod hostile;
mod journal;
mod sending;
mod token_endpoint;
mod tokens;
