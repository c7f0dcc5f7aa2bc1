//! A plugin's edits, applied one by one to a copy of the request.

use serde_json::Value;

use crate::canonical::{CanonicalRequest, parse_json};
use crate::plugin::{Edit, PluginRequest, caps::NO_POINTER};
use crate::pointer;

/// Headers that no plugin may set or remove: credentials, routing, framing, and the host's own.
const PROTECTED_HEADERS: [&str; 16] = [
    "authorization",
    "proxy-authorization",
    "cookie",
    "host",
    "content-length",
    "content-type",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "keep-alive",
    "te",
    "trailer",
    "upgrade",
    "forwarded",
    "via",
    "expect",
];

/// Says why edits would be refused of any service, tried on what a plugin was shown of a request. What a service takes, and
/// whether they widen it, is not asked here.
pub fn try_edits(shown: &PluginRequest, edits: &[Edit]) -> Result<(), String> {
    let body = shown.body.as_ref().map(|body| body.content.clone()).unwrap_or_default();
    // Spaces stand for a body that was not recorded: no place can be looked for in them.
    let is_unknown = !body.is_empty() && body.iter().all(|&byte| byte == b' ');
    let whole = CanonicalRequest::parse(shown.method, &shown.path, shown.headers.clone(), body.clone()).map(
        |mut request| {
            shown.query.iter().for_each(|parameter| request.set_query(&parameter.name, &parameter.value));
            request
        },
    );
    // What is shown in a case may be no whole request: then its body alone counts.
    let mut request = match whole {
        Ok(request) => request,
        Err(_) => CanonicalRequest::parse("POST", "/case", Vec::new(), body).map_err(|error| error.to_string())?,
    };
    for edit in edits {
        match edit {
            Edit::SetJson(pointer, value) if is_unknown => check_json(pointer, value).map(drop)?,
            edit => apply(&mut request, edit)?,
        }
    }
    super::recanonicalise(&request).map(drop).map_err(|error| format!("it leaves no canonical request: {error}"))
}

/// Applies one edit, or says why not. Nothing is ever silently ignored.
pub(super) fn apply(request: &mut CanonicalRequest, edit: &Edit) -> Result<(), String> {
    match edit {
        Edit::SetHeader(header) => {
            let name = editable_header(&header.name)?;
            let clean = header.value.iter().all(|&b| b == b'\t' || (0x20..0x7f).contains(&b) || b >= 0x80);
            if !clean {
                return Err(format!("the value for header `{name}` holds a control character"));
            }
            request.set_header(name, header.value.clone());
        }
        Edit::RemoveHeader(name) => {
            let name = editable_header(name)?;
            request.retain_headers(|kept| kept != name);
        }
        Edit::SetQuery(parameter) => request.set_query(&parameter.name, &parameter.value),
        Edit::RemoveQuery(name) => {
            request.take_query(name);
        }
        Edit::SetJson(pointer, value) => {
            let body = set_json(request.body(), pointer, value)?;
            request.set_body(body);
        }
        Edit::ReplaceBody(body) => request.set_body(body.clone()),
    }
    Ok(())
}

fn editable_header(name: &str) -> Result<&str, String> {
    let is_token =
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !is_token {
        return Err("a header name must be lower-case letters, digits and `-`".to_owned());
    }
    let protected = PROTECTED_HEADERS.contains(&name)
        || ["x-forwarded-", "proxy-", "wardlock-", "sec-"].iter().any(|prefix| name.starts_with(prefix));
    if protected {
        return Err(format!("header `{name}` is protected"));
    }
    Ok(name)
}

fn set_json(body: &[u8], pointer: &str, value: &str) -> Result<Vec<u8>, String> {
    let value = check_json(pointer, value)?;
    let mut document = parse_json(body).map_err(|error| error.to_string())?;
    match document.pointer_mut(pointer) {
        Some(place) => *place = value,
        None => insert_json(&mut document, pointer, value)?,
    }
    serde_json::to_vec(&document).map_err(|error| error.to_string())
}

