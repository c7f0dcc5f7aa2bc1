//! What came of a release, in words: for the command line and for the dashboard.

use serde_json::Value;
use wardlock_core::answer::Outcome;

use crate::text::for_terminal;

/// Says how much the provider did of what was sent; `None`: there is nothing to say beyond that it was sent.
pub fn done_of_it(outcome: Outcome) -> Option<&'static str> {
    match outcome {
        Outcome::Failed => Some("the provider did none of it"),
        Outcome::Partial => Some("the provider did only a part of it"),
        Outcome::Scheduled => Some("the provider does it later"),
        Outcome::Streamed => Some("its answer was passed on and not read"),
        Outcome::Unknown => Some("look at the provider whether it was executed"),
        Outcome::Ok | Outcome::Aborted => None,
    }
}

/// Says what an approval does while these are frozen: `all`, or the draft's workspace.
pub fn frozen_in_words(frozen: &Value) -> Option<String> {
    let names: Vec<&str> = frozen.as_array()?.iter().filter_map(Value::as_str).collect();
    if names.is_empty() {
        return None;
    }
    let thaw = thawed_by(&names);
    Some(format!("the approval that releases it sends nothing and ends the draft, until {}", for_terminal(&thaw)))
}

/// Returns the commands that lift these freezes.
pub fn thawed_by(names: &[impl AsRef<str>]) -> String {
    let thaw = |name: &str| format!("`wardlock thaw {}`", if name == "all" { "--all" } else { name });
    names.iter().map(|name| thaw(name.as_ref())).collect::<Vec<_>>().join(" and ")
}

/// Says which records failed: how many of how many, and the first of them by place and the provider's code.
pub fn failures_in_words(failures: &Value) -> Option<String> {
    let (failed, of) = (failures["failed"].as_u64()?, failures["of"].as_u64()?);
    let first = failures["first"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut places: Vec<String> = first.iter().map(place).collect();
    let more = failed.saturating_sub(first.len() as u64);
    if more > 0 {
        places.push(format!("{more} more"));
    }
    Some(format!("{failed} of {of} ({})", places.join(", ")))
}

fn place(failed: &Value) -> String {
    let number = &failed["number"];
    match failed["code"].as_str() {
        Some(code) => format!("place {number}: {}", for_terminal(code)),
        None => format!("place {number}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn which_records_failed_is_told_by_place_and_code() {
        let first = json!([{ "number": 4, "code": "MANDATORY_NOT_FOUND" }, { "number": 7 }]);
        let words = |failed| failures_in_words(&json!({ "failed": failed, "of": 12, "first": first }));
        assert_eq!(words(2).as_deref(), Some("2 of 12 (place 4: MANDATORY_NOT_FOUND, place 7)"));
        assert_eq!(words(5).as_deref(), Some("5 of 12 (place 4: MANDATORY_NOT_FOUND, place 7, 3 more)"));
        assert_eq!(failures_in_words(&Value::Null), None);
    }

    #[test]
    fn what_an_approval_does_while_frozen_is_told() {
        let words = |frozen: Value| frozen_in_words(&frozen);
        let lifts = "the approval that releases it sends nothing and ends the draft, until `wardlock thaw --all` and `wardlock thaw acme`";
        assert_eq!(words(json!(["all", "acme"])).as_deref(), Some(lifts));
        assert_eq!((words(json!([])), words(Value::Null)), (None, None));
    }
}
