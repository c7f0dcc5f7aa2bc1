//! How much may be under way, how long callers wait, and how often heads are signed.

use std::time::Duration;

/// How many rows may stand without a signed head. One signature for so many costs each a fraction of a microsecond.
pub(crate) const HEAD_ROWS: u64 = 1024;

/// The bounds of one log; other than the default in tests only.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Rows waiting to be written and intents without an outcome, together.
    pub(crate) places: usize,
    /// How long a caller waits for a place before it is refused.
    pub(crate) wait: Duration,
    /// How long `SQLite` waits for a lock that somebody else holds.
    pub(crate) busy: Duration,
    /// How large the file may grow, pages; `None`: as the disk allows.
    pub(crate) pages: Option<u32>,
    /// How large the mirror may grow, bytes; `None`: as its disk allows.
    pub(crate) mirror_bytes: Option<u64>,
    /// How many rows may stand without a signed head.
    pub(crate) head_rows: u64,
    /// How long a row may stand without one.
    pub(crate) head_time: Duration,
    /// How many frames (pages of 4 KiB) the write-ahead log may hold before it is moved into the file. A checkpoint syncs: rarely is
    /// better than often.
    pub(crate) wal_frames: i64,
    /// How many of them the writing thread moves itself, while every row waits.
    pub(crate) last_frames: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            places: 4096,
            wait: Duration::from_secs(2),
            busy: Duration::from_secs(5),
            pages: None,
            mirror_bytes: None,
            head_rows: HEAD_ROWS,
            head_time: Duration::from_mins(1),
            // 32 MiB.
            wal_frames: 8192,
            last_frames: 256,
        }
    }
}
