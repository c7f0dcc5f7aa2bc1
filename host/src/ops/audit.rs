//! Reading the audit.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::{Filter, Row};

use super::{against, blocking, verified};
use crate::admin::Failure;
use crate::host::Host;

pub(super) async fn list(
    host: &Arc<Host>,
    limit: u32,
    workspace: Option<String>,
    connection: Option<String>,
    agent: Option<String>,
    decision: Option<String>,
) -> Result<Value, Failure> {
    let filter = Filter { limit: limit as usize, workspace, connection, agent, decision, ..Filter::default() };
    let audit = host.audit().clone();
    let rows = blocking(move || audit.list(&filter)).await?.map_err(Failure::no)?;
    Ok(Value::Array(rows.iter().map(summary).collect()))
}

pub(super) async fn show(host: &Arc<Host>, request_id: &str) -> Result<Value, Failure> {
    let (audit, id) = (host.audit().clone(), request_id.to_owned());
    let rows = blocking(move || audit.show(&id)).await?.map_err(Failure::no)?;
    if rows.is_empty() {
        return Err(Failure::no(format!("the audit has no request `{request_id}`"))
            .hint("`wardlock audit list` shows the newest"));
    }
    Ok(Value::Array(rows.iter().map(Row::to_json).collect()))
}

pub(super) async fn verify(host: &Arc<Host>, heads: &str, public_key: Option<&str>) -> Result<Value, Failure> {
    let against = against(heads, public_key)?;
    let (audit, asked) = (host.audit().clone(), against.clone());
    let found = blocking(move || audit.verify(&asked)).await?.map_err(Failure::no)?;
    Ok(verified(&found, &against, true))
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
        "act": row.detail.act.as_ref().map(|act| format!("{} {}", act.what, act.target)),
        "code": row.detail.refusal.as_ref().map(|refusal| refusal.code.as_str()),
    })
}
