//! Writing records: create, update, upsert, delete, with a result per record.

use serde_json::{Value, json};

use super::compare::show;
use super::list::modified;
use super::route::{invalid_id, missing, only};
use super::{Ctx, Outcome, scope};
use crate::instant::{iso, parse};
use crate::schema::{Field, Kind, Module};
use crate::seed::stamp;
use crate::wire::{Call, Reply};
use crate::world::{Record, record_id};
use http::Method;

/// Records per call.
const MAX_RECORDS: usize = 100;

/// Answers `POST /{module}`.
pub(crate) fn create(ctx: &mut Ctx<'_>, call: &Call, module: &Module) -> Outcome {
    ctx.session.need_module(module.name, "CREATE")?;
    let rows = rows_of(call)?;
    let results = rows.into_iter().enumerate().map(|(index, row)| insert(ctx, module, index, row)).collect();
    Ok(create_reply(ctx, results))
}

/// Answers `PUT /{module}`: each record names its id.
pub(crate) fn update_many(ctx: &mut Ctx<'_>, call: &Call, module: &Module) -> Outcome {
    ctx.session.need_module(module.name, "UPDATE")?;
    let rows = rows_of(call)?;
    let change = |(index, row): (usize, Record)| {
        let id = record_id(&row).to_owned();
        change(ctx, module, index, &id, row)
    };
    let results = rows.into_iter().enumerate().map(change).collect();
    Ok(rolled_up(200, 207, ctx.switches.failed_create_status, results))
}

/// Answers `PUT /{module}/{id}`. A record that was modified since the time given is left alone.
pub(crate) fn update_one(ctx: &mut Ctx<'_>, call: &Call, module: &Module, id: &str) -> Outcome {
    ctx.session.need_module(module.name, "UPDATE")?;
    let row = rows_of(call)?.into_iter().next().ok_or_else(|| no_data("data"))?;
    let since = call.header("if-unmodified-since").or_else(|| call.header("if-modified-since")).and_then(parse);
    let current = ctx.org.find(module.name, id).map(modified);
    if since.zip(current).is_some_and(|(since, current)| current > since) {
        let message = "the record has been already modified";
        return Err(Reply::error(412, "ALREADY_MODIFIED", message, json!({"id": id})));
    }
    let result = change(ctx, module, 0, id, row);
    Ok(rolled_up(200, 207, 400, vec![result]))
}

/// Answers `POST /{module}/upsert`: updates what the duplicate check finds, inserts the rest.
pub(crate) fn upsert(ctx: &mut Ctx<'_>, call: &Call, module: &Module) -> Outcome {
    only(call, &Method::POST)?;
    ctx.session.need(&[&[&scope::of_module(module.name, "CREATE")]])?;
    let body = call.json()?;
    let given = body.get("duplicate_check_fields").and_then(Value::as_array);
    let given: Vec<&str> = given.into_iter().flatten().filter_map(Value::as_str).collect();
    let keys = if given.is_empty() { default_keys(module.name) } else { &given };
    let mut results = Vec::new();
    for (index, row) in rows_of(call)?.into_iter().enumerate() {
        let found = keys.iter().find_map(|key| Some((*key, duplicate(ctx, module, key, &row)?)));
        results.push(match found {
            Some((key, id)) => with_action(change(ctx, module, index, &id, row), "update", json!(key)),
            None => with_action(insert(ctx, module, index, row), "insert", Value::Null),
        });
    }
    Ok(rolled_up(200, 207, ctx.switches.failed_create_status, results))
}

/// Answers `DELETE /{module}?ids=`.
pub(crate) fn delete_many(ctx: &mut Ctx<'_>, call: &Call, module: &Module) -> Outcome {
    ctx.session.need_module(module.name, "DELETE")?;
    let ids = call.parameter("ids").ok_or_else(|| missing("ids"))?;
    let ids: Vec<String> = ids.split(',').map(|id| id.trim().to_owned()).collect();
    if ids.len() > MAX_RECORDS {
        return Err(too_many("ids"));
    }
    let results = ids.iter().map(|id| remove(ctx, module, id)).collect();
    Ok(rolled_up(200, 207, 400, results))
}

/// Answers `DELETE /{module}/{id}`.
pub(crate) fn delete_one(ctx: &mut Ctx<'_>, _call: &Call, module: &Module, id: &str) -> Outcome {
    ctx.session.need_module(module.name, "DELETE")?;
    if !id.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(invalid_id(1));
    }
    let result = remove(ctx, module, id);
    Ok(rolled_up(200, 207, 400, vec![result]))
}

/// Returns the rows of `data`.
pub(crate) fn rows_of(call: &Call) -> Result<Vec<Record>, Reply> {
    let body = call.json()?;
    let rows = body.get("data").and_then(Value::as_array).filter(|rows| !rows.is_empty());
    let rows = rows.ok_or_else(|| no_data("data"))?;
    if rows.len() > MAX_RECORDS {
        return Err(too_many("data"));
    }
    rows.iter().map(|row| row.as_object().cloned().ok_or_else(|| no_data("data"))).collect()
}

/// Adds a record, and returns its result.
pub(crate) fn insert(ctx: &mut Ctx<'_>, module: &Module, index: usize, mut row: Record) -> Value {
    for field in module.fields.iter().filter(|field| field.mandatory) {
        if row.get(field.name).is_none_or(|value| show(value).is_empty()) {
            let details = json!({"api_name": field.name, "json_path": format!("$.data[{index}].{}", field.name)});
            return failed("MANDATORY_NOT_FOUND", "required field not found", &details);
        }
    }
    if let Some(error) = bad_type(module, index, &row) {
        return error;
    }
    let (id, at) = (ctx.org.make_id(), iso(ctx.now));
    stamp(&mut row, &id, &at, &ctx.owner);
    let details = stamps(ctx, &row);
    ctx.org.modules.entry(module.name.to_owned()).or_default().push(row);
    succeeded("record added", &details)
}

