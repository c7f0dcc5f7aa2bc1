//! Side effects beyond records: bulk jobs, uploads, notifications, e-mails. Each is accepted and remembered.

use http::Method;
use serde_json::{Value, json};

use super::route::{invalid_id, missing, no_such_url, only};
use super::write::{no_data, succeeded};
use super::{Ctx, Outcome, scope};
use crate::instant::iso;
use crate::schema::{self, Module, scope_name};
use crate::wire::{Call, Reply};

/// Answers `POST /crm/bulk/v8/read`.
pub(crate) fn create_read(ctx: &mut Ctx<'_>, call: &Call) -> Outcome {
    only(call, &Method::POST)?;
    let body = call.json()?;
    let name = body.pointer("/query/module/api_name").and_then(Value::as_str).unwrap_or_default();
    let module = schema::module(name).ok_or_else(super::route::invalid_module)?;
    // The OAS wants `modules.ALL`; the v8 page takes the module's own scope, too.
    let own = scope::of_module(module.name, "READ");
    ctx.session.need(&[&["ZohoCRM.bulk.READ", &own], &["ZohoCRM.bulk.READ", "ZohoCRM.modules.ALL"]])?;
    let id = ctx.org.make_id();
    ctx.org.accepted.push(("bulk_read".into(), json!({"id": id, "job": body})));
    let details = json!({"id": id, "operation": "read", "state": "ADDED", "created_by": ctx.owner,
        "created_time": iso(ctx.now)});
    let item = json!({"status": "success", "code": "ADDED_SUCCESSFULLY", "message": "Added successfully.",
        "details": details});
    Ok(Reply::json(201, &json!({"data": [item], "info": {}})))
}

/// Answers `POST /crm/bulk/v8/write` and `…/backup`: the job is accepted, nothing is done.
pub(crate) fn other_job(ctx: &mut Ctx<'_>, call: &Call, kind: &str) -> Outcome {
    only(call, &Method::POST)?;
    let scope = if kind == "write" { "ZohoCRM.bulk.CREATE" } else { "ZohoCRM.bulk.backup.ALL" };
    ctx.session.need(&[&[scope]])?;
    let id = ctx.org.make_id();
    let job = call.json().unwrap_or(Value::Null);
    ctx.org.accepted.push((format!("bulk_{kind}"), json!({"id": id, "job": job})));
    let body = json!({"status": "success", "code": "SUCCESS", "message": "success",
        "details": {"id": id, "created_by": ctx.owner}});
    Ok(Reply::json(201, &body))
}

/// Answers `GET /crm/bulk/v8/read/{id}`: the job is done at once. The result file is not played.
pub(crate) fn read_job(ctx: &mut Ctx<'_>, call: &Call, id: &str) -> Outcome {
    only(call, &Method::GET)?;
    ctx.session.need(&[&["ZohoCRM.bulk.READ"]])?;
    let job = ctx.org.accepted.iter().find(|(kind, job)| kind == "bulk_read" && job["id"] == id);
    let Some((_, job)) = job else {
        return Err(Reply::error(404, "RESOURCE_NOT_FOUND", "The requested resource doesn't exist.", json!({})));
    };
    let row = json!({"id": id, "operation": "read", "state": "COMPLETED", "query": job["job"]["query"],
        "created_by": ctx.owner, "created_time": iso(ctx.now), "file_type": "csv",
        "result": {"page": 1, "count": 25, "per_page": 200_000, "more_records": false,
            "download_url": format!("/crm/bulk/v8/read/{id}/result")}});
    Ok(Reply::json(200, &json!({"data": [row]})))
}

