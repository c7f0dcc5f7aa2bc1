//! Quotas: what plugins have taken in windows of fixed length, each plugin of each workspace for itself.
//!
//! A [`Reservation`] is one decision's. What it takes is held in memory at once, so that no two requests take the same
//! one; it is written when the request is allowed, and given back when the reservation is dropped.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use wardlock_core::id::WorkspaceName;
use wardlock_core::plugin::quota::{MAX_COUNTERS, QuotaFault, Taken, Window};

use crate::error::StateError;
use crate::state::{Inner, State};
use crate::store::integer;

/// What plugins have taken, by whose it is, then by key and the window's length.
#[derive(Debug, Default)]
pub(crate) struct Counters(HashMap<Scope, HashMap<Name, Counter>>);

/// Whose counters: one plugin's in one workspace, by its name in the chains there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Scope {
    workspace: String,
    plugin: String,
}

/// One counter's name within its scope: key, and the window's length in seconds.
type Name = (String, u32);

/// One window, the newest that was seen.
#[derive(Debug, Clone, Copy)]
struct Counter {
    window: Window,
    /// Written, and counting.
    used: u32,
    /// Held by decisions under way.
    held: u32,
}

/// Whether a decision takes, or is only told what it would be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// It takes.
    Takes,
    /// It takes nothing: dry runs, explanations, and reads of what only a person is told.
    Looks,
}

/// What one decision takes. Dropped without [`Reservation::commit`], all of it is given back.
#[must_use = "dropping it gives everything back"]
pub struct Reservation {
    state: State,
    workspace: String,
    counting: Counting,
    takes: Vec<Take>,
}

#[derive(Debug)]
struct Take {
    scope: Scope,
    name: Name,
    window: Window,
}

/// What one decision took of one counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenOf {
    /// The plugin, by its name in the chain.
    pub plugin: String,
    /// The key.
    pub key: String,
    /// The window's length, seconds.
    pub window_seconds: u32,
    /// The window.
    pub window: Window,
    /// How often.
    pub count: u32,
}

fn add(taken: &mut Vec<TakenOf>, take: Take) {
    let Take { scope: Scope { plugin, .. }, name: (key, window_seconds), window } = take;
    let new = TakenOf { plugin, key, window_seconds, window, count: 1 };
    match taken.iter_mut().find(|other| TakenOf { count: 1, ..(*other).clone() } == new) {
        Some(same) => same.count = same.count.saturating_add(1),
        None => taken.push(new),
    }
}

impl State {
    /// Begins what one decision takes in a workspace.
    pub fn reserve(&self, workspace: &WorkspaceName, counting: Counting) -> Reservation {
        Reservation { state: self.clone(), workspace: workspace.to_string(), counting, takes: Vec::new() }
    }

    /// Forgets windows that have ended.
    pub fn forget_ended_quotas(&self) -> Result<(), StateError> {
        let now_ms = self.0.now_ms();
        let mut counters = self.0.counters();
        for of_scope in counters.0.values_mut() {
            of_scope.retain(|_, counter| !counter.is_over(now_ms));
        }
        counters.0.retain(|_, of_scope| !of_scope.is_empty());
        drop(counters);
        let sql = "DELETE FROM quotas WHERE start_ms + window_seconds * 1000 <= ?1";
        self.0.for_requests().execute(sql, [integer(now_ms)]).map(drop).map_err(StateError::Write)
    }
}

impl Reservation {
    /// Takes one of `limit`, for a plugin by its name in the chain.
    pub fn take(&mut self, plugin: &str, key: &str, limit: u32, window_seconds: u32) -> Result<Taken, QuotaFault> {
        let scope = Scope { workspace: self.workspace.clone(), plugin: plugin.to_owned() };
        let name = (key.to_owned(), window_seconds);
        let now_ms = self.state.0.now_ms();
        let mut counters = self.state.0.counters();
        let mut counter = counters.current(&scope, &name, now_ms)?;
        counter.used = counter.used.max(self.state.0.recalled(&scope, &name, counter.window));
        let looks = self.counting == Counting::Looks;
        // What a look was granted before, it would hold by now.
        let same = |take: &&Take| take.scope == scope && take.name == name;
        let own = if looks { self.takes.iter().filter(same).count() } else { 0 };
        let gone =
            counter.used.saturating_add(counter.held).saturating_add(u32::try_from(own).unwrap_or(u32::MAX));
        let taken = Taken::of(limit, gone, counter.window);
        if taken.granted {
            if !looks {
                let held = Counter { held: counter.held.saturating_add(1), ..counter };
                counters.0.entry(scope.clone()).or_default().insert(name.clone(), held);
            }
            self.takes.push(Take { scope, name, window: counter.window });
        }
        Ok(taken)
    }

