//! Held requests: kept byte for byte, shown, released once by a person's word, and never otherwise.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wardlock::admin::{Command, Failure};
use wardlock::home::Home;
use wardlock::host::Host;
use wardlock_egress::vault::KeySource;
use wardlock_simulator::{ApiAnswer, Recording};
use wardlock_state::DraftState;
use wardlock_tests::raw::RawReply;

use crate::proofs::{enable, prove};
use crate::world::{Plan, World, dialled, plugin, workspace};

pub const PROBLEM: &str = "Accept: application/problem+json\r\n";
pub const LEADS: &str = "/acme/zoho/crm/v8/Leads";
pub const LIST: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
const LEAD: &str = r#"{"data":[{"Last_Name":"Ellison","Company":"Nordwind"}]}"#;
const HOLD: &str = r#"{ mode = "hold", code = "ask", message = "somebody must look at this" }"#;

/// A connection with writes as far as the file allows them, and these plugins.
pub fn plan(extra: &str, plugins: &str) -> Plan {
    let file = workspace("acme", "eu", extra, plugins)
        .replace("\"records.write\"]", "\"records.write\", \"records.delete\"]");
    Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() }
}

pub fn allowing() -> String {
    plugin("probe", r#"{ mode = "allow" }"#)
}

/// A world whose connection holds every write.
pub async fn drafting(plugins: &str) -> World {
    let world = World::start(plan("writes = \"draft\"", plugins)).await;
    let proof = prove(&world).await;
    assert_eq!(proof["passed"], true, "{proof:#}");
    enable(&world, "draft").await.expect("enabled");
    world
}

async fn post(world: &World, headers: &str, body: &str) -> RawReply {
    world.ask("acme", "POST", LEADS, &format!("Content-Type: application/json\r\n{headers}"), body).await
}

/// Has a request held, and returns its draft's id.
pub async fn held(world: &World, body: &str) -> String {
    let reply = post(world, PROBLEM, body).await;
    let said = reply.json().expect("json");
    assert_eq!((reply.status, &said["code"]), (403, &json!("held")), "{said}");
    said["draft"].as_str().expect("a draft").to_owned()
}

pub async fn show(world: &World, id: &str) -> Value {
    world.command(Command::DraftsShow { id: id.to_owned() }).await.expect("shown")
}

pub async fn approve(world: &World, id: &str) -> Result<Value, Failure> {
    let shown = show(world, id).await;
    let request_sha256 = shown["request_sha256"].as_str().expect("a hash").to_owned();
    world.command(Command::DraftsApprove { id: id.to_owned(), request_sha256, shown: None }).await
}

/// Approves and wants nothing to be sent: the draft's state and the refusal's code.
async fn approved_in_vain(world: &World, id: &str) -> (String, String) {
    let before = world.api_calls();
    let text_of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let ended = approve(world, id).await.expect("an end");
    assert_eq!(ended["sent"], false, "{ended}");
    assert_eq!(world.api_calls(), before, "something was sent: {ended}");
    (text_of(&ended["state"]), text_of(&ended["code"]))
}

async fn status(world: &World, id: &str) -> Value {
    world.get(&format!("/-/drafts/{id}")).await.json().expect("json")
}

fn writes(world: &World) -> Vec<Recording> {
    let seen = world.simulator.recordings().into_iter();
    seen.filter(|call| call.method != "GET" && call.target.starts_with("/crm/")).collect()
}

/// Its agent learns that a draft was sent, and fetches the answer.
async fn its_agent_gets_the_answer_once(world: &World, id: &str, ended: &Value) {
    let told = status(world, id).await;
    assert_eq!(
        (&told["state"], &told["outcome"], &told["request_id"]),
        (&json!("sent"), &json!("ok"), &ended["request_id"])
    );
    let answer = world.get(told["answer"].as_str().expect("an answer")).await;
    assert_eq!((answer.status, answer.header("wardlock-outcome")), (201, Some("ok")));
    assert_eq!(answer.header("wardlock-request-id"), ended["request_id"].as_str());
    assert_eq!(answer.json().expect("json")["data"][0]["code"], "SUCCESS");
    let again = world.ask("acme", "GET", &format!("/-/drafts/{id}/answer"), PROBLEM, "").await;
    assert_eq!(
        (again.status, &again.json().expect("json")["code"]),
        (410, &json!("answer_gone")),
        "it is given once"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approved_draft_is_sent_once_byte_for_byte_and_its_agent_gets_the_answer() {
    let world = drafting(&allowing()).await;
    let reply = post(&world, PROBLEM, LEAD).await;
    let said = reply.json().expect("json");
    assert_eq!((reply.status, &said["code"], &said["rule"]), (403, &json!("held"), &json!("writes")), "{said}");
    assert_eq!(reply.header("wardlock-decision"), Some("hold"));
    let id = said["draft"].as_str().expect("a draft").to_owned();
    let url = format!("http://{}/-/drafts/{id}", world.agents);
    assert_eq!(said["draft_url"], url);
    assert_eq!(id.strip_prefix("draft_"), said["request_id"].as_str().and_then(|id| id.strip_prefix("req_")));
    assert_eq!(writes(&world).len(), 0);

    assert_eq!(held(&world, LEAD).await, id, "the same request again is the same draft");
    for again in [
        "Content-Type: application/json\r\nAccept-Language: de\r\n",
        "Content-Type: Application/JSON; charset=UTF-8\r\nUser-Agent: other\r\n",
    ] {
        let said =
            world.ask("acme", "POST", LEADS, &format!("{again}{PROBLEM}"), LEAD).await.json().expect("json");
        assert_eq!(said["draft"], id, "asked for in other words: {again}");
    }
    assert_eq!(status(&world, &id).await["state"], "held");
    let early = world.ask("acme", "GET", &format!("/-/drafts/{id}/answer"), PROBLEM, "").await;
    let early = (early.status, early.json().expect("json"));
    assert_eq!((early.0, &early.1["code"], &early.1["draft_url"]), (403, &json!("held"), &json!(url)));

    let shown = show(&world, &id).await;
    let content = &shown["would_send"];
    assert_eq!((&content["method"], &content["target"]), (&json!("POST"), &json!("/crm/v8/Leads")), "{shown}");
    assert_eq!(content["body"], serde_json::from_str::<Value>(LEAD).expect("json"));
    assert_eq!(content["held_by"], json!(["rule `writes`"]));
    let listed = world.command(Command::DraftsList { all: false }).await.expect("listed");
    assert_eq!((listed.as_array().map(Vec::len), &listed[0]["draft"]), (Some(1), &json!(id)));

    let ended = approve(&world, &id).await.expect("released");
    assert_eq!(
        (&ended["sent"], &ended["outcome"], &ended["status"]),
        (&json!(true), &json!("ok"), &json!(201)),
        "{ended}"
    );
    let sent = writes(&world);
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].body.as_slice(), sent[0].target.as_str()), (LEAD.as_bytes(), "/crm/v8/Leads"));
    let rows = world.host.audit().show(ended["request_id"].as_str().expect("an id")).expect("rows");
    let request = rows[0].detail.request.as_ref().expect("a request");
    assert_eq!(
        (request.draft.as_deref(), request.approved_by.as_slice()),
        (Some(id.as_str()), &["operator".to_owned()][..])
    );
    assert_eq!(request.body_sha256.as_deref(), content["body_sha256"].as_str());

    its_agent_gets_the_answer_once(&world, &id, &ended).await;
    let used = approve(&world, &id).await.expect_err("used");
    assert!(used.message.contains("is sent and can no longer be approved"), "{}", used.message);
    let hint = used.hint.expect("a hint");
    assert!(hint.starts_with("it was sent by the approval of 2") && hint.contains("audit show req_"), "{hint}");
    assert_eq!(writes(&world).len(), 1, "an approval is used once");
    assert_ne!(held(&world, LEAD).await, id, "the same again is another wish now");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_prefers_is_how_it_is_told() {
    let world = drafting(&allowing()).await;
    let reply = post(&world, &format!("Prefer: respond-async\r\n{PROBLEM}"), LEAD).await;
    assert_eq!((reply.status, reply.header("preference-applied")), (202, Some("respond-async")));
    let said = reply.json().expect("json");
    assert_eq!((reply.header("location"), &said["code"]), (said["draft_url"].as_str(), &json!("held")));
    assert_eq!(said["status"], 202, "the member is the status that is sent");

    // Nobody says anything: the client is told so when its time is over.
    let before = Instant::now();
    let reply = post(&world, &format!("Prefer: wait=1\r\n{PROBLEM}"), LEAD).await;
    assert_eq!(reply.json().expect("json")["code"], "held");
    assert!(before.elapsed() >= Duration::from_secs(1));

    // Somebody does: the call returns what the provider said.
    let id = said["draft"].as_str().expect("a draft").to_owned();
    let wait = format!("Prefer: wait=30\r\n{PROBLEM}");
    let (reply, ended) = tokio::join!(post(&world, &wait, LEAD), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        approve(&world, &id).await.expect("released")
    });
    assert_eq!((reply.status, reply.header("wardlock-request-id")), (201, ended["request_id"].as_str()));
    assert_eq!(reply.json().expect("json")["data"][0]["code"], "SUCCESS");

    let id = held(&world, LEAD).await;
    let path = format!("/-/drafts/{id}");
    let (told, _) = tokio::join!(world.ask("acme", "GET", &path, "Prefer: wait=30\r\n", ""), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.command(Command::DraftsReject { id: id.clone() }).await.expect("rejected")
    });
    assert_eq!(told.json().expect("json")["state"], "rejected");
    let reply = world.ask("acme", "GET", &format!("{path}/answer"), PROBLEM, "").await;
    assert_eq!((reply.status, &reply.json().expect("json")["code"]), (403, &json!("draft_rejected")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_s_hold_is_met_by_the_same_plugin_only() {
    let world = World::start(plan("", &plugin("probe", HOLD))).await;
    let ask = || world.ask("acme", "GET", LIST, PROBLEM, "");
    let said = ask().await.json().expect("json");
    assert_eq!(
        (&said["code"], &said["plugin"], &said["plugin_code"]),
        (&json!("held"), &json!("probe"), &json!("ask"))
    );
    let id = said["draft"].as_str().expect("a draft").to_owned();
    assert_eq!(prove(&world).await["passed"], false);
    let listed = world.command(Command::DraftsList { all: true }).await.expect("listed");
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "a proof that is held is nobody's draft");
    let ended = approve(&world, &id).await.expect("released");
    assert_eq!((&ended["sent"], &ended["status"]), (&json!(true), &json!(200)), "{ended}");

    // Another component of the same name holds: it may want to know something else.
    let id = ask().await.json().expect("json")["draft"].as_str().expect("a draft").to_owned();
    let other =
        plan("", &plugin("probe", HOLD).replace("name = \"probe\"", "name = \"look\"")).workspaces.remove(0).1;
    reload(&world, &other).await;
    assert_eq!(approved_in_vain(&world, &id).await, ("not-sent".to_owned(), "changed_since_approval".to_owned()));
    assert_eq!(status(&world, &id).await["code"], "changed_since_approval");

    // One that would change a byte ends the draft, and one that denies still denies.
    reload(&world, &plan("", &plugin("probe", HOLD)).workspaces.remove(0).1).await;
    for (settings, code) in [
        (r#"{ mode = "shape", edits = [["set-query", "per_page", "1"]] }"#, "changed_since_approval"),
        (r#"{ mode = "deny" }"#, "policy_denied"),
    ] {
        let id = ask().await.json().expect("json")["draft"].as_str().expect("a draft").to_owned();
        reload(&world, &plan("", &plugin("probe", settings)).workspaces.remove(0).1).await;
        assert_eq!(approved_in_vain(&world, &id).await, ("not-sent".to_owned(), code.to_owned()), "{settings}");
        reload(&world, &plan("", &plugin("probe", HOLD)).workspaces.remove(0).1).await;
    }
    world.end().await;
}

/// Puts another workspace file in the place of the one before.
async fn reload(world: &World, file: &str) {
    let digest = wardlock_core::id::Digest::of(wardlock_tests::guests::guest("probe"));
    let file = file.replace("\"@guest:probe\"", &format!("\"{digest}\""));
    let path = world.folder().join("home/workspaces/acme.toml");
    std::fs::write(path, wardlock::policy::with_digests(&file)).expect("written");
    let reloaded = world.command(Command::Reload).await.expect("reloaded");
    assert_eq!(reloaded["ok"], true, "{reloaded}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_for_who_is_gone_frozen_or_shown_something_else() {
    let mut world = drafting(&allowing()).await;
    let id = held(&world, LEAD).await;
    let other = "0".repeat(64);
    let command = Command::DraftsApprove { id: id.clone(), request_sha256: other, shown: None };
    let refused = world.command(command).await.expect_err("another request");
    assert!(
        refused.message.contains("holds another request than the one that was approved"),
        "{}",
        refused.message
    );

    world.command(Command::Freeze { workspace: Some("acme".to_owned()) }).await.expect("frozen");
    assert_eq!(approved_in_vain(&world, &id).await, ("not-sent".to_owned(), "frozen".to_owned()));
    world.command(Command::Thaw { workspace: Some("acme".to_owned()) }).await.expect("thawed");

    let id = held(&world, LEAD).await;
    enable(&world, "off").await.expect("off");
    assert_eq!(approved_in_vain(&world, &id).await, ("not-sent".to_owned(), "writes_off".to_owned()));
    let told = status(&world, &id).await;
    assert_eq!((&told["refusal"]["rule"], &told["answer"]), (&json!("writes"), &Value::Null), "{told}");
    let told =
        world.ask("acme", "GET", &format!("/-/drafts/{id}/answer"), PROBLEM, "").await.json().expect("json");
    let detail = told["detail"].as_str().expect("a sentence");
    assert!(detail.contains("(rule `writes`): writes are off on this connection"), "{told}");
    enable(&world, "draft").await.expect("on again");

    // Another agent finds nothing there, and nobody inherits what a revoked one asked for.
    let id = held(&world, LEAD).await;
    let first = world.tokens["acme"].clone();
    world.add_agent("second", "acme").await;
    assert_eq!(world.get(&format!("/-/drafts/{id}")).await.status, 404);
    world.tokens.insert("acme".to_owned(), first);
    world.command(Command::AgentRevoke { name: "agent-acme".to_owned() }).await.expect("revoked");
    let gone = approve(&world, &id).await.expect_err("its agent is gone");
    assert!(gone.message.contains("is rejected and can no longer be approved"), "{}", gone.message);
    let unknown = world.command(Command::DraftsShow { id: "draft_0".to_owned() }).await.expect_err("none");
    assert_eq!(unknown.message, "there is no draft `draft_0`");
    assert!(gone.hint.is_some_and(|hint| hint.contains("its agent was revoked")));
    let shown = show(&world, &id).await;
    let why = "the agent that asked for this was revoked; nothing was sent";
    assert_eq!((&shown["decided_by"], &shown["why"]), (&json!("operator, by revoking its agent"), &json!(why)));
    world.add_agent("agent-acme", "acme").await;
    let told =
        world.ask("acme", "GET", &format!("/-/drafts/{id}/answer"), PROBLEM, "").await.json().expect("json");
    assert_eq!(told["detail"], why);
    assert_eq!(writes(&world).len(), 0);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_provider_says_to_a_released_draft_is_what_it_is() {
    let world = drafting(&allowing()).await;
    // One of two records is wrong: a part is done.
    let two = r#"{"data":[{"Last_Name":"Ellison","Company":"N"},{"Company":"without a name"}]}"#;
    let ended = {
        let id = held(&world, two).await;
        approve(&world, &id).await.expect("released")
    };
    assert_eq!(
        (&ended["sent"], &ended["outcome"], &ended["status"]),
        (&json!(true), &json!("partial"), &json!(207)),
        "{ended}"
    );
    let id = ended["request_id"].as_str().expect("an id");
    let told = world.get(&format!("/-/requests/{id}")).await.json().expect("json");
    let first = json!([{ "number": 2, "code": "MANDATORY_NOT_FOUND" }]);
    let failures = json!({ "failed": 1, "of": 2, "first": first });
    assert_eq!(told["failures"], failures, "{told}");
    assert_eq!(
        (&ended["failures"], &ended["provider_code"]),
        (&failures, &json!("MANDATORY_NOT_FOUND")),
        "{ended}"
    );
    let hint = ended["hint"].as_str().expect("a hint");
    assert!(hint.contains("did only a part of it") && hint.contains(&format!("audit show {id}")), "{hint}");
    let draft = ended["draft"].as_str().expect("a draft");
    assert_eq!(show(&world, draft).await["failures"], failures);

    // It breaks off: nobody knows, and it is not sent a second time.
    let id = held(&world, LEAD).await;
    world.simulator.switches().change(|switches| switches.api_answers.push_back(ApiAnswer::Bytes(Vec::new())));
    let ended = approve(&world, &id).await.expect("an end");
    assert_eq!((&ended["state"], &ended["outcome"]), (&json!("unknown"), &json!("unknown")), "{ended}");
    let calls = writes(&world).len();
    let again = approve(&world, &id).await.expect_err("not again");
    assert!(again.message.contains("is unknown and can no longer be approved"), "{}", again.message);
    assert_eq!(writes(&world).len(), calls);
    let told = world.ask("acme", "GET", &format!("/-/drafts/{id}/answer"), PROBLEM, "").await;
    assert_eq!((told.status, &told.json().expect("json")["code"]), (504, &json!("outcome_unknown")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_writes_are_on_what_destroys_or_is_broad_is_held_unless_it_is_named() {
    let world = World::start(plan("writes = \"on\"\nmax_records = 2", &allowing())).await;
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "on").await.expect("enabled");
    let records =
        |count: usize| json!({ "data": vec![json!({ "Last_Name": "E", "Company": "N" }); count] }).to_string();
    assert_eq!(post(&world, "", &records(2)).await.status, 201);
    let said = post(&world, PROBLEM, &records(3)).await.json().expect("json");
    assert_eq!((&said["code"], &said["rule"]), (&json!("held"), &json!("max_records")), "{said}");
    let id = world.simulator.records("20071234567", "Leads")[0]["id"].as_str().expect("an id").to_owned();
    let delete = |id: String| {
        let world = &world;
        async move { world.ask("acme", "DELETE", &format!("{LEADS}/{id}"), PROBLEM, "").await }
    };
    let said = delete(id.clone()).await.json().expect("json");
    assert_eq!((&said["code"], &said["rule"]), (&json!("held"), &json!("destructive")), "{said}");

    // Named, it passes; the rules are others then, and so the proof must be made again.
    let name = operation_of(&said, &world);
    let named = plan(&format!("writes = \"on\"\nmax_records = 2\nunattended = [\"{name}\"]"), &allowing());
    reload(&world, &named.workspaces[0].1).await;
    let said = delete(id.clone()).await.json().expect("json");
    assert_eq!(said["code"], "writes_off", "the level lapsed with the rules: {said}");
    let lapsed = enable(&world, "on").await.expect_err("no proof of these rules");
    assert!(lapsed.message.contains("lapsed"), "{}", lapsed.message);
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "on").await.expect("enabled");
    assert_eq!(delete(id).await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dangerous_is_refused_or_held_each_by_its_own_name() {
    let mut plan = plan("writes = \"on\"", &allowing());
    let file = &mut plan.workspaces[0].1;
    *file = file.replace(
        "\"records.delete\"]",
        "\"composite\", \"records.delete\", \"mass.delete\", \"bulk.read.create\"]",
    );
    let world = World::start(plan).await;
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "on").await.expect("enabled");
    let many = json!({ "data": vec![json!({ "Last_Name": "E", "Company": "N" }); 101] });
    let part = json!({ "sub_request_id": "1", "method": "DELETE", "uri": "/crm/v8/Leads/1" });
    let callback = json!({ "url": "https://elsewhere.example/", "method": "post" });
    let bulk = json!({ "callback": callback, "query": { "module": { "api_name": "Leads" }, "fields": ["id"] } });
    for (path, body, code, rule) in [
        ("/crm/v8/__composite_requests", json!({ "__composite_requests": [part] }), "held", "destructive"),
        ("/crm/v8/coql", json!({ "select_query": "delete from Leads where id = 1" }), "not_a_select", "resources"),
        ("/crm/v8/Leads/actions/mass_delete", json!({ "cvid": "1", "territory": null }), "held", "destructive"),
        ("/crm/bulk/v8/read", bulk, "held", "destructive"),
        ("/crm/v8/Leads/upsert", many, "held", "max_records"),
    ] {
        let headers = format!("Content-Type: application/json\r\n{PROBLEM}");
        let reply = world.ask("acme", "POST", &format!("/acme/zoho{path}"), &headers, &body.to_string()).await;
        let said = reply.json().expect("json");
        assert_eq!((&said["code"], &said["rule"]), (&json!(code), &json!(rule)), "{path}: {said}");
        let names_it =
            said["detail"].as_str().is_some_and(|detail| detail.contains("with `/callback` in its body"));
        assert_eq!(names_it, path.contains("bulk"), "{said}");
    }
    assert_eq!(writes(&world).len(), 0);
    world.end().await;
}

/// The operation of a refused request, as its row names it.
fn operation_of(said: &Value, world: &World) -> String {
    let rows = world.host.audit().show(said["request_id"].as_str().expect("an id")).expect("rows");
    rows[0].operation.clone().expect("an operation")
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_is_in_the_audit_with_what_they_said() {
    let world = drafting(&allowing()).await;
    let id = held(&world, LEAD).await;
    let (host, its_id) = (std::sync::Arc::clone(&world.host), id.clone());
    let leaves = tokio::spawn(async move {
        let reject = Command::DraftsReject { id: its_id };
        wardlock::ops::execute(&host, reject, wardlock::admin::Brought::Nothing, &crate::world::Silent).await
    });
    // Gone as soon as it is done, and before anybody heard of it.
    let began = Instant::now();
    while world.host.state().draft(&id).expect("read").is_some_and(|draft| draft.state.as_str() == "held") {
        assert!(began.elapsed() < Duration::from_mins(1), "it is never done");
        tokio::task::yield_now().await;
    }
    leaves.abort();
    let told = || {
        let rows = world.host.audit().list(&wardlock_audit::Filter::newest(10)).expect("rows");
        rows.iter().filter_map(|row| row.detail.act.as_ref()).any(|act| act.what == "drafts.reject")
    };
    while !told() {
        assert!(began.elapsed() < Duration::from_mins(1), "the act has no row");
        tokio::task::yield_now().await;
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_of_what_would_be_held_keeps_nothing() {
    let world = drafting(&allowing()).await;
    let reply = post(&world, &format!("Wardlock-Dry-Run: true\r\nPrefer: respond-async\r\n{PROBLEM}"), LEAD).await;
    assert_eq!(reply.status, 403, "nothing was taken, so nothing is told to have been");
    let said = reply.json().expect("json");
    assert_eq!((&said["code"], &said["draft"]), (&json!("held"), &Value::Null), "{said}");
    let title = said["title"].as_str().expect("a title");
    assert!(title.ends_with("it was only looked at, and nothing was kept or sent."), "{title}");
    let listed = world.command(Command::DraftsList { all: true }).await.expect("listed");
    assert_eq!(listed, json!([]));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_whose_agent_was_revoked_waits_for_nobody_after_a_crash() {
    let world = drafting(&allowing()).await;
    let id = held(&world, r#"{"data":[{"Last_Name":"E","Company":"N"}]}"#).await;
    let left = world.leave().await;
    let folder = left.folder.path().join("home");
    let state = rusqlite::Connection::open(folder.join("state/state.db")).expect("the state");
    // As a host leaves it that ends before anything is recorded, and a revocation before that.
    let releasing =
        "UPDATE drafts SET state = 'releasing', release_id = 'req_0'; UPDATE agents SET revoked_ms = 1";
    state.execute_batch(releasing).expect("written");
    drop(state);
    let home = Home::open(&folder).expect("the home");
    let key = KeySource::File { path: folder.join("state/vault.key") };
    let host = Host::open(home, &key, dialled(&left.simulator), "test").await.expect("a host");
    let draft = host.state().draft(&id).expect("read").expect("it is there");
    assert_eq!(draft.state, DraftState::Rejected);
    drop(host);
    left.canaries.scan_folder(left.folder.path(), &[]).expect("no canary in the home");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_of_an_earlier_version_is_shown_as_ended_with_the_reason() {
    let world = drafting(&allowing()).await;
    let id = held(&world, LEAD).await;
    let state = rusqlite::Connection::open(world.folder().join("home/state/state.db")).expect("the state");
    // As format 6 leaves what it finds.
    state.execute("UPDATE drafts SET expires_ms = 0", []).expect("changed");
    let listed = world.command(Command::DraftsList { all: false }).await.expect("listed");
    assert_eq!(listed, json!([]), "nobody is asked for a word on it");
    let shown = show(&world, &id).await;
    assert_eq!((&shown["state"], &shown["code"]), (&json!("expired"), &json!("earlier_version")), "{shown}");
    let why = "an earlier version of Wardlock kept this draft, and this one does not send it; nothing was sent";
    assert_eq!(shown["why"], why);
    assert_eq!(status(&world, &id).await["code"], "earlier_version");
    let answer = world.ask("acme", "GET", &format!("/-/drafts/{id}/answer"), PROBLEM, "").await;
    let said = answer.json().expect("json");
    assert_eq!((&said["code"], &said["detail"]), (&json!("draft_expired"), &json!(why)), "{said}");
    world.end().await;
}
