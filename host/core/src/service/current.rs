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
    /// Its id; `None`: the request does not say which it is in a way that is known here.
    pub id: Option<String>,
    /// What would stand there.
    pub proposed: Map<String, Value>,
    /// What shows what stands there now; `None`: nothing that is known here.
    pub read: Option<CanonicalRequest>,
    /// Where the record stands in the answer.
    pub found: String,
}

impl Classified {
    /// Returns every record that the request would change, in the order of its body, as far as its definition says where they stand.
    pub fn changes(&self) -> Vec<Change> {
        let Some(current) = self.definition().and_then(|operation| operation.current.as_ref()) else {
            return Vec::new();
        };
        let body = serde_json::from_slice::<Value>(self.request().body()).ok();
        let records = body.as_ref().and_then(|body| body.pointer(&current.records)).and_then(Value::as_array);
        records.into_iter().flatten().map(|record| self.change(current, record)).collect()
    }

    fn change(&self, current: &Current, record: &Value) -> Change {
        let mut proposed = record.as_object().cloned().unwrap_or_default();
        let own = proposed.remove(&current.id);
        let own = own.and_then(|id| match id {
            Value::String(text) => Some(text),
            Value::Number(number) => Some(number.to_string()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        });
        let in_path = self.parameters().iter().find(|given| given.name == "id").map(|given| given.value.clone());
        let id = in_path.or(own);
        let read = id.as_deref().and_then(|id| self.read_of(current, id, &proposed));
        Change { id, proposed, read, found: current.found.clone() }
    }

    /// The read that shows a record's fields as they are; `None` where it cannot be written without escapes.
    fn read_of(&self, current: &Current, id: &str, proposed: &Map<String, Value>) -> Option<CanonicalRequest> {
        let fields: Vec<&str> = proposed.keys().map(String::as_str).filter(|name| is_plain(name)).collect();
        let mut text = current.request.clone();
        for given in self.parameters() {
            text = text.replace(&format!("{{{}}}", given.name), plain(&given.value)?);
        }
        let text = text.replace("{id}", plain(id)?).replace("{fields}", &fields.join(","));
        let (method, target) = text.split_once(' ')?;
        CanonicalRequest::parse(method, target, Vec::new(), Vec::new()).ok()
    }
}

/// What needs no escape in a target. Anything else is read by nobody.
fn plain(text: &str) -> Option<&str> {
    is_plain(text).then_some(text)
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}
