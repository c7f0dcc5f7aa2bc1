//! Who may come in: one row for each token of an agent that lives, and one for each workspace that is frozen. They are no secrets; they
//! stand here because a row that is made, changed or put back from outside is noticed here, and in the state it is not.

use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use wardlock_core::admitted::{Admission, Admitted, AdmittedToken, earlier};
use wardlock_core::id::{AgentName, Digest, WorkspaceName};

use super::error::VaultError;
use super::kept::to_bytes;
use super::rows::{self, Head, Kind, Row};
use super::store::{Vault, content};

/// The id of the one row that says since when the vault knows.
const SINCE: &str = "since";

/// What is sealed of a token; its public part is the row's id.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenRow {
    token_sha256: String,
    agent: String,
    workspace: String,
    created_ms: u64,
    expires_ms: Option<u64>,
}

/// Since when something is so.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SinceRow {
    since_ms: u64,
}

impl Vault {
    /// Returns who may come in and what is frozen; `None`: this vault was never told.
    pub fn admitted(&self) -> Result<Option<Admitted>, VaultError> {
        let connection = self.connection();
        if self.rows.read(&connection, Kind::Admitted, SINCE)?.is_none() {
            return Ok(None);
        }
        let tokens = self.rows.read_all(&connection, Kind::Agent)?;
        let frozen = self.rows.read_all(&connection, Kind::Frozen)?;
        let tokens = tokens.iter().map(|row| Ok((row.id.clone(), token(row)?)));
        let frozen = frozen.iter().map(|row| Ok((row.id.clone(), content::<SinceRow>(row)?.since_ms)));
        Ok(Some(Admitted {
            tokens: tokens.collect::<Result<_, VaultError>>()?,
            frozen: frozen.collect::<Result<_, VaultError>>()?,
        }))
    }

    /// Takes over what stood in the state when nobody had told the vault yet. Once: what is found later is nobody's word.
    pub fn take_over(&self, found: &Admitted, now_ms: u64) -> Result<(), VaultError> {
        self.write(|transaction, head| {
            if self.rows.read(transaction, Kind::Admitted, SINCE)?.is_some() {
                return Ok(());
            }
            for (id, token) in &found.tokens {
                self.write_token(transaction, head, id, token)?;
            }
            for (workspace, since_ms) in &found.frozen {
                self.write_since(transaction, head, Kind::Frozen, workspace, *since_ms)?;
            }
            self.write_since(transaction, head, Kind::Admitted, SINCE, now_ms)
        })
    }

    /// Lets an agent in by a new token; its others end as is said.
    pub fn admit(&self, admission: &Admission) -> Result<(), VaultError> {
        let Admission { token_id, token: new, others_end_ms } = admission;
        self.write(|transaction, head| {
            for row in self.rows.read_all(transaction, Kind::Agent)? {
                let mut other = token(&row)?;
                let ends_ms = earlier(other.expires_ms, Some(*others_end_ms));
                if other.agent == new.agent && other.expires_ms != ends_ms {
                    other.expires_ms = ends_ms;
                    self.write_token(transaction, head, &row.id, &other)?;
                }
            }
            self.write_token(transaction, head, token_id, new)
        })
    }

    /// Lets an agent in no more, by any token. Returns whether it was known.
    pub fn dismiss(&self, agent: &AgentName) -> Result<bool, VaultError> {
        self.write(|transaction, _| {
            let mut known = false;
            for row in self.rows.read_all(transaction, Kind::Agent)? {
                if token(&row)?.agent == *agent {
                    rows::remove(transaction, Kind::Agent, &row.id)?;
                    known = true;
                }
            }
            Ok(known)
        })
    }

    /// Forgets tokens that let nobody in any more.
    pub fn forget_tokens(&self, ids: &[String]) -> Result<(), VaultError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.write(|transaction, _| ids.iter().try_for_each(|id| rows::remove(transaction, Kind::Agent, id)))
    }

    /// Notes that a workspace is frozen, or all of them (`*`); one that was frozen before stays so since then.
    pub fn freeze(&self, workspace: &str, since_ms: u64) -> Result<(), VaultError> {
        self.write(|transaction, head| {
            if self.rows.read(transaction, Kind::Frozen, workspace)?.is_some() {
                return Ok(());
            }
            self.write_since(transaction, head, Kind::Frozen, workspace, since_ms)
        })
    }

    /// Notes that a workspace is frozen no more. Returns whether it was.
    pub fn thaw(&self, workspace: &str) -> Result<bool, VaultError> {
        self.write(|transaction, _| {
            let was = self.rows.read(transaction, Kind::Frozen, workspace)?.is_some();
            rows::remove(transaction, Kind::Frozen, workspace)?;
            Ok(was)
        })
    }

    fn write_token(
        &self,
        transaction: &Transaction<'_>,
        head: &mut Head,
        id: &str,
        token: &AdmittedToken,
    ) -> Result<(), VaultError> {
        let row = TokenRow {
            token_sha256: token.digest.to_string(),
            agent: token.agent.to_string(),
            workspace: token.workspace.to_string(),
            created_ms: token.created_ms,
            expires_ms: token.expires_ms,
        };
        let content = to_bytes(&row).ok_or(VaultError::NotWritten)?;
        self.rows.write(transaction, head, Kind::Agent, &Row { id: id.to_owned(), generation: 0, content })
    }

    fn write_since(
        &self,
        transaction: &Transaction<'_>,
        head: &mut Head,
        kind: Kind,
        id: &str,
        since_ms: u64,
    ) -> Result<(), VaultError> {
        let content = to_bytes(&SinceRow { since_ms }).ok_or(VaultError::NotWritten)?;
        self.rows.write(transaction, head, kind, &Row { id: id.to_owned(), generation: 0, content })
    }
}

fn token(row: &Row) -> Result<AdmittedToken, VaultError> {
    let TokenRow { token_sha256, agent, workspace, created_ms, expires_ms } = content(row)?;
    let damaged = |_| VaultError::Damaged { what: format!("the row of token `{}`", row.id.escape_debug()) };
    Ok(AdmittedToken {
        digest: Digest::parse(&token_sha256).map_err(damaged)?,
        agent: AgentName::parse(&agent).map_err(damaged)?,
        workspace: WorkspaceName::parse(&workspace).map_err(damaged)?,
        created_ms,
        expires_ms,
    })
}
