//! Several people's words on one draft, each sealed by whoever can tell whether it is one.

use rusqlite::params;

use crate::error::StateError;
use crate::state::State;

impl State {
    /// Keeps a person's word on a draft that is held, durable when this returns; one in the same name takes the place of an older. Returns
    /// whether the draft is held.
    pub fn add_approval(&self, draft: &str, operator: &str, sealed: &[u8]) -> Result<bool, StateError> {
        let sql = "INSERT OR REPLACE INTO draft_approvals (draft, operator, sealed) \
                   SELECT id, ?2, ?3 FROM drafts WHERE id = ?1 AND state = 'held'";
        let added = self.0.connection().execute(sql, params![draft, operator, sealed]);
        added.map(|added| added > 0).map_err(StateError::Write)
    }

    /// Returns the words on a draft, by whose they are said to be, as sealed.
    pub fn approvals(&self, draft: &str) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        let connection = self.0.connection();
        let sql = "SELECT operator, sealed FROM draft_approvals WHERE draft = ?1 ORDER BY operator";
        let mut statement = connection.prepare_cached(sql).map_err(StateError::Read)?;
        let rows = statement.query_map([draft], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.and_then(Iterator::collect).map_err(StateError::Read)
    }
}
