//! What a row says of a request: its template, its names, and which of its values are keyed.
//!
//! A value stands in plain only if it is the service's own word (a literal of a template), a resource (the row
//! names those anyhow), or a query value that the service marks safe. Every other one becomes a keyed hash.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use wardlock_core::canonical::{CanonicalRequest, Parameter};
use wardlock_core::classify::{Classified, Part as CarriedPart};
use wardlock_core::id::Digest;
use wardlock_core::plugin::Effect;
use wardlock_core::service::{ResourceSource, Segment, ServiceDefinition};

use crate::authentic::under;
use crate::detail::{PartDetail, RequestDetail, Value};
use crate::entry::{LIST_ITEMS, bounded};

/// How much of a keyed hash a row keeps: 128 bits, far beyond accidental equality.
const KEYED_BYTES: usize = 16;

/// The key under which values are hashed; derived from the vault's, so the file alone tells nothing.
#[derive(Clone)]
pub(crate) struct PathKey(Hmac<Sha256>);

impl PathKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(under(key))
    }

    /// Returns the keyed hash of a value, as rows hold it.
    pub(crate) fn hash(&self, value: &str) -> String {
        let mut mac = self.0.clone();
        mac.update(value.as_bytes());
        let bytes = mac.finalize().into_bytes();
        hex::encode(&bytes[..KEYED_BYTES])
    }
}

/// A text on its way into a row.
enum Part {
    /// As it is.
    Plain(String),
    /// As its keyed hash. Holds the text itself, which is why nothing here can be printed.
    Keyed(String),
}

/// What is known of a request when its row is written. Unsafe values in it are keyed before they reach a row.
#[derive(Default)]
pub struct Described {
    method: Option<String>,
    path: Option<String>,
    parameters: Vec<(Part, Part)>,
    query: Vec<(Part, Part)>,
    body: Option<(u64, Digest)>,
    pub(crate) service: Option<(String, Digest)>,
    pub(crate) operation: Option<String>,
    pub(crate) effect: Option<Effect>,
    resources: Vec<String>,
    breadth: Option<u32>,
    parts: Vec<PartDetail>,
}

impl Described {
    /// Describes a classified request.
    pub fn classified(classified: &Classified) -> Self {
        let service = classified.service();
        let operation = classified.operation();
        let mut described = Self::without_path(classified.request(), Some(service));
        described.service = Some((service.name.to_string(), service.digest));
        described.operation = Some(operation.name.clone());
        described.effect = Some(operation.effect);
        described.resources.clone_from(&operation.resources);
        described.breadth = operation.breadth;
        described.parts = classified.parts().iter().take(LIST_ITEMS).map(part_detail).collect();
        let Some(definition) = classified.definition() else {
            return described.with_unknown_path(classified.request(), Some(service));
        };
        let names_resource = |given: &Parameter| {
            definition.resources.iter().any(|source| match source {
                ResourceSource::Path(name) => *name == given.name,
                ResourceSource::Related(name) => *name == given.name && service.related.contains_key(&given.value),
                ResourceSource::Fixed(_)
                | ResourceSource::Query(_)
                | ResourceSource::Coql(_)
                | ResourceSource::Gaql(_)
                | ResourceSource::BodyKeys(_)
                | ResourceSource::Body(_)
                | ResourceSource::QueryIs { .. } => false,
            })
        };
        let parts = classified.parameters().iter().map(|given| part_of(given, names_resource(given)));
        described.parameters = parts.collect();
        described.path = Some(classified.template());
        described
    }

    /// Describes a request that has a canonical form only: refused before it was classified. Path segments that
    /// are no word of the service's templates are keyed; without a service, all of them.
    pub fn canonical(request: &CanonicalRequest, service: Option<&ServiceDefinition>) -> Self {
        Self::without_path(request, service).with_unknown_path(request, service)
    }

    /// Describes a request of which no more than the method was read.
    pub fn unread(method: &str) -> Self {
        Self { method: Some(method.to_owned()), ..Self::default() }
    }

