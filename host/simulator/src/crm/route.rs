//! From a path to its handler. An unknown path is a 404, a known one with another method a 400.

use http::Method;
use serde_json::json;

use super::{
    Ctx, Outcome, actions, bulk, composite, convert, coql, list, mass, notes, org, related, search, settings,
    write,
};
use crate::config::UserSpec;
use crate::region::Role;
use crate::schema::{self, Module};
use crate::wire::{Call, Reply};

/// Routes a call, also the parts of a composite.
pub(crate) fn route(ctx: &mut Ctx<'_>, users: &[UserSpec], call: &Call) -> Outcome {
    let segments = call.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    if call.place.role == Role::Upload {
        return match parts.as_slice() {
            ["crm", "v8", "upload"] => bulk::upload(ctx, call),
            _ => Err(no_such_url()),
        };
    }
    match parts.as_slice() {
        ["crm", "v8", rest @ ..] => top(ctx, users, call, rest),
        ["crm", "bulk", "v8", "read"] => bulk::create_read(ctx, call),
        ["crm", "bulk", "v8", kind @ ("write" | "backup")] => bulk::other_job(ctx, call, kind),
        ["crm", "bulk", "v8", "read", id] => bulk::read_job(ctx, call, id),
        _ => Err(no_such_url()),
    }
}

fn top(ctx: &mut Ctx<'_>, users: &[UserSpec], call: &Call, rest: &[&str]) -> Outcome {
    match rest {
        ["org"] => org::org(ctx, call),
        ["users"] => org::users(ctx, users, call),
        ["users", id] => org::user(ctx, users, call, id),
        ["settings", "modules"] => settings::modules(ctx, call),
        ["settings", "modules", name] => settings::module(ctx, call, name),
        ["settings", kind] => settings::list(ctx, call, kind),
        ["coql"] => coql::answer(ctx, call),
        ["__composite_requests"] => composite::answer(ctx, users, call),
        ["actions", "watch"] => bulk::watch(ctx, call),
        [name, rest @ ..] => match schema::module(name) {
            Some(module) => in_module(ctx, call, module, rest),
            None if rest.len() < 2 => Err(invalid_module()),
            None => Err(no_such_url()),
        },
        [] => Err(no_such_url()),
    }
}

fn in_module(ctx: &mut Ctx<'_>, call: &Call, module: &'static Module, rest: &[&str]) -> Outcome {
    match rest {
        [] if call.method == Method::GET => list::list(ctx, call, module),
        [] if call.method == Method::POST => write::create(ctx, call, module),
        [] if call.method == Method::PUT => write::update_many(ctx, call, module),
        [] if call.method == Method::DELETE => write::delete_many(ctx, call, module),
        ["search"] => search::search(ctx, call, module),
        ["deleted"] => list::deleted(ctx, call, module),
        ["upsert"] => write::upsert(ctx, call, module),
        ["actions", "count"] => search::count(ctx, call, module),
        ["actions", "mass_delete"] => mass::delete(ctx, call, module),
        ["actions", "mass_update"] => mass::update(ctx, call, module),
        [id, "actions", "convert"] => convert::convert(ctx, call, module, id),
        [id, "actions", "send_mail"] => bulk::send_mail(ctx, call, module, id),
        [id, "actions", "get_related_records_count"] => related::count(ctx, call, module, id),
        ["actions", name] => actions::on_many(ctx, call, module, name),
        [id, "actions", name] => actions::on_one(ctx, call, module, id, name),
        [id, "Attachments"] => actions::attachments(ctx, call, module, id),
        [id, "Notes"] => notes::of_record(ctx, call, module, id),
        [id, "__timeline"] => related::timeline(ctx, call, module, id),
        [id, list] => related::list(ctx, call, module, id, list),
        [id] if call.method == Method::GET => list::one(ctx, call, module, id),
        [id] if call.method == Method::PUT => write::update_one(ctx, call, module, id),
        [id] if call.method == Method::DELETE => write::delete_one(ctx, call, module, id),
        [] | [_] => Err(wrong_method()),
        _ => Err(no_such_url()),
    }
}

/// Refuses any other method.
pub(crate) fn only(call: &Call, method: &Method) -> Result<(), Reply> {
    if call.method == *method { Ok(()) } else { Err(wrong_method()) }
}

pub(crate) fn wrong_method() -> Reply {
    let message = "The http request method type is not a valid one";
    Reply::error(400, "INVALID_REQUEST_METHOD", message, json!({}))
}

pub(crate) fn no_such_url() -> Reply {
    let message = "Please check if the URL trying to access is a correct one";
    Reply::error(404, "INVALID_URL_PATTERN", message, json!({}))
}

pub(crate) fn invalid_module() -> Reply {
    let message = "the module name given seems to be invalid";
    Reply::error(400, "INVALID_MODULE", message, json!({"resource_path_index": 0}))
}

pub(crate) fn invalid_id(index: usize) -> Reply {
    let message = "the id given seems to be invalid";
    Reply::error(400, "INVALID_DATA", message, json!({"resource_path_index": index}))
}

pub(crate) fn missing(parameter: &str) -> Reply {
    let message = "One of the expected parameter is missing";
    Reply::error(400, "REQUIRED_PARAM_MISSING", message, json!({"param_name": parameter}))
}

pub(crate) fn invalid_parameter(parameter: &str) -> Reply {
    Reply::error(400, "INVALID_DATA", "the value given seems to be invalid", json!({"param_name": parameter}))
}
