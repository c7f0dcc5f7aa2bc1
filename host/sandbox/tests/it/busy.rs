//! How many decisions run at once, and what the others are told.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use wardlock_core::plugin::{PluginFault, Verdict};
use wardlock_sandbox::{Sandbox, SandboxConfig};
use wardlock_tests::guests::guest;

use crate::support::{self, request, spec};

fn small(config: SandboxConfig) -> Sandbox {
    support::start(config)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn decisions_beyond_the_bound_are_refused_and_places_come_back() {
    let sandbox = small(SandboxConfig {
        max_concurrent: 2,
        max_per_plugin: 2,
        max_waiting: 1,
        max_wait: Duration::from_millis(20),
        ..SandboxConfig::default()
    });
    let mut endless = spec(guest("probe"), json!({ "mode": "loop" }));
    endless.time = Duration::from_millis(300);
    let endless = Arc::new(sandbox.load(endless).await.expect("the probe loads"));
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let endless = Arc::clone(&endless);
            tokio::spawn(async move { endless.decide(&request()).await })
        })
        .collect();
    let (mut busy, mut late) = (0, 0);
    for answer in asked {
        match answer.await.expect("a task") {
            Err(PluginFault::Busy) => busy += 1,
            Err(PluginFault::Timeout { .. }) => late += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((late, busy), (2, 6));
    let fine = sandbox.load(spec(guest("probe"), json!({ "mode": "allow" }))).await.expect("the probe loads");
    assert_eq!(fine.decide(&request()).await.expect("an answer").verdict, Verdict::Allow);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_plugin_cannot_take_every_place() {
    let sandbox = small(SandboxConfig {
        max_concurrent: 4,
        max_per_plugin: 2,
        max_wait: Duration::from_secs(2),
        ..SandboxConfig::default()
    });
    let mut endless = spec(guest("probe"), json!({ "mode": "loop" }));
    endless.time = Duration::from_secs(1);
    let endless = Arc::new(sandbox.load(endless).await.expect("the probe loads"));
    let fine = sandbox.load(spec(guest("probe"), json!({ "mode": "allow" }))).await.expect("the probe loads");
    let flood: Vec<_> = (0..10)
        .map(|_| {
            let endless = Arc::clone(&endless);
            tokio::spawn(async move { endless.decide(&request()).await })
        })
        .collect();
    tokio::task::yield_now().await;
    for _ in 0..10 {
        assert_eq!(fine.decide(&request()).await.expect("an answer").verdict, Verdict::Allow);
    }
    assert!(flood.iter().any(|task| !task.is_finished()), "the flood was over before its neighbour was served");
    flood.iter().for_each(tokio::task::JoinHandle::abort);
}
