//! The proof: a few reads that show that a connection works, for the right account, with nothing exposed.
//!
//! Its requests take the path of an agent's. Each criterion is told by itself, so that whoever reads it knows what to mend.

use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_audit::{Act, Kind, Row, Separation};
use wardlock_core::answer::Outcome;
use wardlock_core::connection::{Connection, Owner, WriteMode};
use wardlock_core::id::{AgentName, WorkspaceName};
use wardlock_core::refusal::Refusal;
use wardlock_core::service::ProofRequest;
use wardlock_egress::GrantStatus;
use wardlock_egress::vault::{GrantInfo, VaultError};
use wardlock_state::{Proof, State as Store, StateError, WriteLevel};

use super::connections::{find, missing};
use super::{blocking, grants, named, note, seen_through, who};
use crate::admin::Failure;
use crate::host::{Host, new_request_id};
use crate::ingress::KeptAnswer;
use crate::loaded::{LoadedConnection, State};
use crate::pipeline::{self, Ended, OnBehalf};
use crate::{report, text, writes};

/// In whose name a proof asks where no agent is named: nobody's, since no agent's own rules apply to it.
const NOBODY: &str = "wardlock-proof";
/// What a proof gives as its purpose.
const PURPOSE: &str = "proof of the connection";

/// One thing that must hold.
struct Criterion {
    name: &'static str,
    /// Why it does not hold; `None`: it holds.
    problem: Option<String>,
    hint: Option<String>,
}

impl Criterion {
    fn new(name: &'static str, problem: Option<String>) -> Self {
        Self { name, problem, hint: None }
    }

    fn hint(mut self, hint: Option<String>) -> Self {
        self.hint = hint.filter(|_| self.problem.is_some());
        self
    }

