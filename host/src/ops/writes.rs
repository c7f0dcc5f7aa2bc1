//! How far writes are enabled on a connection: never without a proof that holds now.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::Act;
use wardlock_core::connection::{Connection, Owner, WriteLimit, WriteMode};
use wardlock_core::id::AgentName;
use wardlock_state::{Basis, WriteLevel};

use super::abilities::{abilities, scopes};
use super::connections::find;
use super::{blocking, named, note, proof, seen_through, who};
use crate::admin::Failure;
use crate::config::{KnownAs, known_as};
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
    if level == WriteMode::Off && agent.is_none() && found.connection.owner == Owner::Agent {
        return off_for_all(host, &found.connection).await;
    }
    let connection = writes::for_agent(&found.connection, agent.as_ref())?;
    let (generation, proved) = match level {
        WriteMode::Off => (0, None),
        level => allowed(host, &connection, level).await.map(|(generation, mark)| (generation, Some(mark)))?,
    };
    let basis = writes::basis(&connection, generation);
    let mut shown = json!({
        "connection": format!("{workspace}/{}", writes::key_of(&connection)),
        "writes": level.as_str(),
        "will_be_able_to": if level == WriteMode::Off { Vec::new() } else { abilities(&connection, level) },
        "records_at_once": connection.write_rules.max_records,
        "records_a_day": connection.write_rules.max_records_a_day,
        "limits": connection.write_rules.limits.iter().map(|row| limit(&connection, row)).collect::<Vec<_>>(),
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
        Some(_) => return Err(not_as_shown()),
    }
    put(host, &connection, level, basis, proved).await?;
    Ok(shown)
}

/// Sets every agent's own level off: of each that has a consent, without which no level holds, or a level.
async fn off_for_all(host: &Arc<Host>, connection: &Connection) -> Result<Value, Failure> {
    let (agents, mut failed) = (agents_of(host, connection).await?, None);
    for agent in &agents {
        let own = connection.of_agent(agent);
        // One that fails keeps none of the others on.
        failed = put(host, &own, WriteMode::Off, writes::basis(&own, 0), None).await.err().or(failed);
    }
    match failed {
        Some(failure) => Err(failure),
        None => Ok(json!({
            "connection": format!("{}/{}", connection.workspace, connection.name),
            "writes": WriteMode::Off.as_str(),
            "agents": agents.iter().map(AgentName::as_str).collect::<Vec<_>>(),
            "enabled": false,
        })),
    }
}

/// Sets a level, and says so in the audit. It rests on the proof with the mark `proved`, if that is still the newest. Nothing is loaded
/// anew while writes are enabled, so that a reload knows what it ends; the audit's rows stand in the order in which levels are set.
async fn put(
    host: &Arc<Host>,
    connection: &Connection,
    level: WriteMode,
    basis: Basis,
    proved: Option<String>,
) -> Result<(), Failure> {
    let (host, connection, who) = (Arc::clone(host), connection.clone(), who());
    let row = WriteLevel { level, since_ms: host.now_ms(), basis, who: who.clone(), mac: [0; 32] };
    seen_through(async move {
        let _loaded = match level {
            WriteMode::Off => None,
            WriteMode::Draft | WriteMode::On => {
                let held = host.hold_reloads().await;
                still_means(&host, &connection, &basis)?;
                Some(held)
            }
        };
        let _turn = host.turn_of_levels().await;
        let (of_host, of_connection) = (Arc::clone(&host), connection.clone());
        blocking(move || keep(&of_host, &of_connection, row, proved.as_deref())).await??;
        let act = Act::admin(who, format!("writes.{}", level.as_str()), writes::key_of(&connection), "ok");
        note(&host, act.on(connection.workspace.as_str(), connection.name.as_str())).await;
        Ok(())
    })
    .await
}

/// Refuses where what is loaded, or the grant, became another since a level was shown: it would be lapsed when it is set.
fn still_means(host: &Host, connection: &Connection, basis: &Basis) -> Result<(), Failure> {
    let loaded = host.loaded();
    let found = find(&loaded, connection.workspace.as_str(), connection.name.as_str())?;
    let generation = host.egress().grant_status(&connection.grant)?.map(|grant| grant.generation);
    let now = generation.map(|generation| writes::basis(&found.connection, generation));
    if now.as_ref() == Some(basis) { Ok(()) } else { Err(not_as_shown()) }
}

