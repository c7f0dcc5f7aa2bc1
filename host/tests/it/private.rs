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
        tenant: None,
        scopes: None,
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
        .command(Command::ConnectionsShow {
            workspace: "acme".to_owned(),
            connection: "zoho".to_owned(),
            agent: None,
        })
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

/// A world with two agents whose consents are to be their own, and which may draft.
async fn two_agents() -> World {
    let own = "writes = \"draft\"\nowner = \"agent\"\nowner_reason = \"each seller sees their own records\"";
    let file = workspace("acme", "eu", own, &plugin("read-only", "{}"));
    let plan = Plan { workspaces: vec![("acme", file)], connect: Vec::new(), ..Plan::default() };
    let mut world = World::start(plan).await;
    world.add_agent("second", "acme").await;
    world
}

async fn connect_both(world: &World) {
    for agent in ["agent-acme", "second"] {
        connect(world, Some(agent)).await.expect("connected");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_are_proved_each_agent_s_own_consent_is() {
    let world = two_agents().await;
    let all = || Command::Proof { place: None, agent: None };
    let told = world.command(all()).await.expect("told");
    let names = |told: &Value, rows: &str| -> Vec<String> {
        let rows = told[rows].as_array().expect("rows").iter();
        rows.map(|row| row["connection"].as_str().expect("a name").to_owned()).collect()
    };
    let (first, second) = ("acme/zoho@agent-acme", "acme/zoho@second");
    assert_eq!(
        (&told["passed"], names(&told, "not_proved")),
        (&false.into(), vec![first.to_owned(), second.to_owned()])
    );

    // Who has none is told of beside those who have one.
    connect(&world, Some("agent-acme")).await.expect("connected");
    let told = world.command(all()).await.expect("told");
    assert_eq!(
        (names(&told, "proofs"), names(&told, "not_proved")),
        (vec![first.to_owned()], vec![second.to_owned()])
    );
    let why = told["not_proved"][0]["why"].as_str().expect("a reason");
    assert!(why.ends_with("none of `second`: run `wardlock connect acme/zoho --agent second`"), "{why}");

    connect_both(&world).await;
    let told = world.command(all()).await.expect("told");
    assert_eq!(names(&told, "proofs"), [first, second], "{told}");
    assert_eq!((&told["passed"], names(&told, "not_proved")), (&true.into(), Vec::new()), "{told}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_may_have_a_consent_a_proof_says_so() {
    let world = two_agents().await;
    for name in ["agent-acme", "second"] {
        world.command(Command::AgentRevoke { name: name.to_owned() }).await.expect("revoked");
    }
    let told = world.command(Command::Proof { place: None, agent: None }).await.expect("told");
    let row = &told["not_proved"][0];
    assert_eq!((&told["passed"], &row["connection"]), (&false.into(), &"acme/zoho".into()), "{told}");
    let why = row["why"].as_str().expect("a reason");
    assert!(why.ends_with("there is none: run `wardlock connect acme/zoho --agent NAME`"), "{why}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_are_each_agent_s_own_and_all_are_set_off_at_once() {
    let world = two_agents().await;
    connect_both(&world).await;
    world.command(Command::Proof { place: None, agent: None }).await.expect("told");
    let writes = |agent: Option<&str>, level: &str, basis: Option<&Value>| Command::Writes {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: agent.map(str::to_owned),
        level: level.to_owned(),
        confirmed: basis.is_some(),
        basis: basis.and_then(Value::as_str).map(str::to_owned),
    };
    let nobody = world.command(writes(None, "draft", None)).await.expect_err("whose?");
    assert_eq!(nobody.hint.as_deref(), Some("say whose: `--agent NAME`"));
    for agent in ["agent-acme", "second"] {
        let shown = world.command(writes(Some(agent), "draft", None)).await.expect("shown");
        world.command(writes(Some(agent), "draft", Some(&shown["basis"]))).await.expect("enabled");
    }
    let show = |agent: Option<&str>| Command::ConnectionsShow {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: agent.map(str::to_owned),
    };
    let [all, one] = [None, Some("agent-acme")].map(show);
    let (all, one) = (world.command(all).await.expect("shown"), world.command(one).await.expect("shown"));
    let scopes = |shown: &Value| shown["scopes_of_consent"].clone();
    assert!(scopes(&all).as_array().is_some_and(|scopes| !scopes.is_empty()), "{all}");
    assert_eq!(scopes(&one), scopes(&all), "every agent is asked for the same");
    let levels = |shown: &Value| -> Vec<Value> {
        let agents = shown["agents"].as_array().expect("agents").iter();
        agents.flat_map(|row| [row["writes"].clone(), row["readiness"]["writes_enabled"].clone()]).collect()
    };
    let shown = world.command(show(None)).await.expect("shown");
    assert_eq!(levels(&shown), ["draft"; 4], "{shown}");
    let one = world.command(show(Some("second"))).await.expect("shown");
    assert_eq!((&one["writes"], &one["readiness"]["writes_enabled"]), (&"draft".into(), &"draft".into()));
    assert_eq!((&one["grant"], &one["agents"]), (&"acme-zoho@second".into(), &Value::Null));

    let off = world.command(writes(None, "off", None)).await.expect("off");
    assert_eq!((&off["writes"], &off["agents"]), (&"off".into(), &serde_json::json!(["agent-acme", "second"])));
    let shown = world.command(show(None)).await.expect("shown");
    assert_eq!(levels(&shown), ["off"; 4], "{shown}");
    assert_eq!((&shown["writes"], &shown["writes_at_most"]), (&"each agent's own".into(), &"draft".into()));
    world.end().await;
}
