//! What a plugin takes out of an answer is gone, and nothing else: by a second way of taking it out, of the parsed value. What
//! passes the caps is one JSON text afterwards, whatever it was.
//!
//! The input is one or two edits, and the body after them.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use support::input::Input;
use wardlock_core::answer::{CutError, cut};
use wardlock_core::plugin::{Reason, ResponseAnswer, ResponseEdit, ResponseVerdict, accept_response};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let edits: Vec<ResponseEdit> = (0..=input.byte() % 2).map(|_| edit(&mut input)).collect();
    let body = input.rest();
    let (code, message) = ("less".to_owned(), "less".to_owned());
    let reason = Reason { code, message, hint: None, retry_after_seconds: None, attributes: Vec::new() };
    let answer = ResponseAnswer { verdict: ResponseVerdict::Edit(edits.clone(), reason), notes: Vec::new() };
    if accept_response(answer).is_err() {
        return;
    }
    let left = cut(body, &edits);
    let Ok(before) = serde_json::from_slice::<Value>(body) else { return };
    if left == Err(CutError::Index) {
        return;
    }
    let left = left.expect("JSON can be cut");
    let after: Value = serde_json::from_slice(&left).expect("what is left is JSON");
    let places: Vec<(Vec<String>, bool)> = edits.iter().filter_map(place).collect();
    let expected = left_of(before, &places.iter().map(|(steps, gone)| (&steps[..], *gone)).collect::<Vec<_>>());
    assert_eq!(after, expected.unwrap_or(Value::Null), "{edits:?} of {}", String::from_utf8_lossy(body));
});

fn edit(input: &mut Input<'_>) -> ResponseEdit {
    match input.byte() % 4 {
        0 => ResponseEdit::RemoveHeader(input.text()),
        1 => ResponseEdit::RemoveJson(input.text()),
        _ => ResponseEdit::RedactJson(input.text()),
    }
}

/// Returns a pointer's steps (RFC 6901), and whether what is there goes as a whole.
fn place(edit: &ResponseEdit) -> Option<(Vec<String>, bool)> {
    let (pointer, gone) = match edit {
        ResponseEdit::RemoveJson(pointer) => (pointer, true),
        ResponseEdit::RedactJson(pointer) => (pointer, false),
        ResponseEdit::RemoveHeader(_) => return None,
    };
    Some((pointer.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect(), gone))
}

/// Returns what is left of a value; `None`: nothing.
fn left_of(value: Value, places: &[(&[String], bool)]) -> Option<Value> {
    let here = places.iter().filter(|(steps, _)| steps.is_empty()).map(|(_, gone)| *gone).max();
    let below = |name: &str| -> Vec<(&[String], bool)> {
        let led = places.iter().filter_map(|(steps, gone)| Some((steps.split_first()?, *gone)));
        led.filter(|((first, _), _)| *first == "*" || *first == name).map(|((_, rest), gone)| (rest, gone)).collect()
    };
    match (here, value) {
        (Some(true), _) => None,
        (Some(false), Value::String(_)) => Some("[REDACTED]".into()),
        (Some(false), _) => Some(Value::Null),
        (None, Value::Object(members)) => {
            let left = members.into_iter().filter_map(|(name, value)| Some((name.clone(), left_of(value, &below(&name))?)));
            Some(Value::Object(left.collect()))
        }
        (None, Value::Array(items)) => {
            let left = items.into_iter().enumerate().filter_map(|(at, item)| left_of(item, &below(&at.to_string())));
            Some(Value::Array(left.collect()))
        }
        (None, value) => Some(value),
    }
}
