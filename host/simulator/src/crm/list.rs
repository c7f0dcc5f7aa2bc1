//! Reading records: lists, single records, deleted ones.

use http::Method;
use serde_json::{Map, Value, json};

use super::compare::sort_order;
use super::route::{invalid_id, invalid_parameter, missing, only};
use super::{Ctx, Outcome, settings};
use crate::instant::{iso, parse};
use crate::schema::Module;
use crate::wire::{Call, Reply};
use crate::world::{Record, record_id};

/// The records that can be read with `page` alone; beyond, `page_token` is needed.
const PAGE_WALL: usize = 2_000;
const TOKEN_WALL: usize = 100_000;
const DAY_MS: u64 = 86_400_000;

/// Answers `GET /{module}`.
pub(crate) fn list(ctx: &mut Ctx<'_>, call: &Call, module: &Module) -> Outcome {
    ctx.session.need_module(module.name, "READ")?;
    let fields = wanted(call)?.ok_or_else(|| missing("fields"))?;
    let mut rows: Vec<Record> = ctx.org.modules.get(module.name).cloned().unwrap_or_default();
    if let Some(since) = call.header("if-modified-since") {
        let since = parse(since).ok_or_else(|| invalid_parameter("If-Modified-Since"))?;
        rows.retain(|row| modified(row) > since);
        if rows.is_empty() {
            return Ok(Reply::empty(304));
        }
    }
    if let Some(view) = call.parameter("cvid") {
        if call.parameter("sort_by").is_some() {
            return Err(ambiguous(&["cvid", "sort_by"]));
        }
        settings::apply_view(module, view, &mut rows)?;
    }
    if let Some(ids) = call.parameter("ids") {
        rows.retain(|row| ids.split(',').any(|id| id.trim() == record_id(row)));
    }
    sort(call, &mut rows)?;
    page(ctx, call, module, &rows, fields.as_slice())
}

/// Answers `GET /{module}/{id}`; with `X-EXTERNAL` the id is the value of another field.
pub(crate) fn one(ctx: &mut Ctx<'_>, call: &Call, module: &Module, id: &str) -> Outcome {
    ctx.session.need_module(module.name, "READ")?;
    let fields = wanted(call)?;
    let found = match call.header("x-external") {
        Some(header) => {
            let (_, field) = header.split_once('.').unwrap_or_default();
            let rows = ctx.org.modules.get(module.name);
            let is_it = |row: &&Record| row.get(field).and_then(Value::as_str) == Some(id);
            rows.and_then(|rows| rows.iter().find(is_it))
        }
        None if !id.bytes().all(|byte| byte.is_ascii_digit()) => return Err(invalid_id(1)),
        None => ctx.org.find(module.name, id),
    };
    let Some(row) = found else { return Ok(Reply::empty(204)) };
    let row = fields.map_or_else(|| Value::Object(row.clone()), |fields| project(row, &fields));
    Ok(Reply::json(200, &json!({"data": [row]})))
}

/// Answers `GET /{module}/deleted`.
pub(crate) fn deleted(ctx: &mut Ctx<'_>, call: &Call, module: &Module) -> Outcome {
    only(call, &Method::GET)?;
    ctx.session.need_module(module.name, "READ")?;
    let of_module = |row: &&Record| row.get("$module").and_then(Value::as_str) == Some(module.name);
    let strip = |row: &Record| {
        let mut row = row.clone();
        row.remove("$module");
        row
    };
    let rows: Vec<Record> = ctx.org.deleted.iter().filter(of_module).map(strip).collect();
    if rows.is_empty() {
        return Ok(Reply::empty(204));
    }
    let info = json!({"per_page": 200, "count": rows.len(), "page": 1, "more_records": false});
    Ok(Reply::json(200, &json!({"data": rows, "info": info})))
}

/// Returns the fields asked for, at most 50.
pub(crate) fn wanted(call: &Call) -> Result<Option<Vec<String>>, Reply> {
    let Some(text) = call.parameter("fields") else { return Ok(None) };
    let fields: Vec<String> =
        text.split(',').map(str::trim).filter(|field| !field.is_empty()).map(str::to_owned).collect();
    if fields.is_empty() {
        return Err(missing("fields"));
    }
    if fields.len() > 50 {
        let details = json!({"limit": 50, "param_name": "fields"});
        return Err(Reply::error(400, "LIMIT_EXCEEDED", "max fields limit exceeded", details));
    }
    Ok(Some(fields))
}

