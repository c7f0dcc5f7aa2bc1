//! Compares rows with their MACs, where the key is at hand.

use super::{Fault, FaultKind};
use crate::authentic::RowKey;

/// Ranges beyond this are not kept: a log with so many foreign rows is foreign.
const RANGES: usize = 4096;

/// What the MACs of the rows say that were read so far.
pub(super) struct Macs<'a> {
    key: Option<&'a RowKey>,
    /// Whether a row with a true MAC came: from there on every row has one.
    is_begun: bool,
    /// How many rows stand before it.
    before: u64,
    /// The rows after it that have none.
    foreign: Vec<(i64, i64)>,
}

impl<'a> Macs<'a> {
    pub(super) fn new(key: Option<&'a RowKey>) -> Self {
        Self { key, is_begun: false, before: 0, foreign: Vec::new() }
    }

    /// Takes the next row.
    pub(super) fn take(&mut self, place: i64, hash: &[u8], mac: &[u8]) {
        let Some(key) = self.key else { return };
        if key.holds(hash, mac) {
            self.is_begun = true;
        } else if !self.is_begun {
            self.before += 1;
        } else if let Some(last) = self.foreign.last_mut().filter(|last| last.1 + 1 == place) {
            last.1 = place;
        } else if self.foreign.len() < RANGES {
            self.foreign.push((place, place));
        }
    }

    /// Returns how many rows stand before the first one with a true MAC; `None`: without the key nobody knows.
    pub(super) fn before(&self) -> Option<u64> {
        self.key.map(|_| self.before)
    }

    /// Adds the rows that are foreign, unless more was found out about them.
    pub(super) fn conclude(&self, faults: &mut Vec<Fault>) {
        let found = self.foreign.iter().map(|(first, last)| Fault::new(*first, *last, FaultKind::Foreign));
        let told = |foreign: &Fault| {
            faults.iter().any(|fault| fault.sequence <= foreign.sequence && fault.last >= foreign.last)
        };
        let new: Vec<Fault> = found.filter(|fault| !told(fault)).collect();
        faults.extend(new);
        faults.sort_by_key(|fault| (fault.sequence, fault.last));
    }
}
