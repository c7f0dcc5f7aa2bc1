//! How far writes are enabled on a connection: never without a proof that holds now.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::connection::{Connection, WriteLimit, WriteMode};
use wardlock_core::id::AgentName;
use wardlock_state::WriteLevel;

use super::abilities::{abilities, scopes};
use super::connections::find;
use super::{blocking, named, note, proof, who};
use crate::admin::Failure;
use crate::host::Host;
use crate::{shown, writes};

/// Says what a connection will be able to do at a level, or why that cannot be enabled. Confirmed by the basis that was told then, it
/// is set.
pub(super) async fn set(
    host: &Arc<Host>,
    (workspace, connection): (&str, &str),
    agent: Option<&str>,
    level: &str,
    confirmed: Option<&str>,
) -> Result<Value, Failure> {
    let level = WriteMode::parse(level)
        .ok_or_else(|| Failure::usage(format!("`{level}` is no write level")).hint("off, draft or on"))?;
    let agent = agent.map(AgentName::parse).map(named).transpose()?;
    let loaded = host.loaded();
    let found = find(&loaded, workspace, connection)?;
    let connection = writes::for_agent(&found.connection, agent.as_ref()).ok_or_else(|| {
        Failure::usage("consents of this connection are each agent's own").hint("say whose: `--agent NAME`")
    })?;
    let generation = if level == WriteMode::Off { 0 } else { allowed(host, &connection, level).await? };
    let basis = writes::basis(&connection, generation);
    let mut shown = json!({
        "connection": format!("{workspace}/{}", writes::key_of(&connection)),
        "writes": level.as_str(),
        "will_be_able_to": if level == WriteMode::Off { Vec::new() } else { abilities(&connection, level) },
        "records_at_once": connection.write_rules.max_records,
        "records_a_day": connection.write_rules.max_records_a_day,
        "limits": connection.write_rules.limits.iter().map(limit).collect::<Vec<_>>(),
        "approvals": connection.write_rules.approvals,
        "scopes_granted": scopes(&connection, host.egress().grant_status(&connection.grant)?.as_deref()),
    });
    let word = shown::naming(&writes::word_of(&basis), &shown);
    let is_meant = confirmed.is_none_or(|meant| meant == word);
    shown["basis"] = word.into();
    shown["enabled"] = (confirmed.is_some() && level != WriteMode::Off).into();
    match confirmed {
        // What narrows needs nobody's word.
        _ if level == WriteMode::Off => {}
        None => return Ok(shown),
        Some(_) if is_meant => {}
        Some(_) => {
            return Err(Failure::no("the rules or the grant are not those that were shown")
                .hint("look again at what it would be able to do, and confirm that"));
        }
    }
    let mut row = WriteLevel { level, since_ms: host.now_ms(), basis, who: who(), mac: [0; 32] };
    let (state, workspace, key) =
        (host.state().clone(), connection.workspace.clone(), writes::key_of(&connection));
    let target = key.clone();
    let vault = Arc::clone(host.vault());
    blocking(move || {
        let place = writes::place_of(workspace.as_str(), &key);
        // The vault first: what was set before must not hold again.
        let settings = vault.change_write_mark(&place, |mark| mark.settings += 1)?.settings;
        writes::mark_level(&vault.keys(), &place, &mut row, settings);
        state.set_write_level(&workspace, &key, &row)?;
        Ok::<_, Failure>(())
    })
    .await??;
    let act = Act::admin(who(), format!("writes.{}", level.as_str()), target, "ok");
    note(host, act.on(connection.workspace.as_str(), connection.name.as_str())).await;
    Ok(shown)
}

/// Returns the grant's generation for which writes may be enabled: the workspace file allows it, and a proof holds.
async fn allowed(host: &Arc<Host>, connection: &Connection, level: WriteMode) -> Result<u64, Failure> {
    if level > connection.writes {
        let problem = format!("the workspace file allows `writes = \"{}\"` at most", connection.writes.as_str());
        return Err(Failure::no(problem).hint(format!(
            "write `writes = \"{}\"` into the connection's table, run `wardlock reload`, and prove it again",
            level.as_str()
        )));
    }
    let command = crate::report::proof_command(connection);
    let grant = host.egress().grant_status(&connection.grant)?;
    let grant = grant.ok_or_else(|| {
        Failure::no(format!("there is no grant `{}`", connection.grant))
            .hint(format!("run `{}`, then `{command}`", crate::report::connect_command(connection)))
    })?;
    if proof::current(host, connection, &grant).await?.is_some() {
        return Ok(grant.generation);
    }
    let (state, workspace, key) = (host.state().clone(), connection.workspace.clone(), writes::key_of(connection));
    let newest = blocking(move || state.proof(&workspace, &key)).await??;
    Err(Failure::no(format!("writes need a proof that holds now, and {}", proof::in_a_sentence(newest.as_ref())))
        .hint(format!("run `{command}`")))
}

fn limit((what, limit): (&String, &WriteLimit)) -> Value {
    json!({ "of": what, "records_at_once": limit.max_records, "records_a_day": limit.max_records_a_day })
}
