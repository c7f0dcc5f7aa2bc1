//! Reads the rows once and cuts them into pieces that hang together.

use rusqlite::{Connection, ErrorCode, Row as SqlRow};
use wardlock_core::id::Digest;

use super::Head;
use super::macs::Macs;
use crate::authentic::RowKey;
use crate::chain::{HASHED_COLUMNS, Link};
use crate::error::AuditError;
use crate::hashed::Hashed;
use crate::log::integer;
use crate::store::mac_column;

/// Pieces beyond this are not kept: a log that is broken in so many places is broken.
const PIECES: usize = 4096;

/// How far a row may have moved for its old place to be found at once.
const NEAR: i64 = 32;

/// How many rows are tried against how many empty places, to find moves over any distance.
const FAR: usize = 128;

/// Rows that follow on each other, or one row that fits nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// Rows whose hashes hold and whose links hold among them.
    Run(Run),
    /// A row whose hash does not hold for any place.
    Odd {
        /// Where it stands.
        place: i64,
    },
}

/// Where some rows stand, and at which places they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) place: i64,
    pub(super) written: i64,
    pub(super) length: i64,
    pub(super) first_prev: Vec<u8>,
    pub(super) last_hash: Vec<u8>,
}

impl Run {
    pub(super) fn last_place(&self) -> i64 {
        self.place + self.length - 1
    }

    pub(super) fn last_written(&self) -> i64 {
        self.written + self.length - 1
    }

    fn is_followed_by(&self, place: i64, written: i64, prev: &[u8]) -> bool {
        place == self.last_place() + 1 && written == self.last_written() + 1 && prev == self.last_hash
    }
}

/// What stands before the first row that is walked: nothing, or rows that are elsewhere or were removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) place: i64,
    pub(super) hash: [u8; 32],
}

impl From<Link> for Origin {
    fn from(link: Link) -> Self {
        Self { place: integer(link.sequence), hash: *link.hash.as_bytes() }
    }
}

/// What a walk found.
pub(super) struct Walked<'a> {
    pub(super) rows: u64,
    pub(super) macs: Macs<'a>,
    pub(super) head: Option<Head>,
    pub(super) pieces: Vec<Piece>,
    pub(super) more: bool,
    pub(super) unreadable_after: Option<i64>,
}

impl Walked<'_> {
    /// Returns the last place at which a row was written.
    pub(super) fn end(&self, origin: &Origin) -> i64 {
        let end = self.pieces.iter().map(|piece| match piece {
            Piece::Run(run) => run.last_written(),
            Piece::Odd { place } => *place,
        });
        end.max().unwrap_or(0).max(origin.place)
    }
}

/// Reads every row of some files, one after the other. With a key it looks at their MACs, too.
pub(super) fn walk<'a>(files: &[Connection], key: Option<&'a RowKey>) -> Result<Walked<'a>, AuditError> {
    let mut walked = Walked {
        rows: 0,
        macs: Macs::new(key),
        head: None,
        pieces: Vec::new(),
        more: false,
        unreadable_after: None,
    };
    let mut last_place = 0;
    for file in files {
        match walk_file(file, &mut walked, &mut last_place) {
            Ok(()) => {}
            Err(error) if is_damage(&error) => walked.unreadable_after = Some(last_place),
            Err(error) => return Err(AuditError::read(error)),
        }
    }
    Ok(walked)
}

fn walk_file(file: &Connection, walked: &mut Walked<'_>, last_place: &mut i64) -> rusqlite::Result<()> {
    let mac = mac_column(file)?;
    let sql = format!("SELECT sequence, prev, hash, {HASHED_COLUMNS}, {mac} FROM records ORDER BY sequence");
    let mut statement = file.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        *last_place = take(row, walked)?;
    }
    Ok(())
}

