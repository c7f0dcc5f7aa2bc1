//! Steps 12 and 13: the OUTCOME, and the reply. A body that flows takes its OUTCOME along and writes it at its end.

use http_body_util::channel::Sender;
use wardlock_audit::{AuditError, Finished, OutcomeGuard};
use wardlock_core::answer::Outcome;
use wardlock_core::id::{Digest, RequestId};
use wardlock_egress::{ScrubbedBody, ScrubbedStream, SendError, Sent, Turn};

use crate::ingress::{BrokenOff, Reply};

/// Bytes that may wait for a slow agent before the upstream is waited for: a handful of network reads.
const CHUNKS_WAITING: usize = 8;

/// A sent request's reply, or the error that the agent is told, once the OUTCOME is on the disk.
pub async fn deliver(
    id: &RequestId,
    sent: Result<Sent, SendError>,
    guard: OutcomeGuard,
    turn: Turn,
) -> Result<Result<Reply, (Outcome, SendError)>, AuditError> {
    let sent = match sent {
        Ok(sent) => sent,
        Err(error) => {
            let outcome = error.outcome();
            guard.finish(failed(&error)).await?;
            return Ok(Err((outcome, error)));
        }
    };
    let mut finished = finished(&sent);
    let (status, headers, exposed) = (sent.answer.status(), sent.answer.headers().clone(), sent.answer.exposed());
    match sent.answer.into_body() {
        ScrubbedBody::Whole(body) => {
            finished.answer_sha256 = Some(Digest::of(&body));
            finished.answer_bytes = body.len() as u64;
            let outcome = finished.outcome;
            guard.finish(finished).await?;
            Ok(Ok(Reply::answered(id, outcome, status, headers, exposed, body)))
        }
        ScrubbedBody::Flowing(stream) => {
            let (sender, body) = http_body_util::channel::Channel::new(CHUNKS_WAITING);
            finished.outcome = Outcome::Streamed;
            tokio::spawn(async move {
                flow(stream, sender, guard, finished).await;
                // The provider counts the call until its answer has ended.
                drop(turn);
            });
            Ok(Ok(Reply::flowing(id, status, headers, body)))
        }
    }
}

/// Passes a long body on, chunk by scanned chunk, and closes its record.
async fn flow(
    mut stream: ScrubbedStream,
    mut agent: Sender<bytes::Bytes, BrokenOff>,
    guard: OutcomeGuard,
    mut finished: Finished,
) {
    loop {
        match stream.next().await {
            Some(Ok(chunk)) => {
                finished.answer_bytes += chunk.len() as u64;
                if agent.send_data(chunk).await.is_err() {
                    finished.outcome = Outcome::Aborted;
                    break;
                }
            }
            Some(Err(error)) => {
                tracing::warn!(%error, "a long answer broke off");
                finished.outcome = Outcome::Unknown;
                agent.abort(BrokenOff);
                break;
            }
            None => break,
        }
    }
    finished.redactions = count(stream.redactions());
    if let Err(error) = guard.finish(finished).await {
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
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
