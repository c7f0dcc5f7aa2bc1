//! Where a walk begins: at the first row that ever was, after what was removed, or after files that are not here.

use rusqlite::Connection;

use super::{Fault, FaultKind};
use crate::chain::Link;
use crate::error::AuditError;
use crate::heads;
use crate::log::integer;
use crate::removed::{self, Removed};
use crate::store::has_heads;

/// Returns what was removed, as far as the stubs hold and follow on each other from the first row on.
pub(super) fn removed(files: &[Connection], faults: &mut Vec<Fault>) -> Result<Vec<Removed>, AuditError> {
    let Some(last) = files.last() else {
        return Ok(Vec::new());
    };
    if !has_heads(last).map_err(AuditError::read)? {
        return Ok(Vec::new());
    }
    let mut held: Vec<Removed> = Vec::new();
    for stub in removed::all(last).map_err(AuditError::read)? {
        let end = held.last().map_or_else(Link::genesis, Removed::end);
        let follows = stub.first == end.sequence + 1 && stub.prev == end.hash && stub.last >= stub.first;
        if !stub.is_signed() || !follows {
            faults.push(Fault::new(integer(stub.first), integer(stub.last), FaultKind::StubForged));
            break;
        }
        held.push(stub);
    }
    Ok(held)
}

/// Returns the end of the files before some copies, as the first copy's own first head says; `None` where they begin
/// with the first row, or after what was removed.
pub(super) fn before_copies(files: &[Connection]) -> Result<Option<Link>, AuditError> {
    let Some(file) = files.first() else {
        return Ok(None);
    };
    if !has_heads(file).map_err(AuditError::read)? {
        return Ok(None);
    }
    let first: Option<i64> =
        file.query_row("SELECT min(sequence) FROM records", [], |row| row.get(0)).map_err(AuditError::read)?;
    let covered = removed(files, &mut Vec::new())?.last().map_or(0, |stub| stub.last);
    let before = heads::all(file).map_err(AuditError::read)?.into_iter().next().and_then(|stored| stored.head);
    let begins_there =
        |sequence: u64| first.is_none_or(|first| first == integer(sequence) + 1) && sequence > covered;
    Ok(before
        .filter(|head| head.is_signed() && head.number > 1 && begins_there(head.sequence))
        .map(|head| Link { sequence: head.sequence, hash: head.hash }))
}
