//! The handle on the state, and the small facts in it.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

use rusqlite::{Connection, OptionalExtension as _};

use crate::agents::Directory;
use crate::drafts;
use crate::error::StateError;
use crate::frozen::{self, Frozen};
use crate::private_file;
use crate::quotas::{self, Counters};
use crate::store;
use crate::touched::{self, Counted};
use crate::writes::{self, Levels};

/// Returns milliseconds since 1970-01-01T00:00:00Z.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// The state, open. Cheap to clone.
#[derive(Clone)]
pub struct State(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    /// Held by the operator's commands, and by a request only to be held as a draft. Whoever needs both locks takes this one first.
    connection: Mutex<Connection>,
    clock: Clock,
    /// When it was opened: by the clock, and by the one that does not jump.
    opened: (u64, Instant),
    /// What authentication reads: the digest of every agent who was admitted, in memory. Never locked while the disk is waited for.
    pub(crate) directory: RwLock<Directory>,
    /// What every request reads besides.
    pub(crate) frozen: RwLock<Frozen>,
    /// What every write reads.
    pub(crate) levels: RwLock<Levels>,
    /// What plugins have taken, and hold. Never locked while the disk is waited for.
    pub(crate) counters: Mutex<Counters>,
    /// What writes have touched, as far as this process knows. Taken after `for_requests` where both are.
    pub(crate) touched: Mutex<Counted>,
    /// Where it is written: apart from the operator's commands, and without waiting for the disk.
    pub(crate) for_requests: Mutex<Connection>,
}

impl State {
    /// Opens the state, creating it 0600 if it is missing. No agent comes in before [`State::admit`] says which.
    pub fn open(path: &Path, clock: Clock) -> Result<Self, StateError> {
        let connection = store::open(path, &store::STATE)?;
        // Whoever looks first finds ended what waits no more.
        drafts::expire(&connection, clock()).map_err(StateError::Write)?;
        let directory = RwLock::new(Directory::default());
        let frozen = RwLock::new(frozen::load(&connection)?);
        let levels = RwLock::new(writes::load(&connection)?);
        let counters = Mutex::new(quotas::load(&connection)?);
        let for_requests = Mutex::new(store::open_for_requests(path)?);
        let opened = (clock(), Instant::now());
        let touched = Mutex::new(touched::load(&connection)?);
        let connection = Mutex::new(connection);
        let inner =
            Inner { connection, clock, opened, directory, frozen, levels, counters, touched, for_requests };
        Ok(Self(Arc::new(inner)))
    }

    /// Writes a consistent copy of the state to a file that does not exist yet, closed to others.
    pub fn snapshot(&self, to: &Path) -> Result<(), StateError> {
        // SQLite fills an empty file, and would make a new one open to others.
        private_file::prepare(to).map_err(|problem| StateError::File { path: to.to_owned(), problem })?;
        let statement = "VACUUM INTO ?1";
        self.0.connection().execute(statement, [to.to_string_lossy()]).map(drop).map_err(StateError::Read)
    }

    /// Returns a small fact.
    pub fn setting(&self, name: &str) -> Result<Option<String>, StateError> {
        self.0
            .connection()
            .query_row("SELECT value FROM settings WHERE name = ?1", [name], |row| row.get(0))
            .optional()
            .map_err(StateError::Read)
    }

    /// Keeps a small fact. Never a secret.
    pub fn set_setting(&self, name: &str, value: &str) -> Result<(), StateError> {
        self.0
            .connection()
            .execute(
                "INSERT INTO settings (name, value) VALUES (?1, ?2) \
                 ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                [name, value],
            )
            .map_err(StateError::Write)?;
        Ok(())
    }
}

impl Inner {
    /// Returns the time by the clock that is further on, milliseconds since 1970-01-01T00:00:00Z: one that is set back must
    /// not bring expired tokens to life.
    pub(crate) fn now_ms(&self) -> u64 {
        let (wall_ms, steady) = self.opened;
        let passed = u64::try_from(steady.elapsed().as_millis()).unwrap_or(u64::MAX);
        (self.clock)().max(wall_ms.saturating_add(passed))
    }

    /// A panic while it was held rolled its transaction back, so the connection is as good as before.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Times of last use are for display; nothing depends on the last of them.
        drop(self.flush_last_used());
    }
}
