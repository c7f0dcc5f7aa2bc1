//! What stands at the provider before a change: where a request names the records that it changes, and which read shows one of them
//! as it is now. `classify` makes the reads.

use std::collections::BTreeSet;

use serde_json::Value;

use super::ServiceDefinition;
use crate::canonical::{CanonicalRequest, Method};
use crate::plugin::Effect;

/// How the records that an operation changes are read as they are now.
#[derive(Debug, Clone, PartialEq)]
pub struct Current {
    /// What shows one of them, which `{id}` names.
    pub read: ReadShape,
    /// How the request names them.
    pub named: Named,
    /// The path parameter that is a record's id, where the path has it.
    pub id_in_path: String,
    /// The member of a record that holds its id.
    pub id: String,
    /// Members of a record that are no fields: they say how the request is meant.
    pub not_fields: BTreeSet<String>,
    /// How fields are called in the read.
    pub names: Names,
    /// What finds a record that the request does not name by its id, and overwrites all the same.
    pub search: Option<Search>,
}

/// A read with places to fill in: `{name}` stands for a path parameter, `{id}` for the record's id where there is none of that name,
/// `{fields}` for the names of fields, `{resource}` for the record's resource.
#[derive(Debug, Clone, PartialEq)]
pub struct ReadShape {
    /// Method, path and query.
    pub request: String,
    /// Its JSON body.
    pub body: Option<Value>,
    /// Where the record stands in the answer, by JSON pointer; `*` stands for any item or member.
    pub found: String,
}

/// How a request names the records that it changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// Its path names one, which would be gone.
    Path,
    /// It lists ids, of records that would be gone.
    Ids(Vec<IdPlace>),
    /// Its body holds what would stand there, by JSON pointer: a list of records, or one.
    Records(String),
    /// Its body holds steps, by JSON pointer, each of which makes, changes or removes one.
    Steps {
        /// To the steps; `*` stands for any item or member, and a member that it stands for tells the resource (`[related]`).
        pointer: String,
        /// The members of a step.
        members: StepMembers,
    },
}

/// Where ids stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdPlace {
    /// A query parameter, with commas between.
    Query(String),
    /// A list in the body, by JSON pointer.
    Body(String),
}

/// The members of a step, of which it has one of the first three.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepMembers {
    /// A record to be made.
    pub create: String,
    /// What would stand in one that is there.
    pub update: String,
    /// The id of one that would be gone.
    pub remove: String,
    /// Names, with commas between, of the fields that a change is of: others stay, and one without a value is emptied.
    pub mask: String,
}

/// How fields are called in a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// As in the body.
    AsWritten,
    /// As GAQL calls them: `{resource}.network_settings.target_search` of `{"networkSettings": {"targetSearch": …}}`.
    Gaql,
}

/// What finds a record by the values of some fields. `{criteria}` stands for them.
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Where the body lists those fields, by JSON pointer.
    pub by: String,
    /// The read. Its `found` leads to each record that was found.
    pub read: ReadShape,
}

impl ServiceDefinition {
    /// Returns the fields by which people know a record of a resource, for reads that have to name some.
    pub fn shown_of(&self, resource: &str) -> &[String] {
        let listed = self.shown.get(resource).or_else(|| self.shown.get("*"));
        listed.map_or(&[], Vec::as_slice)
    }

    /// Checks that each read of what stands there now is a read that the service knows.
    pub(super) fn check_current(&self, current: &Current) -> Result<(), String> {
        let reads = [Some(&current.read), current.search.as_ref().map(|search| &search.read)];
        reads.into_iter().flatten().try_for_each(|read| self.check_read(read))
    }

    fn check_read(&self, read: &ReadShape) -> Result<(), String> {
        let shown = &read.request;
        let Some((method, target)) = shown.split_once(' ') else {
            return Err(format!("`{shown}` is no method and a path"));
        };
        let target = sampled(target);
        let request = CanonicalRequest::parse(method, &target, Vec::new(), Vec::new())
            .map_err(|error| format!("`{shown}`: {error}"))?;
        if read.body.is_some() && request.method() == Method::Get {
            return Err(format!("`{shown}` carries no body, because it is a GET"));
        }
        match self.route(request.method(), request.segments()) {
            None => Err(format!("no operation is `{shown}`")),
            Some((at, _)) if self.operations[at].effect != Effect::Read => {
                Err(format!("`{}` is no read, and what stands there now is only read", self.operations[at].name))
            }
            Some((at, _)) if self.operations[at].refused.is_some() => {
                Err(format!("`{}` is always refused", self.operations[at].name))
            }
            Some(_) => Ok(()),
        }
    }
}

/// A shape with a plain word in each of its places, as ids and names are.
fn sampled(target: &str) -> String {
    let mut parts = target.split('{');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        let rest = part.split_once('}').map_or(part, |(_, rest)| rest);
        format!("{text}a1{rest}")
    })
}
