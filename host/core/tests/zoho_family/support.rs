//! Reads the tables, and judges requests as a connection would.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::classify::{Classified, classify};
use wardlock_core::connection::{Connection, WriteMode, WriteRules};
use wardlock_core::id::{AgentName, ConnectionName, GrantName, Region, WorkspaceName};
use wardlock_core::plugin::Effect;
use wardlock_core::refusal::Refusal;
use wardlock_core::rules::Judge;
use wardlock_core::service::{ServiceDefinition, parse_and_lint};

/// A route: method and target, body, and `name effect resources breadth`.
pub type Row = (&'static str, &'static str, &'static str);

/// Parses a definition, of which the linter must have nothing to say.
pub fn service(text: &str, file: &str) -> Arc<ServiceDefinition> {
    let (service, findings) = parse_and_lint(text, file).unwrap_or_else(|error| panic!("{error}"));
    let findings: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert_eq!(findings, Vec::<String>::new(), "{file}");
    Arc::new(service)
}

/// Checks every row, and that every operation has one.
#[track_caller]
pub fn check_rows(service: &Arc<ServiceDefinition>, rows: &[Row]) {
    let mut seen = BTreeSet::new();
    for (line, body, expect) in rows {
        let classified =
            read(service, line, &[], body).unwrap_or_else(|refusal| panic!("{line}: {}", refusal.detail));
        let operation = classified.operation();
        let breadth = operation.breadth.map_or("any".to_owned(), |breadth| breadth.to_string());
        let resources = operation.resources.join("+");
        let got = format!("{} {} {resources} {breadth}", operation.name, operation.effect.as_str());
        assert_eq!(&got, expect, "{line} {body}");
        seen.insert(operation.name.clone());
    }
    let all: BTreeSet<String> = service.operations.iter().map(|operation| operation.name.clone()).collect();
    assert_eq!(all.difference(&seen).collect::<Vec<_>>(), Vec::<&String>::new(), "operations without a row");
}

/// Checks what every definition of an API must hold to.
#[track_caller]
pub fn check_sanity(service: &ServiceDefinition, reading: &[&str], writing: &[&str]) {
    for operation in &service.operations {
        let name = &operation.name;
        assert!(!operation.replay_safe || operation.effect == Effect::Read, "{name} is repeated");
        assert!(!operation.scopes.is_empty(), "{name} needs no scope");
        let identity = operation.resources.iter().any(|source| format!("{source:?}").contains("$identity"));
        assert!(operation.effect == Effect::Read || !identity, "{name} writes to the identity");
    }
    let effects = |group: &str| -> BTreeSet<Effect> {
        let members = service.groups.get(group).unwrap_or_else(|| panic!("no group {group}"));
        members.iter().map(|name| service.operation(name).expect(name).effect).collect()
    };
    for group in reading {
        assert_eq!(effects(group), BTreeSet::from([Effect::Read]), "{group}");
    }
    for group in writing {
        assert_eq!(effects(group), BTreeSet::from([Effect::Write]), "{group}");
    }
    let grouped: BTreeSet<&String> = service.groups.values().flatten().collect();
    let names = service.operations.iter().map(|operation| &operation.name);
    let alone: Vec<&String> = names.filter(|name| !grouped.contains(name)).collect();
    assert!(alone.iter().all(|name| UNGROUPED.contains(&name.as_str())), "in no group: {alone:?}");
}

/// Operations that need no group: what they read is not this connection's.
const UNGROUPED: [&str; 2] = ["organizations.accessible", "organizations.list"];

/// Classifies a request.
pub fn read(
    service: &Arc<ServiceDefinition>,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Result<Classified, Refusal> {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    let header = |(name, value): &(&str, &str)| Header { name: (*name).into(), value: value.as_bytes().to_vec() };
    let headers = headers.iter().map(header).collect();
    let request = CanonicalRequest::parse(method, target, headers, body.as_bytes().to_vec()).expect(line);
    classify(service, request)
}

/// Returns the code with which a connection refuses a request, or `passed`. The connection may do everything, but for
/// resources that begin with `$`.
pub fn judged(
    service: &Arc<ServiceDefinition>,
    tenant: Option<&str>,
    line: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> String {
    let judge = judge(service, tenant);
    match read(service, line, headers, body).and_then(|classified| judge.check(&classified)) {
        Ok(()) => "passed".to_owned(),
        Err(refusal) => refusal.code.as_str().to_owned(),
    }
}

fn judge(service: &Arc<ServiceDefinition>, tenant: Option<&str>) -> Judge {
    let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<String>>();
    let agent = AgentName::parse("robot").expect("a name");
    let connection = Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse("zoho").expect("a name"),
        label: "Acme".to_owned(),
        service: Arc::clone(service),
        region: Region::parse("eu").expect("a region"),
        environment: "production".to_owned(),
        grant: GrantName::parse("zoho").expect("a name"),
        tenant: tenant.map(str::to_owned),
        owner: wardlock_core::connection::Owner::Workspace,
        params: BTreeMap::new(),
        grant_services: BTreeSet::new(),
        resources: all(&["*"]),
        operations: service.operations.iter().map(|operation| operation.name.clone()).collect(),
        concurrency: None,
        writes: WriteMode::On,
        write_rules: WriteRules::default(),
        chain: Vec::new(),
        agents: BTreeMap::new(),
    };
    Judge::new(Arc::new(connection), agent, WriteMode::On)
}
