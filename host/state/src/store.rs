//! The database file: its settings and its format.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use crate::error::StateError;
use crate::private_file;

/// What a kind of database is known by, and how it came to be.
pub(crate) struct Format {
    /// Says whose database this is (`SQLite`'s `application_id`).
    pub(crate) application_id: i32,
    /// What becomes of free pages (`SQLite`'s `auto_vacuum`).
    pub(crate) auto_vacuum: &'static str,
    /// The migrations, oldest first; the number of them is the format.
    pub(crate) migrations: &'static [&'static str],
}

/// The state's. Its id is `WLST`.
pub(crate) const STATE: Format = Format {
    application_id: 0x574c_5354,
    auto_vacuum: "FULL",
    migrations: &[
        include_str!("../migrations/0001_agents.sql"),
        include_str!("../migrations/0002_freeze.sql"),
        include_str!("../migrations/0003_quotas.sql"),
        include_str!("../migrations/0004_writes.sql"),
        include_str!("../migrations/0005_several.sql"),
        include_str!("../migrations/0006_asked.sql"),
    ],
};

/// Opens the file, creating and migrating it as needed.
pub(crate) fn open(path: &Path, format: &Format) -> Result<Connection, StateError> {
    private_file::prepare(path).map_err(|problem| StateError::File { path: path.to_owned(), problem })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(StateError::Open)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(StateError::Open)?;
    // Before anything is written: what is not ours or newer stays as it is.
    let done = format_of(path, format, &connection)?;
    if !is_made_by(&connection, &format.migrations[..done]).map_err(StateError::Open)? {
        return Err(StateError::OtherSchema { path: path.to_owned() });
    }
    if done == 0 {
        // Holds only where it is set before the first table: what is deleted gives its room back.
        connection.pragma_update(None, "auto_vacuum", format.auto_vacuum).map_err(StateError::Open)?;
    }
    settle(&connection).map_err(StateError::Open)?;
    for (at, sql) in format.migrations.iter().enumerate().skip(done) {
        apply(&mut connection, format, at + 1, sql).map_err(StateError::Open)?;
    }
    // A file that is not rewritten now, because the disk is full, say, works as before, and is rewritten at another start.
    drop(give_room_back(&connection, format));
    Ok(connection)
}

/// Rewrites a file of before, in which what was deleted left its room free and kept it (`SQLite`'s documentation of `auto_vacuum`).
fn give_room_back(connection: &Connection, format: &Format) -> rusqlite::Result<()> {
    let mode: i64 = connection.pragma_query_value(None, "auto_vacuum", |row| row.get(0))?;
    if mode != 0 || format.auto_vacuum == "NONE" {
        return Ok(());
    }
    connection.pragma_update(None, "auto_vacuum", format.auto_vacuum)?;
    connection.execute_batch("VACUUM")
}

/// Opens an open state once more, for what requests write: it survives the end of the process, and waits for no disk.
pub(crate) fn open_for_requests(path: &Path) -> Result<Connection, StateError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(StateError::Open)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(StateError::Open)?;
    settle(&connection).map_err(StateError::Open)?;
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(StateError::Open)?;
    Ok(connection)
}

fn settle(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // macOS: `fsync` alone does not reach the platter there. Without effect elsewhere.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    connection.pragma_update(None, "synchronous", "FULL")
}

/// Returns the format of a file that we can read; 0: it is empty.
fn format_of(path: &Path, format: &Format, connection: &Connection) -> Result<usize, StateError> {
    let number = |pragma: &str| -> Result<i64, StateError> {
        connection.pragma_query_value(None, pragma, |row| row.get(0)).map_err(|error| {
            match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::NotADatabase) => StateError::NotState { path: path.to_owned() },
                _ => StateError::Open(error),
            }
        })
    };
    let (found, owner) = (number("user_version")?, number("application_id")?);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(StateError::Open)?;
    let fresh = found == 0 && owner == 0 && tables == 0;
    if !fresh && owner != i64::from(format.application_id) {
        return Err(StateError::NotState { path: path.to_owned() });
    }
    let known = format.migrations.len();
    let done = usize::try_from(found).unwrap_or(usize::MAX);
    if done > known {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(StateError::NewerFormat { found, known: u32::try_from(known).unwrap_or(u32::MAX) });
    }
    Ok(done)
}

/// Returns whether a database's schema is what these migrations make, and nothing besides: a view, a trigger or an index of somebody
/// else's changes what a query finds.
fn is_made_by(connection: &Connection, migrations: &[&str]) -> rusqlite::Result<bool> {
    let made = Connection::open_in_memory()?;
    migrations.iter().try_for_each(|sql| made.execute_batch(sql))?;
    Ok(parts(connection)? == parts(&made)?)
}

/// Each part of a schema as bytes, which damage need not leave text.
fn parts(connection: &Connection) -> rusqlite::Result<Vec<[Option<Vec<u8>>; 4]>> {
    let sql = "SELECT CAST(type AS BLOB), CAST(name AS BLOB), CAST(tbl_name AS BLOB), CAST(sql AS BLOB) \
               FROM sqlite_schema ORDER BY 1, 2";
    let mut statement = connection.prepare(sql)?;
    let parts = statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    parts.collect()
}

fn apply(connection: &mut Connection, format: &Format, number: usize, sql: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "application_id", format.application_id)?;
    transaction.pragma_update(None, "user_version", i64::try_from(number).unwrap_or(i64::MAX))?;
    transaction.commit()
}

/// A number as `SQLite` keeps it. No time and no length of ours comes near the end of it.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
