//! Which fields a query may name, and their values in a row.

use serde_json::{Value, json};

use super::failure::AdsError;
use super::gaql::{Condition, Operator, bad};
use super::resources::{self, Kind, camel, of_collection};
use super::world::Row;

const METRICS: [&str; 4] = ["clicks", "conversions", "cost_micros", "impressions"];
const SEGMENTS: [&str; 1] = ["date"];

/// Returns every field by its name in queries.
pub(crate) fn all() -> Vec<String> {
    let own = resources::all().flat_map(|kind| {
        let named = kind.fields.iter().map(|field| format!("{}.{field}", kind.snake));
        named.chain([format!("{}.resource_name", kind.snake)])
    });
    let metrics = METRICS.iter().map(|field| format!("metrics.{field}"));
    own.chain(metrics).chain(SEGMENTS.iter().map(|field| format!("segments.{field}"))).collect()
}

/// Checks that a query from this kind may name the field.
pub(crate) fn check(kind: &'static Kind, field: &str) -> Result<(), AdsError> {
    let (first, rest) = field.split_once('.').unwrap_or((field, ""));
    let known = match first {
        "metrics" => kind.has_metrics && METRICS.contains(&rest),
        "segments" => kind.has_metrics && SEGMENTS.contains(&rest),
        _ => attributed(kind, first).is_some_and(|of| rest == "resource_name" || of.fields.contains(&rest)),
    };
    if known {
        Ok(())
    } else {
        Err(bad("UNRECOGNIZED_FIELD", &format!("unrecognized field in the query: '{field}'")))
    }
}

/// Returns the kind of this name, if it is the query's own, one above it, or the customer.
fn attributed(kind: &'static Kind, name: &str) -> Option<&'static Kind> {
    if name == "customer" {
        return resources::of_snake(name);
    }
    let mut kind = Some(kind);
    while let Some(here) = kind.filter(|here| here.snake != name) {
        kind = here.parent.and_then(|(_, collection)| of_collection(collection));
    }
    kind
}

/// Returns a field's value in a joined row.
pub(crate) fn value<'a>(joined: &'a Row, field: &str) -> Option<&'a Value> {
    let mut parts = field.split('.').map(camel);
    let first = joined.get(&parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(&part))
}

/// Writes a field's value into a row of the answer.
pub(crate) fn put(row: &mut Row, field: &str, value: Value) {
    let mut parts: Vec<String> = field.split('.').map(camel).collect();
    let Some(last) = parts.pop() else { return };
    let mut here = row;
    for part in parts {
        let inner = here.entry(part).or_insert_with(|| json!({}));
        let Value::Object(inner) = inner else { return };
        here = inner;
    }
    here.insert(last, value);
}

/// Adds numbers that are the same whenever they are asked for.
pub(crate) fn add_metrics(joined: &mut Row, name: &str) {
    let seed = name.bytes().fold(7_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 9973);
    let metrics = json!({
        "clicks": seed.to_string(), "impressions": (seed * 40).to_string(),
        "costMicros": (seed * 700_000).to_string(), "conversions": seed / 20,
    });
    joined.insert("metrics".to_owned(), metrics);
    joined.insert("segments".to_owned(), json!({"date": "2026-11-20"}));
}

/// Whether a condition holds. Days are not told apart: `segments.date` always holds.
pub(crate) fn holds(joined: &Row, condition: &Condition) -> bool {
    if condition.field.starts_with("segments.") {
        return true;
    }
    let found = value(joined, &condition.field).filter(|value| !value.is_null());
    let text = found.map(as_text);
    let given = |index: usize| condition.values.get(index).map_or("", String::as_str);
    let ordered = |index: usize| text.as_deref().map(|text| compare(text, given(index)));
    let is_in = || text.as_deref().is_some_and(|text| condition.values.iter().any(|value| value == text));
    let like = || text.as_deref().is_some_and(|text| is_like(text, given(0)));
    match condition.operator {
        Operator::Between => {
            ordered(0).is_some_and(std::cmp::Ordering::is_ge) && ordered(1).is_some_and(std::cmp::Ordering::is_le)
        }
        // Only days have ranges by name.
        Operator::During => false,
        Operator::Equals => ordered(0).is_some_and(std::cmp::Ordering::is_eq),
        Operator::Greater => ordered(0).is_some_and(std::cmp::Ordering::is_gt),
        Operator::GreaterOrEqual => ordered(0).is_some_and(std::cmp::Ordering::is_ge),
        Operator::In => is_in(),
        Operator::IsNotNull => text.is_some(),
        Operator::IsNull => text.is_none(),
        Operator::Less => ordered(0).is_some_and(std::cmp::Ordering::is_lt),
        Operator::LessOrEqual => ordered(0).is_some_and(std::cmp::Ordering::is_le),
        Operator::Like => like(),
        Operator::NotEquals => ordered(0).is_some_and(std::cmp::Ordering::is_ne),
        Operator::NotIn => !is_in(),
        Operator::NotLike => !like(),
    }
}

/// Returns a value as queries write it.
pub(crate) fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Compares numbers as numbers and all else as text.
pub(crate) fn compare(one: &str, other: &str) -> std::cmp::Ordering {
    match (one.parse::<f64>(), other.parse::<f64>()) {
        (Ok(one), Ok(other)) => one.total_cmp(&other),
        _ => one.cmp(other),
    }
}

/// `%` stands for any text.
fn is_like(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('%') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('%').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(place) = text.find(part) else { return false };
        text = &text[place + part.len()..];
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_stands_for_any_text() {
        for (text, pattern, expect) in [
            ("Acme Shoes 1", "Acme%", true),
            ("Acme Shoes 1", "%Shoes%", true),
            ("Acme Shoes 1", "%2", false),
            ("Acme", "Acme", true),
            ("Acme Shoes", "Acme", false),
        ] {
            assert_eq!(is_like(text, pattern), expect, "{text} {pattern}");
        }
    }
}