/// Answers `POST /crm/v8/upload` on the upload host: multipart, and the org's number in a header.
pub(crate) fn upload(ctx: &mut Ctx<'_>, call: &Call) -> Outcome {
    only(call, &Method::POST)?;
    ctx.session.need(&[&["ZohoFiles.files.ALL"]])?;
    let zgid = call.header("x-crm-org").ok_or_else(|| missing("X-CRM-ORG"))?;
    if zgid != ctx.org.zgid || call.header("feature") != Some("bulk-write") {
        return Err(Reply::error(400, "INVALID_REQUEST", "the request header is not valid", json!({})));
    }
    let is_multipart = call.header("content-type").is_some_and(|kind| kind.starts_with("multipart/form-data"));
    if !is_multipart || call.body.is_empty() {
        return Err(Reply::error(415, "FILE_NOT_SUPPORTED", "the file is not supported", json!({})));
    }
    let id = ctx.org.make_id();
    ctx.org.accepted.push(("upload".into(), json!({"id": id, "bytes": call.body.len()})));
    let details = json!({"file_id": id, "created_time": iso(ctx.now)});
    let body = json!({"status": "success", "code": "FILE_UPLOAD_SUCCESS", "message": "file uploaded.",
        "details": details});
    Ok(Reply::json(200, &body))
}

/// Answers `/actions/watch`: a standing channel to a URL outside.
pub(crate) fn watch(ctx: &mut Ctx<'_>, call: &Call) -> Outcome {
    let operation = match call.method {
        Method::GET => "READ",
        Method::POST => "CREATE",
        Method::PUT | Method::PATCH => "UPDATE",
        Method::DELETE => "DELETE",
        _ => return Err(super::route::wrong_method()),
    };
    ctx.session.need(&[&[&format!("ZohoCRM.notifications.{operation}")]])?;
    let channels: Vec<Value> = channels(ctx);
    match call.method {
        Method::GET if channels.is_empty() => Ok(Reply::empty(204)),
        Method::GET => Ok(Reply::json(200, &json!({"watch": channels}))),
        Method::DELETE => {
            ctx.org.accepted.retain(|(kind, _)| kind != "watch");
            let result = succeeded("Successfully un-subscribed from actions-watch", &json!({}));
            Ok(Reply::json(200, &json!({"watch": [result]})))
        }
        _ => subscribe(ctx, call),
    }
}

fn channels(ctx: &Ctx<'_>) -> Vec<Value> {
    ctx.org.accepted.iter().filter(|(kind, _)| kind == "watch").map(|(_, channel)| channel.clone()).collect()
}

fn subscribe(ctx: &mut Ctx<'_>, call: &Call) -> Outcome {
    let body = call.json()?;
    let wanted = body.get("watch").and_then(Value::as_array).ok_or_else(|| no_data("watch"))?;
    if call.method == Method::PUT {
        ctx.org.accepted.retain(|(kind, _)| kind != "watch");
    }
    let mut results = Vec::new();
    for channel in wanted {
        ctx.org.accepted.push(("watch".into(), channel.clone()));
        let details = json!({"events": [{"channel_id": channel["channel_id"], "resource_uri": "/crm/v8/Leads"}]});
        results.push(succeeded("Successfully subscribed for actions-watch of the given module", &details));
    }
    Ok(Reply::json(201, &json!({"watch": results})))
}

/// Answers `POST /{module}/{id}/actions/send_mail`.
pub(crate) fn send_mail(ctx: &mut Ctx<'_>, call: &Call, module: &Module, id: &str) -> Outcome {
    if !matches!(module.name, "Leads" | "Contacts" | "Accounts" | "Deals") {
        return Err(no_such_url());
    }
    only(call, &Method::POST)?;
    let own = format!("ZohoCRM.send_mail.{}.CREATE", scope_name(module.name));
    ctx.session.need(&[&["ZohoCRM.send_mail.all.CREATE"], &[&own]])?;
    ctx.org.find(module.name, id).ok_or_else(|| invalid_id(1))?;
    let body = call.json()?;
    let message_id = ctx.org.make_id();
    ctx.org.accepted.push(("send_mail".into(), body));
    let result = succeeded("Your mail has been sent successfully.", &json!({"message_id": message_id}));
    Ok(Reply::json(200, &json!({"data": [result]})))
}
