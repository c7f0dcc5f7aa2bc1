//! Tests of the crate as a whole.

mod chain;
mod content;
mod durable;
mod files;
mod heads;
pub(crate) mod support;
