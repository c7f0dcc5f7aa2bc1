//! The write-ahead log of a file that is written: when it is moved into the file, and what is done after a sync that failed.
//!
//! Linux tells each open file once of a page that could not be written, and counts the page as written from then on. So after a
//! sync that failed the next one may succeed, and rows that stand before it in the same `-wal` are on no disk: those that
//! were only to survive a crash, and with them everything behind them, because `SQLite` reads a `-wal` up to its first
//! gap. A checkpoint that does not come to the end of the `-wal` moves pages and does not sync them, and `SQLite` never copies them
//! again: such a page may be the one that could not be written. So after a sync that failed nothing is written before all of
//! it has been put on the disk once more ([`restore`]).

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, ffi};

use crate::limits::Limits;
use crate::mover::Mover;
use crate::restore;
use crate::store;

/// How often it is put on the disk again where somebody else changes it meanwhile.
const TRIES: u32 = 3;

/// How often the rest is moved beside it before the writing thread moves what there is: rows may come as fast as they are moved.
const MOVES: u32 = 3;

/// How many times as much as it may hold there may be before rows wait for what is moved beside them.
const MOST_TIMES: i64 = 4;

/// What is known of it.
pub(crate) struct Wal {
    /// The file that it belongs to.
    database: PathBuf,
    /// Whether a sync may have failed since it was last on the disk as a whole. True for one that is found, since nobody knows how it
    /// came about.
    is_doubtful: bool,
    mover: Option<Mover>,
    /// How often most of it was moved since the writing thread moved the last.
    moves: u32,
    /// How many frames it holds before it is worth to try again, where somebody reads in it and keeps it from its end.
    next: i64,
    /// Files that must not be closed before the connections are ([`restore::put_again`]).
    kept: Vec<File>,
}

impl Wal {
    pub(crate) fn found(database: &Path) -> Self {
        let database = database.to_owned();
        Self { database, is_doubtful: true, mover: None, moves: 0, next: 0, kept: Vec::new() }
    }

    /// Takes it for trusted, and for moved by somebody who has just ended.
    #[cfg(test)]
    pub(crate) fn moved_by(&mut self, mover: Mover) {
        while mover.is_moving() {
            std::thread::yield_now();
        }
        (self.is_doubtful, self.mover) = (false, Some(mover));
    }

    #[cfg(test)]
    pub(crate) fn has_mover(&self) -> bool {
        self.mover.is_some()
    }

    /// Waits for what is moved beside the writing thread, and takes notice of how it went.
    fn wait(&mut self) {
        if let Some(mover) = self.mover.take() {
            let (rested, how) = mover.end();
            self.mover = rested;
            let _ = self.written(how);
        }
    }

    /// Waits for it only if it has ended.
    fn look(&mut self) {
        if !self.is_moving() {
            self.wait();
        }
    }

    fn is_moving(&self) -> bool {
        self.mover.as_ref().is_some_and(Mover::is_moving)
    }

    /// Ends moving, and closes the file that it has open.
    pub(crate) fn stop_moving(&mut self) {
        self.wait();
        self.mover = None;
    }

    /// Makes sure that what is written next stands behind nothing that may be lost.
    pub(crate) fn prepare(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.look();
        if !self.is_doubtful {
            return Ok(());
        }
        self.stop_moving();
        for _ in 0..TRIES {
            let found = frames(connection, "NOOP")?;
            let put = match (u64::try_from(found.all), u64::try_from(found.moved)) {
                (Ok(all), Ok(moved)) if !found.is_busy => self.put_again(all, moved),
                _ => Err(busy()),
            };
            if frames(connection, "NOOP")? != found {
                continue;
            }
            put?;
            self.is_doubtful = false;
            // It begins anew then, if nobody reads in it; and a disk that still fails is told now.
            let moved = frames(connection, "PASSIVE");
            let moved = self.written(moved);
            return if self.is_doubtful { moved.map(drop) } else { Ok(()) };
        }
        Err(busy())
    }

    fn put_again(&mut self, all: u64, moved: u64) -> rusqlite::Result<()> {
        if all == 0 {
            return Ok(());
        }
        restore::put_again(&self.database, all, moved, &mut self.kept)
    }

    /// Puts on the disk whatever is not there yet.
    pub(crate) fn sync(&mut self) -> rusqlite::Result<()> {
        let synced = restore::sync(&self.database);
        self.written(synced)
    }

    /// Looks at a connection that is about to be closed. `SQLite` makes a checkpoint then and removes the `-wal`, unless the next start is
    /// to look at it.
    pub(crate) fn leave(&mut self, connection: &Connection) {
        self.stop_moving();
        if !self.is_doubtful {
            // What fails leaves the `-wal` to the next start, too.
            let _ = store::move_on_close(connection);
        }
    }

    /// Goes on with that of the next file.
    pub(crate) fn go_on(&mut self, next: Self) {
        let kept = std::mem::take(&mut self.kept);
        *self = next;
        self.kept.extend(kept);
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
    /// moved here, and rows wait for that and for the sync.
    pub(crate) fn tidy(&mut self, connection: &Connection, limits: Limits) {
        self.look();
        if self.is_doubtful {
            return;
        }
        let Ok(found) = frames(connection, "NOOP") else {
            return;
        };
        if self.is_moving() {
            if found.all >= limits.wal_frames.saturating_mul(MOST_TIMES) {
                self.wait();
            }
            return;
        }
        if found.all < limits.wal_frames || found.left() == 0 {
            (self.moves, self.next) = (0, 0);
            return;
        }
        if found.all < self.next {
            return;
        }
        if found.left() > limits.last_frames && self.moves < MOVES && self.begin_moving(limits) {
            self.moves += 1;
            return;
        }
        (self.moves, self.next) = (0, found.all + limits.last_frames);
        // A full disk or a busy file is tried again after some more rows.
        let _ = self.written(frames(connection, "PASSIVE"));
    }

    /// Moves what there is beside the writing thread; returns whether that has begun.
    fn begin_moving(&mut self, limits: Limits) -> bool {
        let mover = self.mover.take().or_else(|| Mover::open(&self.database, limits).ok());
        self.mover = mover.and_then(Mover::begin);
        self.mover.is_some()
    }
}

fn busy() -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None)
}

/// What a checkpoint left.
#[derive(Clone, Copy, PartialEq, Eq)]
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
