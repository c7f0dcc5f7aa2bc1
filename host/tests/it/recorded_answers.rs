//! The recorder, where plugins judge answers: what they saw of them is kept, and asked again.

use serde_json::{Value, json};
use wardlock::admin::Command;
use wardlock_simulator::ApiAnswer;

use crate::answers::judge;
use crate::recorder::{LEADS, change, id, opened, recording, replay, shown};
use crate::world::{World, plugin};

const RECORDER: &str = "\n[recorder]\nanswers = true\n";
const EDIT: &str = r#"{ answer = "edit", edits = [["redact-json", "/data/*/Email"], ["remove-json", "/info"]] }"#;

/// `read-only`, and `judge` with these settings and the capability to see answers.
fn chain(settings: &str) -> String {
    plugin("read-only", "{}") + &judge("mask", "\"response-body\"", settings)
}

async fn replay_one(world: &World, request_id: &str) -> Value {
    let command = Command::AuditReplay { workspace: None, request_id: Some(request_id.to_owned()), limit: 1 };
    world.command(command).await.expect("a replay")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_plugins_were_asked_of_an_answer_is_asked_again_and_of_what_stands_there_now() {
    let world = recording(&chain(EDIT), RECORDER).await;
    let reply = world.get(LEADS).await;
    assert_eq!(reply.status, 200);
    let request = id(&reply);
    let told = replay(&world).await;
    assert_eq!(
        (&told["requests"], &told["decisions"], &told["same"]),
        (&1.into(), &3.into(), &3.into()),
        "{told}"
    );

    // As it was before the plugin took something away: what it judged, and not what the agent got.
    let record: Value = serde_json::from_str(&opened(&world, &request)).expect("JSON");
    let answer = &record["answers"][0];
    assert_eq!(
        (&answer["status"], &answer["outcome"], &record["version"]),
        (&200.into(), &"ok".into(), &2.into())
    );
    assert_eq!(answer["body"]["content"].as_str().map(|text| text.starts_with("eyJkYXRhIjpb")), Some(true));
    assert_eq!(
        (&record["asked"][2]["input"], &record["asked"][2]["word"]["said"]["verdict"]),
        (&1.into(), &"edit".into())
    );

    change(&world, &chain(r#"{ answer = "deny" }"#), RECORDER).await;
    let told = replay_one(&world, &request).await;
    assert_eq!(
        (&told["ok"], &told["same"], &told["otherwise_now"]),
        (&true.into(), &3.into(), &1.into()),
        "{told}"
    );
    let rows = told["rows"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["asked_of"] == "answer").expect("the answer's");
    assert_eq!((&row["recorded"], &row["now"]["changed"]), (&"edit less".into(), &json!(["settings"])), "{row}");
    assert!(row["now"]["says"].as_str().is_some_and(|says| says.starts_with("deny ")), "{row}");
    // With the plugin's name alone it is the request that becomes a case.
    let case = shown(&world, &["plugin", "case", &request, "--plugin", "mask"]).await.ok().expect("a case");
    assert!(case.stdout.contains("verdict = \"allow\""), "{case:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_withheld_is_recorded_all_the_same() {
    let world = recording(&chain(r#"{ answer = "deny" }"#), RECORDER).await;
    let denied = world.ask("acme", "GET", LEADS, "Accept: application/problem+json\r\n", "").await;
    assert_eq!(denied.json().expect("a refusal")["code"], "answer_denied");
    assert_eq!(replay_one(&world, &id(&denied)).await["same"], 3);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_too_large_for_a_record_leaves_its_bytes_out_and_says_so() {
    let world = recording(&chain("{}"), RECORDER).await;
    let body = format!("{{\"data\":[{{\"Email\":\"{}\"}}]}}", "x".repeat(900 << 10));
    let answer =
        ApiAnswer::Raw { status: 200, content_type: "application/json".to_owned(), body: body.into_bytes() };
    world.simulator.switches().change(|switches| switches.api_answers.push_back(answer));
    let reply = world.get(LEADS).await;
    assert_eq!(reply.status, 200);
    let told = replay_one(&world, &id(&reply)).await;
    assert_eq!(
        (&told["same"], &told["not_replayed"], &told["ok"]),
        (&2.into(), &1.into(), &true.into()),
        "{told}"
    );
    let row = &told["rows"][0];
    assert!(row["why"].as_str().is_some_and(|why| why.contains("too large to be recorded")), "{row}");
    world.end().await;
}
