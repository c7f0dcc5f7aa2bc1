//! The proof: a few reads that show that a connection works, for the right account, with nothing exposed.
//!
//! Its requests take the path of an agent's.

mod criteria;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::{Act, Separation};
use wardlock_core::connection::{Connection, Owner, WriteMode};
use wardlock_core::id::{AgentName, WorkspaceName};
use wardlock_core::service::{ProofRequest, ProofRequests};
use wardlock_egress::GrantStatus;
use wardlock_egress::vault::{GrantInfo, VaultError};
use wardlock_state::{Counting, Proof, State as Store, StateError, WriteLevel};

use self::criteria::Criterion;
use super::connections::find;
use super::{blocking, named, note, seen_through, who};
use crate::admin::Failure;
use crate::host::Host;
use crate::ids::new_request_id;
use crate::loaded::{LoadedConnection, State};
use crate::pipeline::{self, Ended, OnBehalf};
use crate::{report, text, writes};

/// In whose name a proof asks where no agent is named: nobody's, since no agent's own rules apply to it.
const NOBODY: &str = "wardlock-proof";
/// What a proof gives as its purpose.
const PURPOSE: &str = "proof of the connection";
/// How a sentence begins about an agent that has no consent.
const EACH_ITS_OWN: &str = "consents are each agent's own, and there is";

/// Proves one connection, or every connection that serves.
pub(super) async fn prove(
    host: &Arc<Host>,
    place: Option<(&str, &str)>,
    agent: Option<&str>,
) -> Result<Value, Failure> {
    let agent = agent.map(AgentName::parse).map(named).transpose()?;
    let loaded = host.loaded();
    let (mut wanted, mut left_out) = (Vec::new(), Vec::new());
    if let Some((workspace, connection)) = place {
        let own = writes::for_agent(&find(&loaded, workspace, connection)?.connection, agent.as_ref())?;
        wanted.push((own, agent));
    } else {
        for found in loaded.connections() {
            for each in each_of(host, found, agent.as_ref()).await? {
                match each {
                    Ok(one) => wanted.push(one),
                    Err(row) => left_out.push(row),
                }
            }
        }
    }
    let mut proofs = Vec::new();
    for (own, agent) in &wanted {
        proofs.push(prove_one(host, own, agent.as_ref()).await?);
    }
    let passed = !proofs.is_empty() && proofs.iter().all(|proof| proof["passed"] == true);
    Ok(json!({ "passed": passed, "proofs": proofs, "not_proved": left_out }))
}

/// A connection that is to be proved, for an agent where it is one's own; or the row that says why it is not.
type Each = Result<(Connection, Option<AgentName>), Value>;

/// Returns a connection as it is proved where all are: once, or for each agent of its workspace.
async fn each_of(
    host: &Arc<Host>,
    found: &LoadedConnection,
    agent: Option<&AgentName>,
) -> Result<Vec<Each>, Failure> {
    let connection = &found.connection;
    if let State::Closed { reason } = &found.state {
        return Ok(vec![Err(not_proved(connection, &format!("it does not serve: {reason}")))]);
    }
    if connection.owner == Owner::Workspace {
        return Ok(vec![Ok((Connection::clone(connection), None))]);
    }
    let consenting = super::writes::consenting(host, connection).await?;
    let mut agents = coming_in(host, connection).await?;
    agents.extend(consenting.iter().cloned());
    agents.retain(|known| agent.is_none_or(|named| named == known));
    // Who is named, is told of, whether known or not.
    agents.extend(agent.cloned());
    if agents.is_empty() {
        let connect = format!("{} --agent NAME", report::connect_command(connection));
        return Ok(vec![Err(not_proved(connection, &format!("{EACH_ITS_OWN} none: run `{connect}`")))]);
    }
    let each = agents.into_iter().map(|agent| {
        let own = connection.of_agent(&agent);
        if consenting.contains(&agent) {
            return Ok((own, Some(agent)));
        }
        let connect = report::connect_command(&own);
        Err(not_proved(&own, &format!("{EACH_ITS_OWN} none of `{agent}`: run `{connect}`")))
    });
    Ok(each.collect())
}

/// Returns the agents of a connection's workspace that may come in now.
async fn coming_in(host: &Host, connection: &Connection) -> Result<BTreeSet<AgentName>, Failure> {
    let state = host.state().clone();
    let known = blocking(move || state.list()).await??;
    let comes_in = |name: &AgentName| host.state().is_agent(name, &connection.workspace);
    Ok(known.into_iter().map(|one| one.name).filter(comes_in).collect())
}

fn not_proved(connection: &Connection, why: &str) -> Value {
    let name = format!("{}/{}", connection.workspace, writes::key_of(connection));
    json!({ "connection": name, "why": why })
}

