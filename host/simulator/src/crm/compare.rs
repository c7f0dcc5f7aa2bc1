//! Conditions on records, shared by search criteria and COQL.

use std::cmp::Ordering;

use serde_json::Value;

use crate::instant;
use crate::schema::{Kind, Module, module};
use crate::world::{Org, Record};

/// A condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Test {
    All(Vec<Test>),
    Any(Vec<Test>),
    Field { path: String, check: Check },
}

/// A condition on one field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Check {
    In(Vec<String>),
    NotIn(Vec<String>),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Less(String),
    LessOrEqual(String),
    Greater(String),
    GreaterOrEqual(String),
    Between(String, String),
    IsNull,
    IsNotNull,
    Not(Box<Check>),
}

impl Test {
    /// Returns every field path of the condition.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Test::All(tests) | Test::Any(tests) => tests.iter().flat_map(Test::paths).collect(),
            Test::Field { path, .. } => vec![path],
        }
    }

    pub fn holds(&self, org: &Org, module: &Module, record: &Record) -> bool {
        match self {
            Test::All(tests) => tests.iter().all(|test| test.holds(org, module, record)),
            Test::Any(tests) => tests.iter().any(|test| test.holds(org, module, record)),
            Test::Field { path, check } => check.holds(&lookup(org, module, record, path)),
        }
    }
}

impl Check {
    fn holds(&self, value: &Value) -> bool {
        let ordered =
            |text: &str, wanted: &[Ordering]| order(value, text).is_some_and(|found| wanted.contains(&found));
        let shown = || show(value).to_lowercase();
        match self {
            Check::In(texts) => texts.iter().any(|text| equals(value, text)),
            Check::NotIn(texts) => !texts.iter().any(|text| equals(value, text)),
            Check::StartsWith(text) => shown().starts_with(&text.to_lowercase()),
            Check::EndsWith(text) => shown().ends_with(&text.to_lowercase()),
            Check::Contains(text) => shown().contains(&text.to_lowercase()),
            Check::Less(text) => ordered(text, &[Ordering::Less]),
            Check::LessOrEqual(text) => ordered(text, &[Ordering::Less, Ordering::Equal]),
            Check::Greater(text) => ordered(text, &[Ordering::Greater]),
            Check::GreaterOrEqual(text) => ordered(text, &[Ordering::Greater, Ordering::Equal]),
            Check::Between(low, high) => {
                ordered(low, &[Ordering::Greater, Ordering::Equal])
                    && ordered(high, &[Ordering::Less, Ordering::Equal])
            }
            Check::IsNull => is_empty(value),
            Check::IsNotNull => !is_empty(value),
            Check::Not(check) => !check.holds(value),
        }
    }
}

/// Returns the value at a path; a dot goes through a lookup, as in `Account_Name.Industry`.
pub(crate) fn lookup(org: &Org, of: &Module, record: &Record, path: &str) -> Value {
    let Some((first, rest)) = path.split_once('.') else {
        return record.get(path).cloned().unwrap_or(Value::Null);
    };
    let value = record.get(first).cloned().unwrap_or(Value::Null);
    let target = of.field(first).and_then(|field| match field.kind {
        Kind::Lookup(target) => module(target),
        _ => None,
    });
    let id = value.get("id").and_then(Value::as_str).unwrap_or_default();
    match target.and_then(|target| Some((target, org.find(target.name, id)?))) {
        Some((target, record)) => lookup(org, target, record, rest),
        None => value.get(rest).cloned().unwrap_or(Value::Null),
    }
}

/// Compares two values for sorting; what cannot be compared keeps its place.
pub(crate) fn sort_order(left: &Value, right: &Value) -> Ordering {
    order(left, &show(right)).unwrap_or(Ordering::Equal)
}

/// Returns a value as text: a lookup shows its name.
pub(crate) fn show(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(object) => object.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        other => other.to_string(),
    }
}

fn equals(value: &Value, text: &str) -> bool {
    if text == "${EMPTY}" {
        return is_empty(value);
    }
    if value.get("id").and_then(Value::as_str) == Some(text) {
        return true;
    }
    order(value, text) == Some(Ordering::Equal)
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn order(value: &Value, text: &str) -> Option<Ordering> {
    if value.is_null() {
        return None;
    }
    let shown = show(value);
    // Ids have more digits than a float can tell apart.
    if let (Ok(left), Ok(right)) = (shown.parse::<i128>(), text.parse::<i128>()) {
        return Some(left.cmp(&right));
    }
    if let (Ok(left), Ok(right)) = (shown.parse::<f64>(), text.parse::<f64>()) {
        return left.partial_cmp(&right);
    }
    if let (Some(left), Some(right)) = (instant::parse(&shown), instant::parse(text)) {
        return Some(left.cmp(&right));
    }
    Some(shown.to_lowercase().cmp(&text.to_lowercase()))
}
