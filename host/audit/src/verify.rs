//! Walks the chain and says where it is broken, and how.
//!
//! A chain alone cannot show that its end was cut off, that it was rewritten from some row on with every hash
//! computed anew, or that the whole file was put back to an older one: for that a head must be kept elsewhere.
//! [`Verified::head`] is what signed heads, which come with a later issue, will be compared with.

mod judge;
mod walk;

use std::fmt;

use rusqlite::Connection;
use wardlock_core::id::Digest;

use crate::error::AuditError;

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
            FaultKind::Unreadable => write!(f, "and all that follows cannot be read"),
        }
    }
}

/// What a walk along the chain found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// How many rows were read.
    pub rows: u64,
    /// The end of the chain, as it stands in the file; `None`: there is no row.
    pub head: Option<Head>,
    /// Every broken place, in order.
    pub faults: Vec<Fault>,
    /// Whether there are more of them than are told.
    pub more_faults: bool,
    /// Requests under way: intents without an outcome. After a crash the next start closes them as `unknown`.
    pub open_intents: u64,
}

impl Verified {
    /// Returns whether the chain is whole.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }
}

/// Walks the whole log, as it stood when the walk began.
pub(crate) fn verify(connection: &Connection) -> Result<Verified, AuditError> {
    let mut walked = walk::walk(connection)?;
    walk::find_far_moves(connection, &mut walked)?;
    let mut faults = judge::judge(&walked.pieces);
    if let Some(after) = walked.unreadable_after {
        faults.push(Fault::new(after + 1, after + 1, FaultKind::Unreadable));
    }
    let open = connection.query_row("SELECT count(*) FROM open_intents", [], |row| row.get::<_, i64>(0));
    Ok(Verified {
        rows: walked.rows,
        head: walked.head,
        faults,
        more_faults: walked.more,
        open_intents: open.ok().and_then(|count| u64::try_from(count).ok()).unwrap_or(0),
    })
}
