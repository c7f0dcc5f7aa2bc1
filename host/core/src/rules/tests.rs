//! What passes without a person where writes are on: by records at once, by records a day, for all writes and for some.

use std::collections::BTreeSet;

use super::*;
use crate::connection::{Owner, WriteLimit, WriteRules};
use crate::id::{ConnectionName, GrantName, Region, WorkspaceName};
use crate::service::parse;

fn judge(rules: WriteRules) -> Judge {
    let names = |names: &[&str]| -> BTreeSet<String> { names.iter().map(|&name| name.to_owned()).collect() };
    let service = parse(include_str!("../../../services/zoho-crm.toml"), "zoho-crm.toml").expect("the definition");
    let connection = Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse("zoho").expect("a name"),
        label: "test".to_owned(),
        service: Arc::new(service),
        region: Region::parse("eu").expect("a region"),
        environment: "production".to_owned(),
        grant: GrantName::parse("acme-zoho").expect("a name"),
        tenant: None,
        resources: names(&["Leads", "Contacts"]),
        operations: names(&["records.coql", "records.create", "records.delete_one"]),
        owner: Owner::Workspace,
        params: BTreeMap::new(),
        grant_services: BTreeSet::new(),
        concurrency: None,
        writes: WriteMode::On,
        write_rules: rules,
        chain: Vec::new(),
        agents: BTreeMap::new(),
    };
    Judge::new(Arc::new(connection), AgentName::parse("reporter").expect("a name"), WriteMode::On)
}

/// Which rule holds the creation of so many records of a module.
fn holds(judge: &Judge, module: &str, records: usize) -> Option<&'static str> {
    let body = format!("{{\"data\":[{}]}}", vec![r#"{"Last_Name":"E"}"#; records].join(","));
    let path = format!("/crm/v8/{module}");
    rule(judge, "POST", &path, &body)
}

fn rule(judge: &Judge, method: &str, path: &str, body: &str) -> Option<&'static str> {
    let request = CanonicalRequest::parse(method, path, Vec::new(), body.as_bytes().to_vec()).expect("canonical");
    let classified = judge.classify(request).expect("classified");
    judge.holds(&classified).map(|held| held.rule)
}

fn limit(at_once: Option<u32>, a_day: Option<u32>) -> WriteLimit {
    WriteLimit { max_records: at_once, max_records_a_day: a_day }
}

fn touched(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(what, records)| ((*what).to_owned(), *records)).collect()
}

#[test]
fn the_tightest_bound_holds() {
    let limits = [("Leads".to_owned(), limit(Some(3), None)), ("records.create".to_owned(), limit(Some(5), None))];
    let judge = judge(WriteRules { max_records: 10, limits: limits.into(), ..WriteRules::default() });
    assert_eq!((holds(&judge, "Leads", 3), holds(&judge, "Leads", 4)), (None, Some("max_records")));
    assert_eq!((holds(&judge, "Contacts", 5), holds(&judge, "Contacts", 6)), (None, Some("max_records")));
}

#[test]
fn a_bound_is_met_however_its_name_is_written() {
    let limits = [("leads".to_owned(), limit(Some(1), Some(1)))];
    let judge = judge(WriteRules { limits: limits.into(), ..WriteRules::default() });
    assert_eq!((holds(&judge, "Leads", 1), holds(&judge, "Leads", 2)), (None, Some("max_records")));
    let later = judge.having_touched(touched(&[("leads", 1)]));
    assert_eq!(holds(&later, "Leads", 1), Some("max_records_a_day"));
}

#[test]
fn what_is_named_passes_the_bound_of_all_writes_and_never_its_own() {
    let delete = |rules: WriteRules| rule(&judge(rules), "DELETE", "/crm/v8/Leads/1", "");
    let named = || WriteRules {
        max_records: 0,
        unattended: ["records.delete_one".to_owned()].into(),
        ..WriteRules::default()
    };
    assert_eq!(delete(WriteRules::default()), Some("destructive"));
    assert_eq!(delete(named()), None);
    let own = [("records.delete_one".to_owned(), limit(Some(0), None))];
    assert_eq!(delete(WriteRules { limits: own.into(), ..named() }), Some("max_records"));
    assert_eq!(delete(WriteRules { max_records_a_day: Some(0), ..named() }), Some("max_records_a_day"));
}

#[test]
fn a_days_bound_counts_what_was_touched_before() {
    let limits = [("Leads".to_owned(), limit(None, Some(5)))];
    let rules = WriteRules { max_records_a_day: Some(8), limits: limits.into(), ..WriteRules::default() };
    assert!(rules.bound_days() && !WriteRules::default().bound_days());
    let fresh = judge(rules.clone());
    assert_eq!((holds(&fresh, "Leads", 5), holds(&fresh, "Leads", 6)), (None, Some("max_records_a_day")));
    assert_eq!((holds(&fresh, "Contacts", 8), holds(&fresh, "Contacts", 9)), (None, Some("max_records_a_day")));
    let later = judge(rules).having_touched(touched(&[("", 6), ("Leads", 4)]));
    assert_eq!((holds(&later, "Leads", 1), holds(&later, "Leads", 2)), (None, Some("max_records_a_day")));
    assert_eq!((holds(&later, "Contacts", 2), holds(&later, "Contacts", 3)), (None, Some("max_records_a_day")));
}

