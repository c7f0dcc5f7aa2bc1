//! What would change, beside what stands there now: in a draft, in a dry run and in `policy explain`.

use serde_json::{Value, json};
use wardlock_simulator::ApiAnswer;

use crate::answers::judge;
use crate::drafts::{LEADS, LIST, PROBLEM, allowing, approve, drafting, plan, show};
use crate::proofs::{enable, prove};
use crate::world::{Plan, World, explain};

/// A world that holds every write, and whose answers pass the guest `judge`.
async fn judged(capabilities: &str, settings: &str) -> World {
    let plan = plan("writes = \"draft\"", &judge("judge", capabilities, settings));
    let world = World::start(Plan { guests: vec!["judge"], ..plan }).await;
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "draft").await.expect("enabled");
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn an_explanation_says_what_of_the_question_is_wrong() {
    let world = World::start(Plan::default()).await;
    for (method, target, hint) in [
        ("FROB", "/crm/v8/Leads", "in capitals"),
        ("GET", "/acme/zoho/crm/v8/Leads?fields=Last_Name", "leave `/acme/zoho` out"),
    ] {
        let told = world.command(explain("agent-acme", method, target, "")).await.expect("explained");
        assert!(told["refusal"]["hint"].as_str().is_some_and(|told| told.contains(hint)), "{told}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_there_now_is_shown_beside_what_would() {
    let world = drafting(&allowing()).await;
    let lead = world.simulator.records("20071234567", "Leads")[0].clone();
    let (lead, name) = (lead["id"].as_str().expect("an id"), lead["Last_Name"].clone());
    let body = json!({ "data": [{ "id": lead, "Last_Name": "Renamed" }] }).to_string();
    let said = world.ask("acme", "PUT", LEADS, PROBLEM, &body).await.json().expect("json");
    let id = said["draft"].as_str().expect("a draft").to_owned();
    let shown = show(&world, &id).await;
    let expected = json!([{
        "record": lead,
        "fields": [{ "field": "Last_Name", "current": name, "proposed": "Renamed" }],
        "problem": null,
    }]);
    assert_eq!((&shown["changes"], &shown["changes_note"]), (&expected, &Value::Null));
    // A look at it tells the same, by reads of their own, and writes nothing.
    let before = world.api_calls();
    let dry = format!("Wardlock-Dry-Run: true\r\n{PROBLEM}");
    let said = world.ask("acme", "PUT", LEADS, &dry, &body).await.json().expect("json");
    assert_eq!((&said["code"], &said["dry_run"]["changes"]), (&json!("held"), &expected), "{said}");
    let would_send = said["dry_run"]["would_send"].clone();
    let told = world
        .command(explain("agent-acme", "PUT", LEADS.trim_start_matches("/acme/zoho"), &body))
        .await
        .expect("explained");
    assert_eq!((&told["decision"], &told["changes"]), (&json!("hold"), &expected), "{told}");
    assert_eq!(world.api_calls(), before + 2);
    assert_eq!((&told["would_send"]["method"], &told["would_send"]["host"]), (&json!("PUT"), &would_send["host"]));
    assert_eq!(told["would_send"]["body_sha256"], would_send["body_sha256"]);
    assert_eq!(
        told["rules"].as_array().and_then(|rules| rules.last()),
        Some(&json!({"rule": "writes", "word": "holds"}))
    );
    assert!(told["refusal"]["hint"].as_str().is_some_and(|hint| hint.starts_with("an explanation keeps nothing")));
    assert_eq!(told["agent_note"], Value::Null);
    // Reading has nothing to set beside.
    let said = world.ask("acme", "GET", LIST, &dry, "").await.json().expect("json");
    assert_eq!((&said["code"], &said["dry_run"]["changes"]), (&json!("dry_run"), &Value::Null), "{said}");
    assert_eq!(said["dry_run"]["changes_note"], "not read: it changes nothing", "{said}");
    assert_eq!(approve(&world, &id).await.expect("released")["outcome"], "ok");
    let missing = json!({ "data": [{ "id": "1", "Last_Name": "Nobody" }] }).to_string();
    let said = world.ask("acme", "PUT", LEADS, PROBLEM, &missing).await.json().expect("json");
    let shown = show(&world, said["draft"].as_str().expect("a draft")).await;
    let change = &shown["changes"][0];
    assert!(
        change["problem"].as_str().is_some_and(|problem| problem.starts_with("not found: the provider")),
        "{change}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reads_of_a_dry_run_count_as_its_agents_requests() {
    let plan = plan("writes = \"draft\"", &allowing());
    let world = World::start(Plan { config: "[limits]\nrate_per_agent = \"2/h\"\n".to_owned(), ..plan }).await;
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "draft").await.expect("enabled");
    let leads = world.simulator.records("20071234567", "Leads");
    let data: Vec<Value> = leads.iter().take(2).map(|lead| json!({ "id": lead["id"], "Company": "C" })).collect();
    let (body, dry) = (json!({ "data": data }).to_string(), format!("Wardlock-Dry-Run: true\r\n{PROBLEM}"));
    let before = world.api_calls();
    let said = world.ask("acme", "PUT", LEADS, &dry, &body).await.json().expect("json");
    let changes = &said["dry_run"]["changes"];
    assert_eq!((&changes[0]["problem"], world.api_calls()), (&Value::Null, before + 1), "{said}");
    assert!(changes[1]["problem"].as_str().is_some_and(|why| why.starts_with("not read")), "{said}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_has_a_row_whether_it_is_read_or_not() {
    let world = drafting(&allowing()).await;
    let lead = world.simulator.records("20071234567", "Leads")[0]["id"].clone();
    let mut data = vec![json!({ "id": lead, "Company": "harmless" }); 10];
    data.push(json!({ "id": "1", "Company": "behind them" }));
    data.push(json!({ "Company": "without an id" }));
    let body = json!({ "data": data }).to_string();
    let before = world.api_calls();
    let said = world.ask("acme", "PUT", LEADS, PROBLEM, &body).await.json().expect("json");
    let shown = show(&world, said["draft"].as_str().expect("a draft")).await;
    let rows = shown["changes"].as_array().expect("rows");
    assert_eq!((rows.len(), world.api_calls()), (12, before + 10), "{shown}");
    assert_eq!((&rows[9]["record"], &rows[9]["problem"]), (&lead, &Value::Null), "{shown}");
    let behind = json!({
        "record": "1", "problem": "not read: only the first 10 are",
        "fields": [{ "field": "Company", "current": null, "proposed": "behind them" }],
    });
    assert_eq!(rows[10], behind);
    assert_eq!((&rows[11]["record"], &rows[11]["fields"][0]["proposed"]), (&Value::Null, &json!("without an id")));
    assert!(rows[11]["problem"].as_str().is_some_and(|why| why.starts_with("not read")), "{shown}");
    // More rows than anybody reads are counted.
    let many = json!({ "data": vec![json!({ "id": "1", "Company": "C" }); 230] }).to_string();
    let dry = format!("Wardlock-Dry-Run: true\r\n{PROBLEM}");
    let said = world.ask("acme", "PUT", LEADS, &dry, &many).await.json().expect("json");
    let rows = said["dry_run"]["changes"].as_array().expect("rows");
    assert_eq!(rows.len(), 201);
    assert_eq!(rows[200]["problem"], "30 more records are in the request and not shown here");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_gone_is_shown_with_what_stands_there_now() {
    const SHOWN: [&str; 7] = ["Last_Name", "First_Name", "Company", "Email", "Phone", "Lead_Status", "Owner"];
    let world = drafting(&allowing()).await;
    let leads = world.simulator.records("20071234567", "Leads");
    let row = |lead: &Value| {
        let fields = SHOWN.map(|name| json!({ "field": name, "current": lead.get(name) }));
        json!({ "record": lead["id"], "would_be": "gone", "fields": fields, "problem": null })
    };
    let id = |at: usize| leads[at]["id"].as_str().expect("an id").to_owned();
    let said = world.ask("acme", "DELETE", &format!("{LEADS}/{}", id(0)), PROBLEM, "").await.json().expect("json");
    let shown = show(&world, said["draft"].as_str().expect("a draft")).await;
    assert_eq!(shown["changes"], json!([row(&leads[0])]), "{shown}");
    // Each of several has a row; of what is not there it is said.
    let target = format!("{LEADS}?ids={},{},1", id(0), id(1));
    let said = world.ask("acme", "DELETE", &target, PROBLEM, "").await.json().expect("json");
    let shown = show(&world, said["draft"].as_str().expect("a draft")).await;
    let missing = json!({
        "record": "1", "would_be": "gone", "fields": [],
        "problem": "not found: the provider has no such record, or shows it to nobody here",
    });
    assert_eq!(shown["changes"], json!([row(&leads[0]), row(&leads[1]), missing]), "{shown}");
    // What is destructive and deletes no record is not told as gone.
    let target = format!("{LEADS}/{}/actions/remove_tags", id(0));
    let said =
        world.ask("acme", "POST", &target, PROBLEM, r#"{"tags":[{"name":"x"}]}"#).await.json().expect("json");
    let shown = show(&world, said["draft"].as_str().expect("a draft")).await;
    let (row, problem) = (&shown["changes"][0], shown["changes"][0]["problem"].as_str().unwrap_or_default());
    assert!(problem.starts_with("not read: `tags.remove` is destructive") && row["would_be"].is_null(), "{shown}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_shows_what_it_would_overwrite_as_far_as_its_fields_tell() {
    let world = drafting(&allowing()).await;
    let lead = world.simulator.records("20071234567", "Leads")[0].clone();
    let data = json!([
        { "Email": lead["Email"], "Company": "Overwritten" },
        { "Email": "nobody@customer.example", "Last_Name": "New" },
        { "Email": "a(b)@customer.example", "Last_Name": "New" },
        { "id": lead["id"], "Company": "By its id" },
    ]);
    let target = format!("{LEADS}/upsert");
    let body = json!({ "data": data, "duplicate_check_fields": ["Email"] }).to_string();
    let said = world.ask("acme", "POST", &target, PROBLEM, &body).await.json().expect("json");
    let shown = show(&world, said["draft"].as_str().expect("a draft")).await;
    let field =
        |name: &str, current: &Value, new: &str| json!({ "field": name, "current": current, "proposed": new });
    let rows = shown["changes"].as_array().expect("rows");
    let found = json!({
        "record": lead["id"], "problem": null,
        "fields": [field("Email", &lead["Email"], lead["Email"].as_str().expect("an address")),
            field("Company", &lead["Company"], "Overwritten")],
        "note": "it has the same value in `Email`, so it would be overwritten",
    });
    assert_eq!(rows[0], found, "{shown:#}");
    assert_eq!((&rows[1]["would_be"], &rows[1]["record"]), (&json!("made"), &Value::Null), "{shown:#}");
    let note = rows[1]["note"].as_str().unwrap_or_default();
    assert!(note.starts_with("the search finds nothing that has the same value in `Email`"), "{shown:#}");
    let problem = rows[2]["problem"].as_str().unwrap_or_default();
    assert!(problem.starts_with("not read: it overwrites the record that has the same value"), "{shown:#}");
    assert_eq!(rows[3]["fields"], json!([field("Company", &lead["Company"], "By its id")]), "{shown:#}");

    let body = json!({ "data": [{ "Email": lead["Email"], "Last_Name": "N" }] }).to_string();
    let said = world.ask("acme", "POST", &target, PROBLEM, &body).await.json().expect("json");
    let shown = show(&world, said["draft"].as_str().expect("a draft")).await;
    let problem = shown["changes"][0]["problem"].as_str().unwrap_or_default();
    assert!(problem.contains("names no fields in `/duplicate_check_fields`"), "{shown:#}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_read_it_says_why() {
    let world = drafting(&allowing()).await;
    let body = r#"{"data":[{"Last_Name":"New","Company":"C"}]}"#;
    let said = world.ask("acme", "POST", LEADS, PROBLEM, body).await.json().expect("json");
    let id = said["draft"].as_str().expect("a draft");
    let shown = show(&world, id).await;
    let note = shown["changes_note"].as_str().expect("a sentence");
    assert!(shown["changes"].is_null() && note.starts_with("not read: the service's definition"), "{shown}");
    approve(&world, id).await.expect("released");
    let shown = show(&world, id).await;
    assert_eq!((&shown["changes"], &shown["changes_note"]), (&Value::Null, &json!("not read: the draft is sent")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_hides_is_shown_neither_as_empty_nor_as_new() {
    let world = judged("", r#"{ answer = "edit", edits = [["remove-json", "/data/*/Email"]] }"#).await;
    let lead = world.simulator.records("20071234567", "Leads")[0].clone();
    let id = lead["id"].as_str().expect("an id");
    let dry = format!("Wardlock-Dry-Run: true\r\n{PROBLEM}");
    let told = world.ask("acme", "DELETE", &format!("{LEADS}/{id}"), &dry, "").await.json().expect("json");
    let row = &told["dry_run"]["changes"][0];
    let fields = row["fields"].as_array().expect("fields");
    assert_eq!((&row["would_be"], &row["problem"]), (&json!("gone"), &Value::Null), "{told}");
    assert!(fields.contains(&json!({ "field": "Email" })), "{told}");
    assert!(fields.contains(&json!({ "field": "Last_Name", "current": lead["Last_Name"] })), "{told}");
    let body = json!({ "data": [{ "id": id, "Email": "new@customer.example" }] }).to_string();
    let told = world.ask("acme", "PUT", LEADS, &dry, &body).await.json().expect("json");
    let fields = json!([{ "field": "Email", "proposed": "new@customer.example" }]);
    assert_eq!(told["dry_run"]["changes"][0]["fields"], fields, "{told}");
    world.end().await;

    let world = judged("", r#"{ answer = "edit", edits = [["remove-json", "/data"]] }"#).await;
    let record = json!({ "Email": lead["Email"], "Last_Name": "N" });
    let body = json!({ "data": [record], "duplicate_check_fields": ["Email"] }).to_string();
    let told = world.ask("acme", "POST", &format!("{LEADS}/upsert"), &dry, &body).await.json().expect("json");
    let row = &told["dry_run"]["changes"][0];
    let problem = "not read: the answer shows no record, and may not show all";
    assert_eq!((&row["problem"], row.get("would_be")), (&json!(problem), None), "{told}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_cannot_be_kept_is_told_as_that() {
    let world = drafting(&allowing()).await;
    let id = world.simulator.records("20071234567", "Leads")[0]["id"].clone();
    let large = ApiAnswer::Raw {
        status: 200,
        content_type: "application/json".to_owned(),
        body: vec![b' '; (4 << 20) + 1],
    };
    let body = json!({ "data": [{ "id": id, "Company": "C" }] }).to_string();
    let said = world.ask("acme", "PUT", LEADS, PROBLEM, &body).await.json().expect("json");
    world.simulator.switches().change(|switches| switches.api_answers.push_back(large));
    let shown = show(&world, said["draft"].as_str().expect("a draft")).await;
    let problem = "not read: the answer is too large to be kept, or broke off";
    assert_eq!(shown["changes"][0]["problem"], problem, "{shown}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upsert_by_more_fields_than_are_searched_by_says_so() {
    let world = drafting(&allowing()).await;
    let by: Vec<String> = (0..11).map(|at| format!("f{at}")).collect();
    let body =
        json!({ "data": vec![json!({ "Email": "a@b.example" }); 12], "duplicate_check_fields": by }).to_string();
    let before = world.api_calls();
    let said = world.ask("acme", "POST", &format!("{LEADS}/upsert"), PROBLEM, &body).await.json().expect("json");
    let shown = show(&world, said["draft"].as_str().expect("a draft")).await;
    let problem = "not read: the request names more than 10 fields in `/duplicate_check_fields`, and no more than 10 are searched by";
    let rows = shown["changes"].as_array().expect("rows");
    assert_eq!((rows.len(), world.api_calls()), (12, before), "{shown}");
    assert!(rows.iter().all(|row| row["problem"] == problem), "{shown}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_is_told_takes_of_no_quota_and_what_an_agent_is_told_does() {
    let takes = r#"{ takes = [{ key = "reads", limit = 1000, window = 31536000 }] }"#;
    let world = judged("\"quota\"", takes).await;
    let used = || {
        let state = rusqlite::Connection::open(world.folder().join("home/state/state.db")).expect("the state");
        state.query_row("SELECT used FROM quotas", [], |row| row.get::<_, u32>(0)).expect("a counter")
    };
    let id = world.simulator.records("20071234567", "Leads")[0]["id"].clone();
    let body = json!({ "data": [{ "id": id, "Company": "C" }] }).to_string();
    let said = world.ask("acme", "PUT", LEADS, PROBLEM, &body).await.json().expect("json");
    let (before, calls) = (used(), world.api_calls());
    let shown = show(&world, said["draft"].as_str().expect("a draft")).await;
    assert_eq!((&shown["changes"][0]["problem"], world.api_calls()), (&Value::Null, calls + 1), "{shown}");
    assert_eq!(used(), before);
    let dry = format!("Wardlock-Dry-Run: true\r\n{PROBLEM}");
    let said = world.ask("acme", "PUT", LEADS, &dry, &body).await.json().expect("json");
    assert_eq!((&said["dry_run"]["changes"][0]["problem"], used()), (&Value::Null, before + 1), "{said}");
    world.end().await;
}
