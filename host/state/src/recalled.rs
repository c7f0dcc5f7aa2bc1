//! What plugins are known to have taken of their quotas by another account than this file's: whoever takes rows out of it takes nothing back.
//!
//! That account holds no keys, only their keyed hashes, so a counter is looked for by the hash of its key.

use std::collections::HashMap;

use wardlock_core::plugin::quota::Window;

use crate::state::State;

/// Hashes a quota's key as the other account does.
pub type KeyHash = Box<dyn Fn(&str) -> String + Send + Sync>;

/// One counter, by the hash of its key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecalledKey {
    /// The workspace.
    pub workspace: String,
    /// The plugin, by its name in the chains there.
    pub plugin: String,
    /// The keyed hash of the key.
    pub keyed: String,
    /// When the window began, milliseconds since 1970-01-01T00:00:00Z.
    pub began_ms: u64,
    /// The window's length, seconds.
    pub window_seconds: u32,
}

/// The other account of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecalledQuotas {
    /// What was taken, by counter.
    pub used: HashMap<RecalledKey, u32>,
    /// Whether some of it cannot be read: windows of a day at most, which have begun, count as used up.
    pub is_unread: bool,
}

/// The longest window of which the account of a day tells all, seconds.
const DAY: u32 = 24 * 60 * 60;

pub(crate) struct Recalled {
    quotas: RecalledQuotas,
    hash: KeyHash,
    /// When it was told, milliseconds since 1970-01-01T00:00:00Z.
    at_ms: u64,
}

impl Recalled {
    /// Returns how much of a counter was taken at least.
    pub(crate) fn used(
        &self,
        workspace: &str,
        plugin: &str,
        (key, seconds): &(String, u32),
        window: Window,
    ) -> u32 {
        // Nothing of a window that began since can be known from before.
        if window.start_ms > self.at_ms {
            return 0;
        }
        if self.quotas.is_unread && *seconds <= DAY {
            return u32::MAX;
        }
        if self.quotas.used.is_empty() {
            return 0;
        }
        let (workspace, plugin) = (workspace.to_owned(), plugin.to_owned());
        let (keyed, began_ms, window_seconds) = ((self.hash)(key), window.start_ms, *seconds);
        let key = RecalledKey { workspace, plugin, keyed, began_ms, window_seconds };
        self.quotas.used.get(&key).copied().unwrap_or(0)
    }
}

impl State {
    /// Takes it that no less was taken of these counters, once for a process: what is told later counts for nothing.
    pub fn recall_quotas(&self, quotas: RecalledQuotas, hash: KeyHash) {
        let at_ms = self.0.now_ms();
        drop(self.0.recalled.set(Recalled { quotas, hash, at_ms }));
    }
}
