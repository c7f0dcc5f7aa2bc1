//! Follows an operation's sources through a request: resources, fields, breadth. What is not found for sure is
//! unknown, and unknown is the widest: resource `$unknown`, no list of fields, no bound.

use serde_json::Value;

use super::names::{Touched, parts};
use super::unread::Unread;
use super::{body, check_only, coql, criteria, gaql, places};
use crate::canonical::{CanonicalRequest, Parameter};
use crate::plugin::{Attribute, Effect, Field, FieldUse};
use crate::refusal::{Code, Refusal};
use crate::rules::UNKNOWN_RESOURCE;
use crate::service::{Breadth, FieldSource, Operation, Presence, ResourceSource, ServiceDefinition};

/// What a request touches.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) effect: Effect,
    /// What makes it worse than its operation is otherwise, in words.
    pub(super) widened_by: Option<String>,
    pub(super) resources: Vec<String>,
    pub(super) fields: Option<Vec<Field>>,
    pub(super) breadth: Option<u32>,
    pub(super) attributes: Vec<Attribute>,
    /// Why the query in its body is not read, where it has one.
    pub(super) unread: Option<Unread>,
}

/// A request with all that its sources may read.
pub(super) struct Reader<'a> {
    pub(super) service: &'a ServiceDefinition,
    pub(super) operation: &'a Operation,
    pub(super) request: &'a CanonicalRequest,
    pub(super) parameters: &'a [Parameter],
    pub(super) json: Option<&'a Value>,
}

/// A query in a body, understood.
enum InBody {
    Coql(coql::Query),
    Gaql(gaql::Query),
}

impl InBody {
    fn touched(&self) -> &Touched {
        match self {
            Self::Coql(query) => &query.touched,
            Self::Gaql(query) => &query.touched,
        }
    }

    fn rows(&self, default: u32) -> u32 {
        match self {
            Self::Coql(query) => query.rows(default),
            Self::Gaql(query) => query.limit.unwrap_or(default),
        }
    }
}

