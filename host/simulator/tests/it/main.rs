//! The simulator, seen from outside: over real TLS with an ordinary HTTP client.

#![expect(clippy::unwrap_used, reason = "a test that panics is a test that fails")]

mod books;
mod consent;
mod crm_queries;
mod crm_reads;
mod crm_writes;
mod desk;
mod device;
mod google;
mod marketing;
mod meta;
mod notes;
mod recording;
mod support;
mod tokens;
mod workdrive;
