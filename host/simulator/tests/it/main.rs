//! The simulator, seen from outside: over real TLS with an ordinary HTTP client.

#![expect(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod consent;
mod crm_queries;
mod crm_reads;
mod crm_writes;
mod recording;
mod support;
mod tokens;
