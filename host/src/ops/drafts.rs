//! Drafts: what waits for a person, what it would do, and the person's word.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::classify::classify;
use wardlock_core::decision::Holder;
use wardlock_core::id::Digest;
use wardlock_core::service::Change;
use wardlock_state::{Draft, DraftState, StateError};

use super::{blocking, named, note, who};
use crate::admin::Failure;
use crate::drafts::{self, Content, DraftError, Unreleased};
use crate::host::{Host, new_request_id};
use crate::pipeline::{self, Ended, OnBehalf};
use crate::text::time;

/// How many drafts one list shows.
const MOST: u32 = 1000;
/// How many records are read as they are now: each costs a call.
const MOST_RECORDS: usize = 10;
/// What such a read gives as its purpose.
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

fn row(draft: &Draft) -> Value {
    json!({
        "draft": draft.id,
        "connection": format!("{}/{}", draft.workspace, draft.connection),
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

pub(super) async fn show(host: &Arc<Host>, id: &str) -> Result<Value, Failure> {
    let draft = find(host, id).await?;
    let content = drafts::content(host, &draft).await.map_err(unreadable)?;
    let mut shown = row(&draft);
    let more = json!({
        "decided": draft.decided_ms.map(time),
        "decided_by": draft.decided_by,
        "request_id": draft.release_id,
        "request_sha256": draft.request.to_string(),
        "would_send": content.as_ref().map(would_send),
        "changes": match &content {
            Some(content) if draft.state == DraftState::Held => changes(host, &draft, content).await,
            _ => Value::Null,
        },
    });
    if let (Some(shown), Value::Object(more)) = (shown.as_object_mut(), more) {
        shown.extend(more);
    }
    Ok(shown)
}

/// Exactly what an approval sends, and why it waits.
fn would_send(content: &Content) -> Value {
    let held_by = content.holders.iter().map(|holder| match holder {
        Holder::Rule { rule } => format!("rule `{rule}`"),
        Holder::Plugin { name, .. } => format!("plugin `{name}`"),
    });
    json!({
        "reason": content.reason,
        "held_by": held_by.collect::<Vec<_>>(),
        "purpose": content.purpose,
        "tenant": content.tenant,
        "resources": content.resources,
        "records": content.breadth,
        "method": content.method,
        "host": content.host,
        "target": content.target,
        "headers": content.headers().map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>(),
        "body_sha256": Digest::of(content.body()).to_string(),
        "body": body(content.body()),
    })
}

/// What stands at the provider now beside what would, for each record and field: read as the draft's agent would read it, by
/// requests that are judged and recorded like any other.
async fn changes(host: &Arc<Host>, draft: &Draft, content: &Content) -> Value {
    let Some(found) = changed_records(host, draft, content) else { return Value::Null };
    let mut rows = Vec::new();
    for change in found {
        let asked = OnBehalf {
            workspace: &draft.workspace,
            connection: &draft.connection,
            agent: &draft.agent,
            purpose: Some(PURPOSE.to_owned()),
            via: None,
            separation: content.separation,
            approval: None,
        };
        let ended = pipeline::run_for(host, &new_request_id(), asked, change.read).await;
        let (current, problem) = current_of(&ended, &change.found);
        let fields = change.proposed.iter().map(|(field, proposed)| {
            let now = current.as_ref().map(|record| record.get(field).cloned().unwrap_or(Value::Null));
            json!({ "field": field, "current": now, "proposed": proposed })
        });
        rows.push(json!({ "record": change.id, "fields": fields.collect::<Vec<_>>(), "problem": problem }));
    }
    Value::Array(rows)
}

fn changed_records(host: &Host, draft: &Draft, content: &Content) -> Option<Vec<Change>> {
    let loaded = host.loaded();
    let connection = &loaded.connection(&draft.workspace, &draft.connection)?.connection;
    let classified = classify(&connection.service, content.request().ok()?).ok()?;
    let changes = classified.changes(MOST_RECORDS);
    (!changes.is_empty()).then_some(changes)
}

/// The record as it is now, or why it cannot be told.
fn current_of(ended: &Ended, found: &str) -> (Option<Value>, Option<String>) {
    match ended {
        Ended::Refused { refusal, .. } => (None, Some(format!("not read: {}", refusal.detail))),
        Ended::Answered { answer, outcome } => {
            let body = answer.as_ref().and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok());
            let record = body.as_ref().and_then(|body| body.pointer(found)).cloned();
            let problem = record.is_none().then(|| format!("not found: the answer was {}", outcome.as_str()));
            (record, problem)
        }
    }
}

/// A body as a person reads it: JSON as it is, other text as text, and of anything else its length.
fn body(bytes: &[u8]) -> Value {
    if bytes.is_empty() {
        return Value::Null;
    }
    let text = || std::str::from_utf8(bytes).map(|text| Value::String(text.to_owned())).ok();
    let json = serde_json::from_slice(bytes).ok();
    json.or_else(text).unwrap_or_else(|| Value::String(format!("{} bytes that are no text", bytes.len())))
}

pub(super) async fn approve(host: &Arc<Host>, id: &str, request: &str) -> Result<Value, Failure> {
    let request = named(Digest::parse(request))?;
    let draft = find(host, id).await?;
    // Seen through whether or not the person waits: a release that is given up under way leaves everybody in doubt.
    let (its_host, its_id, by) = (Arc::clone(host), id.to_owned(), who());
    let released = tokio::spawn(async move { drafts::release(&its_host, &its_id, request, &by).await }).await;
    let released = released.map_err(|error| Failure::no(format!("the release failed: {error}")))?;
    let act = |result: &str| {
        Act::admin(who(), "drafts.approve", id, result).on(draft.workspace.as_str(), draft.connection.as_str())
    };
    let release = match released {
        Ok(release) => release,
        Err(error) => {
            note(host, act("refused")).await;
            return Err(unreleased(&error));
        }
    };
    note(host, act(release.state.as_str()).caused_by(release.id.clone())).await;
    let refusal = release.refusal.as_ref();
    Ok(json!({
        "draft": id,
        "state": release.state.as_str(),
        "sent": release.state == DraftState::Sent,
        "request_id": release.id.as_str(),
        "outcome": release.outcome.map(wardlock_core::answer::Outcome::as_str),
        "status": release.status,
        "code": refusal.map(|refusal| refusal.code.as_str()),
        "detail": refusal.map(|refusal| refusal.detail.clone()),
        "hint": refusal.map(|refusal| refusal.remedy().to_owned()),
    }))
}

pub(super) async fn reject(host: &Arc<Host>, id: &str) -> Result<Value, Failure> {
    let draft = find(host, id).await?;
    let (state, its_id, by) = (host.state().clone(), draft.id.clone(), who());
    if !blocking(move || state.reject_draft(&its_id, &by)).await?? {
        let now = find(host, id).await?.state.as_str();
        return Err(Failure::no(format!("draft `{id}` is {now} and can no longer be rejected")));
    }
    host.seat().draft_moved.notify_waiters();
    let act = Act::admin(who(), "drafts.reject", id, "ok");
    note(host, act.on(draft.workspace.as_str(), draft.connection.as_str())).await;
    Ok(json!({ "draft": id, "state": DraftState::Rejected.as_str() }))
}

async fn find(host: &Arc<Host>, id: &str) -> Result<Draft, Failure> {
    let (state, wanted) = (host.state().clone(), id.to_owned());
    let found: Result<Option<Draft>, StateError> = blocking(move || {
        state.tidy_drafts()?;
        state.draft(&wanted)
    })
    .await?;
    found?.ok_or_else(|| unknown(id))
}

/// Returns the connection that a draft is of: what a person types who approves it without a key.
pub(crate) async fn connection_of(host: &Arc<Host>, id: &str) -> Result<String, Failure> {
    let draft = find(host, id).await?;
    Ok(format!("{}/{}", draft.workspace, draft.connection))
}

fn unknown(id: &str) -> Failure {
    Failure::no(format!("there is no draft `{id}`"))
        .hint("`wardlock drafts list` shows those that wait, `--all` every one that is left")
}

fn unreadable(error: DraftError) -> Failure {
    match error {
        DraftError::State(error) => error.into(),
        other => Failure::home(other).hint("run `wardlock doctor`"),
    }
}

fn unreleased(error: &Unreleased) -> Failure {
    let failure = Failure::no(crate::text::with_causes(error));
    match error {
        Unreleased::Unknown { id } => unknown(id),
        Unreleased::NotHeld { .. } => failure.hint("nothing was sent by this approval; the agent may ask again"),
        Unreleased::Other { .. } => {
            failure.hint("look at it again with `wardlock drafts show`, and approve what it shows")
        }
        Unreleased::Draft(_) => failure.hint("nothing was sent; run `wardlock doctor`"),
    }
}
