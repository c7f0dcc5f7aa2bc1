//! What does not load, and what it says.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wardlock_core::id::Digest;
use wardlock_core::plugin::PluginFault;
use wardlock_plugins::starter;
use wardlock_sandbox::{LoadError, LoadSpec, SandboxConfig};
use wardlock_tests::guests::guest;

use crate::support::{self, load, sandbox, spec};

async fn refused(spec: LoadSpec) -> LoadError {
    sandbox().load(spec).await.expect_err("it does not load")
}

async fn refused_text(text: &str) -> LoadError {
    let bytes = wat::parse_str(text).expect("a component as text");
    refused(spec(&bytes, json!({}))).await
}

fn starter_bytes(name: &str) -> &'static [u8] {
    starter(name).expect("a starter").bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn p10_another_file_than_the_pinned_one_does_not_load() {
    let bytes = starter_bytes("read-only");
    let mut other = spec(bytes, json!({}));
    other.expected_digest = Some(Digest::of(b"another file"));
    let mut unpinned = spec(bytes, json!({}));
    unpinned.expected_digest = None;
    for spec in [other, unpinned] {
        let error = refused(spec).await;
        assert!(matches!(error, LoadError::WrongDigest { .. } | LoadError::Unpinned { .. }), "{error}");
        let line = format!("sha256 = \"{}\"", Digest::of(bytes));
        assert!(error.hint().contains(&line), "{}", error.hint());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_components_load() {
    let engine = wasmtime::Engine::default();
    let text = wat::parse_str("(component)").expect("a component as text");
    let precompiled = engine.precompile_component(&text).expect("compiled code");
    assert_eq!(refused(spec(&precompiled, json!({}))).await, LoadError::Precompiled);
    for bytes in
        [b"".as_slice(), b"(component)", b"\0asm\x01\0\0\0", b"\x7fELF", &starter_bytes("read-only")[..999]]
    {
        let error = refused(spec(bytes, json!({}))).await;
        assert!(matches!(error, LoadError::Invalid { .. }), "{error}");
    }
    let core = refused(spec(b"\0asm\x01\0\0\0", json!({}))).await;
    assert!(core.to_string().contains("a core module, not a component"), "{core}");
    let large = vec![0; (32 << 20) + 1];
    assert!(matches!(refused(spec(&large, json!({}))).await, LoadError::TooLarge { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_a_component_that_is_slow_to_compile_does_not_load_and_others_do() {
    // Functions by the thousand: seconds of work where an honest plugin takes a tenth of one.
    let function = "(func (param i32) (result i32) ".to_owned()
        + &"(local.set 0 (i32.mul (local.get 0) (i32.add (local.get 0) (i32.const 77))))".repeat(100)
        + "(local.get 0))";
    let text = format!("(component (core module {}))", function.repeat(4000));
    let bomb = wat::parse_str(text).expect("a component as text");
    let limit = Duration::from_millis(300);
    let config = SandboxConfig { max_compile: limit, ..SandboxConfig::default() };
    let impatient = support::start(config);
    let started = Instant::now();
    let error = impatient.load(spec(&bomb, json!({}))).await.expect_err("it does not load");
    assert_eq!(error, LoadError::SlowToCompile { limit });
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(load("allows", json!({})).await.expect("it loads").name().as_str(), "tested");
}

#[tokio::test(flavor = "multi_thread")]
async fn p2_components_within_components_without_end_do_not_load() {
    const HEAD: &[u8] = b"\0asm\x0d\0\x01\0";
    // Written from the innermost outwards, so backwards.
    let mut backwards: Vec<u8> = HEAD.iter().rev().copied().collect();
    for _ in 0..100_000 {
        // Section 4 holds a component; its length is written in groups of seven bits.
        let (mut length, mut written) = (backwards.len(), Vec::new());
        while length >= 128 {
            written.push(u8::try_from(length % 128).expect("seven bits") | 128);
            length /= 128;
        }
        written.push(u8::try_from(length).expect("seven bits"));
        backwards.extend(written.iter().rev().chain(&[4]).chain(HEAD.iter().rev()));
    }
    backwards.reverse();
    let error = refused(spec(&backwards, json!({}))).await;
    assert!(matches!(&error, LoadError::Invalid { what } if what.contains("deep")), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_imports_outside_the_list_are_named() {
    for import in [
        "wasi:http/types@0.2.0",
        "wasi:http/outgoing-handler@0.2.0",
        "wasi:http/incoming-handler@0.2.0",
        "wasi:cli/run@0.2.0",
        "wasi:cli/command@0.2.0",
        "wasi:clocks/timezone@0.2.0",
        "wasi:filesystem/store@0.2.0",
        "wasi:io/network@0.2.0",
        "wasi:random/entropy@0.2.0",
        "wasi:keyvalue/store@0.2.0",
        "wasi:keyvalue/atomics@0.2.0",
        "wasi:blobstore/blobstore@0.2.0",
        "wasi:messaging/producer@0.2.0",
        "wasi:config/store@0.2.0",
        "wasi:logging/logging@0.1.0",
        "wasi:nn/inference@0.2.0",
        "wasi:sql/readwrite@0.2.0",
        "wasi:threads/threads@0.1.0",
        "wasi:tls/client@0.2.0",
        "wasi:cli/environment@0.3.0",
        "wasi:cli/environment@0.2.0-rc-2023-12-05",
        "wasi:clocks/wall-clock@0.1.0",
        "wasi:sockets/tcp@0.3.0",
        "wardlock:policy/folders@0.1.0",
        "wardlock:vault/secrets@0.1.0",
        "evil",
    ] {
        let error = refused_text(&format!(r#"(component (import "{import}" (instance)))"#)).await;
        assert_eq!(error, LoadError::Import { name: import.to_owned() });
    }
    let function = r#"(component (import "wasi:cli/environment@0.2.0" (func)))"#;
    let refused_function = wat::parse_str(function).is_err()
        || matches!(refused_text(function).await, LoadError::Import { .. } | LoadError::Invalid { .. });
    assert!(refused_function);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_version_gets_a_sentence_before_anything_runs() {
    let error = load("wrong-version", json!({})).await.expect_err("it does not load");
    assert_eq!(error.to_string(), "the plugin targets `wardlock:policy@0.9.0`; this host speaks 0.1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_a_hook_is_no_plugin() {
    assert_eq!(load("no-hook", json!({})).await.expect_err("it does not load"), LoadError::NoHook);
    assert!(matches!(refused_text("(component)").await, LoadError::NotAPlugin { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_of_other_types_differ_from_the_contract() {
    let error = refused_text(
        r#"(component
            (component $empty)
            (instance $nothing (instantiate $empty))
            (export "wardlock:policy/settings@0.1.0" (instance $nothing))
            (export "wardlock:policy/request-hook@0.1.0" (instance $nothing)))"#,
    )
    .await;
    assert!(matches!(error, LoadError::Contract { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_says_of_itself_is_checked() {
    let schema = load("bad-schema", json!({})).await.expect_err("it does not load");
    assert!(matches!(schema, LoadError::Schema { .. }), "{schema}");
    let description = load("bad-describe", json!({})).await.expect_err("it does not load");
    assert!(matches!(description, LoadError::Description { .. }), "{description}");
    let endless = load("loop-in-describe", json!({})).await.expect_err("it does not load");
    assert!(matches!(endless, LoadError::Fault { fault: PluginFault::Timeout { .. }, .. }), "{endless}");
    assert!(endless.to_string().contains("failed in `describe`: "), "{endless}");
    assert!(endless.to_string().ends_with("; it logged: it thinks about itself"), "{endless}");
}

async fn settings_refused(name: &str, settings: Value) -> Vec<(String, String)> {
    let bytes = starter(name).map_or_else(|| guest(name), |starter| starter.bytes);
    match refused(spec(bytes, settings)).await {
        LoadError::Settings { problems } => {
            problems.into_iter().map(|problem| (problem.path, problem.message)).collect()
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_checked_against_the_schema_and_by_the_plugin() {
    let problems = settings_refused("field-mask", json!({ "hide": ["Email", 7] })).await;
    assert_eq!(problems[0].0, "/hide/1", "{problems:?}");
    let problems = settings_refused("probe", json!({ "mode": "problems" })).await;
    assert_eq!(problems[0], ("/mode".to_owned(), "is never right".to_owned()));
    assert_eq!(problems[1].1, "neither is\\nthis \\u{1b}[31mline");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_fails_on_its_settings_does_not_load() {
    for mode in ["loop-in-configure", "trap-in-configure"] {
        let error = load("probe", json!({ "mode": mode })).await.expect_err("it does not load");
        assert!(matches!(error, LoadError::Fault { .. }), "{mode}: {error}");
        let why = error.to_string().contains("; it logged: ");
        assert_eq!(why, mode == "trap-in-configure", "{mode}: {error}");
        assert_eq!(error.to_string().contains("the probe was told to"), why, "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn capabilities_that_hold_are_asked_for_and_granted() {
    let bytes = starter_bytes("field-mask");
    let settings = json!({ "hide": ["Email"] });
    let plugin = sandbox().load(spec(bytes, settings.clone())).await.expect("it loads");
    assert_eq!(*plugin.capabilities(), BTreeSet::from(["shape".to_owned()]));
    let mut unknown = spec(bytes, settings);
    unknown.granted.insert("network".to_owned());
    let error = refused(unknown).await;
    assert!(matches!(&error, LoadError::UnknownCapability { name, .. } if name == "network"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_outside_the_range_are_refused() {
    let bytes = starter_bytes("read-only");
    for (time, memory_bytes) in [
        (Duration::ZERO, 1 << 20),
        (Duration::from_mins(1), 1 << 20),
        (Duration::from_millis(20), 0),
        (Duration::from_millis(20), 1 << 40),
    ] {
        let spec = LoadSpec { time, memory_bytes, ..spec(bytes, json!({})) };
        assert!(matches!(refused(spec).await, LoadError::Limit { .. }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_cannot_live_in_its_memory_does_not_load_under_that_limit() {
    // 600 pages from the start.
    let of = |memory_bytes: u64| LoadSpec { memory_bytes, ..spec(guest("memory-from-the-start"), json!({})) };
    sandbox().load(of(64 << 20)).await.expect("it loads under another");
    for limit in [64 << 10, 32 << 20] {
        let error = refused(of(limit)).await;
        assert_eq!(error, LoadError::Memory { needed: 600 << 16, limit });
    }
    sandbox().load(of(600 << 16)).await.expect("it needs that much and no more");
    // Without a snapshot, start code and settings take memory of each request.
    let config = SandboxConfig { snapshots: false, ..SandboxConfig::default() };
    let plain = support::start(config);
    for limit in [32 << 20, 1 << 20] {
        assert!(matches!(plain.load(of(limit)).await.expect_err("too little"), LoadError::Memory { .. }));
    }
    plain.load(of(64 << 20)).await.expect("it loads");
    let other = LoadSpec { settings: json!({ "a": 1 }), ..of(32 << 20) };
    assert!(matches!(plain.load(other).await.expect_err("with other settings"), LoadError::Memory { .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn inspection_tells_what_a_component_is_even_if_it_does_not_load() {
    let bytes = starter_bytes("field-mask");
    let inspection = sandbox().inspect(bytes.to_vec()).await.expect("a component");
    assert_eq!(inspection.digest, Digest::of(bytes));
    assert_eq!(inspection.package_version.as_deref(), Some("0.1.0"));
    assert!(inspection.exports.iter().any(|name| name == "wardlock:policy/request-hook@0.1.0"));
    let about = inspection.about.expect("a plugin");
    assert_eq!(about.description.name, "field-mask");
    assert!(about.schema.is_object());
    let other = sandbox().inspect(guest("wrong-version").to_vec()).await.expect("a component");
    assert_eq!(other.package_version.as_deref(), Some("0.9.0"));
    assert!(matches!(other.about, Err(LoadError::Version { .. })));
}
