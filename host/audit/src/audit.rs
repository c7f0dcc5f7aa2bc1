//! The handle on the audit: what the rest of the host calls.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use wardlock_core::decision::Permit;
use wardlock_core::id::Digest;
use wardlock_core::plugin::Effect;

use crate::act::Act;
use crate::described::{Described, PathKey};
use crate::detail::Detail;
use crate::entry::{Durabilities, Entry, Kind, LIST_ITEMS, Separation, Subject, bounded, render};
use crate::error::AuditError;
use crate::outcome::OutcomeGuard;
use crate::refused::{Refused, plugins};
use crate::writer::{self, Message, Reply};

/// Returns milliseconds since 1970-01-01T00:00:00Z. For display only: rows are ordered by their sequence.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// How much may be under way, and how long a caller waits for its place.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Rows waiting to be written and intents without an outcome, together.
    pub(crate) places: usize,
    /// How long a caller waits for a place before it is refused.
    pub(crate) wait: Duration,
    /// How long `SQLite` waits for a lock that somebody else holds.
    pub(crate) busy: Duration,
    /// How large the file may grow, pages; `None`: as the disk allows.
    pub(crate) pages: Option<u32>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { places: 4096, wait: Duration::from_secs(2), busy: Duration::from_secs(5), pages: None }
    }
}

/// The audit log, open. Cheap to clone; the last of its clones and guards to go waits until everything is written.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

/// Proof that an INTENT row is on the disk; `Egress::send` demands it. Made by [`Audit::intend`] only.
///
/// It cannot be made otherwise, nor copied:
///
/// ```compile_fail,E0451
/// # use wardlock_core::id::Digest;
/// let receipt = wardlock_audit::Receipt { permit: Digest::of(b""), sequence: 1 };
/// ```
/// ```compile_fail,E0599
/// fn twice(receipt: wardlock_audit::Receipt) -> wardlock_audit::Receipt { receipt.clone() }
/// ```
#[derive(Debug)]
#[must_use = "a receipt is what allows the request to be sent"]
pub struct Receipt {
    permit: Digest,
    sequence: u64,
}

impl Receipt {
    /// Returns the digest of the permit for which the intent was recorded.
    pub fn permit_digest(&self) -> Digest {
        self.permit
    }

    /// Returns the INTENT row's place in the log.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn new(permit: Digest, sequence: u64) -> Self {
        Self { permit, sequence }
    }
}

pub(crate) struct Inner {
    pub(crate) path: PathBuf,
    pub(crate) key: PathKey,
    durabilities: Durabilities,
    limits: Limits,
    places: Arc<Semaphore>,
    sender: Option<mpsc::Sender<Message>>,
    thread: Option<JoinHandle<()>>,
}

impl Audit {
    /// Opens the log, creating it 0600 if it is missing. Requests that a crash left without an outcome are closed
    /// as `unknown`. `path_key` keys the values that may not stand in plain; the host derives it from the vault.
    pub fn open(
        path: &Path,
        path_key: [u8; 32],
        clock: Clock,
        durabilities: Durabilities,
    ) -> Result<Self, AuditError> {
        Self::open_with(path, path_key, clock, durabilities, Limits::default())
    }