    fn without_path(request: &CanonicalRequest, service: Option<&ServiceDefinition>) -> Self {
        let safe = |name: &str| service.is_some_and(|service| service.request.audit_safe_query.contains(name));
        let body = request.body();
        Self {
            method: Some(request.method().as_str().to_owned()),
            query: request.query().iter().map(|given| part_of(given, safe(&given.name))).collect(),
            body: (!body.is_empty()).then(|| (body.len() as u64, Digest::of(body))),
            ..Self::default()
        }
    }

    fn with_unknown_path(mut self, request: &CanonicalRequest, service: Option<&ServiceDefinition>) -> Self {
        let is_word = |segment: &String| service.is_some_and(|service| is_template_word(service, segment));
        let mut path = String::new();
        for segment in request.segments() {
            path.push('/');
            if is_word(segment) {
                path.push_str(segment);
                continue;
            }
            let name = (self.parameters.len() + 1).to_string();
            path.extend(["{", &name, "}"]);
            self.parameters.push((Part::Plain(name), Part::Keyed(segment.clone())));
        }
        self.path = Some(path);
        self
    }

    /// Renders into a row's detail, keying what must be keyed.
    pub(crate) fn into_detail(self, key: &PathKey) -> RequestDetail {
        let lists = [self.parameters.len(), self.query.len(), self.resources.len()];
        let (service, digest) = self.service.unzip();
        let (body_bytes, body) = self.body.unzip();
        RequestDetail {
            service,
            service_sha256: digest.map(|digest| digest.to_string()),
            resources: self.resources.iter().take(LIST_ITEMS).map(|text| bounded(text)).collect(),
            breadth: self.breadth,
            parts: self.parts,
            method: self.method.as_deref().map(bounded),
            path: self.path.as_deref().map(bounded),
            parameters: values(self.parameters, key),
            query: values(self.query, key),
            cut: lists.iter().any(|length| *length > LIST_ITEMS),
            body_bytes,
            body_sha256: body.map(|digest| digest.to_string()),
            ..RequestDetail::default()
        }
    }
}

/// No value of a part's path or body stands here; what was judged of it is in the bytes whose hash the row has.
fn part_detail(part: &CarriedPart) -> PartDetail {
    let (classified, operation) = (part.classified(), part.classified().operation());
    PartDetail {
        operation: bounded(&operation.name),
        effect: operation.effect.as_str().to_owned(),
        method: classified.request().method().as_str().to_owned(),
        path: bounded(&classified.template()),
        resources: operation.resources.iter().take(LIST_ITEMS).map(|text| bounded(text)).collect(),
        breadth: operation.breadth,
    }
}

fn part_of(given: &Parameter, plain: bool) -> (Part, Part) {
    let name =
        if is_word(&given.name) { Part::Plain(given.name.clone()) } else { Part::Keyed(given.name.clone()) };
    let value = if plain { Part::Plain(given.value.clone()) } else { Part::Keyed(given.value.clone()) };
    (name, value)
}

/// Whether a text looks like a name that a program gave, not like a value that somebody put in its place.
pub(crate) fn is_word(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_-.[]$".contains(&b);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(allowed)
}

fn values(parts: Vec<(Part, Part)>, key: &PathKey) -> Vec<Value> {
    let value_of = |(name, value): (Part, Part)| match (name, value) {
        (Part::Plain(name), Part::Plain(value)) => {
            Value { name: Some(bounded(&name)), value: Some(bounded(&value)), keyed: None }
        }
        (Part::Plain(name), Part::Keyed(value)) => {
            Value { name: Some(bounded(&name)), value: None, keyed: Some(key.hash(&value)) }
        }
        (Part::Keyed(name), Part::Plain(_) | Part::Keyed(_)) => {
            Value { name: None, value: None, keyed: Some(key.hash(&name)) }
        }
    };
    parts.into_iter().take(LIST_ITEMS).map(value_of).collect()
}

/// Whether a segment is a literal of one of a service's templates.
fn is_template_word(service: &ServiceDefinition, segment: &str) -> bool {
    let is_literal = |part: &Segment| matches!(part, Segment::Literal(word) if word == segment);
    service.operations.iter().any(|operation| operation.path.segments().iter().any(is_literal))
}
