//! Freezing: everything of a workspace, or of all, denied at once; tokens and grants stay as they are.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::id::WorkspaceName;

use super::{agents, blocking, named, note, who};
use crate::admin::Failure;
use crate::host::Host;

/// How the audit names a freeze of everything.
const ALL: &str = "all";

pub(super) async fn freeze(host: &Host, workspace: Option<&str>) -> Result<Value, Failure> {
    let workspace = workspace.map(|name| agents::workspace_here(host, name)).transpose()?;
    let (state, vault, its_name) = (host.state().clone(), Arc::clone(host.vault()), workspace.clone());
    let too = move |name: &str, since_ms| Ok::<_, Failure>(vault.freeze(name, since_ms)?);
    blocking(move || state.freeze(its_name.as_ref(), too)).await??;
    record(host, "freeze", workspace.as_ref()).await;
    Ok(frozen(host))
}

pub(super) async fn thaw(host: &Host, workspace: Option<&str>) -> Result<Value, Failure> {
    // One that is gone may still be frozen.
    let workspace = workspace.map(|name| named(WorkspaceName::parse(name))).transpose()?;
    let (state, vault, its_name) = (host.state().clone(), Arc::clone(host.vault()), workspace.clone());
    let too = move |name: &str| Ok::<_, Failure>(vault.thaw(name)?);
    let thawed = blocking(move || state.thaw(its_name.as_ref(), too)).await??;
    if !thawed {
        let what = workspace.as_ref().map_or("all workspaces", WorkspaceName::as_str);
        return Err(
            Failure::no(format!("there is no freeze on {what}")).hint("`wardlock doctor` shows what is frozen")
        );
    }
    record(host, "thaw", workspace.as_ref()).await;
    Ok(frozen(host))
}

/// Says what is frozen.
pub(crate) fn frozen(host: &Host) -> Value {
    let frozen = host.state().frozen();
    let rows = frozen.iter().map(|(name, &since_ms)| {
        let name = if name == "*" { ALL } else { name };
        json!({ "workspace": name, "since": crate::text::time(since_ms) })
    });
    json!({ "frozen": rows.collect::<Vec<_>>() })
}

/// Returns what freezes a workspace: its own name, and `all`.
pub(super) fn frozen_by(host: &Host, workspace: &str) -> Vec<String> {
    let frozen = host.state().frozen().into_keys();
    let names = frozen.map(|name| if name == "*" { ALL.to_owned() } else { name });
    names.filter(|name| name == ALL || name == workspace).collect()
}

async fn record(host: &Host, what: &str, workspace: Option<&WorkspaceName>) {
    let act = Act::admin(who(), what, workspace.map_or(ALL, WorkspaceName::as_str), "ok");
    note(host, workspace.map_or_else(|| act.clone(), |workspace| act.clone().in_workspace(workspace.as_str())))
        .await;
}
