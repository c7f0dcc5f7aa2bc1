//! The portal of a company, and its records at start.

use serde_json::{Value, json};

use crate::shelf::members;
use crate::world::{Org, record_id};

/// Returns the id of a company's portal, which is not its `zgid`.
pub(crate) fn portal_id(org: &Org) -> String {
    format!("7{}", org.zgid)
}

/// Fills the portal. There are no trashed tickets and no comments at start.
pub(crate) fn seed(org: &mut Org) {
    let departments: Vec<String> = ["Support", "Repairs"]
        .into_iter()
        .map(|name| {
            put(org, "desk/departments", json!({"name": name, "isEnabled": true, "isDefault": name == "Support"}))
        })
        .collect();
    for (index, (first, last)) in [("Ada", "Moreau"), ("Bela", "Kiss"), ("Chiara", "Rossi")].iter().enumerate() {
        let contact = json!({"firstName": first, "lastName": last, "email": format!("{first}@customer.example"),
            "phone": "+49 30 555 0199", "createdTime": "2026-01-05T08:00:00.000Z"});
        let contact = put(org, "desk/contacts", contact);
        for (number, department) in departments.iter().enumerate() {
            let ticket = json!({"ticketNumber": format!("{}", 101 + index * 2 + number),
                "subject": format!("{first} asks about order {number}"), "contactId": contact,
                "departmentId": department, "status": if number == 0 { "Open" } else { "On Hold" },
                "priority": "Medium", "channel": "Email", "createdTime": "2026-01-06T08:00:00.000Z"});
            put(org, "desk/tickets", ticket);
        }
    }
}

fn put(org: &mut Org, shelf: &str, record: Value) -> String {
    record_id(&org.put(shelf, members(record))).to_owned()
}
