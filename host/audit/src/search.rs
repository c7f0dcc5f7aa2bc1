//! Finds rows: by the index of words, and where that has not come yet, by reading.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use rusqlite::Connection;

use crate::error::AuditError;
use crate::index::{CHUNK, Index, Search, Tables, chunk_of, indexed};
use crate::log::integer;
use crate::query::{COLUMNS, Filter, parse};
use crate::row::Row;

/// One file of the log, opened for reading, and the rows that it holds.
pub(crate) struct File {
    pub(crate) connection: Connection,
    first: u64,
    last: u64,
    indexed: u64,
    tables: Tables,
    /// The first chunk that its index knows: one of an earlier file, where it holds the outcome of an intent there.
    first_chunk: u64,
}

impl File {
    pub(crate) fn new(connection: Connection) -> Result<Self, AuditError> {
        let end = |which: &str| -> Result<Option<i64>, AuditError> {
            let sql = format!("SELECT {which}(sequence) FROM records");
            connection.query_row(&sql, [], |row| row.get(0)).map_err(AuditError::read)
        };
        let place = |sequence: Option<i64>| sequence.and_then(|sequence| u64::try_from(sequence).ok());
        // A file without rows ends before it begins.
        let (first, last) = (place(end("min")?).unwrap_or(1), place(end("max")?).unwrap_or(0));
        let indexed = indexed(&connection).map_err(AuditError::read)?;
        let tables = Tables::of(&connection).map_err(AuditError::read)?;
        let chunk = Index::new(&connection, tables).chunk_after(i64::MIN).map_err(AuditError::read)?;
        let first_chunk = place(chunk).unwrap_or(u64::MAX);
        Ok(Self { connection, first, last, indexed: indexed.min(last), tables, first_chunk })
    }

    fn index(&self) -> Index<'_> {
        Index::new(&self.connection, self.tables)
    }

    /// Narrows rows to those of a time. Clocks jump, so the rows of a time need not stand together.
    fn rows_of(&self, filter: &Filter) -> Result<Option<RangeInclusive<u64>>, AuditError> {
        let after = filter.after.map_or(self.first, |after| self.first.max(after + 1));
        let before = filter.before.map_or(self.last, |before| self.last.min(before.saturating_sub(1)));
        let (mut first, mut last) = (after, before);
        if filter.since_ms.is_some() || filter.until_ms.is_some() {
            let (since, until) = (filter.since_ms.unwrap_or(0), filter.until_ms.unwrap_or(u64::MAX));
            let sql = "SELECT min(sequence), max(sequence) FROM records WHERE at_ms >= ?1 AND at_ms < ?2";
            let found: (Option<i64>, Option<i64>) = self
                .connection
                .query_row(sql, [integer(since), integer(until)], |row| Ok((row.get(0)?, row.get(1)?)))
                .map_err(AuditError::read)?;
            let (Some(earliest), Some(latest)) = found else {
                return Ok(None);
            };
            first = first.max(u64::try_from(earliest).unwrap_or(0));
            last = last.min(u64::try_from(latest).unwrap_or(0));
        }
        Ok((first <= last).then_some(first..=last))
    }
}

/// What is found so far.
struct Found<'a> {
    filter: &'a Filter,
    rows: Vec<Row>,
}

impl Found<'_> {
    /// Takes a row if it is of the time that was asked for; returns whether there is room for more.
    fn take(&mut self, row: Row) -> bool {
        let of_time = self.filter.since_ms.is_none_or(|since| row.at_ms >= since)
            && self.filter.until_ms.is_none_or(|until| row.at_ms < until);
        if of_time {
            self.rows.push(row);
        }
        self.rows.len() < self.filter.limit
    }

    fn is_ascending(&self) -> bool {
        self.filter.after.is_some()
    }
}

/// Returns the rows that a filter lets through, oldest first: the newest of them, or the oldest after a place.
pub(crate) fn find(files: &[File], filter: &Filter, mut search: Search) -> Result<Vec<Row>, AuditError> {
    if filter.limit == 0 {
        return Ok(Vec::new());
    }
    if let Some(id) = &filter.request_id {
        return of_request(files, filter, &search, id);
    }
    let ended = ended_unindexed(files, filter)?;
    let mut found = Found { filter, rows: Vec::new() };
    let mut order: Vec<usize> = (0..files.len()).collect();
    if !found.is_ascending() {
        order.reverse();
    }
    for at in order {
        let Some(rows) = files[at].rows_of(filter)? else { continue };
        if !in_file(files, at, &rows, &mut search, &ended, &mut found)? {
            break;
        }
    }
    if !found.is_ascending() {
        found.rows.reverse();
    }
    Ok(found.rows)
}

/// Finds rows of one file; returns whether there is room for more.
fn in_file(
    files: &[File],
    at: usize,
    rows: &RangeInclusive<u64>,
    search: &mut Search,
    ended: &BTreeSet<u64>,
    found: &mut Found<'_>,
) -> Result<bool, AuditError> {
    let file = &files[at];
    let (first, last) = (*rows.start(), *rows.end());
    if search.is_for_everything() {
        return read(file, first..=last, found, |_| true);
    }
    let unindexed = first.max(file.indexed + 1)..=last;
    let by_index = first..=last.min(file.indexed);
    let outcome = found.filter.outcome.as_deref();
    if found.is_ascending() {
        if !in_chunks(files, at, &by_index, search, ended, found)? {
            return Ok(false);
        }
        return read(file, unindexed, found, |row| {
            search.fits(row, outcome.filter(|_| ended.contains(&row.sequence)))
        });
    }
    let goes_on =
        read(file, unindexed, found, |row| search.fits(row, outcome.filter(|_| ended.contains(&row.sequence))))?;
    Ok(goes_on && in_chunks(files, at, &by_index, search, ended, found)?)
}

