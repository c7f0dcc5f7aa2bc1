//! Agents: callers with a token of their own, each bound to one workspace.

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::id::{AgentName, WorkspaceName};

use super::{OPERATOR, blocking, named, note};
use crate::admin::Failure;
use crate::host::Host;

pub(super) async fn add(host: &Host, name: &str, workspace: &str) -> Result<Value, Failure> {
    let name = named(AgentName::parse(name))?;
    let workspace = named(WorkspaceName::parse(workspace))?;
    let loaded = host.loaded();
    if !loaded.has_workspace(&workspace) {
        let known: Vec<&str> = loaded.workspaces().map(WorkspaceName::as_str).collect();
        return Err(Failure::no(format!("there is no workspace `{workspace}`")).hint(if known.is_empty() {
            "write workspaces/NAME.toml first, or run `wardlock init --policy`".to_owned()
        } else {
            format!("workspaces here: {}", known.join(", "))
        }));
    }
    let state = host.state().clone();
    let (its_name, its_workspace) = (name.clone(), workspace.clone());
    let token = blocking(move || state.add_agent(&its_name, &its_workspace)).await??;
    note(host, Act::admin(OPERATOR, "agent.add", name.as_str(), "ok").in_workspace(workspace.as_str())).await;
    // The one place where an agent's token is shown; only its digest is kept.
    Ok(token
        .expose_once(|token| json!({ "agent": name.as_str(), "workspace": workspace.as_str(), "token": token })))
}

pub(super) async fn list(host: &Host) -> Result<Value, Failure> {
    let state = host.state().clone();
    let agents = blocking(move || state.list()).await??;
    let rows = agents.iter().map(|agent| {
        json!({
            "agent": agent.name.as_str(),
            "workspace": agent.workspace.as_str(),
            "token_id": agent.token_id,
            "created": crate::text::time(agent.created_ms),
            "revoked": agent.revoked_ms.map(crate::text::time),
            "last_used": agent.last_used_ms.map(crate::text::time),
        })
    });
    Ok(Value::Array(rows.collect()))
}

pub(super) async fn revoke(host: &Host, name: &str) -> Result<Value, Failure> {
    let name = named(AgentName::parse(name))?;
    let (state, its_name) = (host.state().clone(), name.clone());
    blocking(move || state.revoke(&its_name)).await??;
    note(host, Act::admin(OPERATOR, "agent.revoke", name.as_str(), "ok")).await;
    Ok(json!({ "agent": name.as_str(), "revoked": true }))
}
