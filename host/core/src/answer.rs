//! What an upstream's answer says: by its body, because a status alone is not to be trusted.

mod cut;
mod failures;
mod outline;
mod parts;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::classify::places;
use crate::service::AnswerRules;
use outline::outline;

pub(crate) use outline::LookedAt;

pub use cut::{CutError, cut};
pub use failures::{FailedRecord, Failures};
pub use parts::{PartReading, read_answer_to};

/// How a request ended, on every wire and in every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Outcome {
    /// All of it was done.
    Ok,
    /// Some of it was done.
    Partial,
    /// None of it was done.
    Failed,
    /// It was accepted and is done later.
    Scheduled,
    /// It was given up before its end was known.
    Aborted,
    /// It was sent, and what came of it is not known.
    Unknown,
    /// The answer was streamed, so its body was not read.
    Streamed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 7] =
        [Self::Ok, Self::Partial, Self::Failed, Self::Scheduled, Self::Aborted, Self::Unknown, Self::Streamed];

    /// Returns the word used on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Scheduled => "scheduled",
            Self::Aborted => "aborted",
            Self::Unknown => "unknown",
            Self::Streamed => "streamed",
        }
    }

    /// Reads that word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.as_str() == text)
    }
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerReading {
    /// `Ok`, `Partial`, `Failed` or `Scheduled`; `Unknown` where it does not tell.
    pub outcome: Outcome,
    /// The provider's first error code.
    pub code: Option<String>,
    /// The access token is stale: refresh once, replay once where that is safe.
    pub stale_token: bool,
    /// The grant lacks a scope. Never refreshed for.
    pub scope: bool,
    /// The provider says: slow down.
    pub throttled: bool,
    /// How long to wait, seconds, where the body says it.
    pub retry_after: Option<u32>,
    /// What it says of each part, where the request carried others.
    pub parts: Vec<PartReading>,
    /// Which results failed; `None`: none, or the answer does not tell which.
    pub failures: Option<Failures>,
}

/// How many values of an answer are looked at. An answer has at most some hundred results; what is beyond this is
/// not read and counts as done.
const MOST_VALUES: usize = 100_000;

/// Reads an answer. `body` is `None` where it was not buffered.
///
/// Results stand in every array under any key of the top object, and in arrays within those (`data:[[…]]`). An object
/// is a result if its status field says success or error; anything else is data.
pub fn read_answer(rules: &AnswerRules, status: u16, body: Option<&[u8]>) -> AnswerReading {
    let body = body.unwrap_or_default();
    read(rules, status, outline(rules, body).as_ref(), || serde_json::from_slice(body).ok())
}

/// Reads an answer to a write, as far as it can be read: what its JSON does not say is not known, whatever the status. A page to log in
/// comes with a 200, too.
fn read_answer_to_write(rules: &AnswerRules, status: u16, body: &[u8]) -> AnswerReading {
    let json = outline(rules, body);
    let reading = read(rules, status, json.as_ref(), || serde_json::from_slice(body).ok());
    let is_told = json.is_some() || (body.trim_ascii().is_empty() && means_nothing_more(rules, status));
    if reading.outcome == Outcome::Ok && !is_told {
        return AnswerReading { outcome: Outcome::Unknown, ..reading };
    }
    reading
}

/// Whether a status means success without a body: 204 and 205 never have one (RFC 9110 sections 15.3.5 and 15.3.6).
fn means_nothing_more(rules: &AnswerRules, status: u16) -> bool {
    matches!(status, 204 | 205) || rules.empty_statuses.contains(&status)
}