    pub(crate) fn open_with(
        path: &Path,
        path_key: [u8; 32],
        clock: Clock,
        durabilities: Durabilities,
        limits: Limits,
    ) -> Result<Self, AuditError> {
        let (sender, thread) = writer::start(path, clock, limits)?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            key: PathKey::new(&path_key),
            durabilities,
            limits,
            places: Arc::new(Semaphore::new(limits.places)),
            sender: Some(sender),
            thread: Some(thread),
        })))
    }

    /// Writes the INTENT row and returns once it is on the disk. Without the receipt nothing is sent; the guard
    /// takes the outcome.
    pub async fn intend(&self, permit: &Permit, peer: Separation) -> Result<(Receipt, OutcomeGuard), AuditError> {
        let slot = self.0.place().await?;
        let entry = intent_entry(permit, peer, &self.0.key, self.0.durabilities);
        let (reply, written) = oneshot::channel();
        let reply = Reply::Intent { audit: Arc::clone(&self.0), permit: permit.digest(), reply };
        self.0.send(Message { entry, slot, reply })?;
        written.await.map_err(|_| AuditError::Closed)?
    }

    /// Writes the one row of a refused or held request and returns once it is on the disk.
    pub async fn refuse(&self, refused: Refused) -> Result<(), AuditError> {
        let slot = self.0.place().await?;
        self.0.write(refused.into_entry(&self.0.key), slot).await
    }

    /// Writes the row of an act and returns once it is on the disk.
    pub async fn act(&self, act: Act) -> Result<(), AuditError> {
        let slot = self.0.place().await?;
        self.0.write(act.into_entry(), slot).await
    }

    /// Waits until every row is on the disk and every intent has its outcome: for an orderly end, with a bound of
    /// the caller's. New callers wait behind it.
    pub async fn drain(&self) -> Result<(), AuditError> {
        // Every waiting row and every open intent holds a place, so who holds all places is alone.
        let all = u32::try_from(self.0.limits.places).unwrap_or(u32::MAX);
        self.0.places.acquire_many(all).await.map(drop).map_err(|_| AuditError::Closed)
    }

    /// Returns the keyed hash that rows hold in place of a value: what to look for in [`Row`](crate::Row)s.
    pub fn keyed(&self, value: &str) -> String {
        self.0.key.hash(value)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    /// Takes a place, waiting a little for one. Every row that waits to be written holds one, and so does every
    /// open intent for its outcome: that is what bounds the queue without ever dropping an outcome.
    async fn place(&self) -> Result<OwnedSemaphorePermit, AuditError> {
        if let Ok(slot) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(slot);
        }
        let slot = tokio::time::timeout(self.limits.wait, Arc::clone(&self.places).acquire_owned());
        slot.await.map_err(|_| AuditError::Full)?.map_err(|_| AuditError::Closed)
    }

    async fn write(&self, entry: Entry, slot: OwnedSemaphorePermit) -> Result<(), AuditError> {
        let (reply, written) = oneshot::channel();
        self.send(Message { entry, slot, reply: Reply::Done(reply) })?;
        written.await.map_err(|_| AuditError::Closed)?
    }

    pub(crate) fn send_outcome(
        &self,
        entry: Entry,
        slot: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<(), AuditError>>, AuditError> {
        let (reply, written) = oneshot::channel();
        self.send(Message { entry, slot, reply: Reply::Done(reply) })?;
        Ok(written)
    }

    fn send(&self, message: Message) -> Result<(), AuditError> {
        let sender = self.sender.as_ref().ok_or(AuditError::Closed)?;
        sender.send(message).map_err(|_| AuditError::Closed)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.sender = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // An intent that nobody waits for any more is given up on the writing thread itself.
        if thread.thread().id() != std::thread::current().id() {
            drop(thread.join());
        }
    }
}

fn intent_entry(permit: &Permit, peer: Separation, key: &PathKey, durabilities: Durabilities) -> Entry {
    let connection = permit.connection();
    let described = Described::classified(permit.classified());
    let effect = described.effect.unwrap_or(Effect::Destructive);
    let subject = Subject {
        request_id: Some(permit.id().as_str().to_owned()),
        workspace: Some(connection.workspace.to_string()),
        connection: Some(connection.name.to_string()),
        agent: Some(permit.agent().to_string()),
        operation: described.operation.as_deref().map(bounded),
        effect: Some(effect.as_str()),
    };
    let role = permit.classified().definition().map(|definition| definition.host.as_str());
    let mut request = described.into_detail(key);
    request.label = Some(bounded(&connection.label));
    request.region = Some(connection.region.to_string());
    request.environment = Some(bounded(&connection.environment));
    request.tenant = Some(bounded(permit.tenant()));
    request.grant = Some(connection.grant.to_string());
    request.generation = Some(permit.generation());
    request.host = role.and_then(|role| connection.host(role)).map(str::to_owned);
    request.purpose = permit.purpose().map(bounded);
    request.cut |= permit.verdicts().len() > LIST_ITEMS;
    request.plugins = plugins(permit.verdicts(), key);
    request.permit = Some(permit.digest().to_string());
    request.separation = Some(peer.as_str().to_owned());
    Entry {
        kind: Kind::Intent,
        durability: durabilities.of(effect),
        subject,
        decision: Some("allow"),
        outcome: None,
        closes: None,
        detail: render(&Detail { request: Some(request), ..Detail::empty() }),
    }
}
