//! A request that its provider only checks and does not carry out.

use serde_json::Value;

use super::Classified;
use crate::canonical::CanonicalRequest;
use crate::plugin::Effect;
use crate::refusal::{Code, Refusal};
use crate::service::Presence;

/// The attribute by which plugins know it.
pub(super) const ATTRIBUTE: &str = "provider-dry-run";

impl Classified {
    /// Returns the same request as one that the provider only checks; `None`: the service's definition says not how, or the body is no
    /// JSON object.
    pub fn as_check(&self) -> Option<CanonicalRequest> {
        let dry_run = self.definition()?.dry_run.as_ref()?;
        let Presence::Body(pointer) = &dry_run.place else { return None };
        let mut body: Value = serde_json::from_slice(self.request.body()).ok()?;
        let (parent, member) = pointer.rsplit_once('/')?;
        let members = body.pointer_mut(parent)?.as_object_mut()?;
        members.insert(crate::pointer::step(member), dry_run.value.clone());
        let (method, target) = (self.request.method().as_str(), self.request.path_and_query());
        CanonicalRequest::parse(method, &target, self.request.headers().to_vec(), body.to_string().into_bytes())
            .ok()
    }

    /// Returns it as what reads. What the provider would carry out is refused.
    pub fn only_checked(mut self) -> Result<Self, Refusal> {
        if !self.operation.attributes.iter().any(|attribute| attribute.name == ATTRIBUTE) {
            let detail = "this was to be checked only, and the provider would carry it out";
            return Err(Refusal::new(Code::Internal, "dry-run", detail));
        }
        self.operation.effect = Effect::Read;
        self.widened_by = None;
        Ok(self)
    }
}
