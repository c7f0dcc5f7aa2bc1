//! The data at start: believable, the same at every start, and different in every org.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::config::{Environment, OrgSpec, UserSpec};
use crate::instant::iso;
use crate::region::Region;
use crate::schema;
use crate::world::{Org, Record};
use crate::{books, desk, marketing, workdrive};

/// 2026-01-05T08:00:00Z: when the first record was made; each next one is an hour younger.
const FIRST_RECORD_MS: u64 = 1_767_600_000_000;
const HOUR_MS: u64 = 3_600_000;

const PEOPLE: [(&str, &str, &str); 25] = [
    ("Ada", "Moreau", "Northwind Optics"),
    ("Bela", "Kiss", "Danube Mills"),
    ("Chiara", "Rossi", "Lago Foods"),
    ("Dmitri", "Volkov", "Baltic Freight"),
    ("Elena", "Garcia", "Sol Energy"),
    ("Farid", "Haddad", "Cedar Logistics"),
    ("Greta", "Lindqvist", "Fjord Timber"),
    ("Hugo", "Dubois", "Atelier Dubois"),
    ("Ines", "Almeida", "Porto Ceramics"),
    ("Jonas", "Weber", "Weber Maschinen"),
    ("Keiko", "Tanaka", "Tanaka Precision"),
    ("Liam", "O'Brien", "Shannon Software"),
    ("Mira", "Patel", "Indus Textiles"),
    ("Noah", "Smith", "Smith & Sons"),
    ("Olga", "Novak", "Vltava Glass"),
    ("Pavel", "Dvorak", "Moravia Tools"),
    ("Quinn", "Taylor", "Maple Robotics"),
    ("Rosa", "Fernandez", "Andes Coffee"),
    ("Sven", "Hansen", "Hansen Marine"),
    ("Tara", "Singh", "Punjab Agro"),
    ("Ugo", "Bianchi", "Bianchi Tessuti"),
    ("Vera", "Petrova", "Rila Water"),
    ("Wei", "Zhang", "Harbour Trading"),
    ("Yara", "Costa", "Atlantic Cork"),
    ("Zoe", "Müller", "Alpen Sport"),
];

/// Returns one company per region, and a second one in the EU for whoever connects the wrong org.
pub(crate) fn orgs() -> Vec<OrgSpec> {
    let org = |region, zgid: &str, company: &str| OrgSpec { region, zgid: zgid.into(), company: company.into() };
    vec![
        org(Region::Us, "10071234567", "Acme US Inc"),
        org(Region::Eu, "20071234567", "Acme EU GmbH"),
        org(Region::Eu, "20079876543", "Other EU SARL"),
        org(Region::In, "60071234567", "Acme India Pvt Ltd"),
        org(Region::Au, "70071234567", "Acme Australia Pty"),
        org(Region::Jp, "90071234567", "Acme Japan KK"),
        org(Region::Cn, "80071234567", "Acme China Ltd"),
        org(Region::Ca, "11071234567", "Acme Canada Ltd"),
        org(Region::Sa, "12071234567", "Acme Saudi LLC"),
    ]
}

/// Returns one user per org: `owner@<region>.acme.example`, and `owner@eu.other.example` for the second company.
pub(crate) fn users() -> Vec<UserSpec> {
    let user = |org: OrgSpec| {
        let company = if org.company.starts_with("Acme") { "acme" } else { "other" };
        UserSpec {
            email: format!("owner@{}.{company}.example", org.region),
            first_name: "Olive".into(),
            last_name: format!("Owner-{}", org.region.code().to_uppercase()),
            region: org.region,
            zgid: org.zgid,
        }
    };
    orgs().into_iter().map(user).collect()
}

/// Builds every org in every environment.
pub(crate) fn build(specs: &[OrgSpec], users: &[UserSpec]) -> Vec<Org> {
    let mut orgs = Vec::new();
    for spec in specs {
        for environment in Environment::ALL {
            let zgid = environment_zgid(&spec.zgid, environment);
            // Ids start with the org's number, so that a record of one org is never taken for one of another.
            let base = 500_000 + orgs.len() as u64 * 1_111;
            let mut org = Org {
                region: spec.region,
                environment,
                zgid,
                company: spec.company.clone(),
                next_id: base * 10_000_000_000_000 + 400_000,
                modules: schema::module_names().map(|name| (name.to_owned(), Vec::new())).collect(),
                deleted: Vec::new(),
                credits_used: 0,
                accepted: Vec::new(),
            };
            let owner = users.iter().find(|user| user.zgid == spec.zgid && user.region == spec.region);
            let owner = owner_of(owner, &org.zgid);
            fill(&mut org, &owner);
            books::seed(&mut org);
            desk::seed(&mut org);
            workdrive::seed(&mut org);
            marketing::seed(&mut org);
            orgs.push(org);
        }
    }
    orgs
}

/// Returns the `zgid` of a company's org in an environment.
pub(crate) fn environment_zgid(production: &str, environment: Environment) -> String {
    let step = match environment {
        Environment::Production => 0,
        Environment::Sandbox => 1,
        Environment::Developer => 2,
    };
    production.parse::<u64>().map_or_else(|_| format!("{production}{step}"), |number| (number + step).to_string())
}

