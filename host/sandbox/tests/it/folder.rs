//! Files that a plugin may read: those that it was given, and only with the capability.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wardlock_core::plugin::{PluginFault, PluginRequest, Verdict};
use wardlock_sandbox::{Files, LoadError, LoadSpec, Plugin};
use wardlock_tests::guests::guest;

use crate::support::{request, sandbox, spec};

fn files(given: &[(&str, &str)]) -> Files {
    let files: BTreeMap<String, Vec<u8>> =
        given.iter().map(|&(name, text)| (name.to_owned(), text.as_bytes().to_vec())).collect();
    Files::new(files).expect("few")
}

async fn reader(capabilities: &[&str], files: Option<Files>, settings: Value) -> Result<Plugin, LoadError> {
    let granted: BTreeSet<String> = capabilities.iter().map(|&name| name.to_owned()).collect();
    sandbox().load(LoadSpec { granted, files, ..spec(guest("reader"), settings) }).await
}

/// Whether a request with this purpose is allowed, and which files the plugin found.
async fn allowed(plugin: &Plugin, purpose: &str) -> (bool, Vec<String>) {
    let request = PluginRequest { purpose: Some(purpose.to_owned()), ..request() };
    let answer = plugin.decide(&request).await.expect("an answer");
    (answer.verdict == Verdict::Allow, answer.notes.into_iter().map(|note| note.name).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_read_when_settings_come_and_at_each_request() {
    for settings in [json!({}), json!({ "at": "request" })] {
        let (one, other) =
            (files(&[("allowed.txt", "report\naudit")]), files(&[("allowed.txt", "sales"), ("b", "")]));
        let plugin = reader(&["folder"], Some(one), settings.clone()).await.expect("it loads");
        assert!(plugin.snapshot().is_ok());
        assert_eq!(allowed(&plugin, "audit").await, (true, vec!["allowed.txt".to_owned()]));
        assert_eq!(allowed(&plugin, "sales").await, (false, vec!["allowed.txt".to_owned()]));
        // The same component and settings with other files are another plugin, beside the first.
        let second = reader(&["folder"], Some(other), settings.clone()).await.expect("it loads");
        assert_eq!(allowed(&second, "sales").await, (true, vec!["allowed.txt".to_owned(), "b".to_owned()]));
        assert!(!allowed(&plugin, "sales").await.0);
        assert_ne!(plugin.settings_digest(), second.settings_digest(), "rows tell them apart");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_without_the_capability_reads_nothing_and_a_missing_file_is_told() {
    let error = reader(&[], None, json!({})).await.expect_err("it reads when it is configured");
    let LoadError::Fault { during, fault: PluginFault::Trap { kind }, .. } = &error else { panic!("{error:?}") };
    assert_eq!(
        (during.as_ref(), kind.as_str()),
        ("configure", "`folder` is used without the capability `folder`")
    );
    let plugin = reader(&[], None, json!({ "at": "request" })).await.expect("it loads");
    let fault = plugin.decide(&request()).await.expect_err("it may not");
    assert!(matches!(&fault, PluginFault::Trap { kind } if kind.contains("without the capability")), "{fault}");
    let error = reader(&["folder"], Some(files(&[])), json!({})).await.expect_err("there is no list");
    assert!(error.to_string().contains("the folder has no text `allowed.txt`"), "{error}");
    // Nothing leads out of the folder: a name is a name.
    for name in ["../allowed.txt", "/etc/passwd", "./allowed.txt", ""] {
        let given = files(&[("allowed.txt", "report")]);
        reader(&["folder"], Some(given), json!({ "list": name })).await.expect_err(name);
    }
}
