//! The one thread that writes. Whatever waits goes into one commit, and only then are its callers answered.

use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};
use wardlock_core::answer::Outcome;
use wardlock_core::id::Digest;

use crate::act::Act;
use crate::audit::{Clock, Commit, Inner, Receipt, Watch};
use crate::detail::AnswerDetail;
use crate::disk;
use crate::entry::{Durability, Entry, Kind};
use crate::error::AuditError;
use crate::head::{SignedHead, Signer};
use crate::log::{Found, Log, unwritten};
use crate::mirror::MirrorFound;
use crate::opened::Opened;
use crate::outcome::{self, Open, OutcomeGuard};
use crate::rotate::Rotation;
use crate::tail::ForeignRows;

/// How many rows go into one commit; beyond this a larger batch gains little.
const BATCH: usize = 256;

/// How long an outcome that could not be written waits before it is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// What the thread is asked to do.
#[expect(clippy::large_enum_variant, reason = "nearly every job is a row, and a box for each would cost more")]
pub(crate) enum Job {
    /// Write a row.
    Row(Message),
    /// Sign the end of the chain as it stands now.
    Head(oneshot::Sender<Result<SignedHead, AuditError>>),
    /// Begin every further file with this row.
    Stand(Box<Entry>),
}

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

pub(crate) struct Writer {
    log: Log,
    receiver: Receiver<Job>,
    clock: Clock,
    signer: Signer,
    rotation: Rotation,
    watch: Option<Watch>,
    /// When a head was last signed, or could not be.
    tried: Instant,
    /// Whether it could not be.
    is_unable: bool,
    /// Whether the last chunk could not be indexed.
    is_unable_to_index: bool,
    /// What every further file begins with.
    standing: Option<Entry>,
    /// Outcomes that could not be written yet.
    kept: Vec<Message>,
}

/// What came in one turn.
#[derive(Default)]
struct Turn {
    rows: Vec<Message>,
    heads: Vec<oneshot::Sender<Result<SignedHead, AuditError>>>,
    standing: Option<Entry>,
    is_last: bool,
}

impl Turn {
    fn take(&mut self, job: Job) {
        match job {
            Job::Row(message) => self.rows.push(message),
            Job::Head(reply) => self.heads.push(reply),
            Job::Stand(entry) => self.standing = Some(*entry),
        }
    }
}

/// Closes what a crash left open, signs what stands unsigned, and starts the thread.
pub(crate) fn start(
    (log, found): (Log, Found),
    clock: Clock,
    signer: Signer,
    rotation: Rotation,
    watch: Option<Watch>,
) -> Result<(Sender<Job>, JoinHandle<()>, Opened), AuditError> {
    let (sender, receiver) = mpsc::channel();
    let mut writer = Writer {
        log,
        receiver,
        clock,
        signer,
        rotation,
        watch,
        tried: Instant::now(),
        is_unable: false,
        is_unable_to_index: false,
        standing: None,
        kept: Vec::new(),
    };
    let opened = writer.begin(found)?;
    let thread = thread::Builder::new()
        .name("wardlock-audit".to_owned())
        .spawn(move || writer.run())
        .map_err(|error| AuditError::Thread(Arc::new(error)))?;
    Ok((sender, thread, opened))
}

impl Writer {
    /// Brings the log into order after whatever ended the last run.
    fn begin(&mut self, found: Found) -> Result<Opened, AuditError> {
        let ours = self.signer.key();
        let (mirror, foreign, found) = (found.mirror, found.foreign, found.head);
        let other_key = found.as_ref().and_then(|found| found.key).filter(|key| *key != ours);
        let mut opened = Opened {
            closed_as_unknown: 0,
            other_key,
            is_broken: found.is_some_and(|found| !found.holds),
            foreign,
            mirror,
            sync_time: disk::sync_time(&self.log.file.path),
        };
        let close = |(sequence, subject)| {
            outcome::entry(subject, Durability::Power, sequence, Outcome::Unknown, AnswerDetail::default())
        };
        let unfinished = self.log.open_intents()?;
        opened.closed_as_unknown = unfinished.len() as u64;
        let mut entries: Vec<Entry> = foreign.map(told_foreign).map(Act::into_entry).into_iter().collect();
        entries.extend(unfinished.into_iter().map(close));
        if let Some(other) = other_key {
            let act = Act::admin("wardlock", "audit.other-key", other.id(), ours.id());
            entries.push(act.into_entry());
        }
        entries.extend(mirror.and_then(told).map(Act::into_entry));
        if !entries.is_empty() {
            self.log.commit(entries.iter(), || (self.clock)()).map_err(unwritten)?;
            self.log.catch_up(Durability::Power)?;
        }
        if self.log.unsigned() > 0 || other_key.is_some() {
            self.sign(Durability::Power).map_err(unwritten)?;
        }
        Ok(opened)
    }

    fn run(mut self) {
        loop {
            let mut turn = self.next_turn();
            self.standing = turn.standing.take().or(self.standing.take());
            self.write(turn.rows);
            let is_due = self.log.unsigned() > 0 && (turn.is_last || self.head_due().is_zero());
            if !turn.heads.is_empty() {
                let signed = self.sign(Durability::Power).map_err(unwritten);
                for reply in turn.heads {
                    drop(reply.send(signed.clone()));
                }
            } else if is_due {
                // What cannot be signed now is signed with the next rows; nobody waits for it.
                drop(self.sign(if turn.is_last { Durability::Power } else { Durability::Crash }));
            }
            // What fails here is tried again with the next head, and costs nobody their answer.
            drop(self.log.maintain(self.rotation, &self.signer, self.standing.as_ref(), &*self.clock));
            if self.log.has_full_chunk() {
                self.is_unable_to_index = self.log.index().is_err();
            }
            self.log.tidy();
            // An outcome that is still kept then is closed as `unknown` at the next start.
            if turn.is_last {
                return;
            }
        }
    }

