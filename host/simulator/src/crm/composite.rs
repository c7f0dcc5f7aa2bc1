//! Composite requests: one POST that may carry any method, DELETE among them.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::route::{only, route};
use super::write::no_data;
use super::{Ctx, Outcome};
use crate::config::UserSpec;
use crate::wire::{Call, Reply, pairs};

/// Parts per call.
const MAX_PARTS: usize = 5;

/// Answers `POST /__composite_requests`. References (`@{…}`) are not resolved.
pub(crate) fn answer(ctx: &mut Ctx<'_>, users: &[UserSpec], call: &Call) -> Outcome {
    only(call, &Method::POST)?;
    ctx.session.need(&[&["ZohoCRM.composite_requests.CUSTOM"]])?;
    let body = call.json()?;
    let parts = body
        .get("__composite_requests")
        .and_then(Value::as_array)
        .ok_or_else(|| no_data("__composite_requests"))?;
    if parts.is_empty() || parts.len() > MAX_PARTS {
        return Err(Reply::error(
            400,
            "LIMIT_EXCEEDED",
            "max requests limit exceeded",
            json!({"limit": MAX_PARTS}),
        ));
    }
    let before = ctx.org.clone();
    let mut results = Vec::new();
    let mut failures = 0;
    for part in parts {
        let reply = run(ctx, users, call, part);
        failures += usize::from(reply.status >= 400);
        results.push(show(part, &reply));
    }
    if failures > 0 && body.get("rollback_on_fail").and_then(Value::as_bool) == Some(true) {
        *ctx.org = before;
    }
    let status = match failures {
        0 => 200,
        failures if failures == results.len() => 400,
        _ => 207,
    };
    Ok(Reply::json(status, &json!({"__composite_requests": results})))
}

fn run(ctx: &mut Ctx<'_>, users: &[UserSpec], call: &Call, part: &Value) -> Reply {
    let text = |name: &str| part.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let uri = text("uri");
    let (path, query) = uri.split_once('?').unwrap_or((&uri, ""));
    // A composite inside a composite is not possible.
    let method = text("method").parse::<Method>().ok().filter(|_| !path.contains("__composite_requests"));
    let Some(method) = method else {
        return Reply::error(400, "NOT_SUPPORTED", "the sub request is not supported", json!({"uri": uri}));
    };
    let mut query = pairs(query);
    for (name, value) in part.get("params").and_then(Value::as_object).into_iter().flatten() {
        query.push((name.clone(), value.as_str().map_or_else(|| value.to_string(), str::to_owned)));
    }
    let mut headers = call.headers.clone();
    for (name, value) in part.get("headers").and_then(Value::as_object).into_iter().flatten() {
        let name = http::HeaderName::try_from(name.to_ascii_lowercase());
        let value = value.as_str().and_then(|value| http::HeaderValue::from_str(value).ok());
        if let (Ok(name), Some(value)) = (name, value) {
            headers.insert(name, value);
        }
    }
    let body = part.get("body").map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
    let path = path.to_owned();
    let inner = Call { place: call.place.clone(), method, path, query, headers, body };
    route(ctx, users, &inner).unwrap_or_else(|error| error)
}

fn show(part: &Value, reply: &Reply) -> Value {
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
    let failed = reply.status >= 400;
    json!({
        "code": if failed { "FAILURE" } else { "SUCCESS" },
        "details": {"sub_request_id": part.get("sub_request_id"),
            "response": {"status_code": reply.status, "headers": {}, "body": body}},
        "message": if failed { "composite sub request failed" } else { "composite sub request executed successfully" },
        "status": if failed { "error" } else { "success" },
    })
}
