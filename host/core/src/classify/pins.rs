//! Where a request names its tenant: each place must be the connection's.

use serde_json::Value;

use super::{Classified, body, gaql, places};
use crate::canonical::parse_json;
use crate::refusal::{Code, Refusal};
use crate::service::Pin;

/// Refuses a request that names another tenant in any place of which the service knows.
pub(crate) fn check(classified: &Classified, tenant: Option<&str>) -> Result<(), Refusal> {
    let pins = &classified.service().tenant.pins;
    if pins.is_empty() {
        return Ok(());
    }
    let Some(tenant) = tenant else {
        return Err(Refusal::new(
            Code::TenantMismatch,
            "tenant",
            "it is not known which tenant this connection is for",
        )
        .hint("the operator writes `tenant` into the workspace file, or runs `wardlock connect`"));
    };
    let seen = Request { classified, json: classified.json.as_deref() };
    match pins.iter().find_map(|pin| seen.other(pin, tenant)) {
        Some(place) => Err(Refusal::new(
            Code::TenantMismatch,
            "tenant",
            format!("{place} names another tenant than this connection's"),
        )
        .hint(format!("this connection is for tenant `{tenant}` only"))),
        None => Ok(()),
    }
}

/// Refuses a part of another request that leaves it to the host to name the tenant: nothing can be added to a part.
pub(crate) fn check_named(part: &Classified) -> Result<(), Refusal> {
    let request = part.request();
    let missing = part.service().tenant.pins.iter().find_map(|pin| match pin {
        Pin::Query(name) if request.query_values(name).next().is_none() => {
            Some(format!("query parameter `{name}`"))
        }
        Pin::Header(name) if request.header(name).is_none() => Some(format!("header `{name}`")),
        Pin::Query(_) | Pin::Header(_) | Pin::Path(_) | Pin::Body(_) | Pin::Text(_) | Pin::Gaql { .. } => None,
    });
    let Some(place) = missing else { return Ok(()) };
    let detail = format!("it does not name its tenant in {place}, and the host can add nothing to a part");
    Err(Refusal::new(Code::TenantMismatch, "tenant", detail).hint("name it there, or send the request by itself"))
}

struct Request<'a> {
    classified: &'a Classified,
    json: Option<&'a Value>,
}

impl Request<'_> {
    /// Returns the place in which another tenant stands.
    fn other(&self, pin: &Pin, tenant: &str) -> Option<String> {
        let request = self.classified.request();
        match pin {
            Pin::Path(name) => {
                let found = self.classified.parameters().iter().find(|parameter| parameter.name == *name)?;
                (found.value != tenant).then(|| "the path".to_owned())
            }
            Pin::Query(name) => {
                let other = request.query_values(name).any(|value| value != tenant);
                other.then(|| format!("query parameter `{name}`"))
            }
            Pin::Header(name) => {
                let mut headers = request.headers().iter().filter(|header| header.name == *name);
                headers.any(|header| header.value != tenant.as_bytes()).then(|| format!("header `{name}`"))
            }
            Pin::Body(pointer) => {
                let is_tenant = |value: &&Value| match value {
                    Value::String(text) => text == tenant,
                    Value::Number(number) => number.to_string() == tenant,
                    Value::Null => true,
                    Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
                };
                let found = places::at_loosely(self.json?, pointer);
                (!found.iter().all(is_tenant)).then(|| format!("body member `{pointer}`"))
            }
            Pin::Text(before) => self.other_text(before, tenant),
            Pin::Gaql { member, fields } => {
                let text = self.json?.get(member)?.as_str()?;
                // A query that is not understood has an unknown resource, which no rule allows.
                let query = gaql::read(text).ok()?;
                let mut compared = query.compared.iter().filter(|one| fields.contains(&one.field));
                let other = compared.any(|one| !one.is_equality || one.values.iter().any(|value| value != tenant));
                other.then(|| format!("the query in `{member}`"))
            }
        }
    }

    fn other_text(&self, before: &str, tenant: &str) -> Option<String> {
        let request = self.classified.request();
        let other = |text: &str| names_other(text, before, tenant);
        if other(&request.path()) || request.segments().iter().any(|segment| other(segment)) {
            return Some("the path".to_owned());
        }
        let in_value = |value: &str| in_text(value, &other, MOST_WITHIN);
        if let Some(parameter) = request.query().iter().find(|parameter| in_value(&parameter.value)) {
            return Some(format!("query parameter `{}`", parameter.name));
        }
        let body = match self.json {
            Some(json) => in_json(json, &other, MOST_WITHIN),
            None => other(&String::from_utf8_lossy(request.body())),
        };
        body.then(|| "the body".to_owned())
    }
}

