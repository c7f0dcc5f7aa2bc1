//! WASI without anything behind it, asked by a guest that imports all of it.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use wardlock_core::plugin::{PluginFault, PluginRequest, Verdict};
use wardlock_sandbox::{LogFilter, Plugin};

use crate::support::{load, probe, reason, request, sandbox};

async fn tried(attempt: &str, request: &PluginRequest) -> Result<String, PluginFault> {
    let nosy = load("nosy", json!({ "try": [attempt] })).await.expect("nosy loads");
    let answer = nosy.decide(request).await?;
    let (_, got) = reason(&answer).message.split_once('=').expect("name=value");
    Ok(got.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_environment_arguments_and_files_are_empty() {
    for attempt in ["environment", "arguments"] {
        assert_eq!(tried(attempt, &request()).await.expect(attempt), "[]", "{attempt}");
    }
    for attempt in ["list-files", "read-file", "write-file"] {
        let got = tried(attempt, &request()).await.expect(attempt);
        assert!(got.starts_with("Err"), "{attempt}: {got}");
    }
    assert!(!Path::new("/tmp/nosy").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_clocks_stand_still_at_the_requests_time() {
    let request = request();
    assert_eq!(tried("clock", &request).await.expect("a clock"), request.now_ms.to_string());
    assert_eq!(tried("monotonic", &request).await.expect("a clock"), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_randomness_is_the_same_for_the_same_request() {
    let first = tried("random", &request()).await.expect("randomness");
    assert_eq!(first, tried("random", &request()).await.expect("randomness"));
    let other = PluginRequest { id: "req_other".to_owned(), ..request() };
    assert_ne!(first, tried("random", &other).await.expect("randomness"));
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_there_is_no_network() {
    for attempt in ["tcp", "udp"] {
        match tried(attempt, &request()).await {
            Ok(got) => assert!(got.starts_with("Err"), "{attempt}: {got}"),
            Err(fault) => assert!(matches!(fault, PluginFault::Trap { .. }), "{attempt}: {fault}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_waiting_traps() {
    match tried("sleep", &request()).await {
        Err(PluginFault::Trap { kind }) => assert!(kind.contains("monotonic-clock"), "{kind}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p5_standard_input_is_at_its_end_and_no_thread_starts() {
    assert_eq!(tried("stdin", &request()).await.expect("standard input"), r#"Ok(0) """#);
    let thread = tried("thread", &request()).await.expect("no thread");
    assert!(thread.starts_with("Err"), "{thread}");
}

#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn logged(settings: serde_json::Value) -> String {
    logged_by(&probe(settings).await).await
}

async fn logged_by(plugin: &Plugin) -> String {
    let captured = Captured::default();
    let writer = captured.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let answer = plugin.decide(&request()).await.expect("an answer");
    drop(guard);
    assert_eq!(answer.verdict, Verdict::Allow);
    let bytes = captured.0.lock().expect("a lock").clone();
    let text = String::from_utf8(bytes).expect("text");
    text.lines().filter(|line| line.contains("wardlock::plugin")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn p12_output_goes_to_the_log_escaped_with_request_and_plugin() {
    let text = logged(json!({ "mode": "print", "message": "printed\u{1b}[31m by the probe" })).await;
    assert_eq!(text.lines().count(), 2, "{text}");
    for line in text.lines() {
        assert!(line.contains("printed\\u{1b}[31m by the probe"), "{line}");
        assert!(line.contains("req_test") && line.contains("tested"), "{line}");
    }
}

#[tokio::test]
async fn what_is_asked_apart_from_what_serves_logs_nowhere() {
    let plugin = probe(json!({ "mode": "print", "message": "only asked once" })).await;
    let text = logged_by(&plugin.apart(Duration::from_secs(1))).await;
    assert!(!text.contains("only asked once"), "{text}");
    let kept = || {
        let page = sandbox().logs().newest(&LogFilter::default(), 10_000);
        page.lines.iter().filter(|line| line.text == "only asked once").count()
    };
    assert_eq!(kept(), 0);
    assert!(logged_by(&plugin).await.contains("only asked once"));
    assert_eq!(kept(), 2, "on standard output and on standard error");
}

#[tokio::test]
async fn p12_a_flood_of_log_lines_is_cut_off() {
    let text = logged(json!({ "mode": "log-spam", "size": 1000 })).await;
    assert_eq!(text.lines().count(), 17, "{text}");
    assert!(text.lines().last().is_some_and(|line| line.contains("984 more lines")), "{text}");
}

#[tokio::test]
async fn p12_a_flood_on_standard_output_and_error_is_cut_off() {
    let text = logged(json!({ "mode": "print", "message": "line\n".repeat(5000) })).await;
    assert_eq!(text.lines().count(), 17, "{text}");
    assert!(text.lines().last().is_some_and(|line| line.contains("more lines")), "{text}");
}
