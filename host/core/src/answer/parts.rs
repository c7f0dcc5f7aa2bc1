//! The answer to a request that carried others: each part's own status and body, read as an answer of its own.

use serde_json::Value;

use super::{AnswerReading, Failures, Outcome, at, code_text, read_answer, read_answer_to_write};
use crate::classify::{Classified, Part};
use crate::plugin::Effect;
use crate::service::PartAnswers;

/// What the answer says of one part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartReading {
    /// The part; the first is 1.
    pub number: u32,
    /// `Ok`, `Partial`, `Failed`, `Scheduled`, or `Unknown` where the answer does not tell.
    pub outcome: Outcome,
    /// The provider's first error code.
    pub code: Option<String>,
    /// It was done and undone, because another part failed. Its outcome is `Failed`: nothing of it stands.
    pub is_rolled_back: bool,
}

impl PartReading {
    /// Returns the word used on every surface.
    pub fn as_str(&self) -> &'static str {
        if self.is_rolled_back { "rolled_back" } else { self.outcome.as_str() }
    }
}

/// Reads the answer to a request. `body` is `None` where it was not buffered.
///
/// Of a request that carried others it is what came of them together: an answer that says yes to the whole may hold a no
/// to each part. What it does not tell of a part is not known.
pub fn read_answer_to(classified: &Classified, status: u16, body: Option<&[u8]>) -> AnswerReading {
    let whole = read_alone(classified, status, body);
    let Some(envelope) = classified.definition().and_then(|operation| operation.envelope.as_ref()) else {
        return whole;
    };
    let Some(body) = body else { return whole };
    // What is not JSON tells of no part.
    let json = serde_json::from_slice::<Value>(body).unwrap_or_default();
    let list = json.pointer(&envelope.answer.list).and_then(Value::as_array);
    match list {
        Some(list) => together(classified, &envelope.answer, list, &whole),
        // It failed as a whole, or nobody knows.
        None if whole.outcome == Outcome::Failed => whole,
        None => AnswerReading { outcome: Outcome::Unknown, ..whole },
    }
}

/// Reads the answer to one request by what its operation says of it.
fn read_alone(classified: &Classified, status: u16, body: Option<&[u8]>) -> AnswerReading {
    let rules = &classified.service().answer;
    let is_json = classified.definition().is_some_and(|operation| operation.answer_is_json);
    match body {
        Some(body) if is_json && classified.operation().effect != Effect::Read => {
            read_answer_to_write(rules, status, body)
        }
        _ => read_answer(rules, status, body),
    }
}

fn together(
    classified: &Classified,
    places: &PartAnswers,
    list: &[Value],
    whole: &AnswerReading,
) -> AnswerReading {
    let parts = classified.parts();
    let items = (0..parts.len()).map(|at| list.get(at));
    let read = |(part, item): (&Part, Option<&Value>)| read_part(part, places, item?);
    let readings: Vec<Option<AnswerReading>> = parts.iter().zip(items).map(read).collect();
    let each = parts.iter().zip(&readings).map(|(part, reading)| PartReading {
        number: part.number(),
        outcome: reading.as_ref().map_or(Outcome::Unknown, |reading| reading.outcome),
        code: reading.as_ref().and_then(|reading| reading.code.clone()),
        is_rolled_back: false,
    });
    let mut each: Vec<PartReading> = each.collect();
    let writes = classified.operation().effect != Effect::Read;
    let outcome = if writes && classified.is_all_or_nothing() {
        all_or_nothing(parts, &mut each)
    } else {
        all(each.iter().map(|part| part.outcome))
    };
    let known = || readings.iter().flatten();
    AnswerReading {
        outcome,
        code: known().find_map(|reading| reading.code.clone()),
        // A token is stale for every part, or for none.
        stale_token: whole.stale_token
            || (!parts.is_empty() && known().filter(|one| one.stale_token).count() == parts.len()),
        scope: whole.scope || known().any(|reading| reading.scope),
        throttled: whole.throttled || known().any(|reading| reading.throttled),
        retry_after: whole.retry_after.or_else(|| known().find_map(|reading| reading.retry_after)),
        failures: failures(&each),
        parts: each,
    }
}