/// Returns the value, where both place and value can be ones.
fn check_json(pointer: &str, value: &str) -> Result<Value, String> {
    if !pointer::is_pointer(pointer) {
        return Err(NO_POINTER.to_owned());
    }
    parse_json(value.as_bytes()).map_err(|_| format!("the value for `{pointer}` is not JSON"))
}

fn insert_json(document: &mut Value, pointer: &str, value: Value) -> Result<(), String> {
    let nowhere = || format!("`{pointer}` names no place in the body");
    let (parent, last) = pointer.rsplit_once('/').ok_or_else(nowhere)?;
    let key = pointer::step(last);
    match document.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.insert(key, value);
            Ok(())
        }
        _ => Err(nowhere()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canonical::{Header, Parameter};
    use crate::id::Digest;
    use crate::plugin::{Caller, Effect, OperationView, Payload};

    fn shown(method: &'static str, path: &str, body: Option<&str>) -> PluginRequest {
        let text = String::new;
        let caller = Caller { workspace: text(), connection: text(), agent: text(), region: text(), tenant: None };
        let operation = OperationView {
            service: text(),
            name: text(),
            effect: Effect::Write,
            resources: Vec::new(),
            fields: None,
            breadth: None,
            attributes: Vec::new(),
        };
        let payload = |body: &str| Payload {
            length: body.len() as u64,
            content_type: None,
            sha256: Digest::of(body.as_bytes()),
            content: body.as_bytes().to_vec(),
        };
        PluginRequest {
            id: text(),
            now_ms: 0,
            caller,
            operation,
            method,
            path: path.to_owned(),
            query: vec![Parameter { name: "a b".to_owned(), value: "1".to_owned() }],
            headers: Vec::new(),
            body: body.map(payload),
            purpose: None,
            dry_run: false,
            approved_by: None,
            attributes: Vec::new(),
        }
    }

    fn header(name: &str, value: &str) -> Edit {
        Edit::SetHeader(Header { name: name.to_owned(), value: value.as_bytes().to_vec() })
    }

    fn json(pointer: &str, value: &str) -> Edit {
        Edit::SetJson(pointer.to_owned(), value.to_owned())
    }

    #[test]
    fn edits_that_no_service_gets_are_told_by_what_was_shown() {
        let put = shown("PUT", "/crm/v8/Leads", Some(r#"{"data":[{"Email":"a"}]}"#));
        for (edit, why) in [
            (header("X-Upper", "a"), "lower-case"),
            (header("authorization", "a"), "protected"),
            (header("x-a", "a\r\nb: c"), "control character"),
            (Edit::RemoveHeader("host".to_owned()), "protected"),
            (json("data/0", "1"), "begins with `/`"),
            (json("/data/~2", "1"), "`~0` or `~1` only"),
            (json("/data/00/Email", "1"), "names no place"),
            (json("/data/7/Email", "1"), "names no place"),
            (json("/data/0/Email", "a"), "not JSON"),
        ] {
            let told = try_edits(&put, std::slice::from_ref(&edit)).expect_err("refused");
            assert!(told.contains(why), "{edit:?}: {told}");
        }
        let get = shown("GET", "/crm/v8/Leads", None);
        assert!(try_edits(&get, &[Edit::ReplaceBody(b"{}".to_vec())]).is_err());
        assert!(try_edits(&get, &[json("/a", "1")]).is_err(), "there is no body");
        let edits = [header("x-a", "b"), json("/data/0/Email", "\"b\""), json("/new", "[]")];
        assert_eq!(try_edits(&put, &edits), Ok(()));
        // Neither a path that is none nor a body that was not recorded is the plugin's doing.
        assert_eq!(try_edits(&shown("PUT", "none", Some("{}")), &[json("/a", "1")]), Ok(()));
        assert_eq!(try_edits(&shown("PUT", "/a", Some("   ")), &[json("/a/b", "1")]), Ok(()));
        assert!(try_edits(&shown("PUT", "/a", Some("   ")), &[json("a", "1")]).is_err());
    }
}
