//! Calls that carry others: each part becomes a request of its own, by the one canonical form, and is classified as if it
//! had come alone.
//!
//! Parts leave as they came, inside the bytes of the whole. So what would be rewritten or dropped of a request that comes
//! alone refuses a part: there is no second reading of it, here or at the provider.

mod part;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;
use serde_json::value::RawValue;

use self::part::Reader;
use super::Classified;
use super::sources::Found;
use crate::canonical::CanonicalRequest;
use crate::plugin::Effect;
use crate::refusal::{Code, PartOf, Refusal};
use crate::service::{Envelope, Operation, PartBody, ServiceDefinition};

/// The rule that refuses what cannot be judged part by part.
pub(crate) const RULE: &str = "envelope";

/// One of the calls that another carries.
#[derive(Debug, Clone)]
pub struct Part {
    number: u32,
    classified: Classified,
}

impl Part {
    /// Returns its place among the parts; the first is 1.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Returns the part as a request of its own.
    pub fn classified(&self) -> &Classified {
        &self.classified
    }

    /// Returns by what name refusals call it: its number, method and path template.
    pub fn named(&self) -> PartOf {
        let method = self.classified.request().method().as_str();
        PartOf { number: self.number, line: Some(format!("{method} {}", self.classified.template())) }
    }
}

/// Opens an envelope. All of its parts have one reading, or the whole has none.
pub(super) fn open(
    service: &Arc<ServiceDefinition>,
    operation: &Operation,
    envelope: &Envelope,
    request: &CanonicalRequest,
    json: Option<&Value>,
) -> Result<Vec<Part>, Refusal> {
    let members =
        json.and_then(Value::as_object).ok_or_else(|| malformed("there is no body that could hold parts"))?;
    for (name, value) in members.iter().filter(|(name, _)| **name != envelope.list) {
        check_switch(envelope, name, value)?;
    }
    let list = members.get(&envelope.list).and_then(Value::as_array);
    let list = list.filter(|list| !list.is_empty());
    let list = list.ok_or_else(|| malformed(format!("body member `{}` is no list of parts", envelope.list)))?;
    if list.len() > usize::try_from(envelope.most).unwrap_or(usize::MAX) {
        let detail = format!("the request carries {} parts, and the provider takes {}", list.len(), envelope.most);
        return Err(Refusal::new(Code::EnvelopeTooLong, RULE, detail));
    }
    let bodies = bodies(envelope, request)?;
    let mut ids = BTreeSet::new();
    let mut parts = Vec::with_capacity(list.len());
    for (number, part) in (1..).zip(list) {
        let body = bodies.get(parts.len()).copied().flatten();
        let reader = Reader { service, operation, envelope, part, body };
        let classified =
            reader.read(&mut ids).map_err(|refusal| refusal.in_part(PartOf { number, line: None }))?;
        parts.push(Part { number, classified });
    }
    Ok(parts)
}

/// A member besides the list is a switch that the definition knows.
fn check_switch(envelope: &Envelope, name: &str, value: &Value) -> Result<(), Refusal> {
    let is_switch = match value {
        Value::Bool(_) => true,
        // A form holds texts.
        Value::String(text) => ["true", "false"].contains(&text.as_str()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => false,
    };
    if envelope.switches.contains(name) && is_switch {
        return Ok(());
    }
    let detail = if envelope.switches.contains(name) {
        format!("`{}` of the body is a switch, and a switch is `true` or `false`", shown(name))
    } else {
        format!("the body holds `{}`, which is no switch of this operation", shown(name))
    };
    let hint = if envelope.switches.is_empty() {
        format!("it holds `{}` and nothing else", envelope.list)
    } else {
        let switches = envelope.switches.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        format!("besides `{}` it holds {}, true or false", envelope.list, switches.join(", "))
    };
    Err(malformed(detail).hint(hint))
}

/// Returns the JSON bodies of the parts as they stand in the request, byte for byte: what plugins see is what is sent.
fn bodies<'a>(envelope: &Envelope, request: &'a CanonicalRequest) -> Result<Vec<Option<&'a [u8]>>, Refusal> {
    let Some(PartBody::Json(member)) = &envelope.part.body else {
        return Ok(Vec::new());
    };
    // It was read as JSON with one reading before, so none of this fails.
    let unread = |_| malformed("the parts cannot be read");
    let members: BTreeMap<String, &RawValue> = serde_json::from_slice(request.body()).map_err(unread)?;
    let list = members.get(&envelope.list).map_or("[]", |list| list.get());
    let parts: Vec<&RawValue> = serde_json::from_str(list).map_err(unread)?;
    let body = |part: &'a RawValue| {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(part.get()).unwrap_or_default();
        members.get(member).map(|body| body.get().as_bytes())
    };
    Ok(parts.into_iter().map(body).collect())
}

/// Returns what a request does that carries these: the worst effect, all that any of them touches, and the sum of their
/// records.
pub(super) fn together(parts: &[Part]) -> Found {
    let each = || parts.iter().map(|part| part.classified.operation());
    let resources: BTreeSet<&String> = each().flat_map(|operation| &operation.resources).collect();
    let fields = each().try_fold(BTreeSet::new(), |mut all, operation| {
        all.extend(operation.fields.as_ref()?.iter().cloned());
        Some(all)
    });
    Found {
        effect: each().map(|operation| operation.effect).max().unwrap_or(Effect::Destructive),
        widened_by: None,
        resources: resources.into_iter().cloned().collect(),
        fields: fields.map(|fields| fields.into_iter().collect()),
        breadth: each().try_fold(0_u32, |sum, operation| sum.checked_add(operation.breadth?)),
        attributes: Vec::new(),
        unread: None,
    }
}

pub(super) fn malformed(detail: impl Into<String>) -> Refusal {
    Refusal::new(Code::EnvelopeMalformed, RULE, detail)
}

/// A name of the agent's in a sentence.
pub(super) fn shown(name: &str) -> String {
    name.chars().take(64).collect::<String>().escape_debug().to_string()
}