/// Says of each part what still stands where the provider undoes all of them if one fails, and returns what came of them together.
///
/// What was read stays read. A job that was accepted may have begun before it was undone, and a part of which some records failed may
/// have counted as one that failed or not: nobody knows.
fn all_or_nothing(parts: &[Part], each: &mut [PartReading]) -> Outcome {
    let has = |each: &[PartReading], outcome| each.iter().any(|part| part.outcome == outcome);
    let one_failed = has(each, Outcome::Failed);
    if !one_failed && !has(each, Outcome::Partial) && !has(each, Outcome::Unknown) {
        return all(each.iter().map(|part| part.outcome));
    }
    let written =
        parts.iter().zip(each.iter_mut()).filter(|(part, _)| part.classified().operation().effect != Effect::Read);
    for (_, part) in written {
        match part.outcome {
            Outcome::Ok | Outcome::Partial if one_failed => {
                part.outcome = Outcome::Failed;
                part.is_rolled_back = true;
            }
            Outcome::Ok | Outcome::Partial | Outcome::Scheduled => part.outcome = Outcome::Unknown,
            Outcome::Failed | Outcome::Unknown | Outcome::Aborted | Outcome::Streamed => {}
        }
    }
    if has(each, Outcome::Unknown) { Outcome::Unknown } else { Outcome::Failed }
}

/// Returns which parts failed, wholly or in some of their records; what was undone failed, too.
fn failures(parts: &[PartReading]) -> Option<Failures> {
    let mut failures = Failures::default();
    for part in parts {
        match part.outcome {
            Outcome::Failed | Outcome::Partial => failures.failed(part.code.as_deref()),
            _ => failures.passed(),
        }
    }
    failures.any()
}

fn read_part(part: &Part, places: &PartAnswers, item: &Value) -> Option<AnswerReading> {
    let status = code_text(at(item, &places.status)?)?.parse().ok()?;
    let body = match item.pointer(&places.body) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(other) => other.to_string().into_bytes(),
    };
    Some(read_alone(part.classified(), status, Some(&body)))
}