/// Looks for rows that were moved further than [`NEAR`]: each odd row is tried at each place that lacks its own.
pub(super) fn find_far_moves(
    files: &[Connection],
    origin: &Origin,
    walked: &mut Walked<'_>,
) -> Result<(), AuditError> {
    let odd = |piece: &Piece| matches!(piece, Piece::Odd { .. });
    if walked.more || !walked.pieces.iter().any(odd) {
        return Ok(());
    }
    let empty = empty_places(&walked.pieces, origin);
    for piece in walked.pieces.iter_mut().filter(|piece| odd(piece)).take(FAR) {
        let Piece::Odd { place } = *piece else { continue };
        for file in files {
            let mac = mac_column(file).map_err(AuditError::read)?;
            let sql =
                format!("SELECT sequence, prev, hash, {HASHED_COLUMNS}, {mac} FROM records WHERE sequence = ?1");
            let mut statement = file.prepare_cached(&sql).map_err(AuditError::read)?;
            let mut rows = statement.query([place]).map_err(AuditError::read)?;
            let Some(row) = rows.next().map_err(AuditError::read)? else { continue };
            let written = Hashed::read(row).map_err(AuditError::read)?;
            if let Some(written_at) = empty.iter().copied().find(|at| written.is_valid_at(*at)) {
                *piece = Piece::Run(run_of(&written, written_at));
            }
        }
    }
    walked.pieces = joined(std::mem::take(&mut walked.pieces));
    Ok(())
}

/// Joins runs that turned out to hang together.
fn joined(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut joined: Vec<Piece> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        if let (Some(Piece::Run(run)), Piece::Run(next)) = (joined.last_mut(), &piece)
            && run.is_followed_by(next.place, next.written, &next.first_prev)
        {
            run.length += next.length;
            run.last_hash.clone_from(&next.last_hash);
            continue;
        }
        joined.push(piece);
    }
    joined
}

fn empty_places(pieces: &[Piece], origin: &Origin) -> Vec<i64> {
    let mut runs: Vec<(i64, i64)> = Vec::new();
    let mut odd = 0;
    for piece in pieces {
        match piece {
            Piece::Run(run) => runs.push((run.written, run.last_written())),
            Piece::Odd { .. } => odd += 1,
        }
    }
    runs.sort_unstable();
    let mut empty = Vec::new();
    let mut next = origin.place + 1;
    for (first, last) in runs {
        empty.extend((next..first).take(FAR));
        next = next.max(last + 1);
    }
    // The last rows may be among those that moved.
    empty.extend(next..next + odd);
    empty.truncate(FAR);
    empty
}

pub(crate) fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Finds the place at which a row was written, looking near `guess`.
fn written_near(row: &Hashed<'_>, guess: i64) -> Option<i64> {
    if row.is_valid_at(guess) {
        return Some(guess);
    }
    let around = (1..=NEAR).flat_map(|distance| [guess + distance, guess - distance]);
    std::iter::once(row.place).chain(around).find(|place| row.is_valid_at(*place))
}

fn run_of(row: &Hashed<'_>, written: i64) -> Run {
    Run { place: row.place, written, length: 1, first_prev: row.prev.to_vec(), last_hash: row.hash.to_vec() }
}

fn take(row: &SqlRow<'_>, walked: &mut Walked<'_>) -> rusqlite::Result<i64> {
    let hashed = Hashed::read(row)?;
    let place = hashed.place;
    walked.rows += 1;
    walked.macs.take(place, hashed.hash, hashed.mac);
    let hash = <[u8; 32]>::try_from(hashed.hash).map_or_else(|_| Digest::of(hashed.hash), Digest::from_bytes);
    walked.head = Some(Head { sequence: u64::try_from(place).unwrap_or(0), hash });
    let last = walked.pieces.last_mut();
    let (guess, run) = match last {
        Some(Piece::Run(run)) => (place + run.written - run.place, Some(run)),
        Some(Piece::Odd { .. }) | None => (place, None),
    };
    let written = written_near(&hashed, guess);
    if let (Some(written), Some(run)) = (written, run)
        && run.is_followed_by(place, written, hashed.prev)
    {
        run.length += 1;
        run.last_hash.clear();
        run.last_hash.extend_from_slice(hashed.hash);
        return Ok(place);
    }
    if walked.pieces.len() == PIECES {
        walked.more = true;
        return Ok(place);
    }
    walked.pieces.push(match written {
        Some(written) => Piece::Run(run_of(&hashed, written)),
        None => Piece::Odd { place },
    });
    Ok(place)
}
