//! The recorder: what plugins were asked and said, for workspaces that want it kept (`[recorder]` in a workspace file).
//!
//! It stands beside a request's path, never in it. A record is put together when the chain has been asked (and, where plugins judge
//! its answer, when these have been), handed to a bounded queue, and sealed and written by a thread of its own; whatever does not fit, or cannot be written, is counted and lost. Records
//! are sealed by a key of the vault for their workspace and request, and open nowhere else. In reading order:
//!
//! - `record`, `wire`: what is kept of a request, and how it is written.
//! - `asked`: a request whose plugins are being asked.
//! - `writer`: the thread that seals and writes.
//! - [`Recorder`], here: what is recorded, and reading it.
//! - `replay`: a record, asked again.

mod asked;
mod record;
mod replay;
#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files from outside")]
mod tests;
mod wire;
mod writer;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::JoinHandle;

use wardlock_core::id::WorkspaceName;
use wardlock_egress::vault::{Keys, NotOpened, Purpose};
use wardlock_state::{Bounds, RecordPlace, RecordQuery, RecordedOf, Recordings, StateError};

use crate::config::Keeping;
use crate::loaded::Loaded;
use crate::logs::OnceAMinute;
use crate::metrics::Metrics;
use writer::Job;

pub use asked::{Judged, PendingRecord, Recording};
pub use record::{AskedRecord, Damaged, Input, Record, RecordedTake, Shown, Word};
pub use replay::{Now, Replay, Replayed, Tried, new_word, tried};

/// The largest record, bytes as sealed: a body of some 700 KiB, with what goes beside it. The API's largest bodies do not fit; a
/// policy that judges those is tested better by a few of them.
const MAX_RECORD: usize = 1 << 20;
/// The most bytes of one workspace, as sealed.
const MAX_WORKSPACE: u64 = 128 << 20;
/// How many records may wait for the thread, and how many bytes they may hold.
const WAITING: usize = 256;
const WAITING_BYTES: usize = 16 << 20;
/// Where they stand in `state/`.
const FILE: &str = "recordings.db";

fn bounds_of(keeping: Keeping) -> Bounds {
    let keep_ms = u64::try_from(keeping.keep.as_millis()).unwrap_or(u64::MAX);
    Bounds { keep_ms, requests: keeping.requests, bytes: MAX_WORKSPACE }
}