/// Changes a record, and returns its result.
pub(crate) fn change(ctx: &mut Ctx<'_>, module: &Module, index: usize, id: &str, row: Record) -> Value {
    if let Some(error) = bad_type(module, index, &row) {
        return error;
    }
    let (at, owner) = (iso(ctx.now), ctx.owner.clone());
    let Some(found) = ctx.org.find_mut(module.name, id) else {
        let details = json!({"id": id, "api_name": "id", "json_path": format!("$.data[{index}].id")});
        return failed("INVALID_DATA", "the id given seems to be invalid", &details);
    };
    found.extend(row.into_iter().filter(|(name, _)| name != "id"));
    found.insert("Modified_Time".into(), json!(at));
    found.insert("Modified_By".into(), owner);
    let found = found.clone();
    succeeded("record updated", &stamps(ctx, &found))
}

/// Moves a record to the recycle bin, and returns its result.
pub(crate) fn remove(ctx: &mut Ctx<'_>, module: &Module, id: &str) -> Value {
    let rows = ctx.org.modules.entry(module.name.to_owned()).or_default();
    let Some(place) = rows.iter().position(|row| record_id(row) == id) else {
        return failed("INVALID_DATA", "the id given seems to be invalid", &json!({"id": id}));
    };
    let row = rows.remove(place);
    let name = row.get(crate::schema::name_field(module.name)).cloned().unwrap_or(Value::Null);
    let bin = json!({"id": id, "display_name": name, "type": "recycle", "deleted_time": iso(ctx.now),
        "deleted_by": ctx.owner, "created_by": row.get("Created_By"), "$module": module.name});
    ctx.org.deleted.extend(bin.as_object().cloned());
    succeeded("record deleted", &json!({"id": id}))
}

/// Chooses the status from the results, and returns them under `data`.
pub(crate) fn rolled_up(all: u16, some: u16, none: u16, results: Vec<Value>) -> Reply {
    let good = results.iter().filter(|result| result["status"] == "success").count();
    let status = match good {
        0 => none,
        good if good == results.len() => all,
        _ => some,
    };
    let mut body = json!({});
    body["data"] = Value::Array(results);
    Reply::json(status, &body)
}

/// Chooses the status of a create, which differs by version.
pub(crate) fn create_reply(ctx: &Ctx<'_>, results: Vec<Value>) -> Reply {
    rolled_up(201, ctx.switches.partial_create_status, ctx.switches.failed_create_status, results)
}

pub(crate) fn succeeded(message: &str, details: &Value) -> Value {
    json!({"code": "SUCCESS", "details": details, "message": message, "status": "success"})
}

pub(crate) fn failed(code: &str, message: &str, details: &Value) -> Value {
    json!({"code": code, "details": details, "message": message, "status": "error"})
}

pub(crate) fn no_data(name: &str) -> Reply {
    Reply::error(400, "MANDATORY_NOT_FOUND", "required field not found", json!({"api_name": name}))
}

fn too_many(name: &str) -> Reply {
    Reply::error(
        400,
        "LIMIT_EXCEEDED",
        "max records limit exceeded",
        json!({"limit": MAX_RECORDS, "api_name": name}),
    )
}

fn stamps(ctx: &Ctx<'_>, row: &Record) -> Value {
    json!({"id": record_id(row), "Created_Time": row.get("Created_Time"), "Created_By": row.get("Created_By"),
        "Modified_Time": row.get("Modified_Time"), "Modified_By": ctx.owner})
}

/// Returns the error of the first field whose value has the wrong type. Unknown fields are kept, silently.
fn bad_type(module: &Module, index: usize, row: &Record) -> Option<Value> {
    let wrong =
        |field: &&Field| row.get(field.name).is_some_and(|value| !value.is_null() && !fits(field.kind, value));
    let field = module.fields.iter().find(wrong)?;
    let details = json!({"expected_data_type": field.kind.data_type(), "api_name": field.name,
        "json_path": format!("$.data[{index}].{}", field.name)});
    Some(failed("INVALID_DATA", "invalid data", &details))
}

fn fits(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Integer => value.is_i64(),
        Kind::Currency => value.is_number(),
        Kind::Boolean => value.is_boolean(),
        Kind::Email => value.as_str().is_some_and(|text| text.is_empty() || text.contains('@')),
        Kind::Date | Kind::DateTime => value.as_str().is_some_and(|text| parse(text).is_some()),
        Kind::Lookup(_) | Kind::Owner => value.is_object() || value.is_string(),
        Kind::Text | Kind::TextArea | Kind::Phone | Kind::Website | Kind::Picklist(_) => value.is_string(),
    }
}

fn duplicate(ctx: &Ctx<'_>, module: &Module, key: &str, row: &Record) -> Option<String> {
    let wanted = show(row.get(key)?).to_lowercase();
    let rows = ctx.org.modules.get(module.name)?;
    let same = |row: &&Record| row.get(key).is_some_and(|value| show(value).to_lowercase() == wanted);
    rows.iter().find(same).filter(|_| !wanted.is_empty()).map(|row| record_id(row).to_owned())
}

fn default_keys(module: &str) -> &'static [&'static str] {
    match module {
        "Leads" | "Contacts" => &["Email"],
        "Accounts" => &["Account_Name"],
        "Deals" => &["Deal_Name"],
        _ => &[],
    }
}

fn with_action(mut result: Value, action: &str, field: Value) -> Value {
    if result["status"] == "success" {
        result["action"] = json!(action);
        result["duplicate_field"] = field;
    }
    result
}
