//! One part of an envelope, read strictly: its members, its URI in plain spelling, its body as it stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{RULE, malformed, shown};
use crate::canonical::{CanonicalRequest, Header};
use crate::classify::{Classified, body, classify};
use crate::refusal::{Code, Refusal};
use crate::service::{BodyKind, Envelope, Operation, PartBody, ServiceDefinition};

/// A part, and all that it is read by.
pub(super) struct Reader<'a> {
    pub(super) service: &'a Arc<ServiceDefinition>,
    /// The operation that carries it.
    pub(super) operation: &'a Operation,
    pub(super) envelope: &'a Envelope,
    pub(super) part: &'a Value,
    /// Its JSON body, as it stands in the request.
    pub(super) body: Option<&'a [u8]>,
}

impl<'a> Reader<'a> {
    /// Reads and classifies it. `ids` are the names of the parts before it.
    pub(super) fn read(&self, ids: &mut BTreeSet<&'a str>) -> Result<Classified, Refusal> {
        let shape = &self.envelope.part;
        let members = self.members()?;
        self.check_references(self.part)?;
        if let Some(id) = shape.id.as_deref().and_then(|id| members.get(id)) {
            let id = id.as_str().ok_or_else(|| malformed("its name is no text"))?;
            if !ids.insert(id) {
                return Err(malformed("another part has its name"));
            }
        }
        let request = self.request(members)?;
        self.check_request(&request)?;
        let classified = classify(self.service, request.clone())?;
        self.check_whole(&request, &classified)?;
        Ok(classified)
    }

