//! Compares signed heads with the rows: those inside the log, and those that were kept elsewhere.

use rusqlite::Connection;

use super::walk::Origin;
use super::{Against, Fault, FaultKind};
use crate::error::AuditError;
use crate::head::{KeptHead, PublicKey, SignedHead};
use crate::heads::{Stored, all};
use crate::limits::HEAD_ROWS;
use crate::log::integer;
use crate::store::{has_heads, row_hash};

/// What became of a head that was kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFound {
    /// The head.
    pub head: KeptHead,
    /// How it compares.
    pub state: KeptState,
}

/// How a kept head compares with the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptState {
    /// Its row is there and is the same: nothing up to it was changed, and its signature holds.
    Holds,
    /// Its row is there and is the same, but it is signed under a key that neither the log holds nor was named.
    HoldsUnderUnknownKey,
    /// The log is shorter than it.
    CutOff,
    /// The log says otherwise.
    Contradicted,
    /// Its row was removed when its time was over, and so were others.
    Removed,
    /// The line itself is not as it was signed, so it says nothing.
    NotSigned,
}

/// What the heads say.
pub(super) struct Heads {
    pub(super) count: u64,
    pub(super) last: Option<SignedHead>,
    pub(super) unsigned: Option<u64>,
    pub(super) keys: Vec<PublicKey>,
    pub(super) kept: Vec<KeptFound>,
}

/// Compares every head, and adds what is wrong to the faults that the rows themselves show.
pub(super) fn check(
    files: &[Connection],
    origin: &Origin,
    end: i64,
    against: &Against,
    faults: &mut Vec<Fault>,
) -> Result<Heads, AuditError> {
    let (signs_heads, stored) = stored(files).map_err(AuditError::read)?;
    let mut judge =
        Judge { files, origin, end, cut: 0, held: Vec::new(), contradicted: Vec::new(), faults: Vec::new() };
    let mut keys = Vec::new();
    // Heads of files that were removed, or are not here, are not missed.
    let mut next = if origin.place > 0 { stored.first().map_or(1, |stored| stored.number) } else { 1 };
    for stored in &stored {
        if stored.number != next {
            judge.fault(stored.sequence, stored.sequence, FaultKind::HeadMissing);
        }
        next = stored.number.saturating_add(1);
        judge.stored(stored, against, &mut keys)?;
    }
    let inside = judge.rewritten();
    let kept = against.heads.iter().map(|head| judge.kept(head, against, &keys)).collect::<Result<_, _>>()?;
    let last = stored.last().and_then(|stored| stored.head);
    let signed = last.map_or(0, |head| head.sequence).max(u64::try_from(origin.place).unwrap_or(0));
    let unsigned = signs_heads.then(|| u64::try_from(end).unwrap_or(0).saturating_sub(signed));
    if unsigned.is_some_and(|rows| rows > 2 * HEAD_ROWS) {
        judge.fault(integer(signed) + 1, end, FaultKind::Unsigned);
    }
    let outside = judge.rewritten();
    judge.conclude(inside.into_iter().chain(outside).min(), faults);
    Ok(Heads { count: stored.len() as u64, last, unsigned, keys, kept })
}

/// Returns every head of every file once: a file begins with a copy of the last one of the file before.
fn stored(files: &[Connection]) -> rusqlite::Result<(bool, Vec<Stored>)> {
    let (mut signs_heads, mut heads) = (false, Vec::<Stored>::new());
    for file in files {
        if !has_heads(file)? {
            continue;
        }
        signs_heads = true;
        for stored in all(file)? {
            let is_copy = |last: &Stored| last.number == stored.number && last.head == stored.head;
            if !heads.last().is_some_and(is_copy) {
                heads.push(stored);
            }
        }
    }
    Ok((signs_heads, heads))
}

struct Judge<'a> {
    files: &'a [Connection],
    origin: &'a Origin,
    /// The last place at which a row was written.
    end: i64,
    /// The last row that some head says was there.
    cut: i64,
    /// The rows that are as the heads of this source say.
    held: Vec<i64>,
    /// The rows that are others than they say.
    contradicted: Vec<i64>,
    faults: Vec<Fault>,
}

impl Judge<'_> {
    fn fault(&mut self, first: i64, last: i64, kind: FaultKind) {
        self.faults.push(Fault::new(first, last, kind));
    }

    fn stored(&mut self, stored: &Stored, against: &Against, keys: &mut Vec<PublicKey>) -> Result<(), AuditError> {
        let place = stored.sequence;
        let Some(head) = stored.head.filter(SignedHead::is_signed) else {
            self.fault(place, place, FaultKind::HeadForged);
            return Ok(());
        };
        if against.key.is_some_and(|key| key != head.key) {
            self.fault(place, place, FaultKind::HeadForeign);
        }
        if !keys.contains(&head.key) {
            keys.push(head.key);
        }
        self.row(place, head.hash.as_bytes()).map(drop)
    }

    fn kept(&mut self, head: &KeptHead, against: &Against, keys: &[PublicKey]) -> Result<KeptFound, AuditError> {
        let mut known = keys.iter().chain(&against.key);
        let key = known.find(|key| key.id() == head.key_id);
        let found = |state| Ok(KeptFound { head: head.clone(), state });
        if key.is_some_and(|key| !head.is_signed_by(key)) {
            return found(KeptState::NotSigned);
        }
        let state = match self.row(integer(head.sequence), head.hash.as_bytes())? {
            KeptState::Holds if key.is_none() => KeptState::HoldsUnderUnknownKey,
            state => state,
        };
        found(state)
    }

    /// Compares what a head says of a row.
    fn row(&mut self, place: i64, hash: &[u8; 32]) -> Result<KeptState, AuditError> {
        if place > self.end {
            self.cut = self.cut.max(place);
            return Ok(KeptState::CutOff);
        }
        if place < self.origin.place {
            return Ok(KeptState::Removed);
        }
        let found = self.hash_of(place)?;
        if found.as_deref() == Some(hash) {
            self.held.push(place);
            return Ok(KeptState::Holds);
        }
        // A row that is not where it was written is told of by the walk.
        if found.is_some() {
            self.contradicted.push(place);
        }
        Ok(KeptState::Contradicted)
    }

    fn hash_of(&self, place: i64) -> Result<Option<Vec<u8>>, AuditError> {
        if place == self.origin.place {
            return Ok(Some(self.origin.hash.to_vec()));
        }
        for file in self.files {
            let found = row_hash(file, place).map_err(AuditError::read)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Returns the rows that are others than the heads say, and begins with another source: who could rewrite rows
    /// under the heads inside the log says nothing about the ones outside.
    fn rewritten(&mut self) -> Option<(i64, i64)> {
        let (held, contradicted) = (std::mem::take(&mut self.held), std::mem::take(&mut self.contradicted));
        let first_bad = contradicted.into_iter().min()?;
        let last_good = held.into_iter().filter(|place| *place < first_bad).max().unwrap_or(0);
        Some((last_good + 1, first_bad))
    }

    fn conclude(mut self, rewritten: Option<(i64, i64)>, faults: &mut Vec<Fault>) {
        if self.cut > self.end {
            self.fault(self.end + 1, self.cut, FaultKind::CutOff);
        }
        if let Some((first, last)) = rewritten {
            let told = faults.iter().any(|fault| integer(fault.sequence) <= last);
            if !told {
                self.fault(first, last, FaultKind::Rewritten);
            }
        }
        faults.append(&mut self.faults);
        faults.sort_by_key(|fault| (fault.sequence, fault.last));
    }
}
