//! The database file: its settings, its format, and the connections to it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _};

use crate::error::AuditError;
use crate::limits::Limits;
use crate::private_file;
use crate::schema;
use crate::wal::Wal;

/// The migrations, oldest first; the number of them is the format.
const MIGRATIONS: [&str; 4] = [
    include_str!("../migrations/0001_records.sql"),
    include_str!("../migrations/0002_heads_and_terms.sql"),
    include_str!("../migrations/0003_macs.sql"),
    include_str!("../migrations/0004_postings.sql"),
];

/// `WLAU`: says whose database this is (`SQLite`'s `application_id`).
const APPLICATION_ID: i32 = 0x574c_4155;

/// Opens the file for the writing thread, creating and migrating it as needed. The connection stands last, and so is dropped first: it must
/// be closed before what the `-wal` keeps.
pub(crate) fn open_for_writing(path: &Path, limits: Limits) -> Result<(Wal, Connection), AuditError> {
    private_file::prepare(path)
        .map_err(|problem| AuditError::File { path: path.to_owned(), problem: Arc::new(problem) })?;
    let mut wal = Wal::found(path);
    let mut connection = open(path).map_err(AuditError::open)?;
    connection.busy_timeout(limits.busy).map_err(AuditError::open)?;
    // Before anything is written: what is not ours or newer stays as it is.
    let done = format_of(path, &connection)?.unwrap_or(0);
    settle(&connection, limits).map_err(AuditError::open)?;
    wal.prepare(&connection).map_err(AuditError::open)?;
    for (at, sql) in MIGRATIONS.iter().enumerate().skip(done) {
        apply(&mut connection, at + 1, sql).map_err(AuditError::open)?;
    }
    Ok((wal, connection))
}

/// Opens the file, which is there and ours, for writing once more.
pub(crate) fn open_again(path: &Path, limits: Limits) -> rusqlite::Result<Connection> {
    let connection = open(path)?;
    connection.busy_timeout(limits.busy)?;
    settle(&connection, limits)?;
    Ok(connection)
}

/// Opens the file for reading. In WAL mode a reader needs the write flag to map the index; it writes nothing else.
pub(crate) fn open_for_reading(path: &Path) -> Result<Connection, AuditError> {
    let connection = open(path).map_err(AuditError::read)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(AuditError::read)?;
    connection.pragma_update(None, "query_only", true).map_err(AuditError::read)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(AuditError::read)?;
    Ok(connection)
}

/// Writes a consistent copy to another file. A connection that only queries could not.
pub(crate) fn snapshot(path: &Path, to: &Path) -> Result<(), AuditError> {
    // SQLite fills an empty file, and would make a new one open to others.
    private_file::prepare(to)
        .map_err(|problem| AuditError::File { path: to.to_owned(), problem: Arc::new(problem) })?;
    let connection = open(path).map_err(AuditError::read)?;
    connection.busy_timeout(Duration::from_secs(5)).map_err(AuditError::read)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(AuditError::read)?;
    connection.execute("VACUUM INTO ?1", [to.to_string_lossy()]).map(drop).map_err(AuditError::read)
}

/// Opens a copy of a log for reading, of any format up to ours. Nothing is written, not even beside it.
pub(crate) fn open_copy(path: &Path) -> Result<Connection, AuditError> {
    let beside = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        Path::new(&name).exists()
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = if beside("-wal") {
        Connection::open_with_flags(path, flags)
    } else {
        // Without its `-wal` a copy is whole by itself, and `SQLite` need not look for one that others write.
        let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let uri = format!("file:{escaped}?immutable=1");
        Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
    };
    let connection = opened.map_err(AuditError::read)?;
    connection.pragma_update(None, "trusted_schema", false).map_err(AuditError::read)?;
    let found = format_of(path, &connection).map_err(|error| match error {
        AuditError::Open(error) => AuditError::Read(error),
        other => other,
    })?;
    match found {
        Some(_) => Ok(connection),
        None => Err(AuditError::NotAudit { path: path.to_owned() }),
    }
}

