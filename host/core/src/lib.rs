//! The pure heart of Wardlock: everything that is judged, and the judging.
//!
//! No tokio, no IO, no clock and no secret type lives here; time is an argument. In reading order:
//!
//! - [`id`]: names and digests, each its own type.
//! - [`canonical`]: the one form of a request that is judged, recorded and sent.
//! - [`service`]: what is known of an API: hosts, OAuth, operations. Data, parsed from TOML.
//! - [`classify`]: finds a request's operation, resources, fields and breadth.
//! - [`connection`]: a workspace's use of one grant with one service, and its rules' settings.
//! - [`rules`]: the host's own rules.
//! - [`allowance`]: what a connection lets agents do, and whether another would let pass more.
//! - [`admitted`]: whose tokens let them in, and what is frozen, as the state and the vault both know it.
//! - [`plugin`]: the records that plugins see and answer with.
//! - [`chain`]: carries a request from plugin to plugin and judges every change anew.
//! - [`decision`]: allow, hold or deny; the only maker of a [`decision::Permit`].
//! - [`answer`]: what an upstream's answer says, by its body.
//! - [`mod@pointer`]: JSON pointers, by which places in JSON are named.
//! - [`refusal`]: every code with which the host refuses, and how it is told.

pub mod admitted;
pub mod allowance;
pub mod answer;
pub mod canonical;
pub mod chain;
pub mod classify;
pub mod connection;
pub mod decision;
pub mod id;
pub mod plugin;
pub mod pointer;
pub mod refusal;
pub mod rules;
pub mod service;
