//! Which records a request would change, what would stand in them, and the reads that show what stands there now: for whoever looks
//! at it before it is sent. Nothing here decides anything.
//!
//! A body of an agent may name millions of records and of fields: whatever is done here takes time and memory that grow no faster than
//! the body, and only as much is built of it as is shown.

mod look;
#[cfg(test)]
mod tests;
mod written;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use self::written::{Field, Written};
use super::Classified;
use crate::plugin::{Effect, FieldUse};
use crate::service::Current;

pub use self::look::Look;

/// How many names of fields an upsert is searched by.
const MOST_SEARCHED_BY: usize = 10;

/// How much of what a request would change is built.
#[derive(Debug, Clone, Copy)]
pub struct Most {
    /// How many records.
    pub records: usize,
    /// How many fields of one record.
    pub fields: usize,
    /// How many reads of what stands there now.
    pub looks: usize,
}

/// The records that a request would change.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The first of them, in the request's order.
    pub first: Vec<Change>,
    /// How many more there are.
    pub more: usize,
}

/// One record that a request would change.
#[derive(Debug, Clone)]
pub struct Change {
    /// Its id; `None`: the request does not say which it is in a way that is known here, or it is not there yet.
    pub id: Option<String>,
    /// What becomes of it.
    pub becomes: Becomes,
    /// What would stand there, by field. A field within another has both names, with a dot between, where reads call it so.
    pub proposed: Map<String, Value>,
    /// How many more fields would.
    pub more_fields: usize,
    /// What shows what stands there now; `None`: nothing that is known here, or there are as many reads as were wanted.
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
    /// One that has the same values in some fields changes, and where there is none, one is made.
    Upserted(Arc<By>),
}

/// The fields by which an upsert finds what it overwrites. None are named: the provider chooses them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct By {
    /// The first of them.
    pub first: Vec<String>,
    /// How many more there are: with any nothing is searched for.
    pub more: usize,
    /// Where the request names them, by JSON pointer.
    pub place: String,
}

impl Classified {
    /// Returns the records that the request would change, as far as its definition says how it names them.
    pub fn changes(&self, most: Most) -> Changes {
        let Some(finder) = self.finder() else { return Changes::default() };
        let mut written = finder.written();
        let mut looks = most.looks;
        let mut first = Vec::new();
        for one in written.by_ref().take(most.records) {
            let change = finder.change(&one, Most { looks, ..most });
            looks -= usize::from(change.look.is_some());
            first.push(change);
        }
        Changes { first, more: written.count() }
    }

    /// Returns whether [`Classified::changes`] has any.
    pub fn names_changes(&self) -> bool {
        self.finder().is_some_and(|finder| finder.written().next().is_some())
    }

    fn finder(&self) -> Option<Finder<'_>> {
        let current = self.definition()?.current.as_ref()?;
        Some(Finder { of: self, current, by: By::of(self, current) })
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
        if let Some(finder) = self.finder() {
            let names = |one| finder.fields(&one).into_iter().map(|(name, _)| name);
            return finder.written().flat_map(names).collect();
        }
        let members = self.json.as_deref().and_then(Value::as_object);
        members.into_iter().flat_map(Map::keys).cloned().collect()
    }
}

/// Finds the records of one request.
struct Finder<'a> {
    of: &'a Classified,
    current: &'a Current,
    by: Arc<By>,
}

impl By {
    /// Read once for all records of a request.
    fn of(classified: &Classified, current: &Current) -> Arc<Self> {
        let Some(search) = &current.search else { return Arc::default() };
        let listed = classified.json.as_ref().and_then(|json| json.pointer(&search.by)?.as_array());
        let mut names = listed.into_iter().flatten().filter_map(Value::as_str);
        let first = names.by_ref().take(MOST_SEARCHED_BY).map(str::to_owned).collect();
        Arc::new(Self { first, more: names.count(), place: search.by.clone() })
    }
}

impl Finder<'_> {
    /// What the request would do to one record.
    fn change(&self, one: &Written<'_>, most: Most) -> Change {
        let fields = self.fields(one);
        let shown = &fields[..fields.len().min(most.fields)];
        let (id, becomes) = self.becomes(one);
        let look = || match (one, &becomes) {
            (Written::Made(_), _) => None,
            (_, Becomes::Upserted(_)) => self.search(&fields, shown),
            (Written::Changed { resource, .. } | Written::Gone { resource, .. }, _) => {
                self.look(id.as_deref()?, &self.asked(one, shown), *resource)
            }
        };
        let look = (most.looks > 0).then(look).flatten();
        let proposed = shown.iter().map(|(name, value)| (name.clone(), (*value).clone())).collect();
        Change { id, becomes, proposed, more_fields: fields.len() - shown.len(), look }
    }

    /// A record's id, and what becomes of it.
    fn becomes(&self, one: &Written<'_>) -> (Option<String>, Becomes) {
        match one {
            Written::Made(_) => (None, Becomes::Made),
            Written::Gone { id, .. } => (Some(id.clone().into_owned()), Becomes::Gone),
            Written::Changed { record, .. } => match self.in_path().or_else(|| self.own_id(record)) {
                None if self.current.search.is_some() => (None, Becomes::Upserted(Arc::clone(&self.by))),
                id => (id, Becomes::Changed),
            },
        }
    }

    /// The fields that the read of a record asks for.
    fn asked<'f>(&'f self, one: &Written<'f>, shown: &'f [Field<'_>]) -> Vec<&'f str> {
        match one {
            Written::Gone { resource, .. } => {
                let shown = self.of.service().shown_of(self.resource(*resource).unwrap_or_default());
                shown.iter().map(String::as_str).collect()
            }
            Written::Made(_) | Written::Changed { .. } => shown.iter().map(|(name, _)| name.as_str()).collect(),
        }
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
