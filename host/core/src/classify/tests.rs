//! What classification refuses, keeps and drops.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::*;
use crate::canonical::Header;
use crate::service::parse;

fn service() -> &'static Arc<ServiceDefinition> {
    static SERVICE: LazyLock<Arc<ServiceDefinition>> = LazyLock::new(|| {
        let text = include_str!("../../../services/zoho-crm.toml");
        Arc::new(parse(text, "zoho-crm.toml").expect("the definition"))
    });
    &SERVICE
}

fn request(method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> CanonicalRequest {
    let headers = headers
        .iter()
        .map(|(name, value)| Header { name: (*name).to_owned(), value: value.as_bytes().to_vec() })
        .collect();
    CanonicalRequest::parse(method, target, headers, body.to_vec()).expect(target)
}

#[track_caller]
fn check_refused(method: &str, target: &str, headers: &[(&str, &str)], body: &str, expect: &str) {
    let got = match classify(service(), request(method, target, headers, body.as_bytes())) {
        Ok(classified) => format!("passed as {}", classified.operation().name),
        Err(refusal) => refusal.code.as_str().to_owned(),
    };
    assert_eq!(got, expect, "{method} {target} {headers:?} {body}");
}

#[test]
fn query_names_that_are_not_taken_are_refused_with_the_nearest() {
    check_refused("GET", "/crm/v8/Leads?feilds=x", &[], "", "query_not_allowed");
    check_refused("GET", "/crm/v8/Leads?Fields=x", &[], "", "query_not_allowed");
    check_refused("GET", "/crm/v8/Leads?criteria=(A:equals:1)", &[], "", "query_not_allowed");
    check_refused("GET", "/crm/v8/users?type=CurrentUser&ids=1", &[], "", "query_not_allowed");
    check_refused("POST", "/crm/v8/coql?x=1", &[], "{}", "query_not_allowed");
    let refusal = classify(service(), request("GET", "/crm/v8/Leads?feilds=x", &[], b"")).expect_err("refused");
    assert_eq!(refusal.hint.as_deref(), Some("did you mean `fields`?"));
}

#[test]
fn judged_parameters_stand_once() {
    check_refused("GET", "/crm/v8/Leads?fields=a&fields=b", &[], "", "not_canonical");
    check_refused("GET", "/crm/v8/Leads?fields=a&per_page=1&per_page=200", &[], "", "not_canonical");
    check_refused("GET", "/crm/v8/users?type=CurrentUser&type=AllUsers", &[], "", "not_canonical");
    check_refused("DELETE", "/crm/v8/Leads?ids=1&ids=2", &[], "", "not_canonical");
    check_refused("GET", "/crm/v8/Leads?fields=a&page=1&page=2", &[], "", "passed as records.list");
}

#[test]
fn empty_places_in_a_list_are_refused() {
    for list in ["", ",", "a,", ",a", "a,,b", "a,%20,b"] {
        check_refused("GET", &format!("/crm/v8/Leads?fields={list}"), &[], "", "not_canonical");
    }
}

#[test]
fn bodies_are_what_the_operation_declares() {
    const JSON: &str = r#"{"data":[{"Last_Name":"x"}]}"#;
    let post = |headers: &[(&str, &str)], body: &str, expect: &str| {
        check_refused("POST", "/crm/v8/Leads", headers, body, expect);
    };
    post(&[], JSON, "passed as records.create");
    for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""] {
        post(&[("content-type", good)], JSON, "passed as records.create");
    }
    for bad in [
        "text/plain",
        "application/json; charset=utf-16",
        "application/json; a=b",
        "application/x-www-form-urlencoded",
        "application/json;",
        "",
    ] {
        post(&[("content-type", bad)], JSON, "body_type");
    }
    post(&[("content-type", "application/json"), ("content-type", "application/json")], JSON, "not_canonical");
    post(&[], r#"{"data":[],"data":[]}"#, "not_canonical");
    post(&[], "\u{feff}{}", "not_canonical");
    post(&[], "not json", "not_canonical");
    check_refused("DELETE", "/crm/v8/Leads/1", &[], "{}", "body_type");
    check_refused(
        "DELETE",
        "/crm/v8/Leads/1",
        &[("content-type", "application/json")],
        "",
        "passed as records.delete_one",
    );
    check_refused(
        "POST",
        "/crm/v8/files",
        &[("content-type", "multipart/form-data; boundary=x")],
        "x",
        "passed as files.upload",
    );
    check_refused("POST", "/crm/v8/files", &[("content-type", "application/json")], "{}", "body_type");
}

#[test]
fn a_body_is_of_the_record_that_its_path_names() {
    let put = |target: &str, body: &str, expect: &str| check_refused("PUT", target, &[], body, expect);
    let one = |body: &str, expect: &str| put("/crm/v8/Leads/7", body, expect);
    for body in [
        r#"{"data":[{"Company":"P"}]}"#,
        r#"{"data":[{"id":"7","Company":"P"}]}"#,
        r#"{"data":[{"id":7,"Owner":{"id":"8"}}]}"#,
        r#"{"data":[{"id":null,"Company":"P"}]}"#,
        r#"{"data":[]}"#,
        "",
    ] {
        one(body, "passed as records.update_one");
    }
    for body in [
        r#"{"data":[{"id":"8","Company":"P"}]}"#,
        r#"{"data":{"id":"8","Company":"P"}}"#,
        r#"{"data":[{"Id":"8"}]}"#,
        r#"{"data":[{"id":["7"]}]}"#,
        r#"{"data":[{"Company":"P"},{"id":"8","Company":"Q"}]}"#,
        r#"{"data":[{"id":"7"},{"id":"7"}]}"#,
        r#"{"id":"8","data":[{"Company":"P"}]}"#,
    ] {
        one(body, "not_canonical");
    }
    put("/crm/v8/Leads", r#"{"data":[{"id":"7"},{"id":"8"}]}"#, "passed as records.update");
    put("/crm/v8/users/7", r#"{"users":[{"id":"8"}]}"#, "not_canonical");
    let said = |body: &str| {
        let refusal =
            classify(service(), request("PUT", "/crm/v8/Leads/7", &[], body.as_bytes())).expect_err("refused");
        (refusal.detail, refusal.hint.unwrap_or_default())
    };
    let (detail, hint) = said(r#"{"data":[{"id":"8"}]}"#);
    assert_eq!(detail, "the path names one record, and `/data/0/id` of the body another");
    assert_eq!(hint, "leave `id` out of the body, or send the record to its own path");
    let (detail, hint) = said(r#"{"data":[{"a":"b"},{"a":"c"}]}"#);
    assert_eq!(detail, "the path names one record, and the body holds 2");
    assert_eq!(hint, "send each of them to its own path, or all to one that names none");
}

#[test]
fn a_body_of_another_record_is_refused_wherever_its_id_stands() {
    for (definition, line, body) in [
        (
            include_str!("../../../services/zoho-books.toml"),
            "PUT /books/v3/projects/timeentries/7",
            r#"{"time_entry_id":ID}"#,
        ),
        (include_str!("../../../services/zoho-books.toml"), "PUT /books/v3/users/7", r#"{"user_id":ID}"#),
        (include_str!("../../../services/zoho-desk.toml"), "PATCH /api/v1/tickets/7", r#"{"id":ID}"#),
        (include_str!("../../../services/zoho-desk.toml"), "PATCH /api/v1/tickets/9/comments/7", r#"{"id":ID}"#),
        (
            include_str!("../../../services/zoho-workdrive.toml"),
            "PATCH /workdrive/api/v1/files/7",
            r#"{"data":{"attributes":{"name":"a"},"id":ID,"type":"files"}}"#,
        ),
    ] {
        let service = Arc::new(parse(definition, "service.toml").expect("the definition"));
        let (method, target) = line.split_once(' ').expect("a method");
        for (id, passes) in [("\"7\"", true), ("7", true), ("\"8\"", false), ("9", false)] {
            let got = classify(&service, request(method, target, &[], body.replace("ID", id).as_bytes()));
            assert_eq!(got.map_err(|refusal| refusal.code.as_str()).is_ok(), passes, "{line} {body} {id}");
        }
    }
}

#[test]
fn only_listed_headers_and_the_content_type_are_kept() {
    let headers = [
        ("x-zoho-sdk", "a"),
        ("x-crm-org", "1"),
        ("x-external", "Leads.A"),
        ("content-type", "application/json"),
        ("user-agent", "b"),
        ("x-http-method-override", "DELETE"),
    ];
    let kept = |method: &str, target: &str| -> Vec<String> {
        let classified = classify(service(), request(method, target, &headers, b"")).expect("classified");
        classified.request().headers().iter().map(|header| header.name.clone()).collect()
    };
    assert_eq!(kept("POST", "/crm/v8/Leads"), ["x-external", "content-type"]);
    assert_eq!(kept("POST", "/crm/v8/coql"), ["content-type"]);
    assert_eq!(kept("POST", "/crm/v8/nothing/known"), ["content-type"]);
    let twice = [("x-external", "Leads.A"), ("x-external", "Leads.B")];
    check_refused("GET", "/crm/v8/Leads/1?fields=a", &twice, "", "not_canonical");
}

#[test]
fn the_digest_is_of_what_is_sent() {
    let plain = classify(service(), request("GET", "/crm/v8/Leads?fields=a", &[], b"")).expect("classified");
    let noisy = request("GET", "/crm/v8/Leads?fields=a", &[("x-zoho-sdk", "a")], b"");
    assert_eq!(classify(service(), noisy).expect("classified").digest(), plain.digest());
    assert_eq!(plain.digest(), plain.request().digest());
}

fn method() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
}

proptest! {
    #[test]
    fn never_panics_and_never_lowers_the_effect(
        method in method(),
        path in "(/(crm|v8|bulk|read|Leads|1|actions|settings|users|org|coql|upsert|[a-zA-Z0-9_.@,-]{1,6})){1,7}",
        query in "([a-z_]{1,8}=[ -~]{0,12}&){0,3}",
        body in any::<Vec<u8>>(),
        value in any::<Vec<u8>>(),
    ) {
        let target = format!("{path}?{}", query.trim_end_matches('&'));
        let headers = vec![Header { name: "x-external".to_owned(), value }];
        if let Ok(request) = CanonicalRequest::parse(method, &target, headers, body)
            && let Ok(classified) = classify(service(), request)
        {
            let defined = classified.definition().map_or(Effect::Destructive, |operation| operation.effect);
            prop_assert!(classified.operation().effect >= defined);
            prop_assert!(!classified.operation().resources.is_empty());
        }
    }

    #[test]
    fn json_bodies_never_panic(text in "[\\[\\]{}:,\"a-z0-9 ]{0,40}", query in any::<String>()) {
        let ask = serde_json::json!({ "select_query": query, "data": text }).to_string();
        for (target, body) in [("/crm/v8/coql", &ask), ("/crm/v8/Leads", &text), ("/crm/bulk/v8/read", &text)] {
            let _ = classify(service(), request("POST", target, &[], body.as_bytes()));
        }
    }
}
