//! The whole home as one encrypted file, and back.
//!
//! Inside age's encryption stands one line that says what it is, then a tar archive: the manifest first, the vault's key
//! (sealed once more, for `vault` only), the operator's files, and snapshots of the databases. The key file, the lock
//! and the socket stay behind. In reading order:
//!
//! - [`create`]: writes it, while requests may run.
//! - [`restore`]: reads it, and believes nothing of it: whoever knows a recipient can make one.

mod create;
mod restore;

use serde::{Deserialize, Serialize};

pub use create::write;
pub use restore::{Unpacked, unpack};

/// The manifest's name in the archive; it is the first entry.
const MANIFEST: &str = "backup.json";
/// The sealed key's name in the archive.
const KEY: &str = "vault.key.age";
/// Where the databases are.
const STATE_FOLDER: &str = "state/";
/// The audit's first file there; others go on from it.
const AUDIT: &str = "audit.db";
/// The other files of `state/` that a backup holds, databases as snapshots; the last one only in a simulator's home.
const VAULT: &str = "state/vault.db";
const STATE: &str = "state/state.db";
const SIMULATOR: &str = "state/simulator";

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// When it was made.
    pub made_ms: u64,
    /// The Wardlock that made it.
    pub wardlock: String,
}