/// Returns a record with these fields and its id; unknown fields are left out, as Zoho does.
pub(crate) fn project(row: &Record, fields: &[String]) -> Value {
    let mut shown = Map::new();
    for field in fields {
        if let Some(value) = row.get(field) {
            shown.insert(field.clone(), value.clone());
        }
    }
    shown.insert("id".into(), json!(record_id(row)));
    Value::Object(shown)
}

/// Returns when a record was modified.
pub(crate) fn modified(row: &Record) -> u64 {
    row.get("Modified_Time").and_then(Value::as_str).and_then(parse).unwrap_or_default()
}

/// Reads a positive number with a limit.
pub(crate) fn number(call: &Call, name: &str, default: usize, max: usize) -> Result<usize, Reply> {
    let Some(text) = call.parameter(name) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| invalid_parameter(name))
}

fn sort(call: &Call, rows: &mut [Record]) -> Result<(), Reply> {
    let key = call.parameter("sort_by").unwrap_or("id");
    if !["id", "Created_Time", "Modified_Time"].contains(&key) {
        return Err(invalid_parameter("sort_by"));
    }
    let ascending = match call.parameter("sort_order") {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(_) => return Err(invalid_parameter("sort_order")),
    };
    let null = Value::Null;
    rows.sort_by(|left, right| {
        let order = sort_order(left.get(key).unwrap_or(&null), right.get(key).unwrap_or(&null));
        if ascending { order } else { order.reverse() }
    });
    Ok(())
}

fn page(ctx: &Ctx<'_>, call: &Call, module: &Module, rows: &[Record], fields: &[String]) -> Outcome {
    let per_page = number(call, "per_page", 200, 200)?;
    let number = number(call, "page", 1, usize::MAX / 200)?;
    let skip = match call.parameter("page_token") {
        Some(_) if call.parameter("page").is_some() => return Err(ambiguous(&["page", "page_token"])),
        Some(token) => offset_of(ctx, module, token)?,
        None => (number - 1) * per_page,
    };
    let wall = if call.parameter("page_token").is_some() { TOKEN_WALL } else { PAGE_WALL };
    if skip >= wall {
        let message = "Cannot fetch more records without page_token";
        return Err(Reply::error(400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", message, json!({"limit": wall})));
    }
    let shown: Vec<Value> = rows.iter().skip(skip).take(per_page).map(|row| project(row, fields)).collect();
    if shown.is_empty() {
        return Ok(Reply::empty(204));
    }
    let end = skip + shown.len();
    let more = end < rows.len();
    let token = |offset: usize| token_at(ctx, module, offset);
    let info = json!({
        "per_page": per_page, "count": shown.len(), "page": skip / per_page + 1,
        "sort_by": call.parameter("sort_by").unwrap_or("id"),
        "sort_order": call.parameter("sort_order").unwrap_or("desc"),
        "more_records": more, "next_page_token": more.then(|| token(end)),
        "previous_page_token": (skip > 0).then(|| token(skip.saturating_sub(per_page))),
        "page_token_expiry": more.then(|| iso(ctx.now + DAY_MS)),
    });
    Ok(Reply::json(200, &json!({"data": shown, "info": info})))
}

/// A page token lives for a day and belongs to a user.
fn token_at(ctx: &Ctx<'_>, module: &Module, offset: usize) -> String {
    hex::encode(format!("{}|{}|{offset}|{}", ctx.session.subject.user, module.name, ctx.now + DAY_MS))
}

fn offset_of(ctx: &Ctx<'_>, module: &Module, token: &str) -> Result<usize, Reply> {
    let invalid = || invalid_parameter("page_token");
    let text = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(invalid)?;
    let parts: Vec<&str> = text.split('|').collect();
    let [user, of, offset, expires] = parts.as_slice() else { return Err(invalid()) };
    let lives = expires.parse::<u64>().is_ok_and(|expires| expires > ctx.now);
    if *user != ctx.session.subject.user || *of != module.name || !lives {
        return Err(invalid());
    }
    offset.parse().map_err(|_| invalid())
}

fn ambiguous(parameters: &[&str]) -> Reply {
    let message = "ambiguity while processing the request";
    Reply::error(400, "AMBIGUITY_DURING_PROCESSING", message, json!({"param_names": parameters}))
}
