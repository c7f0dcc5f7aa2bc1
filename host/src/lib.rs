//! Wardlock: a credential broker that stands between agents and the APIs that people have accounts for.
//!
//! This crate is the edge: command line, listeners, wiring. It holds no secret and knows no wasm detail. In reading
//! order:
//!
//! - [`pipeline`]: the path of a request, one step a line.
//! - [`ingress`]: the agents' front door.
//! - [`host`]: every part, wired once.
//! - [`loaded`], [`config`], [`home`]: what the operator wrote, and where it stands.
//! - [`policy`]: ready-made workspaces, cases, explanations.
//! - [`ops`], [`admin`], [`serve`]: commands, the socket they go through, the daemon.
//! - [`demo`]: the whole product on one machine with nothing to set up.

pub mod pipeline;
pub mod ingress;
pub mod host;
pub mod loaded;
pub mod config;
pub mod home;
pub mod policy;
pub mod ops;
pub mod admin;
pub mod serve;
pub mod demo;
mod cli;
mod delivery;
mod report;
mod text;

pub use cli::main;
