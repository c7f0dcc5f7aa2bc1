//! Places in a JSON document: pointers (RFC 6901) in which `*` stands for any item or member.

use serde_json::{Map, Value};

use crate::pointer;

/// How many places of one pointer are looked at; a body of 4 MiB has fewer items than this.
const MOST: usize = 4_000_000;

/// Returns every value at a pointer.
pub(crate) fn at<'a>(json: &'a Value, pointer: &str) -> Vec<&'a Value> {
    walk(json, pointer, exactly)
}

/// Returns every value at a pointer whose names are spelt in whatever way some server takes: Go and .NET take any case,
/// protobuf takes `customer_id` and `customerId`. Only for what makes a judgement stricter.
pub(super) fn at_loosely<'a>(json: &'a Value, pointer: &str) -> Vec<&'a Value> {
    walk(json, pointer, |members, name| {
        let name = folded(name);
        members.iter().filter(|(member, _)| folded(member) == name).map(|(_, value)| value).collect()
    })
}

/// Returns whether a name on the way to a pointer stands beside another spelling of it, in one object.
pub(super) fn is_respelt(json: &Value, pointer: &str) -> bool {
    let mut found = vec![json];
    for step in pointer.split('/').skip(1) {
        let name = pointer::step(step);
        if step != "*" && found.iter().any(|value| has_another(value, &name)) {
            return true;
        }
        found = found.into_iter().flat_map(|value| below(value, step, &name, &exactly)).take(MOST).collect();
    }
    false
}

fn has_another(value: &Value, name: &str) -> bool {
    let Some(members) = value.as_object().filter(|members| members.contains_key(name)) else { return false };
    let wanted = folded(name);
    members.keys().any(|member| member != name && folded(member) == wanted)
}

fn exactly<'a>(members: &'a Map<String, Value>, name: &str) -> Vec<&'a Value> {
    members.get(name).into_iter().collect()
}

/// Upper case comes first, because some characters (`ſ`, the Kelvin sign) meet only there.
fn folded(name: &str) -> String {
    let kept = name.chars().filter(|c| !matches!(c, '_' | '-' | '.' | ' '));
    kept.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

fn walk<'a>(
    json: &'a Value,
    pointer: &str,
    named: impl Fn(&'a Map<String, Value>, &str) -> Vec<&'a Value>,
) -> Vec<&'a Value> {
    let mut found = vec![json];
    for step in pointer.split('/').skip(1) {
        let name = pointer::step(step);
        found = found.into_iter().flat_map(|value| below(value, step, &name, &named)).take(MOST).collect();
    }
    found
}

fn below<'a>(
    value: &'a Value,
    step: &str,
    name: &str,
    named: &impl Fn(&'a Map<String, Value>, &str) -> Vec<&'a Value>,
) -> Vec<&'a Value> {
    match value {
        Value::Array(items) if step == "*" => items.iter().collect(),
        Value::Object(members) if step == "*" => members.values().collect(),
        Value::Array(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)).into_iter().collect(),
        Value::Object(members) => named(members, name),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// Returns whether something other than `null` stands at a pointer.
pub(crate) fn holds(json: &Value, pointer: &str) -> bool {
    at(json, pointer).iter().any(|value| !value.is_null())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_spelt_loosely_where_that_is_stricter() {
        let body = json!({"Customer_ID": 1, "customerId": 2, "customer-id": 3, "customer": 4, "ops": [{"\u{17f}tatus": 5}]});
        assert_eq!(at_loosely(&body, "/customerId").len(), 3);
        assert_eq!(at_loosely(&body, "/OPS/*/status"), [&json!(5)]);
        assert_eq!(at(&body, "/customerId"), [&json!(2)]);
    }

    #[test]
    fn a_name_beside_another_spelling_of_it_is_found_on_the_way_to_a_place() {
        let body = json!({"data": [{"id": 1}, {"id": 2, "Id": 3}], "query": "x", "QUERY": "y", "page_size": 1, "pageSize": 2});
        for pointer in ["/query", "/query/x", "/data/*/id", "/pageSize", "/*/1/id"] {
            assert!(is_respelt(&body, pointer), "{pointer}");
        }
        for pointer in ["", "/data", "/data/0/id", "/ID", "/Query", "/page"] {
            assert!(!is_respelt(&body, pointer), "{pointer}");
        }
    }

    #[test]
    fn a_star_stands_for_any_item_or_member() {
        let body =
            json!({"ops": [{"a": {"remove": "x"}}, {"b": {"create": {}}}, {"c": {"remove": null}}], "s/t": 1});
        assert_eq!(at(&body, "/ops/*/*/remove").len(), 2);
        assert!(holds(&body, "/ops/*/*/remove") && holds(&body, "/ops/1/b/create") && holds(&body, "/s~1t"));
        assert!(!holds(&body, "/ops/*/remove") && !holds(&body, "/ops/2/c/remove") && !holds(&body, "/*/x"));
    }
}