async fn prove_one(
    host: &Arc<Host>,
    connection: &Connection,
    agent: Option<&AgentName>,
) -> Result<Value, Failure> {
    let name = format!("{}/{}", connection.workspace, writes::key_of(connection));
    let grant = stored(host, connection).await?;
    let mut criteria = vec![criteria::connected(connection, grant.as_ref())];
    let mut steps = Vec::new();
    let tenant = grant.as_ref().and_then(|grant| report::pinned_tenant(connection, grant).ok());
    if let (Some(tenant), Some(grant)) = (&tenant, &grant) {
        criteria.push(criteria::scopes(connection, grant));
        let pinned = criteria::pinned(connection, grant);
        // With nothing to compare an answer with, none shows anything.
        if pinned.fails() {
            criteria.push(pinned);
        } else {
            let (found, asked) = ask_all(host, connection, agent, tenant).await?;
            criteria.extend(found);
            steps = asked;
        }
    }
    // The grant may have been renewed by another consent meanwhile: then this proves nothing.
    let after = host.egress().grant_status(&connection.grant)?;
    let generation = grant.as_ref().map(|grant| grant.generation);
    if after.as_ref().map(|grant| grant.generation) != generation {
        criteria
            .push(Criterion::new("same consent", Some("the grant was consented to anew meanwhile".to_owned())));
    }
    let passed = !criteria.iter().any(Criterion::fails) && steps.iter().all(|step| step["passed"] != false);
    let mut shown = json!({
        "connection": name,
        "passed": passed,
        "criteria": criteria.iter().map(Criterion::to_json).collect::<Vec<_>>(),
        "requests": steps,
    });
    let ended = keep(host, connection, generation.unwrap_or(0), passed, &shown).await?;
    shown["writes_ended"] = ended.into();
    Ok(shown)
}

/// Asks all that the service's definition lists and the connection allows; returns what holds of the steps together, and each of them.
async fn ask_all(
    host: &Arc<Host>,
    connection: &Connection,
    agent: Option<&AgentName>,
    tenant: &str,
) -> Result<(Vec<Criterion>, Vec<Value>), Failure> {
    let ProofRequests { asked, left_out } =
        connection.service.proof_requests(&connection.operations, &connection.resources, tenant);
    let mut criteria = vec![criteria::something_to_ask(connection, &asked, &left_out)];
    criteria.extend(criteria::told(connection, &asked, &left_out));
    let mut steps = Vec::new();
    for request in asked {
        steps.push(ask(host, connection, agent, tenant, request).await?);
    }
    let left_out = left_out.into_iter();
    steps.extend(
        left_out
            .map(|step| json!({ "what": step.what, "left_out": "its operation is not among the connection's" })),
    );
    Ok((criteria, steps))
}

