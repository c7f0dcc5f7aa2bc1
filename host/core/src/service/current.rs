//! What stands at the provider before a change: which read shows it, for each record of a request that changes some.

use serde_json::{Map, Value};

use crate::canonical::CanonicalRequest;
use crate::classify::Classified;

/// How the records that an operation changes are read as they are now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Current {
    /// Method, path and query of the read. `{name}` stands for a path parameter, `{id}` for the record's id where it is none, and
    /// `{fields}` for the names of the fields that change.
    pub request: String,
    /// Where the changed records stand in the body, by JSON pointer.
    pub records: String,
    /// The member of a record that holds its id.
    pub id: String,
    /// Where the record stands in the answer, by JSON pointer.
    pub found: String,
}

/// One record that a request would change.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its id.
    pub id: String,
    /// What would stand there.
    pub proposed: Map<String, Value>,
    /// What shows what stands there now.
    pub read: CanonicalRequest,
    /// Where the record stands in the answer.
    pub found: String,
}

impl Classified {
    /// Returns the records that the request would change, as far as its definition says how each is read: so many at most.
    pub fn changes(&self, most: usize) -> Vec<Change> {
        let Some(current) = self.definition().and_then(|operation| operation.current.as_ref()) else {
            return Vec::new();
        };
        let body = serde_json::from_slice::<Value>(self.request().body()).ok();
        let records = body.as_ref().and_then(|body| body.pointer(&current.records)).and_then(Value::as_array);
        records.into_iter().flatten().take(most).filter_map(|record| self.change(current, record)).collect()
    }

    fn change(&self, current: &Current, record: &Value) -> Option<Change> {
        let mut proposed = record.as_object()?.clone();
        let own = proposed.remove(&current.id);
        let own = own.and_then(|id| match id {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        let in_path = self.parameters().iter().find(|given| given.name == "id").map(|given| given.value.clone());
        let id = in_path.or(own)?;
        let fields: Vec<&str> = proposed.keys().map(String::as_str).filter(|name| is_plain(name)).collect();
        let mut text = current.request.clone();
        for given in self.parameters() {
            text = text.replace(&format!("{{{}}}", given.name), plain(&given.value)?);
        }
        let text = text.replace("{id}", plain(&id)?).replace("{fields}", &fields.join(","));
        let (method, target) = text.split_once(' ')?;
        let read = CanonicalRequest::parse(method, target, Vec::new(), Vec::new()).ok()?;
        Some(Change { id, proposed, read, found: current.found.clone() })
    }
}

/// What needs no escape in a target. Anything else is read by nobody.
fn plain(text: &str) -> Option<&str> {
    is_plain(text).then_some(text)
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
