//! The end of the log: appends rows to the chain, commits them, and signs what stands there.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use rustix::io::Errno;
use wardlock_core::id::Digest;
use wardlock_core::plugin::Effect;

use crate::authentic::RowKey;
use crate::chain::{HASHED_COUNT, Link, hash_row};
use crate::entry::{Durability, Entry, Kind, Subject};
use crate::error::AuditError;
use crate::failpoint;
use crate::files::{self, LogFile};
use crate::head::{PublicKey, SignedHead, Signer};
use crate::heads;
use crate::index::{self, CHUNK, Unindexed, chunk_of};
use crate::limits::Limits;
use crate::mirror::{Mirror, MirrorFound};
use crate::rotate;
use crate::store;
use crate::tail::{self, ForeignRows};
use crate::wal::Wal;

/// The columns of [`HASHED_COLUMNS`](crate::chain::HASHED_COLUMNS), between the row's place and its links.
const INSERT: &str = "INSERT INTO records (sequence, kind, at_ms, request_id, workspace, connection, agent, \
                      operation, effect, decision, outcome, closes, detail, prev, hash, mac) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";

/// The log, open for writing: its last file, and the end of its chain.
pub(crate) struct Log {
    pub(crate) first_file: PathBuf,
    pub(crate) file: LogFile,
    /// It stands before `wal`, and so is closed before what that keeps.
    pub(crate) connection: Connection,
    pub(crate) head: Link,
    rows: RowKey,
    /// The newest signed head.
    pub(crate) signed: Option<SignedHead>,
    /// Its number, also where it has not the shape of one; 0 where there is none.
    signed_number: u64,
    /// Whether the newest file still lacks the standing row that it begins with.
    pub(crate) owes_standing: bool,
    /// The last row that is indexed.
    indexed: u64,
    unindexed: Unindexed,
    pub(crate) mirror: Option<Mirror>,
    pub(crate) wal: Wal,
    power_safe: bool,
    pub(crate) limits: Limits,
}

/// What the newest head in the file says about it.
pub(crate) struct FoundHead {
    /// The key under which it was signed.
    pub(crate) key: Option<PublicKey>,
    /// Whether the row that it signed is there and is the same.
    pub(crate) holds: bool,
}

/// What opening found.
pub(crate) struct Found {
    pub(crate) head: Option<FoundHead>,
    pub(crate) foreign: Option<ForeignRows>,
    pub(crate) mirror: Option<MirrorFound>,
}

impl Log {
    /// Opens the last file of a log, creating and migrating it as needed, and its mirror.
    pub(crate) fn open(
        first: &Path,
        mirror: Option<&Path>,
        signer: &Signer,
        limits: Limits,
    ) -> Result<(Self, Found), AuditError> {
        let folder = |error| AuditError::Folder { path: first.to_owned(), error };
        // The first file says whether there is a folder at all, by its own error.
        let mut files = files::all(first).or_else(|error| match error {
            Errno::NOENT | Errno::NOTDIR => Ok(Vec::new()),
            other => Err(folder(other)),
        })?;
        if let [.., before, last] = files.as_slice()
            && rotate::was_given_up(&before.path, &last.path)?
        {
            files::remove(last).map_err(folder)?;
            files.pop();
        }
        let file = files.pop().unwrap_or_else(|| files::file(first, 1));
        let (wal, mut connection) = store::open_for_writing(&file.path, limits)?;
        if let Some(before) = files.last() {
            rotate::begin_after(&mut connection, &store::open_for_reading(&before.path)?)
                .map_err(AuditError::open)?;
        }
        let stored = heads::last(&connection).map_err(AuditError::open)?;
        let head = last_link(&connection).map_err(AuditError::open)?;
        let foreign = tail::foreign(&connection, signer).map_err(AuditError::open)?;
        let found = stored.as_ref().map(|stored| found_head(&connection, stored)).transpose()?;
        let mut log = Self {
            first_file: first.to_owned(),
            file,
            head,
            rows: signer.rows().clone(),
            owes_standing: false,
            signed_number: stored.as_ref().and_then(|stored| u64::try_from(stored.number).ok()).unwrap_or(0),
            signed: stored.and_then(|stored| stored.head),
            indexed: index::indexed(&connection).map_err(AuditError::open)?,
            unindexed: Unindexed::after(head.sequence),
            connection,
            mirror: None,
            wal,
            power_safe: true,
            limits,
        };
        let mirror = mirror.map(|path| log.open_mirror(path, &files)).transpose()?;
        Ok((log, Found { head: found, foreign, mirror }))
    }

    fn open_mirror(&mut self, path: &Path, older: &[LogFile]) -> Result<MirrorFound, AuditError> {
        let older: Vec<Connection> =
            older.iter().map(|file| store::open_for_reading(&file.path)).collect::<Result<_, _>>()?;
        let files: Vec<&Connection> = older.iter().chain([&self.connection]).collect();
        let (mut mirror, found) = Mirror::open(path, &files, self.head.sequence, self.limits.mirror_bytes)?;
        for file in files {
            mirror.catch_up(file, self.head.sequence, true)?;
        }
        self.mirror = Some(mirror);
        Ok(found)
    }

