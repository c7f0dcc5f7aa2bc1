//! The rest of the contract's hooks: answers, and what is taken of quotas.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use wardlock_core::answer::Outcome;
use wardlock_core::canonical::Header;
use wardlock_core::connection::Hooks;
use wardlock_core::id::{Digest, PluginName};
use wardlock_core::plugin::quota::{QuotaFault, Taken, Window};
use wardlock_core::plugin::{
    Answer, Payload, PluginFault, PluginRequest, PluginResponse, ResponseAnswer, ResponseEdit, ResponseVerdict,
    Verdict,
};
use wardlock_sandbox::{LoadSpec, Plugin, Quotas, TakeAnswer};
use wardlock_tests::guests::guest;

use crate::support::{request, sandbox, spec};

/// Counts for ever, by key.
#[derive(Default)]
pub struct Counted(Mutex<BTreeMap<String, u32>>);

impl Quotas for Counted {
    fn take<'a>(&'a self, plugin: &'a PluginName, key: &'a str, limit: u32, seconds: u32) -> TakeAnswer<'a> {
        Box::pin(async move {
            // As a host that has something to wait for.
            tokio::time::sleep(Duration::from_millis(30)).await;
            if key == "broken" {
                return Err(QuotaFault::Unavailable { what: "the disk".to_owned() });
            }
            let mut counters = self.0.lock().expect("a lock");
            let used = counters.entry(format!("{plugin} {key}")).or_default();
            let taken = Taken::of(limit, *used, Window::at(1_000, seconds));
            *used += u32::from(taken.granted);
            Ok(taken)
        })
    }
}

async fn judge(capabilities: &[&str], settings: Value) -> Plugin {
    let granted: BTreeSet<String> = capabilities.iter().map(|&name| name.to_owned()).collect();
    let spec = LoadSpec { granted, time: Duration::from_millis(200), ..spec(guest("judge"), settings) };
    sandbox().load(spec).await.expect("it loads")
}

