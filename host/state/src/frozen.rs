//! Frozen workspaces: every request of theirs is denied until they are thawed, whatever else happens to the process.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use rusqlite::{Connection, params};
use wardlock_core::id::WorkspaceName;

use crate::error::StateError;
use crate::state::{Inner, State};
use crate::store::integer;

/// Stands for every workspace.
const ALL: &str = "*";

/// What is frozen, and since when: names, or `*` for all.
pub type Frozen = BTreeMap<String, u64>;

impl State {
    /// Freezes a workspace, or all of them: at once, and durable when this returns, so that it outlives any crash.
    ///
    /// `freeze` tells whoever else must know. Whichever of the two is written holds.
    pub fn freeze<E: From<StateError>>(
        &self,
        workspace: Option<&WorkspaceName>,
        freeze: impl FnOnce(&str, u64) -> Result<(), E>,
    ) -> Result<(), E> {
        let (name, now_ms) = (workspace.map_or(ALL, WorkspaceName::as_str), self.0.now_ms());
        let connection = self.0.connection();
        self.0.freeze_too(&BTreeMap::from([(name.to_owned(), now_ms)]));
        let told = freeze(name, now_ms);
        let sql = "INSERT INTO frozen VALUES (?1, ?2) ON CONFLICT (workspace) DO NOTHING";
        connection.execute(sql, params![name, integer(now_ms)]).map_err(StateError::Write)?;
        told
    }

    /// Thaws a workspace, or lifts the freeze on all. Returns whether anything was frozen by that name.
    ///
    /// `thaw` tells whoever else knows, and returns whether they did. The row comes last: until it is gone, the freeze holds.
    pub fn thaw<E: From<StateError>>(
        &self,
        workspace: Option<&WorkspaceName>,
        thaw: impl FnOnce(&str) -> Result<bool, E>,
    ) -> Result<bool, E> {
        let name = workspace.map_or(ALL, WorkspaceName::as_str);
        let connection = self.0.connection();
        let known = thaw(name)?;
        let thawed =
            connection.execute("DELETE FROM frozen WHERE workspace = ?1", [name]).map_err(StateError::Write)?;
        self.0.frozen_mut(|frozen| {
            frozen.remove(name);
        });
        Ok(known || thawed > 0)
    }

    /// Returns whether a workspace is frozen, by its own name or with all. Reads memory only.
    pub fn is_frozen(&self, workspace: &WorkspaceName) -> bool {
        let frozen = self.0.frozen.read().unwrap_or_else(PoisonError::into_inner);
        frozen.contains_key(ALL) || frozen.contains_key(workspace.as_str())
    }

    /// Returns everything that is frozen.
    pub fn frozen(&self) -> Frozen {
        self.0.frozen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns what is frozen although its row is gone.
    pub fn frozen_without_row(&self) -> Result<Vec<String>, StateError> {
        let written = load(&self.0.connection())?;
        Ok(self.frozen().into_keys().filter(|name| !written.contains_key(name)).collect())
    }
}

impl Inner {
    /// Freezes what is not frozen yet, in memory.
    pub(crate) fn freeze_too(&self, more: &Frozen) {
        self.frozen_mut(|frozen| {
            for (name, since_ms) in more {
                frozen.entry(name.clone()).or_insert(*since_ms);
            }
        });
    }

    fn frozen_mut(&self, change: impl FnOnce(&mut Frozen)) {
        change(&mut self.frozen.write().unwrap_or_else(PoisonError::into_inner));
    }
}

pub(crate) fn load(connection: &Connection) -> Result<Frozen, StateError> {
    let mut statement = connection.prepare("SELECT workspace, since_ms FROM frozen").map_err(StateError::Read)?;
    let rows = statement
        .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.cast_unsigned())))
        .map_err(StateError::Read)?;
    rows.collect::<rusqlite::Result<_>>().map_err(StateError::Read)
}
