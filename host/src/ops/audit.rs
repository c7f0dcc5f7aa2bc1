//! Reading the audit.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use wardlock_audit::{Act, ActDetail, Filter, Kind, Row};
use wardlock_core::answer::Outcome;
use wardlock_core::refusal::Code;

use super::{OPERATOR, against, blocking, export, readiness, verified, who};
use crate::admin::{AuditFilter, Failure, RowForm};
use crate::config::nearest;
use crate::host::Host;

/// The most rows of one answer, so that neither side holds many at once.
const PAGE: u32 = 500;

/// What to do about a request of which nobody knows whether it was executed.
const LOOK_FIRST: &str =
    "it may have been executed: look at the provider what became of it before it is sent again";

pub(super) async fn list(host: &Arc<Host>, asked: AuditFilter) -> Result<Value, Failure> {
    // Whoever waits for rows may wait for the first of its code.
    let code = asked.code.clone().filter(|_| asked.after.is_none());
    let rows = find(host, asked).await?;
    if let Some(code) = code.filter(|_| rows.is_empty()) {
        known_code(host, code).await?;
    }
    Ok(Value::Array(rows.iter().map(summary).collect()))
}

/// Passes on a code of the host's, and one that some row has: plugins have codes of their own.
async fn known_code(host: &Arc<Host>, code: String) -> Result<(), Failure> {
    let with_it = AuditFilter { code: Some(code.clone()), limit: 1, ..AuditFilter::default() };
    if Code::parse(&code).is_some() || !find(host, with_it).await?.is_empty() {
        return Ok(());
    }
    let words = Code::ALL.iter().map(|code| code.as_str());
    let hint = match nearest(&code, words) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => {
            "docs/refusals.md lists the host's, `wardlock audit list --decision deny` shows plugins'".to_owned()
        }
    };
    Err(Failure::usage(format!("no row has the code `{code}`, and it is none of the host's")).hint(hint))
}

/// Passes a word on that is one of these.
fn one_of(what: &str, word: Option<String>, known: &[&str]) -> Result<Option<String>, Failure> {
    match word {
        Some(word) if !known.contains(&word.as_str()) => {
            let failure = Failure::usage(format!("there are no rows of {what} `{word}`"));
            Err(failure.hint(format!("{what}s: {}", known.join(", "))))
        }
        word => Ok(word),
    }
}

pub(super) async fn rows(host: &Arc<Host>, asked: AuditFilter, form: RowForm) -> Result<Value, Failure> {
    let asked = AuditFilter { limit: asked.limit.min(PAGE), ..asked };
    let is_full = asked.limit;
    let rows = find(host, asked).await?;
    let lines = rows.iter().map(|row| match form {
        RowForm::Line => format!("{} {}", crate::text::time(row.at_ms), row.escaped()),
        RowForm::Jsonl => row.to_json_line(),
        RowForm::Csv => export::csv_line(row),
    });
    Ok(json!({
        "lines": lines.collect::<Vec<_>>(),
        "last": rows.last().map(|row| row.sequence),
        "more": rows.len() == is_full as usize,
    }))
}

/// Whoever takes the records out is recorded, too, and the export holds that row.
pub(super) async fn export(host: &Arc<Host>, what: String) -> Result<Value, Failure> {
    host.audit().act(Act::admin(who(), "audit.export", what, "ok")).await?;
    let head = host.audit().head().await?;
    Ok(json!({ "until": head.sequence, "head": head.line(), "columns": export::csv_head() }))
}

async fn find(host: &Arc<Host>, asked: AuditFilter) -> Result<Vec<Row>, Failure> {
    let filter = filter(asked)?;
    let audit = host.audit().clone();
    blocking(move || audit.list(&filter)).await?.map_err(Failure::from)
}

fn filter(asked: AuditFilter) -> Result<Filter, Failure> {
    let kind = one_of("kind", asked.kind, &AuditFilter::KINDS)?;
    Ok(Filter {
        workspace: asked.workspace,
        connection: asked.connection,
        agent: asked.agent,
        operation: asked.operation,
        effect: one_of("effect", asked.effect, &AuditFilter::EFFECTS)?,
        decision: one_of("decision", asked.decision, &AuditFilter::DECISIONS)?,
        kind: kind.as_deref().and_then(Kind::parse),
        outcome: one_of("outcome", asked.outcome, &AuditFilter::OUTCOMES)?,
        service: asked.service,
        region: asked.region,
        tenant: asked.tenant,
        resource: asked.resource,
        plugin: asked.plugin,
        code: asked.code,
        act: asked.act,
        request_id: None,
        value: asked.value,
        since_ms: asked.since_ms,
        until_ms: asked.until_ms,
        before: asked.before,
        after: asked.after,
        limit: asked.limit as usize,
    })
}

