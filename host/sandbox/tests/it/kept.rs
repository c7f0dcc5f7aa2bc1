//! Plugins of earlier contracts, kept as they were built: every later host runs them.

use std::io::Read as _;

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use wardlock_core::connection::Hooks;
use wardlock_core::plugin::{Effect, PluginRequest, Verdict};
use wardlock_sandbox::Plugin;

use crate::support::{reason, request, request_with_body, sandbox, spec};

async fn kept(packed: &[u8], settings: Value) -> Plugin {
    let mut bytes = Vec::new();
    GzDecoder::new(packed).read_to_end(&mut bytes).expect("unpacked");
    let inspection = sandbox().inspect(bytes.clone()).await.expect("a component");
    assert_eq!(inspection.package_version.as_deref(), Some("0.1.0"));
    let plugin = sandbox().load(spec(&bytes, settings)).await.expect("it loads");
    assert_eq!(plugin.hooks(), Hooks::Request);
    plugin
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_of_the_first_contract_tells_reads_from_writes() {
    let plugin = kept(include_bytes!("../fixtures/v0.1.0/read-only.wasm.gz"), json!({})).await;
    assert_eq!(plugin.decide(&request()).await.expect("an answer").verdict, Verdict::Allow);
    let mut write: PluginRequest = request_with_body("{}");
    write.operation.effect = Effect::Write;
    let denied = plugin.decide(&write).await.expect("an answer");
    assert!(matches!(denied.verdict, Verdict::Deny(_)), "{denied:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn field_mask_of_the_first_contract_takes_its_settings_and_masks() {
    let plugin = kept(include_bytes!("../fixtures/v0.1.0/field-mask.wasm.gz"), json!({ "hide": ["Email"] })).await;
    let answer = plugin.decide(&request()).await.expect("an answer");
    assert!(matches!(answer.verdict, Verdict::Deny(_) | Verdict::Shape(..)), "{answer:?}");
    assert!(reason(&answer).message.contains("Email"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn probe_of_the_first_contract_sees_all_that_it_saw() {
    let plugin = kept(include_bytes!("../fixtures/v0.1.0/probe.wasm.gz"), json!({ "mode": "dump" })).await;
    let seen = plugin.decide(&request_with_body("planted")).await.expect("an answer");
    let seen: String = seen.notes.iter().map(|note| note.value.as_str()).collect();
    for part in ["req_test", "reporter", "20071234567", "records.list", "Email", "/crm/v8/Leads", "body: planted"]
    {
        assert!(seen.contains(part), "{part} is not in {seen}");
    }
}
