//! Files that were removed because their time was over: a signed stub of each stays in the newest file, so that the
//! chain goes on from where it ended.
//!
//! A stub is signed over these fields, each encoded as in a row's hash (`chain`):
//!
//! `"wardlock-audit-removed-1"`, `first`, `last`, `prev`, `hash`, `first_ms`, `last_ms`, `at_ms`, `key`

use rusqlite::{Connection, OptionalExtension as _};
use wardlock_core::id::Digest;

use crate::chain::{Link, field};
use crate::head::{PublicKey, Signer};
use crate::log::integer;

/// What a removed file held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Removed {
    /// Its first row.
    pub first: u64,
    /// Its last row.
    pub last: u64,
    /// The hash before its first row.
    pub prev: Digest,
    /// The hash of its last row.
    pub hash: Digest,
    /// When its first row was written, milliseconds since 1970-01-01T00:00:00Z.
    pub first_ms: u64,
    /// When its last row was.
    pub last_ms: u64,
    /// When it was removed.
    pub at_ms: u64,
    /// Under which key the stub is signed.
    pub key: PublicKey,
    /// The signature.
    pub signature: [u8; 64],
}

impl Removed {
    /// Describes and signs a file that is about to be removed; `None` where it holds no row.
    pub(crate) fn of(connection: &Connection, signer: &Signer, at_ms: u64) -> rusqlite::Result<Option<Self>> {
        let end = |order: &str| {
            let sql = format!("SELECT sequence, prev, hash, at_ms FROM records ORDER BY sequence {order} LIMIT 1");
            let row = connection.query_row(&sql, [], |row| {
                let number =
                    |at: usize| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0));
                Ok((number(0)?, Digest::from_bytes(row.get(1)?), Digest::from_bytes(row.get(2)?), number(3)?))
            });
            row.optional()
        };
        let (Some(first), Some(last)) = (end("ASC")?, end("DESC")?) else {
            return Ok(None);
        };
        let mut stub = Self {
            first: first.0,
            last: last.0,
            prev: first.1,
            hash: last.2,
            first_ms: first.3,
            last_ms: last.3,
            at_ms,
            key: signer.key(),
            signature: [0; 64],
        };
        stub.signature = signer.sign(&stub.message());
        Ok(Some(stub))
    }

    /// Returns whether the signature holds under its own key.
    pub fn is_signed(&self) -> bool {
        self.key.holds(&self.message(), &self.signature)
    }

    /// Returns the end of what was removed.
    pub(crate) fn end(&self) -> Link {
        Link { sequence: self.last, hash: self.hash }
    }

    pub(crate) fn insert(&self, connection: &Connection) -> rusqlite::Result<()> {
        connection.execute(
            "INSERT OR REPLACE INTO removed (first, last, prev, hash, first_ms, last_ms, at_ms, key, signature) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            (
                integer(self.first),
                integer(self.last),
                self.prev.as_bytes().as_slice(),
                self.hash.as_bytes().as_slice(),
                integer(self.first_ms),
                integer(self.last_ms),
                integer(self.at_ms),
                self.key.as_bytes().as_slice(),
                self.signature.as_slice(),
            ),
        )?;
        Ok(())
    }

    fn message(&self) -> Vec<u8> {
        let mut message = Vec::new();
        for bytes in [
            b"wardlock-audit-removed-1".as_slice(),
            &self.first.to_be_bytes(),
            &self.last.to_be_bytes(),
            self.prev.as_bytes(),
            self.hash.as_bytes(),
            &self.first_ms.to_be_bytes(),
            &self.last_ms.to_be_bytes(),
            &self.at_ms.to_be_bytes(),
            self.key.as_bytes(),
        ] {
            field(&mut message, bytes);
        }
        message
    }
}

/// Returns every stub that a file holds, in order; one that is of no shape of a stub is left out.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Removed>> {
    let sql =
        "SELECT first, last, prev, hash, first_ms, last_ms, at_ms, key, signature FROM removed ORDER BY first";
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut stubs = Vec::new();
    while let Some(row) = rows.next()? {
        let number = |at: usize| Ok::<_, rusqlite::Error>(u64::try_from(row.get::<_, i64>(at)?).unwrap_or(0));
        let blob = |at: usize| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_blob().unwrap_or_default());
        let (prev, hash) = (<[u8; 32]>::try_from(blob(2)?), <[u8; 32]>::try_from(blob(3)?));
        let (key, signature) = (<[u8; 32]>::try_from(blob(7)?), <[u8; 64]>::try_from(blob(8)?));
        if let (Ok(prev), Ok(hash), Ok(key), Ok(signature)) = (prev, hash, key, signature) {
            stubs.push(Removed {
                first: number(0)?,
                last: number(1)?,
                prev: Digest::from_bytes(prev),
                hash: Digest::from_bytes(hash),
                first_ms: number(4)?,
                last_ms: number(5)?,
                at_ms: number(6)?,
                key: PublicKey::from_bytes(key),
                signature,
            });
        }
    }
    Ok(stubs)
}