pub(super) async fn show(host: &Arc<Host>, request_id: &str) -> Result<Value, Failure> {
    let (audit, id) = (host.audit().clone(), request_id.to_owned());
    let rows = blocking(move || audit.show(&id)).await??;
    if rows.is_empty() {
        return Err(Failure::no(format!("the audit has no request `{request_id}`"))
            .hint("`wardlock audit list` shows the newest"));
    }
    Ok(Value::Array(rows.iter().map(whole).collect()))
}

fn whole(row: &Row) -> Value {
    let mut shown = timed(row);
    if row.outcome.as_deref() == Some(Outcome::Unknown.as_str()) {
        shown["advice"] = LOOK_FIRST.into();
    }
    shown
}

pub(super) async fn verify(host: &Arc<Host>, heads: &str, public_key: Option<&str>) -> Result<Value, Failure> {
    let against = against(heads, public_key)?;
    let (audit, asked) = (host.audit().clone(), against.clone());
    let found = blocking(move || audit.verify(&asked)).await?.map_err(Failure::no)?;
    readiness::note_audit(host, &found).await;
    Ok(verified(&found, &against, true))
}

/// What the log says of itself without being walked: how many rows there are, and what opening it found.
pub(crate) async fn standing(host: &Arc<Host>) -> Result<Value, Failure> {
    let audit = host.audit().clone();
    let rows = blocking(move || audit.count()).await??;
    let opened = host.audit().opened();
    Ok(json!({
        "rows": rows,
        "fits_its_head": !opened.is_broken,
        "foreign_rows": opened.foreign.map(|rows| format!("{} to {}", rows.first, rows.last)),
        "other_key": opened.other_key.as_ref().map(wardlock_audit::PublicKey::id),
        "mirror_fits": opened.mirror.map(|found| found == wardlock_audit::MirrorFound::Fits),
        "closed_as_unknown": opened.closed_as_unknown,
    }))
}

pub(super) async fn head(host: &Arc<Host>) -> Result<Value, Failure> {
    let head = host.audit().head().await?;
    Ok(json!({
        "line": head.line(),
        "number": head.number,
        "sequence": head.sequence,
        "hash": head.hash.to_string(),
        "time": crate::text::time(head.at_ms),
        "key": head.key.id(),
        "public_key": head.key.to_string(),
    }))
}

/// The row, its time in words behind its time in milliseconds.
fn timed(row: &Row) -> Value {
    let Value::Object(members) = row.to_json() else { return Value::Null };
    let mut timed = Map::new();
    for (name, value) in members {
        let is_time = name == "at_ms";
        timed.insert(name, value);
        if is_time {
            timed.insert("time".to_owned(), crate::text::time(row.at_ms).into());
        }
    }
    timed.into()
}

/// One row as a list shows it; `audit show` has the rest.
fn summary(row: &Row) -> Value {
    json!({
        "sequence": row.sequence,
        "time": crate::text::time(row.at_ms),
        "kind": row.kind.as_str(),
        "request": row.request_id,
        "workspace": row.workspace,
        "connection": row.connection,
        "agent": row.agent,
        "operation": row.operation,
        "decision": row.decision,
        "outcome": row.outcome,
        "act": row.detail.act.as_ref().map(act),
        "result": row.detail.act.as_ref().map(|act| act.result.as_str()),
        "code": code(row),
    })
}

/// The code that the agent was told: of the refusal, or of the one in the answer's place.
fn code(row: &Row) -> Option<&str> {
    let refusal = row.detail.refusal.as_ref().map(|refusal| refusal.code.as_str());
    refusal.or(row.detail.answer.as_ref().and_then(|answer| answer.withheld.as_deref()))
}

/// What was done, and by whom where somebody signed it.
fn act(act: &ActDetail) -> String {
    let done = format!("{} {}", act.what, act.target);
    if [OPERATOR, "wardlock"].contains(&act.who.as_str()) { done } else { format!("{done}, by {}", act.who) }
}