/// Reads an answer by what of it can say how it went; `whole` is asked for all of it, where it says that some failed.
fn read(
    rules: &AnswerRules,
    status: u16,
    json: Option<&Value>,
    whole: impl FnOnce() -> Option<Value>,
) -> AnswerReading {
    let mut tally = Tally::default();
    let mut budget = MOST_VALUES;
    let top = json.and_then(|json| top_code(rules, status, json));
    match json {
        Some(Value::Object(members)) => {
            for value in members.values() {
                tally_arrays(rules, value, &mut tally, &mut budget);
            }
        }
        Some(other) => tally_arrays(rules, other, &mut tally, &mut budget),
        None => {}
    }
    let holds = |pointers: &[String]| {
        let found =
            |pointer: &String| json.and_then(|json| at(json, pointer)).is_some_and(|value| !value.is_null());
        pointers.iter().any(found)
    };
    let mut failures = std::mem::take(&mut tally.failures).any();
    if holds(&rules.partial_pointers) {
        tally.failed += 1;
        // It says that some failed, and not in their places: those are empty.
        failures = whole().and_then(|json| failures::told_apart(rules, &json));
        if failures.as_ref().is_some_and(|told| told.failed == told.of) {
            tally.done = 0;
        }
        tally.first_error =
            tally.first_error.or_else(|| failures.as_ref()?.first.iter().find_map(|one| one.code.clone()));
    }
    let failed = holds(&rules.error_pointers);
    let request_code = top.as_ref().map(|top| top.code.clone());
    let says = |codes: &BTreeSet<String>| request_code.as_ref().is_some_and(|code| codes.contains(code));
    let scope = says(&rules.scope_codes);
    AnswerReading {
        outcome: if failed {
            Outcome::Failed
        } else {
            outcome(rules, status, json.is_some(), top.as_ref(), &tally)
        },
        // A 401 without a readable code can only be about the token (RFC 6750 section 3).
        stale_token: says(&rules.stale_token_codes) || (status == 401 && request_code.is_none()),
        scope,
        throttled: says(&rules.throttle_codes) || rules.throttle_statuses.contains(&status),
        retry_after: json.and_then(|json| retry_after(rules, json)),
        code: top.filter(|top| top.is_error || failed).map(|top| top.code).or(tally.first_error),
        parts: Vec::new(),
        failures,
    }
}

/// Returns the links in an answer that a service says lead to its provider's hosts.
pub fn links(rules: &AnswerRules, body: &[u8]) -> Vec<String> {
    if rules.links.is_empty() {
        return Vec::new();
    }
    let Ok(json) = serde_json::from_slice::<Value>(body) else {
        return Vec::new();
    };
    let found = rules.links.iter().flat_map(|pointer| places::at(&json, pointer));
    found.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// Follows a JSON pointer, in an array from its first item on: a streamed answer is an array of what else would be one.
fn at<'a>(json: &'a Value, pointer: &str) -> Option<&'a Value> {
    json.pointer(pointer).or_else(|| json.get(0)?.pointer(pointer))
}

/// Returns a code's text; a number's digits.
fn code_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The longest wait that is believed, seconds: a day.
const LONGEST_WAIT: u32 = 86_400;

/// Reads seconds, as a number or as protobuf's JSON writes a duration (`900s`).
fn retry_after(rules: &AnswerRules, json: &Value) -> Option<u32> {
    let found = rules.retry_after_pointers.iter().find_map(|pointer| at(json, pointer))?;
    let text = code_text(found)?;
    let seconds = text.trim_end_matches('s').split('.').next()?.parse::<u32>().ok()?;
    Some(seconds.clamp(1, LONGEST_WAIT))
}

/// What the top object says about the whole request.
struct Top {
    code: String,
    is_error: bool,
    is_scheduled: bool,
}

/// Results counted.
#[derive(Debug, Default)]
struct Tally {
    done: usize,
    scheduled: usize,
    failed: usize,
    first_error: Option<String>,
    /// All of them, in their places.
    failures: Failures,
}

fn top_code(rules: &AnswerRules, status: u16, json: &Value) -> Option<Top> {
    let by_pointer = rules.code_field.starts_with('/');
    let found = if by_pointer { at(json, &rules.code_field) } else { json.get(&rules.code_field) };
    let code = code_text(found?)?;
    let status_field = rules.status_field.as_ref().filter(|_| !by_pointer);
    let said = status_field.and_then(|field| json.get(field)?.as_str());
    let is_error = match said {
        Some(said) => rules.error_values.contains(said) || (status >= 400 && !rules.success_values.contains(said)),
        // A code without a status is an error unless it is one of the words for success.
        None => !rules.success_values.contains(&code) && !rules.scheduled_values.contains(&code),
    };
    let is_scheduled =
        rules.scheduled_values.contains(&code) || said.is_some_and(|said| rules.scheduled_values.contains(said));
    Some(Top { code, is_error, is_scheduled })
}

/// Nesting is bounded by the JSON parser's own limit of 128 levels.
fn tally_arrays(rules: &AnswerRules, value: &Value, tally: &mut Tally, budget: &mut usize) {
    let Value::Array(items) = value else {
        return;
    };
    for item in items {
        if *budget == 0 {
            return;
        }
        *budget -= 1;
        match item {
            Value::Object(item) => tally_item(rules, item, tally),
            _ => tally_arrays(rules, item, tally, budget),
        }
    }
}

