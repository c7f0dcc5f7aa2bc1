//! Tests of the crate as a whole.

mod chain;
mod content;
mod durable;
mod files;
mod heads;
mod search;
pub(crate) mod support;
