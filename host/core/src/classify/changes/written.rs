//! The records of a request as it names them: borrowed from it, one after the other.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::iter;

use serde_json::Value;

use super::{Finder, look};
use crate::classify::places;
use crate::pointer;
use crate::service::{IdPlace, Named, Names, StepMembers};

/// How long the name of a field may be within which others are named one by one: it stands in the name of each.
const LONGEST_OUTER: usize = 100;
/// How deep a field may stand within one that a mask names.
const DEEPEST: usize = 16;

static NULL: Value = Value::Null;

/// A field's name, and what would stand in it.
pub(super) type Field<'a> = (String, &'a Value);

/// One record as the request names it: nothing of it is copied.
pub(super) enum Written<'a> {
    /// What would stand in one that is made.
    Made(&'a Value),
    /// What would stand in one that is there.
    Changed {
        record: &'a Value,
        /// Names of the fields that are meant.
        mask: Option<&'a str>,
        resource: Option<&'a str>,
    },
    /// One that would be gone.
    Gone { id: Cow<'a, str>, resource: Option<&'a str> },
}

type All<'a> = Box<dyn Iterator<Item = Written<'a>> + 'a>;
/// Values at a place, with the last member that `*` stood for.
type Found<'a> = Box<dyn Iterator<Item = (Option<&'a str>, &'a Value)> + 'a>;

impl<'a> Finder<'a> {
    /// Every record, in the request's order.
    pub(super) fn written(&self) -> All<'a> {
        let json = self.of.json.as_deref();
        match &self.current.named {
            Named::Path => Box::new(self.in_path().into_iter().map(|id| gone(id.into()))),
            Named::Ids(places) => self.ids(places),
            Named::Records(pointer) => {
                let found = json.map(|json| places::at(json, pointer)).unwrap_or_default();
                Box::new(found.into_iter().flat_map(records))
            }
            Named::Steps { pointer, members } => {
                let related = &self.of.service().related;
                let of = |member: Option<&str>| member.and_then(|member| related.get(member)).map(String::as_str);
                let found = json.into_iter().flat_map(|json| below(json, pointer));
                Box::new(found.flat_map(move |(member, step)| step_of(members, of(member), step)))
            }
        }
    }

    /// What the path names.
    pub(super) fn in_path(&self) -> Option<String> {
        let given = self.of.parameters().iter().find(|given| given.name == self.current.id_in_path);
        given.map(|given| given.value.clone())
    }

    fn ids(&self, places: &'a [IdPlace]) -> All<'a> {
        let of = self.of;
        let in_place = move |place: &'a IdPlace| -> Box<dyn Iterator<Item = Cow<'a, str>> + 'a> {
            match place {
                IdPlace::Query(name) => {
                    let lists = of.request().query_values(name).flat_map(|list| list.split(','));
                    Box::new(lists.map(str::trim).filter(|id| !id.is_empty()).map(Cow::from))
                }
                IdPlace::Body(pointer) => {
                    let list = of.json.as_ref().and_then(|json| json.pointer(pointer)?.as_array());
                    Box::new(list.into_iter().flatten().filter_map(id_of))
                }
            }
        };
        Box::new(places.iter().flat_map(in_place).map(gone))
    }

    /// The id that a record names itself by.
    pub(super) fn own_id(&self, record: &Value) -> Option<String> {
        let mut members = record.as_object()?.iter();
        members.find(|(name, _)| self.is_id(name)).and_then(|(_, id)| id_of(id)).map(Cow::into_owned)
    }

    /// The fields of which the request says what would stand there.
    pub(super) fn fields<'w>(&self, one: &Written<'w>) -> Vec<Field<'w>> {
        let (record, mask) = match one {
            Written::Made(record) => (record, None),
            Written::Changed { record, mask, .. } => (record, *mask),
            Written::Gone { .. } => return Vec::new(),
        };
        let is_field = |name: &str| !self.is_id(name) && !self.current.not_fields.contains(name);
        let members = record.as_object().into_iter().flatten().filter(|(name, _)| is_field(name));
        let members = members.map(|(name, value)| (name.clone(), value));
        match self.current.names {
            Names::AsWritten => members.collect(),
            Names::Gaql => masked(members.flat_map(|(name, value)| flattened(name, value)).collect(), mask),
        }
    }

    fn is_id(&self, name: &str) -> bool {
        match self.current.names {
            Names::AsWritten => name == self.current.id,
            Names::Gaql => look::camel(name) == self.current.id,
        }
    }
}

