//! Compares the index of words with the rows. It is no part of the chain, and a row that it lacks is not listed.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{Fault, FaultKind};
use crate::error::AuditError;
use crate::index::{CHUNK, chunk_of, entries, indexed};
use crate::log::integer;
use crate::store::has_heads;

type Entry = (i64, i64, i64);

/// Adds the chunks of one file that are not indexed as their rows say.
pub(super) fn check(connection: &Connection, faults: &mut Vec<Fault>) -> Result<(), AuditError> {
    if !has_heads(connection).map_err(AuditError::read)? {
        return Ok(());
    }
    let wrong = wrong_chunks(connection).map_err(AuditError::read)?;
    for chunk in wrong {
        let first = chunk.saturating_mul(integer(CHUNK)).saturating_add(1);
        faults.push(Fault::new(first, first.saturating_add(integer(CHUNK) - 1), FaultKind::Misindexed));
    }
    Ok(())
}

fn wrong_chunks(connection: &Connection) -> rusqlite::Result<BTreeSet<i64>> {
    let last = indexed(connection)?;
    let first: Option<i64> = connection.query_row("SELECT min(sequence) FROM records", [], |row| row.get(0))?;
    let mut wrong = BTreeSet::new();
    // Entries for intents of other chunks: those of outcomes, and those that stand there besides a chunk's own.
    let (mut late, mut besides) = (BTreeSet::new(), BTreeSet::new());
    let mut next = first.and_then(|first| u64::try_from(first).ok()).unwrap_or(1);
    let mut seen: BTreeSet<i64> = BTreeSet::new();
    while next <= last {
        let chunk = chunk_of(next);
        let end = last.min((chunk + 1) * CHUNK);
        let number = integer(chunk);
        seen.insert(number);
        let (own, others): (BTreeSet<Entry>, BTreeSet<Entry>) =
            entries(connection, next, end)?.into_iter().partition(|entry| entry.0 == number);
        late.extend(others);
        let stored = stored(connection, number)?;
        if !own.is_subset(&stored) {
            wrong.insert(number);
        }
        besides.extend(stored.difference(&own).copied());
        next = end + 1;
    }
    for chunk in chunks(connection)?.difference(&seen) {
        besides.extend(stored(connection, *chunk)?);
    }
    wrong.extend(late.symmetric_difference(&besides).map(|entry| entry.0));
    Ok(wrong)
}

fn stored(connection: &Connection, chunk: i64) -> rusqlite::Result<BTreeSet<Entry>> {
    let sql = "SELECT chunk, word, sequence FROM terms WHERE chunk = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    statement.query_map([chunk], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect()
}

/// Returns every chunk that has entries, skipping from one to the next.
fn chunks(connection: &Connection) -> rusqlite::Result<BTreeSet<i64>> {
    let mut statement = connection.prepare("SELECT min(chunk) FROM terms WHERE chunk > ?1")?;
    let mut chunks = BTreeSet::new();
    let mut after = i64::MIN;
    while let Some(chunk) = statement.query_row([after], |row| row.get::<_, Option<i64>>(0))? {
        chunks.insert(chunk);
        after = chunk;
    }
    Ok(chunks)
}
