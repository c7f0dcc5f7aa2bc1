//! Drafts: what waits for a person, what it would do, and the person's word.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::classify::{Classified, Part, classify};
use wardlock_core::decision::Holder;
use wardlock_core::id::{AgentName, Digest};
use wardlock_state::{Counting, Draft, DraftState, StateError};

use super::freeze::frozen_by;
use super::{blocking, named, note, released, seen_through, who};
use crate::admin::Failure;
use crate::drafts::{self, Approved, Content, DraftError, Unreleased};
use crate::host::Host;
use crate::pipeline::OnBehalf;
use crate::text::time;

/// How many drafts one list shows.
const MOST: u32 = 1000;
/// What a read of how things are now gives as its purpose.
const PURPOSE: &str = "current values, for whoever approves a draft";

pub(super) async fn list(host: &Arc<Host>, all: bool) -> Result<Value, Failure> {
    let state = host.state().clone();
    let wanted = (!all).then_some(DraftState::Held);
    let drafts = blocking(move || {
        state.tidy_drafts()?;
        state.drafts(wanted, MOST)
    })
    .await??;
    Ok(Value::Array(drafts.iter().map(row).collect()))
}

/// The connection that it is for.
fn place(draft: &Draft) -> String {
    format!("{}/{}", draft.workspace, draft.connection)
}

fn row(draft: &Draft) -> Value {
    json!({
        "draft": draft.id,
        "connection": place(draft),
        "agent": draft.agent,
        "operation": draft.operation,
        "effect": draft.effect,
        "state": draft.state.as_str(),
        "held": time(draft.created_ms),
        "expires": time(draft.expires_ms),
        "code": draft.code,
        "outcome": draft.outcome,
    })
}

/// The row, with what was decided and when.
fn dated(draft: &Draft) -> Value {
    let mut dated = row(draft);
    dated["decided"] = draft.decided_ms.map(time).into();
    dated["decided_by"] = draft.decided_by.clone().into();
    dated["request_id"] = draft.release_id.clone().into();
    dated["why"] = drafts::ended_because(draft).into();
    dated
}

pub(super) async fn show(host: &Arc<Host>, id: &str) -> Result<Value, Failure> {
    let draft = find(host, id).await?;
    let content = drafts::content(host, &draft).await.map_err(unreadable)?;
    let request = content.as_ref().map(Content::request).transpose().map_err(|error| unreadable(error.into()))?;
    let classified = request.clone().and_then(|request| classified(host, &draft, request));
    let mut shown = dated(&draft);
    let (changes, note) = changes(host, &draft, content.as_ref(), classified.as_deref()).await;
    let waits = draft.state == DraftState::Held;
    let more = json!({
        "frozen": if waits { frozen_by(host, &draft.workspace) } else { Vec::new() },
        "approved_by": drafts::given(host, &draft).await.map_err(unreadable)?,
        "approvals_wanted": drafts::wanted(host, &draft),
        "request_sha256": draft.request.to_string(),
        "would_send": content.as_ref().zip(request).map(|(content, request)| {
            would_send(content, &request, classified.as_deref())
        }),
        "changes": changes,
        "changes_note": note,
        "exact": content.as_ref().map(Content::exact),
    });
    extend(&mut shown, more);
    extend(&mut shown, released::said(host, draft.release_id.as_deref()).await);
    Ok(shown)
}

/// What stands there now, row by row, or why nothing of it is read.
async fn changes(
    host: &Host,
    draft: &Draft,
    content: Option<&Content>,
    classified: Option<&Classified>,
) -> (Value, Option<String>) {
    let (content, classified) = match (content, classified) {
        _ if draft.state != DraftState::Held => {
            return (Value::Null, Some(format!("not read: the draft is {}", draft.state.as_str())));
        }
        (Some(content), Some(classified)) => (content, classified),
        _ => {
            return (Value::Null, Some("not read: its connection does not know this request any more".to_owned()));
        }
    };
    if let Some(unread) = drafts::unread(classified) {
        return (Value::Null, Some(unread));
    }
    let asked = OnBehalf {
        workspace: &draft.workspace,
        connection: &draft.connection,
        agent: &draft.agent,
        purpose: Some(PURPOSE.to_owned()),
        via: None,
        separation: content.separation,
        approval: None,
        checks: false,
        counting: Counting::Looks,
    };
    (drafts::changes(host, asked, None, classified).await, None)
}