fn in_chunks(
    files: &[File],
    at: usize,
    rows: &RangeInclusive<u64>,
    search: &mut Search,
    ended: &BTreeSet<u64>,
    found: &mut Found<'_>,
) -> Result<bool, AuditError> {
    if rows.is_empty() {
        return Ok(true);
    }
    let mut chunks: Vec<u64> = (chunk_of(*rows.start())..=chunk_of(*rows.end())).collect();
    if !found.is_ascending() {
        chunks.reverse();
    }
    for chunk in chunks {
        // An outcome that stands in a later file is indexed there, under its intent's chunk in this one.
        let knows = |file: &&File| file.first_chunk <= chunk;
        let beside: Vec<Index<'_>> = files[at..].iter().filter(knows).map(File::index).collect();
        let mut sequences: BTreeSet<u64> =
            search.in_chunk(&beside, chunk)?.into_iter().filter_map(|place| u64::try_from(place).ok()).collect();
        let of_chunk = chunk * CHUNK + 1..=(chunk + 1) * CHUNK;
        for sequence in ended.range(of_chunk) {
            let row = row_at(&files[at], *sequence)?;
            if row.is_some_and(|row| search.fits(&row, found.filter.outcome.as_deref())) {
                sequences.insert(*sequence);
            }
        }
        let in_order: Vec<u64> = if found.is_ascending() {
            sequences.into_iter().collect()
        } else {
            sequences.into_iter().rev().collect()
        };
        for sequence in in_order.into_iter().filter(|sequence| rows.contains(sequence)) {
            if let Some(row) = row_at(&files[at], sequence)?
                && !found.take(row)
            {
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Reads rows one by one; returns whether there is room for more.
fn read(
    file: &File,
    rows: RangeInclusive<u64>,
    found: &mut Found<'_>,
    fits: impl Fn(&Row) -> bool,
) -> Result<bool, AuditError> {
    if rows.is_empty() {
        return Ok(true);
    }
    let order = if found.is_ascending() { "ASC" } else { "DESC" };
    let sql = format!("SELECT {COLUMNS} FROM records WHERE sequence BETWEEN ?1 AND ?2 ORDER BY sequence {order}");
    let mut statement = file.connection.prepare_cached(&sql).map_err(AuditError::read)?;
    let mut rows = statement.query([integer(*rows.start()), integer(*rows.end())]).map_err(AuditError::read)?;
    while let Some(row) = rows.next().map_err(AuditError::read)? {
        let row = parse(row)?;
        if fits(&row) && !found.take(row) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn row_at(file: &File, sequence: u64) -> Result<Option<Row>, AuditError> {
    let sql = format!("SELECT {COLUMNS} FROM records WHERE sequence = ?1");
    let mut statement = file.connection.prepare_cached(&sql).map_err(AuditError::read)?;
    let mut rows = statement.query([integer(sequence)]).map_err(AuditError::read)?;
    rows.next().map_err(AuditError::read)?.map(parse).transpose()
}

fn of_request(files: &[File], filter: &Filter, search: &Search, id: &str) -> Result<Vec<Row>, AuditError> {
    let sql = format!("SELECT {COLUMNS} FROM records WHERE request_id = ?1 ORDER BY sequence");
    let mut all = Vec::new();
    for file in files {
        let mut statement = file.connection.prepare_cached(&sql).map_err(AuditError::read)?;
        let mut rows = statement.query([id]).map_err(AuditError::read)?;
        while let Some(row) = rows.next().map_err(AuditError::read)? {
            all.push(parse(row)?);
        }
    }
    let outcome = all.iter().rev().find_map(|row| row.outcome.clone());
    let is_asked = |row: &Row| {
        let outcome = outcome.as_deref().filter(|_| row.decision.as_deref() == Some("allow"));
        search.fits(row, outcome)
            && filter.after.is_none_or(|after| row.sequence > after)
            && filter.before.is_none_or(|before| row.sequence < before)
    };
    all.retain(is_asked);
    let mut found = Found { filter, rows: Vec::new() };
    for row in all {
        found.take(row);
    }
    let extra = found.rows.len().saturating_sub(filter.limit);
    let keep = if found.is_ascending() { 0..filter.limit.min(found.rows.len()) } else { extra..found.rows.len() };
    Ok(found.rows.drain(keep).collect())
}

/// Returns the intents that ended as asked, as far as the index does not say so yet.
fn ended_unindexed(files: &[File], filter: &Filter) -> Result<BTreeSet<u64>, AuditError> {
    let mut ended = BTreeSet::new();
    let Some(outcome) = &filter.outcome else {
        return Ok(ended);
    };
    for file in files {
        let sql = "SELECT closes FROM records WHERE sequence > ?1 AND outcome = ?2 AND closes IS NOT NULL";
        let mut statement = file.connection.prepare_cached(sql).map_err(AuditError::read)?;
        let mut rows = statement.query((integer(file.indexed), outcome)).map_err(AuditError::read)?;
        while let Some(row) = rows.next().map_err(AuditError::read)? {
            let closes: i64 = row.get(0).map_err(AuditError::read)?;
            ended.extend(u64::try_from(closes));
        }
    }
    Ok(ended)
}
