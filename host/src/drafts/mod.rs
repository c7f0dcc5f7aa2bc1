//! Drafts: requests that wait for a person, kept sealed and byte for byte, and released once.
//!
//! A draft's id is that of the request that was held, so that the audit's row and the draft name one another. In reading
//! order: `content` (what is sealed), `shown` (how a person reads it), this file (keeping, finding, the agent's view), `approvals`
//! (several people's words), `decided` (what the vault knows of it), `changes` (what would be other than it is), `release` (what an
//! approval does), `refused` (why a release sent nothing), `words` (what came of it, for people).

mod approvals;
mod changes;
mod content;
mod decided;
mod refused;
mod release;
mod shown;
mod words;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;
use wardlock_audit::Separation;
use wardlock_core::decision::Held;
use wardlock_core::id::RequestId;
use wardlock_core::refusal::{Code, DraftPlace, Refusal};
use wardlock_egress::vault::{Purpose, Vault, VaultError};
use wardlock_state::{Draft, DraftBounds, DraftState, EARLIER_VERSION, Kept, State, StateError};

use crate::approvers::Waiting;
use crate::gate::Gate;
use crate::host::Host;
use crate::ingress::Reply;

pub use approvals::{given, wanted};
pub use changes::{changes, unread};
pub use content::Content;
pub use decided::{reject, reject_all_of, reject_held_of};
use refused::KeptRefusal;
pub use release::{Approved, Unreleased, release, settle};
pub use shown::{is_as_shown, told, word_for};
pub use words::{done_of_it, failures_in_words, frozen_in_words, thawed_by};

/// How many may wait: a person reads each of them. No agent has more than an eighth of its workspace's room.
const BOUNDS: DraftBounds =
    DraftBounds { of_agent: 100, of_workspace: 1000, bytes_of_agent: 32 << 20, bytes: 256 << 20 };

/// How long a draft waits for a person, milliseconds: a week.
const WAITS_MS: u64 = 7 * 24 * 60 * 60 * 1000;

/// How long the vault knows how a draft was decided, milliseconds: longer than one waits. What it forgets leaves a floor, below which
/// nothing is sent, whatever the clock says.
pub(crate) const KNOWN_MS: u64 = 2 * WAITS_MS;

/// Stands behind the name of whoever ended a draft by revoking its agent.
pub const BY_REVOKING: &str = ", by revoking its agent";

