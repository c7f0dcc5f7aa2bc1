//! `WorkDrive` v1, under `/workdrive/api/v1` of the API host (facts 5.2). Bodies are JSON:API.

mod files;
mod seed;
mod teams;

use serde_json::{Value, json};

use crate::api::{Outcome, Trouble, Visit};
use crate::wire::Reply;
use crate::world::{Record, record_id};
pub(crate) use seed::{seed, team_id};

const MEDIA_TYPE: &str = "application/vnd.api+json;charset=UTF-8";

/// Answers a call.
pub(crate) fn answer(visit: &mut Visit<'_>) -> Outcome {
    let segments = visit.call.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["workdrive", "api", "v1", rest @ ..] = parts.as_slice() else { return Err(no_such_url()) };
    match (visit.call.method.as_str(), rest) {
        ("GET", ["users", "me"]) => teams::me(visit),
        ("GET", ["users", id, "teams"]) => teams::of_user(visit, id),
        ("GET", ["teams", id]) => teams::team(visit, id),
        ("GET", ["teams", id, "teamfolders" | "workspaces"]) => teams::folders(visit, id),
        ("GET", ["teamfolders" | "workspaces", id]) => teams::folder(visit, id),
        ("GET", ["teamfolders" | "workspaces" | "files", id, "files"]) => files::list(visit, id),
        ("GET", ["files", id]) => files::get(visit, id),
        ("GET", ["download", id]) => files::download(visit, id),
        ("POST", ["files"]) => files::create(visit),
        ("PATCH", ["files", id]) => files::change(visit, id),
        _ => Err(no_such_url()),
    }
}

/// Returns `WorkDrive`'s words for what any product can run into. The ids of the last two are not known.
pub(crate) fn trouble(trouble: Trouble) -> Reply {
    match trouble {
        Trouble::NoToken | Trouble::BadToken(_) => error(401, "F7003", "Invalid OAuth token."),
        Trouble::ScopeMismatch => error(401, "F7007", "Invalid OAuth scope."),
        Trouble::TooMany => error(429, "F7008", "Too many requests."),
        Trouble::Internal => error(500, "F000", "Internal server error."),
    }
}

/// Refuses unless one of the scopes is granted.
fn need(visit: &Visit<'_>, any_of: &[&str]) -> Result<(), Reply> {
    let granted = any_of.iter().any(|scope| visit.session.is_granted(&[&[scope]]));
    if granted { Ok(()) } else { Err(trouble(Trouble::ScopeMismatch)) }
}

fn no_such_url() -> Reply {
    error(404, "F6016", "URL Rule is not configured")
}

/// The real id is not known.
fn not_found() -> Reply {
    error(404, "F6004", "Resource does not exist.")
}

fn error(status: u16, id: &str, title: &str) -> Reply {
    Reply::new(status, MEDIA_TYPE, json!({"errors": [{"id": id, "title": title}]}).to_string())
}

fn document(status: u16, data: &Value) -> Reply {
    Reply::new(status, MEDIA_TYPE, json!({"data": data}).to_string())
}

/// Returns a record as a resource object: all but its id are attributes.
fn resource(kind: &str, record: &Record) -> Value {
    let mut attributes = record.clone();
    attributes.remove("id");
    json!({"id": record_id(record), "type": kind, "attributes": attributes})
}
