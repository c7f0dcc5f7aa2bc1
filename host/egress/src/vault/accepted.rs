//! What an admin accepted that each connection lets agents do. It is no secret; it stands here because a row that is made, changed or put back
//! from outside is noticed here.

use std::collections::BTreeMap;

use wardlock_core::allowance::Allowance;

use super::error::VaultError;
use super::kept::to_bytes;
use super::rows::{self, Head, Kind, Row};
use super::store::{Vault, content};

/// Allowances by `workspace/connection`.
pub type Accepted = BTreeMap<String, Allowance>;

impl Vault {
    /// Returns what was accepted; `None`: nobody has a key here, so whatever stands in the files holds.
    pub fn accepted(&self) -> Result<Option<Accepted>, VaultError> {
        let connection = self.connection();
        if self.rows.read_all(&connection, Kind::Operator)?.is_empty() {
            return Ok(None);
        }
        let rows = self.rows.read_all(&connection, Kind::Accepted)?;
        let rows = rows.iter().map(|row| Ok((row.id.clone(), content(row)?)));
        rows.collect::<Result<_, VaultError>>().map(Some)
    }

    /// Puts this in the place of all that was accepted.
    pub fn accept(&self, accepted: &Accepted) -> Result<(), VaultError> {
        self.write(|transaction, head| self.write_accepted(transaction, head, accepted))
    }

    pub(super) fn write_accepted(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        head: &mut Head,
        accepted: &Accepted,
    ) -> Result<(), VaultError> {
        for row in self.rows.read_all(transaction, Kind::Accepted)? {
            if !accepted.contains_key(&row.id) {
                rows::remove(transaction, Kind::Accepted, &row.id)?;
            }
        }
        for (id, allowance) in accepted {
            let content = to_bytes(allowance).ok_or(VaultError::NotWritten)?;
            let row = Row { id: id.clone(), generation: 0, content };
            self.rows.write(transaction, head, Kind::Accepted, &row)?;
        }
        Ok(())
    }
}
