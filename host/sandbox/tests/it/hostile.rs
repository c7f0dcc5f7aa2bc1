//! Guests that misbehave: each costs its own request at most its limits, and none of them allows anything.

use std::time::{Duration, Instant};

use serde_json::json;
use wardlock_core::plugin::{PluginFault, Verdict};
use wardlock_tests::guests::guest;

use crate::support::{probe, reason, request, request_with_body, sandbox, spec};

async fn fault(settings: serde_json::Value) -> PluginFault {
    probe(settings).await.decide(&request()).await.expect_err("a fault")
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_an_endless_loop_ends_at_its_limit_and_the_next_request_is_unaffected() {
    let mut limited = spec(guest("probe"), json!({ "mode": "loop" }));
    limited.time = Duration::from_millis(100);
    let endless = sandbox().load(limited).await.expect("the probe loads");
    let started = Instant::now();
    let fault = endless.decide(&request()).await.expect_err("a fault");
    assert_eq!(fault, PluginFault::Timeout { limit_ms: 100 });
    assert!(started.elapsed() >= Duration::from_millis(100));
    let answer = probe(json!({ "mode": "allow" })).await.decide(&request()).await.expect("an answer");
    assert_eq!(answer.verdict, Verdict::Allow);
}

#[tokio::test]
async fn p1_an_endless_loop_gives_way_to_its_neighbours_on_one_thread() {
    let mut limited = spec(guest("probe"), json!({ "mode": "loop" }));
    limited.time = Duration::from_secs(2);
    let endless = sandbox().load(limited).await.expect("the probe loads");
    let neighbour = probe(json!({ "mode": "allow" })).await;
    let (seen, mine) = (request(), request());
    let served = async {
        for _ in 0..20 {
            neighbour.decide(&mine).await.expect("an answer");
        }
    };
    tokio::select! {
        biased;
        fault = endless.decide(&seen) => panic!("the loop ended before its neighbours were served: {fault:?}"),
        () = served => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_traps_and_exits_deny() {
    for (mode, kind) in [("trap", "unreachable"), ("exit", "wasi:cli/exit"), ("recursion-bomb", "call stack")] {
        match fault(json!({ "mode": mode })).await {
            PluginFault::Trap { kind: found } => assert!(found.contains(kind), "{mode}: {found}"),
            other => panic!("{mode}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_memory_bomb_ends_at_its_limit() {
    assert_eq!(fault(json!({ "mode": "memory-bomb" })).await, PluginFault::Memory);
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_answers_beyond_the_caps_are_none() {
    for (settings, what) in [
        (json!({ "mode": "huge-message", "size": 3000 }), "message"),
        (json!({ "mode": "huge-message", "size": 6 << 20 }), "too much data"),
        (json!({ "mode": "many-edits", "size": 65 }), "edits"),
        (json!({ "mode": "many-edits", "size": 100_000 }), ""),
        (json!({ "mode": "many-notes", "size": 33 }), "notes"),
        (json!({ "mode": "deny", "code": "Not A Code" }), "code"),
        (json!({ "mode": "deny", "message": "two\nlines" }), "control"),
        (json!({ "mode": "hold", "message": "\u{1b}[2J" }), "control"),
        (json!({ "mode": "deny", "hint": "h".repeat(1025) }), "hint"),
    ] {
        match fault(settings.clone()).await {
            PluginFault::Nonsense { what: found } => assert!(found.contains(what), "{settings}: {found}"),
            other => panic!("{settings}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p7_every_request_finds_a_fresh_instance() {
    let counter = probe(json!({ "mode": "counter" })).await;
    for _ in 0..5 {
        let answer = counter.decide(&request()).await.expect("an answer");
        assert_eq!(answer.notes[0].value, "1");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_body_is_shown_only_with_the_capability() {
    let settings = json!({ "mode": "look-for", "reversed": "txet-yranac" });
    let request = request_with_body(r#"{"data":"canary-text"}"#);
    let seeing = probe(settings.clone()).await;
    assert_eq!(reason(&seeing.decide(&request).await.expect("an answer")).code, "seen");
    let mut blind = spec(guest("probe"), settings);
    blind.granted.clear();
    let blind = sandbox().load(blind).await.expect("the probe loads");
    assert!(blind.capabilities().is_empty());
    assert_eq!(reason(&blind.decide(&request).await.expect("an answer")).code, "unseen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_body_goes_in_and_comes_back() {
    let body = "x".repeat(4 << 20);
    let settings = json!({ "mode": "shape", "edits": [["remove-query", "fields"]] });
    let answer = probe(settings).await.decide(&request_with_body(&body)).await.expect("an answer");
    assert!(matches!(answer.verdict, Verdict::Shape(edits, _) if edits.len() == 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn p6_a_plugin_sees_nothing_of_the_process() {
    // Cargo sets this variable for the test; read backwards, so that the settings do not hold it.
    let reversed: String = env!("CARGO_MANIFEST_DIR").chars().rev().collect();
    assert!(std::env::var("CARGO_MANIFEST_DIR").is_ok(), "cargo runs this test");
    let prober = probe(json!({ "mode": "look-for", "reversed": reversed })).await;
    assert_eq!(reason(&prober.decide(&request()).await.expect("an answer")).code, "unseen");
}