/// An answer with this body, of which three secrets were cut.
pub fn response(body: &str) -> PluginResponse {
    let request = request();
    PluginResponse {
        id: request.id,
        now_ms: request.now_ms,
        caller: request.caller,
        operation: request.operation,
        method: "GET",
        path: request.path,
        status: 200,
        outcome: Outcome::Partial,
        provider_code: Some("LIMIT".to_owned()),
        headers: vec![Header { name: "etag".to_owned(), value: b"1".to_vec() }],
        body: Some(Payload {
            length: body.len() as u64,
            content_type: Some("application/json".to_owned()),
            sha256: Digest::of(body.as_bytes()),
            content: body.as_bytes().to_vec(),
        }),
        redactions: 3,
        purpose: Some("a report".to_owned()),
        attributes: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_found_on_the_component() {
    for (name, settings, hooks) in [
        ("judge", json!({}), Hooks::Both),
        ("answers-only", json!({}), Hooks::Response),
        ("probe", json!({ "mode": "allow" }), Hooks::Request),
    ] {
        let plugin = sandbox().load(spec(guest(name), settings)).await.expect("it loads");
        assert_eq!(plugin.hooks(), hooks, "{name}");
    }
    let plugin = sandbox().load(spec(guest("answers-only"), json!({}))).await.expect("it loads");
    let no_hook = plugin.decide(&request()).await.expect_err("it judges no requests");
    assert!(matches!(no_hook, PluginFault::Engine { .. }), "{no_hook}");
    let said = plugin.judge_answer(&response("{}")).await.expect("it judges answers");
    assert!(
        matches!(said.verdict, ResponseVerdict::Edit(edits, _) if edits == [ResponseEdit::RemoveHeader("etag".to_owned())])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_sees_all_of_an_answer_and_its_content_only_with_the_capability() {
    for (capabilities, sees) in [(&["response-body"][..], true), (&["body", "quota"][..], false)] {
        let plugin = judge(capabilities, json!({ "answer": "dump" })).await;
        assert_eq!(plugin.sees_answers(), sees);
        let said = plugin.judge_answer(&response(r#"{"planted":1}"#)).await.expect("it judges");
        let ResponseAnswer { verdict: ResponseVerdict::Deny(reason), notes } = said else { panic!("{said:?}") };
        let seen: String = notes.iter().map(|note| note.value.as_str()).collect();
        assert!(seen.starts_with(&reason.message), "{reason:?}");
        for part in
            ["req_test", "acme", "records.list", "200", "partial", "LIMIT", "etag", "redactions: 3", "a report"]
        {
            assert!(seen.to_lowercase().contains(&part.to_lowercase()), "{part} is not in {seen}");
        }
        assert_eq!(seen.contains("planted"), sees, "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_whatever_goes_wrong_on_an_answer_is_a_fault() {
    for (word, kind) in [
        ("trap", "trap"),
        ("loop", "timeout"),
        ("memory-bomb", "memory"),
        ("nonsense", "nonsense"),
        ("take", "trap"),
    ] {
        let plugin = judge(&["response-body", "quota"], json!({ "answer": word })).await;
        let fault = plugin.judge_answer(&response("{}")).await.expect_err("a fault");
        assert_eq!(fault.kind(), kind, "{word}: {fault}");
    }
    let plugin = judge(&["quota"], json!({ "answer": "take" })).await;
    let fault = plugin.judge_answer(&response("{}")).await.expect_err("a fault");
    assert!(fault.to_string().contains("outside `on-request`"), "{fault}");
}

async fn take(plugin: &Plugin, quotas: &Arc<dyn Quotas>) -> Result<String, PluginFault> {
    let Answer { verdict, notes } = plugin.decide_counted(&request(), quotas).await?;
    let notes: Vec<String> = notes.into_iter().map(|note| note.value).collect();
    let word = if matches!(verdict, Verdict::Allow) { "allow" } else { "deny" };
    Ok(format!("{word} {}", notes.join(", ")))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_is_counted_by_the_host_and_waiting_for_it_is_no_time_of_the_plugins() {
    let quotas: Arc<dyn Quotas> = Arc::new(Counted::default());
    let takes = json!([{ "key": "a", "limit": 5, "window": 60 }, { "key": "b", "limit": 9, "window": 60 }]);
    // Sixteen waits of 30 ms would be twice its time.
    let many: Vec<Value> = (0..16).map(|_| json!({ "key": "c", "limit": 99, "window": 60 })).collect();
    let patient = judge(&["quota"], json!({ "takes": many })).await;
    assert!(take(&patient, &quotas).await.expect("it is in time").starts_with("allow true 98 60000"));
    let plugin = judge(&["quota"], json!({ "takes": takes })).await;
    for left in (0..5).rev() {
        let expected = format!("allow true {left} 60000, true {} 60000", left + 4);
        assert_eq!(take(&plugin, &quotas).await, Ok(expected));
    }
    assert_eq!(take(&plugin, &quotas).await, Ok("deny false 0 60000".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_take_that_may_not_be_ends_the_plugin_in_plain_words() {
    let quotas: Arc<dyn Quotas> = Arc::new(Counted::default());
    let of = |key: &str, window: u32| json!({ "key": key, "limit": 99, "window": window });
    let many = vec![of("a", 60); 17];
    for (capabilities, takes, expected) in [
        (&[][..], vec![of("a", 60)], "the plugin trapped: `quota.take` is called without the capability `quota`"),
        (&["quota"], many, "the plugin trapped: `quota.take` is called more than 16 times in one decision"),
        (
            &["quota"],
            vec![of("", 60)],
            "the plugin trapped: `quota.take` has a key that is not 1 to 128 bytes of plain text",
        ),
        (
            &["quota"],
            vec![of("a", 0)],
            "the plugin trapped: `quota.take` has a window that is not 1 s to 366 days long",
        ),
        (&["quota"], vec![of("broken", 60)], "the plugin engine failed: the host cannot count quotas: the disk"),
    ] {
        let plugin = judge(capabilities, json!({ "takes": takes })).await;
        let fault = take(&plugin, &quotas).await.expect_err("a fault");
        assert_eq!(fault.to_string(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_keeps_failing_is_not_run_and_its_neighbour_is() {
    let plugin = judge(&[], json!({ "request": "trap" })).await;
    let neighbour = judge(&[], json!({ "request": "trap" })).await;
    for _ in 0..5 {
        assert!(!plugin.is_tripped());
        assert_eq!(plugin.decide(&request()).await.expect_err("it traps").kind(), "trap");
    }
    assert!(plugin.is_tripped());
    let tripped = plugin.decide(&request()).await.expect_err("it is not run");
    assert_eq!(tripped, PluginFault::Tripped { retry_after_seconds: 1 });
    plugin.judge_answer(&response("{}")).await.expect("what was sent before is judged: that hook has no faults");
    assert_eq!(neighbour.decide(&request()).await.expect_err("it traps").kind(), "trap");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_plugin_loaded_anew_goes_on_failing_and_a_changed_one_starts_afresh() {
    let plugin = judge(&[], json!({ "request": "trap" })).await;
    for _ in 0..5 {
        plugin.decide(&request()).await.expect_err("it traps");
    }
    let same = judge(&[], json!({ "request": "trap" })).await.in_place_of(&plugin);
    assert!(same.is_tripped());
    assert_eq!(same.decide(&request()).await.expect_err("it is not run").kind(), "tripped");
    let settings = judge(&[], json!({ "request": "trap", "answer": "pass" })).await.in_place_of(&plugin);
    let capabilities = judge(&["quota"], json!({ "request": "trap" })).await.in_place_of(&plugin);
    let granted = BTreeSet::new();
    let spec = LoadSpec {
        granted,
        time: Duration::from_millis(201),
        ..spec(guest("judge"), json!({ "request": "trap" }))
    };
    let time = sandbox().load(spec).await.expect("it loads").in_place_of(&plugin);
    for changed in [settings, capabilities, time] {
        assert!(!changed.is_tripped(), "{changed:?}");
        assert_eq!(changed.decide(&request()).await.expect_err("it is run").kind(), "trap");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_judged_well_do_not_make_up_for_answers_that_are_not() {
    let plugin = judge(&[], json!({ "answer": "trap" })).await;
    for _ in 0..5 {
        plugin.decide(&request()).await.expect("it allows");
        assert_eq!(plugin.judge_answer(&response("{}")).await.expect_err("it traps").kind(), "trap");
    }
    assert!(plugin.is_tripped());
    plugin.decide(&request()).await.expect("it allows");
    assert_eq!(plugin.judge_answer(&response("{}")).await.expect_err("it is not run").kind(), "tripped");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_sends_nothing_stops_nobody_and_is_not_stopped() {
    let plugin = judge(&[], json!({ "request": "trap" })).await;
    let dry_run = PluginRequest { dry_run: true, ..request() };
    for _ in 0..10 {
        assert_eq!(plugin.decide(&dry_run).await.expect_err("it traps").kind(), "trap");
    }
    assert!(!plugin.is_tripped());
    for _ in 0..5 {
        assert_eq!(plugin.decide(&request()).await.expect_err("it traps").kind(), "trap");
    }
    assert_eq!(plugin.decide(&request()).await.expect_err("it is not run").kind(), "tripped");
    assert_eq!(plugin.decide(&dry_run).await.expect_err("it is run, and traps").kind(), "trap");
}
