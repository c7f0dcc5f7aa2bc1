//! Plugins that judge answers, through the whole product: the request was sent, and the agent gets less, or a refusal.

use wardlock::admin::{AuditFilter, Command};
use wardlock_audit::{AnswerDetail, Row};
use wardlock_simulator::{ApiAnswer, EchoToken};
use wardlock_tests::raw::RawReply;

use crate::world::{Plan, World, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name,Email&per_page=2";
const PROBLEM: &str = "Accept: application/problem+json\r\n";
const BOTH: &str = "\"response-body\", \"quota\"";

/// A table of the guest `judge` under a name of its own.
pub fn judge(name: &str, capabilities: &str, settings: &str) -> String {
    format!(
        "[[connections.zoho.plugins]]\nname = \"{name}\"\nfile = \"judge.wasm\"\nsha256 = \"@guest:judge\"\n\
         capabilities = [{capabilities}]\nsettings = {settings}\nlimits = {{ time = \"500ms\", memory = \"16MiB\" }}\n"
    )
}

fn watched(table: &str) -> String {
    format!("{table}mode = \"monitor\"\n")
}

/// A world whose one connection has these plugins.
pub async fn with(plugins: &str) -> World {
    let file = workspace("acme", "eu", "", plugins);
    World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["judge"], ..Plan::default() }).await
}

/// What the OUTCOME row says of the answer: the request was sent, and it was the second row of two.
#[track_caller]
fn outcome(world: &World, reply: &RawReply, expect: &str) -> AnswerDetail {
    let rows = world.rows(reply);
    let [intent, outcome]: &[Row; 2] = rows.as_slice().try_into().expect("INTENT and OUTCOME");
    assert_eq!((intent.decision.as_deref(), outcome.outcome.as_deref()), (Some("allow"), Some(expect)));
    outcome.detail.answer.clone().expect("an answer's detail")
}