/// Returns what came of all of them.
fn all(outcomes: impl Iterator<Item = Outcome>) -> Outcome {
    let (mut done, mut failed, mut unknown, mut scheduled) = (0, 0, 0, 0);
    for outcome in outcomes {
        match outcome {
            Outcome::Ok => done += 1,
            Outcome::Scheduled => {
                done += 1;
                scheduled += 1;
            }
            Outcome::Partial => {
                done += 1;
                failed += 1;
            }
            Outcome::Failed => failed += 1,
            Outcome::Unknown | Outcome::Aborted | Outcome::Streamed => unknown += 1,
        }
    }
    match (done, failed, unknown) {
        (0, _, 0) => Outcome::Failed,
        (0, _, _) => Outcome::Unknown,
        (_, 0, 0) if scheduled > 0 => Outcome::Scheduled,
        (_, 0, 0) => Outcome::Ok,
        (_, _, _) => Outcome::Partial,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, LazyLock};

    use serde_json::json;

    use super::*;
    use crate::canonical::CanonicalRequest;
    use crate::classify::classify;
    use crate::service::{ServiceDefinition, parse};

    fn composite(parts: usize) -> Classified {
        carrying(
            &json!({ "__composite_requests": vec![json!({"method": "GET", "uri": "/crm/v8/Leads/1"}); parts] }),
        )
    }

    fn carrying(body: &Value) -> Classified {
        static SERVICE: LazyLock<Arc<ServiceDefinition>> = LazyLock::new(|| {
            let text = include_str!("../../../services/zoho-crm.toml");
            Arc::new(parse(text, "zoho-crm.toml").expect("the definition"))
        });
        let body = body.to_string().into_bytes();
        let request = CanonicalRequest::parse("POST", "/crm/v8/__composite_requests", Vec::new(), body);
        classify(&SERVICE, request.expect("canonical")).expect("classified")
    }

    fn item(status: u16, body: &Value) -> Value {
        json!({"code": "SUCCESS", "status": "success", "message": "x",
            "details": {"response": {"status_code": status, "headers": {}, "body": body}}})
    }

    #[track_caller]
    fn check(parts: usize, status: u16, items: &[Value], expect: &str) {
        check_of(&composite(parts), status, items, expect);
    }

    #[track_caller]
    fn check_of(request: &Classified, status: u16, items: &[Value], expect: &str) {
        let body = json!({ "__composite_requests": items }).to_string();
        let reading = read_answer_to(request, status, Some(body.as_bytes()));
        let word = |part: &PartReading| part.as_str().to_owned();
        let each = reading.parts.iter().map(word).collect::<Vec<_>>().join("+");
        let got = format!("{} {} {each}", reading.outcome.as_str(), reading.code.as_deref().unwrap_or("-"));
        assert_eq!(got, expect, "{body}");
        let failed = each.split('+').filter(|word| ["failed", "partial", "rolled_back"].contains(word)).count();
        assert_eq!(reading.failures.map_or(0, |failures| failures.failed as usize), failed, "{body}");
    }

    #[test]
    fn what_came_of_a_part_is_read_in_its_own_answer() {
        let good = item(200, &json!({"data": [{"id": "1"}]}));
        let empty = item(204, &Value::Null);
        let bad = item(400, &json!({"code": "INVALID_DATA", "details": {}, "message": "x", "status": "error"}));
        // The provider says success of the part, and its body says no.
        let hidden =
            item(200, &json!({"data": [{"code": "MANDATORY_NOT_FOUND", "details": {}, "status": "error"}]}));
        let later = item(202, &json!({"code": "SCHEDULED", "status": "success"}));
        check(2, 200, &[good.clone(), empty.clone()], "ok - ok+ok");
        check(2, 200, &[good.clone(), bad.clone()], "partial INVALID_DATA ok+failed");
        check(2, 200, &[good.clone(), hidden.clone()], "partial MANDATORY_NOT_FOUND ok+failed");
        check(2, 200, &[hidden, bad.clone()], "failed MANDATORY_NOT_FOUND failed+failed");
        check(2, 200, &[good.clone(), later], "scheduled - ok+scheduled");
        // What is not told is not known, and surely not done.
        check(2, 200, std::slice::from_ref(&good), "partial - ok+unknown");
        check(2, 200, &[bad.clone(), Value::Null], "unknown INVALID_DATA failed+unknown");
        check(2, 200, &[], "unknown - unknown+unknown");
        check(1, 200, &[good.clone(), bad], "ok - ok");
    }

    /// One request of a service, and what a 2xx with such a body says of it.
    #[track_caller]
    fn check_alone(definition: &str, line: &str, answers: &[(u16, &str, &str)]) {
        let service = Arc::new(parse(definition, "service.toml").expect("the definition"));
        let (method, target) = line.split_once(' ').expect("a method");
        let request = CanonicalRequest::parse(method, target, Vec::new(), Vec::new()).expect("canonical");
        let request = classify(&service, request).expect("classified");
        for (status, body, expect) in answers {
            let got = read_answer_to(&request, *status, Some(body.as_bytes())).outcome;
            assert_eq!(got.as_str(), *expect, "{line}: {status} {body}");
        }
        assert_eq!(read_answer_to(&request, 200, None).outcome, Outcome::Ok, "what flows is not read");
    }

    #[test]
    fn a_write_is_ok_only_by_what_its_answer_says() {
        const CRM: &str = include_str!("../../../services/zoho-crm.toml");
        const LOGIN: &str = "<!doctype html><title>Log in</title>";
        const CUT: &str = r#"{"data":[{"code":"SUCCESS","status":"succ"#;
        let done = r#"{"data":[{"code":"SUCCESS","status":"success"}]}"#;
        let said = [
            (201, done, "ok"),
            (200, "{}", "ok"),
            (204, "", "ok"),
            (205, "", "ok"),
            (200, LOGIN, "unknown"),
            (200, CUT, "unknown"),
            (200, "", "unknown"),
            (200, " \n", "unknown"),
            (202, "", "unknown"),
            (500, LOGIN, "failed"),
            (400, "", "failed"),
        ];
        for line in ["POST /crm/v8/Leads", "DELETE /crm/v8/Leads/1", "POST /crm/v8/files"] {
            check_alone(CRM, line, &said);
        }
        // A read changes nothing, and its answer may be a file.
        let files = [(200, "PK\u{3}\u{4}", "ok"), (200, "", "ok"), (200, CUT, "ok"), (403, LOGIN, "failed")];
        check_alone(CRM, "GET /crm/v8/files?id=1", &files);

        // A definition may say that it is no JSON, and which statuses come without a body.
        let notes = include_str!("../../../services/generic-oauth2.toml");
        let delete = "DELETE /v1/items/1";
        check_alone(notes, delete, &[(204, "", "ok"), (200, "", "unknown"), (200, "deleted", "unknown")]);
        let empty = notes.replace("[answer]", "[answer]\nempty_statuses = [200]");
        let error = r#"{"error":{"code":"x"}}"#;
        check_alone(&empty, delete, &[(200, "", "ok"), (200, "deleted", "unknown"), (200, error, "failed")]);
        let any = notes.replace("name = \"items.delete\"", "name = \"items.delete\"\nanswer = \"any\"");
        check_alone(&any, delete, &[(200, "", "ok"), (200, "deleted", "ok"), (200, error, "failed")]);
    }

    #[test]
    fn a_part_that_writes_is_ok_only_by_what_its_answer_says() {
        let write = json!({"method": "PUT", "uri": "/crm/v8/Leads/1"});
        let read = json!({"method": "GET", "uri": "/crm/v8/files?id=1"});
        let both = carrying(&json!({ "__composite_requests": [write, read] }));
        let (page, nothing) = (item(200, &json!("<html>")), item(200, &Value::Null));
        check_of(&both, 200, &[page.clone(), page], "partial - unknown+ok");
        check_of(&both, 200, &[nothing, item(204, &Value::Null)], "partial - unknown+ok");
        check_of(&both, 200, &[item(204, &Value::Null), item(204, &Value::Null)], "ok - ok+ok");
    }

    #[test]
    fn where_one_failed_and_all_is_undone_nothing_is_ok() {
        let read = json!({"method": "GET", "uri": "/crm/v8/Leads/1"});
        let write = json!({"method": "POST", "uri": "/crm/v8/Leads", "body": {"data": [{"Last_Name": "x"}]}});
        let asked = |switch: bool, parts: &[&Value]| {
            carrying(&json!({"rollback_on_fail": switch, "__composite_requests": parts}))
        };
        let done = json!({"code": "SUCCESS", "details": {}, "status": "success"});
        let no = json!({"code": "MANDATORY_NOT_FOUND", "details": {}, "status": "error"});
        let good = item(201, &json!({"data": [done]}));
        let bad = item(400, &json!({"data": [no]}));
        let some = item(207, &json!({"data": [done, no]}));
        let later = item(202, &json!({"code": "SCHEDULED", "status": "success"}));
        let pair = [good.clone(), bad.clone()];
        let two = asked(true, &[&write, &write]);
        check_of(&two, 207, &pair, "failed MANDATORY_NOT_FOUND rolled_back+failed");
        check_of(&two, 400, &[bad.clone(), bad.clone()], "failed MANDATORY_NOT_FOUND failed+failed");
        check_of(&two, 207, &[some.clone(), bad.clone()], "failed MANDATORY_NOT_FOUND rolled_back+failed");
        check_of(&two, 200, &[good.clone(), good.clone()], "ok - ok+ok");
        check_of(&two, 200, &[good.clone(), later.clone()], "scheduled - ok+scheduled");
        // What may have been undone, and what may have begun all the same, is not known.
        check_of(&two, 200, std::slice::from_ref(&good), "unknown - unknown+unknown");
        check_of(&two, 207, &[good.clone(), some], "unknown MANDATORY_NOT_FOUND unknown+unknown");
        check_of(&two, 207, &[later, bad.clone()], "unknown MANDATORY_NOT_FOUND unknown+failed");
        let three = asked(true, &[&write, &write, &write]);
        check_of(&three, 207, &pair, "unknown MANDATORY_NOT_FOUND rolled_back+failed+unknown");
        // What was read stays read, and where nothing is written nothing is undone.
        check_of(&asked(true, &[&read, &write]), 207, &pair, "failed MANDATORY_NOT_FOUND ok+failed");
        check_of(&asked(true, &[&read, &read]), 207, &pair, "partial MANDATORY_NOT_FOUND ok+failed");
        check_of(&asked(false, &[&write, &write]), 207, &pair, "partial MANDATORY_NOT_FOUND ok+failed");
    }

    #[test]
    fn an_answer_without_parts_is_that_of_the_whole() {
        let read = |status, body: &str| read_answer_to(&composite(2), status, Some(body.as_bytes()));
        // What cannot be read tells of no part.
        for unread in ["<html>", "", r#"{"__composite_requests":["#, "[]"] {
            assert_eq!(read(200, unread).outcome, Outcome::Unknown, "{unread}");
        }
        let failed = read(400, r#"{"code":"LIMIT_EXCEEDED","details":{},"message":"x","status":"error"}"#);
        assert_eq!((failed.outcome, failed.code.as_deref()), (Outcome::Failed, Some("LIMIT_EXCEEDED")));
        assert_eq!(read(200, "{}").outcome, Outcome::Unknown);
        let stale = json!({"code": "INVALID_TOKEN", "details": {}, "message": "x", "status": "error"});
        let parts = json!({"__composite_requests": [item(401, &stale), item(401, &stale)]}).to_string();
        assert!(read(200, &parts).stale_token);
        let parts = json!({"__composite_requests": [item(401, &stale), item(204, &Value::Null)]}).to_string();
        assert!(!read(200, &parts).stale_token);
    }
}
