//! What the host itself answers agents, under `/-/`: what became of a request, and of a draft.
//!
//! A long answer is passed on while it is scanned, so its reply says `pending`; the truth stands in the audit once
//! the answer has ended.

use serde_json::{Value, json};
use wardlock_audit::Row;
use wardlock_core::id::RequestId;
use wardlock_core::refusal::{Code, Refusal};

use crate::drafts;
use crate::host::Host;
use crate::ingress::Reply;

/// The first segment of the host's own paths; no workspace may be named so.
const PREFIX: &str = "/-/";

/// Where drafts are asked about.
const DRAFTS: &str = "/-/drafts/";

/// Returns the draft that a target asks about, without its answer.
pub fn draft_asked_about(target: &str) -> Option<&str> {
    target.strip_prefix(DRAFTS).filter(|draft| !draft.contains('/'))
}

/// Returns whether a target is one of the host's own.
pub fn is_own(target: &str) -> bool {
    target.starts_with(PREFIX)
}

/// Answers one of the host's own paths, for an agent of a workspace.
pub async fn answer(
    host: &Host,
    id: &RequestId,
    (workspace, agent): (&str, &str),
    (method, target): (&str, &str),
    via: Option<&str>,
) -> Result<Reply, Refusal> {
    // An answer is given once, so none goes with a look at its head.
    if method != "GET" && (method != "HEAD" || target.ends_with("/answer")) {
        return Err(nothing_here());
    }
    if let Some(draft) = target.strip_prefix(DRAFTS) {
        let whose = (workspace, agent);
        let found = match draft.strip_suffix("/answer") {
            Some(draft) => drafts::answer(host, id, whose, draft, via).await?,
            None => drafts::status(host, id, whose, draft).await?,
        };
        return found.ok_or_else(nothing_here);
    }
    let asked = target.strip_prefix("/-/requests/").ok_or_else(nothing_here)?;
    let (audit, wanted) = (host.audit().clone(), asked.to_owned());
    let rows = tokio::task::spawn_blocking(move || audit.show(&wanted)).await;
    let rows = rows.ok().and_then(Result::ok).ok_or_else(|| {
        Refusal::new(Code::AuditUnavailable, "audit", "the audit cannot be read")
            .hint("the operator runs `wardlock doctor`")
    })?;
    // Another agent's request is not there, for this one.
    let own = |row: &&Row| row.workspace.as_deref() == Some(workspace) && row.agent.as_deref() == Some(agent);
    let rows: Vec<&Row> = rows.iter().filter(own).collect();
    let Some(first) = rows.first() else {
        return Err(nothing_here());
    };
    Ok(Reply::own(id, &described(asked, first, rows.last().filter(|last| last.sequence != first.sequence))))
}

fn described(asked: &str, first: &Row, last: Option<&&Row>) -> Value {
    let sent = first.decision.as_deref() == Some("allow");
    let answer = last.and_then(|row| row.detail.answer.as_ref());
    json!({
        "request_id": asked,
        "decision": first.decision,
        "code": first.detail.refusal.as_ref().map(|refusal| refusal.code.as_str()),
        "outcome": last.map_or(sent.then_some("pending"), |row| row.outcome.as_deref()),
        "part": first.detail.refusal.as_ref().and_then(|refusal| refusal.part),
        "parts": answer.filter(|answer| !answer.parts.is_empty()).map(|answer| &answer.parts),
        "failures": answer.and_then(|answer| answer.failures.as_ref()),
        "withheld": answer.and_then(|answer| answer.withheld.as_deref()),
        "upstream_status": answer.and_then(|answer| answer.upstream_status),
        "secret_exposed": answer.map_or(sent.then_some("pending"), |answer| answer.secret_exposed.as_deref()),
    })
}

fn nothing_here() -> Refusal {
    Refusal::new(Code::NotFound, "own-paths", "there is nothing at this path for this agent")
        .hint("`GET /-/requests/{id}` and `GET /-/drafts/{id}` tell what became of the agent's own")
}