#[track_caller]
fn assert_withheld(world: &World, reply: &RawReply, code: &str, status: u16) -> AnswerDetail {
    let told = reply.json().expect("a refusal");
    assert_eq!((reply.status, told["code"].as_str()), (status, Some(code)), "{told}");
    assert_eq!(told["retryable"], false, "it was sent, so sending it again would do it again");
    assert_eq!(reply.header("wardlock-decision"), Some("allow"));
    let detail = outcome(world, reply, reply.header("wardlock-outcome").expect("an outcome"));
    assert_eq!((detail.withheld.as_deref(), detail.answer_bytes), (Some(code), 0));
    detail
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_takes_away_does_not_reach_the_agent_and_is_recorded_without_values() {
    let edits = r#"[["redact-json", "/data/*/Email"], ["remove-json", "/info"], ["remove-header", "x-none"]]"#;
    let settings = format!("{{ answer = \"edit\", edits = {edits} }}");
    let world = with(&judge("mask", "", &settings)).await;
    let reply = world.get(LEADS).await;
    let body = reply.json().expect("JSON");
    let leads = body["data"].as_array().expect("leads");
    assert!(!leads.is_empty() && body.get("info").is_none(), "{body}");
    assert!(leads.iter().all(|lead| lead["Email"] == "[REDACTED]" && lead["Last_Name"] != "[REDACTED]"), "{body}");
    assert_eq!((reply.status, reply.header("wardlock-answer-edited-by")), (200, Some("mask")));
    let detail = outcome(&world, &reply, "ok");
    let [said] = detail.plugins.as_slice() else { panic!("{detail:?}") };
    assert_eq!((said.verdict.as_str(), said.code.as_deref(), said.enforced), ("edit", Some("less"), true));
    assert_eq!(said.edits, ["redact-json /data/*/Email", "remove-json /info", "remove-header x-none"]);
    assert_eq!(detail.withheld, None);
    assert_eq!(detail.answer_bytes, reply.body.len() as u64, "the length that the agent got");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_plugins_that_took_something_away_are_named() {
    let edit = |name: &str, edits: &str| judge(name, "", &format!("{{ answer = \"edit\", edits = [{edits}] }}"));
    let plugins = [
        edit("absent", r#"["redact-json", "/data/*/Nothing"], ["remove-header", "x-none"]"#),
        edit("nothing", ""),
        edit("mask", r#"["redact-json", "/data/*/Email"]"#),
        // What the one before redacted already.
        edit("again", r#"["redact-json", "/data/*/Email"]"#),
    ];
    let world = with(&plugins.concat()).await;
    let reply = world.get(LEADS).await;
    assert_eq!((reply.status, reply.header("wardlock-answer-edited-by")), (200, Some("mask")));
    let said: Vec<String> = outcome(&world, &reply, "ok").plugins.into_iter().map(|said| said.verdict).collect();
    assert_eq!(said, ["edit"; 4], "what each said is recorded all the same");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_keeps_failing_on_answers_lets_no_request_be_sent() {
    let world = with(&judge("judge", BOTH, r#"{ answer = "trap" }"#)).await;
    for _ in 0..5 {
        let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
        let detail = assert_withheld(&world, &reply, "answer_unjudged", 502);
        let [said] = detail.plugins.as_slice() else { panic!("{detail:?}") };
        assert_eq!(said.code.as_deref(), Some("plugin_trap"));
        assert!(said.sentence.as_deref().is_some_and(|sentence| sentence.contains("trapped")), "{said:?}");
    }
    let sent = world.api_calls();
    let told = world.ask("acme", "GET", LEADS, PROBLEM, "").await.json().expect("a refusal");
    assert_eq!((&told["code"], &told["plugin"]), (&"plugin_tripped".into(), &"judge".into()), "{told}");
    assert_eq!(world.api_calls(), sent, "it was not sent");
    let examined = world.command(Command::Doctor).await.expect("examined");
    let checks = examined["checks"].as_array().expect("checks");
    let failing = checks.iter().find(|check| check["check"] == "failing plugins").expect("it is told");
    let mend = failing["mend"].as_str().expect("how to mend it");
    assert!(mend.contains("--code answer_unjudged") && mend.contains("--code plugin_trap"), "{mend}");
    let filter = AuditFilter { code: Some("answer_unjudged".to_owned()), limit: 100, ..AuditFilter::default() };
    let listed = world.command(Command::AuditList { filter: Box::new(filter) }).await.expect("rows");
    let rows = listed.as_array().expect("rows");
    assert!(rows.len() == 5 && rows.iter().all(|row| row["code"] == "answer_unjudged"), "{listed}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_a_plugin_denies_is_a_refusal_and_its_outcome_says_that_it_was_sent() {
    let world = with(&judge("judge", BOTH, r#"{ answer = "deny" }"#)).await;
    let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
    let detail = assert_withheld(&world, &reply, "answer_denied", 403);
    assert_eq!(detail.upstream_status, Some(200));
    assert_eq!(detail.plugins[0].code.as_deref(), Some("told_to"));
    assert_eq!(world.api_calls(), 1);
    let told = reply.json().expect("a refusal");
    assert!(told["detail"].as_str().is_some_and(|detail| detail.contains("the request was sent")), "{told}");
    assert_eq!((&told["plugin"], &told["plugin_code"]), (&"judge".into(), &"told_to".into()));
    let id = reply.header("wardlock-request-id").expect("an id");
    let told = world.get(&format!("/-/requests/{id}")).await.json().expect("JSON");
    assert_eq!((&told["outcome"], &told["withheld"]), (&"ok".into(), &"answer_denied".into()), "{told}");
    // In the provider's own shape, too, for whoever reads only that.
    let reply = world.get(LEADS).await;
    assert_eq!(reply.json().expect("JSON")["code"], "ANSWER_DENIED");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_plugin_that_fails_on_an_answer_withholds_it_and_the_request_counts_as_sent() {
    for (word, kind) in [
        ("trap", "trap"),
        ("loop", "timeout"),
        ("memory-bomb", "memory"),
        ("nonsense", "nonsense"),
        // Quotas are for requests.
        ("take", "trap"),
    ] {
        let world = with(&judge("judge", BOTH, &format!("{{ answer = \"{word}\" }}"))).await;
        let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
        let detail = assert_withheld(&world, &reply, "answer_unjudged", 502);
        assert_eq!((reply.json().expect("JSON")["plugin_code"].as_str(), world.api_calls()), (Some(kind), 1));
        assert_eq!(detail.plugins[0].verdict, "fault");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_cannot_be_made_withholds_the_answer() {
    let edit = |kind: &str, place: &str| format!("{{ answer = \"edit\", edits = [[\"{kind}\", \"{place}\"]] }}");
    let page = || ApiAnswer::Raw { status: 200, content_type: "text/html".to_owned(), body: b"<p>a@b.c".to_vec() };
    for (settings, answer) in [
        (edit("redact-json", "/data/*/Email"), Some(page())),
        (edit("redact-json", "/data/00/Email"), None),
        (edit("remove-header", "content-type"), None),
        (edit("remove-header", "wardlock-decision"), None),
    ] {
        let world = with(&judge("judge", BOTH, &settings)).await;
        world.simulator.switches().change(|switches| switches.api_answers.extend(answer));
        let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
        let detail = assert_withheld(&world, &reply, "answer_unjudged", 502);
        assert_eq!(detail.plugins[0].code.as_deref(), Some("answer_unjudged"), "{settings}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_is_only_watched_changes_no_byte_of_an_answer_and_is_recorded() {
    let edit = r#"{ answer = "edit", edits = [["remove-json", "/data"]] }"#;
    let tables = [r#"{ answer = "deny" }"#, edit, r#"{ answer = "trap" }"#];
    let tables =
        tables.iter().enumerate().map(|(at, settings)| watched(&judge(&format!("w{at}"), BOTH, settings)));
    let plugins = plugin("read-only", "{}") + &tables.collect::<Vec<_>>().join("\n");
    let world = with(&plugins).await;
    let body = br#"{ "data" : [ {"Email":"a@b.c", "n": 1.50} ],"info":{} }"#.to_vec();
    let content_type = "application/json".to_owned();
    let answer = ApiAnswer::Raw { status: 200, content_type, body: body.clone() };
    world.simulator.switches().change(|switches| switches.api_answers.push_back(answer));
    let reply = world.get(LEADS).await;
    assert_eq!((reply.status, &reply.body), (200, &body));
    assert_eq!(reply.header("wardlock-answer-edited-by"), None);
    let detail = outcome(&world, &reply, "ok");
    let said: Vec<(&str, bool)> =
        detail.plugins.iter().map(|said| (said.verdict.as_str(), said.enforced)).collect();
    assert_eq!(said, [("deny", false), ("edit", false), ("fault", false)]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_each_plugin_sees_an_answer_as_the_one_before_left_it() {
    let first = judge("first", "", r#"{ answer = "edit", edits = [["redact-json", "/data/*/Last_Name"]] }"#);
    let second = judge("second", "\"response-body\"", r#"{ answer = "dump" }"#);
    let world = with(&(first + &second)).await;
    let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
    let told = reply.json().expect("JSON");
    let seen = told["detail"].as_str().expect("a detail");
    assert!(seen.contains("[REDACTED]") && seen.contains("Email"), "{seen}");
    assert_eq!(outcome(&world, &reply, "ok").plugins.len(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_plugin_sees_an_answers_content_only_with_the_capability_and_never_a_secret() {
    for (capability, expected) in [("\"response-body\"", true), ("", false)] {
        let world = with(&judge("judge", capability, r#"{ answer = "dump" }"#)).await;
        world.simulator.switches().change(|switches| switches.echo = EchoToken::Raw);
        let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
        let told = reply.json().expect("JSON");
        let seen = told["detail"].as_str().expect("a detail");
        assert!(seen.contains("redactions: 1") || seen.contains("redactions: 2"), "it was there: {seen}");
        assert_eq!(seen.contains("[REDACTED:zoho]"), expected, "{seen}");
        assert!(seen.contains("records.list") && seen.contains("application/json"), "{seen}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_held_is_refused_for_a_plugin_that_counts_and_flows_past_one_that_is_watched() {
    let events = || ApiAnswer::Raw {
        status: 200,
        content_type: "text/event-stream".to_owned(),
        body: b"data: one\n\n".to_vec(),
    };
    let large = || ApiAnswer::Raw {
        status: 200,
        content_type: "application/json".to_owned(),
        body: vec![b' '; (4 << 20) + 1],
    };
    let world = with(&judge("judge", BOTH, "{}")).await;
    for answer in [events(), large()] {
        world.simulator.switches().change(|switches| switches.api_answers.push_back(answer));
        let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
        let told = reply.json().expect("a refusal");
        assert_eq!((reply.status, told["code"].as_str()), (502, Some("answer_not_held")), "{told}");
        let detail = outcome(&world, &reply, "unknown");
        assert_eq!((detail.attempts, detail.withheld.as_deref()), (1, Some("answer_not_held")));
    }
    assert_eq!(world.get(LEADS).await.status, 200, "what can be held is");
    world.end().await;
    let world =
        with(&(plugin("read-only", "{}") + &watched(&judge("judge", BOTH, r#"{ answer = "deny" }"#)))).await;
    world.simulator.switches().change(|switches| switches.api_answers.push_back(events()));
    let reply = world.get(LEADS).await;
    assert_eq!((reply.status, reply.header("wardlock-outcome")), (200, Some("pending")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_judges_answers_only_allows_no_request() {
    let table = judge("later", "", "{}").replace("judge", "answers-only");
    let file = workspace("acme", "eu", "", &table);
    let guests = vec!["answers-only"];
    let world = World::start(Plan { workspaces: vec![("acme", file)], guests, ..Plan::default() }).await;
    let reply = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
    assert_eq!(reply.json().expect("JSON")["code"], "no_policy");
    assert_eq!(world.api_calls(), 0);
    world.end().await;
}
