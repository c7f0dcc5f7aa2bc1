//! Which records a request would change, what would stand in them, and the reads that show what stands there now: for whoever looks
//! at it before it is sent. Nothing here decides anything.

mod look;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{Classified, places};
use crate::plugin::{Effect, FieldUse};
use crate::pointer;
use crate::service::{Current, IdPlace, Named, Names, StepMembers};

pub use self::look::Look;

/// One record that a request would change.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its id; `None`: the request does not say which it is in a way that is known here, or it is not there yet.
    pub id: Option<String>,
    /// What becomes of it.
    pub becomes: Becomes,
    /// What would stand there, by field. A field within another has both names, with a dot between, where reads call it so.
    pub proposed: Map<String, Value>,
    /// What shows what stands there now; `None`: nothing that is known here.
    pub look: Option<Look>,
}

/// What becomes of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Becomes {
    /// It is made.
    Made,
    /// Some of its fields change.
    Changed,
    /// It is gone.
    Gone,
    /// One that has the same values in these fields changes, and where there is none, one is made. None are named: the provider
    /// chooses them.
    Upserted {
        /// The fields.
        by: Vec<String>,
        /// Where the request names them, by JSON pointer.
        place: String,
    },
}

impl Classified {
    /// Returns every record that the request would change, in its order, as far as its definition says how it names them.
    pub fn changes(&self) -> Vec<Change> {
        let Some(current) = self.definition().and_then(|operation| operation.current.as_ref()) else {
            return Vec::new();
        };
        let finder = Finder { of: self, current };
        match &current.named {
            Named::Path => finder.in_path().map(|id| finder.gone(id, None)).into_iter().collect(),
            Named::Ids(places) => finder.ids(places).into_iter().map(|id| finder.gone(id, None)).collect(),
            Named::Records(pointer) => finder.records(pointer),
            Named::Steps { pointer, members } => finder.steps(pointer, members),
        }
    }

    /// Returns the names of the fields that the request would write, as its body tells them; `None`: it tells none. For people: what
    /// rules and plugins are told is in its operation, and what else an answer shows is no part of this.
    pub fn fields_written(&self) -> Option<Vec<String>> {
        let mut seen = BTreeSet::new();
        let names: Vec<String> = self.named().into_iter().filter(|name| seen.insert(name.clone())).collect();
        (!names.is_empty()).then_some(names)
    }

    /// The fields that its body names: those of its parts, those that its operation writes, those of the records that it changes; else
    /// the members of the body.
    fn named(&self) -> Vec<String> {
        if self.operation().effect == Effect::Read {
            return Vec::new();
        }
        if !self.parts().is_empty() {
            return self.parts().iter().flat_map(|part| part.classified().named()).collect();
        }
        if let Some(fields) = &self.operation().fields {
            let written = fields.iter().filter(|field| field.how == FieldUse::Write);
            return written.map(|field| field.name.clone()).collect();
        }
        if self.definition().is_some_and(|operation| operation.current.is_some()) {
            let names = |change: Change| change.proposed.into_iter().map(|(name, _)| name);
            return self.changes().into_iter().flat_map(names).collect();
        }
        let members = self.json.as_deref().and_then(Value::as_object);
        members.into_iter().flat_map(Map::keys).cloned().collect()
    }
}

/// Finds the records of one request.
struct Finder<'a> {
    of: &'a Classified,
    current: &'a Current,
}

