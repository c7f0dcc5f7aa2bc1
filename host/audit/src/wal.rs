//! The write-ahead log of a file that is written: when it is moved into the file, and how it begins anew after a sync that
//! failed.
//!
//! Linux tells of a page that could not be written once, and counts it as written from then on. So after a sync that failed
//! the next one may succeed, and rows that stand before it in the same `-wal` are on no disk: those that were only to survive a
//! crash, and with them everything behind them, because `SQLite` reads a `-wal` up to its first gap. Nothing is written
//! then before all of it has been copied into the file, synced there, and the `-wal` has begun anew.

use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ErrorCode, ffi};

use crate::limits::Limits;
use crate::store;

/// How many frames the writing thread moves itself, while every row waits: 1 MiB.
const LAST_FRAMES: i64 = 256;
/// How often the rest is moved beside it before the writing thread moves what there is: rows may come as fast as they are moved.
const MOVES: u32 = 3;

/// What is known of it.
pub(crate) struct Wal {
    /// Whether a sync may have failed since it began. True for one that is found, since nobody knows how it came about.
    is_doubtful: bool,
    /// How many frames it may hold before it is moved.
    most: i64,
    moving: Option<Moving>,
    /// How often it was moved beside the writing thread since it last began anew.
    moves: u32,
}

impl Wal {
    pub(crate) fn found(limits: Limits) -> Self {
        Self { is_doubtful: true, most: limits.wal_frames, moving: None, moves: 0 }
    }

    /// Makes sure that what is written next stands behind nothing that may be lost.
    pub(crate) fn prepare(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.look_after_moving();
        if self.is_doubtful {
            // What is moved meanwhile would keep us from it.
            self.moving = None;
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
    ///
    /// Most of it is moved on another thread while rows go on being written behind it. It begins anew only once all of it is moved,
    /// and that is done here: then little is left, and rows wait for that alone.
    pub(crate) fn tidy(&mut self, file: &Path, connection: &Connection) {
        self.look_after_moving();
        if self.moving.is_some() {
            return;
        }
        let left = match frames(connection, "NOOP") {
            Ok((all, moved)) if all >= self.most && moved < all => all - moved,
            _ => return,
        };
        if left > LAST_FRAMES && self.moves < MOVES {
            self.moves += 1;
            self.moving = Moving::begin(file);
            if self.moving.is_some() {
                return;
            }
        }
        self.moves = 0;
        // A full disk or a busy file is tried again after the next rows.
        let _ = self.written(frames(connection, "PASSIVE"));
    }

    /// Takes notice of what was moved beside it, as soon as that has ended: a sync may have failed there.
    fn look_after_moving(&mut self) {
        if let Some(moving) = self.moving.take_if(|moving| moving.has_ended()) {
            let _ = self.written(moving.end());
        }
    }
}

/// Makes a checkpoint, or none, and returns how many frames there are, and how many are moved.
fn frames(connection: &Connection, mode: &str) -> rusqlite::Result<(i64, i64)> {
    let mut checkpoint = connection.prepare_cached(&format!("PRAGMA wal_checkpoint({mode})"))?;
    checkpoint.query_row([], |row| Ok((row.get(1)?, row.get(2)?)))
}

/// A checkpoint on a thread and a connection of its own; waited for when it is dropped.
struct Moving(Option<JoinHandle<rusqlite::Result<()>>>);

impl Moving {
    /// Begins one; `None` where there is no thread to be had.
    fn begin(file: &Path) -> Option<Self> {
        let file: PathBuf = file.to_owned();
        let moved = move || {
            let connection = store::open_for_moving(&file)?;
            frames(&connection, "PASSIVE").map(drop)
        };
        thread::Builder::new()
            .name("wardlock-audit-wal".to_owned())
            .spawn(moved)
            .ok()
            .map(|thread| Self(Some(thread)))
    }

    fn has_ended(&self) -> bool {
        self.0.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for it, and returns how it went.
    fn end(mut self) -> rusqlite::Result<()> {
        self.join()
    }

    fn join(&mut self) -> rusqlite::Result<()> {
        let broken = || Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), None));
        // A thread that panicked may have left a sync undone.
        self.0.take().map_or(Ok(()), |thread| thread.join().unwrap_or_else(|_| broken()))
    }
}

impl Drop for Moving {
    fn drop(&mut self) {
        // Whoever drops it begins the `-wal` anew, or leaves it to the next start, which trusts none that it finds.
        let _ = self.join();
    }
}
