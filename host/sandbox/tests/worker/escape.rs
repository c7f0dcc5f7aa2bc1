//! Native code in a worker finds nothing (P14): this process plants secrets wherever a child could get them from.

use std::fs::File;

use rustix::io::{FdFlags, fcntl_dupfd_cloexec, fcntl_setfd};
use serde_json::json;
use wardlock_core::plugin::PluginRequest;
use wardlock_sandbox::{Plugin, Sandbox, SandboxConfig};
use wardlock_tests::guests::guest;

use crate::support;

/// The number of a descriptor that is inherited, out of the way of those that a worker makes.
const HIGH: i32 = 200;
/// The most descriptors that a worker has, files in memory of its own included.
const MOST: usize = 16;

/// Sends a request that lets native code run and look for a text, and returns what it says.
async fn escape(plugin: &Plugin, sought: &str, request: PluginRequest) -> String {
    let backwards: String = sought.chars().rev().collect();
    let told = PluginRequest { purpose: Some(format!("escape:{backwards}")), ..request };
    let answer = plugin.decide(&told).await.expect("an answer");
    support::reason(&answer).message.clone()
}

async fn loaded() -> (Sandbox, Plugin) {
    let sandbox = support::start(SandboxConfig::default());
    let mut patient = support::spec(guest("probe"), json!({ "mode": "allow" }));
    // It reads everything that is mapped, byte by byte.
    patient.time = std::time::Duration::from_secs(5);
    let plugin = sandbox.load(patient).await.expect("the probe loads");
    (sandbox, plugin)
}

#[tokio::test(flavor = "multi_thread")]
async fn p14_code_that_escaped_finds_nothing() {
    // Nowhere in this program's file, which the worker has mapped as well.
    let canary = format!("canary-{:032x}", u128::from_be_bytes(rand()));
    // In this process's memory, in a file of it, and in a descriptor that closes on no exec.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("secret");
    std::fs::write(&path, &canary).expect("written");
    let file = File::open(&path).expect("opened");
    let inherited = fcntl_dupfd_cloexec(&file, HIGH).expect("a number of its own");
    fcntl_setfd(&inherited, FdFlags::empty()).expect("inheritable");
    let (_sandbox, plugin) = loaded().await;
    let said = escape(&plugin, &canary, support::request()).await;
    println!("{said}");
    let (opened, descriptors) = said.split_once(" descriptors=").expect("a report");
    assert_eq!(opened, "memory=0 environment=0 arguments=0 files=0 sockets=0 programs=0 parent=0");
    // Its two sockets and a copy of each, `/dev/null`, and what the runtime and wasmtime made: all of them low numbers.
    let numbers: Vec<i32> = descriptors.split(',').map(|number| number.parse().expect("a number")).collect();
    assert!(numbers.starts_with(&[0, 1, 2]) && numbers.len() <= MOST, "{descriptors}");
    assert!(numbers.iter().all(|number| *number < HIGH), "{descriptors}");
    assert_eq!(std::fs::read_to_string(&path).expect("read"), canary, "it was there all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn p14_the_search_finds_what_is_there() {
    let (_sandbox, plugin) = loaded().await;
    let mut request = support::request();
    request.headers[0].value = b"canary-that-stands-in-a-header".to_vec();
    let said = escape(&plugin, "canary-that-stands-in-a-header", request).await;
    assert!(!said.starts_with("memory=0 ") && said.starts_with("memory="), "{said}");
}

fn rand() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("randomness");
    bytes
}
