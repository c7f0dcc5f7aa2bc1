//! Finds a request's operation, resources, fields and breadth. Step 5 of a request's path.

use std::sync::Arc;

use crate::canonical::{CanonicalRequest, Parameter};
use crate::id::Digest;
use crate::plugin::{Effect, OperationView};
use crate::refusal::Refusal;
use crate::service::{Operation, ServiceDefinition};

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
}

impl Classified {
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

    /// Returns the path template for messages and the audit, never a value from the path.
    pub fn template(&self) -> String {
        self.definition().map_or_else(String::new, |operation| operation.path.to_string())
    }

    /// Returns the path parameters.
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }
}

/// Classifies a canonical request.
pub fn classify(service: &Arc<ServiceDefinition>, request: CanonicalRequest) -> Result<Classified, Refusal> {
    let digest = request.digest();
    Ok(Classified {
        service: Arc::clone(service),
        operation: OperationView {
            service: service.name.to_string(),
            name: "unknown".to_owned(),
            effect: Effect::Destructive,
            resources: vec!["$unknown".to_owned()],
            fields: None,
            breadth: None,
            attributes: Vec::new(),
        },
        request,
        definition: None,
        parameters: Vec::new(),
        digest,
    })
}
