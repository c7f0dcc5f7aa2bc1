//! Checkpoints beside the writing thread: most of a `-wal` is moved into the file while rows go on being written behind it.

use std::path::Path;
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, ffi};

use crate::limits::Limits;
use crate::store;
use crate::wal::{self, Frames};

/// A connection of its own. It stays open from one checkpoint to the next: each open file is told once of a page that could not
/// be written, and one that is opened later might never be.
pub(crate) enum Mover {
    Resting(Connection),
    Moving(JoinHandle<(Connection, rusqlite::Result<Frames>)>),
}

impl Mover {
    pub(crate) fn open(path: &Path, limits: Limits) -> rusqlite::Result<Self> {
        store::open_again(path, limits).map(Self::Resting)
    }

    pub(crate) fn is_moving(&self) -> bool {
        matches!(self, Self::Moving(thread) if !thread.is_finished())
    }

    /// Moves what there is; `None` where there is no thread to be had.
    pub(crate) fn begin(self) -> Option<Self> {
        let Self::Resting(connection) = self else {
            return Some(self);
        };
        let moving = move || {
            let moved = wal::frames(&connection, "PASSIVE");
            (connection, moved)
        };
        thread::Builder::new().name("wardlock-wal".to_owned()).spawn(moving).ok().map(Self::Moving)
    }

    /// Waits for what is under way, and returns how it went.
    pub(crate) fn end(self) -> (Option<Self>, rusqlite::Result<()>) {
        match self {
            Self::Resting(_) => (Some(self), Ok(())),
            Self::Moving(thread) => match thread.join() {
                Ok((connection, moved)) => (Some(Self::Resting(connection)), moved.map(drop)),
                // It may have left a sync undone.
                Err(_panicked) => {
                    (None, Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR), None)))
                }
            },
        }
    }
}
