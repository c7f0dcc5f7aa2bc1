//! Which of a request's records the answer says failed: how many of how many, and the first of them by place and code. What the
//! provider writes of each stays in its answer: it may quote what the account holds.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{MOST_VALUES, at, code_text};
use crate::classify::places;
use crate::service::{AnswerRules, PartialErrors};

/// How many failed records are told one by one.
const MOST_TOLD: usize = 20;

/// The failed of a request's records, or of the requests that it carried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures {
    /// How many failed.
    pub failed: u32,
    /// How many results there are.
    pub of: u32,
    /// The first of those that failed.
    pub first: Vec<FailedRecord>,
}

/// A record that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedRecord {
    /// Its place among the results, which are in the request's order; the first is 1.
    pub number: u32,
    /// The provider's own code, where it is a word.
    pub code: Option<String>,
}

impl Failures {
    /// Counts a result that is no failure.
    pub(super) fn passed(&mut self) {
        self.of = self.of.saturating_add(1);
    }

    /// Counts one that failed.
    pub(super) fn failed(&mut self, code: Option<&str>) {
        self.passed();
        self.failed = self.failed.saturating_add(1);
        if self.first.len() < MOST_TOLD {
            let code = code.filter(|code| is_word(code)).map(str::to_owned);
            self.first.push(FailedRecord { number: self.of, code });
        }
    }

    /// Returns them if there are any.
    pub(super) fn any(self) -> Option<Self> {
        (self.failed > 0).then_some(self)
    }
}

/// A code is a word; what is none could be anything.
fn is_word(code: &str) -> bool {
    (1..=64).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
}

/// Counts the results of which nothing stands there, in the first of the service's arrays of results that is one, each with its code
/// where the answer lists errors by their places.
pub(super) fn told_apart(rules: &AnswerRules, json: &Value) -> Option<Failures> {
    let results = rules.partial_results.iter().find_map(|pointer| at(json, pointer)?.as_array())?;
    let codes = rules.partial_errors.as_ref().map(|errors| codes(errors, json)).unwrap_or_default();
    let mut failures = Failures::default();
    for (place, result) in (0_u64..).zip(results.iter().take(MOST_VALUES)) {
        if is_empty(result) {
            failures.failed(codes.get(&place).map(String::as_str));
        } else {
            failures.passed();
        }
    }
    failures.any()
}

/// Whether nothing stands in a result. One that says of what kind it would be is empty, too.
fn is_empty(result: &Value) -> bool {
    match result {
        Value::Null => true,
        Value::Object(members) => {
            members.values().all(|member| member.is_null() || member.as_object().is_some_and(Map::is_empty))
        }
        _ => false,
    }
}

/// Returns the first code that stands for each place.
fn codes(errors: &PartialErrors, json: &Value) -> BTreeMap<u64, String> {
    let mut codes = BTreeMap::new();
    for error in places::at(json, &errors.list).into_iter().take(MOST_VALUES) {
        let place = places::at(error, &errors.place).first().and_then(|place| number(place));
        let code = places::at(error, &errors.code).first().and_then(|code| code_text(code));
        if let (Some(place), Some(code)) = (place, code) {
            codes.entry(place).or_insert(code);
        }
    }
    codes
}

/// Reads a place. Protobuf's JSON writes a number of 64 bits as a text.
fn number(place: &Value) -> Option<u64> {
    place.as_u64().or_else(|| place.as_str()?.parse().ok())
}
