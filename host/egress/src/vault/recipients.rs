//! Whom an admin accepted that every backup of this home is for, where operators have keys. They are no secrets; they stand here because
//! a row that is made, changed or put back from outside is noticed here.

use std::collections::BTreeSet;

use super::error::VaultError;
use super::kept::to_bytes;
use super::rows::{Head, Kind, Row};
use super::store::{Vault, content};

/// The one row's name.
const OF_BACKUPS: &str = "backup";

impl Vault {
    /// Returns the recipients of the settings that were accepted; `None`: nobody has a key here, so whoever stands in the settings counts.
    pub fn accepted_recipients(&self) -> Result<Option<BTreeSet<String>>, VaultError> {
        let connection = self.connection();
        if self.rows.read_all(&connection, Kind::Operator)?.is_empty() {
            return Ok(None);
        }
        let row = self.rows.read(&connection, Kind::Recipients, OF_BACKUPS)?;
        row.as_ref().map_or_else(|| Ok(BTreeSet::new()), content).map(Some)
    }

    /// Puts these in the place of those that were accepted.
    pub fn accept_recipients(&self, recipients: &BTreeSet<String>) -> Result<(), VaultError> {
        self.write(|transaction, head| self.write_recipients(transaction, head, recipients))
    }

    pub(super) fn write_recipients(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        head: &mut Head,
        recipients: &BTreeSet<String>,
    ) -> Result<(), VaultError> {
        let content = to_bytes(recipients).ok_or(VaultError::NotWritten)?;
        let row = Row { id: OF_BACKUPS.to_owned(), generation: 0, content };
        self.rows.write(transaction, head, Kind::Recipients, &row)
    }
}
