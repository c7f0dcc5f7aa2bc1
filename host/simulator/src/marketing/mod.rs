//! Zoho Marketing Automation v1, on hosts of its own (facts 5.2).
//!
//! Errors are HTTP 200 with `status: error`, a code that is a text of digits, and a message. Parameters come in the
//! query or in a form. The paths of journeys and of the web assistant, and most codes, are not documented.

mod leads;
mod seed;

use serde_json::{Value, json};

use crate::api::{Outcome, Trouble, Visit};
use crate::wire::Reply;
use crate::world::Record;
pub(crate) use seed::seed;

/// Answers a call.
pub(crate) fn answer(visit: &mut Visit<'_>) -> Outcome {
    let segments = visit.call.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["api", "v1", rest @ ..] = parts.as_slice() else { return Err(no_such_url()) };
    match (visit.call.method.as_str(), rest) {
        ("GET", ["getmailinglists"]) => leads::lists(visit),
        ("GET", ["getlistsubscribers"]) => leads::of_list(visit),
        ("GET", ["lead", "allfields"]) => leads::fields(visit),
        ("GET", ["tag", "getalltags"]) => leads::tags(visit),
        ("POST", ["json", "listsubscribe"]) => leads::subscribe(visit),
        ("POST", ["json", "listunsubscribe"]) => leads::unsubscribe(visit),
        ("POST", ["addleadsinbulk"]) => leads::add_in_bulk(visit),
        ("GET", ["recentcampaigns"]) => list(visit, "campaign", "campaigns", "recent_campaigns"),
        ("GET", ["getcampaigndetails"]) => campaign(visit, "campaign-details"),
        ("GET", ["campaignreports"]) => campaign(visit, "campaign-reports"),
        ("GET", ["journeys"]) => list(visit, "journey", "journeys", "journeys"),
        ("GET", ["wa"]) => list(visit, "wa", "assistants", "web_assistants"),
        _ => Err(no_such_url()),
    }
}

/// Returns Marketing Automation's words for what any product can run into.
pub(crate) fn trouble(trouble: Trouble) -> Reply {
    match trouble {
        Trouble::NoToken | Trouble::BadToken(_) => error("1007", "Unauthorized request."),
        Trouble::ScopeMismatch => error("1008", "The scope of the token does not allow this."),
        Trouble::TooMany => error("1009", "You have exceeded the calls in five minutes."),
        Trouble::Internal => {
            Reply::json(500, &json!({"status": "error", "code": "500", "message": "Internal error."}))
        }
    }
}

fn list(visit: &Visit<'_>, scope: &str, shelf: &str, key: &str) -> Outcome {
    need(visit, &format!("{scope}.READ"))?;
    let rows: Vec<Value> = visit.org.shelf(&format!("marketing/{shelf}")).iter().map(show).collect();
    Ok(success(&json!({key: rows, "total_record_count": rows.len()})))
}

fn campaign(visit: &Visit<'_>, key: &str) -> Outcome {
    need(visit, "campaign.READ")?;
    let asked = visit.call.parameter("campaignkey").ok_or_else(|| missing("campaignkey"))?;
    let found = visit.org.find("marketing/campaigns", asked).ok_or_else(|| error("2501", "No such campaign."))?;
    Ok(success(&json!({key: [show(found)]})))
}

fn need(visit: &Visit<'_>, scope: &str) -> Result<(), Reply> {
    let scope = format!("ZohoMarketingAutomation.{scope}");
    if visit.session.is_granted(&[&[scope.as_str()]]) { Ok(()) } else { Err(trouble(Trouble::ScopeMismatch)) }
}

/// Returns a record as it is shown: its id is called a key.
fn show(record: &Record) -> Value {
    let mut shown = record.clone();
    let id = shown.remove("id").unwrap_or_default();
    let key = if shown.contains_key("campaign_name") { "campaign_key" } else { "listkey" };
    shown.insert(key.to_owned(), id);
    Value::Object(shown)
}

fn success(members: &Value) -> Reply {
    let mut body = json!({"status": "success", "code": "0"});
    for (name, value) in members.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    Reply::json(200, &body)
}

fn missing(parameter: &str) -> Reply {
    error("2001", &format!("The parameter {parameter} is missing."))
}

fn no_such_url() -> Reply {
    Reply::json(404, &json!({"status": "error", "code": "404", "message": "Invalid URL."}))
}

fn error(code: &str, message: &str) -> Reply {
    Reply::json(200, &json!({"status": "error", "code": code, "message": message}))
}
