//! A home with an audit in it, and permits made as the host makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use rusqlite::Connection as Database;
use rusqlite::types::{Value, ValueRef};
use tempfile::TempDir;
use wardlock_core::answer::Outcome;
use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::chain::{Chain, VerdictRecord};
use wardlock_core::classify::Classified;
use wardlock_core::connection::{Connection, Link, LinkMode, WriteMode, WriteRules};
use wardlock_core::decision::{Asked, Decision, Permit, decide};
use wardlock_core::id::{
    AgentName, ConnectionName, Digest, GrantName, PluginName, Region, RequestId, WorkspaceName,
};
use wardlock_core::plugin::{Answer, Attribute, Verdict};
use wardlock_core::refusal::Refusal;
use wardlock_core::rules::Judge;
use wardlock_core::service;

use crate::chain::{HASHED_COLUMNS, HASHED_COUNT, hash_row};
use crate::limits::Limits;
use crate::{Against, Audit, AuditError, Finished, PublicKey, Settings, Signer, Verified};

/// Verifies one copy of a log.
pub(super) fn verify_copy(path: &Path, against: &Against) -> Result<Verified, AuditError> {
    crate::verify_copies(&[path.to_owned()], against)
}

/// A signer as the vault makes one, from a seed.
pub(crate) fn signer(seed: u8) -> Signer {
    use ed25519_dalek::Signer as _;

    let key = SigningKey::from_bytes(&[seed; 32]);
    let public = PublicKey::from_bytes(key.verifying_key().to_bytes());
    Signer::new(public, &[seed; 32], move |bytes| key.sign(bytes).to_bytes())
}

pub(super) struct Home {
    pub(super) folder: TempDir,
    pub(super) now: Arc<AtomicU64>,
}

impl Home {
    pub(super) fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder"), now: Arc::new(AtomicU64::new(1_700_000_000_000)) }
    }

    pub(super) fn path(&self) -> PathBuf {
        self.folder.path().join("audit.db")
    }

    pub(super) fn try_open(&self, limits: Limits) -> Result<Audit, AuditError> {
        Audit::open_with(&self.path(), self.settings(), limits)
    }

    /// Returns the usual settings, with a clock that ticks at every look.
    pub(super) fn settings(&self) -> Settings {
        let now = Arc::clone(&self.now);
        Settings::new([7; 32], signer(7), Arc::new(move || now.fetch_add(1, Ordering::Relaxed)))
    }

    /// Opens it under another signing key, as after the vault was replaced.
    pub(super) fn open_as(&self, seed: u8) -> Audit {
        let settings = Settings::new([7; 32], signer(seed), Arc::new(|| 1_700_000_000_000));
        Audit::open(&self.path(), settings).expect("the audit")
    }

    /// Takes everybody else's rights on the file away.
    pub(super) fn make_private(&self) {
        use std::os::unix::fs::PermissionsExt as _;

        std::fs::set_permissions(self.path(), std::fs::Permissions::from_mode(0o600)).expect("changed");
    }

    pub(super) fn open(&self) -> Audit {
        self.try_open(Limits::default()).expect("the audit")
    }

    /// Opens the same file as somebody else would.
    pub(super) fn database(&self) -> Database {
        let database = Database::open(self.path()).expect("the database");
        database.busy_timeout(Duration::from_secs(5)).expect("set");
        database
    }

    /// Runs some SQL as somebody who wants to tamper, and has taken the triggers away.
    pub(super) fn tamper(&self, sql: &str) {
        let database = self.database();
        let ties = "SELECT sql FROM sqlite_schema WHERE type = 'trigger'";
        let ties: Vec<String> = {
            let mut statement = database.prepare(ties).expect("a schema");
            let rows = statement.query_map([], |row| row.get(0)).expect("triggers");
            rows.collect::<Result<_, _>>().expect("texts")
        };
        let untie =
            "DROP TRIGGER IF EXISTS records_are_not_changed; DROP TRIGGER IF EXISTS records_are_not_removed;";
        database.execute_batch(untie).expect("untied");
        database.execute_batch(sql).unwrap_or_else(|error| panic!("{error}: {sql}"));
        // Whoever can do that can also hide how.
        ties.iter().for_each(|tie| database.execute_batch(tie).expect("tied again"));
    }

    /// Computes a row's hash anew, as somebody does who knows the format and lacks the key.
    pub(super) fn rehash(&self, sequence: u64) {
        let database = self.database();
        let sql = format!("SELECT prev, {HASHED_COLUMNS} FROM records WHERE sequence = ?1");
        let (prev, columns): (Vec<u8>, Vec<Value>) = database
            .query_row(&sql, [i64::try_from(sequence).expect("small")], |row| {
                Ok((row.get(0)?, (1..=HASHED_COUNT).map(|at| row.get(at)).collect::<Result<_, _>>()?))
            })
            .expect("the row");
        let mut borrowed = [ValueRef::Null; HASHED_COUNT];
        columns.iter().zip(&mut borrowed).for_each(|(column, place)| *place = column.into());
        let hash = hash_row(&prev, sequence, &borrowed);
        drop(database);
        self.tamper(&format!("UPDATE records SET hash = x'{hash}' WHERE sequence = {sequence}"));
    }

    /// Appends an act that fits the chain, as somebody does who lacks the key, and returns its place.
    pub(super) fn forge(&self, what: &str, result: &str) -> u64 {
        let detail = format!(
            "{{\"version\":6,\"act\":{{\"who\":\"wardlock\",\"what\":\"{what}\",\"target\":\"vault\",\"result\":\"{result}\"}}}}"
        );
        self.tamper(&format!(
            "INSERT INTO records (sequence, kind, at_ms, detail, prev, hash) SELECT sequence + 1, 'admin', at_ms, \
             '{detail}', hash, x'' FROM records ORDER BY sequence DESC LIMIT 1"
        ));
        let last = self.database().query_row("SELECT max(sequence) FROM records", [], |row| row.get::<_, i64>(0));
        let last = u64::try_from(last.expect("a row")).expect("a place");
        self.rehash(last);
        last
    }

    /// Returns every byte of every file of the home.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).expect("the folder");
        files.flat_map(|file| std::fs::read(file.expect("a file").path()).expect("its bytes")).collect()
    }
}

