//! Going on in another file, and removing files whose time is over. The chain stays provable across both.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::act::Act;
use crate::entry::{Durability, Entry};
use crate::error::AuditError;
use crate::files::{self, LogFile};
use crate::head::Signer;
use crate::heads;
use crate::log::{Log, unwritten};
use crate::removed::{self, Removed};
use crate::store;

/// When a log goes on in another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotateAfter {
    /// Once its file is so large, bytes.
    Bytes(u64),
    /// Once the first row of its file is so old.
    Time(Duration),
}

/// When a log goes on in another file, and how long files are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// When it goes on in another; `None`: never.
    pub after: Option<RotateAfter>,
    /// How old the newest row of a file may become before the file is removed; `None`: files stay. It is looked at
    /// when the log goes on in another file.
    pub keep: Option<Duration>,
}

impl Log {
    /// Goes on in another file if it is time to, which begins with the standing row, and removes those whose time is over. The end must
    /// be signed.
    pub(crate) fn maintain(
        &mut self,
        rotation: Rotation,
        signer: &Signer,
        standing: Option<&Entry>,
        now_ms: &dyn Fn() -> u64,
    ) -> Result<(), AuditError> {
        let Some(after) = rotation.after else {
            return Ok(());
        };
        if self.owes_standing && self.is_mirrored() {
            self.stand(standing, now_ms)?;
        }
        if self.unsigned() > 0 || !self.is_mirrored() || !self.is_due(after, now_ms()).map_err(unwritten)? {
            return Ok(());
        }
        self.rotate()?;
        self.owes_standing = true;
        self.stand(standing, now_ms)?;
        if let Some(keep) = rotation.keep {
            self.remove_older(now_ms().saturating_sub(millis(keep)), signer, now_ms)?;
        }
        Ok(())
    }

    /// Writes the standing row into the file that has just begun. What fails is owed, and written before anything is removed.
    fn stand(&mut self, standing: Option<&Entry>, now_ms: &dyn Fn() -> u64) -> Result<(), AuditError> {
        if let Some(standing) = standing {
            self.commit(std::iter::once(standing), now_ms).map_err(unwritten)?;
        }
        self.owes_standing = false;
        Ok(())
    }

    fn is_due(&self, after: RotateAfter, now_ms: u64) -> rusqlite::Result<bool> {
        let first: Option<i64> =
            self.connection.query_row("SELECT min(sequence) FROM records", [], |row| row.get(0))?;
        let Some(first) = first else {
            return Ok(false);
        };
        match after {
            RotateAfter::Bytes(bytes) => {
                let number = |pragma| self.connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
                let size = number("page_count")?.saturating_mul(number("page_size")?);
                Ok(u64::try_from(size).is_ok_and(|size| size >= bytes))
            }
            RotateAfter::Time(time) => {
                let sql = "SELECT at_ms FROM records WHERE sequence = ?1";
                let at_ms: i64 = self.connection.query_row(sql, [first], |row| row.get(0))?;
                Ok(now_ms.saturating_sub(u64::try_from(at_ms).unwrap_or(0)) >= millis(time))
            }
        }
    }

    fn rotate(&mut self) -> Result<(), AuditError> {
        self.wal.stop_moving();
        self.prepare().map_err(unwritten)?;
        while self.has_unindexed() {
            self.index().map_err(unwritten)?;
        }
        // What stands in the next file stands behind all of this one.
        self.wal.sync().map_err(unwritten)?;
        let next = files::file(&self.first_file, self.file.number + 1);
        if next.path.exists() {
            // One that was made and not gone on in has no rows.
            if end(&next.path)?.0.is_some() {
                return Err(AuditError::NotAudit { path: next.path });
            }
            files::remove(&next).map_err(|error| AuditError::Folder { path: next.path.clone(), error })?;
        }
        let begun = store::open_for_writing(&next.path, self.limits).and_then(|(wal, mut connection)| {
            begin_after(&mut connection, &self.connection).map_err(unwritten)?;
            Ok((wal, connection))
        });
        let (wal, connection) = match begun {
            Ok(begun) => begun,
            Err(error) => {
                // Rows go on in this one. What stays of it is removed before the next attempt or at the next start.
                let _ = files::remove(&next);
                return Err(error);
            }
        };
        self.wal.leave(&self.connection);
        (self.file, self.connection) = (next, connection);
        self.wal.go_on(wal);
        self.begin_file();
        Ok(())
    }

