//! Calls that carry others, through the whole product: each part is judged as if it came alone, and the whole is sent as it
//! came, or not at all.

use serde_json::{Value, json};
use wardlock::admin::Command;
use wardlock_audit::Kind;
use wardlock_simulator::Recording;
use wardlock_tests::raw::RawReply;

use crate::answers::judge;
use crate::proofs::{enable, prove};
use crate::world::{Plan, World, explain, plugin, workspace};

const PROBLEM: &str = "Accept: application/problem+json\r\n";
const COMPOSITE: &str = "/acme/zoho/crm/v8/__composite_requests";
const ORG: &str = "20071234567";

/// A connection whose agents may send composites, with these plugins and more of its table.
fn plan(extra: &str, plugins: &str) -> Plan {
    let more = "\"records.write\", \"records.delete\", \"composite\", \"mass.delete\", \"bulk.read.create\"]";
    let file = workspace("acme", "eu", extra, plugins).replace("\"records.write\"]", more);
    Plan { workspaces: vec![("acme", file)], guests: vec!["probe", "judge"], ..Plan::default() }
}

fn allowing() -> String {
    plugin("probe", r#"{ mode = "allow" }"#)
}

/// A world whose connection has a proof, and writes as far as `level` says.
async fn writing(level: &str, plugins: &str) -> World {
    let world = World::start(plan(&format!("writes = \"{level}\""), plugins)).await;
    let proof = prove(&world).await;
    assert_eq!(proof["passed"], true, "{proof:#}");
    enable(&world, level).await.expect("enabled");
    world
}

fn part(method: &str, uri: &str) -> Value {
    json!({ "method": method, "uri": uri })
}

fn create(count: usize) -> Value {
    let lead = json!({ "Last_Name": "Ellison", "Company": "Nordwind" });
    json!({ "method": "POST", "uri": "/crm/v8/Leads", "body": { "data": vec![lead; count] } })
}

fn composite(parts: &[Value]) -> String {
    json!({ "__composite_requests": parts }).to_string()
}

async fn send_with(world: &World, headers: &str, body: &str) -> RawReply {
    world.ask("acme", "POST", COMPOSITE, &format!("Content-Type: application/json\r\n{headers}"), body).await
}

async fn send(world: &World, parts: &[Value]) -> RawReply {
    send_with(world, PROBLEM, &composite(parts)).await
}

/// Fails unless this is refused with a code, in a part, and nothing is sent.
async fn refused(world: &World, parts: &[Value], code: &str, part: Option<u32>) -> Value {
    let before = world.api_calls();
    let reply = send(world, parts).await;
    let said = reply.json().expect("json");
    assert_eq!((&said["code"], said["part"].as_u64()), (&json!(code), part.map(u64::from)), "{said}");
    assert_eq!(world.api_calls(), before, "something was sent: {said}");
    let rows = world.rows(&reply);
    let refusal = rows[0].detail.refusal.as_ref().expect("a refusal");
    assert_eq!((refusal.code.as_str(), refusal.part), (code, part));
    said
}

fn sent(world: &World) -> Vec<Recording> {
    let seen = world.simulator.recordings().into_iter();
    seen.filter(|call| call.target == "/crm/v8/__composite_requests").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_composite_of_reads_is_judged_part_by_part_and_sent_as_it_came() {
    let world = World::start(plan("", &(allowing() + &plugin("read-only", "{}")))).await;
    let with = json!({ "sub_request_id": "2", "method": "GET", "uri": "/crm/v8/Contacts",
        "params": { "fields": "Last_Name", "per_page": "2" }, "headers": {} });
    let parts = [part("GET", "/crm/v8/Leads?fields=Last_Name,Company&per_page=2"), with];
    // Not as a serializer would write it: every byte is the agent's own.
    let body = composite(&parts).replace("{\"__", "{ \n\"__");
    let reply = send_with(&world, PROBLEM, &body).await;
    let said = reply.json().expect("json");
    assert_eq!((reply.status, reply.header("wardlock-outcome")), (200, Some("ok")), "{said}");
    assert_eq!(reply.header("wardlock-parts"), Some("ok, ok"));
    let answers = said["__composite_requests"].as_array().expect("answers");
    assert_eq!(answers[0]["details"]["response"]["body"]["data"].as_array().map(Vec::len), Some(2), "{said}");
    let received = sent(&world);
    assert_eq!((received.len(), received[0].body.as_slice()), (1, body.as_bytes()));

    let rows = world.rows(&reply);
    let (intent, outcome) = (&rows[0], &rows[1]);
    assert_eq!(
        (intent.kind, intent.operation.as_deref(), intent.effect.as_deref()),
        (Kind::Intent, Some("composite"), Some("read"))
    );
    let request = intent.detail.request.as_ref().expect("a request");
    assert_eq!(
        (request.resources.as_slice(), request.breadth),
        (&["Contacts".to_owned(), "Leads".to_owned()][..], Some(4))
    );
    let named: Vec<_> = request.parts.iter().map(|part| (part.operation.as_str(), part.path.as_str())).collect();
    assert_eq!(named, [("records.list", "/crm/v8/{module}"); 2]);
    let said: Vec<_> = request.plugins.iter().map(|said| (said.name.as_str(), said.part)).collect();
    assert_eq!(said, [("probe", Some(1)), ("read-only", Some(1)), ("probe", Some(2)), ("read-only", Some(2))]);
    let answer = outcome.detail.answer.as_ref().expect("an answer");
    assert_eq!(answer.parts.iter().map(|part| part.outcome.as_str()).collect::<Vec<_>>(), ["ok", "ok"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_each_part_is_told_and_recorded() {
    let world = writing("on", &allowing()).await;
    let missing =
        json!({ "method": "POST", "uri": "/crm/v8/Leads", "body": { "data": [{ "Company": "Nordwind" }] } });
    let reply = send(&world, &[create(1), missing.clone()]).await;
    assert_eq!(reply.header("wardlock-outcome"), Some("partial"), "{}", String::from_utf8_lossy(&reply.body));
    assert_eq!(reply.header("wardlock-parts"), Some("ok, failed MANDATORY_NOT_FOUND"));
    let answer = world.rows(&reply)[1].detail.answer.clone().expect("an answer");
    assert_eq!(answer.provider_code.as_deref(), Some("MANDATORY_NOT_FOUND"));
    assert_eq!(answer.parts[1].code.as_deref(), Some("MANDATORY_NOT_FOUND"));
    let failed = (reply.header("wardlock-failed"), reply.header("wardlock-failed-at"));
    assert_eq!(failed, (Some("1/2"), Some("2 MANDATORY_NOT_FOUND")));
    assert_eq!(answer.failures.map(|failures| (failures.failed, failures.of)), Some((1, 2)));
    let reply = send(&world, &[missing.clone(), missing.clone()]).await;
    assert_eq!(reply.header("wardlock-outcome"), Some("failed"));

    // Where the provider undoes all of them, nothing is said to be done.
    let before = world.simulator.records(ORG, "Leads").len();
    let body = json!({ "rollback_on_fail": true, "__composite_requests": [create(1), missing] });
    let reply = send_with(&world, PROBLEM, &body.to_string()).await;
    assert_eq!((reply.status, reply.header("wardlock-outcome")), (207, Some("failed")));
    assert_eq!(world.simulator.records(ORG, "Leads").len(), before, "it is undone");
    assert_eq!(reply.header("wardlock-parts"), Some("rolled_back, failed MANDATORY_NOT_FOUND"));
    let failed = (reply.header("wardlock-failed"), reply.header("wardlock-failed-at"));
    assert_eq!(failed, (Some("2/2"), Some("1, 2 MANDATORY_NOT_FOUND")));
    let row = world.rows(&reply)[1].clone();
    let parts = row.detail.answer.expect("an answer").parts;
    assert_eq!(row.outcome.as_deref(), Some("failed"));
    assert_eq!(parts.iter().map(|part| part.outcome.as_str()).collect::<Vec<_>>(), ["rolled_back", "failed"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a18_one_refused_part_refuses_all_of_it_with_its_own_code() {
    let world = World::start(plan("", &allowing())).await;
    let read = part("GET", "/crm/v8/Leads?fields=Last_Name");
    for (second, code) in [
        (part("GET", "/crm/v8/Deals?fields=Stage"), "resource_not_allowed"),
        (part("GET", "/crm/v8/Leads/1/Notes/2/3"), "unknown_operation"),
        (part("POST", "/crm/v8/Leads/1/actions/convert"), "operation_not_allowed"),
        (part("DELETE", "/crm/v8/Leads/1"), "writes_off"),
        (create(1), "writes_off"),
        (part("GET", "/crm/v8/Leads?authtoken=x"), "query_not_allowed"),
        (part("GET", "/crm/v8/%4Ceads?fields=Last_Name"), "not_canonical"),
        (json!({ "method": "POST", "uri": "/crm/v8/coql", "body": "x" }), "resource_not_allowed"),
        (part("GET", "/crm/v8/Leads/@{1:$.data[0].id}"), "envelope_reference"),
        (json!({ "method": "GET", "uri": "/crm/v8/Leads/1", "more": 1 }), "envelope_malformed"),
        (part("POST", "/crm/v8/__composite_requests"), "envelope_nested"),
    ] {
        let said = refused(&world, &[read.clone(), second], code, Some(2)).await;
        assert!(said["detail"].as_str().is_some_and(|detail| detail.starts_with("part 2")), "{said}");
    }
    refused(&world, &vec![read.clone(); 6], "envelope_too_long", None).await;
    refused(&world, &[], "envelope_malformed", None).await;
    // Zoho's own error shape says it too.
    let reply = send_with(&world, "", &composite(&[read, part("GET", "/crm/v8/Deals?fields=Stage")])).await;
    let said = reply.json().expect("json");
    assert_eq!((&said["code"], &said["details"]["part"]), (&json!("RESOURCE_NOT_ALLOWED"), &json!(2)), "{said}");
    assert!(
        said["message"].as_str().is_some_and(|text| text.starts_with("part 2 (`GET /crm/v8/{module}`): ")),
        "{said}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_s_word_on_one_part_is_its_word_on_all() {
    let read = part("GET", "/crm/v8/Leads?fields=Last_Name");
    let world = writing("on", &plugin("read-only", "{}")).await;
    let said = refused(&world, &[read.clone(), create(1)], "policy_denied", Some(2)).await;
    assert_eq!((&said["plugin"], &said["plugin_code"]), (&json!("read-only"), &json!("read_only")), "{said}");
    world.end().await;

    let shape = r#"{ mode = "shape", edits = [["set-query", "per_page", "1"]] }"#;
    let world = World::start(plan("", &plugin("probe", shape))).await;
    refused(&world, std::slice::from_ref(&read), "envelope_shaped", Some(1)).await;
    assert_eq!(world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name").await.status, 200, "alone it may be changed");
    world.end().await;

    let hold = r#"{ mode = "hold", code = "ask", message = "somebody must look at this" }"#;
    let world = World::start(plan("", &plugin("probe", hold))).await;
    let said = refused(&world, &[read.clone(), read.clone()], "held", Some(1)).await;
    assert_eq!(said["plugin_code"], "ask", "{said}");
    let listed = world.command(Command::DraftsList { all: false }).await.expect("listed");
    let shown = show(&world, listed[0]["draft"].as_str().expect("a draft")).await;
    assert_eq!(shown["would_send"]["held_by"], json!(["plugin `probe`"]), "once, although it holds two parts");
    world.end().await;

    // It is shown the part, and where it stands.
    let world = World::start(plan("", &plugin("probe", r#"{ mode = "dump" }"#))).await;
    let said = refused(&world, std::slice::from_ref(&read), "policy_denied", Some(1)).await;
    let shown = said["detail"].as_str().expect("a detail");
    for text in ["records.list", "/crm/v8/Leads", "envelope", "composite"] {
        assert!(shown.contains(text), "no {text} in {shown}");
    }
    world.end().await;

    // Whoever judges answers would have to judge those of the parts.
    let world = World::start(plan("", &judge("judge", "\"response-body\"", "{}"))).await;
    refused(&world, &[read], "envelope_unjudgeable", None).await;
    world.end().await;
}

async fn show(world: &World, id: &str) -> Value {
    world.command(Command::DraftsShow { id: id.to_owned() }).await.expect("shown")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_composite_is_shown_part_by_part_and_released_byte_for_byte() {
    let world = writing("draft", &allowing()).await;
    let lead = world.simulator.records(ORG, "Leads")[0].clone();
    let (id, name) = (lead["id"].as_str().expect("an id"), lead["Last_Name"].clone());
    let change = json!({ "method": "PUT", "uri": "/crm/v8/Leads", "body": { "data": [{ "id": id, "Last_Name": "Renamed" }] } });
    let body = composite(&[part("GET", "/crm/v8/Leads?fields=Last_Name"), change]);
    let said = send_with(&world, PROBLEM, &body).await.json().expect("json");
    assert_eq!((&said["code"], &said["rule"]), (&json!("held"), &json!("writes")), "{said}");
    let draft = said["draft"].as_str().expect("a draft").to_owned();
    let shown = show(&world, &draft).await;
    assert_eq!((&shown["operation"], &shown["effect"]), (&json!("composite"), &json!("write")));
    let parts = &shown["would_send"]["parts"];
    assert_eq!(
        (&parts[0]["operation"], &parts[0]["target"], &parts[1]["method"], &parts[1]["effect"]),
        (&json!("records.list"), &json!("/crm/v8/Leads?fields=Last_Name"), &json!("PUT"), &json!("write")),
        "{shown}"
    );
    assert_eq!(parts[1]["body"]["data"][0]["Last_Name"], "Renamed");
    let expected = json!([{
        "record": id, "part": 2, "problem": null,
        "fields": [{ "field": "Last_Name", "current": name, "proposed": "Renamed" }],
    }]);
    assert_eq!(shown["changes"], expected);
    let request_sha256 = shown["request_sha256"].as_str().expect("a hash").to_owned();
    let ended =
        world.command(Command::DraftsApprove { id: draft, request_sha256, shown: None }).await.expect("released");
    assert_eq!((&ended["sent"], &ended["outcome"]), (&json!(true), &json!("ok")), "{ended}");
    assert_eq!(sent(&world).pop().expect("sent").body, body.as_bytes());
    assert_eq!(world.simulator.records(ORG, "Leads")[0]["Last_Name"], "Renamed");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dangerous_in_a_part_is_held_or_refused_by_its_own_name() {
    let world = writing("on", &allowing()).await;
    let read = part("GET", "/crm/v8/Leads?fields=Last_Name&per_page=200");
    let data = json!({ "data": vec![json!({ "Last_Name": "E", "Company": "N" }); 101] });
    let upsert = json!({ "method": "POST", "uri": "/crm/v8/Leads/upsert", "body": data });
    let mass = json!({ "method": "POST", "uri": "/crm/v8/Leads/actions/mass_delete", "body": { "cvid": "1" } });
    let callback = json!({ "url": "https://elsewhere.example/", "method": "post" });
    let bulk = json!({ "method": "POST", "uri": "/crm/bulk/v8/read",
        "body": { "callback": callback, "query": { "module": { "api_name": "Leads" }, "fields": ["id"] } } });
    let coql = json!({ "method": "POST", "uri": "/crm/v8/coql", "body": { "select_query": "delete from Leads where id = 1" } });
    for (second, code, rule) in [
        (part("DELETE", "/crm/v8/Leads/1"), "held", "destructive"),
        (mass, "held", "destructive"),
        (bulk, "held", "destructive"),
        (upsert, "held", "max_records"),
        (coql, "not_a_select", "resources"),
    ] {
        let said = refused(&world, &[read.clone(), second.clone()], code, Some(2)).await;
        assert_eq!(said["rule"], rule, "{second}: {said}");
    }
    // Each alone would pass, and together they are too many.
    let said = refused(&world, &[create(60), create(60)], "held", None).await;
    assert_eq!(said["rule"], "max_records", "{said}");
    let reply = send(&world, &[read, create(2)]).await;
    assert_eq!((reply.status, reply.header("wardlock-outcome")), (200, Some("ok")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_an_explanation_tell_of_each_part_and_take_nothing() {
    let world = World::start(plan("", &(allowing() + &plugin("read-only", "{}")))).await;
    let body = composite(&[part("GET", "/crm/v8/Leads?fields=Last_Name"), part("GET", "/crm/v8/Contacts/1")]);
    let reply = send_with(&world, &format!("Wardlock-Dry-Run: true\r\n{PROBLEM}"), &body).await;
    let said = reply.json().expect("json");
    assert_eq!((reply.status, &said["code"]), (200, &json!("dry_run")), "{said}");
    let told = &said["dry_run"];
    assert_eq!(
        (&told["operation"]["name"], told["plugins"].as_array().map(Vec::len)),
        (&json!("composite"), Some(4))
    );
    assert_eq!((&told["plugins"][3]["plugin"], &told["plugins"][3]["part"]), (&json!("read-only"), &json!(2)));
    assert_eq!(told["parts"][1]["operation"]["name"], "records.get");
    assert_eq!(
        (&told["parts"][1]["path"], &told["would_send"]["body_bytes"]),
        (&json!("/crm/v8/Contacts/1"), &json!(body.len()))
    );
    let body = composite(&[part("GET", "/crm/v8/Leads?fields=Last_Name"), part("DELETE", "/crm/v8/Leads/1")]);
    let explaining = explain("agent-acme", "POST", &COMPOSITE.replace("/acme/zoho", ""), &body);
    let told = world.command(explaining).await.expect("an explanation");
    assert_eq!(
        (&told["decision"], &told["refusal"]["code"], &told["refusal"]["part"]),
        (&json!("deny"), &json!("writes_off"), &json!(2))
    );
    assert_eq!(
        (&told["operation"]["effect"], &told["parts"][1]["method"]),
        (&json!("destructive"), &json!("DELETE")),
        "{told:#}"
    );
    assert_eq!(world.api_calls(), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_part_takes_of_a_quota_and_is_recorded_and_asked_again() {
    let limiter =
        judge("limiter", "\"quota\"", r#"{ takes = [{ key = "reads", limit = 5, window = 31536000 }] }"#);
    let broad = plugin("require-purpose", "{ broad_above = 50 }");
    let mut plan = plan("", &(format!("{limiter}mode = \"monitor\"\n") + &broad));
    plan.workspaces[0].1.push_str("\n[recorder]\nkeep = \"7d\"\n");
    let world = World::start(plan).await;
    let read = || part("GET", "/crm/v8/Leads?fields=Last_Name&per_page=2");
    let verdicts = |reply: &RawReply| -> Vec<String> {
        let rows = world.rows(reply);
        let said = rows[0].detail.request.as_ref().map(|request| request.plugins.clone()).unwrap_or_default();
        said.iter().filter(|said| said.name == "limiter").map(|said| said.verdict.clone()).collect()
    };
    // A refused one takes nothing, whatever its parts took.
    let all = part("GET", "/crm/v8/Leads?fields=Last_Name&per_page=200");
    refused(&world, &[read(), read(), all], "policy_denied", Some(3)).await;
    assert_eq!(verdicts(&send(&world, &[read(), read(), read()]).await), ["allow"; 3]);
    assert_eq!(verdicts(&send(&world, &[read(), read(), read()]).await), ["allow", "allow", "deny"]);
    let replay = Command::AuditReplay { workspace: None, request_id: None, limit: 100 };
    let told = world.command(replay).await.expect("a replay");
    assert_eq!(
        (&told["requests"], &told["decisions"], &told["same"]),
        (&json!(3), &json!(18), &json!(18)),
        "{told}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_keeps_to_its_account_in_every_call() {
    let file = "workspace = \"ads\"\n\n[connections.it]\nservice = \"meta-ads\"\nregion = \"everywhere\"\ngrant = \"meta\"\n\
                tenant = \"111\"\nresources = [\"account\", \"campaigns\", \"$identity\"]\n\
                operations = [\"identity\", \"ads.read\", \"ads.write\", \"batch\"]\n";
    let file = file.to_owned() + &plugin("read-only", "{}").replace("connections.zoho", "connections.it");
    let workspaces = vec![("ads", file)];
    let plan = Plan { workspaces, services: vec!["meta-ads"], connect: vec!["ads/it"], ..Plan::default() };
    let world = World::start(plan).await;
    let get = |url: &str| json!({ "method": "GET", "relative_url": url });
    let ask = |calls: Vec<Value>| {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        let body = form.append_pair("batch", &json!(calls).to_string()).finish();
        let headers = format!("Content-Type: application/x-www-form-urlencoded\r\n{PROBLEM}");
        let world = &world;
        async move { (world.ask("ads", "POST", "/ads/it/v26.0", &headers, &body).await, body) }
    };
    let good = || get("act_111/campaigns?fields=id%2Cname&limit=2");
    let (reply, body) = ask(vec![good(), get("v26.0/me"), get("v26.0/act_111?fields=nothing")]).await;
    let said = reply.json().expect("json");
    assert_eq!((reply.status, reply.header("wardlock-decision")), (200, Some("allow")), "{said}");
    assert_eq!(reply.header("wardlock-parts").map(|told| told.starts_with("ok, ok, ")), Some(true), "{reply:?}");
    let call = world.simulator.recordings().pop().expect("a call");
    assert_eq!(call.body, body.as_bytes(), "the token is in the head, and the body is the agent's");

    let before = world.api_calls();
    for (call, code) in [
        (get("v26.0/act_222/campaigns"), "tenant_mismatch"),
        (get("act_222/campaigns"), "tenant_mismatch"),
        (get("v25.0/act_111/campaigns"), "unknown_operation"),
        (get("v26.0/act_111?access_token=x"), "query_not_allowed"),
        (get("v26.0/1201110000010001"), "operation_not_allowed"),
        (json!({ "method": "POST", "relative_url": "v26.0/act_111/campaigns", "body": "name=x" }), "writes_off"),
        (json!({ "method": "GET", "relative_url": "v26.0/me", "access_token": "x" }), "envelope_malformed"),
        (json!({ "method": "POST", "relative_url": "v26.0", "body": "batch=%5B%5D" }), "envelope_nested"),
    ] {
        let (reply, _) = ask(vec![good(), call]).await;
        let said = reply.json().expect("json");
        assert_eq!((&said["code"], &said["part"]), (&json!(code), &json!(2)), "{said}");
    }
    assert_eq!(world.api_calls(), before, "something was sent");
    world.end().await;
}