/// Why a draft cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The state.
    #[error(transparent)]
    State(#[from] StateError),
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The audit.
    #[error(transparent)]
    Audit(#[from] wardlock_audit::AuditError),
    /// What was sealed does not open here.
    #[error(transparent)]
    NotOpened(#[from] wardlock_egress::vault::NotOpened),
    /// What was sealed is no draft.
    #[error(transparent)]
    Content(#[from] content::BadContent),
    /// The system gives no randomness to seal with.
    #[error("the system gives no randomness")]
    Random,
    /// The work ended early.
    #[error("a worker thread failed")]
    Worker,
}

/// Returns the id of the draft of a held request.
fn id_of(request: &RequestId) -> String {
    request.as_str().replacen("req_", "draft_", 1)
}

/// What a draft is sealed for: nothing of one opens in the place of another.
fn place_of(draft: &Draft, part: &str) -> Vec<u8> {
    let request = draft.request.to_string();
    let whose = [&draft.id, &draft.workspace, &draft.connection, &draft.agent];
    let what = [&request, &draft.operation, &draft.effect];
    let parts = [part].into_iter().chain(whose.into_iter().chain(what).map(String::as_str));
    let parts: Vec<&str> = parts.collect();
    parts.join("\n").into_bytes()
}

/// Keeps a held request and returns what its agent is told: where it waits, or that it cannot.
pub async fn keep(host: &Host, held: &Held, refusal: Refusal, separation: Separation) -> Refusal {
    let via = held.asked.via.clone();
    match try_keep(host, held, &refusal, separation).await {
        Ok(Keeping::Waits(id)) => {
            let url = url_of(&id, via.as_deref());
            refusal.kept_at(DraftPlace { id, url })
        }
        Ok(Keeping::Full) => Refusal::new(Code::DraftUnavailable, "drafts", "as many drafts wait as may").hint(
            "nothing was stored or sent; the operator approves or rejects those that wait: `wardlock drafts list`",
        ),
        Ok(Keeping::AgentFull) => agent_full(held),
        Err(error) => {
            tracing::error!(%error, "a held request cannot be kept");
            Refusal::new(Code::DraftUnavailable, "drafts", "the held request cannot be kept")
        }
    }
}

/// What became of a request that shall wait.
enum Keeping {
    /// It waits as this draft.
    Waits(String),
    /// There is no room in the workspace.
    Full,
    /// Its agent has no room left.
    AgentFull,
}

fn agent_full(held: &Held) -> Refusal {
    let (most, megabytes) = (BOUNDS.of_agent, BOUNDS.bytes_of_agent >> 20);
    let detail = format!("as many drafts of this agent wait as may: {most}, or {megabytes} MiB together");
    let hint = format!(
        "nothing was stored or sent; the operator approves or rejects those that wait: `wardlock drafts reject --agent {}` rejects all of them",
        held.agent
    );
    Refusal::new(Code::TooManyDrafts, "drafts", detail).hint(hint)
}

/// Where an agent asks about its draft: absolute, where it is known how it reaches the host.
fn url_of(id: &str, via: Option<&str>) -> String {
    format!("{}/-/drafts/{id}", via.unwrap_or_default())
}

async fn try_keep(
    host: &Host,
    held: &Held,
    refusal: &Refusal,
    separation: Separation,
) -> Result<Keeping, DraftError> {
    let asked = &held.asked;
    let operation = held.classified.operation();
    let connection = &held.connection;
    let now_ms = host.now_ms();
    let draft = Draft {
        id: id_of(&asked.id),
        workspace: connection.workspace.to_string(),
        connection: connection.name.to_string(),
        agent: held.agent.to_string(),
        request: held.classified.digest(),
        operation: operation.name.clone(),
        effect: operation.effect.as_str().to_owned(),
        state: DraftState::Held,
        created_ms: now_ms,
        expires_ms: now_ms.saturating_add(WAITS_MS),
        decided_ms: None,
        decided_by: None,
        release_id: None,
        code: None,
        outcome: None,
    };
    let role = held.classified.definition().map(|definition| definition.host.as_str());
    let host_name = role.and_then(|role| connection.host(role));
    // A clock that was ahead leaves a floor in what is to come. Whatever is held meanwhile waits all the same.
    let floor_ms = on_vault(host, Vault::draft_floor).await?;
    let content = Content::of(held, refusal, host_name, separation, now_ms, floor_ms);
    let sealed = seal(host, &draft, "request", &content.to_bytes())?;
    let (id, asked) = (draft.id.clone(), content.asked());
    let kept = on_disk(host, move |state| state.keep_draft(&draft, asked, &sealed, &BOUNDS)).await?;
    if kept == Kept::New {
        host.seat().approvers.tell(Waiting {
            draft: id.clone(),
            workspace: connection.workspace.to_string(),
            connection: connection.name.to_string(),
            agent: held.agent.to_string(),
        });
    }
    Ok(match kept {
        Kept::New => Keeping::Waits(id),
        Kept::Same(same) => Keeping::Waits(same.id),
        Kept::Full => Keeping::Full,
        Kept::AgentFull => Keeping::AgentFull,
    })
}

fn seal(host: &Host, draft: &Draft, part: &str, plain: &[u8]) -> Result<Vec<u8>, DraftError> {
    let keys = host.vault().keys();
    keys.seal(Purpose::Drafts, &place_of(draft, part), plain).map_err(|_| DraftError::Random)
}

fn unseal(host: &Host, draft: &Draft, part: &str, sealed: &[u8]) -> Result<Vec<u8>, DraftError> {
    let opened = host.vault().keys().open(Purpose::Drafts, &place_of(draft, part), sealed)?;
    Ok(opened.to_vec())
}

/// Returns what is held; `None` where it has ended and is gone.
pub async fn content(host: &Host, draft: &Draft) -> Result<Option<Content>, DraftError> {
    let id = draft.id.clone();
    let Some(sealed) = on_disk(host, move |state| state.draft_content(&id)).await? else {
        return Ok(None);
    };
    Ok(Some(Content::parse(&unseal(host, draft, "request", &sealed)?)?))
}

/// Returns an agent's own draft.
async fn own(host: &Host, (workspace, agent): (&str, &str), id: &str) -> Result<Option<Draft>, DraftError> {
    let id = id.to_owned();
    let found = on_disk(host, move |state| state.draft(&id)).await?;
    // Another agent's draft is not there, for this one.
    Ok(found.filter(|draft| draft.workspace == workspace && draft.agent == agent))
}

/// Asks the state off the async threads.
async fn on_disk<T: Send + 'static>(
    host: &Host,
    ask: impl FnOnce(&State) -> Result<T, StateError> + Send + 'static,
) -> Result<T, DraftError> {
    let state = host.state().clone();
    let asked = tokio::task::spawn_blocking(move || ask(&state)).await;
    Ok(asked.map_err(|_| DraftError::Worker)??)
}

/// Asks the vault off the async threads.
async fn on_vault<T: Send + 'static>(
    host: &Host,
    ask: impl FnOnce(&Vault) -> Result<T, VaultError> + Send + 'static,
) -> Result<T, DraftError> {
    let vault = Arc::clone(host.vault());
    Ok(tokio::task::spawn_blocking(move || ask(&vault)).await.map_err(|_| DraftError::Worker)??)
}

/// Waits until a draft has ended, at most so long, and no longer than this process goes on. Nobody is kept from locking the vault meanwhile: the host is asked for each time
/// that some draft has moved on.
pub async fn wait(gate: &Gate, id: &str, patience: Duration) {
    let until = Instant::now() + patience;
    loop {
        // Before it is looked, so that nothing happens in between.
        let mut moved = pin!(gate.seat().draft_moved.notified());
        moved.as_mut().enable();
        if gate.seat().is_stopping.load(Ordering::SeqCst) {
            return;
        }
        let Some(host) = gate.opened() else { return };
        let id = id.to_owned();
        let found = on_disk(&host, move |state| state.draft(&id)).await.ok().flatten();
        drop(host);
        let waits = found.is_some_and(|draft| matches!(draft.state, DraftState::Held | DraftState::Releasing));
        if !waits || tokio::time::timeout_at(until, moved).await.is_err() {
            return;
        }
    }
}

/// Tells an agent where its draft stands; `None`: it has no such draft.
pub async fn status(
    host: &Host,
    id: &RequestId,
    whose: (&str, &str),
    draft: &str,
) -> Result<Option<Reply>, Refusal> {
    let Some(draft) = own(host, whose, draft).await.map_err(|error| unreadable(&error))? else {
        return Ok(None);
    };
    let sealed = sealed_answer(host, &draft).await?;
    let refusal = sealed.as_deref().and_then(|sealed| refused::opened(host, &draft, sealed));
    let answered = sealed.is_some() && draft.code.is_none();
    let mut told = described(&draft, answered);
    told["refusal"] = refusal.map_or(Value::Null, |refusal| refusal.to_json());
    Ok(Some(Reply::own(id, &told)))
}

async fn sealed_answer(host: &Host, draft: &Draft) -> Result<Option<Vec<u8>>, Refusal> {
    let id = draft.id.clone();
    on_disk(host, move |state| state.draft_answer(&id)).await.map_err(|error| unreadable(&error))
}

fn described(draft: &Draft, answered: bool) -> Value {
    json!({
        "draft": draft.id,
        "state": draft.state.as_str(),
        "operation": draft.operation,
        "created": crate::text::time(draft.created_ms),
        "expires": crate::text::time(draft.expires_ms),
        "decided_by": draft.decided_by,
        "request_id": draft.release_id,
        "code": draft.code,
        "outcome": draft.outcome,
        "answer": answered.then(|| format!("/-/drafts/{}/answer", draft.id)),
    })
}

/// Gives an agent the answer of its released draft, once, or tells why there is none; `None`: it has no such draft.
pub async fn answer(
    host: &Host,
    id: &RequestId,
    whose: (&str, &str),
    draft: &str,
    via: Option<&str>,
) -> Result<Option<Reply>, Refusal> {
    let Some(draft) = own(host, whose, draft).await.map_err(|error| unreadable(&error))? else {
        return Ok(None);
    };
    let Some(sealed) = sealed_answer(host, &draft).await? else {
        return Err(without_answer(&draft, None, via));
    };
    if draft.code.is_some() {
        return Err(without_answer(&draft, refused::opened(host, &draft, &sealed), via));
    }
    let answer = unseal(host, &draft, "answer", &sealed)
        .and_then(|plain| Ok(content::parse_answer(&plain)?))
        .map_err(|error| unreadable(&error))?;
    // Secrets that were stored since are looked for, too.
    let parts = answer.headers.iter().map(|(_, value)| value.as_slice()).chain([answer.body.as_slice()]);
    for part in parts {
        if host.egress().contains_secret(part).map_err(|error| unlocked(&error))? {
            let detail = "a stored secret stands in the answer that was kept";
            return Err(Refusal::new(Code::AnswerNotScannable, "drafts", detail));
        }
    }
    let taken = draft.id.clone();
    let taken = on_disk(host, move |state| state.take_draft_answer(&taken)).await;
    if !taken.map_err(|error| unreadable(&error))? {
        return Err(without_answer(&draft, None, via));
    }
    Ok(Some(Reply::kept(id, answer)))
}

/// Says why a draft has no answer to give, with the refusal that was kept in its place.
fn without_answer(draft: &Draft, kept: Option<KeptRefusal>, via: Option<&str>) -> Refusal {
    let (code, detail) = match draft.state {
        DraftState::Held | DraftState::Releasing => {
            (Code::Held, "nobody has decided about this draft yet".to_owned())
        }
        DraftState::Rejected => (Code::DraftRejected, rejected(draft).to_owned()),
        DraftState::Expired => (Code::DraftExpired, expired(draft).to_owned()),
        DraftState::Unknown => {
            let detail = "this draft was being sent when Wardlock ended, so it may have been executed";
            (Code::OutcomeUnknown, detail.to_owned())
        }
        DraftState::Sent | DraftState::NotSent => {
            let known = draft.code.as_deref().and_then(Code::parse);
            match (known, draft.state) {
                (Some(code), DraftState::Sent) => {
                    (code, "this draft was sent, and its answer is withheld".to_owned())
                }
                (Some(code), _) => {
                    (code, "this draft was approved, and refused when it was to be sent".to_owned())
                }
                (None, _) => (Code::AnswerGone, "the answer was fetched already, or could not be kept".to_owned()),
            }
        }
    };
    let refusal = match kept {
        Some(kept) => kept.told(code, &detail),
        None => Refusal::new(code, "drafts", detail),
    };
    refusal.kept_at(DraftPlace { id: draft.id.clone(), url: url_of(&draft.id, via) })
}

/// Returns whether whoever ended a draft did so by revoking its agent.
pub fn is_by_revoking(by: &str) -> bool {
    by.ends_with(BY_REVOKING)
}

/// Says why a draft ended that no request came of, where it did.
pub fn ended_because(draft: &Draft) -> Option<&'static str> {
    match draft.state {
        DraftState::Expired => Some(expired(draft)),
        DraftState::Rejected => Some(rejected(draft)),
        DraftState::Held
        | DraftState::Releasing
        | DraftState::Sent
        | DraftState::NotSent
        | DraftState::Unknown => None,
    }
}

/// Says who ended a draft without a word of the provider's.
fn rejected(draft: &Draft) -> &'static str {
    if draft.decided_by.as_deref().is_some_and(is_by_revoking) {
        return "the agent that asked for this was revoked; nothing was sent";
    }
    "a person rejected this draft; nothing was sent"
}

/// Says why a draft waits no more without a word of anybody's.
fn expired(draft: &Draft) -> &'static str {
    if draft.code.as_deref() == Some(EARLIER_VERSION) {
        return "an earlier version of Wardlock kept this draft, and this one does not send it; nothing was sent";
    }
    "nobody decided about this draft in time; nothing was sent"
}

fn unreadable(error: &DraftError) -> Refusal {
    tracing::error!(%error, "a draft cannot be read");
    Refusal::new(Code::DraftUnavailable, "drafts", "the draft cannot be read")
}

fn unlocked(error: &wardlock_egress::vault::VaultError) -> Refusal {
    tracing::error!(%error, "the vault cannot be read");
    Refusal::new(Code::VaultLocked, "vault", "the vault is locked or cannot be read")
}
