//! The rows after the newest signed head, looked at before anything is signed: what somebody appended while Wardlock was stopped must
//! not come under a signature as if it were ours.

use rusqlite::Connection;

use crate::authentic::RowKey;
use crate::chain::HASHED_COLUMNS;
use crate::hashed::Hashed;
use crate::head::{PublicKey, SignedHead, Signer};
use crate::heads;
use crate::log::integer;

/// Rows at the end of a log that are not of this vault's making.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignRows {
    /// The first of them.
    pub first: u64,
    /// The last of them. Between the two there may be rows of our own.
    pub last: u64,
}

/// Finds foreign rows in the newest file of a log, after its newest head.
pub(crate) fn foreign(connection: &Connection, signer: &Signer) -> rusqlite::Result<Option<ForeignRows>> {
    let Some(head) = newest(connection, signer.key())? else {
        // A log of a format that signed nothing, or one that has just begun.
        return if has_macs(connection)? { after(connection, 0, signer.rows()) } else { Ok(None) };
    };
    after(connection, head.sequence, signer.rows())
}

/// Returns the newest head of ours; where there is none, the vault was replaced, and the newest of the one before says where the rows
/// begin that nobody signed for.
fn newest(connection: &Connection, ours: PublicKey) -> rusqlite::Result<Option<SignedHead>> {
    let heads: Vec<SignedHead> =
        heads::all(connection)?.into_iter().rev().filter_map(|stored| stored.head).collect();
    let own = heads.iter().find(|head| head.key == ours && head.is_signed());
    Ok(own.or_else(|| heads.iter().find(|head| head.is_signed())).copied())
}

fn has_macs(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM records WHERE mac IS NOT NULL)", [], |row| row.get(0))
}

fn after(connection: &Connection, sequence: u64, rows: &RowKey) -> rusqlite::Result<Option<ForeignRows>> {
    let sql = format!(
        "SELECT sequence, prev, hash, {HASHED_COLUMNS}, mac FROM records NOT INDEXED WHERE sequence > ?1 \
         ORDER BY sequence"
    );
    let mut statement = connection.prepare(&sql)?;
    let mut found = statement.query([integer(sequence)])?;
    let mut foreign: Option<ForeignRows> = None;
    while let Some(row) = found.next()? {
        let hashed = Hashed::read(row)?;
        if hashed.is_valid_at(hashed.place) && rows.holds(hashed.hash, hashed.mac) {
            continue;
        }
        let place = u64::try_from(hashed.place).unwrap_or(0);
        let first = foreign.map_or(place, |foreign| foreign.first);
        foreign = Some(ForeignRows { first, last: place });
    }
    Ok(foreign)
}
