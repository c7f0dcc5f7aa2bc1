//! Concludes from the pieces of a broken chain what was done to it.
//!
//! Every whole row proves, by its hash, at which place it was written. So: a place at which nothing was written is
//! a deletion; one at which two rows were, an insertion; a whole row that stands elsewhere, a reordering; a row
//! that proves nothing was edited, if the place where it stands lacks a row, and inserted otherwise; and where two
//! whole neighbours are not linked, the first was rewritten together with its hash.

use super::walk::{Origin, Piece, Run};
use super::{Fault, FaultKind};

pub(super) fn judge(pieces: &[Piece], origin: &Origin) -> Vec<Fault> {
    let mut runs: Vec<&Run> = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Run(run) => Some(run),
            Piece::Odd { .. } => None,
        })
        .collect();
    runs.sort_by_key(|run| (run.written, run.place));
    let (edited, mut inserted) = odd_rows(pieces, &runs, origin);
    inserted.extend(doubled(&runs));
    let missing = missing(&runs, &edited, origin);
    let mut faults = unlinked(&runs, &edited, &inserted, origin);
    faults.extend(edited.iter().map(|(place, _)| Fault::new(*place, *place, FaultKind::Edited)));
    faults.extend(inserted.iter().map(|(first, last)| Fault::new(*first, *last, FaultKind::Inserted)));
    faults.extend(missing.iter().map(|(first, last)| Fault::new(*first, *last, FaultKind::Deleted)));
    faults.extend(moved(pieces, &missing, &inserted, origin));
    if faults.is_empty() {
        faults.extend(renumbered(&runs));
    }
    faults.sort_by_key(|fault| (fault.sequence, fault.last));
    faults
}

type Range = (i64, i64);

/// Splits rows that prove nothing into edited ones, with the place that each took, and inserted ones.
fn odd_rows(pieces: &[Piece], runs: &[&Run], origin: &Origin) -> (Vec<(i64, i64)>, Vec<Range>) {
    let covered = |number: i64| runs.iter().any(|run| (run.written..=run.last_written()).contains(&number));
    let (mut edited, mut inserted) = (Vec::new(), Vec::new());
    let mut before = origin.place;
    for piece in pieces {
        match piece {
            Piece::Run(run) => before = run.last_written(),
            Piece::Odd { place } if *place <= origin.place || covered(before + 1) => {
                inserted.push((*place, *place));
            }
            Piece::Odd { place } => {
                before += 1;
                edited.push((*place, before));
            }
        }
    }
    (edited, inserted)
}

/// Finds whole rows that claim a place which another row claims, too.
fn doubled(runs: &[&Run]) -> Vec<Range> {
    let mut inserted = Vec::new();
    let mut furthest: Option<&Run> = None;
    for run in runs {
        if let Some(other) = furthest.filter(|other| run.written <= other.last_written()) {
            if run.last_written() > other.last_written() {
                // The genuine one is followed by a row that is linked to it; the other is where its run ends.
                let overlap = other.last_written() - run.written;
                inserted.push((other.last_place() - overlap, other.last_place()));
            } else {
                inserted.push((run.place, run.last_place()));
            }
        }
        if furthest.is_none_or(|other| run.last_written() > other.last_written()) {
            furthest = Some(run);
        }
    }
    inserted
}

/// Finds places at which nothing was written.
fn missing(runs: &[&Run], edited: &[(i64, i64)], origin: &Origin) -> Vec<Range> {
    let mut covered: Vec<Range> = runs.iter().map(|run| (run.written, run.last_written())).collect();
    covered.extend(edited.iter().map(|(_, written)| (*written, *written)));
    covered.sort_unstable();
    let mut missing = Vec::new();
    let mut next = origin.place + 1;
    for (first, last) in covered {
        if first > next {
            missing.push((next, first - 1));
        }
        next = next.max(last + 1);
    }
    missing
}

/// Finds whole rows to which the next whole row is not linked.
fn unlinked(runs: &[&Run], edited: &[(i64, i64)], inserted: &[Range], origin: &Origin) -> Vec<Fault> {
    let mut faults = Vec::new();
    let is_odd = |run: &&&Run| run.written == origin.place + 1 && run.first_prev != origin.hash;
    if let Some(first) = runs.first().filter(is_odd) {
        faults.push(Fault::new(first.place, first.place, FaultKind::Edited));
    }
    for pair in runs.windows(2) {
        let (run, next) = (pair[0], pair[1]);
        let told = |place: i64| {
            let within = |range: &Range| (range.0..=range.1).contains(&place);
            inserted.iter().any(within) || edited.iter().any(|(edited, _)| *edited == place)
        };
        let neighbours = next.written == run.last_written() + 1;
        if neighbours && next.first_prev != run.last_hash && !told(run.last_place()) && !told(next.place) {
            faults.push(Fault::new(run.last_place(), run.last_place(), FaultKind::Edited));
        }
    }
    faults
}

/// Finds whole rows that stand elsewhere than deletions and insertions before them explain.
fn moved(pieces: &[Piece], missing: &[Range], inserted: &[Range], origin: &Origin) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut rank = origin.place + 1;
    for piece in pieces {
        let Piece::Run(run) = piece else {
            rank += 1;
            continue;
        };
        let gone: i64 =
            missing.iter().filter(|range| range.0 < run.written).map(|range| range.1 - range.0 + 1).sum();
        let added: i64 =
            inserted.iter().filter(|range| range.0 < run.place).map(|range| range.1 - range.0 + 1).sum();
        let is_added = inserted.iter().any(|range| (range.0..=range.1).contains(&run.place));
        if rank != run.written - gone + added && !is_added {
            let kind = FaultKind::Reordered { written_as: u64::try_from(run.written).unwrap_or(0) };
            faults.push(Fault::new(run.place, run.last_place(), kind));
        }
        rank += run.length;
    }
    faults
}

/// Finds rows that are whole and in order, but were given other numbers.
fn renumbered(runs: &[&Run]) -> Vec<Fault> {
    let kind = |run: &Run| FaultKind::Reordered { written_as: u64::try_from(run.written).unwrap_or(0) };
    let elsewhere = runs.iter().filter(|run| run.place != run.written);
    elsewhere.map(|run| Fault::new(run.place, run.last_place(), kind(run))).collect()
}
