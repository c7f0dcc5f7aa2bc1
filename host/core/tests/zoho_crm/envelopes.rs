//! Composite calls: what their parts are, what they are together, and what is no composite that could be judged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};
use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::classify::{Classified, classify};
use wardlock_core::connection::{Connection, Owner, WriteMode, WriteRules};
use wardlock_core::id::{AgentName, ConnectionName, GrantName, Region, WorkspaceName};
use wardlock_core::refusal::{Code, Refusal};
use wardlock_core::rules::Judge;

use crate::support::{service, show, show_touched};

const COMPOSITE: &str = "/crm/v8/__composite_requests";

fn composite(body: &Value) -> Result<Classified, Refusal> {
    composite_text(&body.to_string())
}

fn composite_text(body: &str) -> Result<Classified, Refusal> {
    let request = CanonicalRequest::parse("POST", COMPOSITE, Vec::new(), body.as_bytes().to_vec());
    classify(service(), request.expect("canonical"))
}

fn parts(parts: &[Value]) -> Result<Classified, Refusal> {
    composite(&json!({ "__composite_requests": parts }))
}

fn part(method: &str, uri: &str) -> Value {
    json!({ "method": method, "uri": uri })
}

/// Checks why a part behind a good one is refused, and that it is named.
#[track_caller]
fn check_part(part: &Value, code: Code, says: &str) {
    let good = json!({ "sub_request_id": "a", "method": "GET", "uri": "/crm/v8/Leads/1" });
    let refusal = parts(&[good, part.clone()]).expect_err("refused");
    assert_eq!((refusal.code, refusal.part), (code, Some(2)), "{part}: {}", refusal.detail);
    assert!(refusal.detail.starts_with("part 2: ") && refusal.detail.contains(says), "{part}: {}", refusal.detail);
}

#[test]
fn a_composite_is_its_worst_part_all_that_they_touch_and_their_sum() {
    let lead = json!({ "data": [{ "Last_Name": "x" }, { "Last_Name": "y" }] });
    let read = part("GET", "/crm/v8/Contacts?fields=Email&per_page=10");
    let write = json!({ "method": "POST", "uri": "/crm/v8/Leads", "body": lead });
    let both = parts(&[read.clone(), write]).expect("classified");
    assert_eq!(show(&both), "composite write Contacts+Leads");
    assert_eq!(show_touched(&both), "Contacts.Email Leads.Last_Name! | 12");
    let each: Vec<String> = both.parts().iter().map(|part| show(part.classified())).collect();
    assert_eq!(each, ["records.list read Contacts", "records.create write Leads"]);
    assert_eq!(both.parts()[1].classified().request().body(), lead.to_string().as_bytes());

    assert_eq!(show(&parts(std::slice::from_ref(&read)).expect("classified")), "composite read Contacts");
    let delete = parts(&[read.clone(), part("DELETE", "/crm/v8/Leads/1")]).expect("classified");
    assert_eq!(show(&delete), "composite destructive Contacts+Leads");
    // What nobody can tell of a part, nobody can tell of the whole.
    let unknown = parts(&[read.clone(), part("GET", "/crm/v8/Leads/search?word=x")]).expect("classified");
    assert_eq!(show_touched(&unknown), "? | 210");
    let unbounded = parts(&[read, part("POST", "/crm/v8/Leads/actions/mass_delete")]).expect("classified");
    assert_eq!(show_touched(&unbounded), "? | any");
}

