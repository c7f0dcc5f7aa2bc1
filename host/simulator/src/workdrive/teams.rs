//! The user, the user's team and its team folders.

use serde_json::{Value, json};

use super::seed::{TEAM_FOLDERS, team_id, user_id};
use super::{document, need, not_found, resource};
use crate::api::{Outcome, Visit};

/// Answers `GET /users/me`.
pub(crate) fn me(visit: &mut Visit<'_>) -> Outcome {
    need(visit, &["WorkDrive.users.READ", "WorkDrive.team.READ"])?;
    let email = &visit.session.subject.user;
    let attributes = json!({"email_id": email, "display_name": email, "zuid": user_id(visit.org),
        "edition": "TEAM", "preferred_team_id": team_id(visit.org)});
    Ok(document(200, &json!({"id": user_id(visit.org), "type": "users", "attributes": attributes})))
}

/// Answers `GET /users/{id}/teams`.
pub(crate) fn of_user(visit: &mut Visit<'_>, id: &str) -> Outcome {
    need(visit, &["WorkDrive.team.READ"])?;
    if id != user_id(visit.org) && id != "me" {
        return Err(not_found());
    }
    Ok(document(200, &json!([show(visit)])))
}

/// Answers `GET /teams/{id}`.
pub(crate) fn team(visit: &mut Visit<'_>, id: &str) -> Outcome {
    need(visit, &["WorkDrive.team.READ"])?;
    own(visit, id)?;
    Ok(document(200, &show(visit)))
}

/// Answers `GET /teams/{id}/teamfolders`.
pub(crate) fn folders(visit: &mut Visit<'_>, id: &str) -> Outcome {
    need(visit, &["WorkDrive.teamfolders.READ"])?;
    own(visit, id)?;
    let rows: Vec<Value> =
        visit.org.shelf(TEAM_FOLDERS).iter().map(|folder| resource("teamfolders", folder)).collect();
    Ok(document(200, &Value::Array(rows)))
}

/// Answers `GET /teamfolders/{id}`.
pub(crate) fn folder(visit: &mut Visit<'_>, id: &str) -> Outcome {
    need(visit, &["WorkDrive.teamfolders.READ"])?;
    let found = visit.org.find(TEAM_FOLDERS, id).ok_or_else(not_found)?;
    Ok(document(200, &resource("teamfolders", found)))
}

fn own(visit: &Visit<'_>, team: &str) -> Result<(), crate::wire::Reply> {
    if team == team_id(visit.org) { Ok(()) } else { Err(not_found()) }
}

fn show(visit: &Visit<'_>) -> Value {
    json!({"id": team_id(visit.org), "type": "teams", "attributes": {"name": visit.org.company, "status": 1,
        "is_partner": false, "edition": "TEAM"}})
}
