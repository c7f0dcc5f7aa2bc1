//! The table of signed heads.

use rusqlite::{Connection, OptionalExtension as _, Row as SqlRow};
use wardlock_core::id::Digest;

use crate::head::{PublicKey, SignedHead};
use crate::log::integer;

const COLUMNS: &str = "number, sequence, hash, at_ms, key, signature";

/// A head as it stands in a file; `head` is missing where it is of no shape that a head has.
pub(crate) struct Stored {
    pub(crate) number: i64,
    pub(crate) sequence: i64,
    pub(crate) head: Option<SignedHead>,
}

pub(crate) fn insert(connection: &Connection, head: &SignedHead) -> rusqlite::Result<()> {
    let sql = format!("INSERT INTO heads ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    let mut insert = connection.prepare_cached(&sql)?;
    insert.execute((
        integer(head.number),
        integer(head.sequence),
        head.hash.as_bytes().as_slice(),
        integer(head.at_ms),
        head.key.as_bytes().as_slice(),
        head.signature.as_slice(),
    ))?;
    Ok(())
}

/// Returns the newest head, if it has the shape of one.
pub(crate) fn last(connection: &Connection) -> rusqlite::Result<Option<Stored>> {
    let sql = format!("SELECT {COLUMNS} FROM heads ORDER BY number DESC LIMIT 1");
    connection.query_row(&sql, [], parse).optional()
}

/// Returns every head, in order of their numbers. There is one for about a thousand rows.
pub(crate) fn all(connection: &Connection) -> rusqlite::Result<Vec<Stored>> {
    let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM heads ORDER BY number"))?;
    statement.query_map([], parse)?.collect()
}

fn parse(row: &SqlRow<'_>) -> rusqlite::Result<Stored> {
    let (number, sequence) = (row.get::<_, i64>(0)?, row.get::<_, i64>(1)?);
    let blob = |at: usize| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_blob().unwrap_or_default());
    let (hash, key, signature) = (blob(2)?.try_into(), blob(4)?.try_into(), blob(5)?.try_into());
    let numbers = (u64::try_from(number), u64::try_from(sequence), u64::try_from(row.get::<_, i64>(3)?));
    let head = match (hash, key, signature, numbers) {
        (Ok(hash), Ok(key), Ok(signature), (Ok(number), Ok(sequence), Ok(at_ms))) => Some(SignedHead {
            number,
            sequence,
            hash: Digest::from_bytes(hash),
            at_ms,
            key: PublicKey::from_bytes(key),
            signature,
        }),
        _ => None,
    };
    Ok(Stored { number, sequence, head })
}
