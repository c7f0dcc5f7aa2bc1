//! Operators in the vault: who may say yes, and by which keys. They are no secrets; they stand here because a row that is added or taken
//! away from outside is noticed here.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wardlock_core::id::OperatorName;

use super::accepted::Accepted;
use super::error::VaultError;
use super::kept::to_bytes;
use super::rows::{self, Head, Kind, Row};
use super::store::{Vault, content};

/// How many passkeys one operator may have: a person has a few devices.
const MOST_PASSKEYS: usize = 16;

/// What an operator may do: each what the one before may, and more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks, and lets nothing pass.
    Viewer,
    /// Releases drafts.
    Approver,
    /// Does everything.
    Admin,
}

impl Role {
    /// Returns the word used on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

/// An operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operator {
    /// The name.
    pub name: OperatorName,
    /// The role.
    pub role: Role,
    /// The public key, as OpenSSH writes it on one line.
    pub public_key: String,
    /// The passkeys, by which it says yes in a browser.
    pub passkeys: Vec<Passkey>,
    /// When it was added, milliseconds since 1970-01-01T00:00:00Z.
    pub added_ms: u64,
}

/// A passkey's public half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Passkey {
    /// Its id, base64url without padding.
    pub id: String,
    /// How it signs.
    pub kind: PasskeyKind,
    /// The public key's bytes, base64url without padding: for ES256 an uncompressed point (SEC 1, section 2.3.3), for Ed25519 the
    /// 32 bytes of RFC 8032.
    pub public_key: String,
    /// How often it says that it signed; always 0 where it does not count.
    pub counter: u32,
    /// When it was added, milliseconds since 1970-01-01T00:00:00Z.
    pub added_ms: u64,
}

/// How a passkey signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PasskeyKind {
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// Ed25519.
    Ed25519,
}

/// What is sealed of one. Rows of version 1 have no passkeys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorRow {
    role: Role,
    public_key: String,
    #[serde(default)]
    passkeys: Vec<Passkey>,
    added_ms: u64,
}

impl Vault {
    /// Returns every operator, by name.
    pub fn operators(&self) -> Result<Vec<Operator>, VaultError> {
        let rows = self.rows.read_all(&self.connection(), Kind::Operator)?;
        rows.iter().map(operator).collect()
    }

    /// Stores an operator; one of the same name is never overwritten.
    pub fn add_operator(&self, new: &Operator) -> Result<(), VaultError> {
        self.write(|transaction, head| {
            if self.rows.read(transaction, Kind::Operator, new.name.as_str())?.is_some() {
                return Err(VaultError::OperatorExists(new.name.to_string()));
            }
            self.write_operator(transaction, head, new)
        })
    }

    /// Stores the first operator, and with them what was accepted so far, of connections and of whom backups are for: nothing of it
    /// where somebody else was first.
    pub fn add_first_operator(
        &self,
        new: &Operator,
        accepted: &Accepted,
        recipients: &BTreeSet<String>,
    ) -> Result<(), VaultError> {
        self.write(|transaction, head| {
            if let Some(first) = self.rows.read_all(transaction, Kind::Operator)?.first() {
                return Err(VaultError::OperatorExists(first.id.clone()));
            }
            self.write_accepted(transaction, head, accepted)?;
            self.write_recipients(transaction, head, recipients)?;
            self.write_operator(transaction, head, new)
        })
    }

    /// Adds a passkey to an operator. One that is known already, as anybody's, is never overwritten.
    pub fn add_passkey(&self, name: &OperatorName, new: &Passkey) -> Result<(), VaultError> {
        self.write(|transaction, head| {
            let rows = self.rows.read_all(transaction, Kind::Operator)?;
            let operators = rows.iter().map(operator).collect::<Result<Vec<_>, _>>()?;
            if operators.iter().any(|known| known.passkeys.iter().any(|passkey| passkey.id == new.id)) {
                return Err(VaultError::PasskeyExists);
            }
            let Some(mut found) = operators.into_iter().find(|known| known.name == *name) else {
                return Err(VaultError::NoOperator(name.to_string()));
            };
            if found.passkeys.len() >= MOST_PASSKEYS {
                return Err(VaultError::TooManyPasskeys { operator: name.to_string(), most: MOST_PASSKEYS });
            }
            found.passkeys.push(new.clone());
            self.write_operator(transaction, head, &found)
        })
    }

    /// Notes that a passkey signed, by its own count. Returns whether that is a count that can be: a copy of a key that
    /// counts falls behind the original, so one of the two is told apart here (`WebAuthn`, section 6.1.1).
    pub fn note_passkey_use(&self, name: &OperatorName, id: &str, counter: u32) -> Result<bool, VaultError> {
        self.write(|transaction, head| {
            let row = self.rows.read(transaction, Kind::Operator, name.as_str())?;
            let Some(mut found) = row.as_ref().map(operator).transpose()? else {
                return Err(VaultError::NoOperator(name.to_string()));
            };
            let Some(passkey) = found.passkeys.iter_mut().find(|passkey| passkey.id == id) else {
                return Ok(false);
            };
            if passkey.counter == 0 && counter == 0 {
                return Ok(true);
            }
            if counter <= passkey.counter {
                return Ok(false);
            }
            passkey.counter = counter;
            self.write_operator(transaction, head, &found)?;
            Ok(true)
        })
    }

    /// Removes an operator. The last who may do everything stays: without one, nobody could add another.
    pub fn remove_operator(&self, name: &OperatorName) -> Result<(), VaultError> {
        self.write(|transaction, _| {
            let rows = self.rows.read_all(transaction, Kind::Operator)?;
            let operators = rows.iter().map(operator).collect::<Result<Vec<_>, _>>()?;
            if !operators.iter().any(|known| known.name == *name) {
                return Err(VaultError::NoOperator(name.to_string()));
            }
            let mut others = operators.iter().filter(|known| known.name != *name);
            if operators.len() > 1 && !others.any(|known| known.role == Role::Admin) {
                return Err(VaultError::LastAdmin(name.to_string()));
            }
            rows::remove(transaction, Kind::Operator, name.as_str())
        })
    }

    fn write_operator(
        &self,
        transaction: &rusqlite::Transaction<'_>,
        head: &mut Head,
        operator: &Operator,
    ) -> Result<(), VaultError> {
        let Operator { name, role, public_key, passkeys, added_ms } = operator.clone();
        let content =
            to_bytes(&OperatorRow { role, public_key, passkeys, added_ms }).ok_or(VaultError::NotWritten)?;
        let row = Row { id: name.to_string(), generation: 0, content };
        self.rows.write(transaction, head, Kind::Operator, &row)
    }
}

fn operator(row: &Row) -> Result<Operator, VaultError> {
    let OperatorRow { role, public_key, passkeys, added_ms } = content(row)?;
    let damaged = |_| VaultError::Damaged { what: format!("`{}` is no operator's name", row.id.escape_debug()) };
    let name = OperatorName::parse(&row.id).map_err(damaged)?;
    Ok(Operator { name, role, public_key, passkeys, added_ms })
}

#[cfg(test)]
mod tests {
    use super::super::kept::from_bytes;
    use super::*;

    #[test]
    fn a_row_of_version_1_has_no_passkeys() {
        let row: OperatorRow =
            from_bytes(br#"{"role":"approver","public_key":"ssh-ed25519 x","added_ms":7}"#).expect("a row");
        assert_eq!((row.role, row.passkeys.len(), row.added_ms), (Role::Approver, 0, 7));
    }
}
