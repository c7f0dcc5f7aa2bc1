//! A path that names the record which changes, and a body that names another, or several. A provider takes one of the two, and a person
//! would be shown the other: there is no telling which is meant.

use serde_json::Value;

use super::{body, places};
use crate::canonical::Parameter;
use crate::refusal::{Code, Refusal};
use crate::service::{Current, Named, Operation};

/// Refuses a body that is of other records than the path. The path's own id may stand there once more.
pub(super) fn check(operation: &Operation, parameters: &[Parameter], json: Option<&Value>) -> Result<(), Refusal> {
    let (Some(current), Some(json)) = (&operation.current, json) else { return Ok(()) };
    let Named::Records(pointer) = &current.named else { return Ok(()) };
    let Some(id) = parameters.iter().find(|given| given.name == current.id_in_path) else { return Ok(()) };
    let found = places::at(json, pointer);
    let records: usize = found.iter().map(|value| value.as_array().map_or(1, Vec::len)).sum();
    if records > 1 {
        let detail = format!("the path names one record, and the body holds {records}");
        return Err(refused(detail).hint("send each of them to its own path, or all to one that names none"));
    }
    match places_of_ids(current, pointer).iter().find(|place| holds_another(json, place, &id.value)) {
        None => Ok(()),
        Some(place) => {
            let detail = format!("the path names one record, and `{place}` of the body another");
            let hint = format!("leave `{}` out of the body, or send the record to its own path", current.id);
            Err(refused(detail).hint(hint))
        }
    }
}

/// Where a body may say of which record it is: in the record, in a list of one, and in each object around it (JSON:API has the id beside
/// the fields).
fn places_of_ids(current: &Current, pointer: &str) -> Vec<String> {
    let id = current.id.replace('~', "~0").replace('/', "~1");
    let around = pointer.match_indices('/').map(|(at, _)| &pointer[..at]);
    let around = around.chain([pointer]).map(|place| format!("{place}/{id}"));
    around.chain([format!("{pointer}/0/{id}")]).collect()
}

/// An id is a text or a number; nothing else but `null` is the one in the path. Names count in any spelling that some server takes.
fn holds_another(json: &Value, place: &str, id: &str) -> bool {
    places::at_loosely(json, place).into_iter().any(|value| match value {
        Value::Null => false,
        Value::String(text) => text != id,
        Value::Number(number) => number.to_string() != id,
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => true,
    })
}

fn refused(detail: String) -> Refusal {
    Refusal::new(Code::NotCanonical, body::RULE, detail)
}
