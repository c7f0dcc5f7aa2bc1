//! What plugins took of their quotas, on its way into a row.

use crate::audit::Audit;
use crate::described::PathKey;
use crate::detail::{RequestDetail, TakenDetail};
use crate::entry::{LIST_ITEMS, bounded};

/// What one plugin took under one key in one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Took {
    /// The plugin's name in the chain.
    pub plugin: String,
    /// The key. Rows hold its keyed hash.
    pub key: String,
    /// When the window began, milliseconds since 1970-01-01T00:00:00Z.
    pub began_ms: u64,
    /// The window's length, seconds.
    pub window_seconds: u32,
    /// How often it took.
    pub count: u32,
}

impl Audit {
    /// Returns what makes the keyed hash that rows hold in place of a quota's key.
    pub fn quota_hash(&self) -> impl Fn(&str) -> String + Send + Sync + 'static {
        let hash = self.inner().key.clone();
        move |key| keyed(&hash, key)
    }
}

/// No value of a path or query holds a line end, so none has the hash of a quota's key.
fn keyed(hash: &PathKey, key: &str) -> String {
    hash.hash(&format!("quota\n{key}"))
}

/// Says in a request's row what was taken for it.
pub(crate) fn note(request: &mut RequestDetail, taken: &[Took], hash: &PathKey) {
    let detail = |took: &Took| TakenDetail {
        plugin: bounded(&took.plugin),
        keyed: keyed(hash, &took.key),
        began_ms: took.began_ms,
        window_seconds: took.window_seconds,
        count: took.count,
    };
    request.taken = taken.iter().take(LIST_ITEMS).map(detail).collect();
    request.cut |= taken.len() > LIST_ITEMS;
}
