//! The index of words: built chunk by chunk behind the newest rows, searched chunk by chunk from the newest.
//!
//! A row that names twenty things would dirty twenty pages of an ordinary index, in every commit. So the index lags: a
//! chunk is written in one go when it is full, at the table's end but for outcomes of older intents. What is not indexed yet is read.
//! What its rows name is kept until then as it was when they were written: all rows wait while a chunk is written, so it must not take
//! long.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior};

use crate::error::AuditError;
use crate::log::integer;
use crate::postings::{self, Places};
use crate::query;
use crate::row::Row;
use crate::store;
use crate::terms::{Term, words};

/// How many rows are one chunk. The rarest word costs one look-up in each of them. It is part of the format.
pub(crate) const CHUNK: u64 = 1024;

/// What the index holds: that a row of a chunk has a word. Chunk, word, row.
pub(crate) type Posting = (i64, i64, i64);

/// Returns the chunk of a row.
pub(crate) fn chunk_of(sequence: u64) -> u64 {
    sequence.saturating_sub(1) / CHUNK
}

/// Returns the last row that is indexed.
pub(crate) fn indexed(connection: &Connection) -> rusqlite::Result<u64> {
    let found = connection.query_row("SELECT sequence FROM indexed", [], |row| row.get::<_, i64>(0)).optional()?;
    Ok(found.and_then(|sequence| u64::try_from(sequence).ok()).unwrap_or(0))
}

/// How many entries are kept of rows that are not indexed yet: those of some chunks of usual rows. Where there are more, all of them are
/// forgotten, and their rows read back.
const MOST_KEPT: usize = 100_000;

/// What the newest rows name, as far as it is not indexed yet.
pub(crate) struct Unindexed {
    /// The first row of which it is kept.
    first: u64,
    /// Each with the row that says so.
    entries: Vec<(u64, Posting)>,
}

impl Unindexed {
    /// Keeps what rows after one name.
    pub(crate) fn after(last: u64) -> Self {
        Self { first: last + 1, entries: Vec::new() }
    }

    /// Takes note of the next row, which was written.
    pub(crate) fn note(&mut self, sequence: u64, words: &[i64], outcome: Option<&str>, closes: Option<u64>) {
        if self.entries.len() > MOST_KEPT {
            *self = Self::after(sequence);
            return;
        }
        self.entries.extend(entries_of(sequence, words, outcome, closes).map(|entry| (sequence, entry)));
    }

    /// Writes what the rows between two name, the last among them.
    pub(crate) fn write(&self, connection: &mut Connection, indexed: u64, last: u64) -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut entries = entries(&transaction, indexed + 1, last.min(self.first - 1))?;
        entries.extend(self.entries.iter().filter(|(row, _)| *row <= last).map(|(_, entry)| *entry));
        entries.sort_unstable();
        for of_word in entries.chunk_by(|one, other| (one.0, one.1) == (other.0, other.1)) {
            let (chunk, word, _) = of_word[0];
            // Outcomes stand under their intents' chunk, which may be written already.
            let mut places = postings::read(&transaction, chunk, word)?.unwrap_or_else(Places::none);
            of_word.iter().for_each(|(_, _, sequence)| places.add(chunk, *sequence));
            postings::write(&transaction, chunk, word, &places)?;
        }
        transaction.execute("UPDATE indexed SET sequence = ?1", [integer(last)])?;
        transaction.commit()
    }

    /// Forgets what is written.
    pub(crate) fn forget(&mut self, last: u64) {
        self.entries.retain(|(row, _)| *row > last);
    }
}

/// What the index holds of some rows. A row that cannot be read has no words.
pub(crate) fn entries(connection: &Connection, first: u64, last: u64) -> rusqlite::Result<Vec<Posting>> {
    let sql = format!("SELECT {} FROM records WHERE sequence BETWEEN ?1 AND ?2", query::COLUMNS);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([integer(first), integer(last)])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        if let Ok(row) = query::parse(row) {
            found.extend(entries_of(row.sequence, &words(&row.names()), row.outcome.as_deref(), row.closes));
        }
    }
    Ok(found)
}

/// A request is looked for by its outcome, too, so that its INTENT stands under the outcome's word.
fn entries_of(
    sequence: u64,
    words: &[i64],
    outcome: Option<&str>,
    closes: Option<u64>,
) -> impl Iterator<Item = Posting> {
    let place = |sequence: u64| (integer(chunk_of(sequence)), integer(sequence));
    let (chunk, own) = place(sequence);
    // No row stands at place 0.
    let intent = closes.filter(|closes| *closes > 0).map(place);
    let of_intent =
        outcome.zip(intent).map(|(outcome, (chunk, place))| (chunk, Term::Outcome.word(outcome), place));
    words.iter().map(move |word| (chunk, *word, own)).chain(of_intent)
}

