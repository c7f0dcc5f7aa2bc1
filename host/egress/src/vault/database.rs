//! `vault.db` as a file: opening, locking, migrating, and the values in it that are not sealed.

use std::path::Path;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Transaction, params};
use wardlock_audit::schema;

use super::error::VaultError;

/// The migrations, in order; the database's `user_version` is how many were applied.
const MIGRATIONS: [&str; 1] = [include_str!("../../migrations/0001_vault.sql")];
/// Marks the file as ours: `WLOK`.
const APPLICATION_ID: i64 = 0x574c_4f4b;

/// Opens the file, which must exist. It stays locked to this connection until that is dropped.
pub(super) fn open(path: &Path) -> Result<Connection, VaultError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(std::time::Duration::from_secs(1))?;
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    connection.pragma_update(None, "mmap_size", 0)?;
    Ok(connection)
}

/// Opens the file to look at what is stored in the clear, whoever has it locked: nothing is written, and no lock is looked at.
pub(super) fn open_to_look(path: &Path) -> Result<Connection, VaultError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NOFOLLOW
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let connection = Connection::open_with_flags(format!("file:{escaped}?immutable=1"), flags)?;
    connection.pragma_update(None, "trusted_schema", "OFF")?;
    Ok(connection)
}

/// Brings the schema up to this version's, and refuses a newer one and whatever is not made as ours: the head covers the rows that one
/// query finds, and a view, a trigger or an index of somebody else's changes what others find.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), VaultError> {
    let transaction = begin(connection)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    let found: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let owner: i64 = transaction.pragma_query_value(None, "application_id", |row| row.get(0))?;
    if found > 0 && owner != APPLICATION_ID {
        return Err(VaultError::Damaged { what: "`vault.db` is another program's database".to_owned() });
    }
    if found > known {
        return Err(VaultError::Newer { found, known });
    }
    let (done, missing) = MIGRATIONS.split_at(usize::try_from(found).unwrap_or(0));
    if !schema::is_made_by(&transaction, done)? {
        return Err(VaultError::OtherSchema);
    }
    for migration in missing {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", known)?;
    transaction.commit()?;
    Ok(())
}

/// Begins a transaction that writes.
pub(super) fn begin(connection: &mut Connection) -> Result<Transaction<'_>, VaultError> {
    Ok(connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?)
}

/// Reads a value that is stored in the clear.
pub(super) fn meta(connection: &Connection, name: &str) -> Result<Option<Vec<u8>>, VaultError> {
    let query = "SELECT value FROM meta WHERE name = ?1";
    Ok(connection.query_row(query, [name], |row| row.get(0)).optional()?)
}

/// Writes a value that is stored in the clear.
pub(super) fn set_meta(connection: &Connection, name: &str, value: &[u8]) -> Result<(), VaultError> {
    let statement = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
    connection.execute(statement, params![name, value])?;
    Ok(())
}
