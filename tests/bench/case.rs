//! The one decision that is measured: a list read with 12 headers, which a plugin shapes by two edits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};
use wardlock_core::canonical::{CanonicalRequest, Header, Parameter};
use wardlock_core::classify::Classified;
use wardlock_core::connection::{Connection, Link, LinkMode, WriteMode, WriteRules};
use wardlock_core::id::{
    AgentName, ConnectionName, Digest, GrantName, PluginName, Region, RequestId, WorkspaceName,
};
use wardlock_core::plugin::quota::QuotaFault;
use wardlock_core::plugin::{Answer, Caller, Edit, PluginRequest, Reason, Verdict};
use wardlock_core::rules::Judge;
use wardlock_core::service;
use wardlock_sandbox::{LoadSpec, Plugin, Quotas, RequestContext, TakeAnswer};

use crate::asked::{CODE, HEADERS, LANGUAGE, MESSAGE, PAGE, TARGET};

const SERVICE: &str = include_str!("../../host/services/zoho-crm.toml");
/// The headers that the service shows to plugins, as its definition has them.
const SHOWN: &str = r#"headers = ["accept", "accept-language", "if-modified-since"]"#;

/// Everything that the rows need besides plugins.
pub struct Case {
    pub judge: Judge,
    pub classified: Classified,
    /// The same as a plugin sees it.
    pub request: Arc<PluginRequest>,
}

impl Case {
    /// Classifies the request, for a connection with this plugin.
    pub fn new(plugin: &Plugin) -> anyhow::Result<Self> {
        let judge = Judge::new(Arc::new(connection(plugin)?), AgentName::parse("reporter")?, WriteMode::Off);
        let headers =
            HEADERS.map(|(name, value)| Header { name: name.to_owned(), value: value.as_bytes().to_vec() });
        let request = CanonicalRequest::parse("GET", TARGET, headers.to_vec(), Vec::new())?;
        let classified = judge.classify(request).map_err(|refusal| anyhow::anyhow!(refusal.detail))?;
        judge.check(&classified).map_err(|refusal| anyhow::anyhow!(refusal.detail))?;
        ensure!(classified.request().headers().len() == HEADERS.len(), "the service shows other headers now");
        let request = Arc::new(shown(&classified));
        Ok(Self { judge, classified, request })
    }

    /// What `run_chain` is told besides the request.
    pub fn context(&self) -> RequestContext {
        RequestContext {
            id: id(),
            now_ms: self.request.now_ms,
            caller: self.request.caller.clone(),
            purpose: None,
            dry_run: false,
            approved_by: None,
        }
    }

    /// Fails unless the request was shaped as the two edits say.
    pub fn check_shaped(&self, shaped: &Classified) -> anyhow::Result<()> {
        let request = shaped.request();
        let page: Vec<&str> = request.query_values("per_page").collect();
        ensure!(page == [PAGE] && shaped.operation().breadth == Some(50), "per_page is {page:?}");
        ensure!(request.header("accept-language") == Some(LANGUAGE.as_bytes()), "accept-language is not `en`");
        ensure!(request.headers().len() == self.request.headers.len(), "headers were lost");
        Ok(())
    }
}

/// Returns what loads a plugin that shapes by the two edits.
pub fn shaper(component: &[u8]) -> anyhow::Result<LoadSpec> {
    let edits = [["set-query", "per_page", PAGE], ["set-header", "accept-language", LANGUAGE]];
    spec("shaper", component, json!({ "mode": "shape", "edits": edits, "code": CODE, "message": MESSAGE }))
}

/// Returns what loads any plugin that may shape.
pub fn spec(name: &str, component: &[u8], settings: Value) -> anyhow::Result<LoadSpec> {
    Ok(LoadSpec {
        name: PluginName::parse(name)?,
        bytes: component.to_vec(),
        expected_digest: Some(Digest::of(component)),
        settings,
        granted: BTreeSet::from(["shape".to_owned()]),
        files: None,
        time: Duration::from_secs(1),
        memory_bytes: 32 << 20,
    })
}