fn extend(value: &mut Value, more: Value) {
    if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
        value.extend(more);
    }
}

/// The word for a draft as it is shown; `None`: nothing of it is left to be sent.
async fn word(host: &Arc<Host>, draft: &Draft) -> Result<Option<String>, Failure> {
    let Some(content) = drafts::content(host, draft).await.map_err(unreadable)? else { return Ok(None) };
    let request = content.request().map_err(|error| unreadable(error.into()))?;
    let mut shown = row(draft);
    shown["would_send"] = would_send(&content, &request, None);
    Ok(Some(drafts::word_for(&shown)))
}

/// Exactly what an approval sends, and why it waits.
fn would_send(content: &Content, request: &CanonicalRequest, classified: Option<&Classified>) -> Value {
    let held_by = content.holders.iter().map(|holder| match holder {
        Holder::Rule { rule } => format!("rule `{rule}`"),
        Holder::Plugin { name, .. } => format!("plugin `{name}`"),
    });
    let mut shown = json!({
        "reason": content.reason,
        "held_by": held_by.collect::<Vec<_>>(),
        "purpose": content.purpose,
        "tenant": content.tenant,
        "resources": content.resources,
        "records": content.breadth,
        "host": content.host,
    });
    extend(&mut shown, drafts::told(request));
    if let Some(fields) = classified.and_then(Classified::fields_written) {
        shown["fields"] = fields.into();
    }
    let parts = classified.map(Classified::parts).unwrap_or_default();
    if !parts.is_empty() {
        shown["parts"] = parts.iter().map(part).collect();
    }
    shown
}

/// One of the requests that another carries, as it was judged.
fn part(part: &Part) -> Value {
    let operation = part.classified().operation();
    let mut shown = json!({
        "part": part.number(),
        "operation": operation.name,
        "effect": operation.effect.as_str(),
        "resources": operation.resources,
        "records": operation.breadth,
    });
    extend(&mut shown, drafts::told(part.classified().request()));
    shown
}

/// The draft's request as it is read now; `None` where its connection is gone, or reads it no more.
fn classified(host: &Host, draft: &Draft, request: CanonicalRequest) -> Option<Box<Classified>> {
    let loaded = host.loaded();
    let connection = &loaded.connection(&draft.workspace, &draft.connection)?.connection;
    classify(&connection.service, request).ok().map(Box::new)
}

pub(super) async fn approve(
    host: &Arc<Host>,
    id: &str,
    request: &str,
    shown_as: Option<&str>,
) -> Result<Value, Failure> {
    let request = named(Digest::parse(request))?;
    let draft = find(host, id).await?;
    if let Some(shown_as) = shown_as
        && word(host, &draft).await?.is_some_and(|word| word != shown_as)
    {
        return Err(Failure::no(format!("draft `{id}` is another than was shown"))
            .hint("look at it again with `wardlock drafts show`, and approve what it shows"));
    }
    // A release that is given up under way leaves everybody in doubt.
    let (host, by) = (Arc::clone(host), who());
    seen_through(async move { approve_as(&host, &draft, request, &by).await }).await
}