    /// Returns its members, of which each is known and says something.
    fn members(&self) -> Result<&'a Map<String, Value>, Refusal> {
        let members = self.part.as_object().ok_or_else(|| malformed("it is no object"))?;
        let known: BTreeSet<&str> = self.envelope.part.members().collect();
        let unknown = members.iter().find(|(name, value)| !known.contains(name.as_str()) || value.is_null());
        let Some((name, value)) = unknown else {
            return Ok(members);
        };
        let detail = match value {
            Value::Null => format!("member `{}` is null", shown(name)),
            _ => format!("member `{}` is none that a part may have", shown(name)),
        };
        let known = known.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
        Err(malformed(detail).hint(format!("a part has {}; leave out what says nothing", known.join(", "))))
    }

    fn request(&self, members: &Map<String, Value>) -> Result<CanonicalRequest, Refusal> {
        let shape = &self.envelope.part;
        let text = |name: &str| {
            let found = members.get(name).and_then(Value::as_str);
            found.ok_or_else(|| malformed(format!("member `{name}` is missing, or no text")))
        };
        let (method, uri) = (text(&shape.method)?, text(&shape.uri)?);
        let target = match (shape.is_relative, uri.starts_with('/')) {
            (true, false) => self.rooted(uri)?,
            (false, true) => uri.to_owned(),
            (true, true) => return Err(malformed(format!("`{}` begins with a slash", shape.uri))),
            (false, false) => return Err(malformed(format!("`{}` is no path that begins with `/`", shape.uri))),
        };
        check_spelling(&target)?;
        let mut headers = self.headers(members)?;
        let body = match &shape.body {
            Some(PartBody::Json(member)) if members.contains_key(member) => self.json_body()?.to_vec(),
            Some(PartBody::Form(member)) if members.contains_key(member) => {
                let form = headers.iter().all(|header| header.name != "content-type");
                let kind = Header { name: "content-type".to_owned(), value: body::FORM.as_bytes().to_vec() };
                headers.extend(form.then_some(kind));
                text(member)?.as_bytes().to_vec()
            }
            Some(PartBody::Json(_) | PartBody::Form(_)) | None => Vec::new(),
        };
        let mut request = CanonicalRequest::parse(method, &target, headers, body)
            .map_err(|error| Refusal::new(Code::NotCanonical, "canonical", error.to_string()))?;
        self.add_query(members, &mut request)?;
        Ok(request)
    }

    /// Returns a relative path from the root, under the version that the provider takes for it.
    fn rooted(&self, uri: &str) -> Result<String, Refusal> {
        let version = &self.service.version;
        let first = uri.split(['/', '?', '#']).next().unwrap_or_default();
        if !self.envelope.part.takes_version || first.is_empty() || first == version {
            return Ok(format!("/{uri}"));
        }
        if !names_version(first, version) {
            return Ok(format!("/{version}/{uri}"));
        }
        let detail = format!("its path begins with `{}`, and what is known here is `{version}`", shown(first));
        Err(Refusal::new(Code::UnknownOperation, RULE, detail)
            .hint(format!("begin `{}` with `{version}/`, or leave the version out", self.envelope.part.uri)))
    }

    /// A body that is there and was not found where it stands would be sent unjudged.
    fn json_body(&self) -> Result<&[u8], Refusal> {
        self.body.ok_or_else(|| malformed("its body cannot be read"))
    }

    fn headers(&self, members: &Map<String, Value>) -> Result<Vec<Header>, Refusal> {
        let mut headers: Vec<Header> = Vec::new();
        for (name, value) in texts(members, self.envelope.part.headers.as_deref())? {
            let lower = name.to_ascii_lowercase();
            let is_token = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
            let is_clean = value.bytes().all(|b| (0x20..0x7f).contains(&b)) && value.trim() == value;
            if lower.is_empty() || !lower.bytes().all(is_token) || !is_clean {
                return Err(malformed(format!("header `{}` cannot be sent", shown(name))));
            }
            if headers.iter().any(|header| header.name == lower) {
                return Err(Refusal::new(Code::NotCanonical, RULE, format!("header `{lower}` stands twice")));
            }
            headers.push(Header { name: lower, value: value.as_bytes().to_vec() });
        }
        Ok(headers)
    }

    /// Adds the parameters that stand beside the URI. Of two places for them, nobody knows which holds.
    fn add_query(&self, members: &Map<String, Value>, request: &mut CanonicalRequest) -> Result<(), Refusal> {
        let beside = texts(members, self.envelope.part.query.as_deref())?;
        if !beside.is_empty() && !request.query().is_empty() {
            let detail = "it has query parameters in its URI and beside it";
            return Err(Refusal::new(Code::NotCanonical, RULE, detail).hint("write all of them in one of the two"));
        }
        for (name, value) in beside {
            if name.is_empty() || name.chars().chain(value.chars()).any(char::is_control) {
                let detail = "a query parameter has no name, or holds a control character";
                return Err(Refusal::new(Code::NotCanonical, RULE, detail));
            }
            request.set_query(name, &value);
        }
        Ok(())
    }

    /// Refuses what the provider may read in another way than it was read here.
    fn check_request(&self, request: &CanonicalRequest) -> Result<(), Refusal> {
        // A provider that makes one URL of a part's members may read it as a URL once more.
        let is_structure = |text: &String| text.contains(['%', '&', '#', ';']);
        if request.query().iter().any(|given| is_structure(&given.name) || is_structure(&given.value)) {
            let detail =
                "a query parameter of it holds `%`, `&`, `#` or `;`, which has more than one reading in a part";
            return Err(Refusal::new(Code::NotCanonical, RULE, detail).hint("send the request by itself"));
        }
        let mut texts = request.segments().iter().chain(request.query().iter().flat_map(|p| [&p.name, &p.value]));
        if texts.any(|text| self.refers(text)) {
            return Err(reference());
        }
        let Some((at, _)) = self.service.route(request.method(), request.segments()) else {
            return Ok(());
        };
        let operation = &self.service.operations[at];
        if operation.envelope.is_some() {
            return Err(Refusal::new(Code::EnvelopeNested, RULE, "it carries parts of its own"));
        }
        if operation.host != self.operation.host {
            let detail = format!("operation `{}` is served by another host", operation.name);
            return Err(malformed(detail).hint("send it by itself"));
        }
        self.check_body_kind(request, operation)
    }

    /// A part's body is of the one kind that its envelope has; whoever reads another in it reads something else.
    fn check_body_kind(&self, request: &CanonicalRequest, operation: &Operation) -> Result<(), Refusal> {
        let said = request.header("content-type").map(<[u8]>::to_ascii_lowercase);
        let is = |kind: &str| said.as_ref().is_none_or(|said| said.starts_with(kind.as_bytes()));
        let is_said = match &self.envelope.part.body {
            Some(PartBody::Json(_)) => is("application/json"),
            Some(PartBody::Form(_)) => is(body::FORM),
            None => true,
        };
        let fits = match (&self.envelope.part.body, operation.body) {
            // Which of the two it is, no header of the part shall say.
            (_, BodyKind::JsonOrForm) => is_said,
            (_, BodyKind::None)
            | (Some(PartBody::Json(_)), BodyKind::Json)
            | (Some(PartBody::Form(_)), BodyKind::Form) => true,
            (_, BodyKind::Multipart | BodyKind::Any)
            | (Some(PartBody::Json(_)), BodyKind::Form)
            | (Some(PartBody::Form(_)), BodyKind::Json)
            | (None, BodyKind::Json | BodyKind::Form) => request.body().is_empty(),
        };
        if fits {
            return Ok(());
        }
        let detail = format!("operation `{}` takes another kind of body than a part can have", operation.name);
        Err(Refusal::new(Code::BodyType, RULE, detail).hint("send it by itself"))
    }

    /// What classification dropped would be sent all the same. A reference may hide in a form's escapes.
    fn check_whole(&self, request: &CanonicalRequest, classified: &Classified) -> Result<(), Refusal> {
        if let Some(json) = classified.json.as_deref() {
            self.check_references(json)?;
        }
        let kept = classified.request();
        if kept == request {
            return Ok(());
        }
        let header = request.headers().iter().find(|header| kept.header(&header.name).is_none());
        let detail = match header {
            Some(header) => format!("it has header `{}`, which is not forwarded", header.name),
            None => "it has a query parameter that is not forwarded".to_owned(),
        };
        Err(malformed(detail).hint("leave it out: parts are sent as they are, or not at all"))
    }

    /// Recursion is bounded by the JSON parser's own limit of 128 levels.
    fn check_references(&self, value: &Value) -> Result<(), Refusal> {
        let refers = match value {
            Value::String(text) => self.refers(text),
            Value::Array(items) => return items.iter().try_for_each(|item| self.check_references(item)),
            Value::Object(members) => {
                members.values().try_for_each(|member| self.check_references(member))?;
                members.keys().any(|name| self.refers(name))
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        };
        if refers { Err(reference()) } else { Ok(()) }
    }

    fn refers(&self, text: &str) -> bool {
        self.envelope.references.iter().any(|mark| text.contains(mark))
    }
}

