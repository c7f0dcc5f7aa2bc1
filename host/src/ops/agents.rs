//! Agents: callers with a token of their own, each bound to one workspace.

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::id::{AgentName, WorkspaceName};

use super::{named, note};
use crate::admin::Failure;
use crate::host::Host;

pub(super) async fn add(host: &Host, name: &str, workspace: &str) -> Result<Value, Failure> {
    let name = named(AgentName::parse(name))?;
    let workspace = named(WorkspaceName::parse(workspace))?;
    if !host.loaded().has_workspace(&workspace) {
        let known: Vec<String> = host.loaded().workspaces().map(ToString::to_string).collect();
        return Err(Failure::no(format!("there is no workspace `{workspace}`")).hint(if known.is_empty() {
            "write workspaces/NAME.toml first, or run `wardlock init --policy`".to_owned()
        } else {
            format!("workspaces here: {}", known.join(", "))
        }));
    }
    let token = host.state().add_agent(&name, &workspace).map_err(Failure::no)?;
    note(host, Act::admin("agent add", name.as_str(), format!("workspace {workspace}"))).await;
    // The one place where an agent's token is shown; only its digest is kept.
    Ok(json!({ "agent": name.as_str(), "workspace": workspace.as_str(), "token": token.expose_once() }))
}

pub(super) fn list(host: &Host) -> Value {
    let agents = host.state().agents().into_iter().map(|agent| {
        json!({
            "agent": agent.name.as_str(),
            "workspace": agent.workspace.as_str(),
            "token_id": agent.token_id,
            "created_ms": agent.created_ms,
            "revoked_ms": agent.revoked_ms,
            "last_used_ms": agent.last_used_ms,
        })
    });
    Value::Array(agents.collect())
}

pub(super) async fn revoke(host: &Host, name: &str) -> Result<Value, Failure> {
    let name = named(AgentName::parse(name))?;
    host.state().revoke(&name).map_err(Failure::no)?;
    note(host, Act::admin("agent revoke", name.as_str(), "revoked".to_owned())).await;
    Ok(json!({ "agent": name.as_str(), "revoked": true }))
}
