//! What a company has in Marketing Automation at start.

use serde_json::{Value, json};

use crate::shelf::members;
use crate::world::Org;

/// Fills lists, campaigns, journeys and the web assistant. No list has leads.
pub(crate) fn seed(org: &mut Org) {
    for name in ["Newsletter", "Fair visitors"] {
        put(org, "lists", json!({"listname": name, "listtype": "private", "noofcontacts": "0"}));
    }
    for (name, status) in [("Spring mailing", "Sent"), ("Autumn mailing", "Draft")] {
        put(org, "campaigns", json!({"campaign_name": name, "campaign_status": status, "campaigntype": "Normal"}));
    }
    put(org, "journeys", json!({"journey_name": "Welcome", "journey_status": "Running"}));
    put(org, "assistants", json!({"name": org.company, "website": "https://acme.example"}));
}

fn put(org: &mut Org, shelf: &str, record: Value) {
    org.put(&format!("marketing/{shelf}"), members(record));
}
