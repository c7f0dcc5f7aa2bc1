//! What is done to tickets: comments, replies, and the trash.

use http::Method;
use serde_json::{Value, json};

use super::records::sent;
use super::{invalid, need, not_found, only, wrong_method};
use crate::api::{Outcome, Visit};
use crate::instant::iso;
use crate::wire::Reply;
use crate::world::Record;

const TICKETS: &str = "desk/tickets";
const COMMENTS: &str = "desk/comments";

/// Answers `POST /tickets/moveToTrash`.
pub(crate) fn move_to_trash(visit: &mut Visit<'_>) -> Outcome {
    only(visit, &Method::POST)?;
    need(visit, &["Desk.tickets.DELETE"])?;
    let sent = sent(visit.call)?;
    let ids = sent.get("ticketIds").and_then(Value::as_array).ok_or_else(|| invalid("ticketIds", "missing"))?;
    let ids: Vec<&str> = ids.iter().filter_map(Value::as_str).collect();
    if ids.is_empty() || ids.iter().any(|id| visit.org.find(TICKETS, id).is_none()) {
        return Err(invalid("ticketIds", "invalid"));
    }
    for id in ids {
        if let Some(ticket) = visit.org.take(TICKETS, id) {
            visit.org.deleted.push(ticket);
        }
    }
    Ok(Reply::empty(204))
}

/// Answers `/tickets/{id}/comments`. A public comment is shown to the customer.
pub(crate) fn comments(visit: &mut Visit<'_>, ticket: &str) -> Outcome {
    visit.org.find(TICKETS, ticket).ok_or_else(not_found)?;
    match visit.call.method.as_str() {
        "GET" => {
            need(visit, &["Desk.tickets.READ"])?;
            let is_of = |row: &&Record| row.get("ticketId").and_then(Value::as_str) == Some(ticket);
            let rows: Vec<&Record> = visit.org.shelf(COMMENTS).iter().filter(is_of).collect();
            if rows.is_empty() {
                return Ok(Reply::empty(204));
            }
            Ok(Reply::json(200, &json!({"data": rows})))
        }
        "POST" => {
            // Zoho asks for either of these; a comment is a change of its ticket.
            need(visit, &["Desk.tickets.UPDATE", "Desk.tickets.CREATE"])?;
            let mut comment = sent(visit.call)?;
            if comment.get("content").and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(invalid("content", "missing"));
            }
            comment.insert("ticketId".to_owned(), json!(ticket));
            comment.insert("commentedTime".to_owned(), json!(iso(visit.now)));
            comment.entry("isPublic").or_insert(json!(false));
            let made = visit.org.put(COMMENTS, comment);
            Ok(Reply::json(200, &Value::Object(made)))
        }
        _ => Err(wrong_method()),
    }
}

/// Answers `/tickets/{id}/comments/{comment}`.
pub(crate) fn comment(visit: &mut Visit<'_>, ticket: &str, comment: &str) -> Outcome {
    let of_ticket = |row: &&Record| row.get("ticketId").and_then(Value::as_str) == Some(ticket);
    let found = visit.org.find(COMMENTS, comment).filter(of_ticket).ok_or_else(not_found)?.clone();
    match visit.call.method.as_str() {
        "GET" => {
            need(visit, &["Desk.tickets.READ"])?;
            Ok(Reply::json(200, &Value::Object(found)))
        }
        "DELETE" => {
            need(visit, &["Desk.tickets.UPDATE", "Desk.tickets.DELETE"])?;
            visit.org.take(COMMENTS, comment);
            Ok(Reply::empty(204))
        }
        _ => Err(wrong_method()),
    }
}

/// Answers `POST /tickets/{id}/sendReply`: it leaves the organization.
pub(crate) fn send_reply(visit: &mut Visit<'_>, ticket: &str) -> Outcome {
    only(visit, &Method::POST)?;
    // A reply is a change of its ticket: `CREATE` is not enough, as the field found out.
    need(visit, &["Desk.tickets.UPDATE"])?;
    visit.org.find(TICKETS, ticket).ok_or_else(not_found)?;
    let sent = sent(visit.call)?;
    visit.org.accepted.push(("desk_reply".to_owned(), json!({"ticketId": ticket, "reply": sent})));
    Ok(Reply::json(200, &json!({"status": "SUCCESS", "direction": "out", "ticketId": ticket})))
}
