//! Each ready-made service through the whole product: consent, reads, a write, errors, a stale token, and its tenant.
//!
//! - [`zoho`]: Books, Desk, `WorkDrive` and Marketing Automation.
//! - [`google`]: two workspaces on one login that reaches both of their customers.
//! - [`meta`]: a token that renews itself, and a proof beside it.
//! - [`shared`]: several services on one grant.
//! - [`forged`]: callbacks and token answers that lie, against every service that consents in a browser.
//! - [`device`]: Zoho's device flow.
//! - [`proved`]: the proof of each.
//! - [`beside`]: what stands there now beside what would.

mod beside;
mod device;
mod forged;
mod google;
mod meta;
mod proved;
mod shared;
mod zoho;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;
use wardlock::admin::Command;
use wardlock::loaded::Services;
use wardlock_audit::{Finished, Separation};
use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::chain::Chain;
use wardlock_core::classify::Classified;
use wardlock_core::connection::{Connection, WriteMode};
use wardlock_core::decision::{Asked, Decision, decide};
use wardlock_core::id::{AgentName, RequestId};
use wardlock_core::plugin::{Answer, Verdict};
use wardlock_core::refusal::Refusal;
use wardlock_core::rules::Judge;
use wardlock_egress::Sent;
use wardlock_simulator::{Recording, Role};
use wardlock_tests::raw::RawReply;

use crate::world::{World, plugin};

/// Reads of any breadth pass with a purpose.
const PURPOSE: &str = "Wardlock-Purpose: checking the service\r\n";

/// The numbers of requests that no agent sent.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A connection's table: `more` is its `grant`, `resources`, `operations`, and what its service wants besides.
fn connection(name: &str, service: &str, more: &str) -> String {
    let definition = Services::built_in().get(service).cloned().expect("a service");
    let eu = definition.regions.keys().find(|region| region.as_str() == "eu");
    let region = eu.or(definition.regions.keys().next()).expect("a region");
    let plugin = plugin("require-purpose", "{}").replace("connections.zoho", &format!("connections.{name}"));
    format!(
        "[connections.{name}]\nservice = \"{service}\"\nregion = \"{region}\"\nwrites = \"on\"\n{more}\n\n{plugin}\n"
    )
}

/// A workspace file.
fn workspace(name: &str, connections: &[String]) -> String {
    format!("workspace = \"{name}\"\n\n{}", connections.concat())
}

/// Asks with a purpose.
async fn ask(world: &World, workspace: &str, method: &str, path: &str, body: &str) -> RawReply {
    ask_with(world, workspace, method, path, "", body).await
}

