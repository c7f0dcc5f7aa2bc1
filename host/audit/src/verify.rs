//! Walks the chain and says where it is broken, and how.
//!
//! A chain alone cannot show that its end was cut off, that it was rewritten from some row on with every hash
//! computed anew, or that the whole file was put back to an older one. The signed heads inside it show the first two
//! to whoever lacks the signing key; against who has it, and against the third, only a head that is kept elsewhere
//! helps ([`Against`]).

mod heads;
mod index;
mod judge;
mod macs;
mod origin;
mod walk;

use std::fmt;
use std::path::PathBuf;

use rusqlite::Connection;
use wardlock_core::id::Digest;

use crate::authentic::RowKey;
use crate::chain::Link;
use crate::error::AuditError;
use crate::head::{KeptHead, PublicKey, SignedHead};
use crate::removed::Removed;
use crate::store;

pub use heads::{KeptFound, KeptState};
pub(crate) use walk::is_damage;

/// What is known from outside the log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Against {
    /// Heads that were kept elsewhere.
    pub heads: Vec<KeptHead>,
    /// The key under which every head must be signed.
    pub key: Option<PublicKey>,
}

/// The end of a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Place of the last row.
    pub sequence: u64,
    /// Hash of the last row.
    pub hash: Digest,
}

/// How a chain is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The rows are not as they were written.
    Edited,
    /// The rows are missing.
    Deleted,
    /// The rows were written at other places, beginning with this one.
    Reordered {
        /// The place at which the first of them was written.
        written_as: u64,
    },
    /// The rows were put in afterwards.
    Inserted,
    /// A head says that the rows were there, at the end: they were cut off, or an older file was put back.
    CutOff,
    /// The rows hang together, and are others than a head says: rewritten with every hash computed anew.
    Rewritten,
    /// The rows are whole, but their MACs are missing or false: somebody else wrote them.
    Foreign,
    /// The rows are signed by no head, and are more than ever stay unsigned: heads were taken away.
    Unsigned,
    /// A head is missing before the one of this row.
    HeadMissing,
    /// The head of this row is not as it was signed.
    HeadForged,
    /// The head of this row is signed under another key than the one that was named.
    HeadForeign,
    /// The signed stub of removed rows is not as it was signed, or does not follow on the one before.
    StubForged,
    /// The index of words does not say what the rows say: lists may leave them out, or show others.
    Misindexed,
    /// The rows are as they were, but the database around them is damaged: what is looked up in it may be wrong.
    Damaged,
    /// The file is damaged from here on, so nothing can be said of what follows.
    Unreadable,
}

/// A broken place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The first row that it is about.
    pub sequence: u64,
    /// The last row that it is about.
    pub last: u64,
    /// How it is broken.
    pub kind: FaultKind,
}

impl Fault {
    fn new(sequence: i64, last: i64, kind: FaultKind) -> Self {
        // A row below the first place is told as place 0.
        let place = |place: i64| u64::try_from(place).unwrap_or(0);
        Self { sequence: place(sequence), last: place(last), kind }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = self.sequence == self.last;
        if one {
            write!(f, "row {} ", self.sequence)?;
        } else {
            write!(f, "rows {} to {} ", self.sequence, self.last)?;
        }
        let (is, was) = if one { ("is", "was") } else { ("are", "were") };
        match self.kind {
            FaultKind::Edited => write!(f, "{is} not as written"),
            FaultKind::Deleted => write!(f, "{is} missing"),
            FaultKind::Reordered { written_as } => write!(f, "{was} written at another place: {written_as}"),
            FaultKind::Inserted => write!(f, "{was} put in afterwards"),
            FaultKind::CutOff => write!(f, "{is} missing at the end: cut off, or an older file was put back"),
            FaultKind::Rewritten => write!(f, "{was} written anew, with every hash computed anew"),
            FaultKind::Foreign => write!(f, "{is} not of this vault's making: no true MAC stands there"),
            FaultKind::Unsigned => write!(f, "{is} signed by no head: heads were taken away"),
            FaultKind::HeadMissing => write!(f, "{is} signed by a head before which another one is missing"),
            FaultKind::HeadForged => write!(f, "{is} signed by a head that is not as it was signed"),
            FaultKind::HeadForeign => write!(f, "{is} signed by a head of another key"),
            FaultKind::StubForged => {
                write!(f, "{is} said to be removed by a stub that is not as it was signed, or fits no other")
            }
            FaultKind::Misindexed => {
                write!(f, "{is} not in the index as they say: lists may leave them out, or show others")
            }
            FaultKind::Damaged => write!(f, "{is} whole, but the database around them is damaged"),
            FaultKind::Unreadable => write!(f, "and all that follows cannot be read"),
        }
    }
}

