//! Reading what safety stands on: the rows themselves, the newest first, and no index, which whoever can write the file can empty.
//!
//! Each row is compared with its hash, with the row after it, and with its MAC. Rows hang together from the end on, so what stands before
//! one of ours is what Wardlock saw when it wrote that one, and a row that was taken out ends the walk.

use std::ops::ControlFlow;

use rusqlite::{Connection, Row as SqlRow};

use crate::audit::Audit;
use crate::authentic::RowKey;
use crate::chain::{HASHED_COLUMNS, HASHED_COUNT, Link};
use crate::entry::Kind;
use crate::error::AuditError;
use crate::hashed::Hashed;
use crate::head::{PublicKey, SignedHead};
use crate::heads;
use crate::log::integer;
use crate::query::{self, COLUMNS};
use crate::removed::{self, Removed};
use crate::row::Row;
use crate::store;
use crate::verify::is_damage;

/// How far before a time rows are read that were written since, milliseconds: a day, for clocks that were set back.
const SLACK_MS: u64 = 24 * 60 * 60 * 1000;

/// Where the columns of [`COLUMNS`] begin: behind those that a hash is computed from.
const ROW: usize = HASHED_COUNT + 4;

/// A row on the way back.
pub struct Step<'a> {
    sql: &'a SqlRow<'a>,
    /// Its place.
    pub sequence: u64,
    /// When it was written, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// What kind of row it says it is.
    pub kind: Option<Kind>,
    /// Whether it has the MAC that only this vault makes. One that has none may forbid, and never allow.
    pub is_own: bool,
}

impl Step<'_> {
    /// Returns whether it is of this request.
    pub fn is_of(&self, request_id: &str) -> bool {
        self.sql.get_ref(ROW + 3).is_ok_and(|id| id.as_str() == Ok(request_id))
    }

    /// Reads all of it.
    pub fn read(&self) -> Result<Row, AuditError> {
        query::parse_at(self.sql, ROW)
    }
}

/// How a way back ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Whoever asked had enough.
    Enough,
    /// Every row that was asked for was there.
    Whole,
    /// Rows before this one were removed because their time was over, and a signed stub says so.
    Removed {
        /// The first row that is left.
        before: u64,
    },
    /// Here it does not go on: this row or the one before it is missing, unreadable or not as it was written.
    Broken {
        /// That row.
        sequence: u64,
    },
}

impl Audit {
    /// Goes through the rows from the newest on, back to those that were surely written before `since_ms`; without it, to the first one.
    pub fn walk_back(
        &self,
        since_ms: Option<u64>,
        mut each: impl FnMut(&Step<'_>) -> ControlFlow<()>,
    ) -> Result<Reach, AuditError> {
        let files = self.readers()?;
        let floor = since_ms.map(|since| floor(&files, self.public_key(), since.saturating_sub(SLACK_MS)));
        let mut walk = Walk { key: &self.inner().rows, floor: floor.transpose()?.flatten(), next: None };
        for file in files.iter().rev() {
            match walk.file(file, &mut each) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(reach)) => return Ok(reach),
                Err(error) if is_damage(&error) => return Ok(walk.broken()),
                Err(error) => return Err(AuditError::read(error)),
            }
        }
        walk.end(&files, self.public_key(), since_ms.map(|since| since.saturating_sub(SLACK_MS)))
    }

    /// Returns the place of the newest row; 0: there is none.
    pub fn end(&self) -> Result<u64, AuditError> {
        for file in self.readers()?.iter().rev() {
            let last: Option<i64> = file
                .query_row("SELECT max(sequence) FROM records", [], |row| row.get(0))
                .map_err(AuditError::read)?;
            if let Some(last) = last {
                return Ok(u64::try_from(last).unwrap_or(0));
            }
        }
        Ok(0)
    }
}

/// Returns the newest head of ours before which every head was signed before a time: what stands up to it is older, and its signature
/// says so. Clocks are set back, so behind a head that is too new a time says nothing.
fn floor(files: &[Connection], ours: PublicKey, before_ms: u64) -> Result<Option<Link>, AuditError> {
    let mut older = Vec::new();
    for file in files {
        let heads = heads::all(file).map_err(AuditError::read)?.into_iter().filter_map(|stored| stored.head);
        let mut whole = true;
        older.extend(heads.take_while(|head| {
            whole = head.at_ms < before_ms;
            whole
        }));
        if !whole {
            break;
        }
    }
    let found = older.into_iter().rev().find(|head| is_ours(head, ours));
    Ok(found.map(|head| Link { sequence: head.sequence, hash: head.hash }))
}

