//! What must not be put back: for each connection, how often its write level was set, and its newest proof.
//!
//! Levels and proofs stand in the state, under a mark of the vault's; a row that was true once would stay true for ever without this.

use serde::{Deserialize, Serialize};

use super::error::VaultError;
use super::kept::to_bytes;
use super::rows::{Kind, Row};
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

impl Vault {
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
