//! Tests of the crate as a whole.

mod chain;
mod content;
mod durable;
mod files;
mod heads;
mod mirror;
mod rotation;
mod search;
pub(crate) mod support;
