//! Connections on which each agent has a consent of its own.

use serde_json::Value;
use wardlock::admin::{Brought, Command, Failure, How};
use wardlock_simulator::Consent;

use crate::world::{Plan, World, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
const PROBLEM: &str = "Accept: application/problem+json\r\n";

fn plan() -> Plan {
    let own = "owner = \"agent\"\nowner_reason = \"each seller sees their own records\"";
    let file = workspace("acme", "eu", own, &plugin("read-only", "{}"));
    Plan { workspaces: vec![("acme", file)], connect: Vec::new(), ..Plan::default() }
}

async fn connect(world: &World, agent: Option<&str>) -> Result<Value, Failure> {
    let command = Command::Connect {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        registration: None,
        agent: agent.map(str::to_owned),
        how: How::Consent,
        evict_oldest: false,
    };
    world.command_as(command, Brought::Nothing, Consent::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_agent_uses_its_own_consent_and_never_another_s() {
    let mut world = World::start(plan()).await;
    let first = world.tokens["acme"].clone();
    let second = world.add_agent("second", "acme").await;

    let nobody = connect(&world, None).await.expect_err("whose?");
    assert_eq!(nobody.message, "each agent of `acme/zoho` has a login of its own");
    let stranger = connect(&world, Some("stranger")).await.expect_err("no such agent");
    assert_eq!(stranger.message, "workspace `acme` has no agent `stranger`");
    let connected = connect(&world, Some("agent-acme")).await.expect("connected");
    assert_eq!(connected["grant"], "acme-zoho@agent-acme");

    world.tokens.insert("acme".to_owned(), first.clone());
    let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
    assert_eq!(reply.status, 200);
    let rows = world.rows(&reply);
    let grant = rows[0].detail.request.as_ref().and_then(|request| request.grant.clone());
    assert_eq!(grant.as_deref(), Some("acme-zoho@agent-acme"));

    world.tokens.insert("acme".to_owned(), second);
    let before = world.api_calls();
    let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
    let refusal = reply.json().expect("json");
    assert_eq!((reply.status, &refusal["code"]), (503, &"service_not_connected".into()));
    assert_eq!(refusal["hint"], "the operator runs `wardlock connect acme/zoho --agent second`");
    assert_eq!(world.api_calls(), before, "no other's consent serves");

    let shown = world
        .command(Command::ConnectionsShow { workspace: "acme".to_owned(), connection: "zoho".to_owned(), agent: None })
        .await
        .expect("shown");
    assert_eq!((&shown["owner"], &shown["agents"][0]["agent"]), (&"agent".into(), &"agent-acme".into()));

    // Another agent of the same name shall not inherit the consent.
    let revoked = world.command(Command::AgentRevoke { name: "agent-acme".to_owned() }).await.expect("revoked");
    assert_eq!(revoked["own_grants"][0]["revoked_at_provider"], "revoked");
    let namesake = world.add_agent("agent-acme", "acme").await;
    world.tokens.insert("acme".to_owned(), namesake);
    assert_eq!(world.ask("acme", "GET", LEADS, PROBLEM, "").await.status, 503);
    world.tokens.insert("acme".to_owned(), first);
    assert_eq!(world.ask("acme", "GET", LEADS, PROBLEM, "").await.status, 401);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workspace_s_check_asks_why_and_names_no_agent_s_grant() {
    let files = [
        ("owner = \"agent\"", "each agent needs a consent of its own here: why?"),
        ("owner_reason = \"x\"", "a reason is given, and no `owner`"),
    ];
    for (extra, expect) in files {
        let file = workspace("acme", "eu", extra, &plugin("read-only", "{}"));
        let plan = Plan { workspaces: vec![("acme", file)], connect: Vec::new(), ..Plan::default() };
        let world = World::start(plan).await;
        let problems: Vec<String> =
            world.host.loaded().problems().iter().map(|problem| problem.message.clone()).collect();
        assert!(problems.iter().any(|problem| problem.contains(expect)), "{extra}: {problems:?}");
        world.end().await;
    }
    let file =
        workspace("acme", "eu", "", &plugin("read-only", "{}")).replace("\"acme-zoho\"", "\"acme-zoho@bob\"");
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], connect: Vec::new(), ..Plan::default() }).await;
    let loaded = world.host.loaded();
    let problems: Vec<String> = loaded.problems().iter().map(|problem| problem.message.clone()).collect();
    assert!(problems.iter().any(|problem| problem.contains("this is one agent's own grant")), "{problems:?}");
    drop(loaded);
    world.end().await;
}
