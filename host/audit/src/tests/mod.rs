//! Tests of the crate as a whole.

mod chain;
mod content;
mod disk;
mod durable;
mod files;
mod heads;
mod kill;
mod macs;
mod mirror;
mod rotation;
mod search;
pub(crate) mod support;
mod tamper;
mod wal;
