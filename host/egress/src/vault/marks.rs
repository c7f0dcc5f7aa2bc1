//! What must not be put back: for each connection, how often its write level was set, and its newest proof; for each draft, how often
//! several people's words released it.
//!
//! Levels and proofs stand in the state, under a mark of the vault's; a row that was true once would stay true for ever without this.

use serde::{Deserialize, Serialize};

use super::error::VaultError;
use super::kept::to_bytes;
use super::rows::{self, Kind, Row};
use super::store::{Vault, content};

/// What the vault knows of one connection's level and proof.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteMark {
    /// How often the level was set: a row of the state that was marked for another number is an older one.
    pub settings: u64,
    /// The mark of the newest proof, in hex; empty: there is none.
    pub proof: String,
}

/// How often a draft was released, and when last.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Releases {
    count: u64,
    at_ms: u64,
}

impl Vault {
    /// Returns how often several people's words have released a draft.
    pub fn releases(&self, draft: &str) -> Result<u64, VaultError> {
        let row = self.rows.read(&self.connection(), Kind::Release, draft)?;
        Ok(row.as_ref().map_or_else(|| Ok(Releases::default()), content)?.count)
    }

    /// Counts a release. Counts from before `since_ms` are forgotten: no word of then is one any more.
    pub fn note_release(&self, draft: &str, at_ms: u64, since_ms: u64) -> Result<(), VaultError> {
        self.write(|transaction, head| {
            for row in self.rows.read_all(transaction, Kind::Release)? {
                if row.id != draft && content::<Releases>(&row)?.at_ms < since_ms {
                    rows::remove(transaction, Kind::Release, &row.id)?;
                }
            }
            let row = self.rows.read(transaction, Kind::Release, draft)?;
            let before: Releases = row.as_ref().map_or_else(|| Ok(Releases::default()), content)?;
            let now = Releases { count: before.count.saturating_add(1), at_ms };
            let content = to_bytes(&now).ok_or(VaultError::NotWritten)?;
            let row = Row { id: draft.to_owned(), generation: 0, content };
            self.rows.write(transaction, head, Kind::Release, &row)
        })
    }

    /// Returns what is known of a connection, by the name under which its level is kept.
    pub fn write_mark(&self, connection: &str) -> Result<WriteMark, VaultError> {
        let row = self.rows.read(&self.connection(), Kind::WriteMark, connection)?;
        row.as_ref().map_or_else(|| Ok(WriteMark::default()), content)
    }

    /// Changes what is known of a connection, and returns it as it is then.
    pub fn change_write_mark(
        &self,
        connection: &str,
        change: impl FnOnce(&mut WriteMark),
    ) -> Result<WriteMark, VaultError> {
        let id = connection.to_owned();
        self.write(|transaction, head| {
            let row = self.rows.read(transaction, Kind::WriteMark, &id)?;
            let mut mark: WriteMark = row.as_ref().map_or_else(|| Ok(WriteMark::default()), content)?;
            change(&mut mark);
            let content = to_bytes(&mark).ok_or(VaultError::NotWritten)?;
            self.rows.write(transaction, head, Kind::WriteMark, &Row { id, generation: 0, content })?;
            Ok(mark)
        })
    }
}
