//! The handle on the audit: what the rest of the host calls.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use wardlock_core::decision::Permit;
use wardlock_core::id::Digest;

use crate::act::Act;
use crate::authentic::RowKey;
use crate::described::{Described, PathKey};
use crate::detail::{Detail, RequestDetail};
use crate::entry::{Durabilities, Entry, Kind, LIST_ITEMS, Says, Separation, Subject, bounded};
use crate::error::AuditError;
use crate::head::{PublicKey, SignedHead, Signer};
use crate::limits::Limits;
use crate::log::Log;
use crate::opened::Opened;
use crate::outcome::{OutcomeGuard, micros};
use crate::refused::{Refused, plugins};
use crate::rotate::Rotation;
use crate::taken::{self, Took};
use crate::writer::{self, Job, Message, Reply};

/// How long a caller that is alone looks out for its commit before it leaves its thread to others.
const LOOK_OUT: Duration = Duration::from_micros(80);

/// Returns milliseconds since 1970-01-01T00:00:00Z. For display only: rows are ordered by their sequence.
pub type Clock = Arc<dyn Fn() -> u64 + Send + Sync>;

/// What one commit was, for who counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// How many rows it held.
    pub rows: usize,
    /// How long it took, the mirror included.
    pub took: Duration,
    /// Whether its rows are where they must be; callers are told an error otherwise.
    pub is_written: bool,
}

/// Is told of every commit on the writing thread, before its callers are answered. It must not block.
pub type Watch = Arc<dyn Fn(Commit) + Send + Sync>;

/// What a log is opened with.
#[derive(Clone)]
pub struct Settings {
    /// Keys the values that may not stand in plain; derived from the vault's key.
    pub path_key: [u8; 32],
    /// Signs heads.
    pub signer: Signer,
    /// The clock.
    pub clock: Clock,
    /// What the rows of requests must survive.
    pub durabilities: Durabilities,
    /// Where every row is written once more.
    pub mirror: Option<PathBuf>,
    /// When the log goes on in another file, and how long files are kept.
    pub rotation: Rotation,
    /// Who counts commits.
    pub watch: Option<Watch>,
}

