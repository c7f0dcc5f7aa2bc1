//! A home's vault and audit, and one permitted request: our side, with nothing of the provider's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use wardlock_audit::{Audit, Clock, OutcomeGuard, PublicKey, Receipt, Separation, Settings, Signer};
use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::chain::Chain;
use wardlock_core::connection::{Connection, Link, LinkMode, WriteMode, WriteRules};
use wardlock_core::decision::{Asked, Decision, Permit, decide};
use wardlock_core::id::{
    AgentName, ConnectionName, Digest, GrantName, PluginName, Region, RequestId, WorkspaceName,
};
use wardlock_core::plugin::{Answer, Verdict};
use wardlock_core::rules::Judge;
use wardlock_core::service::{ServiceDefinition, parse};
use wardlock_egress::Egress;
use wardlock_egress::vault::{KeySource, Purpose, Vault};

/// The read that most tests send.
pub const LEADS: &str = "/crm/v8/Leads?fields=Last_Name&per_page=1";

fn key(folder: &Path) -> KeySource {
    KeySource::File { path: folder.join("key") }
}

pub fn make_vault(folder: &Path) -> Vault {
    Vault::create(&folder.join("vault"), &key(folder)).expect("a vault")
}

/// Opens vault and audit.
pub fn open(folder: &Path, clock: &Clock) -> (Arc<Vault>, Audit) {
    let vault = Arc::new(Vault::open(&folder.join("vault"), &key(folder)).expect("a vault"));
    let public = PublicKey::from_bytes(vault.keys().public_key(Purpose::AuditHeads));
    let keys = vault.keys();
    let row_key = keys.derive_key(Purpose::AuditRows);
    let signer = Signer::new(public, &row_key, move |bytes| keys.sign(Purpose::AuditHeads, bytes));
    let settings = Settings::new([7; 32], signer, Arc::clone(clock));
    let audit = Audit::open(&folder.join("audit.db"), settings).expect("an audit");
    (vault, audit)
}

/// The wall clock, moved forward.
pub fn moving(ahead_ms: Arc<AtomicU64>) -> Clock {
    Arc::new(move || {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        u64::try_from(now).expect("before the year 500 million") + ahead_ms.load(Ordering::SeqCst)
    })
}

/// Zoho's definition as it ships, but with more headers that pass, so that a token echoed in one meets the scan, and a
/// redirect its rule, and not only the allow-list.
pub fn service() -> ServiceDefinition {
    let mut service = parse(include_str!("../../../services/zoho-crm.toml"), "zoho-crm.toml").expect("a service");
    service.request.answer_headers.extend(["x-echo".to_owned(), "location".to_owned()]);
    service
}

pub fn connection(service: &Arc<ServiceDefinition>, region: &str) -> Arc<Connection> {
    let link = Link {
        name: PluginName::parse("yes").expect("a name"),
        digest: Digest::of(b"yes"),
        settings: Digest::of(b"{}"),
        mode: LinkMode::Enforce,
        hooks: wardlock_core::connection::Hooks::Request,
        capabilities: BTreeSet::new(),
    };
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Arc::new(Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse(&format!("crm-{region}")).expect("a name"),
        label: "Acme".to_owned(),
        service: Arc::clone(service),
        region: Region::parse(region).expect("a region"),
        environment: "production".to_owned(),
        grant: GrantName::parse(&format!("acme-{region}")).expect("a name"),
        tenant: None,
        resources: texts(&["Leads"]),
        operations: texts(&["records.list", "records.create"]),
        owner: wardlock_core::connection::Owner::Workspace,
        params: std::collections::BTreeMap::new(),
        grant_services: std::collections::BTreeSet::new(),
        concurrency: None,
        writes: WriteMode::On,
        write_rules: WriteRules::default(),
        chain: vec![link],
        agents: BTreeMap::new(),
    })
}

/// Lets a request through rules and chain, and records its intent.
pub async fn permit(
    egress: &Egress,
    audit: &Audit,
    connection: Arc<Connection>,
    method: &str,
    target: &str,
    body: &[u8],
) -> (Permit, Receipt, OutcomeGuard) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let status = egress.grant_status(&connection.grant).expect("a vault").expect("a grant");
    let judge = Judge::new(connection, AgentName::parse("agent").expect("a name"), WriteMode::On);
    let headers = vec![Header { name: "accept".to_owned(), value: b"application/json".to_vec() }];
    let request = CanonicalRequest::parse(method, target, headers, body.to_vec()).expect("canonical");
    let classified = judge.classify(request).expect("classified");
    judge.check(&classified).expect("allowed by the rules");
    let mut chain = Chain::start(&judge, classified);
    while chain.next().is_some() {
        chain.take(Ok(Answer { verdict: Verdict::Allow, notes: Vec::new() }), 1);
    }
    let (classified, outcome) = chain.finish();
    let asked = Asked {
        id: RequestId::from_bits(u128::from(NEXT.fetch_add(1, Ordering::SeqCst)).to_be_bytes()),
        purpose: None,
        tenant: status.tenant.as_ref().expect("a tenant").id.clone(),
        generation: status.generation,
        via: None,
        approval: None,
    };
    let Decision::Allow(permit) = decide(&judge, classified, outcome, asked) else {
        panic!("not allowed");
    };
    let (receipt, guard) =
        audit.intend(&permit, Separation::Unknown, std::time::Duration::ZERO, &[]).await.expect("an intent");
    (*permit, receipt, guard)
}
