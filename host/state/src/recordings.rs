//! Recordings: what plugins were asked and said, one sealed record a request, in a database of their own.
//!
//! This module never sees what is in a record: it takes sealed bytes, bounds them and gives them back. They stand apart from the
//! state, so that no backup holds them, and so that a full or broken file of recordings is nobody's trouble but theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::StateError;
use crate::private_file;
use crate::store::{self, Format, integer};

/// The format of the file. `WLRC` says whose database this is (`SQLite`'s `application_id`).
const FORMAT: Format = Format {
    application_id: 0x574c_5243,
    auto_vacuum: "FULL",
    migrations: &[include_str!("../migrations/recordings/0001_recordings.sql")],
};

/// The recordings, open.
pub struct Recordings(Mutex<Connection>);

/// One request's record, sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRecord {
    /// Whose it is.
    pub place: RecordPlace,
    /// When it goes, milliseconds since 1970-01-01T00:00:00Z.
    pub expires_ms: u64,
    /// What is in it.
    pub sealed: Vec<u8>,
}

/// Where a record stands: what finds it again.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecordPlace {
    /// The workspace.
    pub workspace: String,
    /// The request's id.
    pub request_id: String,
    /// When the request was judged, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
}

/// How much of a workspace is kept; whatever is beyond goes, the oldest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// How long, milliseconds.
    pub keep_ms: u64,
    /// How many records at most.
    pub requests: u32,
    /// How many bytes at most, as sealed.
    pub bytes: u64,
}

/// How much of a workspace there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedOf {
    /// The workspace.
    pub workspace: String,
    /// How many records.
    pub requests: u64,
    /// How many bytes, as sealed.
    pub bytes: u64,
}

/// Which records are asked for.
#[derive(Debug, Clone, Default)]
pub struct RecordQuery<'a> {
    /// Only of one workspace.
    pub workspace: Option<&'a str>,
    /// Only of one request.
    pub request_id: Option<&'a str>,
    /// How many at most, the newest.
    pub limit: u32,
}