#[test]
fn every_bound_is_part_of_the_rules_for_which_a_proof_holds() {
    let digest = |rules: WriteRules| judge(rules).connection().rules_digest();
    let own = |limit| [("Leads".to_owned(), limit)].into();
    let all = [
        WriteRules::default(),
        WriteRules { max_records: 3, ..WriteRules::default() },
        WriteRules { max_records_a_day: Some(3), ..WriteRules::default() },
        WriteRules { approvals: 2, ..WriteRules::default() },
        WriteRules { limits: own(limit(Some(3), None)), ..WriteRules::default() },
        WriteRules { limits: own(limit(None, Some(3))), ..WriteRules::default() },
        WriteRules {
            unattended: ["Leads".to_owned(), "3".to_owned(), String::new()].into(),
            ..WriteRules::default()
        },
    ];
    let digests: BTreeSet<String> = all.map(|rules| digest(rules).to_string()).into();
    assert_eq!(digests.len(), 7);
}

#[test]
fn the_writes_of_a_call_that_carries_others_are_bounded_together() {
    let part = |id: usize, records: usize, module: &str| {
        let data = vec![r#"{"Last_Name":"E"}"#; records].join(",");
        format!(
            r#"{{"sub_request_id":"{id}","method":"POST","uri":"/crm/v8/{module}","body":{{"data":[{data}]}}}}"#
        )
    };
    let read = r#"{"sub_request_id":"9","method":"GET","uri":"/crm/v8/Leads/1","params":{"fields":"Last_Name"}}"#;
    let call = |judge: &Judge, parts: &[String]| {
        let body = format!("{{\"__composite_requests\":[{},{read}]}}", parts.join(","));
        rule(judge, "POST", "/crm/v8/__composite_requests", &body)
    };
    let limits = [("Leads".to_owned(), limit(Some(5), Some(8)))];
    let rules = WriteRules { max_records: 7, limits: limits.into(), ..WriteRules::default() };
    let judge = judge(rules);
    assert_eq!(call(&judge, &[part(1, 3, "Leads"), part(2, 2, "Leads")]), None);
    assert_eq!(call(&judge, &[part(1, 3, "Leads"), part(2, 3, "Leads")]), Some("max_records"), "6 of Leads");
    assert_eq!(call(&judge, &[part(1, 4, "Leads"), part(2, 3, "Contacts")]), None);
    assert_eq!(call(&judge, &[part(1, 4, "Leads"), part(2, 4, "Contacts")]), Some("max_records"), "8 of all");
    let later = judge.having_touched(touched(&[("Leads", 4)]));
    assert_eq!(call(&later, &[part(1, 2, "Leads"), part(2, 2, "Leads")]), None, "8 a day");
    assert_eq!(call(&later, &[part(1, 3, "Leads"), part(2, 2, "Leads")]), Some("max_records_a_day"));
}

#[test]
fn what_is_no_select_is_told_so_and_an_unread_one_where_its_reader_stopped() {
    let judge = judge(WriteRules::default());
    let told = |query: &str| {
        let body = serde_json::json!({ "select_query": query }).to_string();
        let request = CanonicalRequest::parse("POST", "/crm/v8/coql", Vec::new(), body.into_bytes());
        let classified = judge.classify(request.expect("canonical")).expect("classified");
        judge.check(&classified).expect_err("nobody can tell what it touches")
    };
    for other in ["delete from Leads", " UPDATE Leads set Email = 'a'", "selected from Leads", "(select id)", ""] {
        let refusal = told(other);
        assert_eq!(refusal.code, Code::NotASelect, "{other}");
        assert!(refusal.detail.contains("only a SELECT passes"), "{refusal:?}");
    }
    for (query, stopped) in [
        ("select id from Leads where", " 27,"),
        ("Select id from Leads; delete from Leads", " 21,"),
        ("select lower(Email) from Leads", " 8,"),
        ("select 'é' from Leads where a ~ 1", " 31,"),
        ("select id from Leads where a = 'open", " 32,"),
    ] {
        let refusal = told(query);
        assert_eq!(refusal.code, Code::ResourceNotAllowed, "{query}");
        let (cannot, character) = ("the host cannot tell which resources", format!("up to character{stopped}"));
        assert!(refusal.detail.starts_with(cannot) && refusal.detail.contains(&character), "{refusal:?}");
    }
}

#[test]
fn what_reaches_beyond_the_pinned_account_is_told_to_be_named_by_itself() {
    let meta = parse(include_str!("../../../services/meta-ads.toml"), "meta-ads.toml").expect("the definition");
    let told = |resources: &[&str]| {
        let connection = Connection {
            service: Arc::new(meta.clone()),
            resources: resources.iter().map(|&name| name.to_owned()).collect(),
            tenant: Some("111".to_owned()),
            operations: BTreeSet::from(["objects.get".to_owned()]),
            ..Connection::clone(&judge(WriteRules::default()).connection)
        };
        let agent = AgentName::parse("reporter").expect("a name");
        let judge = Judge::new(Arc::new(connection), agent, WriteMode::Off);
        let request = CanonicalRequest::parse("GET", "/v26.0/120?fields=name", Vec::new(), Vec::new());
        judge.check(&judge.classify(request.expect("canonical")).expect("classified"))
    };
    let refusal = told(&["*"]).expect_err("any account's");
    let hint = refusal.hint.expect("a hint");
    let named = "may name `$any_account` itself in `resources` of connection `zoho`";
    assert!(hint.starts_with("allowed here: *; ") && hint.ends_with(named), "{hint}");
    told(&["*", "$any_account"]).expect("named by itself");
}
