//! What an approval does: the draft is judged again as everything is now, and sent once, byte for byte.
//!
//! The draft is out of `held` on the disk before anything else happens, under the id of the request that releases it. Whatever ends
//! the process from there on, the next start finds that id, and the audit tells whether it was sent.

use std::ops::ControlFlow;
use std::sync::Arc;

use wardlock_audit::{Kind, Reach, Row, failpoint};
use wardlock_core::answer::Outcome;
use wardlock_core::decision::Approval;
use wardlock_core::id::{AgentName, Digest, RequestId, WorkspaceName};
use wardlock_core::refusal::{Code, Refusal};
use wardlock_egress::vault::{Decided, DraftTime};
use wardlock_state::{Counting, Draft, DraftState, Released};

use super::approvals::{Gathered, gather, wanted};
use super::{Content, DraftError, content, decided, on_disk, refused, seal};
use crate::host::Host;
use crate::ids::new_request_id;
use crate::pipeline::{self, Ended, OnBehalf};

/// What came of an approval.
#[derive(Debug)]
pub struct Release {
    /// The request by which it was sent, or refused.
    pub id: RequestId,
    /// Where the draft stands now.
    pub state: DraftState,
    /// What came of it, where it was sent.
    pub outcome: Option<Outcome>,
    /// The status of the provider's answer.
    pub status: Option<u16>,
    /// Why it was not sent, or why its answer is withheld.
    pub refusal: Option<Refusal>,
}

/// What an approval came to.
#[derive(Debug)]
pub enum Approved {
    /// The draft was released.
    Released(Release),
    /// It waits for others.
    Waits {
        /// Who has approved it.
        by: Vec<String>,
        /// How many must.
        wanted: u32,
    },
}

/// Why an approval releases nothing.
#[derive(Debug, thiserror::Error)]
pub enum Unreleased {
    /// There is no such draft.
    #[error("there is no draft `{id}`")]
    Unknown {
        /// Its id.
        id: String,
    },
    /// It has been decided, or its time is over.
    #[error("draft `{id}` is {state} and can no longer be approved")]
    NotHeld {
        /// Its id.
        id: String,
        /// Where it stands.
        state: &'static str,
    },
    /// The vault knows how it was decided, whatever its row says now.
    #[error("draft `{id}` was decided already, whatever the state says of it now")]
    Decided {
        /// Its id.
        id: String,
        /// The request that released it; `None`: it was rejected.
        request: Option<String>,
    },
    /// What the vault knew of drafts of its time is forgotten.
    #[error(
        "draft `{id}` is from before the newest decision that the vault has forgotten, so nobody knows whether it was sent already"
    )]
    Forgotten {
        /// Its id.
        id: String,
    },
    /// The approval is of another request.
    #[error("draft `{id}` holds another request than the one that was approved")]
    Other {
        /// Its id.
        id: String,
    },
    /// Several people must approve, and nobody can tell who this is.
    #[error("{wanted} people must approve this, and there are no operators to tell them apart by")]
    Nameless {
        /// How many.
        wanted: u32,
    },
    /// The same person again.
    #[error("operator `{operator}` has approved draft `{id}` already, and {wanted} people must")]
    Twice {
        /// The draft.
        id: String,
        /// Who.
        operator: String,
        /// How many.
        wanted: u32,
    },
    /// It cannot be read or written.
    #[error(transparent)]
    Draft(#[from] DraftError),
}

