//! The read of one record: its request, made from what a service's definition says, and where the record stands in the answer.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::Finder;
use super::written::Field;
use crate::canonical::{CanonicalRequest, Header};
use crate::classify::places;
use crate::service::{Names, ReadShape};

/// What shows a record as it is now.
#[derive(Debug, Clone)]
pub struct Look {
    /// The read.
    pub request: CanonicalRequest,
    /// The fields that it asks for; `None`: all of them.
    pub fields: Option<Vec<String>>,
    /// The member of a record that holds its id.
    pub id: String,
    found: String,
    names: Names,
}

impl Look {
    /// Returns the records in an answer.
    pub fn records<'a>(&self, answer: &'a Value) -> Vec<&'a Map<String, Value>> {
        places::at(answer, &self.found).into_iter().filter_map(Value::as_object).collect()
    }

    /// Returns what stands in a field of a record that was read; `None`: it was not asked for, or the answer does not show it: it may
    /// be empty, and it may be hidden on the way.
    pub fn value(&self, record: &Map<String, Value>, field: &str) -> Option<Value> {
        if self.fields.as_ref().is_some_and(|asked| !asked.iter().any(|name| name == field)) {
            return None;
        }
        match self.names {
            Names::AsWritten => record.get(field).cloned(),
            Names::Gaql => {
                let path = camel(field);
                let mut steps = path.split('.');
                let first = steps.next().and_then(|step| record.get(step));
                let value = steps.fold(first, |value, step| value?.get(step));
                // Answers to such a query leave out what is not set.
                Some(value.cloned().unwrap_or(Value::Null))
            }
        }
    }
}

impl Finder<'_> {
    /// The read of the record of that id; `None` where it cannot be written without escapes.
    pub(super) fn look(&self, id: &str, fields: &[&str], resource: Option<&str>) -> Option<Look> {
        let id = Some(id).filter(|id| match self.current.names {
            Names::AsWritten => is_plain(id),
            Names::Gaql => is_resource_name(id),
        })?;
        self.filled(&self.current.read, fields, resource, &[("{id}", id)])
    }

    /// The read that finds a record by the values of the fields that the request names for that, and shows some of them.
    pub(super) fn search(&self, written: &[Field<'_>], shown: &[Field<'_>]) -> Option<Look> {
        let search = self.current.search.as_ref().filter(|_| self.by.more == 0)?;
        let mut parts = Vec::new();
        for field in &self.by.first {
            let value = written.iter().find(|(name, _)| name == field).map(|(_, value)| *value);
            let text = match value {
                // A record without a value in the field is not found by it.
                None | Some(Value::Null) => continue,
                Some(Value::String(text)) => text.clone(),
                Some(Value::Number(number)) => number.to_string(),
                Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => return None,
            };
            if has_structure(&text) || !is_plain(field) {
                return None;
            }
            parts.push(format!("({field}:equals:{text})"));
        }
        let criteria = match parts.as_slice() {
            [] => return None,
            [one] => one.clone(),
            several => format!("({})", several.join("or")),
        };
        let criteria = utf8_percent_encode(&criteria, NON_ALPHANUMERIC).to_string();
        let fields: Vec<&str> = shown.iter().map(|(name, _)| name.as_str()).collect();
        self.filled(&search.read, &fields, None, &[("{criteria}", &criteria)])
    }

    fn filled(
        &self,
        shape: &ReadShape,
        fields: &[&str],
        resource: Option<&str>,
        places: &[(&str, &str)],
    ) -> Option<Look> {
        let asked: Vec<&str> = fields.iter().copied().filter(|name| self.can_be_asked(name)).collect();
        let resource = self.resource(resource).filter(|resource| is_plain(resource));
        if resource.is_none() && mentions(shape, "{resource}") {
            return None;
        }
        let names = self.names(&asked, resource);
        let mut filling = places.to_vec();
        filling.push(("{fields}", &names));
        filling.extend(resource.map(|resource| ("{resource}", resource)));
        let fill =
            |text: &str| filling.iter().fold(text.to_owned(), |text, (place, value)| text.replace(place, value));

        let mut request = shape.request.clone();
        for given in self.of.parameters() {
            let place = format!("{{{}}}", given.name);
            if request.contains(&place) {
                request = request.replace(&place, Some(given.value.as_str()).filter(|value| is_plain(value))?);
            }
        }
        let request = fill(&request);
        let body = shape.body.as_ref().map(|body| filled_in(body, &fill).to_string());
        let is_named = mentions(shape, "{fields}");
        if is_named && names.is_empty() {
            return None;
        }
        let (method, target) = request.split_once(' ')?;
        Some(Look {
            request: CanonicalRequest::parse(
                method,
                target,
                self.headers(body.is_some()),
                body.unwrap_or_default().into_bytes(),
            )
            .ok()?,
            fields: is_named.then(|| asked.into_iter().map(str::to_owned).collect()),
            id: self.current.id.clone(),
            found: shape.found.clone(),
            names: self.current.names,
        })
    }

    /// A header that the operation takes may say which record an id means, so it goes with the read.
    fn headers(&self, has_body: bool) -> Vec<Header> {
        let takes =
            |header: &&Header| self.of.definition().is_some_and(|operation| operation.takes_header(&header.name));
        let own = self.of.request().headers().iter().filter(takes).cloned();
        let json = Header { name: "content-type".to_owned(), value: b"application/json".to_vec() };
        own.chain(has_body.then_some(json)).collect()
    }

    fn can_be_asked(&self, name: &str) -> bool {
        match self.current.names {
            Names::AsWritten => is_plain(name),
            Names::Gaql => name.split('.').all(is_plain),
        }
    }

    /// Names as the read has them. A query names the id's field first, so that it always selects one.
    fn names(&self, fields: &[&str], resource: Option<&str>) -> String {
        match self.current.names {
            Names::AsWritten => fields.join(","),
            Names::Gaql => {
                let resource = resource.unwrap_or_default();
                let all = [self.current.id.as_str()].into_iter().chain(fields.iter().copied());
                all.map(|name| format!("{resource}.{}", snake(name))).collect::<Vec<_>>().join(", ")
            }
        }
    }
}