pub(super) fn connection() -> Arc<Connection> {
    let service = service::parse(include_str!("service.toml"), "service.toml").expect("a service");
    let name = "guard";
    Arc::new(Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse("crm").expect("a name"),
        label: "Acme's CRM".to_owned(),
        service: Arc::new(service),
        region: Region::parse("eu").expect("a region"),
        environment: "production".to_owned(),
        grant: GrantName::parse("acme-crm").expect("a name"),
        tenant: Some("org-1".to_owned()),
        resources: BTreeSet::from(["Leads".to_owned()]),
        operations: BTreeSet::from(["records.read".to_owned(), "records.update".to_owned()]),
        owner: wardlock_core::connection::Owner::Workspace,
        params: std::collections::BTreeMap::new(),
        grant_services: std::collections::BTreeSet::new(),
        concurrency: None,
        writes: WriteMode::On,
        write_rules: WriteRules::default(),
        chain: vec![Link {
            name: PluginName::parse(name).expect("a name"),
            digest: Digest::of(b"component"),
            settings: Digest::of(b"settings"),
            mode: LinkMode::Enforce,
            hooks: wardlock_core::connection::Hooks::Request,
            capabilities: BTreeSet::new(),
        }],
        agents: BTreeMap::new(),
    })
}

pub(super) fn request(method: &str, target: &str, body: &[u8]) -> CanonicalRequest {
    let header = Header { name: "x-note".to_owned(), value: b"planted-header".to_vec() };
    CanonicalRequest::parse(method, target, vec![header], body.to_vec()).expect("canonical")
}

pub(super) fn judge() -> Judge {
    Judge::new(connection(), AgentName::parse("reporter").expect("a name"), WriteMode::On)
}

pub(super) fn classified(request: CanonicalRequest) -> Classified {
    judge().classify(request).expect("classified")
}

pub(super) fn id(number: u8) -> RequestId {
    RequestId::from_bits([number; 16])
}

pub(super) fn decision(number: u8, request: CanonicalRequest, verdict: Verdict) -> Decision {
    let judge = judge();
    let classified = judge.classify(request).expect("classified");
    let mut chain = Chain::start(&judge, classified);
    let notes = vec![Attribute { name: "note".to_owned(), value: "planted-note".to_owned() }];
    chain.take(Ok(Answer { verdict, notes }), 12);
    let (classified, outcome) = chain.finish();
    let asked = Asked {
        id: id(number),
        purpose: Some("weekly \u{1b}[31mreport\u{202e}".to_owned()),
        tenant: "org-1".to_owned(),
        generation: 3,
        via: None,
        approval: None,
    };
    decide(&judge, classified, outcome, asked)
}

pub(super) fn permit_for(number: u8, request: CanonicalRequest) -> Permit {
    match decision(number, request, Verdict::Allow) {
        Decision::Allow(permit) => *permit,
        other => panic!("not allowed: {other:?}"),
    }
}

pub(super) fn read_permit(number: u8) -> Permit {
    permit_for(
        number,
        request("GET", "/v1/records/Leads/planted-id?fields=Last_Name&email=planted%40query.example", b""),
    )
}

pub(super) fn write_permit(number: u8) -> Permit {
    permit_for(number, request("PUT", "/v1/records/Leads/planted-id", br#"{"Name":"planted-body"}"#))
}

pub(super) fn refusal_of(number: u8, verdict: Verdict) -> (Refusal, Vec<VerdictRecord>) {
    match decision(number, request("GET", "/v1/records/Leads/1", b""), verdict) {
        Decision::Deny { refusal, verdicts } | Decision::Hold { refusal, verdicts, .. } => (refusal, verdicts),
        Decision::Allow(_) => panic!("allowed"),
    }
}

pub(super) fn finished(outcome: Outcome) -> Finished {
    Finished {
        outcome,
        upstream_status: Some(200),
        attempts: 1,
        upstream_host: "api.crm.example".to_owned(),
        redactions: 0,
        answer_bytes: 17,
        answer_sha256: Some(Digest::of(b"an answer")),
        upstream_micros: 850,
        provider_code: None,
        failures: None,
        parts: Vec::new(),
        total: Duration::from_millis(2),
        verdicts: Vec::new(),
        withheld: None,
    }
}
