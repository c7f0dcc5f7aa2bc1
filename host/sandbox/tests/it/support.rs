//! A sandbox, the probe guest and a request, for the tests.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::Runtime;
use wardlock_core::canonical::{Header, Parameter};
use wardlock_core::id::{Digest, PluginName};
use wardlock_core::plugin::{
    Answer, Attribute, Caller, Effect, Field, FieldUse, OperationView, Payload, PluginRequest, Reason, Verdict,
};
use wardlock_sandbox::{LoadError, LoadSpec, Plugin, Sandbox, SandboxConfig};
use wardlock_tests::guests::guest;

/// The sandbox that tests share, as plugins of a host do.
pub fn sandbox() -> &'static Sandbox {
    static SANDBOX: OnceLock<Sandbox> = OnceLock::new();
    SANDBOX.get_or_init(|| start(SandboxConfig::default()))
}

/// Starts a sandbox where this program's tests run guests, in a runtime that outlives each test's own.
pub fn start(mut config: SandboxConfig) -> Sandbox {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    config.runs = crate::runs();
    // A thread of its own, because the caller's is another runtime's.
    let starting = std::thread::spawn(|| {
        let runtime = RUNTIME.get_or_init(|| Runtime::new().expect("a runtime"));
        runtime.block_on(Sandbox::start(config)).expect("a sandbox")
    });
    starting.join().expect("it starts")
}

/// What to load, with generous limits and every capability.
pub fn spec(bytes: &[u8], settings: Value) -> LoadSpec {
    LoadSpec {
        name: PluginName::parse("tested").expect("a name"),
        bytes: bytes.to_vec(),
        expected_digest: Some(Digest::of(bytes)),
        settings,
        granted: BTreeSet::from(["body".to_owned(), "shape".to_owned()]),
        files: None,
        time: Duration::from_secs(5),
        memory_bytes: 16 << 20,
    }
}

/// Loads a guest of `tests/guests`.
pub async fn load(name: &str, settings: Value) -> Result<Plugin, LoadError> {
    sandbox().load(spec(guest(name), settings)).await
}

/// Loads the probe.
pub async fn probe(settings: Value) -> Plugin {
    load("probe", settings).await.expect("the probe loads")
}

/// A read of leads by `reporter` in `acme`.
pub fn request() -> PluginRequest {
    PluginRequest {
        id: "req_test".to_owned(),
        now_ms: 1_767_614_400_123,
        caller: Caller {
            workspace: "acme".to_owned(),
            connection: "zoho".to_owned(),
            agent: "reporter".to_owned(),
            region: "eu".to_owned(),
            tenant: Some("20071234567".to_owned()),
        },
        operation: OperationView {
            service: "zoho-crm".to_owned(),
            name: "records.list".to_owned(),
            effect: Effect::Read,
            resources: vec!["Leads".to_owned()],
            fields: Some(vec![Field { of: "Leads".to_owned(), name: "Email".to_owned(), how: FieldUse::Read }]),
            breadth: Some(200),
            attributes: vec![Attribute { name: "a".to_owned(), value: "b".to_owned() }],
        },
        method: "GET",
        path: "/crm/v8/Leads".to_owned(),
        query: vec![Parameter { name: "fields".to_owned(), value: "Email".to_owned() }],
        headers: vec![Header { name: "accept".to_owned(), value: b"application/json".to_vec() }],
        body: None,
        purpose: None,
        dry_run: false,
        approved_by: None,
        attributes: Vec::new(),
    }
}

/// The same with a body.
pub fn request_with_body(body: &str) -> PluginRequest {
    let payload = Payload {
        length: body.len() as u64,
        content_type: Some("application/json".to_owned()),
        sha256: Digest::of(body.as_bytes()),
        content: body.as_bytes().to_vec(),
    };
    PluginRequest { method: "POST", body: Some(payload), ..request() }
}

/// The reason of an answer that has one.
#[track_caller]
pub fn reason(answer: &Answer) -> &Reason {
    match &answer.verdict {
        Verdict::Deny(reason) | Verdict::Hold(reason) | Verdict::Shape(_, reason) => reason,
        Verdict::Allow => panic!("an allow has no reason"),
    }
}
