//! Lists of leads, and who is on them.

use serde_json::{Value, json};

use super::{error, missing, need, show, success};
use crate::api::{Outcome, Visit};
use crate::shelf::members;
use crate::wire::{Call, Reply};
use crate::world::{Record, record_id};

const LISTS: &str = "marketing/lists";
const LEADS: &str = "marketing/leads";
/// E-mail addresses in one bulk add.
const MOST: usize = 10;

/// Answers `GET /getmailinglists`.
pub(crate) fn lists(visit: &mut Visit<'_>) -> Outcome {
    need(visit, "lead.READ")?;
    let rows: Vec<Value> = visit.org.shelf(LISTS).iter().map(show).collect();
    Ok(success(&json!({"list_of_details": rows, "total_list_count": rows.len()})))
}

/// Answers `GET /getlistsubscribers`.
pub(crate) fn of_list(visit: &mut Visit<'_>) -> Outcome {
    need(visit, "lead.READ")?;
    let list = list(visit)?;
    let is_on = |lead: &&Record| lead.get("list").and_then(Value::as_str) == Some(&list);
    let rows: Vec<Value> = visit.org.shelf(LEADS).iter().filter(is_on).map(lead).collect();
    if rows.is_empty() {
        return Err(error("2502", "Yet, There are no leads in this list."));
    }
    Ok(success(&json!({"list_of_details": rows})))
}

/// Answers `GET /lead/allfields`.
pub(crate) fn fields(visit: &mut Visit<'_>) -> Outcome {
    need(visit, "lead.READ")?;
    let field = |name: &&str| json!({"FIELD_NAME": name, "DISPLAY_NAME": name, "TYPE": "text"});
    let fields: Vec<Value> = ["Lead Email", "First Name", "Last Name", "Phone"].iter().map(field).collect();
    Ok(success(&json!({"response": {"fieldnames": {"fieldname": fields}}})))
}

/// Answers `GET /tag/getalltags`.
pub(crate) fn tags(visit: &mut Visit<'_>) -> Outcome {
    need(visit, "lead.READ")?;
    Ok(success(&json!({"tags": [{"1": {"tag_name": "fair", "tag_color": "#00aa00"}}]})))
}

/// Answers `POST /json/listsubscribe`: `leadinfo` is JSON in a parameter.
pub(crate) fn subscribe(visit: &mut Visit<'_>) -> Outcome {
    need(visit, "lead.CREATE")?;
    let list = list(visit)?;
    let info = parameter(visit.call, "leadinfo").ok_or_else(|| missing("leadinfo"))?;
    let info: Value = serde_json::from_str(&info).map_err(|_| error("2002", "leadinfo is no JSON."))?;
    let email = info["Lead Email"].as_str().filter(|email| email.contains('@')).map(str::to_owned);
    let email = email.ok_or_else(|| error("2004", "Invalid lead email address."))?;
    let message = if put(visit, &list, &email, members(info)) { "added" } else { "updated" };
    Ok(success(&json!({"message": format!("The lead has been {message}.")})))
}

/// Answers `POST /json/listunsubscribe`.
pub(crate) fn unsubscribe(visit: &mut Visit<'_>) -> Outcome {
    need(visit, "lead.UPDATE")?;
    let list = list(visit)?;
    let info = parameter(visit.call, "leadinfo").ok_or_else(|| missing("leadinfo"))?;
    let info: Value = serde_json::from_str(&info).map_err(|_| error("2002", "leadinfo is no JSON."))?;
    let email = info["Lead Email"].as_str().unwrap_or_default();
    let id = find(visit, &list, email).ok_or_else(|| error("2004", "Invalid lead email address."))?;
    visit.org.take(LEADS, &id);
    Ok(success(&json!({"message": "The lead has been unsubscribed."})))
}

/// Answers `POST /addleadsinbulk`.
pub(crate) fn add_in_bulk(visit: &mut Visit<'_>) -> Outcome {
    need(visit, "lead.CREATE")?;
    let list = list(visit)?;
    let emails = parameter(visit.call, "emailids").ok_or_else(|| missing("emailids"))?;
    let emails: Vec<&str> = emails.split(',').map(str::trim).collect();
    if emails.len() > MOST {
        return Err(error("2003", "Only 10 email addresses can be added in one request."));
    }
    if emails.iter().any(|email| !email.contains('@')) {
        return Err(error("2004", "Invalid lead email address."));
    }
    let mut added = 0;
    for email in &emails {
        added += usize::from(put(visit, &list, email, Record::new()));
    }
    Ok(success(&json!({"message": format!("{added} of {} leads are new.", emails.len())})))
}

/// Adds or updates a lead; returns whether it is new.
fn put(visit: &mut Visit<'_>, list: &str, email: &str, info: Record) -> bool {
    if let Some(id) = find(visit, list, email) {
        if let Some(known) = visit.org.find_mut(LEADS, &id) {
            known.extend(info);
        }
        return false;
    }
    let mut lead = info;
    lead.insert("list".to_owned(), json!(list));
    lead.insert("lead_email".to_owned(), json!(email));
    visit.org.put(LEADS, lead);
    true
}

fn find(visit: &Visit<'_>, list: &str, email: &str) -> Option<String> {
    let text = |lead: &Record, name: &str| lead.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let is_it =
        |lead: &&Record| text(lead, "list") == list && text(lead, "lead_email").eq_ignore_ascii_case(email);
    visit.org.shelf(LEADS).iter().find(is_it).map(|lead| record_id(lead).to_owned())
}

/// Returns the list that is named.
fn list(visit: &Visit<'_>) -> Result<String, Reply> {
    let asked = parameter(visit.call, "listkey").ok_or_else(|| missing("listkey"))?;
    let known = visit.org.find(LISTS, &asked).is_some();
    if known { Ok(asked) } else { Err(error("2202", "Invalid listkey.")) }
}

fn parameter(call: &Call, name: &str) -> Option<String> {
    let in_form = || call.form().into_iter().find(|(key, _)| key == name).map(|(_, value)| value);
    call.parameter(name).map(str::to_owned).or_else(in_form)
}

fn lead(record: &Record) -> Value {
    let mut shown = record.clone();
    shown.remove("id");
    shown.remove("list");
    Value::Object(shown)
}
