//! The one thread that writes. Whatever waits goes into one commit, and only then are its callers answered.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use wardlock_core::answer::Outcome;
use wardlock_core::id::Digest;
use wardlock_core::plugin::Effect;

use crate::audit::{Clock, Inner, Limits, Receipt};
use crate::chain::{HASHED_COUNT, Link, hash_row};
use crate::entry::{Durability, Entry, Kind, Subject};
use crate::error::AuditError;
use crate::outcome::{self, Open, OutcomeGuard};
use crate::store;

/// How many rows go into one commit; beyond this a larger batch gains little.
const BATCH: usize = 256;

/// The columns of [`HASHED_COLUMNS`](crate::chain::HASHED_COLUMNS), between the row's place and its links.
const INSERT: &str = "INSERT INTO records (sequence, kind, at_ms, request_id, workspace, connection, agent, \
                      operation, effect, decision, outcome, closes, detail, prev, hash) \
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";

/// How long an outcome that could not be written waits before it is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// A row and who waits for it.
pub(crate) struct Message {
    pub(crate) entry: Entry,
    pub(crate) slot: OwnedSemaphorePermit,
    pub(crate) reply: Reply,
}

/// How a caller is answered after the commit.
pub(crate) enum Reply {
    /// With a receipt and a guard.
    Intent {
        audit: Arc<Inner>,
        permit: Digest,
        reply: oneshot::Sender<Result<(Receipt, OutcomeGuard), AuditError>>,
    },
    /// With nothing but that it is done.
    Done(oneshot::Sender<Result<(), AuditError>>),
    /// Not at all: it was answered when the first attempt failed.
    Nobody,
}

struct Writer {
    connection: Connection,
    receiver: Receiver<Message>,
    clock: Clock,
    head: Link,
    power_safe: bool,
    /// Outcomes that could not be written yet.
    kept: Vec<Message>,
}

/// Opens the file, closes what a crash left open, and starts the thread.
pub(crate) fn start(
    path: &Path,
    clock: Clock,
    limits: Limits,
) -> Result<(Sender<Message>, JoinHandle<()>), AuditError> {
    let connection = store::open_for_writing(path, limits.busy)?;
    if let Some(pages) = limits.pages {
        let set = connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()));
        set.map_err(AuditError::open)?;
    }
    let (sender, receiver) = mpsc::channel();
    let head = last_link(&connection)?;
    let mut writer = Writer { connection, receiver, clock, head, power_safe: true, kept: Vec::new() };
    writer.close_open_intents()?;
    let thread = thread::Builder::new()
        .name("wardlock-audit".to_owned())
        .spawn(move || writer.run())
        .map_err(|error| AuditError::Thread(Arc::new(error)))?;
    Ok((sender, thread))
}

impl Writer {
    fn run(mut self) {
        while let Some(batch) = self.next_batch() {
            self.write(batch);
        }
    }

    /// Waits for rows; `None` once no more can come and nothing is kept.
    fn next_batch(&mut self) -> Option<Vec<Message>> {
        let mut batch = std::mem::take(&mut self.kept);
        let first = if batch.is_empty() {
            self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected)
        } else {
            self.receiver.recv_timeout(RETRY)
        };
        match first {
            Ok(message) => batch.push(message),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                // The last attempt; what fails here is closed as `unknown` at the next start.
                if !batch.is_empty() {
                    self.write(batch);
                }
                return None;
            }
        }
        while batch.len() < BATCH {
            match self.receiver.try_recv() {
                Ok(message) => batch.push(message),
                Err(_) => break,
            }
        }
        Some(batch)
    }

    fn write(&mut self, batch: Vec<Message>) {
        match self.commit(batch.iter().map(|message| &message.entry)) {
            Ok(first) => {
                for (sequence, message) in (first..).zip(batch) {
                    message.done(sequence);
                }
            }
            Err(error) => {
                let error = AuditError::Write(Arc::new(error));
                self.kept.extend(batch.into_iter().filter_map(|message| message.failed(&error)));
            }
        }
    }

    /// Writes rows in one commit and returns the first one's sequence.
    fn commit<'a>(&mut self, entries: impl Iterator<Item = &'a Entry> + Clone) -> rusqlite::Result<u64> {
        let power_safe = entries.clone().any(|entry| entry.durability == Durability::Power);
        if power_safe != self.power_safe {
            store::set_power_safe(&self.connection, power_safe)?;
            self.power_safe = power_safe;
        }
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut head = self.head;
        for entry in entries {
            head = append(&transaction, head, (self.clock)(), entry)?;
        }
        transaction.commit()?;
        let first = self.head.sequence + 1;
        self.head = head;
        Ok(first)
    }

    fn close_open_intents(&mut self) -> Result<(), AuditError> {
        let open = open_intents(&self.connection).map_err(AuditError::open)?;
        let close =
            |(sequence, subject)| outcome::entry(subject, Durability::Power, sequence, Outcome::Unknown, None);
        let entries: Vec<Entry> = open.into_iter().map(close).collect();
        if entries.is_empty() {
            return Ok(());
        }
        self.commit(entries.iter()).map(|_| ()).map_err(|error| AuditError::Write(Arc::new(error)))
    }
}

impl Message {
    fn done(self, sequence: u64) {
        match self.reply {
            Reply::Intent { audit, permit, reply } => {
                let open = Open {
                    audit,
                    slot: self.slot,
                    subject: self.entry.subject,
                    durability: self.entry.durability,
                    closes: sequence,
                };
                // Where the caller has gone, the guard is dropped here or with the channel, and writes `aborted`.
                drop(reply.send(Ok((Receipt::new(permit, sequence), OutcomeGuard::new(open)))));
            }
            Reply::Done(reply) => drop(reply.send(Ok(()))),
            Reply::Nobody => {}
        }
    }

    /// Tells the caller, and gives an outcome back to be tried again: its request may have been executed.
    fn failed(self, error: &AuditError) -> Option<Self> {
        match self.reply {
            Reply::Intent { reply, .. } => {
                drop(reply.send(Err(error.clone())));
                return None;
            }
            Reply::Done(reply) => drop(reply.send(Err(error.clone()))),
            Reply::Nobody => {}
        }
        let kept = Self { entry: self.entry, slot: self.slot, reply: Reply::Nobody };
        (kept.entry.kind == Kind::Outcome).then_some(kept)
    }
}

fn append(transaction: &Transaction<'_>, head: Link, at_ms: u64, entry: &Entry) -> rusqlite::Result<Link> {
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

fn last_link(connection: &Connection) -> Result<Link, AuditError> {
    let last = connection
        .query_row("SELECT sequence, hash FROM records ORDER BY sequence DESC LIMIT 1", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })
        .optional()
        .map_err(AuditError::open)?;
    let Some((sequence, hash)) = last else {
        return Ok(Link::genesis());
    };
    // A last row that was tampered with is chained on to all the same; `verify` tells of it.
    let hash = <[u8; 32]>::try_from(hash).map_or_else(|hash| Digest::of(&hash), Digest::from_bytes);
    Ok(Link { sequence: u64::try_from(sequence).unwrap_or(0), hash })
}

fn open_intents(connection: &Connection) -> rusqlite::Result<Vec<(u64, Subject)>> {
    let mut statement = connection.prepare(
        "SELECT sequence, request_id, workspace, connection, agent, operation, effect \
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
