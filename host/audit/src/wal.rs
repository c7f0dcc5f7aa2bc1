//! The write-ahead log of a file that is written: when it is moved into the file, and how it begins anew after a sync that
//! failed.
//!
//! Linux tells of a page that could not be written once, and counts it as written from then on. So after a sync that failed
//! the next one may succeed, and rows that stand before it in the same `-wal` are on no disk: those that were only to survive a
//! crash, and with them everything behind them, because `SQLite` reads a `-wal` up to its first gap. Nothing is written
//! then before all of it has been copied into the file, synced there, and the `-wal` has begun anew.

use rusqlite::{Connection, ErrorCode, ffi};

/// How many frames it may hold before it is moved into the file: 32 MiB. A checkpoint syncs, and every writer waits
/// for it: rarely is better than often.
const FRAMES: i64 = 8192;

/// What is known of it.
pub(crate) struct Wal {
    /// Whether a sync may have failed since it began. True for one that is found, since nobody knows how it came about.
    is_doubtful: bool,
}

impl Wal {
    pub(crate) fn found() -> Self {
        Self { is_doubtful: true }
    }

    /// Makes sure that what is written next stands behind nothing that may be lost.
    pub(crate) fn prepare(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        if self.is_doubtful {
            let is_busy =
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0))?;
            if is_busy {
                // Somebody reads in it; rows wait for them as they wait for any lock.
                let busy = ffi::Error::new(ffi::SQLITE_BUSY);
                return Err(rusqlite::Error::SqliteFailure(busy, None));
            }
            self.is_doubtful = false;
        }
        Ok(())
    }

    /// Looks at how writing went.
    pub(crate) fn written<T>(&mut self, result: rusqlite::Result<T>) -> rusqlite::Result<T> {
        if let Err(error) = &result {
            self.is_doubtful |= error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure);
        }
        result
    }

    /// Moves it into the file if it has become long. `SQLite` would do so by itself, but tell nobody when a sync fails.
    pub(crate) fn tidy(&mut self, connection: &Connection) {
        let frames = |checkpoint: &str| {
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?));
            connection.prepare_cached(checkpoint)?.query_row([], row)
        };
        if frames("PRAGMA wal_checkpoint(NOOP)").is_ok_and(|(all, moved)| all >= FRAMES && moved < all) {
            let moved = frames("PRAGMA wal_checkpoint(PASSIVE)");
            // A full disk or a busy file is tried again after the next rows.
            let _ = self.written(moved);
        }
    }
}
