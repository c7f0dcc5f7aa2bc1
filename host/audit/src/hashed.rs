//! A row's hash and what it is computed from, as they stand in a file.

use rusqlite::Row as SqlRow;
use rusqlite::types::ValueRef;

use crate::chain::{HASHED_COUNT, hash_row};

/// A row that was read as `sequence, prev, hash`, [`HASHED_COLUMNS`](crate::chain::HASHED_COLUMNS) and its MAC
/// ([`mac_column`](crate::store::mac_column)).
pub(crate) struct Hashed<'a> {
    pub(crate) place: i64,
    pub(crate) prev: &'a [u8],
    pub(crate) hash: &'a [u8],
    columns: [ValueRef<'a>; HASHED_COUNT],
    /// Empty where it has none.
    pub(crate) mac: &'a [u8],
}

impl<'a> Hashed<'a> {
    pub(crate) fn read(row: &'a SqlRow<'_>) -> rusqlite::Result<Self> {
        let mut columns = [ValueRef::Null; HASHED_COUNT];
        for (at, column) in columns.iter_mut().enumerate() {
            *column = row.get_ref(at + 3)?;
        }
        // A hash or a MAC that is not even a blob is one that does not hold.
        let blob = |at: usize| Ok::<_, rusqlite::Error>(row.get_ref(at)?.as_blob().unwrap_or_default());
        Ok(Self { place: row.get(0)?, prev: blob(1)?, hash: blob(2)?, columns, mac: blob(HASHED_COUNT + 3)? })
    }

    /// Returns whether its hash is the one of this content at this place.
    pub(crate) fn is_valid_at(&self, place: i64) -> bool {
        let Ok(sequence) = u64::try_from(place) else {
            return false;
        };
        hash_row(self.prev, sequence, &self.columns).as_bytes() == self.hash
    }
}