fn tally_item(rules: &AnswerRules, item: &Map<String, Value>, tally: &mut Tally) {
    let text = |field: &String| item.get(field).and_then(Value::as_str);
    let said = rules.status_field.as_ref().and_then(text);
    let (Some(code), Some(said)) = (text(&rules.code_field), said) else {
        tally.done += 1;
        tally.failures.passed();
        return;
    };
    if rules.error_values.contains(said) {
        tally.failed += 1;
        tally.failures.failed(Some(code));
        tally.first_error.get_or_insert_with(|| code.to_owned());
        return;
    }
    tally.failures.passed();
    if rules.scheduled_values.contains(code) || rules.scheduled_values.contains(said) {
        tally.scheduled += 1;
    } else {
        tally.done += 1;
    }
}

fn outcome(rules: &AnswerRules, status: u16, is_json: bool, top: Option<&Top>, tally: &Tally) -> Outcome {
    if !is_json && rules.empty_statuses.contains(&status) {
        return Outcome::Ok;
    }
    let is_success = (200..300).contains(&status);
    if top.is_some_and(|top| top.is_error) || (!is_json && !is_success) {
        return Outcome::Failed;
    }
    if tally.failed > 0 {
        return if tally.done + tally.scheduled > 0 { Outcome::Partial } else { Outcome::Failed };
    }
    if !is_success {
        return Outcome::Failed;
    }
    if tally.scheduled > 0 || top.is_some_and(|top| top.is_scheduled) {
        return Outcome::Scheduled;
    }
    Outcome::Ok
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use proptest::prelude::*;

    use super::*;
    use crate::service::parse;

    fn rules() -> &'static AnswerRules {
        static RULES: LazyLock<AnswerRules> = LazyLock::new(|| {
            let text = include_str!("../../services/zoho-crm.toml");
            parse(text, "zoho-crm.toml").expect("the definition").answer
        });
        &RULES
    }

    fn show(reading: &AnswerReading) -> String {
        let flags = [(reading.stale_token, "stale"), (reading.scope, "scope"), (reading.throttled, "throttled")];
        let flags = flags.iter().filter(|(set, _)| *set).map(|(_, word)| *word);
        let words = [reading.outcome.as_str(), reading.code.as_deref().unwrap_or("-")];
        words.into_iter().chain(flags).collect::<Vec<_>>().join(" ")
    }

    #[track_caller]
    fn check(status: u16, body: &str, expect: &str) {
        assert_eq!(show(&read_answer(rules(), status, Some(body.as_bytes()))), expect, "{status} {body}");
    }

    const GOOD: &str = r#"{"code":"SUCCESS","details":{},"message":"record added","status":"success"}"#;
    const BAD: &str = r#"{"code":"MANDATORY_NOT_FOUND","details":{},"message":"required","status":"error"}"#;

    #[test]
    fn requests_succeed_and_fail_by_their_body() {
        check(200, r#"{"data":[{"id":"1","Last_Name":"x"}],"info":{"count":1}}"#, "ok -");
        check(
            200,
            r#"{"code":"INVALID_MODULE","details":{},"message":"x","status":"error"}"#,
            "failed INVALID_MODULE",
        );
        check(
            400,
            r#"{"code":"REQUIRED_PARAM_MISSING","details":{},"message":"x","status":"error"}"#,
            "failed REQUIRED_PARAM_MISSING",
        );
        check(
            401,
            r#"{"code":"INVALID_TOKEN","details":{},"message":"x","status":"error"}"#,
            "failed INVALID_TOKEN stale",
        );
        check(
            401,
            r#"{"code":"AUTHENTICATION_FAILURE","details":{},"message":"x","status":"error"}"#,
            "failed AUTHENTICATION_FAILURE stale",
        );
        check(
            401,
            r#"{"code":"OAUTH_SCOPE_MISMATCH","details":{},"message":"x","status":"error"}"#,
            "failed OAUTH_SCOPE_MISMATCH scope",
        );
        check(
            401,
            r#"{"code":"AUTHORIZATION_FAILED","details":{},"message":"x","status":"error"}"#,
            "failed AUTHORIZATION_FAILED",
        );
        check(
            429,
            r#"{"code":"TOO_MANY_REQUESTS","details":{},"message":"x","status":"error"}"#,
            "failed TOO_MANY_REQUESTS throttled",
        );
        check(200, r#"{"code":"TOO_MANY_REQUESTS","message":"x"}"#, "failed TOO_MANY_REQUESTS throttled");
        check(500, r#"{"code":"INTERNAL_ERROR","status":"error"}"#, "failed INTERNAL_ERROR");
        check(404, r#"{"foo":1}"#, "failed -");
        check(200, r#"{"count":5}"#, "ok -");
    }

    #[test]
    fn items_are_counted_under_any_key() {
        check(201, &format!(r#"{{"data":[{GOOD}]}}"#), "ok -");
        check(207, &format!(r#"{{"data":[{GOOD},{BAD}]}}"#), "partial MANDATORY_NOT_FOUND");
        check(200, &format!(r#"{{"data":[{BAD},{GOOD}]}}"#), "partial MANDATORY_NOT_FOUND");
        check(202, &format!(r#"{{"data":[{BAD}]}}"#), "failed MANDATORY_NOT_FOUND");
        check(400, &format!(r#"{{"data":[{BAD},{BAD}]}}"#), "failed MANDATORY_NOT_FOUND");
        check(200, &format!(r#"{{"data":[[{GOOD}],[{BAD}]]}}"#), "partial MANDATORY_NOT_FOUND");
        check(200, &format!(r#"{{"users":[{BAD}]}}"#), "failed MANDATORY_NOT_FOUND");
        check(
            200,
            &format!(r#"{{"__composite_requests":[{GOOD}],"watch":[{BAD}]}}"#),
            "partial MANDATORY_NOT_FOUND",
        );
        check(200, &format!("[{GOOD},{BAD}]"), "partial MANDATORY_NOT_FOUND");
    }

    #[test]
    fn what_failed_is_told_by_its_place_and_code() {
        let failures = |items: &[&str]| {
            let body = format!(r#"{{"data":[{}]}}"#, items.join(","));
            read_answer(rules(), 207, Some(body.as_bytes())).failures
        };
        assert_eq!(failures(&[GOOD, GOOD]), None);
        let told = failures(&[GOOD, BAD, GOOD, BAD]).expect("two failed");
        assert_eq!((told.failed, told.of), (2, 4));
        let first: Vec<(u32, Option<&str>)> =
            told.first.iter().map(|one| (one.number, one.code.as_deref())).collect();
        assert_eq!(first, [(2, Some("MANDATORY_NOT_FOUND")), (4, Some("MANDATORY_NOT_FOUND"))]);
        // A code that is a sentence is none, and of many only the first are told.
        let sentence = r#"{"code":"Ada Lovelace exists","status":"error"}"#;
        assert_eq!(failures(&[sentence]).expect("one failed").first[0].code, None);
        let many = failures(&[BAD; 50]).expect("all failed");
        assert_eq!((many.failed, many.of, many.first.len()), (50, 50, 20));
    }

    #[test]
    fn a_records_own_status_is_no_result() {
        check(200, r#"{"users":[{"id":"1","status":"active"},{"id":"2","status":"error"}]}"#, "ok -");
        check(200, r#"{"data":[{"code":"INVALID_TOKEN","Last_Name":"x"}]}"#, "ok -");
        // Only the request's own code is about the token.
        check(200, r#"{"data":[{"code":"INVALID_TOKEN","status":"error"}]}"#, "failed INVALID_TOKEN");
    }

    #[test]
    fn jobs_are_scheduled() {
        check(
            200,
            r#"{"data":[{"code":"SCHEDULED","details":{"job_id":"1"},"message":"x","status":"success"}]}"#,
            "scheduled -",
        );
        check(
            201,
            r#"{"data":[{"code":"ADDED_SUCCESSFULLY","details":{},"message":"x","status":"success"}]}"#,
            "scheduled -",
        );
        check(202, r#"{"code":"SCHEDULED","details":{},"message":"x","status":"success"}"#, "scheduled -");
    }

    #[test]
    fn bodies_that_are_not_json_go_by_status() {
        check(204, "", "ok -");
        check(304, "", "ok -");
        check(200, "", "ok -");
        check(200, "PK\u{3}\u{4}", "ok -");
        check(503, "<html>maintenance</html>", "failed -");
        check(401, "", "failed - stale");
        check(302, "", "failed -");
        check(429, "slow down", "failed - throttled");
        assert_eq!(read_answer(rules(), 200, None).outcome, Outcome::Ok);
    }

    proptest! {
        #[test]
        fn never_panics_and_never_calls_an_error_status_ok(status in 400_u16..600, body in any::<Vec<u8>>()) {
            prop_assert_ne!(read_answer(rules(), status, Some(&body)).outcome, Outcome::Ok);
        }
    }
}