impl Settings {
    /// Returns the usual settings under these keys.
    pub fn new(path_key: [u8; 32], signer: Signer, clock: Clock) -> Self {
        Self {
            path_key,
            signer,
            clock,
            durabilities: Durabilities::default(),
            mirror: None,
            rotation: Rotation::default(),
            watch: None,
        }
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
    public_key: PublicKey,
    /// Under which rows are authenticated.
    pub(crate) rows: RowKey,
    opened: Opened,
    durabilities: Durabilities,
    limits: Limits,
    places: Arc<Semaphore>,
    sender: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Audit {
    /// Opens the log, creating it 0600 if it is missing. Requests that a crash left without an outcome are closed
    /// as `unknown`.
    pub fn open(path: &Path, settings: Settings) -> Result<Self, AuditError> {
        Self::open_with(path, settings, Limits::default())
    }

    pub(crate) fn open_with(path: &Path, settings: Settings, limits: Limits) -> Result<Self, AuditError> {
        let Settings { path_key, signer, clock, durabilities, mirror, rotation, watch } = settings;
        let (public_key, rows) = (signer.key(), signer.rows().clone());
        let log = Log::open(path, mirror.as_deref(), &signer, limits)?;
        let (sender, thread, opened) = writer::start(log, clock, signer, rotation, watch)?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            key: PathKey::new(&path_key),
            public_key,
            rows,
            opened,
            durabilities,
            limits,
            places: Arc::new(Semaphore::new(limits.places)),
            sender: Some(sender),
            thread: Some(thread),
        })))
    }

    /// Returns what opening the log found.
    pub fn opened(&self) -> &Opened {
        &self.0.opened
    }

    /// Returns the key under which heads are checked.
    pub fn public_key(&self) -> PublicKey {
        self.0.public_key
    }

    /// Signs the end of the chain as it stands now, and returns once the head is on the disk.
    pub async fn head(&self) -> Result<SignedHead, AuditError> {
        let (reply, signed) = oneshot::channel();
        self.0.send(Job::Head(reply))?;
        signed.await.map_err(|_| AuditError::Closed)?
    }

    /// Writes the INTENT row and returns once it is on the disk. Without the receipt nothing is sent; the guard
    /// takes the outcome. `decided` is how long it took from the request's arrival to the permit, `taken` what plugins took of their
    /// quotas for it.
    pub async fn intend(
        &self,
        permit: &Permit,
        peer: Separation,
        decided: Duration,
        taken: &[Took],
    ) -> Result<(Receipt, OutcomeGuard), AuditError> {
        let slot = self.0.place().await?;
        let mut request = asked(permit, &self.0.key);
        taken::note(&mut request, taken, &self.0.key);
        request.separation = Some(peer.as_str().to_owned());
        request.decided_micros = Some(micros(decided));
        let entry = intent_entry(permit, request, self.0.durabilities);
        let (reply, written) = oneshot::channel();
        let reply = Reply::Intent { audit: Arc::clone(&self.0), permit: permit.digest(), reply };
        self.0.send(Job::Row(Message { entry, slot, reply }))?;
        self.0.answered(written).await
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

    /// Writes the row of an act and returns once it is on the disk. Whenever the log goes on in another file, that one begins with the
    /// act that was so written last: it is not lost with files whose time is over, nor far from the end.
    pub async fn stand(&self, act: Act) -> Result<(), AuditError> {
        let (slot, entry) = (self.0.place().await?, act.into_entry());
        self.0.write(entry.clone(), slot).await?;
        self.0.send(Job::Stand(Box::new(entry)))
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
        self.send(Job::Row(Message { entry, slot, reply: Reply::Done(reply) }))?;
        self.answered(written).await
    }

    /// Waits for a commit. Who is alone looks out for it on this thread for as long as one takes that need not survive the loss
    /// of power: to be woken by another thread takes longer. Threads that have something to do go first.
    pub(crate) async fn answered<T>(
        &self,
        mut written: oneshot::Receiver<Result<T, AuditError>>,
    ) -> Result<T, AuditError> {
        // Every row under way and every open intent holds a place, and this one does.
        if self.places.available_permits() + 1 >= self.limits.places {
            let began = Instant::now();
            while began.elapsed() < LOOK_OUT {
                match written.try_recv() {
                    Ok(written) => return written,
                    Err(TryRecvError::Empty) => std::thread::yield_now(),
                    Err(TryRecvError::Closed) => return Err(AuditError::Closed),
                }
            }
        }
        written.await.map_err(|_| AuditError::Closed)?
    }

    pub(crate) fn send_outcome(
        &self,
        entry: Entry,
        slot: OwnedSemaphorePermit,
    ) -> Result<oneshot::Receiver<Result<(), AuditError>>, AuditError> {
        let (reply, written) = oneshot::channel();
        self.send(Job::Row(Message { entry, slot, reply: Reply::Done(reply) }))?;
        Ok(written)
    }

    fn send(&self, job: Job) -> Result<(), AuditError> {
        let sender = self.sender.as_ref().ok_or(AuditError::Closed)?;
        sender.send(job).map_err(|_| AuditError::Closed)
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

fn intent_entry(permit: &Permit, request: RequestDetail, durabilities: Durabilities) -> Entry {
    let (connection, operation) = (permit.connection(), permit.classified().operation());
    let subject = Subject {
        request_id: Some(permit.id().as_str().to_owned()),
        workspace: Some(connection.workspace.to_string()),
        connection: Some(connection.name.to_string()),
        agent: Some(permit.agent().to_string()),
        operation: Some(bounded(&operation.name)),
        effect: Some(operation.effect.as_str()),
    };
    let says = Says { decision: Some("allow"), ..Says::default() };
    let detail = Detail { request: Some(request), ..Detail::empty() };
    Entry::new(Kind::Intent, durabilities.of(operation.effect), subject, says, &detail)
}

/// Renders what a permit allows.
fn asked(permit: &Permit, key: &PathKey) -> RequestDetail {
    let connection = permit.connection();
    let role = permit.classified().definition().map(|definition| definition.host.as_str());
    let mut request = Described::classified(permit.classified()).into_detail(key);
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
    request.added = connection.added_to(permit.classified().request()).iter().map(|name| bounded(name)).collect();
    if let Some(approval) = permit.approval() {
        request.draft = Some(bounded(&approval.draft));
        request.approved_by = approval.by.iter().map(|name| bounded(name)).collect();
    }
    request.permit = Some(permit.digest().to_string());
    request
}
