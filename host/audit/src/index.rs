//! The index of words: built chunk by chunk behind the newest rows, searched chunk by chunk from the newest.
//!
//! A row that names twenty things would dirty twenty pages of an ordinary index, in every commit. So the index lags: a
//! chunk is written in one go when it is full, and only at the table's end. What is not indexed yet is read.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::error::AuditError;
use crate::log::integer;
use crate::query;
use crate::row::Row;
use crate::terms::{Term, words};

/// How many rows are one chunk. The rarest word costs one look-up in each of them.
pub(crate) const CHUNK: u64 = 1024;

/// Returns the chunk of a row.
pub(crate) fn chunk_of(sequence: u64) -> u64 {
    sequence.saturating_sub(1) / CHUNK
}

/// Returns the last row that is indexed.
pub(crate) fn indexed(connection: &Connection) -> rusqlite::Result<u64> {
    let found = connection.query_row("SELECT sequence FROM indexed", [], |row| row.get::<_, i64>(0)).optional()?;
    Ok(found.and_then(|sequence| u64::try_from(sequence).ok()).unwrap_or(0))
}

/// Indexes the rows after the last that is, up to `end` or the end of its chunk.
pub(crate) fn build(connection: &mut Connection, indexed: u64, end: u64) -> rusqlite::Result<u64> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let last = end.min((chunk_of(indexed + 1) + 1) * CHUNK);
    let mut entries = entries(&transaction, indexed + 1, last)?;
    entries.sort_unstable();
    let sql = "INSERT OR IGNORE INTO terms (chunk, word, sequence) VALUES (?1, ?2, ?3)";
    for (chunk, word, sequence) in entries {
        transaction.prepare_cached(sql)?.execute((chunk, word, sequence))?;
    }
    transaction.execute("UPDATE indexed SET sequence = ?1", [integer(last)])?;
    transaction.commit()?;
    Ok(last)
}

/// What the index holds of some rows: chunk, word, sequence. A row that cannot be read has no words.
pub(crate) fn entries(connection: &Connection, first: u64, last: u64) -> rusqlite::Result<Vec<(i64, i64, i64)>> {
    let sql = format!("SELECT {} FROM records WHERE sequence BETWEEN ?1 AND ?2", query::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([integer(first), integer(last)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if let Ok(row) = query::parse(row) {
            entries_of(&row, &mut found);
        }
    }
    Ok(found)
}

/// A request is looked for by its outcome, too, so that its INTENT stands under the outcome's word.
fn entries_of(row: &Row, entries: &mut Vec<(i64, i64, i64)>) {
    let place = |sequence: u64| (integer(chunk_of(sequence)), integer(sequence));
    let (chunk, sequence) = place(row.sequence);
    entries.extend(words(row).into_iter().map(|word| (chunk, word, sequence)));
    if let (Some(outcome), Some(closes)) = (&row.outcome, row.closes) {
        let (chunk, sequence) = place(closes);
        entries.push((chunk, Term::Outcome.word(outcome), sequence));
    }
}

/// A search for rows that have all of some words.
pub(crate) struct Search {
    words: Vec<i64>,
}

impl Search {
    pub(crate) fn new(words: Vec<i64>) -> Self {
        Self { words }
    }

    pub(crate) fn is_for_everything(&self) -> bool {
        self.words.is_empty()
    }

    /// Returns whether a row that is not indexed has all the words; `outcome` is that of its request, if known.
    pub(crate) fn fits(&self, row: &Row, outcome: Option<&str>) -> bool {
        let mut found = words(row);
        found.extend(outcome.map(|outcome| Term::Outcome.word(outcome)));
        self.words.iter().all(|word| found.contains(word))
    }

    /// Returns the rows of a chunk that have all the words, newest first. The word that was missing last is looked up
    /// first, so that a rare one ends the search in a chunk at once.
    pub(crate) fn in_chunk(&mut self, files: &[&Connection], chunk: u64) -> Result<Vec<i64>, AuditError> {
        let mut left: Option<Vec<i64>> = None;
        for at in 0..self.words.len() {
            let mut found = Vec::new();
            for file in files {
                look_up(file, chunk, self.words[at], &mut found).map_err(AuditError::read)?;
            }
            let both = match left {
                None => found,
                Some(left) => left.into_iter().filter(|sequence| found.contains(sequence)).collect(),
            };
            if both.is_empty() {
                self.words.swap(0, at);
                return Ok(both);
            }
            left = Some(both);
        }
        let mut rows = left.unwrap_or_default();
        rows.sort_unstable_by(|a, b| b.cmp(a));
        Ok(rows)
    }
}

fn look_up(connection: &Connection, chunk: u64, word: i64, found: &mut Vec<i64>) -> rusqlite::Result<()> {
    let sql = "SELECT sequence FROM terms WHERE chunk = ?1 AND word = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([integer(chunk), word])?;
    while let Some(row) = rows.next()? {
        found.push(row.get(0)?);
    }
    Ok(())
}