/// The same, with further headers.
async fn ask_with(
    world: &World,
    workspace: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> RawReply {
    world.ask(workspace, method, path, &format!("{PURPOSE}{headers}"), body).await
}

/// Fails unless the answer is the provider's, with this status and outcome; returns its JSON, or null.
#[track_caller]
fn came(reply: &RawReply, status: u16, outcome: &str) -> Value {
    let text = String::from_utf8_lossy(&reply.bytes).into_owned();
    assert_eq!((reply.status, reply.header("wardlock-decision")), (status, Some("allow")), "{text}");
    assert_eq!(reply.header("wardlock-outcome"), Some(outcome), "{text}");
    assert_eq!(reply.header("wardlock-secret-exposed"), Some("false"), "{text}");
    reply.json().unwrap_or_default()
}

/// Fails unless the request is refused with this code, and nothing is sent for it.
async fn refused(world: &World, workspace: &str, request: (&str, &str, &str, &str), code: &str) {
    let (method, path, headers, body) = request;
    let before = world.api_calls();
    let headers = format!("Accept: application/problem+json\r\n{headers}");
    let reply = ask_with(world, workspace, method, path, &headers, body).await;
    let said = reply.json().expect("json");
    assert_eq!(said["code"], code, "{method} {path} {headers} {body}: {said}");
    assert_eq!(world.api_calls(), before, "{method} {path}: something was sent");
}

/// Has every write of a connection wait for a person.
async fn draft(world: &World, workspace: &str, connection: &str) {
    let (workspace, connection) = (workspace.to_owned(), connection.to_owned());
    let place = Some((workspace.clone(), connection.clone()));
    let proof = world.command(Command::Proof { place, agent: None }).await.expect("a proof");
    assert_eq!(proof["passed"], true, "{proof:#}");
    let level = |confirmed, basis| {
        let (workspace, connection) = (workspace.clone(), connection.clone());
        Command::Writes { workspace, connection, agent: None, level: "draft".to_owned(), confirmed, basis }
    };
    let shown = world.command(level(false, None)).await.expect("shown");
    let basis = shown["basis"].as_str().map(str::to_owned);
    world.command(level(true, basis)).await.expect("enabled");
}

/// Returns the last request that an API received.
fn last_call(world: &World) -> Recording {
    let received = world.simulator.recordings().into_iter().rev();
    let is_call = |seen: &Recording| seen.role == Role::Api && !crate::recorded::is_own(seen);
    received.into_iter().find(is_call).expect("a call of an API")
}

/// Ends the access token, and fails unless the next request gets another one, once.
async fn renews_once(world: &World, workspace: &str, path: &str) {
    world.simulator.expire_access_tokens();
    let calls = world.simulator.token_calls();
    for _ in 0..2 {
        came(&ask(world, workspace, "GET", path, "").await, 200, "ok");
    }
    assert_eq!(world.simulator.token_calls(), calls + 1, "one renewal serves both");
}

/// Judges a request as if writes were enabled and none wanted a person, by the rules that hold for every request.
fn judged(
    world: &World,
    connection: &str,
    method: &str,
    target: &str,
    body: &str,
) -> Result<(Judge, Classified), Refusal> {
    let (workspace, name) = connection.split_once('/').expect("workspace/connection");
    let loaded = world.host.loaded();
    let mut connection = Connection::clone(&loaded.connection(workspace, name).expect("a connection").connection);
    connection.write_rules.unattended.clone_from(&connection.operations);
    let grant = world.host.egress().grant_status(&connection.grant).expect("a vault").expect("a grant");
    let tenant = connection.tenant.clone().or(grant.tenant.as_ref().map(|tenant| tenant.id.clone()));
    let judge = Judge::new(Arc::new(connection), AgentName::parse("writer").expect("a name"), WriteMode::On)
        .pinned_to(tenant);
    let header = |name: &str, value: &[u8]| Header { name: name.to_owned(), value: value.to_vec() };
    let headers = vec![header("accept", b"application/json")];
    let request = CanonicalRequest::parse(method, target, headers, body.as_bytes().to_vec()).expect("canonical");
    let classified = judge.classify(request)?;
    judge.check(&classified)?;
    Ok((judge, classified))
}

/// Sends a write as the front door does: by the same rules, INTENT and egress. How writes are enabled, `proofs` and `drafts` test.
async fn write(world: &World, connection: &str, method: &str, target: &str, body: &str) -> (Sent, Value) {
    let (judge, classified) = judged(world, connection, method, target, body).expect("allowed by the rules");
    let grant = &judge.connection().grant;
    let grant = world.host.egress().grant_status(grant).expect("a vault").expect("a grant");
    let tenant = judge.connection().tenant.clone().or(grant.tenant.as_ref().map(|tenant| tenant.id.clone()));
    let mut chain = Chain::start(&judge, classified);
    while chain.next().is_some() {
        chain.take(Ok(Answer { verdict: Verdict::Allow, notes: Vec::new() }), 1);
    }
    let (classified, outcome) = chain.finish();
    let id = RequestId::from_bits(u128::from(NEXT.fetch_add(1, Ordering::SeqCst)).to_be_bytes());
    let tenant = tenant.expect("a tenant");
    let asked = Asked { id, purpose: None, tenant, generation: grant.generation, via: None, approval: None };
    let Decision::Allow(permit) = decide(&judge, classified, outcome, asked) else { panic!("not allowed") };
    let (receipt, guard) =
        world.host.audit().intend(&permit, Separation::Unknown, Duration::ZERO, &[]).await.expect("an intent");
    let sent = world.host.egress().send(*permit, receipt).await.expect("sent");
    let finished = Finished {
        outcome: sent.reading.outcome,
        upstream_status: Some(sent.answer.status()),
        attempts: sent.attempts,
        upstream_host: sent.host.clone(),
        redactions: 0,
        answer_bytes: 0,
        answer_sha256: None,
        upstream_micros: sent.micros,
        provider_code: sent.reading.code.clone(),
        parts: sent.reading.parts.clone(),
        failures: sent.reading.failures.clone(),
        total: Duration::ZERO,
        verdicts: Vec::new(),
        withheld: None,
    };
    guard.finish(finished).await.expect("an OUTCOME");
    let body = sent.answer.body().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    (sent, body)
}
