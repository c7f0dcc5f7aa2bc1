//! Wardlock: a credential broker that stands between agents and the APIs that people have accounts for.
//!
//! This crate is the edge: command line, listeners, wiring. It holds no secret and knows no wasm detail. In reading
//! order:
//!
//! - [`pipeline`]: the path of a request, one step a line.
//! - [`ingress`]: the agents' front door; `own`: what the host itself answers them.
//! - [`host`]: every part, wired once; [`gate`]: whether it is there, or the vault is locked; `harden`: the process;
//!   `record`: how the audit is wired; `code`: compiled plugins, kept; `sums`: what it gets as sums; `recount`: a
//!   day's records, counted from it; `quotas`: what plugins take while a request is judged; `drafts`: what is held for a person;
//!   `writes`: how far writes are enabled; [`recorder`]: what they were asked and said, where a workspace wants that kept.
//! - [`metrics`]: what operators watch; `health`: whether it serves, in one word each.
//! - `logs`: how much is logged, and what never is; [`telemetry`]: spans for a collector.
//! - [`loaded`], [`config`], [`home`]: what the operator wrote, and where it stands.
//! - [`policy`]: ready-made workspaces, cases, explanations.
//! - [`plugin`]: what plugins' authors have: the contract, projects, golden cases.
//! - [`trust`]: who signs plugins, and whether a signature holds.
//! - `backup`: the whole home as one encrypted archive, and back.
//! - `ids`: what is made for one use: ids of requests, random text.
//! - `operators`: who may say yes where operators have keys; `admitted`: which agents may come in; `anchor`: how new
//!   the vault is, in the audit.
//! - [`ops`], [`admin`], [`serve`]: commands, the socket they go through, the daemon.
//! - `dashboard`: pages for a browser, which give the same commands.
//! - [`demo`]: the whole product on one machine with nothing to set up.

pub mod admin;
mod admitted;
mod anchor;
mod approvers;
mod backup;
mod cli;
mod code;
pub mod config;
mod dashboard;
mod delivery;
pub mod demo;
mod drafts;
pub mod gate;
mod harden;
mod health;
pub mod home;
pub mod host;
mod ids;
pub mod ingress;
pub mod loaded;
mod logs;
pub mod metrics;
mod operators;
pub mod ops;
mod own;
pub mod pipeline;
pub mod plugin;
pub mod policy;
mod quotas;
mod record;
pub mod recorder;
mod recount;
mod report;
pub mod serve;
mod shown;
mod sums;
pub mod telemetry;
mod text;
pub mod trust;
mod writes;

pub use cli::main;
