//! What is built of bodies that name more than anybody reads, and what an answer says of a field.

use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::canonical::CanonicalRequest;
use crate::classify::classify;
use crate::service::parse;

const MANY: usize = 100_000;
const MOST: Most = Most { records: 200, fields: 500, looks: 10 };
const CRM: &str = include_str!("../../../../services/zoho-crm.toml");
const DESK: &str = include_str!("../../../../services/zoho-desk.toml");
const GOOGLE: &str = include_str!("../../../../services/google-ads.toml");

fn asked(service: &str, target: &str, body: &Value) -> Classified {
    let service = Arc::new(parse(service, "service.toml").expect("the definition"));
    let request = CanonicalRequest::parse("POST", target, Vec::new(), body.to_string().into_bytes());
    classify(&service, request.expect("a request")).expect("classified")
}

/// How many rows were built, how many reads, and how many records are only counted.
fn built(changes: &Changes) -> (usize, usize, usize) {
    (changes.first.len(), changes.first.iter().filter(|change| change.look.is_some()).count(), changes.more)
}

fn upsert(data: &[Value], by: &[String]) -> Classified {
    asked(CRM, "/crm/v8/Leads/upsert", &json!({ "data": data, "duplicate_check_fields": by }))
}

fn by(change: &Change) -> &Arc<By> {
    match &change.becomes {
        Becomes::Upserted(by) => by,
        other => panic!("no upsert: {other:?}"),
    }
}

#[test]
fn an_upsert_of_many_records_by_many_fields_is_built_as_far_as_it_is_shown() {
    let names: Vec<String> = (0..MANY).map(|at| format!("f{at}")).collect();
    let data: Vec<Value> = names.iter().map(|name| json!({ name: "a" })).collect();
    let many = upsert(&data, &names);
    let changes = many.changes(MOST);
    assert_eq!(built(&changes), (200, 0, MANY - 200), "nothing is searched by so many fields");
    let sought = by(&changes.first[0]);
    assert_eq!((sought.first.len(), sought.more), (10, MANY - 10));
    assert!(changes.first.iter().all(|change| Arc::ptr_eq(by(change), sought)), "read once");
    assert_eq!(many.fields_written().map(|fields| fields.len()), Some(MANY));
    assert!(many.names_changes());

    let same = vec![json!({ "f0": "a" }); MANY];
    assert_eq!(built(&upsert(&same, &names[..10]).changes(MOST)), (200, 10, MANY - 200));
    let none = Most { records: 0, ..MOST };
    assert_eq!(built(&upsert(&same, &names[..10]).changes(none)), (0, 0, MANY));
}

#[test]
fn ids_in_a_body_are_counted_and_the_first_are_built() {
    let ids: Vec<String> = (0..MANY).map(|at| at.to_string()).collect();
    let trash = asked(DESK, "/api/v1/tickets/moveToTrash", &json!({ "ticketIds": ids }));
    assert_eq!(built(&trash.changes(MOST)), (200, 10, MANY - 200));
}

#[test]
fn a_long_mask_is_compared_in_one_pass() {
    let names: Vec<String> = (0..MANY).map(|at| format!("field_{at}")).collect();
    let mut update: Map<String, Value> = names.iter().map(|name| (name.clone(), json!(1))).collect();
    update.insert("resourceName".to_owned(), "customers/1/campaigns/2".into());
    let body = json!({ "operations": [{ "update": update, "updateMask": names.join(",") }] });
    let request = asked(GOOGLE, "/v26/customers/1/campaigns:mutate", &body);
    let changes = request.changes(MOST);
    assert_eq!(built(&changes), (1, 1, 0));
    let change = &changes.first[0];
    assert_eq!((change.proposed.len(), change.more_fields), (500, MANY - 500));
    assert_eq!(change.look.as_ref().and_then(|look| look.fields.as_ref()).map(Vec::len), Some(500));
}

#[test]
fn a_mask_covers_what_stands_within_and_empties_what_has_no_value() {
    let update =
        json!({ "resourceName": "customers/1/campaigns/2", "a": { "b": 1, "c_d": 2, "e": { "f": 3 } }, "g": 4 });
    let body = json!({ "operations": [{ "update": update, "updateMask": "a.c_d,a.e,h_i" }] });
    let proposed = |body: &Value| {
        let request = asked(GOOGLE, "/v26/customers/1/campaigns:mutate", body);
        Value::Object(request.changes(MOST).first.remove(0).proposed)
    };
    assert_eq!(proposed(&body), json!({ "a.c_d": 2, "a.e.f": 3, "hI": null }));
}

#[test]
fn a_long_name_does_not_stand_in_the_name_of_all_that_is_within() {
    let inner: Map<String, Value> = (0..MANY).map(|at| (at.to_string(), json!(1))).collect();
    let update = json!({ "resourceName": "customers/1/campaigns/2", "x".repeat(MANY): inner });
    let body = json!({ "operations": [{ "update": update }] });
    let names = asked(GOOGLE, "/v26/customers/1/campaigns:mutate", &body).fields_written().expect("names");
    assert_eq!(names.iter().map(String::len).collect::<Vec<_>>(), [MANY]);
}

#[test]
fn a_field_that_an_answer_leaves_out_is_empty_only_where_the_query_says_so() {
    let record = json!({ "id": "1", "Phone": null }).as_object().cloned().expect("a record");
    let value = |request: &Classified, field: &str| {
        request.changes(MOST).first[0].look.as_ref().expect("a read").value(&record, field)
    };
    let change = upsert(&[json!({ "id": "1", "Email": "a", "Phone": "1" })], &[]);
    assert_eq!((value(&change, "Email"), value(&change, "Phone")), (None, Some(Value::Null)));
    let update = json!({ "resourceName": "customers/1/campaigns/2", "name": "a" });
    let change =
        asked(GOOGLE, "/v26/customers/1/campaigns:mutate", &json!({ "operations": [{ "update": update }] }));
    assert_eq!((value(&change, "name"), value(&change, "status")), (Some(Value::Null), None));
}

#[test]
fn a_value_in_which_a_search_would_read_an_operator_is_not_searched_for() {
    for text in ["${EMPTY}", "$", "a{b", "a}", "a*", "a:b", "(a", "a\n", ""] {
        let change = upsert(&[json!({ "Email": text })], &["Email".to_owned()]);
        assert!(change.changes(MOST).first[0].look.is_none(), "{text:?}");
    }
    let change = upsert(&[json!({ "Email": "a@b.example" })], &["Email".to_owned()]);
    assert!(change.changes(MOST).first[0].look.is_some());
}
