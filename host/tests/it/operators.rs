//! The operators' listener: numbers that are exactly right, series that no agent can make, and whom it answers.

use std::collections::BTreeSet;

use wardlock_audit::Filter;

use crate::exposition::Series;
use crate::world::{Plan, World, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name";
const ZOHO: &str = r#"workspace="acme",connection="zoho""#;

/// The series of one name, without those that stand at nothing.
fn of<'a>(series: &'a Series, name: &str) -> Vec<(&'a str, f64)> {
    let begins = format!("{name}{{");
    let found = series.iter().filter(|(key, value)| key.starts_with(&begins) && **value > 0.0);
    found.map(|(key, value)| (&key[name.len()..], *value)).collect()
}

fn one(series: &Series, name: &str) -> f64 {
    *series.get(name).unwrap_or_else(|| panic!("no `{name}` in {:?}", series.keys().collect::<Vec<_>>()))
}

#[tokio::test(flavor = "multi_thread")]
async fn after_known_requests_every_number_is_exactly_right() {
    let world = World::start(Plan::default()).await;
    for _ in 0..3 {
        assert_eq!(world.get(LEADS).await.status, 200);
    }
    world.ask("acme", "POST", "/acme/zoho/crm/v8/Leads", "", r#"{"data":[{"Last_Name":"x"}]}"#).await;
    world.get("/acme/zoho/crm/v8/Deals?fields=Stage").await;
    world.get("/acme/zoho/crm/v8/nothing/like/this/at/all").await;
    world.get("/globex/zoho/crm/v8/Leads?fields=Last_Name").await;
    world.get("/acme/zoho/crm/v8/Leads/%2e%2e/Deals").await;
    world.ask("acme", "GET", LEADS, "Wardlock-Dry-Run: true\r\n", "").await;
    world.send(format!("GET {LEADS} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", world.agents)).await;
    world.send("BREW / HTTP/1.1\r\nHost: evil\r\n\r\n".to_owned()).await;
    let series = world.series().await;

    let requests = of(&series, "wardlock_requests_total");
    let expected = [
        (r#"{workspace="acme",connection="",effect="unknown",decision="deny"}"#.to_owned(), 2.0),
        (format!(r#"{{{ZOHO},effect="destructive",decision="deny"}}"#), 1.0),
        (format!(r#"{{{ZOHO},effect="read",decision="allow"}}"#), 4.0),
        (format!(r#"{{{ZOHO},effect="read",decision="deny"}}"#), 1.0),
        (format!(r#"{{{ZOHO},effect="write",decision="deny"}}"#), 1.0),
    ];
    assert_eq!(requests, expected.iter().map(|(key, value)| (key.as_str(), *value)).collect::<Vec<_>>());
    let refusals: BTreeSet<String> =
        of(&series, "wardlock_refusals_total").iter().map(|(key, value)| format!("{key} {value}")).collect();
    let codes = [
        "bad_request",
        "dry_run",
        "not_canonical",
        "resource_not_allowed",
        "unauthenticated",
        "unknown_operation",
        "workspace_mismatch",
        "writes_off",
    ];
    assert_eq!(refusals, codes.iter().map(|code| format!("{{code=\"{code}\"}} 1")).collect());
    assert!((one(&series, "wardlock_unauthenticated_requests_total") - 2.0).abs() < f64::EPSILON);
    for (name, rest, count) in [
        ("wardlock_outcomes_total", r#",outcome="ok""#, 3.0),
        ("wardlock_upstream_answers_total", r#",status="2xx""#, 3.0),
        ("wardlock_request_duration_seconds_count", "", 7.0),
        ("wardlock_decision_duration_seconds_count", "", 4.0),
        ("wardlock_turn_wait_seconds_count", "", 3.0),
        ("wardlock_upstream_duration_seconds_count", "", 3.0),
        ("wardlock_plugin_duration_seconds_count", r#",plugin="read-only""#, 4.0),
        ("wardlock_plugin_verdicts_total", r#",plugin="read-only",verdict="allow""#, 4.0),
    ] {
        assert_eq!(of(&series, name), [(format!("{{{ZOHO}{rest}}}").as_str(), count)], "{name}");
    }
    let rows = world.host.audit().list(&Filter { limit: 1000, ..Filter::default() }).expect("rows");
    for (name, value) in [
        ("wardlock_audit_rows_total", f64::from(u32::try_from(rows.len()).expect("few"))),
        ("wardlock_vault_open", 1.0),
        ("wardlock_places_in_use", 0.0),
        ("wardlock_places_limit", 256.0),
        ("wardlock_places_refused_total", 0.0),
        ("wardlock_audit_commit_failures_total", 0.0),
        (r#"wardlock_grants{condition="ok"}"#, 1.0),
        (r#"wardlock_grants{condition="reconnect"}"#, 0.0),
    ] {
        assert!((one(&series, name) - value).abs() < f64::EPSILON, "{name}: {}", one(&series, name));
    }
    assert!(
        of(&series, "wardlock_plugin_faults_total").is_empty()
            && of(&series, "wardlock_redactions_total").is_empty()
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_and_refreshes_are_counted_by_kind() {
    let file = workspace("acme", "eu", "", &plugin("probe", "{ mode = \"trap\" }"));
    let plan = Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() };
    let world = World::start(plan).await;
    world.get(LEADS).await;
    let series = world.series().await;
    let faults = of(&series, "wardlock_plugin_faults_total");
    assert_eq!(faults, [(format!("{{{ZOHO},plugin=\"probe\",kind=\"trap\"}}").as_str(), 1.0)]);
    world.end().await;

    let world = World::start(Plan::default()).await;
    world.simulator.expire_access_tokens();
    assert_eq!(world.get(LEADS).await.status, 200);
    let series = world.series().await;
    assert_eq!(of(&series, "wardlock_token_refreshes_total"), [(r#"{grant="acme-zoho",result="ok"}"#, 1.0)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_can_make_no_series() {
    let world = World::start(Plan::default()).await;
    hostile(&world, "wordone").await;
    let before: BTreeSet<String> = world.series().await.into_keys().collect();
    for round in ["wordtwo", "wordthree", "wordfour"] {
        hostile(&world, round).await;
    }
    let after: BTreeSet<String> = world.series().await.into_keys().collect();
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    for word in ["word", "agent-acme", "HostileName", "req_"] {
        assert!(!after.iter().any(|name| name.contains(word)), "`{word}` stands in a series");
    }
    world.end().await;
}

/// Writes its own word wherever an agent can write one.
async fn hostile(world: &World, own: &str) {
    for path in [
        format!("/acme/zoho/crm/v8/Leads?fields={own}"),
        format!("/acme/zoho/crm/v8/{own}"),
        format!("/acme/zoho/crm/v8/Leads/{own}?{own}={own}"),
        format!("/acme/{own}/crm/v8/Leads"),
        format!("/{own}/zoho/crm/v8/Leads"),
        format!("/{own}"),
        format!("/-/{own}"),
        format!("/acme/zoho/%00{own}"),
    ] {
        for method in ["GET", "POST", "DELETE", "PATCH"] {
            let headers = format!("Wardlock-Purpose: {own}\r\nHostileName: {own}\r\n");
            world.ask("acme", method, &path, &headers, &format!("{{\"{own}\":1}}")).await;
        }
    }
    for (method, token) in [("GET", format!("wl_{own}")), (own, world.tokens["acme"].clone())] {
        let request = format!(
            "{method} /acme/zoho/{own} HTTP/1.1\r\nHost: {}\r\nAuthorization: {own} {token}\r\nConnection: close\r\n\r\n",
            world.agents
        );
        world.send(request).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operators_listener_answers_get_of_its_own_name_only() {
    let world =
        World::start(Plan { listen: "operators_hosts = [\"metrics.internal\"]".to_owned(), ..Plan::default() })
            .await;
    let (host, token) = (world.operators, world.tokens["acme"].clone());
    let ask = |line: &str, host: &str, fields: &str, body: &str| {
        world.send_to(world.operators, format!("{line} HTTP/1.1\r\nHost: {host}\r\n{fields}\r\n{body}"))
    };
    let own = host.to_string();
    let page = "Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Site: ";
    for (line, host, fields, body, status) in [
        ("GET /metrics", own.as_str(), String::new(), "", 200),
        ("GET /metrics", "metrics.internal", String::new(), "", 200),
        ("GET /health", &own, String::new(), "", 200),
        ("GET /health", &own, format!("{page}none\r\n"), "", 200),
        ("GET /health", &own, format!("{page}same-origin\r\n"), "", 200),
        ("GET /health", &own, format!("Authorization: Bearer {token}\r\n"), "", 200),
        ("GET /health", &own, format!("{page}same-site\r\n"), "", 403),
        ("GET /health", &own, format!("{page}cross-site\r\n"), "", 403),
        ("GET /health", &own, format!("Origin: http://{own}\r\n"), "", 403),
        ("GET /metrics", "evil.example", String::new(), "", 421),
        ("GET /metrics", &world.agents.to_string(), String::new(), "", 421),
        ("POST /metrics", &own, String::new(), "", 405),
        ("DELETE /health", &own, String::new(), "", 405),
        ("POST /metrics", &own, "Content-Length: 1\r\n".to_owned(), "x", 413),
        (
            "GET /metrics",
            &own,
            "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n".to_owned(),
            "1\r\nx\r\n0\r\n\r\n",
            400,
        ),
        ("GET /", &own, String::new(), "", 404),
        ("GET /metrics/", &own, String::new(), "", 404),
        (
            "GET /acme/zoho/crm/v8/Leads?fields=Last_Name",
            &own,
            format!("Authorization: Bearer {token}\r\n"),
            "",
            404,
        ),
    ] {
        let reply = ask(line, host, &fields, body).await;
        assert_eq!(reply.status, status, "{line} {host} {fields}");
        assert!(reply.header("access-control-allow-origin").is_none());
    }
    assert_eq!(world.api_calls(), 0, "nothing goes upstream from here");
    // Operators' paths are nothing to agents.
    let reply = world.get("/metrics").await;
    assert!(reply.status == 404 || reply.status == 403, "{}", reply.status);
    let open = world.operate("/metrics", "Accept: application/openmetrics-text;version=1.0.0,*/*;q=0.1\r\n").await;
    assert_eq!(open.header("content-type"), Some("application/openmetrics-text; version=1.0.0; charset=utf-8"));
    assert!(open.body.ends_with(b"# EOF\n"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn health_says_that_the_audit_cannot_write_and_that_it_can_again() {
    let world = World::start(Plan::default()).await;
    let other =
        rusqlite::Connection::open(world.host.home().state_path("audit.db").expect("a path")).expect("opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("the lock that a commit wants");
    assert_eq!(world.get(LEADS).await.status, 503);
    let unwell = world.operate("/health", "").await;
    assert_eq!((unwell.status, unwell.body.as_slice()), (503, b"audit_not_writable\n".as_slice()));
    other.execute_batch("ROLLBACK").expect("the lock is free");
    let well = world.operate("/health", "").await;
    assert_eq!((well.status, well.body.as_slice()), (200, b"ok\n".as_slice()));
    let series = world.series().await;
    assert!(one(&series, "wardlock_audit_commit_failures_total") > 0.0);
    assert!(one(&series, "wardlock_audit_unrecorded_refusals_total") > 0.0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_requests_log_line_names_who_asked_what_and_what_came_of_it_and_no_more() {
    let world = World::start(Plan::default()).await;
    let path = "/acme/zoho/crm/v8/Leads?fields=Last_Name&ids=4567000000123456";
    let headers = "X-Quiet: loudvalue\r\nWardlock-Purpose: loudpurpose\r\n";
    let reply = world.ask("acme", "GET", path, headers, "").await;
    let id = reply.header("wardlock-request-id").expect("an id").to_owned();
    let log = crate::world::logged();
    let line = log.lines().find(|line| line.contains(&id) && line.contains("answered")).expect("a line");
    for shown in [
        "workspace=\"acme\"",
        "agent=\"agent-acme\"",
        "connection=\"zoho\"",
        "operation=\"records.list\"",
        "decision=\"allow\"",
        &format!("status={}", reply.status),
    ] {
        assert!(line.contains(shown), "no {shown}: {line}");
    }
    assert!(line.contains("outcome="), "{line}");
    let of_request: Vec<&str> = log.lines().filter(|line| line.contains(&id)).collect();
    for hidden in ["loudvalue", "loudpurpose", "4567000000123456", "fields=", "/crm/v8"] {
        assert!(!of_request.iter().any(|line| line.contains(hidden)), "`{hidden}`: {of_request:?}");
    }
    world.end().await;
}
