//! `state/admin.sock`: while `serve` runs, every command goes through it, so that one process alone holds the home.
//!
//! The socket is 0600 and its peer's uid is checked besides. One line of JSON asks; lines of JSON answer: talk as
//! it comes, then the result. A secret follows its command as a raw frame that only `vault` reads and writes.

mod client;
mod failure;
mod protocol;
mod rows;
mod server;

pub use client::{AdminClient, ClientError};
pub use failure::Failure;
pub use protocol::{Command, Event, How, Page};
pub use rows::{AuditFilter, PluginLogFilter, RowForm};
pub use server::{Brought, bind, serve};
