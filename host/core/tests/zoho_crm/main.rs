//! The built-in Zoho CRM definition: what each of its routes is.
//!
//! - [`routes`] and [`settings`]: a row for every operation.
//! - [`fields`]: which fields and how many records a request touches.
//! - [`envelopes`]: calls that carry others.
//! - [`whole`]: what holds for the whole definition.

#![expect(clippy::expect_used, reason = "a helper of tests fails like a test")]

mod envelopes;
mod fields;
mod routes;
mod settings;
mod support;
mod whole;
