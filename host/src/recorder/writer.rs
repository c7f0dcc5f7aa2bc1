//! The thread that seals records and writes them. Whatever waits goes into one commit.

use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender};

use wardlock_egress::vault::Purpose;
use wardlock_state::{RecordPlace, SealedRecord};

use super::{Lost, MAX_RECORD, Record, Shared, Store, aad};
use crate::logs::OnceAMinute;

/// How many records go into one commit.
const BATCH: usize = 64;

/// What the thread is asked to do.
pub(super) enum Job {
    /// Keep a record, which weighs so much in the queue.
    Keep { record: Box<Record>, weight: usize },
    /// Tell when everything before this is done.
    Tell(SyncSender<()>),
}

/// Works until nobody can ask any more.
pub(super) fn run(shared: &Shared, jobs: &Receiver<Job>) {
    let mut told = OnceAMinute::default();
    while let Ok(first) = jobs.recv() {
        let mut waiting = Vec::new();
        let mut records = Vec::new();
        for job in std::iter::once(first).chain(jobs.try_iter().take(BATCH - 1)) {
            match job {
                Job::Keep { record, weight } => {
                    shared.waiting_bytes.fetch_sub(weight, Ordering::Relaxed);
                    records.push(record);
                }
                Job::Tell(done) => waiting.push(done),
            }
        }
        if let Err(why) = keep(shared, &records)
            && told.is_due()
        {
            tracing::error!(why, "requests are not recorded; they go on");
        }
        for done in waiting {
            // Nobody waits any more: nobody to tell.
            let _ = done.send(());
        }
    }
}

/// Seals and writes records of workspaces that still record; counts what became of each.
fn keep(shared: &Shared, records: &[Box<Record>]) -> Result<(), String> {
    if records.is_empty() {
        return Ok(());
    }
    // Held to the end: whoever switches a recorder off takes away what was written before.
    let held = shared.store();
    let bounds = shared.recording.read().unwrap_or_else(std::sync::PoisonError::into_inner).bounds.clone();
    let mut sealed = Vec::new();
    let mut problem = None;
    for record in records {
        let Some(bounds) = bounds.get(&record.workspace) else {
            shared.metrics.recorded("dropped", 1);
            continue;
        };
        match seal(shared, record, bounds.keep_ms) {
            Ok(Some(record)) => sealed.push(record),
            Ok(None) => shared.lost(Lost::TooLarge),
            Err(why) => {
                shared.metrics.recorded("failed", 1);
                problem = Some(why);
            }
        }
    }
    let count = sealed.len() as u64;
    let written = match &*held {
        Store::Open(store) => store.add(&sealed, &bounds).map_err(|error| crate::text::with_causes(&error)),
        Store::Absent => Err("their file is not open".to_owned()),
        Store::Unusable(why) => Err(why.clone()),
    };
    shared.metrics.recorded(if written.is_ok() { "kept" } else { "failed" }, count);
    written.and(problem.map_or(Ok(()), Err))
}

/// Seals a record for its place; `None`: it is too large.
fn seal(shared: &Shared, record: &Record, keep_ms: u64) -> Result<Option<SealedRecord>, String> {
    let text = record.write().map_err(|error| error.to_string())?;
    if text.len() > MAX_RECORD {
        return Ok(None);
    }
    let aad = aad(&record.workspace, &record.request_id);
    let sealed = shared.keys.seal(Purpose::Recordings, &aad, &text).map_err(|error| error.to_string())?;
    let place = RecordPlace {
        workspace: record.workspace.clone(),
        request_id: record.request_id.clone(),
        at_ms: record.at_ms,
    };
    Ok(Some(SealedRecord { place, expires_ms: record.at_ms.saturating_add(keep_ms), sealed }))
}