/// The index of one file.
#[derive(Clone, Copy)]
pub(crate) struct Index<'a> {
    connection: &'a Connection,
    tables: Tables,
}

/// In which tables it stands: chunks that were indexed by formats 2 and 3 have a row for each entry.
#[derive(Clone, Copy)]
pub(crate) struct Tables {
    has_terms: bool,
    has_postings: bool,
}

impl Tables {
    pub(crate) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let has_terms = connection.query_row("SELECT EXISTS (SELECT 1 FROM terms)", [], |row| row.get(0))?;
        Ok(Self { has_terms, has_postings: store::has_postings(connection)? })
    }
}

impl<'a> Index<'a> {
    pub(crate) fn new(connection: &'a Connection, tables: Tables) -> Self {
        Self { connection, tables }
    }

    /// Returns the first chunk after one that has entries.
    pub(crate) fn chunk_after(&self, chunk: i64) -> rusqlite::Result<Option<i64>> {
        let first = |sql: &str| {
            self.connection.prepare_cached(sql)?.query_row([chunk], |row| row.get::<_, Option<i64>>(0))
        };
        let in_terms = first("SELECT min(chunk) FROM terms WHERE chunk > ?1")?;
        let sql = "SELECT min(chunk) FROM postings WHERE chunk > ?1";
        let in_postings = if self.tables.has_postings { first(sql)? } else { None };
        Ok(in_terms.into_iter().chain(in_postings).min())
    }

    /// Returns all that it holds of a chunk, in order.
    pub(crate) fn of_chunk(&self, chunk: i64) -> rusqlite::Result<Vec<Posting>> {
        let mut entries = Vec::new();
        if self.tables.has_terms {
            let sql = "SELECT chunk, word, sequence FROM terms WHERE chunk = ?1";
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query([chunk])?;
            while let Some(row) = rows.next()? {
                entries.push((row.get(0)?, row.get(1)?, row.get(2)?));
            }
        }
        if self.tables.has_postings {
            for (word, places) in postings::of_chunk(self.connection, chunk)? {
                entries.extend(places.sequences(chunk).map(|sequence| (chunk, word, sequence)));
            }
        }
        // They come by the tables' keys, unless the file is damaged.
        entries.sort_unstable();
        entries.dedup();
        Ok(entries)
    }

    /// Adds the rows of a chunk that have a word.
    fn look_up(&self, chunk: i64, word: i64, found: &mut Places) -> rusqlite::Result<()> {
        if self.tables.has_terms {
            let sql = "SELECT sequence FROM terms WHERE chunk = ?1 AND word = ?2";
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query([chunk, word])?;
            while let Some(row) = rows.next()? {
                found.add(chunk, row.get(0)?);
            }
        }
        if self.tables.has_postings
            && let Some(places) = postings::read(self.connection, chunk, word)?
        {
            found.unite(&places);
        }
        Ok(())
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
        let mut found = words(&row.names());
        found.extend(outcome.map(|outcome| Term::Outcome.word(outcome)));
        self.words.iter().all(|word| found.contains(word))
    }

    /// Returns the rows of a chunk that have all the words, in order. The word that was missing last is looked up
    /// first, so that a rare one ends the search in a chunk at once.
    pub(crate) fn in_chunk(&mut self, files: &[Index<'_>], chunk: u64) -> Result<Vec<i64>, AuditError> {
        let chunk = integer(chunk);
        let mut left: Option<Places> = None;
        for at in 0..self.words.len() {
            let mut found = Places::none();
            for file in files {
                file.look_up(chunk, self.words[at], &mut found).map_err(AuditError::read)?;
            }
            if let Some(left) = &left {
                found.intersect(left);
            }
            if found.is_empty() {
                self.words.swap(0, at);
                return Ok(Vec::new());
            }
            left = Some(found);
        }
        Ok(left.map(|left| left.sequences(chunk).collect()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_to_keep_is_forgotten_and_its_rows_are_read_back() {
        let (words, mut unindexed) = (vec![7; 1_000], Unindexed::after(10));
        for row in 11..=111 {
            unindexed.note(row, &words, None, None);
        }
        assert_eq!((unindexed.first, unindexed.entries.len()), (11, 101_000));
        unindexed.note(112, &words, None, None);
        assert_eq!((unindexed.first, unindexed.entries.len()), (113, 0));
        unindexed.note(113, &[7], Some("ok"), Some(1));
        let kept: Vec<u64> = unindexed.entries.iter().map(|(row, _)| *row).collect();
        assert_eq!((unindexed.first, kept), (113, vec![113, 113]));
    }
}
