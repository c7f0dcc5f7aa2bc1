//! Compares the index of words with the rows. It is no part of the chain, and a row that it lacks is not listed.

use std::collections::BTreeSet;

use rusqlite::Connection;

use super::{Fault, FaultKind};
use crate::error::AuditError;
use crate::index::{CHUNK, Index, Posting, Tables, chunk_of, entries, indexed};
use crate::log::integer;
use crate::store::has_heads;

/// Adds the chunks of one file that are not indexed as their rows say.
pub(super) fn check(connection: &Connection, faults: &mut Vec<Fault>) -> Result<(), AuditError> {
    if !has_heads(connection).map_err(AuditError::read)? {
        return Ok(());
    }
    // The writer goes on indexing: all of it is compared as it stood at one moment.
    let moment = connection.unchecked_transaction().map_err(AuditError::read)?;
    let wrong = wrong_chunks(&moment).map_err(AuditError::read)?;
    drop(moment);
    for chunk in wrong {
        let first = chunk.saturating_mul(integer(CHUNK)).saturating_add(1);
        faults.push(Fault::new(first, first.saturating_add(integer(CHUNK) - 1), FaultKind::Misindexed));
    }
    Ok(())
}

fn wrong_chunks(connection: &Connection) -> rusqlite::Result<BTreeSet<i64>> {
    let last = indexed(connection)?;
    let index = Index::new(connection, Tables::of(connection)?);
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
        let mut own = entries(connection, next, end)?;
        late.extend(own.extract_if(.., |entry| entry.0 != number));
        own.sort_unstable();
        own.dedup();
        let (lacks, more) = differences(&own, &index.of_chunk(number)?);
        if lacks {
            wrong.insert(number);
        }
        besides.extend(more);
        next = end + 1;
    }
    for chunk in chunks(&index)?.difference(&seen) {
        besides.extend(index.of_chunk(*chunk)?);
    }
    wrong.extend(late.symmetric_difference(&besides).map(|entry| entry.0));
    Ok(wrong)
}

/// Returns whether what is stored lacks anything of what must be there, and what is stored besides. Both are in order.
fn differences(wanted: &[Posting], stored: &[Posting]) -> (bool, Vec<Posting>) {
    let (mut lacks, mut besides, mut wanted) = (false, Vec::new(), wanted.iter().peekable());
    for entry in stored {
        while wanted.next_if(|wanted| *wanted < entry).is_some() {
            lacks = true;
        }
        if wanted.next_if(|wanted| *wanted == entry).is_none() {
            besides.push(*entry);
        }
    }
    (lacks || wanted.next().is_some(), besides)
}

/// Returns every chunk that has entries, skipping from one to the next.
fn chunks(index: &Index<'_>) -> rusqlite::Result<BTreeSet<i64>> {
    let mut chunks = BTreeSet::new();
    let mut after = i64::MIN;
    while let Some(chunk) = index.chunk_after(after)? {
        chunks.insert(chunk);
        after = chunk;
    }
    Ok(chunks)
}