/// Makes a commit survive the loss of power, or a crash of the process only.
pub(crate) fn set_power_safe(connection: &Connection, power_safe: bool) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", if power_safe { "FULL" } else { "NORMAL" })
}

/// Returns whether a log is of a format that holds signed heads; a copy may be older, and a file that is just made is, too.
pub(crate) fn has_heads(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(version(connection)? >= 2)
}

/// Returns whether a log is of a format that indexes words by chunk; files of a log that went on in another one stay of the format that
/// they are of.
pub(crate) fn has_postings(connection: &Connection) -> rusqlite::Result<bool> {
    Ok(version(connection)? >= 4)
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Returns how a `SELECT` names the MAC of a row: files of a log that went on in another one stay of the format that they are of.
pub(crate) fn mac_column(connection: &Connection) -> rusqlite::Result<&'static str> {
    Ok(if version(connection)? >= 3 { "mac" } else { "NULL" })
}

/// Returns whether tables, columns and indexes are called and made as this program makes them: a name that was changed hides what
/// stands under it.
pub(crate) fn has_own_schema(connection: &Connection) -> rusqlite::Result<bool> {
    let format = usize::try_from(version(connection)?).unwrap_or(usize::MAX).min(MIGRATIONS.len());
    schema::is_made_by(connection, &MIGRATIONS[..format])
}

/// Returns the hash that a row's column holds.
pub(crate) fn row_hash(connection: &Connection, sequence: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut statement = connection.prepare_cached("SELECT hash FROM records WHERE sequence = ?1")?;
    let hash = statement.query_row([sequence], |row| Ok(row.get_ref(0)?.as_blob().unwrap_or_default().to_vec()));
    hash.optional()
}

/// Opens a connection that leaves the `-wal` as it is when it is closed. `SQLite` makes a checkpoint and removes it otherwise if nobody
/// else has the file open, whatever the last sync said.
fn open(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

/// Lets a connection move the `-wal` into the file when it is closed, if it is the last.
pub(crate) fn move_on_close(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map(drop)
}

fn settle(connection: &Connection, limits: Limits) -> rusqlite::Result<()> {
    if let Some(pages) = limits.pages {
        connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    connection.pragma_update(None, "trusted_schema", false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    // A log that is mapped cannot report a failing disk as an error.
    connection.pragma_update(None, "mmap_size", 0)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    connection.pragma_update_and_check(None, "journal_size_limit", 64 << 20, |_| Ok(()))?;
    // `wal` does it, because `SQLite` tells nobody when its own fails.
    connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
    // macOS: `fsync` alone does not reach the platter there. Without effect elsewhere.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    set_power_safe(connection, true)
}

fn foreign_or_open(path: &Path, error: rusqlite::Error) -> AuditError {
    if error.sqlite_error_code() == Some(rusqlite::ErrorCode::NotADatabase) {
        return AuditError::NotAudit { path: path.to_owned() };
    }
    AuditError::open(error)
}

/// Returns the format of a log that we can read; `None`: the file is empty.
pub(crate) fn format_of(path: &Path, connection: &Connection) -> Result<Option<usize>, AuditError> {
    let number = |pragma: &str| -> Result<i64, AuditError> {
        let number = connection.pragma_query_value(None, pragma, |row| row.get(0));
        number.map_err(|error| foreign_or_open(path, error))
    };
    let (found, owner) = (number("user_version")?, number("application_id")?);
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(AuditError::open)?;
    if found == 0 && owner == 0 && tables == 0 {
        return Ok(None);
    }
    if owner != i64::from(APPLICATION_ID) {
        return Err(AuditError::NotAudit { path: path.to_owned() });
    }
    let (known, format) = (MIGRATIONS.len(), usize::try_from(found).unwrap_or(usize::MAX));
    if format > known {
        let found = u32::try_from(found).unwrap_or(u32::MAX);
        return Err(AuditError::NewerFormat { found, known: u32::try_from(known).unwrap_or(u32::MAX) });
    }
    Ok(Some(format))
}

fn apply(connection: &mut Connection, format: usize, sql: &str) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    transaction.execute_batch(sql)?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", i64::try_from(format).unwrap_or(i64::MAX))?;
    transaction.commit()
}