    /// Mirrors what is committed and not mirrored yet.
    pub(crate) fn catch_up(&mut self, durability: Durability) -> Result<(), AuditError> {
        let Some(mirror) = &mut self.mirror else {
            return Ok(());
        };
        mirror.catch_up(&self.connection, self.head.sequence, durability == Durability::Power)
    }

    /// Returns whether everything that is committed is mirrored.
    pub(crate) fn is_mirrored(&self) -> bool {
        self.mirror.as_ref().is_none_or(|mirror| mirror.sequence >= self.head.sequence)
    }

    /// Returns how many rows stand after the last signed head.
    pub(crate) fn unsigned(&self) -> u64 {
        self.head.sequence.saturating_sub(self.signed.map_or(0, |head| head.sequence))
    }

    /// Writes rows in one commit and returns the first one's sequence.
    pub(crate) fn commit<'a>(
        &mut self,
        entries: impl Iterator<Item = &'a Entry> + Clone,
        now_ms: impl Fn() -> u64,
    ) -> rusqlite::Result<u64> {
        self.prepare()?;
        self.set_durability(entries.clone().map(|entry| entry.durability).max())?;
        let appended = append_all(&mut self.connection, self.head, &self.rows, entries.clone(), now_ms);
        let head = self.wal.written(appended)?;
        let first = self.head.sequence + 1;
        self.head = head;
        for (sequence, entry) in (first..).zip(entries) {
            self.unindexed.note(sequence, &entry.words, entry.outcome, entry.closes);
        }
        Ok(first)
    }

    /// Signs the end of the chain, and keeps the head in the log.
    pub(crate) fn sign(
        &mut self,
        signer: &Signer,
        at_ms: u64,
        durability: Durability,
    ) -> rusqlite::Result<SignedHead> {
        self.prepare()?;
        self.set_durability(Some(durability))?;
        let head = signer.head(self.signed_number + 1, self.head, at_ms);
        self.wal.written(heads::insert(&self.connection, &head))?;
        (self.signed_number, self.signed) = (head.number, Some(head));
        if let Some(mirror) = &mut self.mirror {
            // Rows are what a mirror must not lack; the next head comes soon.
            let _ = mirror.head(&head, durability == Durability::Power);
        }
        Ok(head)
    }

    /// Returns whether a chunk of rows is full and not indexed.
    pub(crate) fn has_full_chunk(&self) -> bool {
        chunk_of(self.head.sequence + 1) > chunk_of(self.indexed + 1)
    }

    /// Returns whether any row is not indexed.
    pub(crate) fn has_unindexed(&self) -> bool {
        self.head.sequence > self.indexed
    }

    /// Makes sure that what is written next stands behind nothing that a sync which failed may have lost.
    pub(crate) fn prepare(&mut self) -> rusqlite::Result<()> {
        self.wal.prepare(&self.connection)
    }

    /// Moves the write-ahead log into the file if it has become long.
    pub(crate) fn tidy(&mut self) {
        self.wal.tidy(&self.connection, self.limits);
    }

    /// Takes notice that the connection is another one, to a file that has just begun.
    pub(crate) fn begin_file(&mut self) {
        if let Some(mirror) = &mut self.mirror {
            mirror.begin_file();
        }
        self.indexed = self.head.sequence;
        self.unindexed = Unindexed::after(self.head.sequence);
        self.power_safe = true;
    }

    /// Indexes one chunk.
    pub(crate) fn index(&mut self) -> rusqlite::Result<()> {
        self.prepare()?;
        self.set_durability(None)?;
        let last = self.head.sequence.min((chunk_of(self.indexed + 1) + 1) * CHUNK);
        self.wal.written(self.unindexed.write(&mut self.connection, self.indexed, last))?;
        self.unindexed.forget(last);
        self.indexed = last;
        Ok(())
    }

    /// Returns the intents that have no outcome, and what each is about.
    pub(crate) fn open_intents(&self) -> Result<Vec<(u64, Subject)>, AuditError> {
        open_intents(&self.connection).map_err(AuditError::open)
    }

    pub(crate) fn set_durability(&mut self, durability: Option<Durability>) -> rusqlite::Result<()> {
        let power_safe = durability == Some(Durability::Power);
        if power_safe != self.power_safe {
            store::set_power_safe(&self.connection, power_safe)?;
            self.power_safe = power_safe;
        }
        Ok(())
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.wal.leave(&self.connection);
    }
}

fn append_all<'a>(
    connection: &mut Connection,
    mut head: Link,
    rows: &RowKey,
    entries: impl Iterator<Item = &'a Entry>,
    now_ms: impl Fn() -> u64,
) -> rusqlite::Result<Link> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for entry in entries {
        head = append(&transaction, head, rows, now_ms(), entry)?;
    }
    failpoint::pass("audit-before-commit");
    transaction.commit()?;
    failpoint::pass("audit-after-commit");
    Ok(head)
}