    fn sign(&mut self, durability: Durability) -> rusqlite::Result<SignedHead> {
        let signed = self.log.sign(&self.signer, (self.clock)(), durability);
        (self.tried, self.is_unable) = (Instant::now(), signed.is_err());
        signed
    }

    /// How long the newest rows may still stand unsigned.
    fn head_due(&self) -> Duration {
        let due = match (self.is_unable, self.log.unsigned() >= self.log.limits.head_rows) {
            (true, _) => RETRY,
            (false, true) => Duration::ZERO,
            (false, false) => self.log.limits.head_time,
        };
        due.saturating_sub(self.tried.elapsed())
    }

    /// Waits for work, or for when a head is due.
    fn next_turn(&mut self) -> Turn {
        let mut turn = Turn { rows: std::mem::take(&mut self.kept), ..Turn::default() };
        let patience = match (turn.rows.is_empty(), self.log.unsigned()) {
            (true, _) if self.log.has_full_chunk() && !self.is_unable_to_index => Some(Duration::ZERO),
            (false, _) => Some(RETRY),
            (true, 0) => None,
            (true, _) => Some(self.head_due()),
        };
        let first = match patience {
            Some(patience) => self.receiver.recv_timeout(patience),
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match first {
            Ok(job) => turn.take(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => turn.is_last = true,
        }
        while turn.rows.len() < BATCH
            && let Ok(job) = self.receiver.try_recv()
        {
            turn.take(job);
        }
        turn
    }

    fn write(&mut self, batch: Vec<Message>) {
        if batch.is_empty() {
            return;
        }
        let durability = batch.iter().map(|message| message.entry.durability).max().unwrap_or(Durability::Power);
        let entries = batch.iter().map(|message| &message.entry);
        let (rows, began) = (batch.len(), Instant::now());
        // Nothing new is written while the mirror lacks what is there.
        let committed = self
            .log
            .catch_up(Durability::Power)
            .and_then(|()| self.log.commit(entries, || (self.clock)()).map_err(unwritten));
        let mirrored = match &committed {
            Ok(_) => self.log.catch_up(durability),
            Err(error) => Err(error.clone()),
        };
        if let Some(watch) = &self.watch {
            watch(Commit { rows, took: began.elapsed(), is_written: mirrored.is_ok() });
        }
        match committed {
            Ok(first) => {
                for (sequence, message) in (first..).zip(batch) {
                    match &mirrored {
                        Ok(()) => message.done(sequence),
                        Err(error) => self.kept.extend(message.unmirrored(sequence, error)),
                    }
                }
            }
            Err(error) => {
                self.kept.extend(batch.into_iter().filter_map(|message| message.failed(&error)));
            }
        }
    }
}

/// The act that tells of rows which are not ours, before a head is signed that stands behind them.
fn told_foreign(foreign: ForeignRows) -> Act {
    let ForeignRows { first, last } = foreign;
    Act::admin("wardlock", "audit.foreign", format!("rows {first} to {last}"), "no true MAC")
}

/// The act that tells of a mirror that does not fit.
fn told(found: MirrorFound) -> Option<Act> {
    let (how, sequence) = match found {
        MirrorFound::Fits => return None,
        MirrorFound::Ahead { sequence } => ("ahead", sequence),
        MirrorFound::Differs { sequence } => ("differs", sequence),
    };
    Some(Act::admin("wardlock", "audit.mirror", format!("row {sequence}"), how))
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
            Reply::Done(reply) => {
                // Who hears that it is done finds the place free.
                drop(self.slot);
                drop(reply.send(Ok(())));
            }
            Reply::Nobody => {}
        }
    }

    /// Tells the caller that its row is in the log, but not in the mirror. An intent is not sent then, so the row that
    /// says so is given back to be written.
    fn unmirrored(self, sequence: u64, error: &AuditError) -> Option<Self> {
        let Self { entry, slot, reply } = self;
        match reply {
            Reply::Intent { audit, reply, .. } => {
                // Whoever hears of it may close the log, and is to be the last who holds it.
                drop(audit);
                drop(reply.send(Err(error.clone())));
                let entry = outcome::entry(
                    entry.subject,
                    entry.durability,
                    sequence,
                    Outcome::Aborted,
                    AnswerDetail::default(),
                );
                Some(Self { entry, slot, reply: Reply::Nobody })
            }
            Reply::Done(reply) => {
                drop(slot);
                drop(reply.send(Err(error.clone())));
                None
            }
            Reply::Nobody => None,
        }
    }

    /// Tells the caller, and gives an outcome back to be tried again: its request may have been executed.
    fn failed(self, error: &AuditError) -> Option<Self> {
        let Self { entry, slot, reply } = self;
        let kept = (entry.kind == Kind::Outcome).then_some(Self { entry, slot, reply: Reply::Nobody });
        match reply {
            Reply::Intent { audit, reply, .. } => {
                drop(audit);
                drop(reply.send(Err(error.clone())));
            }
            Reply::Done(reply) => drop(reply.send(Err(error.clone()))),
            Reply::Nobody => {}
        }
        kept
    }
}