/// What a walk along the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many files were read.
    pub files: usize,
    /// The row before the first one that was read: 0, or the last of what was removed or was not given.
    pub begins_after: u64,
    /// What was removed because its time was over.
    pub removed: Vec<Removed>,
    /// How many rows were read.
    pub rows: u64,
    /// The end of the chain, as it stands in the file; `None`: there is no row.
    pub head: Option<Head>,
    /// Every broken place, in order.
    pub faults: Vec<Fault>,
    /// Whether there are more of them than are told.
    pub more_faults: bool,
    /// How many signed heads the log holds.
    pub heads: u64,
    /// The newest of them.
    pub last_head: Option<SignedHead>,
    /// How many rows stand after it; `None` where the log is of a version that signed no heads.
    pub unsigned: Option<u64>,
    /// How many rows stand before the first one that has a true MAC: of a version that made none, or of another vault. `None`: the key
    /// was not at hand, so no MAC was looked at.
    pub unauthenticated: Option<u64>,
    /// The keys under which heads are signed, in order; more than one: the vault was replaced in between.
    pub keys: Vec<PublicKey>,
    /// What became of each head that was kept elsewhere, in the order given.
    pub kept: Vec<KeptFound>,
    /// Requests under way: intents without an outcome. After a crash the next start closes them as `unknown`.
    pub open_intents: u64,
}

impl Verified {
    /// Returns whether the chain is whole.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Verifies copies of a log's files, wherever they stand and whatever version they are of; needs no key and changes
/// nothing. Where the first files are missing, the walk begins after them, and says so.
pub fn verify_copies(paths: &[PathBuf], against: &Against) -> Result<Verified, AuditError> {
    let mut files = Vec::new();
    for path in paths {
        let file = store::open_copy(path)?;
        let first: Option<i64> =
            file.query_row("SELECT min(sequence) FROM records", [], |row| row.get(0)).map_err(AuditError::read)?;
        files.push((first.unwrap_or(i64::MAX), file));
    }
    files.sort_by_key(|(first, _)| *first);
    let files: Vec<Connection> = files.into_iter().map(|(_, file)| file).collect();
    let begins_after = origin::before_copies(&files)?;
    walk_all(&files, begins_after, against, None)
}

/// Walks the whole log, as it stood when the walk began, and looks at every MAC.
pub(crate) fn verify(files: &[Connection], against: &Against, key: &RowKey) -> Result<Verified, AuditError> {
    walk_all(files, None, against, Some(key))
}

fn walk_all(
    files: &[Connection],
    begins_after: Option<Link>,
    against: &Against,
    key: Option<&RowKey>,
) -> Result<Verified, AuditError> {
    let mut faults = Vec::new();
    let removed = origin::removed(files, &mut faults)?;
    let begins_after = begins_after.unwrap_or_else(|| removed.last().map_or_else(Link::genesis, Removed::end));
    let origin = walk::Origin::from(begins_after);
    let mut walked = walk::walk(files, key)?;
    walk::find_far_moves(files, &origin, &mut walked)?;
    faults.extend(judge::judge(&walked.pieces, &origin));
    if let Some(after) = walked.unreadable_after {
        faults.push(Fault::new(after + 1, after + 1, FaultKind::Unreadable));
    }
    let heads = heads::check(files, &origin, walked.end(&origin), against, &mut faults)?;
    walked.macs.conclude(&mut faults);
    if faults.is_empty() {
        for file in files {
            index::check(file, &mut faults)?;
            check_database(file, &mut faults)?;
        }
    }
    Ok(Verified {
        files: files.len(),
        begins_after: begins_after.sequence,
        removed,
        rows: walked.rows,
        head: walked.head,
        faults,
        more_faults: walked.more,
        heads: heads.count,
        last_head: heads.last,
        unsigned: heads.unsigned,
        unauthenticated: walked.macs.before(),
        keys: heads.keys,
        kept: heads.kept,
        open_intents: files.last().map_or(0, open_intents),
    })
}

/// Compares the schema with ours, and has `SQLite` compare its own indexes with the tables: rows are looked up by time and by request
/// in them.
fn check_database(file: &Connection, faults: &mut Vec<Fault>) -> Result<(), AuditError> {
    let check = || file.query_row("PRAGMA integrity_check(1)", [], |row| row.get::<_, String>(0));
    let is_whole = match store::has_own_schema(file).and_then(|is_own| Ok(is_own && check()? == "ok")) {
        Ok(is_whole) => is_whole,
        Err(error) if walk::is_damage(&error) => false,
        Err(error) => return Err(AuditError::read(error)),
    };
    if !is_whole {
        let ends = file.query_row("SELECT min(sequence), max(sequence) FROM records NOT INDEXED", [], |row| {
            Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?))
        });
        let (first, last) = ends.unwrap_or_default();
        faults.push(Fault::new(first.unwrap_or(0), last.unwrap_or(0), FaultKind::Damaged));
    }
    Ok(())
}

fn open_intents(file: &Connection) -> u64 {
    let count = |table: &str| {
        file.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get::<_, i64>(0)).unwrap_or(0)
    };
    u64::try_from(count("open_intents") + count("carried")).unwrap_or(0)
}
