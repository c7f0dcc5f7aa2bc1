//! What came of a sent request, and the guard that makes sure that something is written of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use wardlock_core::answer::{Failures, Outcome, PartReading};
use wardlock_core::chain::VerdictRecord;
use wardlock_core::id::Digest;
use wardlock_core::refusal::Code;

use crate::audit::Inner;
use crate::described::PathKey;
use crate::detail::{AnswerDetail, Detail, FailedDetail, FailuresDetail, PartOutcome};
use crate::entry::{Durability, Entry, Kind, LIST_ITEMS, Says, Subject, bounded};
use crate::error::AuditError;
use crate::refused::plugins;

/// What came of a request that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// What the answer's body says.
    pub outcome: Outcome,
    /// The status of the upstream's answer.
    pub upstream_status: Option<u16>,
    /// How often it was put on the wire.
    pub attempts: u32,
    /// The host that was called.
    pub upstream_host: String,
    /// How many secrets were cut out of the answer.
    pub redactions: u32,
    /// The answer's length, as the agent gets it.
    pub answer_bytes: u64,
    /// SHA-256 of the answer, as the agent gets it.
    pub answer_sha256: Option<Digest>,
    /// How long the upstream took, microseconds.
    pub upstream_micros: u64,
    /// The provider's own code.
    pub provider_code: Option<String>,
    /// What the answer says of each part, where the request carried others.
    pub parts: Vec<PartReading>,
    /// Which records failed, where the answer says so.
    pub failures: Option<Failures>,
    /// How long it took from the request's arrival to here.
    pub total: Duration,
    /// What each plugin said of the answer.
    pub verdicts: Vec<VerdictRecord>,
    /// The code of the refusal that the agent got in the answer's place.
    pub withheld: Option<Code>,
}

/// Stands for an INTENT that has no OUTCOME yet. Dropped without [`OutcomeGuard::finish`], it writes `aborted`.
#[must_use = "dropping the guard records the request as aborted"]
pub struct OutcomeGuard {
    open: Option<Open>,
}

/// An intent whose outcome is still to be written; it holds the place in the queue for that row.
pub(crate) struct Open {
    pub(crate) audit: Arc<Inner>,
    pub(crate) slot: OwnedSemaphorePermit,
    pub(crate) subject: Subject,
    pub(crate) durability: Durability,
    pub(crate) closes: u64,
}

impl OutcomeGuard {
    pub(crate) fn new(open: Open) -> Self {
        Self { open: Some(open) }
    }

    /// Writes the OUTCOME row and returns once it is on the disk.
    ///
    /// On an error the row is kept and tried again; requests are refused before rows are given up.
    pub async fn finish(mut self, finished: Finished) -> Result<(), AuditError> {
        let Some(open) = self.open.take() else {
            return Err(AuditError::Closed);
        };
        let (audit, entry, slot) = open.close(finished.outcome, Some(&finished));
        let written = audit.send_outcome(entry, slot)?;
        audit.answered(written).await
    }
}

impl Drop for OutcomeGuard {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            let (audit, entry, slot) = open.close(Outcome::Aborted, None);
            // Where the thread has ended, the next start finds the open intent and writes `unknown`.
            drop(audit.send_outcome(entry, slot));
        }
    }
}

impl Open {
    fn close(self, outcome: Outcome, finished: Option<&Finished>) -> (Arc<Inner>, Entry, OwnedSemaphorePermit) {
        let answer = finished.map(|finished| answer_detail(finished, &self.audit.key)).unwrap_or_default();
        let entry = entry(self.subject, self.durability, self.closes, outcome, answer);
        (self.audit, entry, self.slot)
    }
}

/// Makes the row that ends an intent; the answer's detail is empty where none came.
pub(crate) fn entry(
    subject: Subject,
    durability: Durability,
    closes: u64,
    outcome: Outcome,
    answer: AnswerDetail,
) -> Entry {
    let says = Says { outcome: Some(outcome.as_str()), closes: Some(closes), ..Says::default() };
    let detail = Detail { answer: Some(answer), ..Detail::empty() };
    Entry::new(Kind::Outcome, durability, subject, says, &detail)
}

/// A time as rows hold it.
pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn part_outcome(part: &PartReading) -> PartOutcome {
    PartOutcome { outcome: part.as_str().to_owned(), code: part.code.as_deref().map(bounded) }
}

fn failures_detail(failures: &Failures) -> FailuresDetail {
    let first = failures.first.iter().take(LIST_ITEMS);
    let first = first.map(|one| FailedDetail { number: one.number, code: one.code.clone() });
    FailuresDetail { failed: failures.failed, of: failures.of, first: first.collect() }
}

fn answer_detail(finished: &Finished, key: &PathKey) -> AnswerDetail {
    let exposed = if finished.redactions == 0 { "false" } else { "redacted" };
    AnswerDetail {
        upstream_host: Some(bounded(&finished.upstream_host)),
        upstream_status: finished.upstream_status,
        provider_code: finished.provider_code.as_deref().map(bounded),
        parts: finished.parts.iter().take(LIST_ITEMS).map(part_outcome).collect(),
        failures: finished.failures.as_ref().map(failures_detail),
        attempts: finished.attempts,
        upstream_micros: finished.upstream_micros,
        total_micros: Some(micros(finished.total)),
        answer_bytes: finished.answer_bytes,
        answer_sha256: finished.answer_sha256.map(|digest| digest.to_string()),
        redactions: finished.redactions,
        // Without an answer nothing was scanned, so nothing is claimed.
        secret_exposed: finished.upstream_status.map(|_| exposed.to_owned()),
        plugins: plugins(&finished.verdicts, key),
        withheld: finished.withheld.map(|code| code.as_str().to_owned()),
    }
}