fn mentions(shape: &ReadShape, place: &str) -> bool {
    shape.request.contains(place) || shape.body.as_ref().is_some_and(|body| body.to_string().contains(place))
}

/// A body with its places filled in.
fn filled_in(body: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match body {
        Value::String(text) => Value::String(fill(text)),
        Value::Array(items) => items.iter().map(|item| filled_in(item, fill)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), filled_in(value, fill))).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => body.clone(),
    }
}

/// Whether a search would read more in a value than the value, as an operator (`${EMPTY}`) or as an end of it.
fn has_structure(text: &str) -> bool {
    text.is_empty()
        || text.contains(['(', ')', ',', '\\', ':', '*', '$', '{', '}'])
        || text.chars().any(char::is_control)
}

/// What needs no escape in a target. Anything else is read by nobody.
fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

/// What needs no escape within quotation marks (`customers/1/adGroupAds/2~3`).
fn is_resource_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-/~".contains(&b))
}

/// `finalUrlSuffix` as `final_url_suffix`.
fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

/// `final_url_suffix` as `finalUrlSuffix`, which stays as it is.
pub(super) fn camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut is_after_line = false;
    for c in name.chars() {
        match c {
            '_' => is_after_line = true,
            c if is_after_line => {
                out.push(c.to_ascii_uppercase());
                is_after_line = false;
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelt_as_queries_and_as_answers_do() {
        for (camels, snakes) in
            [("name", "name"), ("cpcBidMicros", "cpc_bid_micros"), ("ad.finalUrls", "ad.final_urls")]
        {
            assert_eq!((snake(camels).as_str(), camel(snakes).as_str()), (snakes, camels));
            assert_eq!(camel(camels), camels);
        }
    }
}
