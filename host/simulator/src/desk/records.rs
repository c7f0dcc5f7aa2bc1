//! Tickets, contacts and departments: list, get, create and update.

use serde_json::{Map, Value, json};

use super::{invalid, need, not_found, wrong_method};
use crate::api::{Outcome, Visit};
use crate::instant::iso;
use crate::shelf::{members, number};
use crate::wire::{Call, Reply};
use crate::world::Record;

/// A kind of records.
#[derive(Debug)]
pub(crate) struct Kind {
    pub name: &'static str,
    /// The families of scopes of which any will do.
    families: &'static [&'static str],
    required: &'static [&'static str],
}

const KINDS: [Kind; 3] = [
    Kind { name: "tickets", families: &["tickets"], required: &["subject", "departmentId", "contactId"] },
    Kind { name: "contacts", families: &["contacts"], required: &["lastName"] },
    Kind { name: "departments", families: &["settings", "basic"], required: &["name"] },
];

impl Kind {
    /// Returns the kind of a path's name.
    pub fn named(name: &str) -> Option<&'static Kind> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// Returns the shelf of its records.
    pub fn shelf(&self) -> String {
        format!("desk/{}", self.name)
    }

    fn need(&self, visit: &Visit<'_>, operation: &str) -> Result<(), Reply> {
        let scopes: Vec<String> =
            self.families.iter().map(|family| format!("Desk.{family}.{operation}")).collect();
        need(visit, &scopes.iter().map(String::as_str).collect::<Vec<&str>>())
    }
}

/// Answers `/{kind}`.
pub(crate) fn all(visit: &mut Visit<'_>, kind: &Kind) -> Outcome {
    match visit.call.method.as_str() {
        "GET" => list(visit, kind),
        "POST" => create(visit, kind),
        _ => Err(wrong_method()),
    }
}

/// Answers `/{kind}/{id}`.
pub(crate) fn one(visit: &mut Visit<'_>, kind: &Kind, id: &str) -> Outcome {
    match visit.call.method.as_str() {
        "GET" => {
            kind.need(visit, "READ")?;
            let found = visit.org.find(&kind.shelf(), id).ok_or_else(not_found)?;
            Ok(Reply::json(200, &Value::Object(found.clone())))
        }
        "PATCH" => update(visit, kind, id),
        _ => Err(wrong_method()),
    }
}

fn list(visit: &mut Visit<'_>, kind: &Kind) -> Outcome {
    kind.need(visit, "READ")?;
    let call = visit.call;
    // Whether the first is 0 or 1 differs by page of the documentation; both are read as the first.
    let from = number(call, "from", 1, (0, 4_999)).ok_or_else(|| invalid("from", "invalid"))?;
    let limit = number(call, "limit", 10, (1, 100)).ok_or_else(|| invalid("limit", "invalid"))?;
    let fits = |row: &&Record| {
        ["status", "departmentId"].iter().all(|name| {
            let wanted = call.parameter(name);
            wanted.is_none_or(|wanted| row.get(*name).and_then(Value::as_str) == Some(wanted))
        })
    };
    let shelf = kind.shelf();
    let rows = visit.org.shelf(&shelf).iter().filter(fits).skip(from.saturating_sub(1)).take(limit);
    let rows: Vec<&Record> = rows.collect();
    if rows.is_empty() {
        return Ok(Reply::empty(204));
    }
    Ok(Reply::json(200, &json!({"data": rows})))
}

fn create(visit: &mut Visit<'_>, kind: &Kind) -> Outcome {
    kind.need(visit, "CREATE")?;
    let mut record = sent(visit.call)?;
    if let Some(missing) = kind.required.iter().find(|name| record.get(**name).is_none_or(Value::is_null)) {
        return Err(invalid(missing, "missing"));
    }
    refer(visit, &record)?;
    record.insert("createdTime".to_owned(), json!(iso(visit.now)));
    if kind.name == "tickets" {
        let number = visit.org.shelf(&kind.shelf()).len() + 101;
        record.insert("ticketNumber".to_owned(), json!(number.to_string()));
        record.entry("status").or_insert_with(|| json!("Open"));
    }
    let made = visit.org.put(&kind.shelf(), record);
    Ok(Reply::json(200, &Value::Object(made)))
}

fn update(visit: &mut Visit<'_>, kind: &Kind, id: &str) -> Outcome {
    kind.need(visit, "UPDATE")?;
    let changes = sent(visit.call)?;
    refer(visit, &changes)?;
    let at = iso(visit.now);
    let found = visit.org.find_mut(&kind.shelf(), id).ok_or_else(not_found)?;
    found.extend(changes.into_iter().filter(|(name, _)| name != "id"));
    found.insert("modifiedTime".to_owned(), json!(at));
    Ok(Reply::json(200, &Value::Object(found.clone())))
}

/// Refuses a record that refers to what is not there.
fn refer(visit: &Visit<'_>, record: &Map<String, Value>) -> Result<(), Reply> {
    for (field, shelf) in [("departmentId", "desk/departments"), ("contactId", "desk/contacts")] {
        let Some(id) = record.get(field) else { continue };
        if id.as_str().is_none_or(|id| visit.org.find(shelf, id).is_none()) {
            return Err(invalid(field, "invalid"));
        }
    }
    Ok(())
}

/// Returns the object that was sent.
pub(crate) fn sent(call: &Call) -> Result<Record, Reply> {
    let value: Value = serde_json::from_slice(&call.body).map_err(|_| invalid("", "invalid"))?;
    Ok(members(value))
}