/// Why a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file of recordings cannot be read.
    #[error(transparent)]
    State(#[from] StateError),
    /// The file of recordings could not be opened.
    #[error("the recordings cannot be used: {0}")]
    Unusable(String),
    /// Changed, put in another's place, or of another vault.
    #[error(transparent)]
    NotOpened(#[from] NotOpened),
    /// What it holds is no record that this version reads.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// The recorder.
pub struct Recorder {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// Which workspaces record.
#[derive(Debug, Clone, Default)]
struct Recorded {
    bounds: BTreeMap<String, Bounds>,
    /// Those that record what plugins see of answers, too.
    answers: BTreeSet<String>,
}

/// What the recorder's thread and everybody else have in common.
struct Shared {
    keys: Arc<Keys>,
    metrics: Arc<Metrics>,
    path: PathBuf,
    /// What is recorded. Looked at by every request, so never locked while the disk is waited for.
    recording: RwLock<Recorded>,
    store: Mutex<Store>,
    waiting_bytes: AtomicUsize,
    told: Mutex<OnceAMinute>,
}

/// Why a record is lost before the thread has it.
#[derive(Debug, Clone, Copy)]
enum Lost {
    /// It is larger than a record may be.
    TooLarge,
    /// The thread is behind.
    Dropped,
}

/// The file of recordings, as far as it is open. Whoever writes it holds this.
enum Store {
    /// Nothing was ever recorded.
    Absent,
    Open(Arc<Recordings>),
    /// It cannot be used, and why.
    Unusable(String),
}

impl Recorder {
    /// Starts it; nothing is recorded before [`Recorder::settle`]. `state` is the home's folder for databases.
    pub fn start(state: &std::path::Path, keys: Arc<Keys>, metrics: Arc<Metrics>) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            keys,
            metrics,
            path: state.join(FILE),
            recording: RwLock::default(),
            store: Mutex::new(Store::Absent),
            waiting_bytes: AtomicUsize::new(0),
            told: Mutex::default(),
        });
        let (queue, jobs) = sync_channel(WAITING);
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("recorder".to_owned());
        let thread = thread.spawn(move || writer::run(&theirs, &jobs))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), shared })
    }

    /// Takes what is loaded now: records what it says from here on, and takes away what nothing wants kept any more. Blocks.
    pub fn settle(&self, loaded: &Loaded, now_ms: u64) {
        if !loaded.is_whole() {
            return; // Nobody said that anything records no more.
        }
        let mut recording = Recorded::default();
        for (name, keeping) in loaded.recorders() {
            recording.bounds.insert(name.to_string(), bounds_of(keeping));
            if keeping.answers {
                recording.answers.insert(name.to_string());
            }
        }
        // A file that does not load says nothing of what is recorded: what is there stays until it expires.
        let unknown = loaded.closed_workspaces().map(WorkspaceName::to_string).collect();
        self.take(&recording, &unknown, now_ms);
    }

    fn take(&self, recording: &Recorded, unknown: &BTreeSet<String>, now_ms: u64) {
        (*self.shared.recording.write().unwrap_or_else(PoisonError::into_inner)).clone_from(recording);
        self.shared.purge(now_ms, &recording.bounds, unknown);
    }

    /// Begins to record a request, where its workspace wants that.
    pub fn begin(&self, workspace: &WorkspaceName) -> Option<Recording> {
        let recording = self.shared.recording.read().unwrap_or_else(PoisonError::into_inner);
        let wants_answers = recording.answers.contains(workspace.as_str());
        recording.bounds.contains_key(workspace.as_str()).then(|| Recording::new(wants_answers))
    }

    /// Has a record kept, if there is room for it. Waits for nothing.
    fn keep(&self, mut recording: Recording, judged: &Judged) {
        // A chain may be empty, and a refusal may come before it.
        let Some(weight) = recording.weigh() else { return };
        if weight > MAX_RECORD {
            return self.shared.lost(Lost::TooLarge);
        }
        self.hand_over(recording.into_record(judged), weight);
    }

    fn hand_over(&self, record: Record, weight: usize) {
        let waiting = self.shared.waiting_bytes.fetch_add(weight, Ordering::Relaxed);
        let job = Job::Keep { record: Box::new(record), weight };
        let sent = match &self.queue {
            Some(queue) if waiting.saturating_add(weight) <= WAITING_BYTES => queue.try_send(job),
            _ => Err(TrySendError::Full(job)),
        };
        if sent.is_err() {
            self.shared.waiting_bytes.fetch_sub(weight, Ordering::Relaxed);
            self.shared.lost(Lost::Dropped);
        }
    }

    /// Waits until everything that was handed over so far is written, or lost. Blocks.
    pub fn flush(&self) {
        let (done, waits) = sync_channel(1);
        if let Some(queue) = &self.queue
            && queue.send(Job::Tell(done)).is_ok()
        {
            let _ = waits.recv();
        }
    }

    /// Returns the workspaces that record.
    pub fn recording(&self) -> BTreeMap<String, Bounds> {
        self.shared.recording.read().unwrap_or_else(PoisonError::into_inner).bounds.clone()
    }

    /// Returns how much of each workspace there is. Blocks.
    pub fn recorded(&self) -> Result<Vec<RecordedOf>, RecordError> {
        Ok(self.shared.reading()?.map_or_else(|| Ok(Vec::new()), |store| store.recorded())?)
    }

    /// Returns where the newest records stand, the newest first. Blocks.
    pub fn places(&self, now_ms: u64, query: &RecordQuery<'_>) -> Result<Vec<RecordPlace>, RecordError> {
        Ok(self.shared.reading()?.map_or_else(|| Ok(Vec::new()), |store| store.places(now_ms, query))?)
    }

    /// Opens a record; `None` where it is gone meanwhile. Blocks.
    pub fn read(&self, place: &RecordPlace) -> Result<Option<Record>, RecordError> {
        let sealed = match self.shared.reading()? {
            Some(store) => store.sealed(place)?,
            None => None,
        };
        let Some(sealed) = sealed else { return Ok(None) };
        let aad = aad(&place.workspace, &place.request_id);
        let opened = self.shared.keys.open(Purpose::Recordings, &aad, &sealed)?;
        Ok(Some(Record::read(&opened)?))
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The thread writes what waits, and ends with its queue: nobody holds the keys afterwards.
        self.queue = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the recorder ended badly");
        }
    }
}

impl Shared {
    /// Opens the file where it is needed or there, and takes away what nothing wants kept.
    fn purge(&self, now_ms: u64, recording: &BTreeMap<String, Bounds>, unknown: &BTreeSet<String>) {
        let mut held = self.store();
        if !matches!(*held, Store::Open(_)) {
            let opened = if recording.is_empty() {
                Recordings::find(&self.path)
            } else {
                Recordings::open(&self.path).map(Some)
            };
            *held = match opened {
                Ok(Some(store)) => Store::Open(Arc::new(store)),
                Ok(None) => Store::Absent,
                Err(error) => {
                    let why = crate::text::with_causes(&error);
                    tracing::error!(why, hint = error.hint(), "nothing is recorded, and requests go on");
                    Store::Unusable(why)
                }
            };
        }
        let Store::Open(store) = &*held else { return };
        if let Err(error) = store.purge(now_ms, recording, unknown) {
            let why = crate::text::with_causes(&error);
            tracing::error!(why, hint = error.hint(), "recordings that have ended cannot be taken away");
        }
    }

    /// Counts a record that is lost, and says so once a minute.
    fn lost(&self, lost: Lost) {
        let (result, what) = match lost {
            Lost::TooLarge => ("too-large", "a request is too large to be recorded"),
            Lost::Dropped => ("dropped", "requests come faster than they can be recorded"),
        };
        self.metrics.recorded(result, 1);
        if self.told.lock().unwrap_or_else(PoisonError::into_inner).is_due() {
            tracing::warn!("{what}; they go on, and `wardlock_recordings` counts them");
        }
    }

    fn reading(&self) -> Result<Option<Arc<Recordings>>, RecordError> {
        match &*self.store() {
            Store::Absent => Ok(None),
            Store::Open(store) => Ok(Some(Arc::clone(store))),
            Store::Unusable(why) => Err(RecordError::Unusable(why.clone())),
        }
    }

    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Names the place that a record is sealed for: its workspace and request, each preceded by its length.
fn aad(workspace: &str, request_id: &str) -> Vec<u8> {
    let mut aad = b"wardlock/recording/1".to_vec();
    for part in [workspace, request_id] {
        aad.extend_from_slice(&(part.len() as u64).to_be_bytes());
        aad.extend_from_slice(part.as_bytes());
    }
    aad
}
