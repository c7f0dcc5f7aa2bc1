//! A request that its provider only checks and does not carry out.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{Classified, body};
use crate::canonical::CanonicalRequest;
use crate::plugin::Effect;
use crate::refusal::{Code, Refusal};
use crate::service::Presence;

/// The attribute by which plugins know it.
pub(super) const ATTRIBUTE: &str = "provider-dry-run";

/// Why a request cannot be made one that its provider only checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoCheck {
    /// Nobody says how.
    #[error("the service's definition knows of no check of this operation")]
    Undefined,
    /// The member has no place in it.
    #[error("its body is neither a JSON object nor a form in which the check could be asked for")]
    NoPlace,
    /// A form has members, and nothing within them.
    #[error(
        "its body is a form, and the check is asked for within a member, which only JSON has: send it as JSON"
    )]
    WithinMember,
    /// With the member it would have more than one reading.
    #[error("with what asks for the check it has more than one reading")]
    NotCanonical,
}

impl Classified {
    /// Returns the same request as one that the provider only checks. What asks for that takes the place of what stands there.
    pub fn as_check(&self) -> Result<CanonicalRequest, NoCheck> {
        let dry_run =
            self.definition().and_then(|operation| operation.dry_run.as_ref()).ok_or(NoCheck::Undefined)?;
        let mut target = self.request.clone();
        let body = match &dry_run.place {
            Presence::Query(name) => {
                target.set_query(name, &as_text(&dry_run.value));
                target.body().to_vec()
            }
            Presence::Body(pointer) if self.has_form() => in_form(target.body(), pointer, &dry_run.value)?,
            Presence::Body(pointer) => in_json(target.body(), pointer, &dry_run.value)?,
            Presence::BodyIs { .. } => return Err(NoCheck::Undefined),
        };
        let (method, path) = (target.method().as_str(), target.path_and_query());
        CanonicalRequest::parse(method, &path, target.headers().to_vec(), body).map_err(|_| NoCheck::NotCanonical)
    }

    fn has_form(&self) -> bool {
        self.definition().is_some_and(|operation| body::is_form(operation, &self.request))
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

fn in_json(body: &[u8], pointer: &str, value: &Value) -> Result<Vec<u8>, NoCheck> {
    let mut body: Value = serde_json::from_slice(body).map_err(|_| NoCheck::NoPlace)?;
    let (parent, member) = pointer.rsplit_once('/').ok_or(NoCheck::Undefined)?;
    let members = body.pointer_mut(parent).and_then(Value::as_object_mut).ok_or(NoCheck::NoPlace)?;
    members.insert(crate::pointer::step(member), value.clone());
    Ok(body.to_string().into_bytes())
}

/// What a form holds as an escape (URL standard, section 5.2); spaces, too, which is another spelling of `+`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// A form was read before, so each of its names has one reading.
fn in_form(form: &[u8], pointer: &str, value: &Value) -> Result<Vec<u8>, NoCheck> {
    let member = pointer.strip_prefix('/').filter(|member| !member.contains('/')).ok_or(NoCheck::WithinMember)?;
    let member = crate::pointer::step(member);
    let text = std::str::from_utf8(form).map_err(|_| NoCheck::NoPlace)?;
    let is_other = |pair: &&str| !pair.is_empty() && body::form_name(pair).as_deref() != Ok(&*member);
    let encoded = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let asks = format!("{}={}", encoded(&member), encoded(&as_text(value)));
    let pairs: Vec<&str> = text.split('&').filter(is_other).chain([asks.as_str()]).collect();
    Ok(pairs.join("&").into_bytes())
}

/// Returns a value as a form or a query holds it: a text as it is, and all else as JSON.
fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