impl Finder<'_> {
    fn in_path(&self) -> Option<String> {
        let given = self.of.parameters().iter().find(|given| given.name == self.current.id_in_path);
        given.map(|given| given.value.clone())
    }

    fn ids(&self, places: &[IdPlace]) -> Vec<String> {
        let in_place = |place: &IdPlace| -> Vec<String> {
            match place {
                IdPlace::Query(name) => {
                    let lists = self.of.request().query_values(name).flat_map(|list| list.split(','));
                    lists.map(|id| id.trim().to_owned()).filter(|id| !id.is_empty()).collect()
                }
                IdPlace::Body(pointer) => {
                    let list = self.of.json.as_ref().and_then(|json| json.pointer(pointer)?.as_array());
                    list.into_iter().flatten().filter_map(id_of).collect()
                }
            }
        };
        places.iter().flat_map(in_place).collect()
    }

    fn records(&self, pointer: &str) -> Vec<Change> {
        let found = self.of.json.as_deref().map(|json| places::at(json, pointer)).unwrap_or_default();
        let each = found.into_iter().flat_map(|value| match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(_) => vec![value],
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        });
        each.map(|record| self.record(record)).collect()
    }

    fn record(&self, record: &Value) -> Change {
        let (own, proposed) = self.split(record);
        match self.in_path().or(own) {
            None if self.current.search.is_some() => self.upserted(proposed),
            id => self.changed(id, proposed, None),
        }
    }

    /// A record's id and its fields.
    fn split(&self, record: &Value) -> (Option<String>, Map<String, Value>) {
        let mut members = record.as_object().cloned().unwrap_or_default();
        let id = match self.current.names {
            Names::AsWritten => Some(self.current.id.clone()),
            Names::Gaql => members.keys().find(|name| look::camel(name) == self.current.id).cloned(),
        };
        let id = id.and_then(|name| members.remove(&name)).as_ref().and_then(id_of);
        members.retain(|name, _| !self.current.not_fields.contains(name));
        let fields = match self.current.names {
            Names::AsWritten => members,
            Names::Gaql => flattened(members),
        };
        (id, fields)
    }

    fn steps(&self, pointer: &str, names: &StepMembers) -> Vec<Change> {
        let Some(json) = self.of.json.as_deref() else { return Vec::new() };
        let found = with_resource(json, pointer).into_iter();
        found.flat_map(|(member, step)| self.step(names, member.as_deref(), step)).collect()
    }

    /// What one step does. More than one of the three is nothing that a provider takes; all are shown.
    fn step(&self, names: &StepMembers, member: Option<&str>, step: &Value) -> Vec<Change> {
        let resource = member.and_then(|member| self.of.service().related.get(member)).map(String::as_str);
        // Protobuf's JSON takes `update_mask` for `updateMask`.
        let members = || step.as_object().into_iter().flatten();
        let there = |name: &str| {
            let found = members().find(|(member, _)| *member == name || look::camel(member) == name);
            found.map(|(_, value)| value).filter(|value| !value.is_null())
        };
        let mut changes = Vec::new();
        if let Some(record) = there(&names.create) {
            let (_, proposed) = self.split(record);
            changes.push(Change { id: None, becomes: Becomes::Made, proposed, look: None });
        }
        if let Some(record) = there(&names.update) {
            let (id, written) = self.split(record);
            let mask = there(&names.mask).and_then(Value::as_str);
            changes.push(self.changed(id, masked(written, mask), resource));
        }
        if let Some(id) = there(&names.remove) {
            changes.push(self.gone(id_of(id).unwrap_or_default(), resource));
        }
        changes
    }

    fn changed(&self, id: Option<String>, proposed: Map<String, Value>, resource: Option<&str>) -> Change {
        let fields: Vec<&str> = proposed.keys().map(String::as_str).collect();
        let look = id.as_deref().and_then(|id| self.look(id, &fields, resource));
        Change { id, becomes: Becomes::Changed, proposed, look }
    }

    fn gone(&self, id: String, resource: Option<&str>) -> Change {
        let shown = self.of.service().shown_of(self.resource(resource).unwrap_or_default());
        let fields: Vec<&str> = shown.iter().map(String::as_str).collect();
        let look = self.look(&id, &fields, resource);
        Change { id: Some(id), becomes: Becomes::Gone, proposed: Map::new(), look }
    }

    fn upserted(&self, proposed: Map<String, Value>) -> Change {
        let place = self.current.search.as_ref().map(|search| search.by.clone()).unwrap_or_default();
        let listed = self.of.json.as_ref().and_then(|json| json.pointer(&place)?.as_array());
        let by: Vec<String> = listed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        let look = self.search(&by, &proposed);
        Change { id: None, becomes: Becomes::Upserted { by, place }, proposed, look }
    }

    /// The resource of a record: what its step says, else the only one of the request.
    fn resource<'r>(&'r self, named: Option<&'r str>) -> Option<&'r str> {
        let only = || match self.of.operation().resources.as_slice() {
            [resource] => Some(resource.as_str()),
            _ => None,
        };
        named.or_else(only)
    }
}

/// An id is a text or a number.
fn id_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Every value at a pointer, with the last member that `*` stood for.
fn with_resource<'a>(json: &'a Value, pointer: &str) -> Vec<(Option<String>, &'a Value)> {
    let mut found = vec![(None, json)];
    for step in pointer::steps(pointer) {
        found = found
            .into_iter()
            .flat_map(|(member, value)| -> Vec<(Option<String>, &'a Value)> {
                match value {
                    Value::Array(items) if step == "*" => {
                        items.iter().map(|item| (member.clone(), item)).collect()
                    }
                    Value::Object(members) if step == "*" => {
                        members.iter().map(|(name, value)| (Some(name.clone()), value)).collect()
                    }
                    Value::Object(members) => {
                        members.get(&step).map(|value| (member, value)).into_iter().collect()
                    }
                    _ => Vec::new(),
                }
            })
            .collect();
    }
    found
}

/// Fields within others by both names: a read asks for the innermost.
fn flattened(members: Map<String, Value>) -> Map<String, Value> {
    let mut flat = Map::new();
    for (name, value) in members {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                flat.extend(
                    flattened(inner).into_iter().map(|(within, value)| (format!("{name}.{within}"), value)),
                );
            }
            value => drop(flat.insert(name, value)),
        }
    }
    flat
}

/// What a mask lets be written: of what was written the fields that it names, and nothing in those that have no value. Without one
/// all that was written.
fn masked(written: Map<String, Value>, mask: Option<&str>) -> Map<String, Value> {
    let Some(mask) = mask.filter(|mask| !mask.trim().is_empty()) else { return written };
    let mut proposed = Map::new();
    for named in mask.split(',').map(|name| look::camel(name.trim())) {
        let within = format!("{named}.");
        let covers = |name: &str| {
            let name = look::camel(name);
            name == named || name.starts_with(&within)
        };
        let before = proposed.len();
        proposed.extend(
            written.iter().filter(|(name, _)| covers(name)).map(|(name, value)| (name.clone(), value.clone())),
        );
        if proposed.len() == before && !proposed.keys().any(|name| covers(name)) {
            proposed.insert(named, Value::Null);
        }
    }
    proposed
}
