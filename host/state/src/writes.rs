//! Proofs, and how far writes are enabled on their strength.
//!
//! Each row carries a mark that only the vault can make: who may write this file can take an enabled level away, and never
//! make one. Whoever opens the state checks the marks; this module only keeps it. A connection is named as whoever makes the mark names it.

use std::collections::HashMap;
use std::sync::PoisonError;

use rusqlite::{Connection, OptionalExtension as _, params};
use wardlock_core::connection::WriteMode;
use wardlock_core::id::{Digest, WorkspaceName};

use crate::error::StateError;
use crate::state::State;
use crate::store::integer;

/// What a proof or a level holds for: lapsed as soon as either is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Basis {
    /// The grant's generation.
    pub generation: u64,
    /// Digest of service, place, rules and chain.
    pub rules: Digest,
}

/// A proof, passed or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// When it was made, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// What it holds for.
    pub basis: Basis,
    /// Whether every criterion held.
    pub passed: bool,
    /// Who had it made.
    pub who: String,
    /// Each criterion, as JSON.
    pub report: String,
    /// The vault's mark on all of it.
    pub mac: [u8; 32],
}

/// How far writes are enabled on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteLevel {
    /// How far.
    pub level: WriteMode,
    /// Since when, milliseconds since 1970-01-01T00:00:00Z.
    pub since_ms: u64,
    /// What it holds for.
    pub basis: Basis,
    /// Who enabled it.
    pub who: String,
    /// The vault's mark on all of it.
    pub mac: [u8; 32],
}

/// Levels, by workspace and connection.
pub(crate) type Levels = HashMap<(String, String), WriteLevel>;

impl State {
    /// Keeps a proof in the place of the one before.
    pub fn keep_proof(
        &self,
        workspace: &WorkspaceName,
        connection: &str,
        proof: &Proof,
    ) -> Result<(), StateError> {
        let sql = "INSERT OR REPLACE INTO proofs \
                   (workspace, connection, at_ms, generation, rules, passed, who, report, mac) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let values = params![
            workspace.as_str(),
            connection,
            integer(proof.at_ms),
            integer(proof.basis.generation),
            proof.basis.rules.as_bytes().as_slice(),
            proof.passed,
            proof.who,
            proof.report,
            proof.mac.as_slice()
        ];
        self.0.connection().execute(sql, values).map(drop).map_err(StateError::Write)
    }

    /// Returns the newest proof of a connection.
    pub fn proof(&self, workspace: &WorkspaceName, connection: &str) -> Result<Option<Proof>, StateError> {
        let sql = "SELECT at_ms, generation, rules, passed, who, report, mac FROM proofs \
                   WHERE workspace = ?1 AND connection = ?2";
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Proof {
                at_ms: row.get::<_, i64>(0)?.cast_unsigned(),
                basis: Basis {
                    generation: row.get::<_, i64>(1)?.cast_unsigned(),
                    rules: Digest::from_bytes(row.get(2)?),
                },
                passed: row.get(3)?,
                who: row.get(4)?,
                report: row.get(5)?,
                mac: row.get(6)?,
            })
        };
        let values = [workspace.as_str(), connection];
        self.0.connection().query_row(sql, values, read).optional().map_err(StateError::Read)
    }

    /// Enables writes as far as a level says, durable when this returns; `off` takes the row away.
    pub fn set_write_level(
        &self,
        workspace: &WorkspaceName,
        connection: &str,
        level: &WriteLevel,
    ) -> Result<(), StateError> {
        let key = (workspace.to_string(), connection.to_owned());
        let held = self.0.connection();
        let mut levels = self.0.levels.write().unwrap_or_else(PoisonError::into_inner);
        if level.level == WriteMode::Off {
            let sql = "DELETE FROM write_levels WHERE workspace = ?1 AND connection = ?2";
            held.execute(sql, [&key.0, &key.1]).map_err(StateError::Write)?;
            levels.remove(&key);
            return Ok(());
        }
        let sql = "INSERT OR REPLACE INTO write_levels \
                   (workspace, connection, level, since_ms, generation, rules, who, mac) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let values = params![
            key.0,
            key.1,
            level.level.as_str(),
            integer(level.since_ms),
            integer(level.basis.generation),
            level.basis.rules.as_bytes().as_slice(),
            level.who,
            level.mac.as_slice()
        ];
        held.execute(sql, values).map_err(StateError::Write)?;
        levels.insert(key, level.clone());
        Ok(())
    }

    /// Returns every level, by workspace and connection.
    pub fn write_levels(&self) -> Vec<((String, String), WriteLevel)> {
        let levels = self.0.levels.read().unwrap_or_else(PoisonError::into_inner);
        levels.iter().map(|(key, level)| (key.clone(), level.clone())).collect()
    }

    /// Takes no notice of a level from here on: whoever read it found that it does not hold.
    pub fn distrust_write_level(&self, key: &(String, String)) {
        self.0.levels.write().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// Returns how far writes were enabled on a connection, whatever has changed since; `None`: never, or off again. Reads
    /// memory only.
    pub fn write_level(&self, workspace: &WorkspaceName, connection: &str) -> Option<WriteLevel> {
        let levels = self.0.levels.read().unwrap_or_else(PoisonError::into_inner);
        if levels.is_empty() {
            return None;
        }
        levels.get(&(workspace.to_string(), connection.to_owned())).cloned()
    }
}

pub(crate) fn load(connection: &Connection) -> Result<Levels, StateError> {
    let sql = "SELECT workspace, connection, level, since_ms, generation, rules, who, mac FROM write_levels";
    let mut statement = connection.prepare(sql).map_err(StateError::Read)?;
    let rows = statement.query_map([], |row| {
        let word: String = row.get(2)?;
        let level = WriteLevel {
            // A word that is none enables nothing.
            level: WriteMode::parse(&word).unwrap_or(WriteMode::Off),
            since_ms: row.get::<_, i64>(3)?.cast_unsigned(),
            basis: Basis {
                generation: row.get::<_, i64>(4)?.cast_unsigned(),
                rules: Digest::from_bytes(row.get(5)?),
            },
            who: row.get(6)?,
            mac: row.get(7)?,
        };
        Ok(((row.get(0)?, row.get(1)?), level))
    });
    rows.and_then(Iterator::collect).map_err(StateError::Read)
}
