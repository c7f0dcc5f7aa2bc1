//! The path of a request, seen from both ends.

use serde_json::json;
use wardlock::admin::Command;

use crate::world::{Plan, World, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
const PROBLEM: &str = "Accept: application/problem+json\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn allowed_read_is_sent_once_with_the_credential_and_recorded() {
    let world = World::start(Plan::default()).await;
    let reply = world.get(LEADS).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.header("wardlock-decision"), Some("allow"));
    assert_eq!(reply.header("wardlock-outcome"), Some("ok"));
    assert_eq!(reply.header("wardlock-secret-exposed"), Some("false"));
    assert_eq!(reply.json().expect("json")["data"].as_array().map(Vec::len), Some(2));
    let sent = world.simulator.recordings().pop().expect("a recording");
    assert_eq!(sent.host, "www.zohoapis.eu");
    assert_eq!(sent.target, "/crm/v8/Leads?fields=Last_Name&per_page=2");
    assert!(sent.header("authorization").expect("a credential").starts_with("Zoho-oauthtoken "));
    let rows = world.rows(&reply);
    assert_eq!(rows.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(), ["intent", "outcome"]);
    let request = rows[0].detail.request.as_ref().expect("a request");
    assert_eq!(request.separation.as_deref(), Some("none"), "test and host share a uid");
    assert_eq!(request.plugins[0].verdict, "allow");
    assert_eq!(world.simulator.token_calls(), 1, "the code exchange, and nothing else");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shaped_read_is_sent_as_shaped() {
    let chain = plugin("field-mask", r#"{ hide = ["Phone"] }"#) + &plugin("page-cap", "{ max = 3 }");
    let file = workspace("acme", "eu", "", &chain);
    let world = World::start(Plan { workspaces: vec![("acme", file)], ..Plan::default() }).await;
    let reply = world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name,Phone&per_page=100").await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let sent = world.simulator.recordings().pop().expect("a recording");
    assert_eq!(sent.target, "/crm/v8/Leads?fields=Last_Name&per_page=3");
    assert!(!String::from_utf8_lossy(&reply.body).contains("Phone"));
    let request = world.rows(&reply)[0].detail.request.clone().expect("a request");
    assert_eq!(request.plugins.iter().map(|p| p.verdict.as_str()).collect::<Vec<_>>(), ["shape", "shape"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_requests_send_nothing_and_say_who_and_why() {
    let world = World::start(Plan::default()).await;
    let cases = [
        ("POST", "/acme/zoho/crm/v8/Leads", r#"{"data":[{"Last_Name":"x"}]}"#, 403, "writes_off"),
        ("DELETE", "/acme/zoho/crm/v8/Leads/1", "", 403, "operation_not_allowed"),
        ("GET", "/acme/zoho/crm/v8/Deals?fields=Stage", "", 403, "resource_not_allowed"),
        ("GET", "/acme/zoho/crm/v8/nothing/like/this/at/all", "", 403, "unknown_operation"),
        ("GET", "/acme/zoho/crm/v8/Leads?fields=Last_Name&_method=DELETE", "", 400, "query_not_allowed"),
        ("GET", "/acme/zoho/crm/v8/Leads/%2e%2e/Deals", "", 400, "not_canonical"),
        ("GET", "/acme/other/crm/v8/Leads", "", 404, "unknown_connection"),
        (
            "POST",
            "/acme/zoho/crm/v8/coql",
            r#"{"select_query":"select Stage from Deals where id > 0"}"#,
            403,
            "resource_not_allowed",
        ),
        (
            "POST",
            "/acme/zoho/crm/v8/coql",
            r#"{"select_query":"select a","select_query":"select b"}"#,
            400,
            "not_canonical",
        ),
        (
            "POST",
            "/acme/zoho/crm/v8/__composite_requests",
            r#"{"__composite_requests":[{"method":"GET","uri":"/crm/v8/Leads/1"}]}"#,
            403,
            "operation_not_allowed",
        ),
    ];
    let before = world.api_calls();
    for (method, path, body, status, code) in cases {
        let reply = world.ask("acme", method, path, "Accept: application/problem+json\r\n", body).await;
        let said = reply.json().expect("json");
        assert_eq!((reply.status, said["code"].as_str()), (status, Some(code)), "{method} {path}: {said}");
        assert!(said["rule"].is_string() && said["request_id"].is_string() && said["actor"].is_string(), "{said}");
        assert_eq!(reply.header("wardlock-decision"), Some("deny"));
        let rows = world.rows(&reply);
        assert_eq!(rows.len(), 1, "{method} {path}");
        assert_eq!(rows[0].detail.refusal.as_ref().map(|refusal| refusal.code.as_str()), Some(code));
    }
    assert_eq!(world.api_calls(), before, "something was sent");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a21_foreign_workspace_is_a_mismatch_in_the_audit() {
    let globex = workspace("globex", "us", "", &plugin("read-only", "{}"));
    let acme = workspace("acme", "eu", "", &plugin("read-only", "{}"));
    let plan = Plan { workspaces: vec![("acme", acme), ("globex", globex)], ..Plan::default() };
    let world = World::start(plan).await;
    let before = world.api_calls();
    for path in ["/globex/zoho/crm/v8/Leads?fields=Last_Name", "/nobody/zoho/crm/v8/Leads?fields=Last_Name"] {
        let reply = world.get(path).await;
        let said = reply.json().expect("json");
        assert_eq!((reply.status, &said["code"]), (403, &json!("workspace_mismatch")), "{said}");
        let rows = world.rows(&reply);
        assert_eq!(rows[0].workspace.as_deref(), Some("acme"));
        let asked = rows[0].detail.request.as_ref().and_then(|request| request.asked_workspace.clone());
        assert!(asked.is_some_and(|asked| path.contains(&asked)));
    }
    assert_eq!(world.api_calls(), before);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_come_in_the_providers_shape_unless_asked_otherwise() {
    let world = World::start(Plan::default()).await;
    let plain = world.ask("acme", "DELETE", "/acme/zoho/crm/v8/Leads/1", "", "").await;
    let said = plain.json().expect("json");
    assert_eq!(plain.header("content-type"), Some("application/json"));
    assert_eq!(said["status"], "error");
    assert_eq!(said["details"]["code"], "operation_not_allowed");
    assert!(said["code"].is_string() && said["message"].is_string());
    // Where no connection is known, the scheme tells which provider's client asks.
    for (scheme, shaped) in [("Zoho-oauthtoken", true), ("Bearer", false)] {
        let request = format!(
            "GET /nobody/zoho/crm/v8/Leads HTTP/1.1\r\nHost: {}\r\nAuthorization: {scheme} {}\r\nConnection: close\r\n\r\n",
            world.agents, world.tokens["acme"]
        );
        let said = world.send(request).await.json().expect("json");
        let code = if shaped { &said["details"]["code"] } else { &said["code"] };
        assert_eq!(code, "workspace_mismatch", "{said}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_without_a_grant_says_how_to_mend_it() {
    let world = World::start(Plan { connect: Vec::new(), ..Plan::default() }).await;
    let reply = world.ask("acme", "GET", LEADS, "Accept: application/problem+json\r\n", "").await;
    let said = reply.json().expect("json");
    assert_eq!((reply.status, &said["code"]), (503, &json!("service_not_connected")));
    assert!(said["hint"].as_str().is_some_and(|hint| hint.contains("wardlock connect acme/zoho")), "{said}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connection_of_another_tenant_never_serves() {
    let file = workspace("acme", "eu", "tenant = \"99999999999\"", &plugin("read-only", "{}"));
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], connect: Vec::new(), ..Plan::default() }).await;
    let failure = world.connect("acme/zoho").await.expect_err("another tenant");
    assert!(failure.message.contains("99999999999"), "{failure}");
    let reply = world.get(LEADS).await;
    assert_eq!(reply.status, 503);
    assert_eq!(world.api_calls(), 0, "an API request was sent");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_broken_plugin_closes_its_own_connection_and_nothing_else() {
    let mut acme = workspace("acme", "eu", "", &plugin("read-only", "{}"));
    acme += "\n[connections.other]\nlabel = \"t\"\nservice = \"zoho-crm\"\nregion = \"eu\"\ngrant = \"acme-zoho\"\n\
        resources = [\"Leads\"]\noperations = [\"records.read\"]\n\
        [[connections.other.plugins]]\nname = \"read-only\"\nfile = \"read-only.wasm\"\n\
        sha256 = \"0000000000000000000000000000000000000000000000000000000000000000\"\n";
    let world = World::start(Plan { workspaces: vec![("acme", acme)], ..Plan::default() }).await;
    assert_eq!(world.get(LEADS).await.status, 200);
    let closed = world.ask("acme", "GET", "/acme/other/crm/v8/Leads?fields=Last_Name", "", "").await;
    let said = closed.json().expect("json");
    assert_eq!((closed.status, &said["code"]), (503, &json!("connection_closed")), "{said}");
    assert_eq!(said["detail"], "this connection is closed, and its operator must look why");
    let digest = wardlock_core::id::Digest::of(wardlock_plugins::starter("read-only").expect("a starter").bytes)
        .to_string();
    for ours in ["read-only", "acme.toml", "sha256", "0000000000", &digest] {
        assert!(!String::from_utf8_lossy(&closed.bytes).contains(ours), "an agent learns `{ours}`: {said}");
    }
    let listed = world.command(Command::ConnectionsList).await.expect("a list");
    let row =
        listed.as_array().expect("rows").iter().find(|row| row["connection"] == "acme/other").expect("a row");
    let state = row["state"].as_str().expect("a state");
    assert!(
        state.contains("plugin `read-only` does not load") && state.contains(&digest),
        "operators learn it: {row}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_decides_and_sends_nothing() {
    let world = World::start(Plan::default()).await;
    let before = world.api_calls();
    let headers = "Wardlock-Dry-Run: true\r\nAccept: application/problem+json\r\n";
    let reply = world.ask("acme", "GET", LEADS, headers, "").await;
    assert_eq!((reply.status, reply.header("wardlock-decision")), (200, Some("allow")));
    let told = reply.json().expect("json");
    assert_eq!(told["code"], "dry_run");
    let told = &told["dry_run"];
    assert_eq!(
        (&told["operation"]["name"], &told["plugins"][0]["verdict"]),
        (&"records.list".into(), &"allow".into())
    );
    assert_eq!(format!("/acme/zoho{}", told["would_send"]["path_and_query"].as_str().expect("a path")), LEADS);
    assert_eq!(told["would_send"]["host"], "www.zohoapis.eu");
    let refused = world.ask("acme", "DELETE", "/acme/zoho/crm/v8/Leads/1", headers, "").await;
    assert_eq!(refused.status, 403);
    assert_eq!(world.api_calls(), before);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_reads_what_became_of_its_own_requests_only() {
    let [acme, globex] = ["acme", "globex"].map(|name| workspace(name, "eu", "", &plugin("read-only", "{}")));
    let plan = Plan { workspaces: vec![("acme", acme), ("globex", globex)], ..Plan::default() };
    let world = World::start(plan).await;
    let id =
        |reply: &wardlock_tests::raw::RawReply| reply.header("wardlock-request-id").expect("an id").to_owned();
    let sent = id(&world.get(LEADS).await);
    let refused = id(&world.ask("acme", "DELETE", "/acme/zoho/crm/v8/Leads/1", "", "").await);
    let told = world.get(&format!("/-/requests/{sent}")).await.json().expect("json");
    assert_eq!((&told["outcome"], &told["secret_exposed"]), (&json!("ok"), &json!("false")), "{told}");
    let told = world.get(&format!("/-/requests/{refused}")).await.json().expect("json");
    assert_eq!((&told["decision"], &told["outcome"]), (&json!("deny"), &json!(null)), "{told}");
    for (workspace, path) in [
        ("globex", format!("/-/requests/{sent}")),
        ("acme", "/-/requests/req_00000000000000000000000000000000".to_owned()),
        ("acme", "/-/".to_owned()),
    ] {
        let reply = world.ask(workspace, "GET", &path, "", "").await;
        assert_eq!((reply.status, &reply.json().expect("json")["code"]), (404, &json!("not_found")), "{path}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a21_revoked_agent_is_refused_at_once() {
    let world = World::start(Plan::default()).await;
    assert_eq!(world.get(LEADS).await.status, 200);
    let revoke = wardlock::admin::Command::AgentRevoke { name: "agent-acme".to_owned() };
    world.command(revoke).await.expect("revoked");
    let reply = world.get(LEADS).await;
    assert_eq!((reply.status, reply.json().expect("json")["code"].clone()), (401, json!("unauthenticated")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frozen_workspace_denies_everything_until_it_is_thawed_and_keeps_its_token() {
    let world = World::start(Plan::default()).await;
    let workspace = Some("acme".to_owned());
    assert_eq!(world.get(LEADS).await.status, 200);
    let (calls, tokens) = (world.api_calls(), world.simulator.token_calls());
    for freeze in [workspace.clone(), None] {
        world.command(Command::Freeze { workspace: freeze.clone() }).await.expect("frozen");
        let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
        assert_eq!((reply.status, &reply.json().expect("json")["code"]), (403, &"frozen".into()));
        assert_eq!(world.rows(&reply).len(), 1, "the refusal is recorded");
        world.command(Command::Thaw { workspace: freeze }).await.expect("thawed");
    }
    assert_eq!(world.api_calls(), calls, "nothing was sent");
    assert_eq!(world.get(LEADS).await.status, 200);
    assert_eq!(world.simulator.token_calls(), tokens, "tokens are untouched");
    let unknown =
        world.command(Command::Freeze { workspace: Some("acne".to_owned()) }).await.expect_err("unknown");
    assert!(unknown.hint.expect("a hint").contains("acme"));
    world.command(Command::Thaw { workspace }).await.expect_err("nothing is frozen");
    world.end().await;
}
