//! Agents: callers with a token of their own, each bound to one workspace.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::admitted::Admission;
use wardlock_core::id::{AgentName, GrantName, WorkspaceName};
use wardlock_state::StateError;

use super::drafts::unreadable;
use super::{blocking, connect, named, note, who};
use crate::admin::Failure;
use crate::drafts;
use crate::host::Host;

pub(super) async fn add(
    host: &Arc<Host>,
    name: &str,
    workspace: &str,
    expires: Option<&str>,
) -> Result<Value, Failure> {
    let name = named(AgentName::parse(name))?;
    if let Some(grant) = own_grants(host, &name).await?.first() {
        return Err(Failure::no(format!(
            "grant `{grant}` is left of an agent of that name, and is not this one's"
        ))
        .hint(format!("run `wardlock disconnect {grant}` first")));
    }
    let workspace = workspace_here(host, workspace)?;
    let lifetime_ms = expires.map(lifetime_ms).transpose()?;
    let (state, vault) = (host.state().clone(), Arc::clone(host.vault()));
    let (its_name, its_workspace) = (name.clone(), workspace.clone());
    let admit = move |admission: &Admission| Ok::<_, Failure>(vault.admit(admission)?);
    let token = blocking(move || state.add_agent(&its_name, &its_workspace, lifetime_ms, admit)).await??;
    note(host, Act::admin(who(), "agent.add", name.as_str(), "ok").in_workspace(workspace.as_str())).await;
    // The one place where an agent's token is shown; only its digest is kept.
    Ok(token
        .expose_once(|token| json!({ "agent": name.as_str(), "workspace": workspace.as_str(), "token": token })))
}

pub(super) async fn rotate(
    host: &Host,
    name: &str,
    overlap: &str,
    expires: Option<&str>,
) -> Result<Value, Failure> {
    let name = named(AgentName::parse(name))?;
    let overlap_ms = lifetime_ms(overlap)?;
    let expires_ms = expires.map(lifetime_ms).transpose()?;
    let (state, vault, its_name) = (host.state().clone(), Arc::clone(host.vault()), name.clone());
    let admit = move |admission: &Admission| Ok::<_, Failure>(vault.admit(admission)?);
    let token = blocking(move || state.rotate_agent(&its_name, overlap_ms, expires_ms, admit)).await??;
    note(host, Act::admin(who(), "agent.rotate", name.as_str(), "ok")).await;
    Ok(token
        .expose_once(|token| json!({ "agent": name.as_str(), "token": token, "old_token_works_for": overlap })))
}

/// Finds a workspace, or says which there are.
pub(super) fn workspace_here(host: &Host, name: &str) -> Result<WorkspaceName, Failure> {
    let workspace = named(WorkspaceName::parse(name))?;
    let loaded = host.loaded();
    if loaded.has_workspace(&workspace) {
        return Ok(workspace);
    }
    let known: Vec<&str> = loaded.workspaces().map(WorkspaceName::as_str).collect();
    Err(Failure::no(format!("there is no workspace `{workspace}`")).hint(if known.is_empty() {
        "write workspaces/NAME.toml first, or run `wardlock init --policy POLICY --workspace NAME --region REGION`"
            .to_owned()
    } else {
        format!("workspaces here: {}", known.join(", "))
    }))
}

/// Reads a time such as `1h` or `90d`.
pub(super) fn lifetime_ms(text: &str) -> Result<u64, Failure> {
    let lifetime = crate::config::lifetime(text).map_err(Failure::usage)?;
    Ok(u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX))
}

pub(super) async fn list(host: &Host) -> Result<Value, Failure> {
    let state = host.state().clone();
    let (agents, now_ms) = (blocking(move || state.list()).await??, host.now_ms());
    let rows = agents.iter().map(|agent| {
        json!({
            "agent": agent.name.as_str(),
            "workspace": agent.workspace.as_str(),
            "token_id": agent.token_id,
            "created": crate::text::time(agent.created_ms),
            "expires": agent.expires_ms.map(crate::text::time),
            "replaced": agent.replaced,
            "revoked": agent.revoked_ms.map(crate::text::time),
            "counts": agent.confirmed && agent.revoked_ms.is_none() && agent.expires_ms.is_none_or(|end| now_ms < end),
            "last_used": agent.last_used_ms.map(crate::text::time),
        })
    });
    Ok(Value::Array(rows.collect()))
}

/// Revokes an agent, and gives its own consents up: another agent of the same name shall not inherit them.
pub(super) async fn revoke(host: &Arc<Host>, name: &str) -> Result<Value, Failure> {
    let name = named(AgentName::parse(name))?;
    let own = own_grants(host, &name).await?;
    let (state, vault, its_name) = (host.state().clone(), Arc::clone(host.vault()), name.clone());
    let dismiss = move |name: &AgentName| Ok::<_, Failure>(vault.dismiss(name)?);
    // A revocation that was cut off before its grants were given up is finished.
    if !blocking(move || state.revoke(&its_name, dismiss)).await?? && own.is_empty() {
        return Err(StateError::NoAgent { name }.into());
    }
    // Another agent of the same name shall not have what this one asked for.
    let by = format!("{}{}", who(), drafts::BY_REVOKING);
    drafts::reject_all_of(host, name.as_str(), &by).await.map_err(unreadable)?;
    host.seat().draft_moved.notify_waiters();
    note(host, Act::admin(who(), "agent.revoke", name.as_str(), "ok")).await;
    let (mut given_up, mut left) = (Vec::new(), None);
    for grant in own {
        match connect::disconnect(host, grant.as_str()).await {
            Ok(gone) => given_up.push(gone),
            Err(failure) => left = Some((grant, failure)),
        }
    }
    match left {
        None => Ok(json!({ "agent": name.as_str(), "revoked": true, "own_grants": given_up })),
        Some((grant, failure)) => Err(Failure::no(format!(
            "agent `{name}` is revoked, and its own grant `{grant}` could not be given up: {}",
            failure.message
        ))
        .hint(format!(
            "mend that and run `wardlock disconnect {grant}`; until then no agent may be called `{name}`"
        ))),
    }
}

/// Returns the grants that are an agent's own.
async fn own_grants(host: &Arc<Host>, name: &AgentName) -> Result<Vec<GrantName>, Failure> {
    let vault = Arc::clone(host.vault());
    let grants = blocking(move || vault.grants()).await??;
    let own = grants.into_iter().map(|grant| grant.name).filter(|grant| grant.agent() == Some(name.as_str()));
    Ok(own.collect())
}