/// How many times a text in JSON may be JSON itself, one within the other. More of it counts as another tenant.
const MOST_WITHIN: u8 = 3;

/// Recursion is bounded by the JSON parser's own limit of 128 levels, and by how many texts are read as JSON.
fn in_json(value: &Value, other: &impl Fn(&str) -> bool, within: u8) -> bool {
    match value {
        Value::String(text) => in_text(text, other, within),
        Value::Array(items) => items.iter().any(|item| in_json(item, other, within)),
        Value::Object(members) => members.iter().any(|(name, value)| other(name) || in_json(value, other, within)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Looks into a text that is a JSON object or array too, because there are servers that do (Meta). One that only looks
/// like it, and has escapes that hide what stands there, counts as another tenant.
fn in_text(text: &str, other: &impl Fn(&str) -> bool, within: u8) -> bool {
    if other(text) {
        return true;
    }
    if !body::looks_like_json(text) {
        return false;
    }
    match (parse_json(text.as_bytes()), within.checked_sub(1)) {
        (Ok(json), Some(within)) => in_json(&json, other, within),
        (Ok(_), None) => true,
        (Err(_), _) => text.contains('\\'),
    }
}

/// Returns whether a text stands there, in any case, with another id than the tenant's after it. Within a longer word
/// (`act_` in `contact_form`) it is not that text.
fn names_other(text: &str, before: &str, tenant: &str) -> bool {
    let (lower, before) = (text.to_ascii_lowercase(), before.to_ascii_lowercase());
    let is_within = |at: usize| lower[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
    lower.match_indices(&before).filter(|(at, _)| !is_within(*at)).any(|(at, _)| {
        let rest = &text[at + before.len()..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-')).unwrap_or(rest.len());
        &rest[..end] != tenant
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_json_is_looked_into() {
        let other = |text: &str| names_other(text, "act_", "1");
        let deep = (0..5).fold("x".to_owned(), |inner, _| serde_json::json!([inner]).to_string());
        for (text, expect) in [
            (r#"[{"value":"\u0061ct_2"}]"#, true),
            (r#" {"\u0061ct_2":1}"#, true),
            (r#"["[\"\\u0061ct_2\"]"]"#, true),
            (r#"[{"value":"\u0061ct_1"}]"#, false),
            (r#"{"a":"\u0061ct_2","a":1}"#, true),
            ("[draft] spring", false),
            (r"\u0061ct_2", false),
            (&deep, true),
        ] {
            assert_eq!(in_text(text, &other, MOST_WITHIN), expect, "{text}");
        }
    }

    #[test]
    fn a_text_is_followed_by_the_tenant_or_refused() {
        for (text, other) in [
            ("customers/1/campaigns/2", false),
            ("CUSTOMERS/2", true),
            ("customers/11", true),
            ("customers/1~2 customers/3", true),
            ("customers/", true),
            ("customers", false),
            ("customers/1?x=customers/1", false),
            ("othercustomers/2", false),
            ("_customers/2", true),
        ] {
            assert_eq!(names_other(text, "customers/", "1"), other, "{text}");
        }
    }
}
