//! Zoho Desk v1, on hosts of its own (facts 5.2).
//!
//! A token is bound to one portal at consent. The header `orgId` may be left out, but a wrong one is refused. An empty
//! list is a 204.

mod records;
mod seed;
mod tickets;

use http::Method;
use serde_json::{Value, json};

use crate::api::{Outcome, Trouble, Visit};
use crate::quirks::BadTokenAnswer;
use crate::seed::user_id;
use crate::wire::Reply;
use crate::world::record_id;
use records::Kind;
pub(crate) use seed::{portal_id, seed};

/// Answers a call.
pub(crate) fn answer(visit: &mut Visit<'_>) -> Outcome {
    if !visit.switches.api_access {
        return Err(error(403, "LICENSE_ACCESS_LIMITED", "Your licence does not allow this."));
    }
    let segments = visit.call.segments();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["api", "v1", rest @ ..] = parts.as_slice() else { return Err(no_such_url()) };
    if let ["organizations" | "accessibleOrganizations"] = rest {
        only(visit, &Method::GET)?;
        need(visit, &["Desk.basic.READ", "Desk.settings.READ"])?;
        return Ok(Reply::json(200, &json!({"data": [portal(visit)]})));
    }
    let portal = portal_id(visit.org);
    if visit.call.header("orgid").is_some_and(|asked| asked != portal) {
        return Err(error(
            403,
            "OAUTH_ORG_MISMATCH",
            "The OAuth token is not valid for the specified organization.",
        ));
    }
    match rest {
        ["organizations", id] if *id == portal => {
            only(visit, &Method::GET)?;
            need(visit, &["Desk.basic.READ", "Desk.settings.READ"])?;
            Ok(Reply::json(200, &self::portal(visit)))
        }
        ["myinfo"] => {
            only(visit, &Method::GET)?;
            need(visit, &["Desk.basic.READ", "Desk.settings.READ"])?;
            Ok(Reply::json(200, &agent(visit)))
        }
        ["tickets", "moveToTrash"] => tickets::move_to_trash(visit),
        ["tickets", id, "comments"] => tickets::comments(visit, id),
        ["tickets", id, "comments", comment] => tickets::comment(visit, id, comment),
        ["tickets", id, "sendReply"] => tickets::send_reply(visit, id),
        [name] => records::all(visit, Kind::named(name).ok_or_else(no_such_url)?),
        [name, id] => records::one(visit, Kind::named(name).ok_or_else(no_such_url)?, id),
        _ => Err(no_such_url()),
    }
}

/// Returns Desk's words for what any product can run into.
pub(crate) fn trouble(trouble: Trouble) -> Reply {
    match trouble {
        Trouble::NoToken | Trouble::BadToken(BadTokenAnswer::AuthenticationFailure) => {
            error(401, "UNAUTHORIZED", "You are not authenticated to perform this operation.")
        }
        Trouble::BadToken(BadTokenAnswer::InvalidToken) => {
            error(401, "INVALID_OAUTH", "The OAuth Token you provided is invalid.")
        }
        Trouble::ScopeMismatch => {
            error(403, "SCOPE_MISMATCH", "The scope of the OAuth token does not allow this.")
        }
        Trouble::TooMany => error(429, "THRESHOLD_EXCEEDED", "You have exceeded the credits of the day."),
        Trouble::Internal => error(500, "INTERNAL_SERVER_ERROR", "An internal error occurred."),
    }
}

/// Refuses unless one of the scopes is granted.
fn need(visit: &Visit<'_>, any_of: &[&str]) -> Result<(), Reply> {
    let granted = any_of.iter().any(|scope| visit.session.is_granted(&[&[scope]]));
    if granted { Ok(()) } else { Err(trouble(Trouble::ScopeMismatch)) }
}

fn only(visit: &Visit<'_>, method: &Method) -> Result<(), Reply> {
    if visit.call.method == *method { Ok(()) } else { Err(wrong_method()) }
}

fn portal(visit: &Visit<'_>) -> Value {
    let org = &visit.org;
    json!({"id": portal_id(org), "companyName": org.company, "portalName": format!("acme{}", org.zgid),
        "isAdminInOrg": true, "isDefault": true, "edition": "ENTERPRISE", "isSandboxPortal": false})
}

/// The agent whose token it is, in the shape that Desk documents of agents.
fn agent(visit: &Visit<'_>) -> Value {
    let (org, email) = (&visit.org, &visit.session.subject.user);
    let departments: Vec<&str> = org.shelf("desk/departments").iter().map(record_id).collect();
    json!({"id": user_id(&org.zgid), "zuid": format!("{}7", org.zgid), "emailId": email, "name": email,
        "firstName": null, "lastName": email, "status": "ACTIVE", "isConfirmed": true, "rolePermissionType": "Admin",
        "roleId": format!("{}1", org.zgid), "profileId": format!("{}2", org.zgid), "phone": "", "mobile": "", "extn": "",
        "photoURL": null, "aboutInfo": null, "langCode": "en_US", "countryCode": "en_US", "timeZone": "UTC",
        "channelExpert": [], "associatedDepartmentIds": departments})
}

fn no_such_url() -> Reply {
    error(404, "URL_NOT_FOUND", "The URL you requested could not be found.")
}

fn not_found() -> Reply {
    error(404, "RESOURCE_NOT_FOUND", "The resource you requested does not exist.")
}

fn wrong_method() -> Reply {
    error(405, "METHOD_NOT_ALLOWED", "The method is not allowed for this URL.")
}

/// Returns the refusal of a body; `kind` is `missing` or `invalid`.
fn invalid(field: &str, kind: &str) -> Reply {
    let errors = json!([{"fieldName": format!("/{field}"), "errorType": kind, "errorMessage": ""}]);
    let message = "The data is invalid due to validation restrictions";
    Reply::json(422, &json!({"errorCode": "INVALID_DATA", "message": message, "errors": errors}))
}

fn error(status: u16, code: &str, message: &str) -> Reply {
    Reply::json(status, &json!({"errorCode": code, "message": message}))
}