/// Releases a draft that a person approved as `request`, the digest that was shown.
/// Where its connection wants several people, it waits until they have said so.
pub async fn release(host: &Arc<Host>, id: &str, request: Digest, by: &str) -> Result<Approved, Unreleased> {
    let draft = find(host, id).await?;
    if draft.request != request {
        return Err(Unreleased::Other { id: draft.id });
    }
    let not_held = |state: DraftState| Unreleased::NotHeld { id: id.to_owned(), state: state.as_str() };
    if draft.state != DraftState::Held {
        return Err(not_held(draft.state));
    }
    let content = content(host, &draft).await?.filter(|content| !content.is_over(host.now_ms()));
    let content = content.ok_or_else(|| not_held(DraftState::Expired))?;
    let timed = DraftTime { id: draft.id.clone(), counted_ms: content.counted_ms() };
    if let Err(unreleased) = decided::undecided(host, &timed).await {
        end_forgotten(host, &draft, by, &unreleased).await?;
        return Err(unreleased);
    }
    let by = match gather(host, &draft, by).await? {
        Gathered::Enough(by) => by,
        Gathered::Waits(by) => return Ok(Approved::Waits { by, wanted: wanted(host, &draft) }),
    };
    let release_id = new_request_id();
    let (its_id, by_whom, its_release) = (draft.id.clone(), by.join(", "), release_id.to_string());
    let begun = on_disk(host, move |state| state.begin_release(&its_id, request, &by_whom, &its_release)).await?;
    if !begun {
        // Somebody else decided between the two, or its time was over.
        let now = find(host, id).await?.state;
        return Err(not_held(if now == DraftState::Held { DraftState::Expired } else { now }));
    }
    failpoint::pass("after-approval");
    // From here on it is released, whatever becomes of its row.
    if let Err(unreleased) = decided::note(host, &timed, release_id.as_str()).await {
        end_unsent(host, &draft, release_id.as_str(), &unreleased).await;
        return Err(unreleased);
    }
    failpoint::pass("after-noting");
    let ended = send(host, &draft, &content, &release_id, by).await;
    failpoint::pass("after-release");
    let (mut released, mut release) = conclude(host, &draft, release_id, ended);
    released.state = unless_revoked(host, &draft, released.state);
    release.state = released.state;
    if let Err(error) = write_end(host, &draft, release.id.as_str(), released).await {
        // It stays `releasing`, and the next start reads in the audit what became of it.
        tracing::error!(draft = draft.id, %error, "the end of a release cannot be written down");
    }
    host.seat().draft_moved.notify_waiters();
    Ok(Approved::Released(release))
}

/// Writes down how a release ended. The vault is told first where the draft waits on: what is cut off in between is settled at a start.
async fn write_end(host: &Host, draft: &Draft, release: &str, released: Released) -> Result<(), DraftError> {
    if released.state == DraftState::Held {
        decided::take_back(host, draft, release).await?;
    }
    let (id, release) = (draft.id.clone(), release.to_owned());
    on_disk(host, move |state| state.end_release(&id, &release, &released)).await.map(drop)
}

/// Ends a draft of a time of which the vault has forgotten what was decided: it waits no more. Others stay as they are.
async fn end_forgotten(host: &Host, draft: &Draft, by: &str, unreleased: &Unreleased) -> Result<(), DraftError> {
    if !matches!(unreleased, Unreleased::Forgotten { .. }) {
        return Ok(());
    }
    let (id, request, by, release) = (draft.id.clone(), draft.request, by.to_owned(), new_request_id());
    let its_release = release.to_string();
    if on_disk(host, move |state| state.begin_release(&id, request, &by, &its_release)).await? {
        end_unsent(host, draft, release.as_str(), unreleased).await;
        host.seat().draft_moved.notify_waiters();
    }
    Ok(())
}

/// Ends a release that the vault did not take: another one was before it, or the vault cannot be written.
async fn end_unsent(host: &Host, draft: &Draft, release: &str, unreleased: &Unreleased) {
    let of = |state| Released { state, code: None, outcome: None, answer: None };
    let released = match unreleased {
        Unreleased::Decided { request: Some(_), .. } => of(DraftState::Unknown),
        Unreleased::Decided { request: None, .. } => of(DraftState::Rejected),
        Unreleased::Forgotten { .. } => forgotten(host, draft),
        Unreleased::Unknown { .. }
        | Unreleased::NotHeld { .. }
        | Unreleased::Other { .. }
        | Unreleased::Nameless { .. }
        | Unreleased::Twice { .. }
        | Unreleased::Draft(_) => of(DraftState::Held),
    };
    if let Err(error) = write_end(host, draft, release, released).await {
        tracing::error!(draft = draft.id, %error, "the end of a release cannot be written down");
    }
}

/// How a draft ends of which nobody knows what was decided, with what its agent is told.
fn forgotten(host: &Host, draft: &Draft) -> Released {
    let detail = "it was held before the newest decision that the vault has forgotten, so nobody knows whether it was sent already";
    let refusal = Refusal::new(Code::DraftExpired, "drafts", detail);
    let state = DraftState::NotSent;
    let answer = refused::sealed(host, draft, state, &refusal);
    Released { state, code: Some(refusal.code.as_str().to_owned()), outcome: None, answer }
}

/// Where a draft stands after a release: one whose agent was revoked meanwhile waits no more, or another of its name would have it.
fn unless_revoked(host: &Host, draft: &Draft, state: DraftState) -> DraftState {
    let names = AgentName::parse(&draft.agent).ok().zip(WorkspaceName::parse(&draft.workspace).ok());
    let has_agent = names.is_some_and(|(agent, workspace)| host.state().is_agent(&agent, &workspace));
    if state == DraftState::Held && !has_agent { DraftState::Rejected } else { state }
}