impl Recordings {
    /// Opens the file, creating it 0600 if it is missing.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let connection = store::open(path, &FORMAT)?;
        // What is deleted is overwritten, and the file gives its room back.
        connection.pragma_update(None, "secure_delete", true).map_err(StateError::Open)?;
        // They outlive the end of the process; the newest may go with the power.
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(StateError::Open)?;
        Ok(Self(Mutex::new(connection)))
    }

    /// Opens the file where there is one.
    pub fn find(path: &Path) -> Result<Option<Self>, StateError> {
        let exists = private_file::exists(path);
        let exists = exists.map_err(|problem| StateError::File { path: path.to_owned(), problem })?;
        if exists { Self::open(path).map(Some) } else { Ok(None) }
    }

    /// Keeps records, all or none of them, and takes from their workspaces whatever is beyond the bounds then.
    pub fn add(&self, records: &[SealedRecord], bounds: &BTreeMap<String, Bounds>) -> Result<(), StateError> {
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(StateError::Write)?;
        for SealedRecord { place, expires_ms, sealed } in records {
            let sql = "INSERT INTO recordings (workspace, request_id, at_ms, expires_ms, bytes, sealed) \
                       VALUES (?1, ?2, ?3, ?4, length(?5), ?5) ON CONFLICT DO NOTHING";
            let values = params![
                place.workspace,
                place.request_id,
                integer(place.at_ms),
                integer(*expires_ms),
                sealed.as_slice()
            ];
            transaction.execute(sql, values).map_err(StateError::Write)?;
        }
        let workspaces: BTreeSet<&str> = records.iter().map(|record| record.place.workspace.as_str()).collect();
        for workspace in workspaces {
            if let Some(bounds) = bounds.get(workspace) {
                trim(&transaction, workspace, bounds).map_err(StateError::Write)?;
            }
        }
        transaction.commit().map_err(StateError::Write)
    }

    /// Takes away what has expired, what is beyond the bounds, and everything of workspaces that have none. Of workspaces in
    /// `unknown` it is not known whether they record: what they have stays until it expires.
    pub fn purge(
        &self,
        now_ms: u64,
        bounds: &BTreeMap<String, Bounds>,
        unknown: &BTreeSet<String>,
    ) -> Result<(), StateError> {
        let recorded = self.recorded()?;
        let mut connection = self.connection();
        let transaction = connection.transaction().map_err(StateError::Write)?;
        let expired = "DELETE FROM recordings WHERE expires_ms <= ?1";
        let mut gone = transaction.execute(expired, [integer(now_ms)]).map_err(StateError::Write)?;
        for RecordedOf { workspace, .. } in recorded {
            gone += match bounds.get(&workspace) {
                Some(bounds) => {
                    let older = "DELETE FROM recordings WHERE workspace = ?1 AND at_ms <= ?2 - ?3";
                    let values = params![workspace, integer(now_ms), integer(bounds.keep_ms)];
                    let older = transaction.execute(older, values).map_err(StateError::Write)?;
                    older + trim(&transaction, &workspace, bounds).map_err(StateError::Write)?
                }
                None if unknown.contains(&workspace) => 0,
                None => transaction
                    .execute("DELETE FROM recordings WHERE workspace = ?1", [&workspace])
                    .map_err(StateError::Write)?,
            };
        }
        transaction.commit().map_err(StateError::Write)?;
        if gone > 0 {
            // The log beside the file holds what was deleted until it begins anew.
            let checkpoint = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
            checkpoint.map_err(StateError::Write)?;
        }
        Ok(())
    }

    /// Returns where the newest records stand that have not expired, the newest first.
    pub fn places(&self, now_ms: u64, query: &RecordQuery<'_>) -> Result<Vec<RecordPlace>, StateError> {
        let connection = self.connection();
        let sql = "SELECT workspace, request_id, at_ms FROM recordings WHERE expires_ms > ?1 \
                   AND (?2 IS NULL OR workspace = ?2) AND (?3 IS NULL OR request_id = ?3) \
                   ORDER BY number DESC LIMIT ?4";
        let mut statement = connection.prepare(sql).map_err(StateError::Read)?;
        let values = params![integer(now_ms), query.workspace, query.request_id, query.limit];
        let rows = statement.query_map(values, |row| {
            let at_ms: i64 = row.get(2)?;
            Ok(RecordPlace { workspace: row.get(0)?, request_id: row.get(1)?, at_ms: at_ms.cast_unsigned() })
        });
        rows.and_then(Iterator::collect).map_err(StateError::Read)
    }

    /// Returns a record's sealed bytes; `None` where it is gone meanwhile.
    pub fn sealed(&self, place: &RecordPlace) -> Result<Option<Vec<u8>>, StateError> {
        let sql = "SELECT sealed FROM recordings WHERE workspace = ?1 AND request_id = ?2";
        let values = [&place.workspace, &place.request_id];
        self.connection().query_row(sql, values, |row| row.get(0)).optional().map_err(StateError::Read)
    }

    /// Returns how much of each workspace there is.
    pub fn recorded(&self) -> Result<Vec<RecordedOf>, StateError> {
        let connection = self.connection();
        let sql = "SELECT workspace, count(*), sum(bytes) FROM recordings GROUP BY workspace";
        let mut statement = connection.prepare(sql).map_err(StateError::Read)?;
        let rows = statement.query_map([], |row| {
            let (requests, bytes): (i64, i64) = (row.get(1)?, row.get(2)?);
            let (requests, bytes) = (requests.cast_unsigned(), bytes.cast_unsigned());
            Ok(RecordedOf { workspace: row.get(0)?, requests, bytes })
        });
        rows.and_then(Iterator::collect).map_err(StateError::Read)
    }

    /// A panic while it was held rolled its transaction back, so the connection is as good as before.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes away the oldest of a workspace beyond number and bytes; returns how many went.
fn trim(connection: &Connection, workspace: &str, bounds: &Bounds) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM recordings WHERE workspace = ?1 AND number <= (\
                 SELECT max(number) FROM (\
                   SELECT number, row_number() OVER newest AS place, sum(bytes) OVER newest AS total \
                   FROM recordings WHERE workspace = ?1 WINDOW newest AS (ORDER BY number DESC)) \
                 WHERE place > ?2 OR total > ?3)";
    connection.execute(sql, params![workspace, bounds.requests, integer(bounds.bytes)])
}
