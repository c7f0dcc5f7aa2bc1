//! Reads around a record: related lists, their counts, the timeline.

use http::Method;
use serde_json::{Value, json};

use super::list::{project, wanted};
use super::route::{invalid_id, no_such_url, only};
use super::{Ctx, Outcome, scope};
use crate::schema::{self, Module};
use crate::wire::{Call, Reply};
use crate::world::Record;

/// Answers `GET /{module}/{id}/{related}`: the records of another module that look up this one.
pub(crate) fn list(ctx: &mut Ctx<'_>, call: &Call, module: &Module, id: &str, related: &str) -> Outcome {
    let other = schema::module(related).ok_or_else(no_such_url)?;
    only(call, &Method::GET)?;
    ctx.session.need(&[&[&scope::of_module(module.name, "READ"), &scope::of_module(other.name, "READ")]])?;
    let fields = wanted(call)?;
    ctx.org.find(module.name, id).ok_or_else(|| invalid_id(1))?;
    let rows = pointing_at(ctx, other, id);
    if rows.is_empty() {
        return Ok(Reply::empty(204));
    }
    let show =
        |row: &Record| fields.as_ref().map_or_else(|| Value::Object(row.clone()), |fields| project(row, fields));
    let shown: Vec<Value> = rows.iter().map(show).collect();
    let info = json!({"per_page": 200, "count": shown.len(), "page": 1, "more_records": false});
    Ok(Reply::json(200, &json!({"data": shown, "info": info})))
}

/// Answers `POST /{module}/{id}/actions/get_related_records_count`: a read, though a POST.
pub(crate) fn count(ctx: &mut Ctx<'_>, call: &Call, module: &Module, id: &str) -> Outcome {
    only(call, &Method::POST)?;
    ctx.session.need_module(module.name, "READ")?;
    ctx.org.find(module.name, id).ok_or_else(|| invalid_id(1))?;
    let body = call.json()?;
    let asked = body.get("get_related_records_count").and_then(Value::as_array);
    let count = |item: &Value| {
        let name = item.pointer("/related_list/api_name").and_then(Value::as_str).unwrap_or_default();
        let count = schema::module(name).map_or(0, |other| pointing_at(ctx, other, id).len());
        json!({"count": count, "related_list": {"api_name": name}})
    };
    let rows: Vec<Value> = asked.into_iter().flatten().map(count).collect();
    Ok(Reply::json(200, &json!({"get_related_records_count": rows})))
}

/// Answers `GET /{module}/{id}/__timeline`.
pub(crate) fn timeline(ctx: &mut Ctx<'_>, call: &Call, module: &Module, id: &str) -> Outcome {
    only(call, &Method::GET)?;
    ctx.session.need_module(module.name, "READ")?;
    let row = ctx.org.find(module.name, id).ok_or_else(|| invalid_id(1))?;
    let entry = json!({"id": format!("{id}9"), "action": "added", "audited_time": row.get("Created_Time"),
        "done_by": row.get("Created_By"), "source": "crm_ui", "record": {"id": id,
        "module": {"api_name": module.name}}, "field_history": null});
    let info = json!({"per_page": 200, "count": 1, "page": 1, "more_records": false});
    Ok(Reply::json(200, &json!({"__timeline": [entry], "info": info})))
}

fn pointing_at(ctx: &Ctx<'_>, other: &Module, id: &str) -> Vec<Record> {
    let points = |row: &&Record| row.values().any(|value| value.get("id").and_then(Value::as_str) == Some(id));
    ctx.org.modules.get(other.name).into_iter().flatten().filter(points).cloned().collect()
}