#[test]
fn a_part_is_a_request_of_its_own() {
    let with = json!({
        "sub_request_id": "1", "method": "GET", "uri": "/crm/v8/Leads",
        "params": { "fields": "Last_Name,Email", "per_page": 5 }, "headers": { "If-Modified-Since": "x" },
    });
    let whole = parts(&[with]).expect("classified");
    let request = whole.parts()[0].classified().request();
    assert_eq!(request.path_and_query(), "/crm/v8/Leads?fields=Last_Name%2CEmail&per_page=5");
    assert_eq!(request.header("if-modified-since"), Some(b"x".as_slice()));
    assert_eq!(show_touched(whole.parts()[0].classified()), "Leads.Email Leads.Last_Name | 5");
    // A body is judged as it stands, with every space and digit.
    let text = r#"{"__composite_requests":[{"method":"PUT","uri":"/crm/v8/Leads/1","body": {"data" :[{"Amount":1.50}]} }]}"#;
    let whole = composite_text(text).expect("classified");
    assert_eq!(whole.parts()[0].classified().request().body(), br#"{"data" :[{"Amount":1.50}]}"#);
    assert_eq!(whole.parts()[0].named().line.as_deref(), Some("PUT /crm/v8/{module}/{id}"));
}

#[test]
fn what_is_no_list_of_parts_is_refused() {
    let get = part("GET", "/crm/v8/Leads/1");
    let malformed = [
        json!({}),
        json!({ "__composite_requests": [] }),
        json!({ "__composite_requests": {} }),
        json!({ "__composite_requests": "[]" }),
        json!({ "__composite_requests": [get], "more": true }),
        json!({ "__composite_requests": [get], "rollback_on_fail": "yes" }),
        json!({ "__composite_requests": [get], "rollback_on_fail": null }),
        json!([{ "__composite_requests": [get] }]),
    ];
    for body in malformed {
        assert_eq!(composite(&body).expect_err("refused").code, Code::EnvelopeMalformed, "{body}");
    }
    let refused =
        composite(&json!({ "__composite_requests": [get], "rollback_on_fail": "yes" })).expect_err("refused");
    assert_eq!(refused.detail, "`rollback_on_fail` of the body is a switch, and a switch is `true` or `false`");
    let switched = json!({ "__composite_requests": [get], "rollback_on_fail": true, "parallel_execution": false });
    assert!(composite(&switched).is_ok(), "switches that are known");
    assert!(parts(&vec![get.clone(); 5]).is_ok(), "as many as are taken");
    assert_eq!(parts(&vec![get; 6]).expect_err("refused").code, Code::EnvelopeTooLong);
    let twice = r#"{"__composite_requests":[{"method":"GET","method":"DELETE","uri":"/crm/v8/Leads/1"}]}"#;
    assert_eq!(composite_text(twice).expect_err("refused").code, Code::NotCanonical);
}

#[test]
fn a_part_with_what_nobody_knows_is_refused() {
    let malformed = Code::EnvelopeMalformed;
    check_part(&json!("GET /crm/v8/Leads"), malformed, "is no object");
    check_part(&json!({ "uri": "/crm/v8/Leads/1" }), malformed, "`method` is missing");
    check_part(&json!({ "method": "GET" }), malformed, "`uri` is missing");
    check_part(&json!({ "method": "GET", "uri": 7 }), malformed, "`uri` is missing, or no text");
    check_part(&json!({ "method": "GET", "uri": "/crm/v8/Leads/1", "body": null }), malformed, "is null");
    check_part(&json!({ "method": "GET", "uri": "/crm/v8/Leads/1", "depends": [] }), malformed, "`depends`");
    check_part(
        &json!({ "sub_request_id": "a", "method": "GET", "uri": "/crm/v8/Leads/1" }),
        malformed,
        "its name",
    );
    check_part(&json!({ "sub_request_id": 1, "method": "GET", "uri": "/crm/v8/Leads/1" }), malformed, "its name");
    for (params, says) in
        [(json!([]), "no object"), (json!({ "page": 1.5 }), "`page`"), (json!({ "page": {} }), "`page`")]
    {
        check_part(&json!({ "method": "GET", "uri": "/crm/v8/Leads", "params": params }), malformed, says);
    }
    for (name, value, says) in [
        ("Authorization", "Zoho-oauthtoken x", "not forwarded"),
        ("X-CRM-ORG", "1", "not forwarded"),
        ("Cookie", "a=b", "not forwarded"),
        ("a b", "x", "cannot be sent"),
        ("Accept", "x\r\ny", "cannot be sent"),
    ] {
        let headers = json!({ name: value });
        check_part(&json!({ "method": "GET", "uri": "/crm/v8/Leads/1", "headers": headers }), malformed, says);
    }
    let hosts = ["https://evil.example/crm/v8/Leads", "crm/v8/Leads", "www.zohoapis.com/crm/v8/Leads", ""];
    for uri in hosts {
        check_part(&part("GET", uri), malformed, "is no path");
    }
    check_part(&json!({ "method": "POST", "uri": "/crm/v8/upload", "body": {} }), malformed, "another host");
}

#[test]
fn a_part_with_two_readings_is_refused() {
    let canonical = Code::NotCanonical;
    for uri in [
        "/crm/v8/%4Ceads/1",
        "/crm/v8/Leads%2F1",
        "/crm/v8/Léads/1",
        "/crm/v8/../v8/Leads",
        "/crm/v8//Leads",
        "//evil.example/Leads",
        "/crm/v8/Leads;x/1",
        "/crm/v8/Leads/1#x",
        "/crm/v8/Leads?%66ields=Email",
        "/crm/v8/Leads?fields=Em%61il",
        "/crm/v8/Leads?fields=Email&per_page=%31",
        "/crm/v8/Leads?fields=%2543",
        "/crm/v8/Leads?fields=%zz",
        "/crm/v8/Leads?fields=a&fields=b",
    ] {
        check_part(&part("GET", uri), canonical, "");
    }
    check_part(&part("get", "/crm/v8/Leads/1"), canonical, "method");
    check_part(&part("TRACE", "/crm/v8/Leads/1"), canonical, "method");
    check_part(&json!({ "method": "GET", "uri": "/crm/v8/Leads/1", "body": {} }), canonical, "carries a body");
    let both = json!({ "method": "GET", "uri": "/crm/v8/Leads?fields=Email", "params": { "page": "2" } });
    check_part(&both, canonical, "in its URI and beside it");
    let headers = json!({ "Accept": "a", "accept": "b" });
    check_part(&json!({ "method": "GET", "uri": "/crm/v8/Leads/1", "headers": headers }), canonical, "twice");
    let params = json!({ "fields": "Email%2CPhone" });
    check_part(&json!({ "method": "GET", "uri": "/crm/v8/Leads", "params": params }), canonical, "`%`");
    for value in ["2&cvid=5", "2#", "2;cvid=5"] {
        let params = json!({ "fields": "Email", "page": value });
        check_part(&json!({ "method": "GET", "uri": "/crm/v8/Leads", "params": params }), canonical, "`&`");
    }
    check_part(&part("GET", "/crm/v8/Leads?fields=Email%26cvid%3D5"), canonical, "`&`");
    // What refuses a request refuses a part.
    check_part(&part("GET", "/crm/v8/Leads?authtoken=x"), Code::QueryNotAllowed, "authtoken");
    let form = json!({ "content-type": "text/plain" });
    let typed = json!({ "method": "POST", "uri": "/crm/v8/Leads", "headers": form, "body": { "data": [] } });
    check_part(&typed, Code::BodyType, "application/json");
    let files = json!({ "method": "POST", "uri": "/crm/v8/Leads/1/Attachments", "body": {} });
    check_part(&files, Code::BodyType, "another kind of body");
}

#[test]
fn a_part_that_names_another_or_holds_parts_is_refused() {
    for refers in [
        part("GET", "/crm/v8/Leads/@{1:$.data[0].id}"),
        json!({ "method": "GET", "uri": "/crm/v8/Leads", "params": { "ids": "@{1:$.data[0].id}" } }),
        json!({ "method": "PUT", "uri": "/crm/v8/Leads/1", "body": { "data": [{ "Last_Name": "@{1:$.x}" }] } }),
        json!({ "method": "PUT", "uri": "/crm/v8/Leads/1", "body": { "data": [{ "@{1:$.x}": 1 }] } }),
        part("GET", "/crm/v8/Leads?fields=%40%7B1:$.x%7D"),
    ] {
        check_part(&refers, Code::EnvelopeReference, "refers to");
    }
    let nested = json!({ "__composite_requests": [part("DELETE", "/crm/v8/Leads/1")] });
    let nested = json!({ "method": "POST", "uri": COMPOSITE, "body": nested });
    check_part(&nested, Code::EnvelopeNested, "parts of its own");
}

/// Judges on a connection that may do a good deal, some of it without a person.
fn judge(resources: &[&str], writes: WriteMode, max_records: u32) -> Judge {
    let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<BTreeSet<String>>();
    let connection = Connection {
        workspace: WorkspaceName::parse("acme").expect("a name"),
        name: ConnectionName::parse("zoho").expect("a name"),
        label: "test".to_owned(),
        service: Arc::clone(service()),
        region: Region::parse("eu").expect("a region"),
        environment: "production".to_owned(),
        grant: GrantName::parse("acme-zoho").expect("a name"),
        tenant: None,
        resources: names(resources),
        operations: names(&["composite", "records.get", "records.list", "records.create", "records.delete_one"]),
        owner: Owner::Workspace,
        params: BTreeMap::new(),
        grant_services: BTreeSet::new(),
        concurrency: None,
        writes,
        write_rules: WriteRules { max_records, ..WriteRules::default() },
        chain: Vec::new(),
        agents: BTreeMap::new(),
    };
    Judge::new(Arc::new(connection), AgentName::parse("reporter").expect("a name"), writes)
}

fn word(judge: &Judge, classified: Result<Classified, Refusal>) -> String {
    let checked = classified.and_then(|classified| judge.check(&classified).map(|()| classified));
    match checked {
        Err(refusal) => format!("{} {:?}", refusal.code.as_str(), refusal.part),
        Ok(classified) => match judge.holds(&classified) {
            Some(held) => format!("{} {:?}", held.rule, held.part.map(|part| part.number)),
            None => "passes".to_owned(),
        },
    }
}

fn create(count: usize) -> Value {
    let body = json!({ "data": vec![json!({ "Last_Name": "x" }); count] });
    json!({ "method": "POST", "uri": "/crm/v8/Leads", "body": body })
}

#[test]
fn one_part_decides_for_all_of_them() {
    let on = judge(&["Leads"], WriteMode::On, 100);
    let read = part("GET", "/crm/v8/Leads?fields=Email&per_page=200");
    let two = |second: Value| parts(&[read.clone(), second]);
    assert_eq!(word(&on, two(read.clone())), "passes");
    assert_eq!(word(&on, two(part("GET", "/crm/v8/Contacts/1"))), "resource_not_allowed Some(2)");
    assert_eq!(word(&on, two(part("DELETE", "/crm/v8/Leads?ids=1"))), "operation_not_allowed Some(2)");
    assert_eq!(word(&on, two(part("GET", "/crm/v8/Leads/1/2/3/4"))), "unknown_operation Some(2)");
    assert_eq!(word(&on, two(part("DELETE", "/crm/v8/Leads/1"))), "destructive Some(2)");
    assert_eq!(word(&judge(&["Leads"], WriteMode::Off, 100), two(create(1))), "writes_off Some(2)");
    assert_eq!(word(&judge(&["Leads"], WriteMode::Draft, 100), two(create(1))), "writes None");
    assert_eq!(word(&judge(&["Leads"], WriteMode::Off, 100), two(read.clone())), "passes");
    // Each is small enough, and together they are not; what is only read does not count.
    assert_eq!(word(&on, two(create(100))), "passes");
    assert_eq!(word(&on, two(create(101))), "max_records Some(2)");
    assert_eq!(word(&on, parts(&[create(60), create(60)])), "max_records None");
    let refusal = two(part("GET", "/crm/v8/Contacts/1")).and_then(|whole| on.check(&whole)).expect_err("refused");
    assert!(
        refusal.detail.starts_with("part 2 (`GET /crm/v8/{module}/{id}`): resource `Contacts`"),
        "{refusal:?}"
    );
}

/// Requests, each as it comes alone and as a part.
fn requests() -> impl Strategy<Value = (&'static str, String, Value)> {
    let modules = prop::sample::select(vec!["Leads", "Contacts", "Deals", "settings"]);
    let body = |count: usize| json!({ "data": vec![json!({ "Last_Name": "x" }); count] });
    (modules, 0_usize..6, 1_usize..40).prop_map(move |(module, kind, count)| match kind {
        0 => ("GET", format!("/crm/v8/{module}/1"), Value::Null),
        1 => ("GET", format!("/crm/v8/{module}?fields=Email&per_page={count}"), Value::Null),
        2 => ("POST", format!("/crm/v8/{module}"), body(count)),
        3 => ("DELETE", format!("/crm/v8/{module}/{count}"), Value::Null),
        4 => ("PUT", format!("/crm/v8/{module}"), body(count)),
        _ => ("POST", format!("/crm/v8/{module}/actions/mass_delete"), json!({ "cvid": "1" })),
    })
}

fn alone((method, uri, body): &(&'static str, String, Value)) -> Result<Classified, Refusal> {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    classify(service(), CanonicalRequest::parse(method, uri, Vec::new(), body).expect("canonical"))
}

fn as_part((method, uri, body): &(&'static str, String, Value)) -> Value {
    let mut part = part(method, uri);
    if !body.is_null() {
        part["body"] = body.clone();
    }
    part
}

proptest! {
    /// An envelope never passes with what does not pass by itself, and is never less than any of its parts.
    #[test]
    fn a18_an_envelope_allows_nothing_more(
        all in prop::collection::vec(requests(), 1..=5),
        wide in any::<bool>(),
        writes in prop::sample::select(vec![WriteMode::Off, WriteMode::Draft, WriteMode::On]),
        most in 1_u32..60,
    ) {
        let resources: &[&str] = if wide { &["*", "$settings"] } else { &["Leads"] };
        let judge = judge(resources, writes, most);
        let whole = parts(&all.iter().map(as_part).collect::<Vec<_>>());
        let passes = word(&judge, whole.clone()) == "passes";
        for one in &all {
            let by_itself = alone(one);
            prop_assert!(!passes || word(&judge, by_itself.clone()) == "passes", "{one:?}");
            if let (Ok(whole), Ok(one)) = (&whole, &by_itself) {
                let (all, one) = (whole.operation(), one.operation());
                prop_assert!(all.effect >= one.effect);
                prop_assert!(one.resources.iter().all(|resource| all.resources.contains(resource)));
                prop_assert!(all.breadth.is_none_or(|all| one.breadth.is_some_and(|one| one <= all)));
                prop_assert!(all.fields.is_none() || one.fields.is_some());
            }
        }
        // One of one is what it is alone, but for its own operation.
        if let [one] = all.as_slice() {
            let alone = word(&judge, alone(one)).replace("None", "Some(1)");
            let whole = word(&judge, whole).replace("writes None", "writes Some(1)");
            prop_assert_eq!(whole, alone);
        }
    }

    /// Nothing that stands in a part makes it panic.
    #[test]
    fn no_part_panics(uri in "\\PC{0,40}", method in "\\PC{0,6}", name in "\\PC{0,6}", body in "\\PC{0,20}") {
        let part = json!({ "method": method, "uri": uri, "params": { name.clone(): body }, "headers": { name: "x" } });
        let _refused = parts(&[part]).is_err();
    }
}
