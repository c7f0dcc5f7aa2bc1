//! How many records writes have touched in a day: for connections that bound it.
//!
//! A day is one of UTC. Only the newest is kept, so a clock that is set back counts on in the later one. What the file said at opening
//! and what was counted since stands in memory, too: whoever takes rows out of the file takes nothing back while it runs, and what was
//! taken out before comes back by [`State::recall`].

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::StateError;
use crate::state::{Inner, State};
use crate::store::integer;

/// What this process knows of: the day and its records, by workspace, connection and what is bounded.
pub(crate) type Counted = BTreeMap<[String; 3], (i64, i64)>;

/// Milliseconds of a day.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// A day of UTC, counted from 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day(u64);

impl Day {
    /// Returns when it began, milliseconds since 1970-01-01T00:00:00Z.
    pub fn began_ms(self) -> u64 {
        self.0 * DAY_MS
    }
}

/// One bound on a day's records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayLimit {
    /// What it bounds: an operation, a resource; empty: every write of the connection.
    pub what: String,
    /// How many records a day; `None`: as many as come, but they are counted.
    pub most: Option<u32>,
    /// How many are about to be touched under it.
    pub records: u32,
}

impl State {
    /// Returns how many records a connection's writes have touched today, by what bounds them.
    pub fn touched_today(&self, workspace: &str, connection: &str) -> Result<BTreeMap<String, u64>, StateError> {
        let sql = "SELECT what, records FROM touched WHERE workspace = ?1 AND connection = ?2 AND day >= ?3";
        let held = self.0.for_requests();
        let mut statement = held.prepare_cached(sql).map_err(StateError::Read)?;
        let today = integer(self.today());
        let rows = statement.query_map(params![workspace, connection, today], |row| {
            Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned()))
        });
        let mut touched: BTreeMap<String, u64> = rows.and_then(Iterator::collect).map_err(StateError::Read)?;
        for ([of, at, what], (day, records)) in &*self.0.counted() {
            if of == workspace && at == connection && *day >= today {
                let count = touched.entry(what.clone()).or_default();
                *count = (*count).max(records.cast_unsigned());
            }
        }
        Ok(touched)
    }

    /// Counts records that are about to be touched under every bound, or under none: returns the first that they would break. It
    /// survives the end of the process when this returns.
    pub fn touch(
        &self,
        workspace: &str,
        connection: &str,
        limits: &[DayLimit],
    ) -> Result<Option<DayLimit>, StateError> {
        let today = integer(self.today());
        let mut held = self.0.for_requests();
        let transaction = held.transaction().map_err(StateError::Write)?;
        let mut counted = self.0.counted();
        let mut now = Vec::new();
        for limit in limits {
            let key = [workspace, connection, &limit.what].map(str::to_owned);
            let before = [written(&transaction, &key)?, counted.get(&key).copied()];
            // A day that has begun here goes on, whatever the clock says meanwhile.
            let (day, records) = most(today, before.into_iter().flatten());
            let records = records.saturating_add(limit.records.into());
            if limit.most.is_some_and(|most| records > i64::from(most)) {
                // Dropped, and with it what was counted under the others.
                return Ok(Some(limit.clone()));
            }
            let sql = "INSERT OR REPLACE INTO touched VALUES (?1, ?2, ?3, ?4, ?5)";
            let values = params![workspace, connection, limit.what, day, records];
            transaction.execute(sql, values).map_err(StateError::Write)?;
            now.push((key, (day, records)));
        }
        transaction.commit().map_err(StateError::Write)?;
        counted.extend(now);
        Ok(None)
    }

    /// Takes it that a connection's writes of a day have touched no fewer records under a bound than this.
    pub fn recall(&self, day: Day, [workspace, connection, what]: [&str; 3], records: u64) {
        let recalled = (integer(day.0), integer(records));
        let key = [workspace, connection, what].map(str::to_owned);
        let mut counted = self.0.counted();
        let known = counted.entry(key).or_insert(recalled);
        *known = most(recalled.0, [*known, recalled].into_iter());
    }

    /// Returns the day that it is.
    pub fn day(&self) -> Day {
        Day(self.today())
    }

    fn today(&self) -> u64 {
        self.0.now_ms() / DAY_MS
    }
}

/// Returns the latest of these days, and the most records that any from `today` on has: a row that says another day with fewer takes
/// none back.
fn most(today: i64, known: impl Iterator<Item = (i64, i64)>) -> (i64, i64) {
    let since = known.filter(|(day, _)| *day >= today);
    since.fold((today, 0), |(day, records), (other, more)| (day.max(other), records.max(more)))
}

/// Returns all that the file has.
pub(crate) fn load(connection: &Connection) -> Result<Counted, StateError> {
    let sql = "SELECT workspace, connection, what, day, records FROM touched";
    let mut statement = connection.prepare(sql).map_err(StateError::Read)?;
    let rows =
        statement.query_map([], |row| Ok(([row.get(0)?, row.get(1)?, row.get(2)?], (row.get(3)?, row.get(4)?))));
    rows.and_then(Iterator::collect).map_err(StateError::Read)
}

/// Returns the day and its records as the file has them.
fn written(
    connection: &Connection,
    [workspace, connection_name, what]: &[String; 3],
) -> Result<Option<(i64, i64)>, StateError> {
    let sql = "SELECT day, records FROM touched WHERE workspace = ?1 AND connection = ?2 AND what = ?3";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    connection.query_row(sql, [workspace, connection_name, what], row).optional().map_err(StateError::Read)
}

impl Inner {
    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.touched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
