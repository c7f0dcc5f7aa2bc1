//! Compiled code that outlives a sandbox.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::json;
use wardlock_core::plugin::Verdict;
use wardlock_sandbox::{CodeCache, SandboxConfig};
use wardlock_tests::guests::guest;

use crate::support::{self, reason, request, spec};

/// Code in memory, and what was asked for.
#[derive(Default)]
struct Kept {
    code: Mutex<BTreeMap<String, Vec<u8>>>,
    stored: Mutex<Vec<String>>,
}

impl Kept {
    fn stored(&self) -> Vec<String> {
        self.stored.lock().expect("a lock").clone()
    }
}

impl CodeCache for Kept {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        self.code.lock().expect("a lock").get(name).cloned()
    }

    fn store(&self, name: &str, bytes: &[u8]) {
        self.code.lock().expect("a lock").insert(name.to_owned(), bytes.to_vec());
        self.stored.lock().expect("a lock").push(name.to_owned());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_compiled_once_for_each_component_and_settings() {
    for snapshots in [true, false] {
        let kept = Arc::new(Kept::default());
        for round in 0..2 {
            let sandbox = support::start(SandboxConfig { snapshots, ..SandboxConfig::default() });
            sandbox.keep_code(Arc::clone(&kept) as Arc<dyn CodeCache>);
            for message in ["one", "two"] {
                let settings = json!({ "mode": "deny", "message": message });
                let plugin = sandbox.load(spec(guest("probe"), settings)).await.expect("the probe loads");
                assert_eq!(plugin.snapshot().is_ok(), snapshots);
                let answer = plugin.decide(&request()).await.expect("an answer");
                assert_eq!(reason(&answer).message, message, "round {round}");
            }
            // A snapshot holds its settings; code without one serves any.
            assert_eq!(kept.stored().len(), if snapshots { 2 } else { 1 }, "round {round}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_cannot_be_read_is_made_again() {
    let kept = Arc::new(Kept::default());
    let settings = json!({ "mode": "allow" });
    for round in 1..=2 {
        let sandbox = support::start(SandboxConfig::default());
        sandbox.keep_code(Arc::clone(&kept) as Arc<dyn CodeCache>);
        let plugin = sandbox.load(spec(guest("probe"), settings.clone())).await.expect("the probe loads");
        assert_eq!(plugin.decide(&request()).await.expect("an answer").verdict, Verdict::Allow);
        assert_eq!(kept.stored().len(), round);
        kept.code.lock().expect("a lock").values_mut().for_each(|bytes| bytes.truncate(3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_are_not_taken_are_told_alike_with_and_without_a_snapshot() {
    let mut told = Vec::new();
    for snapshots in [true, false] {
        let sandbox = support::start(SandboxConfig { snapshots, ..SandboxConfig::default() });
        sandbox.load(spec(guest("probe"), json!({ "mode": "allow" }))).await.expect("the probe loads");
        let wrong = spec(guest("probe"), json!({ "mode": 7 }));
        told.push(sandbox.load(wrong).await.expect_err("it does not load"));
    }
    assert_eq!(told[0], told[1]);
}
