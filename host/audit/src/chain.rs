//! How a row's hash is computed. Anybody with SHA-256 and the file can do it again.
//!
//! `hash` = SHA-256 over these fields, in this order, each encoded alike:
//!
//! `"wardlock-audit-1"`, `prev`, `sequence`, `kind`, `at_ms`, `request_id`, `workspace`, `connection`, `agent`,
//! `operation`, `effect`, `decision`, `outcome`, `closes`, `detail`
//!
//! NULL is one byte 0. Any other value is one byte 1, its length as 8 bytes big-endian, and its bytes: a text as
//! UTF-8, an integer as 8 bytes big-endian (two's complement), a blob as it is. `prev` is the hash of the row
//! before, and 32 zero bytes in the first row. `head` signs such hashes.

use rusqlite::types::ValueRef;
use sha2::{Digest as _, Sha256};
use wardlock_core::id::Digest;

/// Names the encoding; a new one gets a new name.
const ENCODING: &str = "wardlock-audit-1";

/// The columns that are hashed, in order, as a `SELECT` names them.
pub(crate) const HASHED_COLUMNS: &str = "kind, at_ms, request_id, workspace, connection, agent, operation, effect, \
                                         decision, outcome, closes, detail";

/// How many columns that is.
pub(crate) const HASHED_COUNT: usize = 12;

/// The last row of a chain, or its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) sequence: u64,
    pub(crate) hash: Digest,
}

impl Link {
    /// Returns what stands before the first row.
    pub(crate) fn genesis() -> Self {
        Self { sequence: 0, hash: Digest::from_bytes([0; 32]) }
    }
}

/// Hashes one row.
pub(crate) fn hash_row(prev: &[u8], sequence: u64, columns: &[ValueRef<'_>; HASHED_COUNT]) -> Digest {
    let mut hasher = Hasher(Sha256::new());
    field(&mut hasher, ENCODING.as_bytes());
    field(&mut hasher, prev);
    field(&mut hasher, &sequence.to_be_bytes());
    for column in columns {
        match column {
            ValueRef::Null => hasher.0.update([0]),
            ValueRef::Integer(number) => field(&mut hasher, &number.to_be_bytes()),
            ValueRef::Real(number) => field(&mut hasher, &number.to_bits().to_be_bytes()),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => field(&mut hasher, bytes),
        }
    }
    Digest::from_bytes(hasher.0.finalize().into())
}

/// Takes the bytes of an encoding.
pub(crate) trait Sink {
    fn take(&mut self, bytes: &[u8]);
}

struct Hasher(Sha256);

impl Sink for Hasher {
    fn take(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }
}

impl Sink for Vec<u8> {
    fn take(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Encodes one value that is there.
pub(crate) fn field(sink: &mut impl Sink, bytes: &[u8]) {
    sink.take(&[1]);
    sink.take(&(bytes.len() as u64).to_be_bytes());
    sink.take(bytes);
}