/// Reads the grant as the vault has it now: what the provider said of it since is told, too.
async fn stored(host: &Arc<Host>, connection: &Connection) -> Result<Option<GrantInfo>, Failure> {
    let (vault, grant) = (Arc::clone(host.vault()), connection.grant.clone());
    match blocking(move || vault.grant_info(&grant)).await? {
        Ok(info) => Ok(Some(info)),
        Err(VaultError::NoGrant(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Keeps the proof, and says in the audit what came of it. One that fails ends the level that rested on an older one; returns whether
/// there was such a level.
async fn keep(
    host: &Arc<Host>,
    connection: &Connection,
    generation: u64,
    passed: bool,
    shown: &Value,
) -> Result<bool, Failure> {
    let mut proof = Proof {
        at_ms: host.now_ms(),
        basis: writes::basis(connection, generation),
        passed,
        who: who(),
        report: shown.to_string(),
        mac: [0; 32],
    };
    let (host, connection) = (Arc::clone(host), connection.clone());
    let place = writes::place_of(connection.workspace.as_str(), &writes::key_of(&connection));
    writes::mark_proof(&host.vault().keys(), &place, &mut proof);
    seen_through(async move {
        let _turn = host.turn_of_levels().await;
        let (of_host, of_connection, of_proof) = (Arc::clone(&host), connection.clone(), proof.clone());
        let ended = blocking(move || keep_in_turn(&of_host, &of_connection, &of_proof)).await??;
        let on = |act: Act| act.on(connection.workspace.as_str(), connection.name.as_str());
        let (who, target) = (proof.who, writes::key_of(&connection));
        let result = if passed { "passed" } else { "failed" };
        note(&host, on(Act::admin(who.as_str(), "proof", target.as_str(), result))).await;
        if ended {
            note(&host, on(Act::admin(who, "writes.off", target, "the proof failed"))).await;
        }
        Ok(ended)
    })
    .await
}

/// Keeps a proof in the vault and in the state; returns whether it ended a level. Blocks.
fn keep_in_turn(host: &Host, connection: &Connection, proof: &Proof) -> Result<bool, Failure> {
    let (state, workspace, key) = (host.state(), &connection.workspace, writes::key_of(connection));
    // The vault first: an older proof must not stay the newest, nor a level hold that rested on it.
    host.vault().change_write_mark(&writes::place_of(workspace.as_str(), &key), |mark| {
        mark.proof = writes::mark_word(&proof.mac);
        mark.settings += u64::from(!proof.passed);
    })?;
    let ended = !proof.passed && end_level(state, workspace, &key, proof)?;
    state.keep_proof(workspace, &key, proof)?;
    Ok(ended)
}

/// Takes the level away that no proof bears any more; returns whether there was one.
fn end_level(state: &Store, workspace: &WorkspaceName, key: &str, proof: &Proof) -> Result<bool, StateError> {
    let was_set = state.write_level(workspace, key).is_some();
    // From memory at once, whatever the disk says.
    state.distrust_write_level(&(workspace.to_string(), key.to_owned()));
    let (since_ms, basis, who) = (proof.at_ms, proof.basis, proof.who.clone());
    let off = WriteLevel { level: WriteMode::Off, since_ms, basis, who, mac: [0; 32] };
    state.set_write_level(workspace, key, &off)?;
    Ok(was_set)
}

/// Asks one request of the proof, as an agent would, and judges what came of it.
async fn ask(
    host: &Arc<Host>,
    connection: &Connection,
    agent: Option<&AgentName>,
    tenant: &str,
    asked: ProofRequest,
) -> Result<Value, Failure> {
    let id = new_request_id();
    let shown = format!("{} {}", asked.request.method().as_str(), asked.request.path_and_query());
    let on_behalf = OnBehalf {
        workspace: connection.workspace.as_str(),
        connection: connection.name.as_str(),
        agent: agent.map_or(NOBODY, AgentName::as_str),
        purpose: Some(PURPOSE.to_owned()),
        via: None,
        separation: Separation::Unknown,
        approval: None,
        checks: false,
        counting: Counting::Takes,
    };
    let ended = pipeline::run_for(host, &id, on_behalf, asked.request).await;
    let rows = {
        let (audit, id) = (host.audit().clone(), id.to_string());
        blocking(move || audit.show(&id)).await??
    };
    let criteria = match &ended {
        Ended::Refused { refusal, .. } => vec![criteria::refused(refusal)],
        Ended::Answered { outcome, answer } => {
            let mut criteria = criteria::answered(connection, *outcome, answer.as_ref());
            let pointer = asked.tenant_pointer.as_deref();
            criteria.push(criteria::right_tenant(pointer, tenant, answer.as_ref()));
            criteria.push(criteria::recorded(connection, &rows));
            criteria
        }
    };
    let passed = !criteria.iter().any(Criterion::fails);
    Ok(json!({
        "what": asked.what,
        "request": shown,
        "request_id": id.as_str(),
        "passed": passed,
        "criteria": criteria.iter().map(Criterion::to_json).collect::<Vec<_>>(),
    }))
}

/// Returns the proof of a connection, if it passed and holds as everything is now.
pub(super) async fn current(
    host: &Arc<Host>,
    connection: &Connection,
    grant: &GrantStatus,
) -> Result<Option<Proof>, Failure> {
    let (state, workspace, key) = (host.state().clone(), connection.workspace.clone(), writes::key_of(connection));
    let found = blocking(move || state.proof(&workspace, &key)).await??;
    let holds = match &found {
        Some(proof) => is_current(host, connection, grant.generation, proof).await?,
        None => false,
    };
    Ok(found.filter(|_| holds))
}

/// Returns whether a proof passed, is the newest, and holds as everything is now.
pub(super) async fn is_current(
    host: &Arc<Host>,
    connection: &Connection,
    generation: u64,
    proof: &Proof,
) -> Result<bool, Failure> {
    let vault = Arc::clone(host.vault());
    let place = writes::place_of(connection.workspace.as_str(), &writes::key_of(connection));
    let newest = blocking(move || vault.write_mark(&place)).await??.proof;
    Ok(writes::is_current(&host.vault().keys(), connection, generation, proof, &newest))
}

/// Says why a connection's newest proof does not hold.
pub(super) fn in_a_sentence(proof: Option<&Proof>) -> String {
    match proof {
        None => "none was made yet".to_owned(),
        Some(proof) if proof.passed => format!(
            "the one of {} has lapsed: credential, service, rules or plugins changed since",
            text::time(proof.at_ms)
        ),
        Some(proof) => format!("the one of {} failed", text::time(proof.at_ms)),
    }
}

/// Says of a proof what a list shows.
pub(super) fn in_words(proof: Option<&Proof>, is_current: bool) -> String {
    match proof {
        None => "never made".to_owned(),
        Some(proof) if is_current => format!("passed {}", text::time(proof.at_ms)),
        Some(proof) if proof.passed => {
            format!("lapsed: credential, service, rules or plugins changed since {}", text::time(proof.at_ms))
        }
        Some(proof) => format!("failed {}", text::time(proof.at_ms)),
    }
}