/// Whether a segment may name a version of the API, however it is written: a digit follows the letters of this one.
fn names_version(segment: &str, version: &str) -> bool {
    let letters = version.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (own, rest) = (version.split_at(letters).0, segment.split_at_checked(letters));
    rest.is_some_and(|(head, rest)| {
        head.eq_ignore_ascii_case(own) && rest.starts_with(|c: char| c.is_ascii_digit())
    })
}

fn reference() -> Refusal {
    let detail = "it refers to what another part is answered, which nobody knows when it is judged";
    Refusal::new(Code::EnvelopeReference, RULE, detail)
}

/// How often a provider decodes what stands in a part is not known: so the path has no escapes, and the query only those of
/// characters that need one.
fn check_spelling(target: &str) -> Result<(), Refusal> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let escapes =
        query.split('%').skip(1).map(|rest| rest.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()));
    let place = match () {
        () if !path.is_ascii() || path.contains('%') => "path",
        () if !query.is_ascii() || escapes.flatten().any(plain) => "query",
        () => return Ok(()),
    };
    let detail = format!(
        "its {place} holds a needless escape or a character beyond ASCII, which has more than one reading in a part"
    );
    Err(Refusal::new(Code::NotCanonical, RULE, detail).hint("write it plainly, or send the request by itself"))
}

/// Returns the members of an object of texts. Whole numbers and truth values count as their texts.
fn texts<'a>(members: &'a Map<String, Value>, name: Option<&str>) -> Result<Vec<(&'a str, String)>, Refusal> {
    let Some((name, value)) = name.and_then(|name| members.get_key_value(name)) else {
        return Ok(Vec::new());
    };
    let object = value.as_object().ok_or_else(|| malformed(format!("member `{name}` is no object of texts")))?;
    let text = |(key, value): (&'a String, &Value)| match value {
        Value::String(text) => Ok((key.as_str(), text.clone())),
        Value::Bool(_) => Ok((key.as_str(), value.to_string())),
        Value::Number(number) if number.is_u64() => Ok((key.as_str(), number.to_string())),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(malformed(format!("`{}` in member `{name}` is no text", shown(key))))
        }
    };
    object.iter().map(text).collect()
}
