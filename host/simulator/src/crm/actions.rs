//! The smaller actions on records: owner, tags, clone, merge, and those that are accepted and remembered only.

use http::Method;
use serde_json::{Value, json};

use super::route::{invalid_id, no_such_url, only};
use super::write::{change, insert, no_data, remove, rolled_up, succeeded};
use super::{Ctx, Outcome, scope};
use crate::schema::{Module, scope_name};
use crate::wire::{Call, Reply};
use crate::world::Record;

/// What an action does to a record.
enum Effect {
    ChangeOwner,
    AddTags,
    RemoveTags,
    Clone,
    Merge,
    /// It is recorded with the org, and nothing else happens.
    Accept,
}

/// Answers `/{module}/actions/{name}` on the ids of body or query.
pub(crate) fn on_many(ctx: &mut Ctx<'_>, call: &Call, module: &Module, name: &str) -> Outcome {
    let name = name.strip_prefix("mass_").unwrap_or(name);
    let effect = allowed(ctx, call, module, name)?;
    let body = call.json()?;
    let in_query = call.parameter("ids").map(|ids| ids.split(',').map(str::to_owned).collect::<Vec<_>>());
    let in_body = body.get("ids").and_then(Value::as_array);
    let in_body = in_body.map(|ids| ids.iter().filter_map(Value::as_str).map(str::to_owned).collect());
    let ids = in_query.or(in_body).ok_or_else(|| no_data("ids"))?;
    let results = ids.iter().map(|id| apply(ctx, module, name, &effect, id, &body)).collect();
    Ok(rolled_up(200, 207, 400, results))
}

/// Answers `/{module}/{id}/actions/{name}`.
pub(crate) fn on_one(ctx: &mut Ctx<'_>, call: &Call, module: &Module, id: &str, name: &str) -> Outcome {
    let effect = allowed(ctx, call, module, name)?;
    ctx.org.find(module.name, id).ok_or_else(|| invalid_id(1))?;
    let body = call.json().unwrap_or(Value::Null);
    let result = apply(ctx, module, name, &effect, id, &body);
    Ok(rolled_up(200, 207, 400, vec![result]))
}

/// Answers `/{module}/{id}/Attachments`: files are accepted, none are kept.
pub(crate) fn attachments(ctx: &mut Ctx<'_>, call: &Call, module: &Module, id: &str) -> Outcome {
    let operation = if call.method == Method::GET { "READ" } else { "CREATE" };
    ctx.session
        .need(&[&[&scope::of_module(module.name, "READ"), &format!("ZohoCRM.modules.attachments.{operation}")]])?;
    ctx.org.find(module.name, id).ok_or_else(|| invalid_id(1))?;
    if call.method == Method::GET {
        return Ok(Reply::empty(204));
    }
    only(call, &Method::POST)?;
    let attachment = json!({"id": ctx.org.make_id()});
    let url = call.parameter("attachmentUrl");
    ctx.org.accepted.push(("attachment".into(), json!({"url": url, "bytes": call.body.len()})));
    let result = succeeded("attachment uploaded successfully", &attachment);
    Ok(Reply::json(200, &json!({"data": [result]})))
}

/// Checks method and scope of an action, and returns its effect.
fn allowed(ctx: &Ctx<'_>, call: &Call, module: &Module, name: &str) -> Result<Effect, Reply> {
    let own = |family: &str| format!("ZohoCRM.{family}.{}.CREATE", scope_name(module.name));
    let (method, scope, effect) = match name {
        "change_owner" => (Method::POST, own("change_owner"), Effect::ChangeOwner),
        "add_tags" => (Method::POST, "ZohoCRM.settings.tags.ALL".into(), Effect::AddTags),
        "remove_tags" => (Method::POST, "ZohoCRM.settings.tags.ALL".into(), Effect::RemoveTags),
        "clone" => (Method::POST, scope::of_module(module.name, "CREATE"), Effect::Clone),
        "merge" => (Method::POST, scope::of_module(module.name, "CREATE"), Effect::Merge),
        "share" | "share_emails" => (Method::POST, own("share"), Effect::Accept),
        "send_mail_merge" | "sign_mail_merge" => {
            (Method::POST, scope::of_module(module.name, "CREATE"), Effect::Accept)
        }
        "blueprint" => (Method::PUT, scope::of_module(module.name, "UPDATE"), Effect::Accept),
        _ => return Err(no_such_url()),
    };
    only(call, &method)?;
    ctx.session.need(&[&[&scope]])?;
    Ok(effect)
}

fn apply(ctx: &mut Ctx<'_>, module: &Module, name: &str, effect: &Effect, id: &str, body: &Value) -> Value {
    let one = |field: &str, value: Value| Record::from_iter([(field.to_owned(), value)]);
    match effect {
        Effect::ChangeOwner => change(ctx, module, 0, id, one("Owner", body["owner"].clone())),
        Effect::AddTags | Effect::RemoveTags => {
            let tags = tags(ctx, module, id, body, matches!(effect, Effect::AddTags));
            change(ctx, module, 0, id, one("Tag", tags))
        }
        Effect::Clone => match ctx.org.find(module.name, id).cloned() {
            Some(row) => insert(ctx, module, 0, row),
            None => change(ctx, module, 0, id, Record::new()),
        },
        Effect::Merge => {
            // The duplicates are absorbed: they end in the recycle bin.
            let merged = body.pointer("/merge/0/data").and_then(Value::as_array).cloned();
            for duplicate in
                merged.iter().flatten().filter_map(|item| item["id"].as_str()).filter(|other| *other != id)
            {
                remove(ctx, module, duplicate);
            }
            change(ctx, module, 0, id, Record::new())
        }
        Effect::Accept => {
            ctx.org.accepted.push((name.to_owned(), json!({"id": id, "body": body})));
            succeeded("accepted", &json!({"id": id}))
        }
    }
}

/// Returns the tags of a record after a change.
fn tags(ctx: &Ctx<'_>, module: &Module, id: &str, body: &Value, adds: bool) -> Value {
    let current = ctx.org.find(module.name, id).and_then(|row| row.get("Tag")).and_then(Value::as_array);
    let given: Vec<&Value> = body["tags"].as_array().into_iter().flatten().collect();
    let is_given = |tag: &&Value| given.iter().any(|other| other["name"] == tag["name"]);
    let mut tags: Vec<Value> = current.into_iter().flatten().filter(|tag| !is_given(tag)).cloned().collect();
    if adds {
        tags.extend(given.iter().map(|tag| json!({"name": tag["name"], "id": null, "color_code": null})));
    }
    Value::Array(tags)
}