    /// Removes every older file whose newest row is older than a time: first its stub is on the disk, then it goes.
    fn remove_older(
        &mut self,
        before_ms: u64,
        signer: &Signer,
        now_ms: &dyn Fn() -> u64,
    ) -> Result<(), AuditError> {
        let folder = |error| AuditError::Folder { path: self.first_file.clone(), error };
        let older = files::all(&self.first_file).map_err(folder)?;
        let mut stubs: Vec<(LogFile, Option<Removed>)> = Vec::new();
        for file in older.into_iter().filter(|file| file.number < self.file.number) {
            let connection = store::open_for_reading(&file.path)?;
            let stub = Removed::of(&connection, signer, now_ms()).map_err(AuditError::read)?;
            if stub.is_some_and(|stub| stub.last_ms >= before_ms) {
                break;
            }
            stubs.push((file, stub));
        }
        for (file, stub) in stubs {
            self.set_durability(Some(Durability::Power)).map_err(unwritten)?;
            if let Some(stub) = stub {
                self.prepare().map_err(unwritten)?;
                self.wal.written(stub.insert(&self.connection)).map_err(unwritten)?;
                let rows = format!("rows {} to {}", stub.first, stub.last);
                let act = Act::admin("wardlock", "audit.remove", rows, "ok").into_entry();
                self.commit(std::iter::once(&act), now_ms).map_err(unwritten)?;
            }
            files::remove(&file).map_err(|error| AuditError::Folder { path: self.first_file.clone(), error })?;
        }
        Ok(())
    }
}

/// Returns whether a log did not go on in its last file, although that was made: rows stand in the file before that it was not begun
/// after.
pub(crate) fn was_given_up(before: &Path, last: &Path) -> Result<bool, AuditError> {
    let (None, own) = end(last)? else {
        // The file before is not looked at: one that is damaged keeps no log from going on.
        return Ok(false);
    };
    let (row, newest) = end(before)?;
    // Where it has a head, it must be that of the last row before; where it has none, it gets the newest one of the file before.
    let begins_after = own.or(newest).unwrap_or(0);
    Ok(row.is_some_and(|row| row > begins_after))
}

/// Returns the last row of a file, and that of its newest head. A file that is not a log is an error.
fn end(path: &Path) -> Result<(Option<i64>, Option<i64>), AuditError> {
    let file = store::open_for_reading(path)?;
    match store::format_of(path, &file)? {
        None => Ok((None, None)),
        Some(format) => {
            let row = file.query_row("SELECT max(sequence) FROM records", [], |row| row.get(0));
            let head = if format >= 2 { heads::last(&file).map_err(AuditError::read)? } else { None };
            Ok((row.map_err(AuditError::read)?, head.map(|head| head.sequence)))
        }
    }
}

/// Lets an empty file begin where another one ends: with a copy of its newest head, of the stubs that it keeps, and of
/// the intents that have no outcome yet. A file that has begun stays as it is.
pub(crate) fn begin_after(connection: &mut Connection, before: &Connection) -> rusqlite::Result<()> {
    let begun: i64 = connection.query_row(
        "SELECT (SELECT count(*) FROM records) + (SELECT count(*) FROM heads)",
        [],
        |row| row.get(0),
    )?;
    if begun > 0 {
        return Ok(());
    }
    store::set_power_safe(connection, true)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if let Some(head) = heads::last(before)?.and_then(|stored| stored.head) {
        heads::insert(&transaction, &head)?;
        transaction.execute("UPDATE indexed SET sequence = ?1", [crate::log::integer(head.sequence)])?;
    }
    for stub in removed::all(before)? {
        stub.insert(&transaction)?;
    }
    let mut open = before.prepare(
        "SELECT sequence, request_id, workspace, connection, agent, operation, effect FROM carried \
         UNION ALL \
         SELECT sequence, request_id, workspace, connection, agent, operation, effect \
         FROM open_intents JOIN records USING (sequence)",
    )?;
    let mut rows = open.query([])?;
    let sql = "INSERT INTO carried (sequence, request_id, workspace, connection, agent, operation, effect) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    while let Some(row) = rows.next()? {
        let values = (0..7).map(|at| row.get::<_, rusqlite::types::Value>(at)).collect::<Result<Vec<_>, _>>()?;
        transaction.execute(sql, rusqlite::params_from_iter(values))?;
    }
    transaction.commit()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
