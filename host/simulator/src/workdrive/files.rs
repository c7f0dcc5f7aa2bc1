//! Files and folders: list, get, download, create a folder, and what PATCH does, which is a rename, a move, the trash
//! or the end.

use serde_json::{Value, json};

use super::seed::{FILES, TEAM_FOLDERS};
use super::{document, error, need, not_found, resource};
use crate::api::{Outcome, Visit};
use crate::instant::iso;
use crate::shelf::{members, number};
use crate::wire::{Call, Reply};
use crate::world::Record;

const ACTIVE: &str = "1";
const TRASHED: &str = "51";
const DELETED: &str = "61";

/// Answers `GET /files/{folder}/files` and `GET /teamfolders/{folder}/files`.
pub(crate) fn list(visit: &mut Visit<'_>, folder: &str) -> Outcome {
    need(visit, &["WorkDrive.files.READ"])?;
    if !is_folder(visit, folder) {
        return Err(not_found());
    }
    let limit = number(visit.call, "page[limit]", 50, (1, 1000)).ok_or_else(|| invalid("page[limit]"))?;
    let offset = number(visit.call, "page[offset]", 0, (0, 1_000_000)).ok_or_else(|| invalid("page[offset]"))?;
    let is_in = |file: &&Record| text(file, "parent_id") == folder && text(file, "status") == ACTIVE;
    let rows = visit.org.shelf(FILES).iter().filter(is_in).skip(offset).take(limit);
    let rows: Vec<Value> = rows.map(|file| resource("files", file)).collect();
    Ok(document(200, &Value::Array(rows)))
}

/// Answers `GET /files/{id}`.
pub(crate) fn get(visit: &mut Visit<'_>, id: &str) -> Outcome {
    need(visit, &["WorkDrive.files.READ"])?;
    let found = visit.org.find(FILES, id).ok_or_else(not_found)?;
    Ok(document(200, &resource("files", found)))
}

/// Answers `GET /download/{id}`.
pub(crate) fn download(visit: &mut Visit<'_>, id: &str) -> Outcome {
    need(visit, &["WorkDrive.files.READ"])?;
    let found = visit.org.find(FILES, id).filter(|file| text(file, "type") != "folder").ok_or_else(not_found)?;
    let name = text(found, "name");
    let reply = Reply::new(200, "application/octet-stream", format!("the content of {name}"));
    Ok(reply.with_header("content-disposition", "attachment"))
}

/// Answers `POST /files`: a new folder.
pub(crate) fn create(visit: &mut Visit<'_>) -> Outcome {
    need(visit, &["WorkDrive.files.CREATE"])?;
    let attributes = sent(visit.call)?;
    let (name, parent) = (text(&attributes, "name"), text(&attributes, "parent_id"));
    if name.is_empty() {
        return Err(invalid("name"));
    }
    if !is_folder(visit, parent) {
        return Err(not_found());
    }
    let folder = json!({"name": name, "parent_id": parent, "type": "folder", "is_folder": true, "status": ACTIVE,
        "created_time": iso(visit.now)});
    let made = visit.org.put(FILES, members(folder));
    Ok(document(201, &resource("files", &made)))
}

/// Answers `PATCH /files/{id}`: one method for a harmless and for a destructive change.
pub(crate) fn change(visit: &mut Visit<'_>, id: &str) -> Outcome {
    need(visit, &["WorkDrive.files.UPDATE"])?;
    let attributes = sent(visit.call)?;
    let parent = text(&attributes, "parent_id").to_owned();
    if !parent.is_empty() && !is_folder(visit, &parent) {
        return Err(not_found());
    }
    // Sent as a text and as a number.
    let status = attributes.get("status").map(|value| value.to_string().trim_matches('"').to_owned());
    if status.as_deref().is_some_and(|status| ![ACTIVE, TRASHED, DELETED].contains(&status)) {
        return Err(invalid("status"));
    }
    let found = visit.org.find_mut(FILES, id).ok_or_else(not_found)?;
    if status.as_deref() == Some(DELETED) && text(found, "status") != TRASHED {
        return Err(invalid("status"));
    }
    for (name, value) in attributes.iter().filter(|(name, _)| ["name", "parent_id"].contains(&name.as_str())) {
        found.insert(name.clone(), value.clone());
    }
    if let Some(status) = &status {
        found.insert("status".to_owned(), json!(status));
    }
    let shown = resource("files", found);
    if status.as_deref() == Some(DELETED) {
        visit.org.take(FILES, id);
    }
    Ok(document(200, &shown))
}

/// Returns the attributes that were sent.
fn sent(call: &Call) -> Result<Record, Reply> {
    let mut value: Value = serde_json::from_slice(&call.body).map_err(|_| invalid("data"))?;
    Ok(members(value["data"]["attributes"].take()))
}

fn is_folder(visit: &Visit<'_>, id: &str) -> bool {
    let is_team_folder = visit.org.find(TEAM_FOLDERS, id).is_some();
    is_team_folder || visit.org.find(FILES, id).is_some_and(|file| text(file, "type") == "folder")
}

fn text<'a>(record: &'a Record, name: &str) -> &'a str {
    record.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The real id is not known.
fn invalid(field: &str) -> Reply {
    error(400, "R221", &format!("Invalid value for {field}."))
}
