//! Frozen workspaces: every request of theirs is denied until they are thawed, whatever else happens to the process.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use rusqlite::{Connection, params};
use wardlock_core::id::WorkspaceName;

use crate::error::StateError;
use crate::state::{Inner, State};

/// Stands for every workspace.
const ALL: &str = "*";

/// What is frozen, and since when: names, or `*` for all.
pub type Frozen = BTreeMap<String, u64>;

impl State {
    /// Freezes a workspace, or all of them. Durable before it holds, so that it outlives any crash.
    pub fn freeze(&self, workspace: Option<&WorkspaceName>) -> Result<(), StateError> {
        let (name, now_ms) = (workspace.map_or(ALL, WorkspaceName::as_str), self.0.now_ms());
        let connection = self.0.connection();
        let sql = "INSERT INTO frozen VALUES (?1, ?2) ON CONFLICT (workspace) DO NOTHING";
        let since_ms = i64::try_from(now_ms).unwrap_or(i64::MAX);
        connection.execute(sql, params![name, since_ms]).map_err(StateError::Write)?;
        self.0.frozen_mut(|frozen| {
            frozen.entry(name.to_owned()).or_insert(now_ms);
        });
        Ok(())
    }

    /// Thaws a workspace, or lifts the freeze on all. Returns whether anything was frozen by that name.
    pub fn thaw(&self, workspace: Option<&WorkspaceName>) -> Result<bool, StateError> {
        let name = workspace.map_or(ALL, WorkspaceName::as_str);
        let connection = self.0.connection();
        let thawed =
            connection.execute("DELETE FROM frozen WHERE workspace = ?1", [name]).map_err(StateError::Write)?;
        self.0.frozen_mut(|frozen| {
            frozen.remove(name);
        });
        Ok(thawed > 0)
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
}

impl Inner {
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