impl Reader<'_> {
    /// Follows every source.
    pub(super) fn read(&self) -> Result<Found, Refusal> {
        let (query, unread) = match self.query_in_body() {
            Some(Ok(query)) => (Some(query), None),
            Some(Err(unread)) => (None, Some(unread)),
            None => (None, None),
        };
        let mut touched = Touched::default();
        let mut of = None;
        for source in &self.operation.resources {
            let names = self.resources(source, query.as_ref());
            of = of.or_else(|| names.first().cloned());
            touched.resources.extend(names);
        }
        if touched.resources.is_empty() {
            touched.resources.insert(UNKNOWN_RESOURCE.to_owned());
        }
        let of = of.unwrap_or_else(|| UNKNOWN_RESOURCE.to_owned());
        let mut known = self.operation.fields_known;
        for source in &self.operation.fields {
            known &= self.fields(source, &of, query.as_ref(), &mut touched)?;
        }
        let (effect, widened_by) = self.effect();
        Ok(Found {
            effect,
            widened_by,
            resources: touched.resources.into_iter().collect(),
            fields: known.then(|| touched.fields.into_iter().collect()),
            breadth: self.breadth(query.as_ref()),
            attributes: self.attributes(),
            unread,
        })
    }

    /// Returns the query in the body, if the operation has one, or why it is not read. There is at most one per operation.
    fn query_in_body(&self) -> Option<Result<InBody, Unread>> {
        let text = |member: &String| self.json?.get(member)?.as_str();
        self.operation.resources.iter().find_map(|source| match source {
            ResourceSource::Coql(member) => Some(coql::read(self.service, text(member)?).map(InBody::Coql)),
            ResourceSource::Gaql(member) => Some(gaql::read(text(member)?).map(InBody::Gaql)),
            _ => None,
        })
    }

    /// What plugins may want to know besides: that the provider is asked to check only.
    fn attributes(&self) -> Vec<Attribute> {
        let checks_only = self.operation.dry_run.as_ref().is_some_and(|dry_run| match &dry_run.place {
            Presence::Query(name) => self.query(name).is_some_and(|value| dry_run.value == value),
            Presence::Body(pointer) | Presence::BodyIs { pointer, .. } => {
                self.json.and_then(|json| json.pointer(pointer)) == Some(&dry_run.value)
            }
        });
        if !checks_only {
            return Vec::new();
        }
        vec![Attribute { name: check_only::ATTRIBUTE.to_owned(), value: "true".to_owned() }]
    }

    /// Returns what it does, and by what it does more than its operation does otherwise.
    fn effect(&self) -> (Effect, Option<String>) {
        let at = |pointer: &str| self.json.map(|json| places::at_loosely(json, pointer)).unwrap_or_default();
        let is_there = |presence: &Presence| match presence {
            Presence::Query(name) => self.request.query_values(name).next().is_some(),
            Presence::Body(pointer) => at(pointer).iter().any(|value| !value.is_null()),
            Presence::BodyIs { pointer, values } => {
                // Protobuf's JSON takes the number of an enumeration's value for its name.
                let is_one = |value: &&Value| match value {
                    Value::String(text) => values.contains(&text.to_lowercase()),
                    Value::Number(_) | Value::Bool(_) => values.contains(&value.to_string()),
                    Value::Null | Value::Array(_) | Value::Object(_) => false,
                };
                at(pointer).iter().any(is_one)
            }
        };
        let effect = self.operation.effect;
        match self.operation.destructive_with.iter().find(|presence| is_there(presence)) {
            Some(widens) if effect != Effect::Destructive => (Effect::Destructive, Some(named(widens))),
            Some(_) | None => (effect, None),
        }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|parameter| parameter.name == name).map(|parameter| parameter.value.as_str())
    }

    fn query(&self, name: &str) -> Option<&str> {
        self.request
            .query()
            .iter()
            .find(|parameter| parameter.name == name)
            .map(|parameter| parameter.value.as_str())
    }

    fn resources(&self, source: &ResourceSource, query: Option<&InBody>) -> Vec<String> {
        let one = |name: Option<&str>| vec![name.unwrap_or(UNKNOWN_RESOURCE).to_owned()];
        let checked = |name: Option<&str>| one(name.filter(|name| is_resource(name)));
        match source {
            ResourceSource::Fixed(name) => one(Some(name)),
            ResourceSource::Path(name) => checked(self.parameter(name)),
            ResourceSource::Related(name) => {
                let list = self.parameter(name).and_then(|list| self.service.related.get(list));
                one(list.map(String::as_str))
            }
            ResourceSource::Query(name) => checked(self.query(name)),
            ResourceSource::QueryIs { name, value, then, otherwise } => {
                one(Some(if self.query(name) == Some(value) { then } else { otherwise }))
            }
            ResourceSource::Body(pointer) => {
                let names = self.json.and_then(|json| body::texts(json, pointer));
                match names {
                    Some(names) if !names.is_empty() && names.iter().all(|name| is_resource(name)) => {
                        names.into_iter().map(str::to_owned).collect()
                    }
                    Some(_) | None => one(None),
                }
            }
            ResourceSource::BodyKeys(pointer) => {
                let Some(keys) = self.json.and_then(|json| body::item_keys(json, pointer)) else {
                    return one(None);
                };
                let named = |key: &str| self.service.related.get(key).map_or(UNKNOWN_RESOURCE, String::as_str);
                keys.into_iter().map(|key| named(key).to_owned()).collect()
            }
            ResourceSource::Coql(_) | ResourceSource::Gaql(_) => match query {
                Some(query) => query.touched().resources.iter().cloned().collect(),
                None => one(None),
            },
        }
    }

    /// Adds the fields of one source; `false`: it cannot tell them.
    fn fields(
        &self,
        source: &FieldSource,
        of: &str,
        query: Option<&InBody>,
        touched: &mut Touched,
    ) -> Result<bool, Refusal> {
        Ok(match source {
            FieldSource::QueryList { name, how, required } => match self.query(name) {
                Some(list) => self.field_list(name, list, of, *how, touched)?,
                None => !required,
            },
            FieldSource::QueryCriteria { name } => match self.query(name).map(criteria::fields) {
                Some(Ok(names)) => names.iter().all(|name| self.field(name, of, FieldUse::Filter, touched)),
                Some(Err(criteria::NotUnderstood)) => false,
                None => true,
            },
            FieldSource::QueryOpaque { name } => self.query(name).is_none(),
            FieldSource::Header { name } => self.header_fields(name, touched)?,
            FieldSource::Coql(_) | FieldSource::Gaql(_) => match query {
                Some(query) => {
                    touched.fields.extend(query.touched().fields.iter().cloned());
                    true
                }
                None => false,
            },
            FieldSource::BodyRecords { pointer, how } => {
                match self.json.and_then(|json| body::record_keys(json, pointer)) {
                    Some(keys) => {
                        for key in &keys {
                            touched.field(of, key, *how);
                        }
                        true
                    }
                    None => false,
                }
            }
            FieldSource::BodyList { pointer, how } => match self.json {
                Some(json) => body::texts(json, pointer)
                    .is_some_and(|names| names.iter().all(|name| self.field(name, of, *how, touched))),
                None => true,
            },
        })
    }

    fn field_list(
        &self,
        name: &str,
        list: &str,
        of: &str,
        how: FieldUse,
        touched: &mut Touched,
    ) -> Result<bool, Refusal> {
        let names: Vec<&str> = list.split(',').map(str::trim).collect();
        if names.iter().any(|name| name.is_empty()) {
            let detail = format!("the list in query parameter `{name}` has an empty place");
            return Err(Refusal::new(Code::NotCanonical, "query", detail).hint(
                "write names with single commas between, and leave the parameter out where it would be empty",
            ));
        }
        // An entry with brackets (`campaigns{name}`) asks for other things' fields, and whose they are nobody can tell.
        if list.contains(['{', '(', '[']) {
            touched.resources.insert(UNKNOWN_RESOURCE.to_owned());
        }
        Ok(names.iter().all(|name| self.field(name, of, how, touched)))
    }

    fn field(&self, name: &str, of: &str, how: FieldUse, touched: &mut Touched) -> bool {
        let Some(path) = parts(name) else {
            return false;
        };
        touched.path(self.service, of, &path, how);
        true
    }

    /// `X-EXTERNAL: Leads.External_Key`: the field by whose value the record is found.
    fn header_fields(&self, name: &str, touched: &mut Touched) -> Result<bool, Refusal> {
        let mut values = self.request.headers().iter().filter(|header| header.name == name);
        let (Some(header), second) = (values.next(), values.next()) else {
            return Ok(true);
        };
        if second.is_some() {
            return Err(Refusal::new(
                Code::NotCanonical,
                "headers",
                format!("the request has two `{name}` headers"),
            ));
        }
        let text = String::from_utf8_lossy(&header.value);
        let mut known = true;
        for entry in text.split(',').map(str::trim) {
            match parts(entry).as_deref() {
                Some([module, path @ ..]) if !path.is_empty() => {
                    touched.resources.insert((*module).to_owned());
                    touched.path(self.service, module, path, FieldUse::Filter);
                }
                _ => {
                    touched.resources.insert(UNKNOWN_RESOURCE.to_owned());
                    known = false;
                }
            }
        }
        Ok(known)
    }

    fn breadth(&self, query: Option<&InBody>) -> Option<u32> {
        match &self.operation.breadth {
            // Several ids in one place, should a server read them so.
            Breadth::Fixed(count) => self.parameters.iter().all(|p| !p.value.contains(',')).then_some(*count),
            Breadth::Query { name, default, max } => match self.query(name) {
                None => Some(*default),
                Some(value) => number(value).map(|count| count.min(*max)),
            },
            Breadth::QueryCount(name) => {
                self.query(name).and_then(|ids| u32::try_from(ids.split(',').count()).ok())
            }
            Breadth::BodyCount(pointer) => self.json.and_then(|json| body::count(json, pointer)),
            Breadth::Coql { default, .. } | Breadth::Gaql { default, .. } => {
                query.map(|query| query.rows(*default))
            }
            Breadth::Unbounded => None,
        }
    }
}

/// Names a place of a request, without what stands there.
fn named(presence: &Presence) -> String {
    match presence {
        Presence::Query(name) => format!("`{name}` in its query"),
        Presence::Body(pointer) | Presence::BodyIs { pointer, .. } => format!("`{pointer}` in its body"),
    }
}

fn is_resource(name: &str) -> bool {
    parts(name).is_some_and(|parts| parts.len() == 1 && !name.starts_with('$'))
}

/// Parses a count of at least one, digits only: what servers make of `0`, `+5` or `-1` nobody knows.
fn number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok()).flatten()
}
