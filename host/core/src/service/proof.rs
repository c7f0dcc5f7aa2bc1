//! What a proof asks: a few reads that show that a connection works, for the right account.

use std::collections::BTreeSet;

use super::ServiceDefinition;
use crate::canonical::{CanonicalRequest, Header, NotCanonical};

/// Stands for the tenant's id in a request of a proof.
const TENANT: &str = "{tenant}";
/// Stands for a resource in a request of a proof.
const RESOURCE: &str = "{resource}";
/// How many resources one proof reads from at most: each costs a call.
const MOST_RESOURCES: usize = 10;

/// One step of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProofStep {
    /// What it shows, for people.
    pub what: String,
    /// Method.
    pub method: String,
    /// Path and query; `{tenant}` and `{resource}` stand for the account and for one of the resources.
    pub target: String,
    /// JSON body; empty where there is none.
    pub body: String,
    /// Where the answer names the account, by JSON pointer.
    pub tenant_pointer: Option<String>,
    /// Where it is asked of each allowed resource: those that are taken where every resource is allowed.
    pub each: Option<BTreeSet<String>>,
}

/// One request of a proof.
#[derive(Debug, Clone)]
pub struct ProofRequest {
    /// What it shows, for people.
    pub what: String,
    /// The request.
    pub request: CanonicalRequest,
    /// Where the answer names the account, by JSON pointer.
    pub tenant_pointer: Option<String>,
}

/// What a proof asks of a connection.
#[derive(Debug, Default)]
pub struct ProofRequests {
    /// The requests, in the definition's order.
    pub asked: Vec<ProofRequest>,
    /// The steps whose operations the connection does not allow.
    pub left_out: Vec<LeftOut>,
}

/// A step of a proof that is not asked.
#[derive(Debug)]
pub struct LeftOut {
    /// What it would show, for people.
    pub what: String,
    /// The operation that would allow it; `None`: its request is none that the service knows.
    pub operation: Option<String>,
    /// Where its answer would name the account, by JSON pointer.
    pub tenant_pointer: Option<String>,
}

impl ProofStep {
    /// Makes the request for an account, and where it is asked of each resource, for one of them.
    pub fn request(&self, tenant: &str, resource: &str) -> Result<ProofRequest, NotCanonical> {
        let fill = |text: &str| text.replace(TENANT, tenant).replace(RESOURCE, resource);
        let body = fill(&self.body).into_bytes();
        let json = Header { name: "content-type".to_owned(), value: b"application/json".to_vec() };
        let headers = if body.is_empty() { Vec::new() } else { vec![json] };
        let request = CanonicalRequest::parse(&self.method, &fill(&self.target), headers, body)?;
        let what = if self.each.is_some() { format!("{} `{resource}`", self.what) } else { self.what.clone() };
        Ok(ProofRequest { what, request, tenant_pointer: self.tenant_pointer.clone() })
    }

    /// Returns the resources that it is asked of, of those that a connection allows; one without a name where it is asked once.
    fn resources(&self, allowed: &BTreeSet<String>) -> Vec<String> {
        let Some(usual) = &self.each else {
            return vec![String::new()];
        };
        let all = if allowed.contains("*") { usual } else { allowed };
        all.iter().filter(|resource| !resource.starts_with('$')).take(MOST_RESOURCES).cloned().collect()
    }
}

impl ServiceDefinition {
    /// Returns what a proof asks on a connection that allows these operations and resources, and the steps that it leaves out because
    /// their operations are not allowed.
    pub fn proof_requests(
        &self,
        operations: &BTreeSet<String>,
        resources: &BTreeSet<String>,
        tenant: &str,
    ) -> ProofRequests {
        let mut found = ProofRequests::default();
        for step in &self.proof {
            for resource in step.resources(resources) {
                // What has no canonical form was refused when the definition was read; a tenant is plain text.
                let Ok(made) = step.request(tenant, &resource) else { continue };
                let route = self.route(made.request.method(), made.request.segments());
                let name = route.map(|(at, _)| &self.operations[at].name);
                if name.is_some_and(|name| operations.contains(name)) {
                    found.asked.push(made);
                } else {
                    let ProofRequest { what, tenant_pointer, .. } = made;
                    found.left_out.push(LeftOut { what, operation: name.cloned(), tenant_pointer });
                }
            }
        }
        found
    }
}
