//! The team of a company, and its folders and files at start.

use serde_json::{Value, json};

use crate::shelf::members;
use crate::world::{Org, record_id};

pub(crate) const TEAM_FOLDERS: &str = "workdrive/teamfolders";
pub(crate) const FILES: &str = "workdrive/files";

/// Returns the id of a company's team.
pub(crate) fn team_id(org: &Org) -> String {
    format!("team{}", hex::encode(&org.zgid))
}

/// Returns the id of the user.
pub(crate) fn user_id(org: &Org) -> String {
    format!("{}7", org.zgid)
}

/// Fills two team folders, one with a folder in it.
pub(crate) fn seed(org: &mut Org) {
    let contracts =
        put(org, TEAM_FOLDERS, json!({"name": "Contracts", "status": "1", "is_public_within_team": false}));
    let fairs = put(org, TEAM_FOLDERS, json!({"name": "Fairs", "status": "1", "is_public_within_team": true}));
    let year = put(org, FILES, folder("2026", &contracts));
    for (name, parent) in [("Frame contract.pdf", &contracts), ("Order 7.pdf", &year), ("Stand plan.png", &fairs)]
    {
        let file = json!({"name": name, "parent_id": parent, "type": "pdf", "is_folder": false, "status": "1",
            "created_time": "2026-01-05T08:00:00+00:00"});
        put(org, FILES, file);
    }
}

fn folder(name: &str, parent: &str) -> Value {
    json!({"name": name, "parent_id": parent, "type": "folder", "is_folder": true, "status": "1",
        "created_time": "2026-01-05T08:00:00+00:00"})
}

fn put(org: &mut Org, shelf: &str, record: Value) -> String {
    record_id(&org.put(shelf, members(record))).to_owned()
}