async fn find(host: &Host, id: &str) -> Result<Draft, Unreleased> {
    let wanted = id.to_owned();
    let found = on_disk(host, move |state| state.draft(&wanted)).await?;
    found.ok_or_else(|| Unreleased::Unknown { id: id.to_owned() })
}

async fn send(host: &Host, draft: &Draft, content: &Content, release_id: &RequestId, by: Vec<String>) -> Ended {
    let request = match content.request() {
        Ok(request) if request.digest() == draft.request => request,
        Ok(_) | Err(_) => {
            let detail = "what was kept of the draft is not the request that was held";
            return Ended::refused(Refusal::new(Code::Internal, "drafts", detail));
        }
    };
    let approval = Approval {
        draft: draft.id.clone(),
        by,
        request: draft.request,
        tenant: content.tenant.clone(),
        place: content.place,
        holders: content.holders.clone(),
    };
    let asked = OnBehalf {
        workspace: &draft.workspace,
        connection: &draft.connection,
        agent: &draft.agent,
        purpose: content.purpose.clone(),
        via: content.via.clone(),
        separation: content.separation,
        approval: Some(approval),
        checks: false,
        counting: Counting::Takes,
    };
    pipeline::run_for(host, release_id, asked, request).await
}

/// Says what a release came to, for the state and for whoever approved.
fn conclude(host: &Host, draft: &Draft, id: RequestId, ended: Ended) -> (Released, Release) {
    let (state, outcome, status, refusal, answer) = match ended {
        Ended::Answered { outcome, answer } => {
            let status = answer.as_ref().map(|answer| answer.status);
            let sealed = answer.and_then(|answer| {
                let sealed = seal(host, draft, "answer", &super::content::answer_to_bytes(&answer));
                sealed.inspect_err(|error| tracing::error!(%error, "an answer cannot be kept")).ok()
            });
            let (state, outcome) = match (outcome, status) {
                // It broke off. One that came and cannot be read leaves open what was done, too, but was sent.
                (Outcome::Unknown, None) => (DraftState::Unknown, Outcome::Unknown),
                (known, _) => (DraftState::Sent, known),
            };
            (state, Some(outcome), status, None, sealed)
        }
        Ended::Refused { refusal, recorded: None } => {
            // Nothing was sent and time mends it: the draft waits on, for another approval.
            let state = again_or_not(refusal.code);
            let sealed = refused::sealed(host, draft, state, &refusal);
            (state, None, None, Some(refusal), sealed)
        }
        Ended::Refused { refusal, recorded: Some(outcome) } => {
            let state = match outcome {
                Outcome::Unknown => DraftState::Unknown,
                // Surely not executed.
                Outcome::Aborted if refusal.code.retryable() => DraftState::Held,
                Outcome::Aborted => DraftState::NotSent,
                // It was answered, and the answer is withheld.
                Outcome::Ok | Outcome::Partial | Outcome::Failed | Outcome::Scheduled | Outcome::Streamed => {
                    DraftState::Sent
                }
            };
            let sealed = refused::sealed(host, draft, state, &refusal);
            (state, Some(outcome), None, Some(refusal), sealed)
        }
    };
    let released = Released {
        state,
        code: refusal.as_ref().map(|refusal| refusal.code.as_str().to_owned()),
        outcome: outcome.map(|outcome| outcome.as_str().to_owned()),
        answer,
    };
    (released, Release { id, state, outcome, status, refusal })
}

/// Says what became of drafts that were being sent when the process before this one ended. It blocks.
pub fn settle(host: &Host) -> Result<usize, DraftError> {
    let under_way = host.state().drafts(Some(DraftState::Releasing), u32::MAX)?;
    for draft in &under_way {
        // One that cannot be settled stays as it is, and keeps nothing else from opening.
        if let Err(error) = settle_one(host, draft) {
            tracing::error!(draft = draft.id, %error, "a draft cannot be settled");
        }
    }
    Ok(under_way.len())
}

/// Writes down what became of a draft. Its release is taken back only where the audit shows that nothing was sent by it.
fn settle_one(host: &Host, draft: &Draft) -> Result<(), DraftError> {
    let release = draft.release_id.as_deref().unwrap_or_default();
    let mut released = as_recorded(&recorded(host, draft, release)?);
    released.state = unless_revoked(host, draft, released.state);
    let state = released.state.as_str();
    tracing::warn!(draft = draft.id, state, "a draft was being sent when Wardlock ended");
    if released.state == DraftState::Held {
        host.vault().take_release_back(&draft.id, release)?;
    }
    host.state().end_release(&draft.id, release, &released)?;
    Ok(())
}

