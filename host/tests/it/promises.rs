//! What must hold whatever happens: no record, no request; one token call for many; nothing waits for ever.

use std::sync::Arc;

use wardlock::admin::Command;

use crate::world::{Plan, World, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
const PROBLEM: &str = "Accept: application/problem+json\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn connection_without_a_plugin_that_counts_allows_nothing() {
    let watched = plugin("read-only", "{}") + "mode = \"monitor\"\n";
    for chain in [String::new(), watched] {
        let file = workspace("acme", "eu", "", &chain);
        let world = World::start(Plan { workspaces: vec![("acme", file)], ..Plan::default() }).await;
        let before = world.api_calls();
        let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
        assert_eq!((reply.status, &reply.json().expect("json")["code"]), (403, &"no_policy".into()));
        assert_eq!(world.api_calls(), before);
        // Wherever an operator looks.
        let shown = world
            .command(Command::ConnectionsShow {
                workspace: "acme".to_owned(),
                connection: "zoho".to_owned(),
                agent: None,
            })
            .await;
        let shown = shown.expect("shown");
        let items = shown["readiness"]["items"].as_array().expect("items");
        let plugins = items.iter().find(|item| item["item"] == "plugins").expect("plugins");
        assert_eq!(plugins["holds"], false, "{plugins}");
        let examined = world.command(Command::Doctor).await.expect("examined");
        let checks = examined["checks"].as_array().expect("checks");
        let check = checks.iter().find(|check| check["check"] == "connection acme/zoho").expect("a check");
        assert_eq!(check["state"], "yellow", "{check}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_recorded_is_not_sent() {
    let world = World::start(Plan::default()).await;
    assert_eq!(world.get(LEADS).await.status, 200);
    let before = world.api_calls();
    // Another program holds the database: every write waits, and gives up.
    let path = world.folder().join("home/state/audit.db");
    let holder = rusqlite::Connection::open(&path).expect("the audit's file");
    holder.execute_batch("begin exclusive").expect("held");
    let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
    assert_eq!((reply.status, &reply.json().expect("json")["code"]), (503, &"audit_unavailable".into()));
    assert_eq!(world.api_calls(), before, "sent without a record");
    let refused = world.ask("acme", "DELETE", "/acme/zoho/crm/v8/Leads/1", PROBLEM, "").await;
    assert_eq!(refused.json().expect("json")["code"], "audit_unavailable", "a refusal is a record, too");
    holder.execute_batch("rollback").expect("let go");
    assert_eq!(world.get(LEADS).await.status, 200, "it goes on by itself");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_on_a_dead_token_make_one_token_call() {
    let world = Arc::new(World::start(Plan::default()).await);
    assert_eq!(world.get(LEADS).await.status, 200);
    world.simulator.expire_access_tokens();
    let calls = world.simulator.token_calls();
    let asking: Vec<_> = (0..24)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.get(LEADS).await.status })
        })
        .collect();
    for asked in asking {
        assert_eq!(asked.await.expect("a task"), 200);
    }
    assert_eq!(world.simulator.token_calls(), calls + 1);
    Arc::into_inner(world).expect("the last one").end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_hostile_neighbour_does_not_slow_another_workspace() {
    let looping = workspace("noisy", "eu", "", &plugin("probe", r#"{ mode = "loop" }"#));
    let quiet = workspace("acme", "eu", "", &plugin("read-only", "{}"));
    let plan = Plan {
        workspaces: vec![("acme", quiet), ("noisy", looping)],
        guests: vec!["probe"],
        connect: vec!["acme/zoho", "noisy/zoho"],
        ..Plan::default()
    };
    let world = Arc::new(World::start(plan).await);
    let noise: Vec<_> = (0..8)
        .map(|_| {
            let world = Arc::clone(&world);
            let path = "/noisy/zoho/crm/v8/Leads?fields=Last_Name";
            tokio::spawn(async move { world.ask("noisy", "GET", path, PROBLEM, "").await })
        })
        .collect();
    assert_eq!(world.get(LEADS).await.status, 200, "a neighbour loops, and this one is answered");
    for reply in noise {
        assert_eq!(reply.await.expect("a task").json().expect("json")["code"], "plugin_timeout");
    }
    Arc::into_inner(world).expect("the last one").end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_that_leaves_early_leaves_no_open_record() {
    use std::io::Write as _;

    let mut world = World::start(Plan::default()).await;
    let agents = world.agents;
    let request = format!(
        "GET {LEADS} HTTP/1.1\r\nHost: {agents}\r\nAuthorization: Bearer {}\r\n\r\n",
        world.tokens["acme"]
    );
    for _ in 0..8 {
        let mut stream = std::net::TcpStream::connect(agents).expect("connected");
        stream.write_all(request.as_bytes()).expect("sent");
        drop(stream);
    }
    assert_eq!(world.get(LEADS).await.status, 200);
    world.stop().await;
    let rows =
        world.host.audit().list(&wardlock_audit::Filter { limit: 100, ..Default::default() }).expect("rows");
    let of = |kind: &str| rows.iter().filter(|row| row.kind.as_str() == kind).count();
    assert!(of("intent") > 0);
    assert_eq!(of("intent"), of("outcome"), "every INTENT has its OUTCOME");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_calls_are_under_way_than_the_account_takes_and_callers_are_told() {
    use wardlock_simulator::Fault;

    let file = workspace("acme", "eu", "concurrency = 1", &plugin("read-only", "{}"));
    let config = "[limits]\nqueue_time = \"5s\"\n";
    let plan = Plan { workspaces: vec![("acme", file)], config: config.to_owned(), ..Plan::default() };
    let world = World::start(plan).await;
    let drip = |milliseconds| Fault::Drip { pause: std::time::Duration::from_millis(milliseconds) };

    world.simulator.switches().change(|switches| switches.api_faults.push_back(drip(1)));
    let (one, two) = tokio::join!(world.get(LEADS), world.get(LEADS));
    assert_eq!((one.status, two.status), (200, 200));
    let queued = [&one, &two].map(|reply| reply.header("wardlock-queued-ms").is_some());
    assert!(queued[0] != queued[1], "one waits for the other: {queued:?}");

    world.simulator.switches().change(|switches| switches.api_faults.push_back(drip(10)));
    let before = world.api_calls();
    let (one, two) = tokio::join!(world.get(LEADS), world.get(LEADS));
    let (busy, served) = if one.status == 200 { (two, one) } else { (one, two) };
    assert_eq!((served.status, busy.status), (200, 503));
    assert!(String::from_utf8_lossy(&busy.body).contains("upstream_busy"), "{busy:?}");
    assert_eq!(busy.header("retry-after"), Some("2"));
    assert_eq!(world.api_calls(), before + 1, "the refused one was not sent");
    let rows = world.rows(&busy);
    assert_eq!(rows.len(), 1, "a refusal, and no INTENT without OUTCOME");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a27_a_flood_of_one_agent_is_refused_has_one_row_and_hurts_nobody_else() {
    let config = "[limits]\nrate_per_agent = \"5/h\"\n".to_owned();
    let files = ["acme", "other"].map(|name| (name, workspace(name, "eu", "", &plugin("read-only", "{}"))));
    let plan = Plan { workspaces: files.into(), connect: vec!["acme/zoho"], config, ..Plan::default() };
    let world = World::start(plan).await;
    for _ in 0..5 {
        assert_eq!(world.get(LEADS).await.status, 200);
    }
    let before = world.api_calls();
    let mut rows = 0;
    for _ in 0..20 {
        let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
        let told = reply.json().expect("json");
        assert_eq!((reply.status, &told["code"], &told["retryable"]), (429, &"rate_limited".into(), &true.into()));
        let wait: u64 = reply.header("retry-after").expect("a time").parse().expect("seconds");
        assert!((700..=720).contains(&wait), "a fifth of an hour: {wait}");
        rows += world.rows(&reply).len();
    }
    assert_eq!(world.api_calls(), before, "something was sent");
    assert_eq!(rows, 1, "the first has a row");
    let other = world.ask("other", "GET", "/other/zoho/crm/v8/Leads?fields=Last_Name", PROBLEM, "").await;
    assert_eq!(other.json().expect("json")["code"], "service_not_connected", "it is judged as ever");
    world.host.write_down().await;
    let newest = wardlock_audit::Filter { limit: 1, ..Default::default() };
    let sum = format!("{:?}", world.host.audit().list(&newest).expect("rows"));
    assert!(sum.contains("19 requests refused as rate_limited") && sum.contains("agent-acme"), "{sum}");
    world.end().await;
}