/// The same policy in native Rust: reads what it is given, answers with two edits and a reason.
pub fn native(request: &PluginRequest) -> Answer {
    let edits = vec![
        Edit::SetQuery(Parameter { name: "per_page".to_owned(), value: PAGE.to_owned() }),
        Edit::SetHeader(Header { name: "accept-language".to_owned(), value: LANGUAGE.as_bytes().to_vec() }),
    ];
    let reason = Reason {
        code: CODE.to_owned(),
        message: MESSAGE.to_owned(),
        hint: None,
        retry_after_seconds: None,
        attributes: Vec::new(),
    };
    // The guest gets its own copy of everything; so does this.
    let seen = std::hint::black_box(request.clone());
    let verdict = if seen.headers.is_empty() { Verdict::Allow } else { Verdict::Shape(edits, reason) };
    Answer { verdict, notes: Vec::new() }
}

/// What counts for a plugin that takes nothing.
pub struct NoQuotas;

impl Quotas for NoQuotas {
    fn take<'a>(&'a self, _plugin: &'a PluginName, _key: &'a str, _limit: u32, _window: u32) -> TakeAnswer<'a> {
        Box::pin(std::future::ready(Err(QuotaFault::Unavailable { what: "a bench".to_owned() })))
    }
}

fn connection(plugin: &Plugin) -> anyhow::Result<Connection> {
    let names: Vec<&str> = HEADERS.iter().map(|(name, _)| *name).collect();
    let text = SERVICE.replacen(SHOWN, &format!("headers = {names:?}"), 1);
    let service = Arc::new(service::parse(&text, "zoho-crm.toml").map_err(|error| anyhow::anyhow!("{error}"))?);
    let link = Link {
        name: plugin.name().clone(),
        digest: plugin.digest(),
        settings: plugin.settings_digest(),
        mode: LinkMode::Enforce,
        hooks: plugin.hooks(),
        capabilities: plugin.capabilities().clone(),
    };
    Ok(Connection {
        workspace: WorkspaceName::parse("acme")?,
        name: ConnectionName::parse("zoho")?,
        label: "bench".to_owned(),
        operations: BTreeSet::from(["records.list".to_owned()]),
        resources: BTreeSet::from(["Leads".to_owned()]),
        service,
        region: Region::parse("eu")?,
        environment: "production".to_owned(),
        grant: GrantName::parse("acme-zoho")?,
        tenant: None,
        owner: wardlock_core::connection::Owner::Workspace,
        params: std::collections::BTreeMap::new(),
        grant_services: std::collections::BTreeSet::new(),
        concurrency: None,
        writes: WriteMode::Off,
        write_rules: WriteRules::default(),
        chain: vec![link],
        agents: BTreeMap::new(),
    })
}

fn shown(classified: &Classified) -> PluginRequest {
    let request = classified.request();
    PluginRequest {
        id: id().to_string(),
        now_ms: 1_767_614_400_123,
        caller: Caller {
            workspace: "acme".to_owned(),
            connection: "zoho".to_owned(),
            agent: "reporter".to_owned(),
            region: "eu".to_owned(),
            tenant: Some("20071234567".to_owned()),
        },
        operation: classified.operation().clone(),
        method: request.method().as_str(),
        path: request.path(),
        query: request.query().to_vec(),
        headers: request.headers().to_vec(),
        body: None,
        purpose: None,
        dry_run: false,
        approved_by: None,
        attributes: Vec::new(),
    }
}

fn id() -> RequestId {
    RequestId::from_bits([7; 16])
}

/// Returns a guest of the tests by name.
pub fn guest(name: &str) -> anyhow::Result<&'static [u8]> {
    let found = wardlock_tests::guests::GUESTS.iter().find(|(known, _)| *known == name);
    found.map(|(_, bytes)| *bytes).context("the guest is built")
}
