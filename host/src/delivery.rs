//! Steps 12 and 13: plugins that judge the answer, the OUTCOME, and the reply. A body that flows takes its OUTCOME along and
//! writes it at its end.

mod judges;

use std::time::{Duration, Instant};

use http_body_util::channel::Sender;
use tokio::sync::oneshot;
use tracing::{Instrument as _, Span, debug_span};
use wardlock_audit::{AuditError, Finished, OutcomeGuard, failpoint};
use wardlock_core::answer::Outcome;
use wardlock_core::id::{Digest, RequestId};
use wardlock_core::refusal::Refusal;
use wardlock_egress::{ScrubbedBody, ScrubbedStream, SendError, Sent, Turn};

use crate::ingress::{BrokenOff, FlowingBody, Reply};
use crate::metrics::Sending;

pub use judges::Judges;

/// Bytes that may wait for a slow agent before the upstream is waited for: a handful of network reads.
const CHUNKS_WAITING: usize = 8;

/// A request whose INTENT is on the disk, and what it holds until its answer has ended.
pub struct UnderWay {
    /// When it arrived.
    pub began: Instant,
    /// Its record.
    pub guard: OutcomeGuard,
    /// Its numbers.
    pub counted: Option<Sending>,
    /// How long its agent may leave a flowing answer unread: it holds a place and a socket of the provider's.
    pub unread_timeout: Duration,
    /// Its turn at the provider, who counts a call until its answer has ended.
    pub _turn: Turn,
}

impl UnderWay {
    /// Counts the request and closes its record.
    async fn finish(mut self, mut finished: Finished) -> Result<(), AuditError> {
        finished.total = self.began.elapsed();
        if let Some(counted) = self.counted.take() {
            counted.finished(&finished);
        }
        Span::current().record("outcome", finished.outcome.as_str());
        failpoint::pass("before-outcome");
        let recorded = self.guard.finish(finished).instrument(debug_span!("audit", row = "outcome")).await;
        failpoint::pass("after-outcome");
        recorded
    }
}

/// A sent request's reply, or what the agent is told in its place, once the OUTCOME is on the disk.
pub async fn deliver(
    id: &RequestId,
    sent: Result<Sent, SendError>,
    mut judges: Judges,
    under_way: UnderWay,
) -> Result<Result<Reply, (Outcome, Refusal)>, AuditError> {
    let sent = match sent {
        Ok(sent) => sent,
        Err(error) => {
            let outcome = error.outcome();
            under_way.finish(failed(&error)).await?;
            return Ok(Err((outcome, error.refusal())));
        }
    };
    let mut finished = finished(&sent);
    let outcome = finished.outcome;
    let Sent { answer, reading, hint, .. } = sent;
    let span = judges.span();
    let said = judges.judge(&reading, answer).instrument(span).await;
    // Whoever hears of the answer finds what was recorded of it handed over.
    drop(judges);
    finished.verdicts = said.verdicts;
    let answer = match said.answer {
        Ok(answer) => answer,
        Err(refusal) => {
            finished.withheld = Some(refusal.code);
            under_way.finish(finished).await?;
            return Ok(Err((outcome, refusal)));
        }
    };
    finished.redactions = count(answer.redactions());
    let retry_after = reading.retry_after.filter(|_| reading.throttled);
    let (status, headers, exposed) = (answer.status(), answer.headers().clone(), answer.exposed());
    match answer.into_body() {
        ScrubbedBody::Whole(body) => {
            finished.answer_sha256 = Some(Digest::of(&body));
            finished.answer_bytes = body.len() as u64;
            under_way.finish(finished).await?;
            let reply = Reply::answered(id, outcome, status, headers, exposed, body);
            let reply = reply.explained(hint, retry_after).part_by_part(&reading.parts);
            Ok(Ok(reply.failing(reading.failures.as_ref()).edited_by(&said.edited_by)))
        }
        ScrubbedBody::Flowing(stream) => {
            let (sender, body, gone) = FlowingBody::new(CHUNKS_WAITING);
            finished.outcome = Outcome::Streamed;
            let to = Downstream { sender, gone };
            tokio::spawn(flow(stream, to, under_way, finished).in_current_span());
            Ok(Ok(Reply::flowing(id, status, headers, body)))
        }
    }
}

/// The agent's side of a body that flows.
struct Downstream {
    sender: Sender<bytes::Bytes, BrokenOff>,
    /// Resolves when nobody reads any more.
    gone: oneshot::Receiver<()>,
}

/// Passes a flowing body on, piece by scanned piece, and closes its record.
async fn flow(mut stream: Box<ScrubbedStream>, mut to: Downstream, under_way: UnderWay, mut finished: Finished) {
    loop {
        let piece = tokio::select! {
            piece = stream.next() => piece,
            // A provider that is silent must not keep the place of an agent that left.
            _ = &mut to.gone => {
                finished.outcome = Outcome::Aborted;
                break;
            }
        };
        match piece {
            Some(Ok(piece)) => {
                failpoint::pass("flowing");
                finished.answer_bytes += piece.len() as u64;
                let read = tokio::time::timeout(under_way.unread_timeout, to.sender.send_data(piece)).await;
                if !matches!(read, Ok(Ok(()))) {
                    finished.outcome = Outcome::Aborted;
                    to.sender.abort(BrokenOff);
                    break;
                }
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "a flowing answer broke off");
                finished.outcome = Outcome::Unknown;
                to.sender.abort(BrokenOff);
                break;
            }
            None => break,
        }
    }
    finished.redactions = count(stream.redactions());
    if let Err(error) = under_way.finish(finished).await {
        tracing::error!(%error, "the audit cannot record an outcome");
    }
}

fn finished(sent: &Sent) -> Finished {
    Finished {
        outcome: sent.reading.outcome,
        upstream_status: Some(sent.answer.status()),
        attempts: sent.attempts,
        upstream_host: sent.host.clone(),
        redactions: count(sent.answer.redactions()),
        answer_bytes: 0,
        answer_sha256: None,
        upstream_micros: sent.micros,
        provider_code: sent.reading.code.clone(),
        parts: sent.reading.parts.clone(),
        failures: sent.reading.failures.clone(),
        total: Duration::ZERO,
        verdicts: Vec::new(),
        withheld: None,
    }
}

fn failed(error: &SendError) -> Finished {
    Finished {
        outcome: error.outcome(),
        upstream_status: None,
        attempts: error.attempts,
        upstream_host: error.host.clone(),
        redactions: 0,
        answer_bytes: 0,
        answer_sha256: None,
        upstream_micros: error.micros,
        provider_code: None,
        parts: Vec::new(),
        failures: None,
        total: Duration::ZERO,
        verdicts: Vec::new(),
        withheld: error.withheld(),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