async fn approve_as(host: &Arc<Host>, draft: &Draft, request: Digest, by: &str) -> Result<Value, Failure> {
    let id = draft.id.as_str();
    let released = drafts::release(host, id, request, by).await;
    let act = |result: &str| {
        Act::admin(by, "drafts.approve", id, result).on(draft.workspace.as_str(), draft.connection.as_str())
    };
    let release = match released {
        Ok(Approved::Released(release)) => release,
        Ok(Approved::Waits { by, wanted }) => {
            note(host, act(&format!("{} of {wanted}", by.len()))).await;
            let missing = usize::try_from(wanted).unwrap_or(usize::MAX).saturating_sub(by.len());
            return Ok(json!({
                "draft": id,
                "state": DraftState::Held.as_str(),
                "sent": false,
                "approved_by": by,
                "approvals_wanted": wanted,
                "detail": format!("nothing was sent yet: {missing} more must approve it within a day"),
            }));
        }
        Err(error) => {
            note(host, act("refused")).await;
            return Err(unreleased(&error, &find(host, id).await?));
        }
    };
    note(host, act(release.state.as_str()).caused_by(release.id.clone())).await;
    let refusal = release.refusal.as_ref();
    let remedy = refusal.map(|refusal| refusal.remedy().to_owned());
    let mut ended = json!({
        "draft": id,
        "state": release.state.as_str(),
        "sent": release.state == DraftState::Sent,
        "request_id": release.id.as_str(),
        "outcome": release.outcome.map(wardlock_core::answer::Outcome::as_str),
        "status": release.status,
        "code": refusal.map(|refusal| refusal.code.as_str()),
        "detail": refusal.map(|refusal| refusal.detail.clone()),
        "hint": remedy.or_else(|| released::remedy(release.outcome, release.id.as_str())),
    });
    extend(&mut ended, released::said(host, Some(release.id.as_str())).await);
    Ok(ended)
}

pub(super) async fn reject(host: &Arc<Host>, id: &str) -> Result<Value, Failure> {
    let draft = find(host, id).await?;
    let (host, by) = (Arc::clone(host), who());
    seen_through(async move { reject_as(&host, &draft, by).await }).await
}

async fn reject_as(host: &Arc<Host>, draft: &Draft, by: String) -> Result<Value, Failure> {
    let id = draft.id.as_str();
    if !drafts::reject(host, id, &by).await.map_err(unreadable)? {
        let now = find(host, id).await?.state.as_str();
        return Err(Failure::no(format!("draft `{id}` is {now} and can no longer be rejected")));
    }
    host.seat().draft_moved.notify_waiters();
    let act = Act::admin(by, "drafts.reject", id, "ok");
    note(host, act.on(draft.workspace.as_str(), draft.connection.as_str())).await;
    Ok(json!({ "draft": id, "state": DraftState::Rejected.as_str() }))
}

/// Rejects every draft of an agent that waits.
pub(super) async fn reject_of(host: &Arc<Host>, agent: &str) -> Result<Value, Failure> {
    let agent = named(AgentName::parse(agent))?;
    let (host, by) = (Arc::clone(host), who());
    seen_through(async move {
        let ended = drafts::reject_held_of(&host, agent.as_str(), &by).await.map_err(unreadable)?;
        if ended.is_empty() {
            return none_rejected(&host, &agent).await;
        }
        host.seat().draft_moved.notify_waiters();
        for draft in &ended {
            let act = Act::admin(by.as_str(), "drafts.reject", draft.id.as_str(), "ok");
            note(&host, act.on(draft.workspace.as_str(), draft.connection.as_str())).await;
        }
        let ids = ended.iter().map(|draft| Value::from(draft.id.as_str()));
        Ok(json!({ "agent": agent.as_str(), "rejected": ids.collect::<Vec<_>>() }))
    })
    .await
}

/// Says that none of an agent's drafts waits. An agent that nobody knows is none whose drafts were looked for.
async fn none_rejected(host: &Host, agent: &AgentName) -> Result<Value, Failure> {
    let state = host.state().clone();
    let (agents, drafts) =
        blocking(move || Ok::<_, StateError>((state.list()?, state.drafts(None, u32::MAX)?))).await??;
    let is_known = agents.iter().any(|known| known.name == *agent && known.revoked_ms.is_none());
    if !is_known && !drafts.iter().any(|draft| draft.agent == agent.as_str()) {
        return Err(Failure::no(format!("there is no agent `{agent}`, and no draft of one of that name"))
            .hint("`wardlock agent list` shows the agents, `wardlock drafts list` whose drafts wait"));
    }
    Ok(json!({ "agent": agent.as_str(), "rejected": [], "detail": format!("no draft of `{agent}` waits") }))
}

