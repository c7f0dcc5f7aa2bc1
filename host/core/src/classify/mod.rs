//! Finds a request's operation, resources, fields and breadth: step 5 of a request's path.
//!
//! All of it comes from the service's definition; no service's name stands here. In reading order: `query` (which
//! parameters and headers an operation takes), `body` (its type, its JSON), `sources` (resources, fields, breadth),
//! `envelope` (calls that carry others), `names`, `criteria`, `coql` and `gaql` (the languages in which fields are named), `pins` (where the tenant
//! is named), `changes` (what would stand where, and what shows what stands there now), `places` (JSON pointers with wildcards), `respelt` (names that stand there in two spellings), `one_record` (bodies of other
//! records than the path), `unread` (why a query is not read).

mod body;
mod changes;
mod check_only;
mod coql;
mod criteria;
mod envelope;
mod gaql;
mod names;
mod one_record;
mod pins;
pub(crate) mod places;
mod query;
mod respelt;
mod sources;
#[cfg(test)]
mod tests;
mod unread;

use std::sync::Arc;

use serde_json::Value;

use self::sources::{Found, Reader};

pub use self::changes::{Becomes, By, Change, Changes, Look, Most};
pub use self::check_only::NoCheck;
pub use self::envelope::Part;
pub(crate) use self::envelope::RULE as ENVELOPE_RULE;
pub(crate) use self::pins::{check as check_pins, check_named};
pub use self::unread::Unread;

use crate::canonical::{CanonicalRequest, Parameter};
use crate::id::Digest;
use crate::plugin::{Effect, OperationView};
use crate::refusal::Refusal;
use crate::rules::UNKNOWN_RESOURCE;
use crate::service::{Operation, Segment, ServiceDefinition};

/// The name of an operation that the service does not define.
pub const UNKNOWN_OPERATION: &str = "unknown";

/// A request together with what it does. Made by [`classify`] only, so that the two cannot part.
#[derive(Debug, Clone)]
#[must_use]
pub struct Classified {
    service: Arc<ServiceDefinition>,
    request: CanonicalRequest,
    definition: Option<usize>,
    parameters: Vec<Parameter>,
    operation: OperationView,
    digest: Digest,
    /// The body, where the operation says what it is.
    json: Option<Arc<Value>>,
    /// The calls that it carries.
    parts: Arc<[Part]>,
    /// Why the query in its body is not read.
    unread: Option<Unread>,
    /// What makes it worse than its operation is otherwise.
    widened_by: Option<String>,
}

impl Classified {
    fn new(
        service: &Arc<ServiceDefinition>,
        request: CanonicalRequest,
        definition: Option<usize>,
        parameters: Vec<Parameter>,
        operation: OperationView,
        json: Option<Value>,
    ) -> Self {
        let (digest, json) = (request.digest(), json.map(Arc::new));
        let (service, parts) = (Arc::clone(service), Arc::default());
        let (unread, widened_by) = (None, None);
        Self { service, request, definition, parameters, operation, digest, json, parts, unread, widened_by }
    }

    /// Returns the request, with the headers that pass.
    pub fn request(&self) -> &CanonicalRequest {
        &self.request
    }

    /// Gives the request back.
    pub fn into_request(self) -> CanonicalRequest {
        self.request
    }

    /// Returns the service by whose definition it was judged.
    pub fn service(&self) -> &Arc<ServiceDefinition> {
        &self.service
    }

    /// Returns the operation's definition; `None`: the service knows no such operation.
    pub fn definition(&self) -> Option<&Operation> {
        self.definition.and_then(|at| self.service.operations.get(at))
    }

    /// Returns the operation as plugins see it.
    pub fn operation(&self) -> &OperationView {
        &self.operation
    }

