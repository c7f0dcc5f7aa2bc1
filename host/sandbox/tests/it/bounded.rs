//! What hostile guests cost the process that runs them, in a process of its own.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use wardlock_core::plugin::PluginFault;
use wardlock_tests::guests::guest;

use crate::support::{request, sandbox, spec};

/// Set for the process that is measured.
const ALONE: &str = "WARDLOCK_TEST_ALONE";
/// The guests that take most: memory page by page and at once, tables, giant answers.
const GUESTS: [&str; 6] = [
    "memory-grows",
    "memory-grows-at-once",
    "table-grows",
    "loop-of-fills",
    "much-from-little",
    "many-empty-notes",
];
/// Rounds of them, eight at once: with a leak each would add to the one before.
const ROUNDS: usize = 12;
/// How much the rounds after the first may add, KiB: the eighth part of what they would hold if nothing came back.
const SLACK_KIB: u64 = 8 * 16 * 1024;

#[tokio::test(flavor = "multi_thread")]
async fn p2_what_hostile_guests_cost_stays_within_a_bound() {
    if std::env::var_os(ALONE).is_none() {
        let name = "bounded::p2_what_hostile_guests_cost_stays_within_a_bound";
        let this = std::env::current_exe().expect("this program");
        let status = Command::new(this).args(["--exact", name, "--nocapture"]).env(ALONE, "1").status();
        assert!(status.expect("it runs").success());
        return;
    }
    for guest in GUESTS {
        attack(guest).await;
    }
    let first = peak_kib();
    for _ in 1..ROUNDS {
        for guest in GUESTS {
            attack(guest).await;
        }
    }
    let last = peak_kib();
    println!("hostile guests: at most {first} KiB after one round, {last} KiB after {ROUNDS}");
    assert!(last - first < SLACK_KIB, "{first} KiB grew to {last} KiB");
}

/// Asks one guest eight times at once.
async fn attack(name: &'static str) {
    let mut limited = spec(guest(name), json!({}));
    limited.time = Duration::from_millis(50);
    let plugin = std::sync::Arc::new(sandbox().load(limited).await.expect(name));
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let plugin = std::sync::Arc::clone(&plugin);
            tokio::spawn(async move { plugin.decide(&request()).await })
        })
        .collect();
    for answer in asked {
        let fault = answer.await.expect("a task").expect_err(name);
        assert!(!matches!(fault, PluginFault::Engine { .. }), "{name}: {fault}");
    }
}

/// The most memory that this process ever had in use, KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