    /// Returns whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.counting == Counting::Looks || self.takes.is_empty()
    }

    /// Writes what was taken: from here on it counts. On an error all of it is given back.
    pub fn commit(mut self) -> Result<Vec<TakenOf>, StateError> {
        if self.is_empty() {
            return Ok(Vec::new());
        }
        let known = self.known();
        write(&mut self.state.0.for_requests(), &self.takes, &known).map_err(StateError::Write)?;
        let mut counters = self.state.0.counters();
        let mut taken = Vec::new();
        for take in self.takes.drain(..) {
            counters.settle(&take, 1);
            add(&mut taken, take);
        }
        Ok(taken)
    }

    /// Returns how much counted before, of each take's counter: more than the file has, where rows were taken out of it.
    fn known(&self) -> Vec<u32> {
        let counters = self.state.0.counters();
        self.takes.iter().map(|take| counters.used(take)).collect()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.is_empty() {
            return;
        }
        let mut counters = self.state.0.counters();
        for take in self.takes.drain(..) {
            counters.settle(&take, 0);
        }
    }
}

impl Counters {
    /// Returns a counter in its window of now. The clock may be set back: a window that has begun is not left for an
    /// earlier one.
    fn current(&mut self, scope: &Scope, name: &Name, now_ms: u64) -> Result<Counter, QuotaFault> {
        let window = Window::at(now_ms, name.1);
        let fresh = Counter { window, used: 0, held: 0 };
        let Some(of_scope) = self.0.get_mut(scope) else {
            return Ok(fresh);
        };
        if let Some(counter) = of_scope.get(name) {
            return Ok(if counter.window.start_ms < window.start_ms { fresh } else { *counter });
        }
        if of_scope.len() >= MAX_COUNTERS {
            of_scope.retain(|_, counter| !counter.is_over(now_ms));
        }
        if of_scope.len() >= MAX_COUNTERS { Err(QuotaFault::TooManyCounters) } else { Ok(fresh) }
    }

    /// Returns what counted of a take's counter before it.
    fn used(&self, take: &Take) -> u32 {
        let counter = self.0.get(&take.scope).and_then(|of_scope| of_scope.get(&take.name));
        counter.filter(|counter| counter.window == take.window).map_or(0, |counter| counter.used)
    }

    /// Ends what a take holds, if its window has not ended meanwhile. What was never used is forgotten.
    fn settle(&mut self, take: &Take, counts: u32) {
        let Some(of_scope) = self.0.get_mut(&take.scope) else { return };
        let Some(counter) = of_scope.get_mut(&take.name).filter(|counter| counter.window == take.window) else {
            return;
        };
        counter.held = counter.held.saturating_sub(1);
        counter.used = counter.used.saturating_add(counts);
        if (counter.used, counter.held) == (0, 0) {
            of_scope.remove(&take.name);
        }
    }
}

impl Counter {
    fn is_over(&self, now_ms: u64) -> bool {
        self.window.end_ms <= now_ms
    }
}

impl Inner {
    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn recalled(&self, scope: &Scope, name: &Name, window: Window) -> u32 {
        let recalled = self.recalled.get();
        recalled.map_or(0, |recalled| recalled.used(&scope.workspace, &scope.plugin, name, window))
    }

    pub(crate) fn for_requests(&self) -> MutexGuard<'_, Connection> {
        self.for_requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Decisions come here in any order, so each adds to what is there or is known to have been, and none to a later window.
fn write(connection: &mut Connection, takes: &[Take], known: &[u32]) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut statement = transaction.prepare_cached(
            "INSERT INTO quotas VALUES (?1, ?2, ?3, ?4, ?5, ?6 + 1) \
             ON CONFLICT (workspace, plugin, key, window_seconds) DO UPDATE SET \
             used = CASE WHEN start_ms = excluded.start_ms THEN max(used + 1, excluded.used) \
                         WHEN start_ms < excluded.start_ms THEN excluded.used ELSE used END, \
             start_ms = max(start_ms, excluded.start_ms)",
        )?;
        for (Take { scope, name: (key, seconds), window }, known) in takes.iter().zip(known) {
            let start_ms = integer(window.start_ms);
            statement.execute(params![scope.workspace, scope.plugin, key, seconds, start_ms, known])?;
        }
    }
    transaction.commit()
}

pub(crate) fn load(connection: &Connection) -> Result<Counters, StateError> {
    let sql = "SELECT workspace, plugin, key, window_seconds, start_ms, used FROM quotas";
    let mut statement = connection.prepare(sql).map_err(StateError::Read)?;
    let mut rows = statement.query([]).map_err(StateError::Read)?;
    let mut counters = Counters::default();
    while let Some(row) = rows.next().map_err(StateError::Read)? {
        let read = || {
            let scope = Scope { workspace: row.get(0)?, plugin: row.get(1)? };
            let (name, start_ms): (Name, i64) = ((row.get(2)?, row.get(3)?), row.get(4)?);
            let window = Window::at(u64::try_from(start_ms).unwrap_or(0), name.1);
            Ok((scope, name, Counter { window, used: row.get(5)?, held: 0 }))
        };
        let (scope, name, counter) = read().map_err(StateError::Read)?;
        counters.0.entry(scope).or_default().insert(name, counter);
    }
    Ok(counters)
}
