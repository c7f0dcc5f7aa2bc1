//! A chain of real components: each is asked about the request as the one before left it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};
use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::classify::Classified;
use wardlock_core::connection::{Connection, Link, LinkMode, WriteMode, WriteRules};
use wardlock_core::decision::{Asked, Decision, decide};
use wardlock_core::id::{AgentName, ConnectionName, GrantName, PluginName, Region, RequestId, WorkspaceName};
use wardlock_core::plugin::Caller;
use wardlock_core::rules::Judge;
use wardlock_core::service::parse;
use wardlock_sandbox::{Plugin, Quotas, RequestContext, run_chain};

use crate::hooks::{Counted, response};
use crate::support;

/// Loads starters, each under its own name.
async fn load(plugins: &[(&str, Value)]) -> Vec<Arc<Plugin>> {
    let mut loaded = Vec::new();
    for (name, settings) in plugins {
        let bytes = wardlock_plugins::starter(name).expect("a starter").bytes;
        let mut spec = support::spec(bytes, settings.clone());
        spec.name = PluginName::parse(name).expect("a name");
        loaded.push(Arc::new(support::sandbox().load(spec).await.expect("it loads")));
    }
    loaded
}

fn judge(plugins: &[Arc<Plugin>]) -> Judge {
    judging(plugins, WriteMode::On)
}

fn judging(plugins: &[Arc<Plugin>], enabled: WriteMode) -> Judge {
    let text = include_str!("../../../services/zoho-crm.toml");
    let names = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|&name| name.to_owned()).collect() };
    let chain = plugins.iter().map(|plugin| Link {
        name: plugin.name().clone(),
        digest: plugin.digest(),
        settings: plugin.settings_digest(),
        mode: LinkMode::Enforce,
        hooks: plugin.hooks(),
        capabilities: plugin.capabilities().clone(),
    });
    let connection = Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse("zoho").expect("a name"),
        label: "test".to_owned(),
        service: Arc::new(parse(text, "zoho-crm.toml").expect("the definition")),
        region: Region::parse("eu").expect("a region"),
        environment: "production".to_owned(),
        grant: GrantName::parse("acme-zoho").expect("a name"),
        tenant: None,
        resources: names(&["Leads"]),
        operations: names(&["records.list", "records.create"]),
        owner: wardlock_core::connection::Owner::Workspace,
        params: std::collections::BTreeMap::new(),
        grant_services: std::collections::BTreeSet::new(),
        concurrency: None,
        writes: WriteMode::On,
        write_rules: WriteRules::default(),
        chain: chain.collect(),
        agents: BTreeMap::new(),
    };
    Judge::new(Arc::new(connection), AgentName::parse("reporter").expect("a name"), enabled)
}

fn classified(judge: &Judge, method: &str, target: &str, body: &str) -> Classified {
    let request =
        CanonicalRequest::parse(method, target, Vec::new(), body.as_bytes().to_vec()).expect("canonical");
    judge.classify(request).expect("classified")
}

/// Runs a chain and says what the host concludes.
async fn conclude(judge: &Judge, plugins: &[Arc<Plugin>], request: Classified) -> String {
    let id = RequestId::from_bits([1; 16]);
    let caller = Caller {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        agent: "reporter".to_owned(),
        region: "eu".to_owned(),
        tenant: None,
    };
    let context = RequestContext {
        id: id.clone(),
        now_ms: 1_767_614_400_000,
        caller,
        purpose: None,
        dry_run: false,
        approved_by: None,
    };
    let quotas: Arc<dyn Quotas> = Arc::new(Counted::default());
    let (classified, outcome) = run_chain(judge, plugins, &context, &quotas, request, None).await;
    let asked = Asked { id, purpose: None, tenant: "1".to_owned(), generation: 1, via: None, approval: None };
    match decide(judge, classified, outcome, asked) {
        Decision::Allow(permit) => format!("allow {}", permit.classified().request().path_and_query()),
        Decision::Hold { refusal, .. } => format!("hold {}", refusal.code.as_str()),
        Decision::Deny { refusal, verdicts } => format!("deny {} after {}", refusal.code.as_str(), verdicts.len()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p9_each_plugin_sees_what_the_one_before_left() {
    let plugins = [
        ("read-only", json!({})),
        ("field-mask", json!({ "hide": ["Email"] })),
        ("page-cap", json!({ "max": 5 })),
    ];
    let loaded = load(&plugins).await;
    let judge = judge(&loaded);
    let request = classified(&judge, "GET", "/crm/v8/Leads?fields=Last_Name,Email&per_page=50", "");
    assert_eq!(conclude(&judge, &loaded, request).await, "allow /crm/v8/Leads?fields=Last_Name&per_page=5");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_whose_answer_would_only_be_withheld() {
    let traps = support::load("judge", json!({ "answer": "trap" })).await.expect("it loads");
    let loaded = [Arc::new(traps)];
    let judge = judge(&loaded);
    let request = || classified(&judge, "GET", "/crm/v8/Leads?fields=Last_Name&per_page=5", "");
    for _ in 0..5 {
        assert!(conclude(&judge, &loaded, request()).await.starts_with("allow"));
        loaded[0].judge_answer(&response("{}")).await.expect_err("it traps");
    }
    assert_eq!(conclude(&judge, &loaded, request()).await, "deny plugin_tripped after 2");
    // What waits for a person is not sent now, whoever wants the person.
    let drafting = judging(&loaded, WriteMode::Draft);
    let write = || classified(&drafting, "POST", "/crm/v8/Leads", r#"{"data":[{"Last_Name":"x"}]}"#);
    assert_eq!(conclude(&drafting, &loaded, write()).await, "hold held");
    assert_eq!(conclude(&judge, &loaded, write()).await, "deny plugin_tripped after 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn first_deny_ends_the_chain() {
    let plugins = [("read-only", json!({})), ("page-cap", json!({ "max": 5 }))];
    let loaded = load(&plugins).await;
    let judge = judge(&loaded);
    let request = classified(&judge, "POST", "/crm/v8/Leads", r#"{"data":[{"Last_Name":"x"}]}"#);
    assert_eq!(conclude(&judge, &loaded, request).await, "deny policy_denied after 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn p11_plugin_that_is_not_its_links_or_is_missing_denies() {
    let plugins = [("read-only", json!({})), ("page-cap", json!({ "max": 5 }))];
    let mut loaded = load(&plugins).await;
    let judge = judge(&loaded);
    let request = || classified(&judge, "GET", "/crm/v8/Leads?fields=Last_Name&per_page=3", "");
    assert!(conclude(&judge, &loaded[..1], request()).await.starts_with("deny plugin_failed"));
    loaded.reverse();
    assert!(conclude(&judge, &loaded, request()).await.starts_with("deny plugin_failed"));
}
