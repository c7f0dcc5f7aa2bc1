//! Notes of a record. (`/Notes` itself is a module as any other.)

use http::Method;
use serde_json::{Value, json};

use super::route::{invalid_id, wrong_method};
use super::write::{create_reply, insert, rows_of};
use super::{Ctx, Outcome, scope};
use crate::schema::{self, Module};
use crate::wire::{Call, Reply};
use crate::world::Record;

/// Answers `/{module}/{id}/Notes`.
pub(crate) fn of_record(ctx: &mut Ctx<'_>, call: &Call, module: &Module, id: &str) -> Outcome {
    let operation = match call.method {
        Method::GET => "READ",
        Method::POST => "CREATE",
        _ => return Err(wrong_method()),
    };
    ctx.session.need(&[&[&scope::of_module(module.name, "READ"), &scope::of_module("Notes", operation)]])?;
    let parent = ctx.org.find(module.name, id).ok_or_else(|| invalid_id(1))?;
    let name = parent.get(schema::name_field(module.name)).cloned();
    if call.method == Method::GET {
        return Ok(list(ctx, id));
    }
    let parent = json!({"id": id, "name": name, "module": {"api_name": module.name, "id": module.metadata_id()}});
    let notes = schema::module("Notes").ok_or_else(wrong_method)?;
    let mut results = Vec::new();
    for (index, mut row) in rows_of(call)?.into_iter().enumerate() {
        row.insert("Parent_Id".into(), parent.clone());
        results.push(insert(ctx, notes, index, row));
    }
    Ok(create_reply(ctx, results))
}

fn list(ctx: &Ctx<'_>, parent: &str) -> Reply {
    let is_of = |row: &&Record| {
        row.get("Parent_Id").and_then(|value| value.get("id").or(Some(value))).and_then(Value::as_str)
            == Some(parent)
    };
    let rows: Vec<Record> = ctx.org.modules.get("Notes").into_iter().flatten().filter(is_of).cloned().collect();
    if rows.is_empty() {
        return Reply::empty(204);
    }
    let info = json!({"per_page": 200, "count": rows.len(), "page": 1, "more_records": false});
    Reply::json(200, &json!({"data": rows, "info": info}))
}
