//! The definitions of the ad services and the templates: what each of their routes is, and what they let nobody do.

#![expect(clippy::expect_used, reason = "a helper of tests fails like a test")]

mod google;
mod meta;
mod templates;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use wardlock_core::answer::read_answer;
use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::classify::{Classified, classify};
use wardlock_core::connection::{Connection, WriteMode, WriteRules};
use wardlock_core::id::{AgentName, ConnectionName, GrantName, Region, WorkspaceName};
use wardlock_core::refusal::{Code, Refusal};
use wardlock_core::rules::Judge;
use wardlock_core::service::{ServiceDefinition, parse_and_lint};

/// Reads a definition in which the linter finds nothing.
#[track_caller]
fn clean(text: &str, file: &str) -> ServiceDefinition {
    let (service, findings) = parse_and_lint(text, file).unwrap_or_else(|error| panic!("{error}"));
    assert!(findings.is_empty(), "{file}: {findings:?}");
    service
}

/// A request, and how it is classified: `name effect resources breadth`.
struct Row {
    line: &'static str,
    body: &'static str,
    expect: &'static str,
}

const fn row(line: &'static str, body: &'static str, expect: &'static str) -> Row {
    Row { line, body, expect }
}

fn classified(service: &Arc<ServiceDefinition>, line: &str, body: &str) -> Result<Classified, Refusal> {
    let (method, target) = line.split_once(' ').expect("a method and a target");
    // What does not begin as JSON does is a form, and says so.
    let is_form = !body.is_empty() && !body.starts_with('{');
    let form = Header { name: "content-type".to_owned(), value: b"application/x-www-form-urlencoded".to_vec() };
    let headers = is_form.then_some(form).into_iter().collect();
    let request = CanonicalRequest::parse(method, target, headers, body.as_bytes().to_vec()).expect(target);
    classify(service, request)
}

fn show(classified: &Classified) -> String {
    let operation = classified.operation();
    let breadth = operation.breadth.map_or("any".to_owned(), |breadth| breadth.to_string());
    format!("{} {} {} {breadth}", operation.name, operation.effect.as_str(), operation.resources.join("+"))
}

#[track_caller]
fn check_rows(service: &Arc<ServiceDefinition>, rows: &[Row]) {
    for Row { line, body, expect } in rows {
        let classified = classified(service, line, body).unwrap_or_else(|refusal| panic!("{line}: {refusal:?}"));
        assert_eq!(show(&classified), *expect, "{line} {body}");
    }
}

/// Every operation has a row of its own.
#[track_caller]
fn check_all_are_listed(service: &ServiceDefinition, rows: &[Row]) {
    let listed: BTreeSet<&str> = rows.iter().filter_map(|row| row.expect.split(' ').next()).collect();
    let missing: Vec<&str> =
        service.operations.iter().map(|known| known.name.as_str()).filter(|name| !listed.contains(name)).collect();
    assert!(missing.is_empty(), "no row for {missing:?}");
}

/// Judges for a connection that may do all that the service defines, with these resources and for this tenant.
fn judge(service: &Arc<ServiceDefinition>, tenant: &str, resources: &[&str]) -> Judge {
    let connection = Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse("ads").expect("a name"),
        label: "test".to_owned(),
        service: Arc::clone(service),
        region: Region::parse("everywhere").expect("a region"),
        environment: "production".to_owned(),
        grant: GrantName::parse("acme-ads").expect("a name"),
        tenant: Some(tenant.to_owned()),
        resources: resources.iter().map(|&name| name.to_owned()).collect(),
        operations: service.operations.iter().map(|operation| operation.name.clone()).collect(),
        concurrency: None,
        writes: WriteMode::On,
        write_rules: WriteRules::default(),
        chain: Vec::new(),
        agents: BTreeMap::new(),
        owner: wardlock_core::connection::Owner::Workspace,
        params: BTreeMap::new(),
        grant_services: BTreeSet::new(),
    };
    Judge::new(Arc::new(connection), AgentName::parse("reporter").expect("a name"), WriteMode::On)
}

/// Returns why a request is refused; `None`: it is allowed.
fn refused(judge: &Judge, line: &str, body: &str) -> Option<Code> {
    let classified = classified(&judge.connection().service, line, body);
    classified.and_then(|classified| judge.check(&classified)).err().map(|refusal| refusal.code)
}

#[track_caller]
fn check_refused(judge: &Judge, cases: &[(&str, &str, Option<Code>)]) {
    for (line, body, expect) in cases {
        assert_eq!(refused(judge, line, body), *expect, "{line} {body}");
    }
}

/// `outcome code stale throttled wait`, the last three where they hold.
#[track_caller]
fn check_answer(service: &ServiceDefinition, status: u16, body: &str, expect: &str) {
    let reading = read_answer(&service.answer, status, Some(body.as_bytes()));
    let mut words = vec![reading.outcome.as_str().to_owned(), reading.code.unwrap_or("-".to_owned())];
    words.extend(reading.stale_token.then(|| "stale".to_owned()));
    words.extend(reading.throttled.then(|| "throttled".to_owned()));
    words.extend(reading.retry_after.map(|seconds| seconds.to_string()));
    assert_eq!(words.join(" "), expect, "{status} {body}");
}
