//! Guests that no compiler would make: each costs its own request its limits, and the next request is unaffected.

use std::time::{Duration, Instant};

use serde_json::json;
use wardlock_core::plugin::{PluginFault, Verdict};
use wardlock_sandbox::LoadError;
use wardlock_tests::guests::guest;

use crate::support::{load, request, sandbox, spec};

/// The time limit of these guests.
const TIME: Duration = Duration::from_millis(150);

/// Loads a guest that behaves while it is loaded, asks it twice, and an honest neighbour after it.
async fn fault(name: &str) -> PluginFault {
    let mut limited = spec(guest(name), json!({}));
    limited.time = TIME;
    let plugin = sandbox().load(limited).await.unwrap_or_else(|error| panic!("{name} does not load: {error}"));
    let first = plugin.decide(&request()).await;
    let again = plugin.decide(&request()).await;
    assert_eq!(first, again, "{name}");
    let neighbour = load("allows", json!({})).await.expect("it loads");
    assert_eq!(neighbour.decide(&request()).await.expect(name).verdict, Verdict::Allow, "after {name}");
    first.expect_err(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_written_guest_without_an_attack_allows() {
    let plugin = load("allows", json!({})).await.expect("it loads");
    let answer = plugin.decide(&request()).await.expect("an answer");
    assert_eq!((answer.verdict, answer.notes.len()), (Verdict::Allow, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_an_endless_loop_ends_wherever_it_runs() {
    for name in ["loop-in-request", "loop-after-answer", "loop-of-fills", "loop-of-copies", "loop-of-table-fills"]
    {
        let started = Instant::now();
        assert_eq!(fault(name).await, PluginFault::Timeout { limit_ms: 150 }, "{name}");
        // Two decisions; the wall clock allows ten times the limit on a machine that is busy with others.
        assert!(started.elapsed() < TIME * 25, "{name} took {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p1_an_endless_loop_while_it_is_loaded_ends_and_does_not_load() {
    for name in ["loop-in-start", "loop-in-settings", "loop-in-realloc", "loop-while-described"] {
        let started = Instant::now();
        let error = load(name, json!({ "a": 1 })).await.expect_err(name);
        assert!(matches!(error, LoadError::Fault { fault: PluginFault::Timeout { .. }, .. }), "{name}: {error}");
        assert!(started.elapsed() < Duration::from_secs(20), "{name} took {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_memory_and_tables_end_at_their_limits() {
    for name in ["memory-grows", "memory-grows-at-once", "table-grows"] {
        assert_eq!(fault(name).await, PluginFault::Memory, "{name}");
    }
    match fault("recurses").await {
        PluginFault::Trap { kind } => assert!(kind.contains("call stack"), "{kind}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_component_beyond_the_limits_does_not_load() {
    for (name, what) in [
        ("memory-beyond-all", "memory"),
        ("many-memories", "memor"),
        ("many-tables", "table"),
        ("many-instances", "instance"),
        ("large-table", "table"),
    ] {
        let error = load(name, json!({})).await.expect_err(name);
        assert!(error.to_string().contains(what), "{name}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p3_much_from_little_and_lists_without_end_are_no_answers() {
    for name in ["much-from-little", "many-empty-notes", "list-beyond-memory"] {
        let fault = fault(name).await;
        assert!(matches!(fault, PluginFault::Nonsense { .. } | PluginFault::Trap { .. }), "{name}: {fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_trap_is_one_wherever_it_comes_from() {
    for (name, expected) in [
        ("unreachable", "unreachable"),
        ("divides-by-zero", "divide by zero"),
        ("reads-beyond-memory", "out of bounds memory access"),
        ("calls-an-empty-place", "uninitialized element"),
    ] {
        match fault(name).await {
            PluginFault::Trap { kind } => assert!(kind.contains(expected), "{name}: {kind}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_bytes_that_are_no_answer_are_not_taken_for_one() {
    for name in [
        "string-beyond-memory",
        "string-around-memory",
        "answer-misaligned",
        "answer-beyond-memory",
        "list-misaligned",
        "list-around-memory",
        "code-not-utf8",
        "message-half-of-a-pair",
        "message-cut-off",
        "note-not-utf8",
        "verdict-of-no-kind",
        "verdict-of-the-last-kind",
        "hint-neither-there-nor-not",
        "edit-of-no-kind",
    ] {
        let fault = fault(name).await;
        assert!(matches!(fault, PluginFault::Nonsense { .. }), "{name}: {fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_p4_start_code_that_takes_too_much_or_traps_does_not_load() {
    for (name, expected) in [("memory-grows-in-start", "memory limit"), ("unreachable-in-start", "unreachable")] {
        match load(name, json!({})).await.expect_err(name) {
            LoadError::Fault { fault, .. } => assert!(fault.to_string().contains(expected), "{name}: {fault}"),
            other => panic!("{name}: {other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_nonsense_while_it_is_loaded_does_not_load() {
    for name in ["settings-neither-taken-nor-refused", "name-not-utf8", "calls-out-of-realloc"] {
        let error = load(name, json!({ "a": 1 })).await.expect_err(name);
        assert!(matches!(error, LoadError::Fault { .. }), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_an_interface_gives_no_more_than_is_linked() {
    let error = load("asks-more-of-a-clock", json!({})).await.expect_err("it does not load");
    assert!(matches!(&error, LoadError::Contract { what } if what.contains("set")), "{error:?}");
}