    fn to_json(&self) -> Value {
        json!({
            "criterion": self.name,
            "holds": self.problem.is_none(),
            "problem": self.problem,
            "hint": self.hint,
        })
    }
}

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
            match each_of(host, found, agent.as_ref()).await? {
                Ok(each) => wanted.extend(each),
                Err(why) => {
                    let name = format!("{}/{}", found.connection.workspace, found.connection.name);
                    left_out.push(json!({ "connection": name, "why": why }));
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

/// Returns a connection as it is proved where all are: once, or for each agent that has a consent of its own; or why it is not.
async fn each_of(
    host: &Arc<Host>,
    found: &LoadedConnection,
    agent: Option<&AgentName>,
) -> Result<Result<Vec<(Connection, Option<AgentName>)>, String>, Failure> {
    let connection = &found.connection;
    if let State::Closed { reason } = &found.state {
        return Ok(Err(format!("it does not serve: {reason}")));
    }
    if connection.owner == Owner::Workspace {
        return Ok(Ok(vec![(Connection::clone(connection), None)]));
    }
    let mut agents = super::writes::consenting(host, connection).await?;
    agents.retain(|known| agent.is_none_or(|named| named == known));
    if agents.is_empty() {
        let (whose, connect) = match agent {
            None => ("none".to_owned(), format!("{} --agent NAME", report::connect_command(connection))),
            Some(agent) => (format!("none of `{agent}`"), report::connect_command(&connection.of_agent(agent))),
        };
        return Ok(Err(format!("consents are each agent's own, and there is {whose}: run `{connect}`")));
    }
    Ok(Ok(agents.into_iter().map(|agent| (connection.of_agent(&agent), Some(agent))).collect()))
}

async fn prove_one(
    host: &Arc<Host>,
    connection: &Connection,
    agent: Option<&AgentName>,
) -> Result<Value, Failure> {
    let name = format!("{}/{}", connection.workspace, writes::key_of(connection));
    let grant = stored(host, connection).await?;
    let mut criteria = vec![connected(connection, grant.as_ref())];
    let mut steps = Vec::new();
    let tenant = grant.as_ref().and_then(|grant| report::pinned_tenant(connection, grant).ok());
    if let (Some(tenant), Some(grant)) = (&tenant, &grant) {
        criteria.push(scopes(connection, grant));
        let service = &connection.service;
        let (requests, left_out) = service.proof_requests(&connection.operations, &connection.resources, tenant);
        criteria.push(something_to_ask(connection, &requests, &left_out));
        for asked in requests {
            let step = ask(host, connection, agent, tenant, asked).await?;
            steps.push(step);
        }
        steps.extend(
            left_out
                .into_iter()
                .map(|what| json!({ "what": what, "left_out": "its operation is not among the connection's" })),
        );
    }
    // The grant may have been renewed by another consent meanwhile: then this proves nothing.
    let after = host.egress().grant_status(&connection.grant)?;
    let generation = grant.as_ref().map(|grant| grant.generation);
    if after.as_ref().map(|grant| grant.generation) != generation {
        criteria
            .push(Criterion::new("same consent", Some("the grant was consented to anew meanwhile".to_owned())));
    }
    let passed = criteria.iter().all(|criterion| criterion.problem.is_none())
        && steps.iter().all(|step| step["passed"] != false);
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

/// There is a grant, of the right region, for the account that the connection is pinned to.
fn connected(connection: &Connection, grant: Option<&GrantStatus>) -> Criterion {
    let refused = grants::unusable(connection, grant);
    Criterion::new("connected", refused.as_ref().map(|refusal| refusal.detail.clone()))
        .hint(refused.and_then(|refusal| refusal.hint))
}

fn scopes(connection: &Connection, grant: &GrantStatus) -> Criterion {
    let lacking = missing(connection, Some(grant));
    let problem = (!lacking.is_empty()).then(|| format!("the grant lacks {}", lacking.join(", ")));
    Criterion::new("scopes granted", problem).hint(Some(format!(
        "run `{}`, or take the operations that need them out",
        report::connect_command(connection)
    )))
}

fn something_to_ask(connection: &Connection, requests: &[ProofRequest], left_out: &[String]) -> Criterion {
    let name = "something to ask";
    if !requests.is_empty() {
        return Criterion::new(name, None);
    }
    if left_out.is_empty() {
        let problem = format!("service `{}` says not what a proof asks", connection.service.name);
        return Criterion::new(name, Some(problem)).hint(Some("add `[[proof]]` to its definition".to_owned()));
    }
    let problem = "none of the operations that a proof asks is among the connection's".to_owned();
    Criterion::new(name, Some(problem))
        .hint(Some("add the group `identity` to `operations` of the connection".to_owned()))
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
    };
    let ended = pipeline::run_for(host, &id, on_behalf, asked.request).await;
    let rows = {
        let (audit, id) = (host.audit().clone(), id.to_string());
        blocking(move || audit.show(&id)).await??
    };
    let criteria = match &ended {
        Ended::Refused { refusal, .. } => vec![refused(refusal)],
        Ended::Answered { outcome, answer } => {
            let mut criteria = answered(connection, *outcome, answer.as_ref());
            criteria.push(right_tenant(asked.tenant_pointer.as_deref(), tenant, answer.as_ref()));
            criteria.push(recorded(connection, &rows));
            criteria
        }
    };
    let passed = criteria.iter().all(|criterion| criterion.problem.is_none());
    Ok(json!({
        "what": asked.what,
        "request": shown,
        "request_id": id.as_str(),
        "passed": passed,
        "criteria": criteria.iter().map(Criterion::to_json).collect::<Vec<_>>(),
    }))
}

fn refused(refusal: &Refusal) -> Criterion {
    let problem = format!("{}: {}", refusal.code.as_str(), refusal.detail);
    Criterion::new("allowed", Some(problem)).hint(Some(refusal.remedy().to_owned()))
}

/// What the answer must be: allowed, of the right status, without an error in its body, with no secret in it.
fn answered(connection: &Connection, outcome: Outcome, answer: Option<&KeptAnswer>) -> Vec<Criterion> {
    let status = answer.map(|answer| answer.status);
    let wrong_status = match status {
        Some(200 | 204) => None,
        Some(other) => Some(format!("the provider answered {other}")),
        None => Some("the answer broke off, or is too large".to_owned()),
    };
    let failed = (outcome != Outcome::Ok).then(|| format!("the answer's body says {}", outcome.as_str()));
    // What the service's definition says of the provider's code, and of the permission that an account lacks.
    let hint = answer.and_then(|answer| answer.header("wardlock-hint")).map(str::to_owned);
    let exposed = answer.and_then(|answer| answer.header("wardlock-secret-exposed"));
    let exposed = match exposed {
        Some("false") | None => None,
        Some(_) => Some("the provider showed a stored secret, which was cut out".to_owned()),
    };
    vec![
        Criterion::new("allowed", None),
        Criterion::new("answered with 200 or 204", wrong_status).hint(hint.clone()),
        Criterion::new("no error in the body", failed)
            .hint(hint.or_else(|| Some(format!("run `wardlock service guide {}`", connection.service.name)))),
        Criterion::new("nothing exposed", exposed).hint(Some(
            "find out why the provider echoes credentials before an agent asks it anything".to_owned(),
        )),
    ]
}

/// The answer names the pinned account, where it names one.
fn right_tenant(pointer: Option<&str>, tenant: &str, answer: Option<&KeptAnswer>) -> Criterion {
    let name = "the pinned account";
    let (Some(pointer), Some(answer)) = (pointer, answer) else {
        return Criterion::new(name, None);
    };
    let body = serde_json::from_slice::<Value>(&answer.body).ok();
    let found = body.as_ref().and_then(|body| body.pointer(pointer)).map(|found| match found {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let problem = match found {
        Some(found) if found == tenant => None,
        Some(_) => Some("the answer is about another account than the pinned one".to_owned()),
        None => Some(format!("the answer does not say whose it is, at `{pointer}`")),
    };
    Criterion::new(name, problem).hint(Some("disconnect, and connect the right account".to_owned()))
}

/// Both rows are there, of this workspace and this region's host, one after the other in the chain.
fn recorded(connection: &Connection, rows: &[Row]) -> Criterion {
    let row = |kind: Kind| rows.iter().find(|row| row.kind == kind);
    let problem = match (row(Kind::Intent), row(Kind::Outcome)) {
        (Some(intent), Some(outcome)) => {
            let host = intent.detail.request.as_ref().and_then(|request| request.host.as_deref());
            let hosts = connection.service.regions.get(&connection.region);
            let is_ours = |host: &str| {
                hosts.is_some_and(|row| {
                    row.hosts.values().any(|role| role.values().any(|known| known == host))
                        || row.accounts == host
                        || row.token_host() == host
                })
            };
            if outcome.closes != Some(intent.sequence) || outcome.sequence <= intent.sequence {
                Some("the audit's two rows do not belong together".to_owned())
            } else if intent.workspace.as_deref() != Some(connection.workspace.as_str()) {
                Some("the audit names another workspace".to_owned())
            } else if !host.is_some_and(is_ours) {
                Some("it went to a host that is none of this region's".to_owned())
            } else {
                None
            }
        }
        _ => Some("the audit lacks a row of it".to_owned()),
    };
    Criterion::new("recorded, of this workspace and region", problem)
        .hint(Some("run `wardlock audit verify`".to_owned()))
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