fn gone(id: Cow<'_, str>) -> Written<'_> {
    Written::Gone { id, resource: None }
}

/// A list of records, or one.
fn records<'a>(value: &'a Value) -> impl Iterator<Item = Written<'a>> + 'a {
    let each: &'a [Value] = match value {
        Value::Array(items) => items,
        Value::Object(_) => std::slice::from_ref(value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => &[],
    };
    each.iter().map(|record| Written::Changed { record, mask: None, resource: None })
}

/// What one step does. More than one of the three is nothing that a provider takes; all are shown.
fn step_of<'a>(names: &StepMembers, resource: Option<&'a str>, step: &'a Value) -> Vec<Written<'a>> {
    // Protobuf's JSON takes `update_mask` for `updateMask`.
    let there = |name: &str| {
        let mut members = step.as_object().into_iter().flatten();
        let found = members.find(|(member, _)| *member == name || look::camel(member) == name);
        found.map(|(_, value)| value).filter(|value| !value.is_null())
    };
    let made = there(&names.create).map(Written::Made);
    let mask = || there(&names.mask).and_then(Value::as_str);
    let changed = there(&names.update).map(|record| Written::Changed { record, mask: mask(), resource });
    let id = |value| id_of(value).unwrap_or_default();
    let gone = there(&names.remove).map(|value| Written::Gone { id: id(value), resource });
    [made, changed, gone].into_iter().flatten().collect()
}

/// An id is a text or a number.
fn id_of(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(text.into()),
        Value::Number(number) => Some(number.to_string().into()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Every value at a pointer, with the last member that `*` stood for.
fn below<'a>(json: &'a Value, pointer: &str) -> Found<'a> {
    let whole: Found<'a> = Box::new(iter::once((None, json)));
    pointer::steps(pointer).fold(whole, |found, step| {
        Box::new(found.flat_map(move |(member, value)| step_down(member, value, &step)))
    })
}

fn step_down<'a>(member: Option<&'a str>, value: &'a Value, step: &str) -> Found<'a> {
    match value {
        Value::Array(items) if step == "*" => Box::new(items.iter().map(move |item| (member, item))),
        Value::Object(members) if step == "*" => {
            Box::new(members.iter().map(|(name, value)| (Some(name.as_str()), value)))
        }
        Value::Object(members) => Box::new(members.get(step).map(|value| (member, value)).into_iter()),
        _ => Box::new(iter::empty()),
    }
}

/// Fields within others by both names: a read asks for the innermost.
fn flattened(name: String, value: &Value) -> Vec<Field<'_>> {
    match value {
        Value::Object(inner) if !inner.is_empty() && name.len() <= LONGEST_OUTER => {
            inner.iter().flat_map(|(within, value)| flattened(format!("{name}.{within}"), value)).collect()
        }
        value => vec![(name, value)],
    }
}

/// What a mask lets be written: of what was written the fields that it names, and nothing in those that have no value. Without one
/// all that was written.
fn masked<'a>(written: Vec<Field<'a>>, mask: Option<&str>) -> Vec<Field<'a>> {
    let Some(mask) = mask.filter(|mask| !mask.trim().is_empty()) else { return written };
    let named: BTreeSet<String> = mask.split(',').map(|name| look::camel(name.trim())).collect();
    let mut met = BTreeSet::new();
    let mut proposed = Vec::new();
    for field in written {
        let name = look::camel(&field.0);
        let covering: Vec<&String> = outer(&name).filter_map(|outer| named.get(outer)).collect();
        if !covering.is_empty() {
            proposed.push(field);
        }
        met.extend(covering);
    }
    proposed.extend(named.iter().filter(|name| !met.contains(name)).map(|name| (name.clone(), &NULL)));
    proposed
}

/// A field's name, and those of the fields within which it stands.
fn outer(name: &str) -> impl Iterator<Item = &str> {
    let ends = name.match_indices('.').take(DEEPEST).map(|(at, _)| at).chain(iter::once(name.len()));
    ends.map(|end| &name[..end])
}
