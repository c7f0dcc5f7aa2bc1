//! The organizations of a company, and their records at start.

use serde_json::{Value, json};

use super::kind::Kind;
use crate::region::Region;
use crate::shelf::members;
use crate::world::{Org, record_id};

/// Returns the organizations that the users of a company reach. The first has the org's `zgid` as its id; in the EU
/// there is a second, whose id has a `2` behind it, for whoever names the wrong one.
pub(crate) fn organizations(org: &Org) -> Vec<Value> {
    let names = [("", ""), ("2", " Services")];
    let count = if org.region == Region::Eu { 2 } else { 1 };
    let one = |(index, (digit, part)): (usize, &(&str, &str))| {
        json!({"organization_id": format!("{}{digit}", org.zgid), "name": format!("{}{part}", org.company),
            "is_default_org": index == 0, "account_created_date": "2026-01-05", "time_zone": "Etc/UTC",
            "language_code": "en", "fiscal_year_start_month": 0, "currency_code": "EUR", "is_org_active": true,
            "plan_type": 12, "plan_name": "PROFESSIONAL"})
    };
    names.iter().take(count).enumerate().map(one).collect()
}

/// Fills the books of every organization; no record of one is like one of another.
pub(crate) fn seed(org: &mut Org) {
    for organization in organizations(org) {
        let id = organization["organization_id"].as_str().unwrap_or_default();
        let company = organization["name"].as_str().unwrap_or_default();
        fill(org, id, company);
    }
}

fn fill(org: &mut Org, organization: &str, company: &str) {
    let customers = ["Northwind Optics", "Danube Mills", "Lago Foods", "Cedar Logistics"];
    for (index, customer) in customers.iter().enumerate() {
        let contact = json!({"contact_name": format!("{customer} ({company})"), "company_name": customer,
            "contact_type": "customer", "email": format!("office{index}@customer.example"), "status": "active",
            "outstanding_receivable_amount": 250 * index, "created_time": "2026-01-05T08:00:00+00:00"});
        let contact = put(org, organization, "contacts", contact);
        let invoice = json!({"invoice_number": format!("INV-{:06}", index + 1), "customer_id": contact,
            "customer_name": format!("{customer} ({company})"), "status": if index == 0 { "draft" } else { "sent" },
            "date": "2026-02-01", "due_date": "2026-03-01", "total": 1200 + 100 * index, "currency_code": "EUR"});
        put(org, organization, "invoices", invoice);
    }
    for (name, rate) in [("Consulting hour", 120), ("Spare part", 45), ("Licence", 900)] {
        put(org, organization, "items", json!({"name": name, "rate": rate, "status": "active", "unit": "pcs"}));
    }
}

/// Puts a record into an organization, and returns its id.
fn put(org: &mut Org, organization: &str, kind: &str, record: Value) -> String {
    let Some(kind) = Kind::named(kind) else { return String::new() };
    let record = org.put(&kind.shelf(organization), members(record));
    record_id(&record).to_owned()
}
