//! Operators in the vault: who may say yes, and by which key. They are no secrets; they stand here because a row that is added or taken
//! away from outside is noticed here.

use serde::{Deserialize, Serialize};
use wardlock_core::id::OperatorName;

use super::error::VaultError;
use super::kept::to_bytes;
use super::rows::{self, Kind, Row};
use super::store::{Vault, content};

/// What an operator may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Releases drafts.
    Approver,
    /// Does everything.
    Admin,
}

impl Role {
    /// Returns the word used on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
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
    /// When it was added, milliseconds since 1970-01-01T00:00:00Z.
    pub added_ms: u64,
}

/// What is sealed of one.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OperatorRow {
    role: Role,
    public_key: String,
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
        let row = OperatorRow { role: new.role, public_key: new.public_key.clone(), added_ms: new.added_ms };
        let content = to_bytes(&row).ok_or(VaultError::NotWritten)?;
        let id = new.name.to_string();
        self.write(|transaction, head| {
            if self.rows.read(transaction, Kind::Operator, &id)?.is_some() {
                return Err(VaultError::OperatorExists(id));
            }
            self.rows.write(transaction, head, Kind::Operator, &Row { id, generation: 0, content })
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
}

fn operator(row: &Row) -> Result<Operator, VaultError> {
    let OperatorRow { role, public_key, added_ms } = content(row)?;
    let damaged = |_| VaultError::Damaged { what: format!("`{}` is no operator's name", row.id.escape_debug()) };
    let name = OperatorName::parse(&row.id).map_err(damaged)?;
    Ok(Operator { name, role, public_key, added_ms })
}
