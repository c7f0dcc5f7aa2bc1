//! What plugins took of their quotas today, counted once more from the audit: rows of `state.db` that were deleted or lowered while nobody
//! watched bring nothing back. Of a window that is longer than a day, what was taken on the days before stands in `state.db` alone.

use wardlock_audit::{Audit, LIST_ITEMS, Row};
use wardlock_core::connection::Connection;
use wardlock_state::{RecalledKey, RecalledQuotas, State};

/// The capability by which a plugin counts.
const CAPABILITY: &str = "quota";

/// Returns whether a plugin of a connection counts.
pub(super) fn counts(connection: &Connection) -> bool {
    connection.chain.iter().any(|link| link.capabilities.contains(CAPABILITY))
}

/// What was taken.
#[derive(Debug, Default)]
pub(super) struct Taken(RecalledQuotas);

impl Taken {
    /// Adds what an INTENT row says. Each may be added once.
    pub fn add(&mut self, row: &Row) {
        let Some((request, workspace)) = row.detail.request.as_ref().zip(row.workspace.as_ref()) else { return };
        // More were taken than a row holds.
        self.0.is_unread |= request.taken.len() >= LIST_ITEMS;
        for taken in &request.taken {
            let key = RecalledKey {
                workspace: workspace.clone(),
                plugin: taken.plugin.clone(),
                keyed: taken.keyed.clone(),
                began_ms: taken.began_ms,
                window_seconds: taken.window_seconds,
            };
            let used = self.0.used.entry(key).or_default();
            *used = used.saturating_add(taken.count);
        }
    }

    /// Says that rows are missing or cannot be read.
    pub fn unread(&mut self) {
        self.0.is_unread = true;
    }

    /// Tells the state.
    pub fn recall(self, state: &State, audit: &Audit) {
        state.recall_quotas(self.0, Box::new(audit.quota_hash()));
    }
}