/// What the audit holds of a release.
struct Recorded {
    /// Its rows, the oldest first, and whether each is of this vault's making.
    rows: Vec<(Row, bool)>,
    /// Whether no row of then is missing or unreadable.
    is_whole: bool,
}

/// Reads the rows of a release without an index, back to when the vault noted it: whatever was sent was recorded after that. Of what the
/// vault did not note nothing was sent.
fn recorded(host: &Host, draft: &Draft, release: &str) -> Result<Recorded, DraftError> {
    let mark = host.vault().draft_mark(&draft.id)?;
    if mark.decided.is_none_or(|decided| decided != Decided::Released { request: release.to_owned() }) {
        return Ok(Recorded { rows: Vec::new(), is_whole: true });
    }
    let (mut rows, mut is_readable) = (Vec::new(), true);
    let reach = host.audit().walk_back(Some(mark.at_ms), |step| {
        if step.is_of(release) {
            match step.read() {
                Ok(row) => rows.push((row, step.is_own)),
                Err(_) => is_readable = false,
            }
        }
        ControlFlow::Continue(())
    });
    let is_whole = reach? == Reach::Whole && is_readable;
    rows.reverse();
    Ok(Recorded { rows, is_whole })
}

/// Reads from a release's rows what became of its draft. It waits on only where nothing is missing and nobody says that it was sent.
fn as_recorded(recorded: &Recorded) -> Released {
    let row = |kind: Kind| recorded.rows.iter().find(|(row, _)| row.kind == kind);
    let of = |state, code, outcome| Released { state, code, outcome, answer: None };
    let intent = row(Kind::Intent);
    if intent.is_none() && !recorded.is_whole {
        return of(DraftState::Unknown, None, None);
    }
    if intent.is_none() {
        // It never came as far as INTENT, without which nothing is sent.
        let refused = row(Kind::Refusal).and_then(|(row, _)| row.detail.refusal.as_ref());
        return match refused {
            Some(refused) => {
                let state = Code::parse(&refused.code).map_or(DraftState::NotSent, again_or_not);
                of(state, Some(refused.code.clone()), None)
            }
            None => of(DraftState::Held, None, None),
        };
    }
    let outcome = row(Kind::Outcome).filter(|(_, is_own)| *is_own).and_then(|(row, _)| row.outcome.clone());
    // `aborted` is also what is written for a request that was given up under way.
    let doubtful = [Outcome::Unknown, Outcome::Aborted, Outcome::Streamed].map(Outcome::as_str);
    match outcome.filter(|word| !doubtful.contains(&word.as_str())) {
        Some(word) => of(DraftState::Sent, None, Some(word)),
        None => of(DraftState::Unknown, None, None),
    }
}

/// Where a draft stands that surely was not sent: where time mends it, it waits on, for another approval.
fn again_or_not(code: Code) -> DraftState {
    if code.retryable() { DraftState::Held } else { DraftState::NotSent }
}

#[cfg(test)]
mod tests {
    use wardlock_audit::Detail;

    use super::*;

    fn row(kind: Kind, outcome: Option<Outcome>) -> Row {
        Row {
            sequence: 1,
            kind,
            at_ms: 0,
            request_id: None,
            workspace: None,
            connection: None,
            agent: None,
            operation: None,
            effect: None,
            decision: None,
            outcome: outcome.map(|outcome| outcome.as_str().to_owned()),
            closes: None,
            detail: Detail { version: 1, request: None, refusal: None, answer: None, act: None },
            prev: Digest::of(b""),
            hash: Digest::of(b""),
        }
    }

    #[test]
    fn a_release_waits_on_only_where_nothing_is_missing_and_no_row_says_that_it_was_sent() {
        let check = |rows: Vec<(Row, bool)>, is_whole: bool, expect: DraftState| {
            let told: Vec<(Kind, bool)> = rows.iter().map(|(row, is_own)| (row.kind, *is_own)).collect();
            assert_eq!(as_recorded(&Recorded { rows, is_whole }).state, expect, "{told:?}, whole: {is_whole}");
        };
        let intent = |is_own| (row(Kind::Intent, None), is_own);
        let ok = |is_own| (row(Kind::Outcome, Some(Outcome::Ok)), is_own);
        check(vec![], true, DraftState::Held);
        check(vec![], false, DraftState::Unknown);
        check(vec![intent(true), ok(true)], true, DraftState::Sent);
        check(vec![intent(true), ok(true)], false, DraftState::Sent);
        check(vec![intent(true), ok(false)], true, DraftState::Unknown);
        check(vec![intent(true)], true, DraftState::Unknown);
        check(vec![intent(false)], true, DraftState::Unknown);
    }
}