fn is_ours(head: &SignedHead, ours: PublicKey) -> bool {
    head.key == ours && head.is_signed()
}

struct Walk<'a> {
    key: &'a RowKey,
    /// Where the rows begin that are older than what is asked for.
    floor: Option<Link>,
    /// The row that was read last: its place, and the hash of the row before it.
    next: Option<(i64, Vec<u8>)>,
}

impl Walk<'_> {
    fn file(
        &mut self,
        file: &Connection,
        each: &mut impl FnMut(&Step<'_>) -> ControlFlow<()>,
    ) -> rusqlite::Result<ControlFlow<Reach>> {
        // A name that was changed hides what stands under it.
        if !store::has_own_schema(file)? {
            return Ok(ControlFlow::Break(self.broken()));
        }
        let mac = store::mac_column(file)?;
        let sql = format!(
            "SELECT sequence, prev, hash, {HASHED_COLUMNS}, {mac}, {COLUMNS} FROM records NOT INDEXED \
             ORDER BY sequence DESC"
        );
        let mut statement = file.prepare(&sql)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let hashed = Hashed::read(row)?;
            if !self.follows(&hashed) {
                return Ok(ControlFlow::Break(Reach::Broken { sequence: place(hashed.place) }));
            }
            if self.floor.is_some_and(|floor| is_at(&hashed, floor)) {
                return Ok(ControlFlow::Break(Reach::Whole));
            }
            let step = self.step(row, &hashed)?;
            if each(&step).is_break() {
                return Ok(ControlFlow::Break(Reach::Enough));
            }
            self.next = Some((hashed.place, hashed.prev.to_vec()));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Returns whether a row is as it was written, and the one before the row that was read last.
    fn follows(&self, row: &Hashed<'_>) -> bool {
        let is_before = |next: &(i64, Vec<u8>)| next.0 == row.place + 1 && next.1 == row.hash;
        row.is_valid_at(row.place) && self.next.as_ref().is_none_or(is_before)
    }

    fn step<'r>(&self, row: &'r SqlRow<'r>, hashed: &Hashed<'_>) -> rusqlite::Result<Step<'r>> {
        let kind = row.get_ref(ROW + 1)?.as_str().ok().and_then(Kind::parse);
        Ok(Step {
            sql: row,
            sequence: place(hashed.place),
            at_ms: row.get_ref(ROW + 2)?.as_i64().ok().and_then(|ms| u64::try_from(ms).ok()).unwrap_or(0),
            kind,
            is_own: self.key.holds(hashed.hash, hashed.mac),
        })
    }

    fn broken(&self) -> Reach {
        Reach::Broken { sequence: self.next.as_ref().map_or(0, |next| place(next.0)) }
    }

    /// Says what stands before the oldest row that is there.
    fn end(&self, files: &[Connection], ours: PublicKey, since_ms: Option<u64>) -> Result<Reach, AuditError> {
        let Some(newest) = files.last() else { return Ok(Reach::Whole) };
        let Some((first, prev)) = self.first(newest)? else { return Ok(Reach::Whole) };
        if first == 1 && prev == Link::genesis().hash.as_bytes() {
            return Ok(Reach::Whole);
        }
        let (before, signed) = (place(first), |stub: &Removed| stub.key == ours && stub.is_signed());
        let fits = |stub: &Removed| integer(stub.last) == first - 1 && prev == stub.hash.as_bytes();
        let stubs = removed::all(newest).map_err(AuditError::read)?;
        match stubs.into_iter().find(|stub| fits(stub) && signed(stub)) {
            Some(stub) if since_ms.is_some_and(|since| stub.last_ms < since) => Ok(Reach::Whole),
            Some(_) => Ok(Reach::Removed { before }),
            None => Ok(Reach::Broken { sequence: before }),
        }
    }

    /// Returns the oldest row that was read and the hash before it; where there is none, what the newest file begins after.
    fn first(&self, newest: &Connection) -> Result<Option<(i64, Vec<u8>)>, AuditError> {
        if let Some((first, prev)) = &self.next {
            return Ok(Some((*first, prev.clone())));
        }
        let head = heads::last(newest).map_err(AuditError::read)?.and_then(|stored| stored.head);
        Ok(head.map(|head| (integer(head.sequence) + 1, head.hash.as_bytes().to_vec())))
    }
}

fn is_at(row: &Hashed<'_>, link: Link) -> bool {
    row.place == integer(link.sequence) && row.hash == link.hash.as_bytes()
}

fn place(sequence: i64) -> u64 {
    u64::try_from(sequence).unwrap_or(0)
}