fn append(
    transaction: &Transaction<'_>,
    head: Link,
    rows: &RowKey,
    at_ms: u64,
    entry: &Entry,
) -> rusqlite::Result<Link> {
    let sequence = head.sequence + 1;
    let subject = &entry.subject;
    let columns: [ValueRef<'_>; HASHED_COUNT] = [
        text(Some(entry.kind.as_str())),
        ValueRef::Integer(integer(at_ms)),
        text(subject.request_id.as_deref()),
        text(subject.workspace.as_deref()),
        text(subject.connection.as_deref()),
        text(subject.agent.as_deref()),
        text(subject.operation.as_deref()),
        text(subject.effect),
        text(entry.decision),
        text(entry.outcome),
        entry.closes.map_or(ValueRef::Null, |closes| ValueRef::Integer(integer(closes))),
        text(Some(&entry.detail)),
    ];
    let hash = hash_row(head.hash.as_bytes(), sequence, &columns);
    let mut insert = transaction.prepare_cached(INSERT)?;
    insert.raw_bind_parameter(1, integer(sequence))?;
    for (at, column) in columns.iter().enumerate() {
        insert.raw_bind_parameter(at + 2, ToSqlOutput::Borrowed(*column))?;
    }
    insert.raw_bind_parameter(HASHED_COUNT + 2, head.hash.as_bytes().as_slice())?;
    insert.raw_bind_parameter(HASHED_COUNT + 3, hash.as_bytes().as_slice())?;
    insert.raw_bind_parameter(HASHED_COUNT + 4, rows.mac(&hash).as_slice())?;
    insert.raw_execute()?;
    match (entry.kind, entry.closes) {
        (Kind::Intent, _) => {
            transaction
                .prepare_cached("INSERT INTO open_intents (sequence) VALUES (?1)")?
                .execute([integer(sequence)])?;
        }
        (_, Some(closes)) => {
            transaction
                .prepare_cached("DELETE FROM open_intents WHERE sequence = ?1")?
                .execute([integer(closes)])?;
            transaction.prepare_cached("DELETE FROM carried WHERE sequence = ?1")?.execute([integer(closes)])?;
        }
        (_, None) => {}
    }
    Ok(Link { sequence, hash })
}

fn text(value: Option<&str>) -> ValueRef<'_> {
    value.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes()))
}

/// `SQLite`'s integers are signed. Neither a sequence nor a time comes near the end of them.
pub(crate) fn integer(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn last_link(connection: &Connection) -> rusqlite::Result<Link> {
    let last = connection
        .query_row("SELECT sequence, hash FROM records ORDER BY sequence DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()?;
    let Some((sequence, hash)) = last else {
        // A file that goes on after another one begins with that one's head.
        let head = heads::last(connection)?.and_then(|stored| stored.head);
        return Ok(head.map_or_else(Link::genesis, |head| Link { sequence: head.sequence, hash: head.hash }));
    };
    // A last row that was tampered with is chained on to all the same; `verify` tells of it.
    let hash = <[u8; 32]>::try_from(hash).map_or_else(|hash| Digest::of(&hash), Digest::from_bytes);
    Ok(Link { sequence: u64::try_from(sequence).unwrap_or(0), hash })
}

fn found_head(connection: &Connection, stored: &heads::Stored) -> Result<FoundHead, AuditError> {
    let hash = store::row_hash(connection, stored.sequence).map_err(AuditError::open)?;
    let first: Option<i64> = connection
        .query_row("SELECT min(sequence) FROM records", [], |row| row.get(0))
        .map_err(AuditError::open)?;
    // The row of a head that was copied here stands in the file before.
    let is_before = |head: &SignedHead| first.map_or(head.number > 1, |first| integer(head.sequence) < first);
    let is_same =
        |head: &SignedHead| hash.as_deref() == Some(head.hash.as_bytes()) || head.sequence == 0 || is_before(head);
    let holds = stored.head.as_ref().is_some_and(|head| is_same(head) && head.is_signed());
    Ok(FoundHead { key: stored.head.map(|head| head.key), holds })
}

fn open_intents(connection: &Connection) -> rusqlite::Result<Vec<(u64, Subject)>> {
    let mut statement = connection.prepare(
        "SELECT sequence, request_id, workspace, connection, agent, operation, effect FROM carried \
         UNION ALL \
         SELECT sequence, request_id, workspace, connection, agent, operation, effect \
         FROM open_intents JOIN records USING (sequence) ORDER BY sequence",
    )?;
    let rows = statement.query_map([], |row| {
        let effect: Option<String> = row.get(6)?;
        let subject = Subject {
            request_id: row.get(1)?,
            workspace: row.get(2)?,
            connection: row.get(3)?,
            agent: row.get(4)?,
            operation: row.get(5)?,
            effect: effect.as_deref().and_then(effect_word),
        };
        Ok((u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0), subject))
    })?;
    rows.collect()
}

fn effect_word(text: &str) -> Option<&'static str> {
    [Effect::Read, Effect::Write, Effect::Destructive].map(Effect::as_str).into_iter().find(|word| *word == text)
}

/// Wraps an error of writing.
pub(crate) fn unwritten(error: rusqlite::Error) -> AuditError {
    AuditError::Write(Arc::new(error))
}
