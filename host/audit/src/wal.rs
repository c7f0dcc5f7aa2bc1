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

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, ffi};

use crate::limits::Limits;
use crate::mover::Mover;

/// How many frames (pages of 4 KiB) the writing thread moves itself, while every row waits.
const LAST_FRAMES: i64 = 256;

/// How often the rest is moved beside it before the writing thread moves what there is: rows may come as fast as they are moved.
const MOVES: u32 = 3;

/// How many times as much as it may hold there may be before rows wait for what is moved beside them.
const MOST_TIMES: i64 = 4;

/// What is known of it.
pub(crate) struct Wal {
    /// Whether a sync may have failed since it began. True for one that is found, since nobody knows how it came about.
    is_doubtful: bool,
    /// Whether the file was closed for that, and is to be opened again before anything is written.
    is_closed: bool,
    mover: Option<Mover>,
    /// How often most of it was moved since the writing thread moved the last.
    moves: u32,
    /// How many frames it holds before it is worth to try again, where somebody reads in it and keeps it from its end.
    next: i64,
}

impl Wal {
    pub(crate) fn found() -> Self {
        Self { is_doubtful: true, is_closed: false, mover: None, moves: 0, next: 0 }
    }

    /// Returns one that is trusted, and is just being moved; waits until that has ended.
    #[cfg(test)]
    pub(crate) fn moved_by(mover: Mover) -> Self {
        while mover.is_moving() {
            std::thread::yield_now();
        }
        Self { is_doubtful: false, mover: Some(mover), ..Self::found() }
    }

    /// Returns whether what is written next might stand behind something that is lost.
    pub(crate) fn is_doubtful(&mut self) -> bool {
        if !self.mover.as_ref().is_some_and(Mover::is_moving) {
            self.wait();
        }
        self.is_doubtful
    }

    /// Waits for what is moved beside the writing thread, and takes notice of how it went.
    fn wait(&mut self) {
        if let Some(mover) = self.mover.take() {
            let (rested, how) = mover.end();
            self.mover = rested;
            let _ = self.written(how);
        }
    }

    /// Ends moving, and closes the file that it has open.
    pub(crate) fn stop_moving(&mut self) {
        self.wait();
        self.mover = None;
    }

    /// Closes the doubtful file if pages count as moved that may be on no disk; returns whether it must be opened again.
    pub(crate) fn close(&mut self, connection: &mut Connection) -> rusqlite::Result<bool> {
        self.stop_moving();
        if self.is_closed || frames(connection, "NOOP")?.moved > 0 {
            keep(connection)?;
            // Nothing can be written meanwhile: there are no tables in here.
            *connection = Connection::open_in_memory()?;
            self.is_closed = true;
        }
        Ok(self.is_closed)
    }

    /// Looks at a connection that is about to be closed. `SQLite` makes a checkpoint then, which trusts what counts as moved.
    pub(crate) fn leave(&mut self, connection: &Connection) {
        self.stop_moving();
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
        (self.is_doubtful, self.is_closed) = (false, false);
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
    ///
    /// Most of it is moved on another thread. It begins anew only once all of it is moved and synced while no row comes, so the last is
    /// moved here: then little is left, and rows wait for that alone.
    pub(crate) fn tidy(&mut self, path: &Path, connection: &Connection, limits: Limits) {
        if self.is_doubtful() {
            return;
        }
        let Ok(found) = frames(connection, "NOOP") else {
            return;
        };
        if self.mover.as_ref().is_some_and(Mover::is_moving) {
            if found.all >= limits.wal_frames.saturating_mul(MOST_TIMES) {
                self.wait();
            }
            return;
        }
        if found.all < limits.wal_frames || found.moved == found.all {
            (self.moves, self.next) = (0, 0);
            return;
        }
        if found.all < self.next {
            return;
        }
        if found.left() > LAST_FRAMES && self.moves < MOVES && self.begin_moving(path, limits) {
            self.moves += 1;
            return;
        }
        (self.moves, self.next) = (0, found.all + LAST_FRAMES);
        // A full disk or a busy file is tried again after some more rows.
        let _ = self.written(frames(connection, "PASSIVE"));
    }

    /// Moves what there is beside the writing thread; returns whether that has begun.
    fn begin_moving(&mut self, path: &Path, limits: Limits) -> bool {
        let mover = self.mover.take().or_else(|| Mover::open(path, limits).ok());
        self.mover = mover.and_then(Mover::begin);
        self.mover.is_some()
    }
}

/// Lets a connection leave the `-wal` as it is when it is closed. `SQLite` makes a checkpoint and removes it otherwise, if nobody else has
/// the file open.
pub(crate) fn keep(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map(drop)
}

/// What a checkpoint left.
pub(crate) struct Frames {
    /// Whether somebody kept it from its end.
    is_busy: bool,
    /// How many there are.
    all: i64,
    /// How many of them count as moved into the file.
    moved: i64,
}

impl Frames {
    fn left(&self) -> i64 {
        self.all - self.moved
    }
}

/// Makes a checkpoint, or only looks (`NOOP`).
pub(crate) fn frames(connection: &Connection, mode: &str) -> rusqlite::Result<Frames> {
    let mut checkpoint = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    checkpoint.query_row([], |row| Ok(Frames { is_busy: row.get(0)?, all: row.get(1)?, moved: row.get(2)? }))
}
