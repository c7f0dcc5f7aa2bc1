//! Which rows of a chunk have a word, as the index holds them.
//!
//! Few are a list of places, two bytes each with the higher one first; from 64 on they are a map of one bit for each row, which is never
//! larger. The length tells which it is.

use rusqlite::{Connection, OptionalExtension as _};

use crate::index::CHUNK;
use crate::log::integer;

/// How many bytes a map has.
const MAP: usize = 128;
const _: () = assert!(MAP as u64 * 8 == CHUNK, "a bit for each row of a chunk");

/// Rows of one chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Places([u8; MAP]);

impl Places {
    pub(crate) fn none() -> Self {
        Self([0; MAP])
    }

    /// Adds a row of that chunk; one of another chunk has no place here.
    pub(crate) fn add(&mut self, chunk: i64, sequence: i64) {
        let place = sequence.checked_sub(first_of(chunk)).and_then(|place| usize::try_from(place).ok());
        if let Some(place) = place {
            self.set(place);
        }
    }

    fn set(&mut self, place: usize) {
        if let Some(byte) = self.0.get_mut(place / 8) {
            *byte |= 1 << (place % 8);
        }
    }

    pub(crate) fn unite(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte |= other);
    }

    pub(crate) fn intersect(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(byte, other)| *byte &= other);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.iter().all(|byte| *byte == 0)
    }

    /// Returns the rows, as rows of that chunk, in order.
    pub(crate) fn sequences(&self, chunk: i64) -> impl Iterator<Item = i64> {
        let first = first_of(chunk);
        self.places().map(move |place| first.saturating_add(i64::from(place)))
    }

    fn places(&self) -> impl Iterator<Item = u16> {
        let bits = |byte: u8| (0..8_u16).filter(move |bit| byte & (1 << bit) != 0);
        (0_u16..).zip(self.0).flat_map(move |(at, byte)| bits(byte).map(move |bit| at * 8 + bit))
    }

    fn encode(&self) -> Vec<u8> {
        let list: Vec<u8> = self.places().flat_map(u16::to_be_bytes).collect();
        if list.len() < MAP { list } else { self.0.to_vec() }
    }

    /// Reads what was encoded. Of other bytes, every two are a place, and those outside a chunk are none; `verify` looks at which rows
    /// come of it.
    fn decode(bytes: &[u8]) -> Self {
        if let Ok(map) = bytes.try_into() {
            return Self(map);
        }
        let mut places = Self::none();
        let (pairs, _) = bytes.as_chunks();
        pairs.iter().for_each(|pair| places.set(usize::from(u16::from_be_bytes(*pair))));
        places
    }
}

/// The first row of a chunk.
fn first_of(chunk: i64) -> i64 {
    chunk.saturating_mul(integer(CHUNK)).saturating_add(1)
}

/// Returns the rows of a chunk that have a word.
pub(crate) fn read(connection: &Connection, chunk: i64, word: i64) -> rusqlite::Result<Option<Places>> {
    let sql = "SELECT places FROM postings WHERE chunk = ?1 AND word = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row([chunk, word], |row| row.get_ref(0)?.as_blob().map(Places::decode).map_err(Into::into))
        .optional()
}

/// Returns every word of a chunk, and the rows that have it.
pub(crate) fn of_chunk(connection: &Connection, chunk: i64) -> rusqlite::Result<Vec<(i64, Places)>> {
    let mut statement = connection.prepare_cached("SELECT word, places FROM postings WHERE chunk = ?1")?;
    let rows =
        statement.query_map([chunk], |row| Ok((row.get(0)?, Places::decode(row.get_ref(1)?.as_blob()?))))?;
    rows.collect()
}

/// Writes the rows of a chunk that have a word, in the place of those that stand there.
pub(crate) fn write(connection: &Connection, chunk: i64, word: i64, places: &Places) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO postings (chunk, word, places) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute((chunk, word, places.encode())).map(drop)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn rows_are_read_as_they_were_written(chunk in 0_i64..1_000_000, rows in prop::collection::btree_set(0_i64..1024, 0..200)) {
            let rows: Vec<i64> = rows.into_iter().map(|row| chunk * 1024 + 1 + row).collect();
            let mut places = Places::none();
            rows.iter().for_each(|row| places.add(chunk, *row));
            let bytes = places.encode();
            prop_assert!(bytes.len() <= MAP);
            prop_assert_eq!(Places::decode(&bytes).sequences(chunk).collect::<Vec<_>>(), rows);
        }

        #[test]
        fn whatever_stands_there_names_rows_of_its_chunk_only(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            prop_assert!(Places::decode(&bytes).sequences(3).all(|row| (3073..=4096).contains(&row)));
        }
    }

    #[test]
    fn rows_of_other_chunks_have_no_place() {
        let mut places = Places::none();
        for row in [i64::MIN, -1, 0, 1024, 2049, i64::MAX] {
            places.add(1, row);
        }
        assert!(places.is_empty());
        places.add(1, 1025);
        places.add(1, 2048);
        assert_eq!(places.sequences(1).collect::<Vec<_>>(), [1025, 2048]);
    }
}