/// Returns whether there is such a draft.
pub(crate) async fn is_there(host: &Arc<Host>, id: &str) -> Result<bool, Failure> {
    Ok(look_for(host, id).await?.is_some())
}

pub(super) async fn find(host: &Arc<Host>, id: &str) -> Result<Draft, Failure> {
    look_for(host, id).await?.ok_or_else(|| unknown(id))
}

async fn look_for(host: &Arc<Host>, id: &str) -> Result<Option<Draft>, Failure> {
    let (state, wanted) = (host.state().clone(), id.to_owned());
    let found: Result<Option<Draft>, StateError> = blocking(move || {
        state.tidy_drafts()?;
        state.draft(&wanted)
    })
    .await?;
    Ok(found?)
}

/// Returns the connection that a draft is of: what a person types who approves it without a key.
pub(crate) async fn connection_of(host: &Arc<Host>, id: &str) -> Result<String, Failure> {
    Ok(place(&find(host, id).await?))
}

fn unknown(id: &str) -> Failure {
    Failure::no(format!("there is no draft `{id}`"))
        .hint("`wardlock drafts list` shows those that wait, `--all` every one that is left")
}

pub(super) fn unreadable(error: DraftError) -> Failure {
    match error {
        DraftError::State(error) => error.into(),
        other => Failure::home(other).hint("run `wardlock doctor`"),
    }
}

/// Says what became of a draft that is decided already, from how it is shown: nothing must be done twice for want of a word.
pub(crate) fn decided_already(shown: &Value) -> String {
    let word = |name: &str| shown[name].as_str().unwrap_or("-").to_owned();
    let (draft, decided) = (word("draft"), word("decided"));
    let look = match shown["request_id"].as_str() {
        Some(request) => format!("`wardlock audit show {request}` shows its outcome"),
        None => format!("`wardlock drafts show {draft}` shows its outcome"),
    };
    match shown["state"].as_str().and_then(DraftState::parse) {
        Some(DraftState::Sent) => {
            format!("it was sent by the approval of {decided}, and must not be sent again; {look}")
        }
        Some(DraftState::Releasing) => format!("it is being sent since the approval of {decided}; {look}"),
        Some(DraftState::Unknown) | None => {
            format!("it was approved at {decided} and may have been executed: look at the provider first; {look}")
        }
        Some(DraftState::Rejected) if shown["decided_by"].as_str().is_some_and(drafts::is_by_revoking) => {
            "nothing was sent; its agent was revoked, so nobody asks for it any more".to_owned()
        }
        Some(DraftState::Held | DraftState::NotSent | DraftState::Rejected | DraftState::Expired) => {
            "nothing was sent; the agent may ask again".to_owned()
        }
    }
}

fn unreleased(error: &Unreleased, draft: &Draft) -> Failure {
    let failure = Failure::no(crate::text::with_causes(error));
    match error {
        Unreleased::Unknown { id } => unknown(id),
        Unreleased::NotHeld { .. } => failure.hint(decided_already(&dated(draft))),
        Unreleased::Decided { request: Some(request), .. } => failure.hint(format!(
            "it was released as {request} and is not sent again: `wardlock audit show {request}` shows its outcome, `wardlock drafts reject` \
             takes the row away"
        )),
        Unreleased::Decided { request: None, .. } => {
            failure.hint("it was rejected; `wardlock drafts reject` takes the row away, and the agent may ask again")
        }
        Unreleased::Forgotten { .. } => failure.hint(
            "nothing is sent, and it waits no more: the clock was ahead, or the row was put back; look at the provider, and have the agent ask \
             again if it is still wanted",
        ),
        Unreleased::Other { .. } => {
            failure.hint("look at it again with `wardlock drafts show`, and approve what it shows")
        }
        Unreleased::Nameless { .. } => {
            failure.hint("`wardlock operator add` gives each person a key; or lower `approvals` of the connection")
        }
        Unreleased::Twice { .. } => failure.hint("nothing was sent; another operator must approve it"),
        Unreleased::Draft(_) => failure.hint("nothing was sent; run `wardlock doctor`"),
    }
}
