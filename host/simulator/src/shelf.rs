//! The records of the products that have no modules, on shelves: `books/{organization}/contacts`, `desk/tickets` and
//! the like.

use serde_json::{Map, Value};

use crate::wire::Call;
use crate::world::{Org, Record, record_id};

impl Org {
    /// Returns the records of a shelf.
    pub fn shelf(&self, name: &str) -> &[Record] {
        self.modules.get(name).map_or(&[], Vec::as_slice)
    }

    /// Puts a record on a shelf under a new id, and returns it.
    pub fn put(&mut self, name: &str, record: Record) -> Record {
        let mut record = record;
        record.insert("id".to_owned(), Value::String(self.make_id()));
        self.modules.entry(name.to_owned()).or_default().push(record.clone());
        record
    }

    /// Takes a record off a shelf.
    pub fn take(&mut self, name: &str, id: &str) -> Option<Record> {
        let records = self.modules.get_mut(name)?;
        let place = records.iter().position(|record| record_id(record) == id)?;
        Some(records.remove(place))
    }
}

/// Returns the members of an object; nothing of any other value.
pub(crate) fn members(value: Value) -> Record {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Returns a query parameter as a number, the default where it is absent, and nothing where it is no number or is out
/// of bounds.
pub(crate) fn number(call: &Call, name: &str, default: usize, bounds: (usize, usize)) -> Option<usize> {
    let Some(text) = call.parameter(name) else { return Some(default) };
    text.parse().ok().filter(|number| (bounds.0..=bounds.1).contains(number))
}

/// Whether a field's text holds a text, without regard to case.
pub(crate) fn holds(record: &Record, field: &str, text: &str) -> bool {
    let found = record.get(field).and_then(Value::as_str);
    found.is_some_and(|found| found.to_lowercase().contains(&text.to_lowercase()))
}