    /// Returns the digest of all that is sent of this request.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Returns the path template for messages and the audit: never a value from the path. Of an unknown operation's
    /// path, only words that stand in some template are kept.
    pub fn template(&self) -> String {
        match self.definition() {
            Some(operation) => operation.path.to_string(),
            None => self.request.segments().iter().map(|segment| self.template_segment(segment)).collect(),
        }
    }

    fn template_segment(&self, segment: &str) -> String {
        let is_word = |known: &Segment| matches!(known, Segment::Literal(text) if text == segment);
        let known = self.service.operations.iter().any(|operation| operation.path.segments().iter().any(is_word));
        if known { format!("/{segment}") } else { "/{?}".to_owned() }
    }

    /// Returns the calls that it carries, each as a request of its own; of most requests none. They are made of the body,
    /// so what binds the request binds them.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Returns whether it has the provider undo what all of its parts did where one fails.
    pub fn is_all_or_nothing(&self) -> bool {
        let envelope = self.definition().and_then(|operation| operation.envelope.as_ref());
        let switch = envelope.and_then(|envelope| envelope.all_or_nothing.as_ref());
        // A form holds texts.
        let is_on = |value: &Value| *value == Value::Bool(true) || value.as_str() == Some("true");
        switch.and_then(|name| self.json.as_ref()?.get(name)).is_some_and(is_on)
    }

    /// Returns why the query in its body is not read, where it has one that is not.
    pub fn unread(&self) -> Option<Unread> {
        self.unread
    }

    /// Returns what makes it worse than its operation is otherwise, in words: of a bulk read its callback.
    pub fn widened_by(&self) -> Option<&str> {
        self.widened_by.as_deref()
    }

    /// Returns the path parameters.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }
}

/// Classifies a canonical request by its service's operations.
///
/// What the host cannot tell is never guessed: an operation that the service does not define is destructive, a
/// resource is `$unknown`, fields are `None`, breadth is `None`. A request that has two readings is refused.
pub fn classify(service: &Arc<ServiceDefinition>, mut request: CanonicalRequest) -> Result<Classified, Refusal> {
    for name in &service.request.strip_query {
        request.take_query(name);
    }
    let Some((at, parameters)) = service.route(request.method(), request.segments()) else {
        query::keep_headers(service, None, &mut request);
        let operation = view(service, UNKNOWN_OPERATION, unknown());
        return Ok(Classified::new(service, request, None, Vec::new(), operation, None));
    };
    let definition = &service.operations[at];
    query::check(service, definition, &request)?;
    query::keep_headers(service, Some(definition), &mut request);
    let json = body::read(&service.request, definition, &request)?;
    if let Some(carried) = &definition.envelope {
        let parts = envelope::open(service, definition, carried, &request, json.as_ref())?;
        let operation = view(service, &definition.name, envelope::together(&parts));
        let whole = Classified::new(service, request, Some(at), parameters, operation, json);
        return Ok(Classified { parts: parts.into(), ..whole });
    }
    one_record::check(definition, &parameters, json.as_ref())?;
    let reader =
        Reader { service, operation: definition, request: &request, parameters: &parameters, json: json.as_ref() };
    let found = reader.read()?;
    let (unread, widened_by) = (found.unread, found.widened_by.clone());
    let operation = view(service, &definition.name, found);
    Ok(Classified {
        unread,
        widened_by,
        ..Classified::new(service, request, Some(at), parameters, operation, json)
    })
}

fn unknown() -> Found {
    Found {
        effect: Effect::Destructive,
        widened_by: None,
        resources: vec![UNKNOWN_RESOURCE.to_owned()],
        fields: None,
        breadth: None,
        attributes: Vec::new(),
        unread: None,
    }
}

fn view(service: &ServiceDefinition, name: &str, found: Found) -> OperationView {
    OperationView {
        service: service.name.to_string(),
        name: name.to_owned(),
        effect: found.effect,
        resources: found.resources,
        fields: found.fields,
        breadth: found.breadth,
        attributes: found.attributes,
    }
}
