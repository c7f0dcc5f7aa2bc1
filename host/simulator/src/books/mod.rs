//! Zoho Books v3, under `/books/v3` of the API host (facts 5.2).
//!
//! A grant reaches every organization of its user: `organization_id` in the query says which, and all calls but
//! `/organizations` need it. Success is `"code": 0`. Missing scopes and bad tokens share code 57.

mod kind;
mod records;
mod seed;

use http::Method;
use serde_json::{Value, json};

use crate::api::{Outcome, Trouble, Visit};
use crate::quirks::{BadTokenAnswer, BooksLimit};
use crate::seed::user_id;
use crate::wire::Reply;
use kind::Kind;
pub(crate) use seed::{organizations, seed};

/// Answers a call.
pub(crate) fn answer(visit: &mut Visit<'_>) -> Outcome {
    let segments = visit.call.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["books", "v3", rest @ ..] = parts.as_slice() else { return Err(no_such_url()) };
    if rest == ["organizations"] && visit.call.method == Method::GET {
        need(visit, "settings", "READ")?;
        return Ok(list_organizations(visit));
    }
    let organization = organization(visit)?;
    if let ["organizations", id] = rest {
        need(visit, "settings", "READ")?;
        let found = organizations(visit.org).into_iter().find(|one| one["organization_id"] == *id);
        let found = found.ok_or_else(|| not_associated(id))?;
        return Ok(success(200, "success", &json!({"organization": found})));
    }
    if rest == ["users", "me"] && visit.call.method == Method::GET {
        need(visit, "settings", "READ")?;
        return Ok(success(200, "success", &json!({"user": current_user(visit)})));
    }
    let (Some(kind), rest) = (rest.first().and_then(|name| Kind::named(name)), rest.get(1..).unwrap_or_default())
    else {
        return Err(no_such_url());
    };
    match (visit.call.method.as_str(), rest) {
        ("GET", []) => records::list(visit, &organization, kind),
        ("POST", []) => records::create(visit, &organization, kind),
        ("GET", [id]) => records::get(visit, &organization, kind, id),
        ("PUT", [id]) => records::update(visit, &organization, kind, id),
        ("DELETE", [id]) => records::delete(visit, &organization, kind, id),
        ("POST", [id, "status", status]) => records::change_status(visit, &organization, kind, id, status),
        ("POST", [id, "email"]) => records::email(visit, &organization, kind, id),
        _ => Err(no_such_url()),
    }
}

/// Returns Books' words for what any product can run into.
pub(crate) fn trouble(trouble: Trouble, limit: BooksLimit) -> Reply {
    let unauthorized = (401, 57, "You are not authorized to perform this operation");
    let (status, code, message) = match trouble {
        Trouble::NoToken | Trouble::ScopeMismatch | Trouble::BadToken(BadTokenAnswer::InvalidToken) => {
            unauthorized
        }
        Trouble::BadToken(BadTokenAnswer::AuthenticationFailure) => {
            (401, 14, "Invalid value passed for authtoken.")
        }
        Trouble::TooMany => match limit {
            BooksLimit::Minute => (429, 44, "You have been blocked as you have exceeded the calls per minute."),
            BooksLimit::Day => (429, 45, "You have exceeded the maximum call rate limit of the day."),
            BooksLimit::Concurrency => (429, 1070, "You have exceeded the maximum number of calls at once."),
        },
        Trouble::Internal => (500, 1000, "Internal error"),
    };
    error(status, code, message)
}

/// Refuses unless the operation on a family of scopes is granted.
fn need(visit: &Visit<'_>, family: &str, operation: &str) -> Result<(), Reply> {
    let scope = format!("ZohoBooks.{family}.{operation}");
    if visit.session.is_granted(&[&[scope.as_str()], &["ZohoBooks.fullaccess.ALL"]]) {
        return Ok(());
    }
    Err(trouble(Trouble::ScopeMismatch, visit.switches.books_limit))
}

/// Returns the organization of a call, which must be one of the user's.
fn organization(visit: &Visit<'_>) -> Result<String, Reply> {
    let asked = visit.call.parameter("organization_id").ok_or_else(|| invalid("organization_id"))?;
    let is_own = organizations(visit.org).iter().any(|one| one["organization_id"] == asked);
    if is_own { Ok(asked.to_owned()) } else { Err(not_associated(asked)) }
}

fn list_organizations(visit: &Visit<'_>) -> Reply {
    success(200, "success", &json!({"organizations": organizations(visit.org)}))
}

/// The user of the token, in the shape that the page on users documents.
fn current_user(visit: &Visit<'_>) -> Value {
    let email = &visit.session.subject.user;
    json!({"user_id": user_id(&visit.org.zgid), "name": email, "status": "active", "user_role": "admin",
        "user_type": "zoho", "role_id": format!("{}6005", visit.org.zgid), "is_current_user": true,
        "email_ids": [{"email": email, "is_selected": true}], "created_time": "2026-01-05", "photo_url": ""})
}

fn not_associated(organization: &str) -> Reply {
    let message = format!("This user is not associated with the CompanyID/CompanyName:{organization}.");
    error(400, 6041, &message)
}

fn invalid(parameter: &str) -> Reply {
    error(400, 2, &format!("Invalid value passed for {parameter}"))
}

fn no_such_url() -> Reply {
    error(404, 5, "Invalid URL Passed")
}

fn success(status: u16, message: &str, members: &Value) -> Reply {
    let mut body = json!({"code": 0, "message": message});
    for (name, value) in members.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    Reply::json(status, &body)
}

fn error(status: u16, code: u32, message: &str) -> Reply {
    Reply::json(status, &json!({"code": code, "message": message}))
}