fn not_as_shown() -> Failure {
    Failure::no("the rules or the grant are not those that were shown")
        .hint("look again at what it would be able to do, and confirm that")
}

/// Keeps a level in the vault and in the state. Blocks.
fn keep(host: &Host, connection: &Connection, mut row: WriteLevel, proved: Option<&str>) -> Result<(), Failure> {
    let key = writes::key_of(connection);
    let place = writes::place_of(connection.workspace.as_str(), &key);
    let mut rests = true;
    // The vault first: what was set before must not hold again.
    let mark = host.vault().change_write_mark(&place, |mark| {
        rests = proved.is_none_or(|proved| proved == mark.proof);
        mark.settings += u64::from(rests);
    })?;
    if !rests {
        return Err(Failure::no("another proof was made meanwhile, so this level was not set")
            .hint("look at `wardlock connections show`, and give the command again"));
    }
    writes::mark_level(&host.vault().keys(), &place, &mut row, mark.settings);
    host.state().set_write_level(&connection.workspace, &key, &row).map_err(|error| {
        // What was enabled before holds no more for the vault: no start would find it, so nobody goes on with it until then.
        host.state().distrust_write_level(&(connection.workspace.to_string(), key.clone()));
        Failure::from(error).hint("no write is enabled on this connection now; give the command again")
    })
}

/// Returns the agents that have a consent of their own on a connection, or a level.
pub(super) async fn agents_of(host: &Arc<Host>, connection: &Connection) -> Result<BTreeSet<AgentName>, Failure> {
    let mut agents = consenting(host, connection).await?;
    let levels = host.state().write_levels();
    let here = levels.iter().filter(|((workspace, _), _)| workspace == connection.workspace.as_str());
    let theirs = here.filter_map(|((_, key), _)| key.split_once('@'));
    let theirs = theirs.filter(|(name, _)| *name == connection.name.as_str());
    agents.extend(theirs.filter_map(|(_, agent)| AgentName::parse(agent).ok()));
    Ok(agents)
}

/// Returns the agents that have a consent of their own on a connection.
pub(super) async fn consenting(host: &Arc<Host>, connection: &Connection) -> Result<BTreeSet<AgentName>, Failure> {
    let vault = Arc::clone(host.vault());
    let grants = blocking(move || vault.grants()).await??;
    let own = grants.iter().filter(|grant| connection.uses(&grant.name));
    Ok(own.filter_map(|grant| AgentName::parse(grant.name.agent()?).ok()).collect())
}

/// Returns the grant's generation for which writes may be enabled, and the mark of the proof: the workspace file allows it, and a proof
/// holds.
async fn allowed(host: &Arc<Host>, connection: &Connection, level: WriteMode) -> Result<(u64, String), Failure> {
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
    if let Some(proof) = proof::current(host, connection, &grant).await? {
        return Ok((grant.generation, writes::mark_word(&proof.mac)));
    }
    let (state, workspace, key) = (host.state().clone(), connection.workspace.clone(), writes::key_of(connection));
    let newest = blocking(move || state.proof(&workspace, &key)).await??;
    Err(Failure::no(format!("writes need a proof that holds now, and {}", proof::in_a_sentence(newest.as_ref())))
        .hint(format!("run `{command}`")))
}

fn limit(connection: &Connection, (what, limit): (&String, &WriteLimit)) -> Value {
    let Connection { service, operations, resources, .. } = connection;
    let taken_for = match known_as(what, service, operations, resources) {
        Some(KnownAs::Operation) => "an operation",
        Some(KnownAs::Resource) => "a resource",
        None => "a resource of the account's own, which nobody here can check",
    };
    json!({
        "of": what,
        "taken_for": taken_for,
        "records_at_once": limit.max_records,
        "records_a_day": limit.max_records_a_day,
    })
}
