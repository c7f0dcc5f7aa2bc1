//! The customers at start: the same at every start, and different from each other.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::world::{Customer, Row};

/// Returns a manager with two clients, and somebody else's manager with one.
pub(crate) fn customers() -> BTreeMap<String, Customer> {
    let all = [
        manager("1000000000", "Acme Agency", &["1111111111", "2222222222"]),
        client("1111111111", "Acme Shoes", 3),
        client("2222222222", "Acme Bikes", 2),
        manager("9000000000", "Other Agency", &["9999999999"]),
        client("9999999999", "Other Hats", 2),
    ];
    all.into_iter().map(|customer| (customer.id.clone(), customer)).collect()
}

fn manager(id: &str, name: &str, clients: &[&str]) -> Customer {
    let mut customer = empty(id, name, true);
    customer.clients = clients.iter().map(|client| (*client).to_owned()).collect();
    let rows = clients.iter().map(|client| {
        row(json!({
            "resourceName": format!("customers/{id}/customerClients/{client}"),
            "clientCustomer": format!("customers/{client}"),
            "id": client, "descriptiveName": format!("Client {client}"), "level": "1", "manager": false,
            "status": "ENABLED",
        }))
    });
    customer.rows.insert("customerClients", rows.collect());
    customer
}

fn client(id: &str, name: &str, campaigns: u64) -> Customer {
    let mut customer = empty(id, name, false);
    // Ids start with the customer's first digit, so that a row of one is never taken for one of another.
    let base = id[..1].parse::<u64>().unwrap_or(1) * 1_000_000;
    customer.next_id = base + 900_000;
    for number in 1..=campaigns {
        add_campaign(&mut customer, name, base + number * 100, number);
    }
    customer
}

fn add_campaign(customer: &mut Customer, name: &str, id: u64, number: u64) {
    let at = format!("customers/{}", customer.id);
    let (budget, campaign) = (format!("{at}/campaignBudgets/{}", id + 1), format!("{at}/campaigns/{id}"));
    let status = if number.is_multiple_of(2) { "PAUSED" } else { "ENABLED" };
    let rows = customer.rows.entry("campaignBudgets").or_default();
    rows.push(row(json!({
        "resourceName": budget, "id": (id + 1).to_string(), "name": format!("{name} budget {number}"),
        "amountMicros": (number * 10_000_000).to_string(), "deliveryMethod": "STANDARD", "status": "ENABLED",
    })));
    let rows = customer.rows.entry("campaigns").or_default();
    rows.push(row(json!({
        "resourceName": campaign, "id": id.to_string(), "name": format!("{name} {number}"), "status": status,
        "advertisingChannelType": "SEARCH", "campaignBudget": budget, "startDate": "2026-01-05",
        "endDate": "2037-12-30",
    })));
    for group in 1..=2 {
        let group_id = id + group * 10;
        let ad_group = format!("{at}/adGroups/{group_id}");
        let rows = customer.rows.entry("adGroups").or_default();
        rows.push(row(json!({
            "resourceName": ad_group, "id": group_id.to_string(), "name": format!("{name} {number}.{group}"),
            "status": "ENABLED", "campaign": campaign, "cpcBidMicros": "500000", "type": "SEARCH_STANDARD",
        })));
        let rows = customer.rows.entry("adGroupAds").or_default();
        rows.push(row(json!({
            "resourceName": format!("{at}/adGroupAds/{group_id}~{}", group_id + 1), "status": "ENABLED",
            "adGroup": ad_group, "ad": {"id": (group_id + 1).to_string(), "name": format!("Ad {number}.{group}"),
                "finalUrls": ["https://www.example.com/"]},
        })));
        let rows = customer.rows.entry("adGroupCriteria").or_default();
        rows.push(row(json!({
            "resourceName": format!("{at}/adGroupCriteria/{group_id}~{}", group_id + 2), "status": "ENABLED",
            "criterionId": (group_id + 2).to_string(), "adGroup": ad_group,
            "keyword": {"text": name.to_lowercase(), "matchType": "PHRASE"},
        })));
    }
}

fn empty(id: &str, name: &str, manager: bool) -> Customer {
    let own = row(json!({
        "resourceName": format!("customers/{id}"), "id": id, "descriptiveName": name, "currencyCode": "EUR",
        "timeZone": "Europe/Berlin", "manager": manager, "testAccount": false,
    }));
    Customer {
        id: id.to_owned(),
        manager,
        clients: Vec::new(),
        rows: BTreeMap::from([("customers", vec![own])]),
        next_id: 0,
    }
}

fn row(value: Value) -> Row {
    match value {
        Value::Object(row) => row,
        _ => Row::new(),
    }
}
