//! Plugins written with the Rust SDK, one for each part of the contract beside requests: a component has the hooks that it
//! says, asks the host for what it uses, and is understood.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_core::connection::Hooks;
use wardlock_core::plugin::{PluginRequest, PluginResponse, ResponseEdit, ResponseVerdict, Verdict};
use wardlock_plugins::STARTERS;
use wardlock_sandbox::{Files, LoadError, LoadSpec, Plugin, Quotas};
use wardlock_tests::guests::guest;

use crate::hooks::{Counted, response};
use crate::support::{reason, request, sandbox, spec};

async fn load(name: &str, capability: &str, files: Option<Files>, settings: Value) -> Result<Plugin, LoadError> {
    let granted = BTreeSet::from([capability.to_owned()]);
    sandbox().load(LoadSpec { granted, files, ..spec(guest(name), settings) }).await
}

/// The interfaces of the contract among some names, sorted, without package and version.
fn of_contract(names: &[String]) -> Vec<&str> {
    let found: BTreeSet<&str> =
        names.iter().filter_map(|name| name.strip_prefix("wardlock:policy/")?.split('@').next()).collect();
    found.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_has_the_hooks_that_it_says_and_imports_what_it_uses() {
    let guests: [(&str, &[&str], &[&str]); 3] = [
        ("redactor", &["response-hook", "settings"], &["types"]),
        ("counter", &["request-hook", "response-hook", "settings"], &["quota", "types"]),
        ("listed", &["request-hook", "settings"], &["folder", "log", "types"]),
    ];
    for (name, exports, imports) in guests {
        let inspection = sandbox().inspect(guest(name).to_vec()).await.expect("a component");
        assert_eq!(of_contract(&inspection.exports), exports, "{name}");
        assert_eq!(of_contract(&inspection.imports), imports, "{name}");
        assert_eq!(inspection.about.expect("a plugin").description.name, name);
    }
    for starter in STARTERS {
        let inspection = sandbox().inspect(starter.bytes.to_vec()).await.expect("a component");
        assert_eq!(of_contract(&inspection.exports), ["request-hook", "settings"], "{}", starter.name);
        assert_eq!(of_contract(&inspection.imports), ["types"], "{}", starter.name);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_of_answers_redacts_what_it_sees_and_withholds_what_it_does_not() {
    let settings = json!({ "hide": ["/data/*/Email", "/data/*/Phone"] });
    let plugin = load("redactor", "response-body", None, settings.clone()).await.expect("it loads");
    assert_eq!(plugin.hooks(), Hooks::Response);
    let said = plugin.judge_answer(&response(r#"{"data":[]}"#)).await.expect("it judges");
    let ResponseVerdict::Edit(edits, why) = said.verdict else { panic!("{said:?}") };
    let expected = [
        ResponseEdit::RedactJson("/data/*/Email".to_owned()),
        ResponseEdit::RedactJson("/data/*/Phone".to_owned()),
        ResponseEdit::RemoveHeader("etag".to_owned()),
    ];
    assert_eq!((edits.as_slice(), why.code.as_str()), (expected.as_slice(), "hidden"));
    assert_eq!((said.notes[0].name.as_str(), said.notes[0].value.as_str()), ("places", "2"));
    let bare = PluginResponse { body: None, ..response("") };
    let said = plugin.judge_answer(&bare).await.expect("it judges");
    assert_eq!(said.verdict, ResponseVerdict::Pass);

    let blind = load("redactor", "body", None, settings).await.expect("it loads");
    let said = blind.judge_answer(&response("{}")).await.expect("it judges");
    let ResponseVerdict::Deny(why) = said.verdict else { panic!("{said:?}") };
    assert_eq!((why.code.as_str(), why.hint.is_some()), ("unseen", true));
    let error = load("redactor", "response-body", None, json!({ "hide": [] })).await.expect_err("no place");
    assert!(matches!(&error, LoadError::Settings { problems } if problems[0].path == "/hide"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_of_both_takes_of_its_quota_and_withholds() {
    let plugin = load("counter", "quota", None, json!({ "limit": 2 })).await.expect("it loads");
    assert_eq!(plugin.hooks(), Hooks::Both);
    let quotas: Arc<dyn Quotas> = Arc::new(Counted::default());
    for left in ["1", "0"] {
        let answer = plugin.decide_counted(&request(), &quotas).await.expect("an answer");
        assert_eq!((&answer.verdict, answer.notes[0].value.as_str()), (&Verdict::Allow, left));
    }
    // The counter's window ends an hour after 1970 began, whatever the request's time is.
    let early = PluginRequest { now_ms: 1_000, ..request() };
    let answer = plugin.decide_counted(&early, &quotas).await.expect("an answer");
    assert_eq!((reason(&answer).code.as_str(), reason(&answer).retry_after_seconds), ("used_up", Some(3599)));

    let said = plugin.judge_answer(&response("{}")).await.expect("it judges");
    assert!(matches!(&said.verdict, ResponseVerdict::Deny(why) if why.code == "held_secrets"), "{said:?}");
    let clean = PluginResponse { redactions: 0, ..response("{}") };
    let said = plugin.judge_answer(&clean).await.expect("it judges");
    assert_eq!(said.verdict, ResponseVerdict::Pass);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_reads_its_folder_when_settings_come() {
    let files =
        |name: &str| Files::new(BTreeMap::from([(name.to_owned(), b"report\naudit".to_vec())])).expect("few");
    let plugin = load("listed", "folder", Some(files("purposes.txt")), json!({})).await.expect("it loads");
    assert_eq!(plugin.hooks(), Hooks::Request);
    for (purpose, passes) in [(Some("audit"), true), (Some("sales"), false), (None, false)] {
        let request = PluginRequest { purpose: purpose.map(str::to_owned), ..request() };
        let answer = plugin.decide(&request).await.expect("an answer");
        assert_eq!(answer.verdict == Verdict::Allow, passes, "{purpose:?}");
    }
    let error = load("listed", "folder", Some(files("other.txt")), json!({})).await.expect_err("no such file");
    assert!(error.to_string().contains("but: other.txt"), "{error}");
}
