//! Contacts, invoices and items: list, get, create, update, delete, and what is done to invoices.

use serde_json::{Value, json};

use super::kind::Kind;
use super::{error, invalid, need, no_such_url, success};
use crate::api::{Outcome, Visit};
use crate::instant::iso;
use crate::shelf::{holds, members, number};
use crate::wire::{Call, Reply, pairs};
use crate::world::{Record, record_id};

/// Answers `GET /{kind}`.
pub(crate) fn list(visit: &mut Visit<'_>, organization: &str, kind: &Kind) -> Outcome {
    need(visit, kind.scope, "READ")?;
    let call = visit.call;
    let page = number(call, "page", 1, (1, 10_000)).ok_or_else(|| invalid("page"))?;
    let per_page = number(call, "per_page", 200, (1, 200)).ok_or_else(|| invalid("per_page"))?;
    let found: Vec<&Record> =
        visit.org.shelf(&kind.shelf(organization)).iter().filter(|record| fits(call, record)).collect();
    let has_more = found.len() > page * per_page;
    let rows: Vec<Value> =
        found.into_iter().skip((page - 1) * per_page).take(per_page).map(|row| show(kind, row)).collect();
    let context = json!({"page": page, "per_page": per_page, "has_more_page": has_more, "applied_filter": "Status.All",
        "report_name": kind.title, "sort_column": "created_time", "sort_order": "A"});
    Ok(success(200, "success", &json!({kind.plural: rows, "page_context": context})))
}

/// Answers `GET /{kind}/{id}`.
pub(crate) fn get(visit: &mut Visit<'_>, organization: &str, kind: &Kind, id: &str) -> Outcome {
    need(visit, kind.scope, "READ")?;
    let found = visit.org.find(&kind.shelf(organization), id).ok_or_else(|| missing(kind))?;
    Ok(success(200, "success", &json!({kind.singular: show(kind, found)})))
}

/// Answers `POST /{kind}`.
pub(crate) fn create(visit: &mut Visit<'_>, organization: &str, kind: &Kind) -> Outcome {
    need(visit, kind.scope, "CREATE")?;
    let mut record = sent(visit.call)?;
    if record.get(kind.required).and_then(Value::as_str).is_none_or(str::is_empty) {
        return Err(invalid(kind.required));
    }
    if kind.plural == "invoices" {
        let customer = record["customer_id"].as_str().unwrap_or_default();
        let contacts = format!("books/{organization}/contacts");
        let customer = visit.org.find(&contacts, customer).ok_or_else(|| invalid("customer_id"))?;
        let name = customer.get("contact_name").cloned().unwrap_or_default();
        record.insert("customer_name".to_owned(), name);
    }
    let state = if kind.plural == "invoices" { "draft" } else { "active" };
    record.insert("status".to_owned(), json!(state));
    record.insert("created_time".to_owned(), json!(iso(visit.now)));
    let made = visit.org.put(&kind.shelf(organization), record);
    let message = format!("The {} has been created.", kind.singular);
    Ok(success(201, &message, &json!({kind.singular: show(kind, &made)})))
}

/// Answers `PUT /{kind}/{id}`.
pub(crate) fn update(visit: &mut Visit<'_>, organization: &str, kind: &Kind, id: &str) -> Outcome {
    need(visit, kind.scope, "UPDATE")?;
    let changes = sent(visit.call)?;
    let at = iso(visit.now);
    let found = visit.org.find_mut(&kind.shelf(organization), id).ok_or_else(|| missing(kind))?;
    found.extend(changes.into_iter().filter(|(name, _)| name != "id" && name != kind.id));
    found.insert("last_modified_time".to_owned(), json!(at));
    let message = format!("{} information has been saved.", kind.title);
    Ok(success(200, &message, &json!({kind.singular: show(kind, found)})))
}

/// Answers `DELETE /{kind}/{id}`.
pub(crate) fn delete(visit: &mut Visit<'_>, organization: &str, kind: &Kind, id: &str) -> Outcome {
    need(visit, kind.scope, "DELETE")?;
    visit.org.take(&kind.shelf(organization), id).ok_or_else(|| missing(kind))?;
    Ok(success(200, &format!("The {} has been deleted.", kind.singular), &json!({})))
}

/// Answers `POST /invoices/{id}/status/{status}`, and `active` and `inactive` of contacts and items, whose path has no
/// `status` in it and is not played.
pub(crate) fn change_status(
    visit: &mut Visit<'_>,
    organization: &str,
    kind: &Kind,
    id: &str,
    status: &str,
) -> Outcome {
    if kind.plural != "invoices" || !matches!(status, "void" | "sent" | "draft") {
        return Err(no_such_url());
    }
    need(visit, kind.scope, "CREATE")?;
    let found = visit.org.find_mut(&kind.shelf(organization), id).ok_or_else(|| missing(kind))?;
    found.insert("status".to_owned(), json!(status));
    Ok(success(200, &format!("Invoice status has been changed to {status}."), &json!({})))
}

/// Answers `POST /invoices/{id}/email`: it leaves the organization.
pub(crate) fn email(visit: &mut Visit<'_>, organization: &str, kind: &Kind, id: &str) -> Outcome {
    if kind.plural != "invoices" {
        return Err(no_such_url());
    }
    need(visit, kind.scope, "CREATE")?;
    let sent = sent(visit.call)?;
    visit.org.find(&kind.shelf(organization), id).ok_or_else(|| missing(kind))?;
    visit.org.accepted.push(("books_email".to_owned(), json!({"invoice_id": id, "mail": sent})));
    Ok(success(200, "Your invoice has been sent.", &json!({})))
}

/// Returns what was sent: JSON, or JSON in the form field `JSONString`, which is Books' older way.
fn sent(call: &Call) -> Result<Record, Reply> {
    let body = String::from_utf8_lossy(&call.body).into_owned();
    let in_form = pairs(&body).into_iter().find(|(name, _)| name == "JSONString").map(|(_, value)| value);
    let text = in_form.unwrap_or(body);
    let value: Value = serde_json::from_str(&text).map_err(|_| error(400, 1, "JSON is not well formed"))?;
    Ok(members(value))
}

/// Whether a record passes the list's filters: equal fields by name, and a part of any text.
fn fits(call: &Call, record: &Record) -> bool {
    let passes = |(name, wanted): &(String, String)| match name.as_str() {
        "search_text" => record.keys().any(|field| holds(record, field, wanted)),
        "status" | "email" | "customer_id" | "contact_name" | "name" | "invoice_number" => {
            record.get(name).and_then(Value::as_str) == Some(wanted)
        }
        _ => true,
    };
    call.query.iter().all(passes)
}

/// Returns a record as Books shows it: its id has the kind's name.
fn show(kind: &Kind, record: &Record) -> Value {
    let mut shown = record.clone();
    shown.remove("id");
    shown.insert(kind.id.to_owned(), json!(record_id(record)));
    Value::Object(shown)
}

fn missing(kind: &Kind) -> Reply {
    error(404, 1002, &format!("{} does not exist.", kind.title))
}