/// Returns a user as records name it.
pub(crate) fn owner_of(user: Option<&UserSpec>, zgid: &str) -> Value {
    let Some(user) = user else {
        return json!({"name": "System", "id": user_id(zgid), "email": "system@acme.example"});
    };
    json!({"name": format!("{} {}", user.first_name, user.last_name), "id": user_id(zgid), "email": user.email})
}

/// Returns the CRM id of the user of a company.
pub(crate) fn user_id(zgid: &str) -> String {
    format!("{zgid}00411001")
}

fn fill(org: &mut Org, owner: &Value) {
    let accounts: Vec<Value> = PEOPLE
        .iter()
        .take(8)
        .map(|(_, _, company)| {
            json!({"Account_Name": company, "Industry": "Manufacturing",
            "Phone": "+49 30 555 0100", "Website": format!("https://{}.example", slug(company))})
        })
        .collect();
    let accounts = add(org, "Accounts", accounts, owner);
    let contacts = PEOPLE.iter().take(12).enumerate().map(|(index, (first, last, company))| {
        json!({"First_Name": first, "Last_Name": last, "Email": email(first, last, company), "Phone": phone(index),
            "Account_Name": accounts.get(index % 8), "Department": "Purchasing"})
    });
    let contacts = add(org, "Contacts", contacts.collect(), owner);
    let stages = ["Qualification", "Needs Analysis", "Proposal/Price Quote", "Closed Won"];
    let deals = (0..10).map(|index| {
        json!({"Deal_Name": format!("{} {}", PEOPLE[index].2, index + 1), "Stage": stages[index % 4],
            "Amount": 1500 * (index + 1), "Closing_Date": format!("2026-{:02}-15", index % 12 + 1),
            "Account_Name": accounts.get(index % 8), "Contact_Name": contacts.get(index % 12)})
    });
    add(org, "Deals", deals.collect(), owner);
    let leads = PEOPLE.iter().enumerate().map(|(index, (first, last, company))| lead(index, first, last, company));
    add(org, "Leads", leads.collect(), owner);
    let tasks = (0..5).map(|index| {
        json!({"Subject": format!("Call {}", PEOPLE[index].0), "Status": "Not Started", "Priority": "High",
            "Due_Date": format!("2026-12-{:02}", index + 1), "Who_Id": contacts.get(index)})
    });
    add(org, "Tasks", tasks.collect(), owner);
}

fn lead(index: usize, first: &str, last: &str, company: &str) -> Value {
    let statuses = ["Not Contacted", "Contacted", "Pre-Qualified", "Lost Lead"];
    json!({
        "First_Name": first, "Last_Name": last, "Company": company, "Email": email(first, last, company),
        "Phone": phone(index), "Mobile": null, "Lead_Status": statuses[index % 4],
        "Lead_Source": if index.is_multiple_of(2) { "Web Download" } else { "Trade Show" },
        "Annual_Revenue": 10_000 * (index + 1), "No_of_Employees": 10 * (index + 1),
        "City": "Berlin", "Country": "Germany", "Email_Opt_Out": false,
        "Description": format!("Met {first} at the fair. Wants an offer for {company}."),
    })
}

/// Adds records with what the provider itself writes, and returns them as lookups.
fn add(org: &mut Org, module: &str, records: Vec<Value>, owner: &Value) -> Vec<Value> {
    let name_field = schema::name_field(module);
    let mut lookups = Vec::new();
    for (index, record) in records.into_iter().enumerate() {
        let Value::Object(mut record) = record else { continue };
        let id = org.make_id();
        let at = iso(FIRST_RECORD_MS + index as u64 * HOUR_MS);
        stamp(&mut record, &id, &at, owner);
        let name = record.get(name_field).cloned().unwrap_or(Value::Null);
        lookups.push(json!({"name": name, "id": id}));
        org.modules.entry(module.to_owned()).or_default().push(record);
    }
    lookups
}

/// Writes the fields that the provider keeps itself.
pub(crate) fn stamp(record: &mut Record, id: &str, at: &str, owner: &Value) {
    let own: BTreeMap<&str, Value> = BTreeMap::from([
        ("id", json!(id)),
        ("Created_Time", json!(at)),
        ("Modified_Time", json!(at)),
        ("Created_By", owner.clone()),
        ("Modified_By", owner.clone()),
    ]);
    for (name, value) in own {
        record.insert(name.to_owned(), value);
    }
    record.entry("Owner").or_insert_with(|| owner.clone());
    let parts = [record.get("First_Name"), record.get("Last_Name")];
    let full_name: Vec<&str> = parts.into_iter().flatten().filter_map(Value::as_str).collect();
    if !full_name.is_empty() {
        record.insert("Full_Name".to_owned(), json!(full_name.join(" ")));
    }
}

fn email(first: &str, last: &str, company: &str) -> String {
    format!("{}.{}@{}.example", slug(first), slug(last), slug(company))
}

fn slug(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

fn phone(index: usize) -> String {
    format!("+49 30 555 {:04}", 1000 + index * 7)
}
