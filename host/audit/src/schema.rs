//! Whether a database is made as this program makes it. A view, a trigger, an index or statistics of somebody else's change what a query
//! finds, without a row being touched. It stands here because the vault's crate can see this one.

use rusqlite::Connection;

/// Returns whether a database's schema is what these migrations make, and nothing besides.
pub fn is_made_by(connection: &Connection, migrations: &[&str]) -> rusqlite::Result<bool> {
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
