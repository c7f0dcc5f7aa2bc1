//! The write-ahead log of a file that is written: when it is moved into the file, and how it begins anew after a sync that
//! failed.
//!
//! Linux tells of a page that could not be written once, and counts it as written from then on. So after a sync that failed
//! the next one may succeed, and rows that stand before it in the same `-wal` are on no disk: those that were only to survive a
//! crash, and with them everything behind them, because `SQLite` reads a `-wal` up to its first gap. Nothing is written
//! then before all of it has been copied into the file, synced there, and the `-wal` has begun anew.
//!
//! All of it: a checkpoint that does not come to the end of the `-wal` moves pages and does not sync them, and `SQLite` never
//! copies them again as long as anybody has the file open. Such a page may be the one that could not be written. So the
//! file is closed then, without a checkpoint, and opened again: nothing counts as moved then.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, ffi};

/// How many frames it may hold before it is moved into the file: 32 MiB. A checkpoint syncs, and every writer waits
/// for it: rarely is better than often.
const FRAMES: i64 = 8192;

/// What is known of it.
pub(crate) struct Wal {
    /// Whether a sync may have failed since it began. True for one that is found, since nobody knows how it came about.
    is_doubtful: bool,
    /// Whether the file was closed for that, and is to be opened again before anything is written.
    is_closed: bool,
}

impl Wal {
    pub(crate) fn found() -> Self {
        Self { is_doubtful: true, is_closed: false }
    }

    /// Returns whether what is written next might stand behind something that is lost.
    pub(crate) fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// Closes the file if pages count as moved that may be on no disk; returns whether it must be opened again.
    pub(crate) fn close(&mut self, connection: &mut Connection) -> rusqlite::Result<bool> {
        if self.is_closed || frames(connection, "NOOP")?.moved > 0 {
            keep(connection)?;
            // Nothing can be written meanwhile: there are no tables in here.
            *connection = Connection::open_in_memory()?;
            self.is_closed = true;
        }
        Ok(self.is_closed)
    }

    /// Looks at a connection that is about to be closed. `SQLite` makes a checkpoint then, which trusts what counts as moved.
    pub(crate) fn leave(&self, connection: &Connection) {
        if self.is_doubtful && frames(connection, "NOOP").map_or(true, |found| found.moved > 0) {
            // The next start begins it anew. What fails here is tried with a file that has just failed to sync.
            let _ = keep(connection);
        }
    }

    /// Begins it anew, once all of it is in the file and synced there.
    pub(crate) fn begin_anew(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        // Who reads in it keeps it from being emptied, and who has the file open keeps what counts as moved. Rows wait for them as
        // they wait for any lock.
        let is_kept = self.is_closed && frames(connection, "NOOP")?.moved > 0;
        if is_kept || frames(connection, "TRUNCATE")?.is_busy {
            let busy = ffi::Error::new(ffi::SQLITE_BUSY);
            return Err(rusqlite::Error::SqliteFailure(busy, None));
        }
        *self = Self { is_doubtful: false, is_closed: false };
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
        if self.is_doubtful {
            return;
        }
        if frames(connection, "NOOP").is_ok_and(|found| found.all >= FRAMES && found.moved < found.all) {
            // A full disk or a busy file is tried again after the next rows.
            let _ = self.written(frames(connection, "PASSIVE"));
        }
    }
}

/// Lets a connection leave the `-wal` as it is when it is closed. `SQLite` makes a checkpoint and removes it otherwise, if nobody else has
/// the file open.
pub(crate) fn keep(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

/// What a checkpoint left.
struct Frames {
    /// Whether somebody kept it from its end.
    is_busy: bool,
    /// How many there are.
    all: i64,
    /// How many of them count as moved into the file.
    moved: i64,
}

/// Makes a checkpoint, or only looks (`NOOP`).
fn frames(connection: &Connection, mode: &str) -> rusqlite::Result<Frames> {
    let mut checkpoint = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    checkpoint.query_row([], |row| Ok(Frames { is_busy: row.get(0)?, all: row.get(1)?, moved: row.get(2)? }))
}
