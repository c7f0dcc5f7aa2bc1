//! The ad accounts' objects at start: the same at every start, and different in every account.

use serde_json::{Map, Value, json};

use super::world::{Kind, Object};

/// The accounts, each with a name and its number of campaigns.
pub(crate) const ACCOUNTS: [(&str, &str, u64); 3] =
    [("111", "Acme Shoes", 4), ("222", "Acme Bikes", 2), ("999", "Other Hats", 2)];

/// Returns an ad account as an object.
pub(crate) fn account(id: &str) -> Option<Value> {
    let (_, name, _) = ACCOUNTS.into_iter().find(|(known, _, _)| *known == id)?;
    Some(json!({
        "id": format!("act_{id}"), "account_id": id, "name": name, "account_status": 1, "currency": "EUR",
        "timezone_name": "Europe/Berlin", "amount_spent": "120000", "balance": "0",
    }))
}

/// Returns the campaigns, ad sets, ads and creatives of every account.
pub(crate) fn objects() -> Vec<Object> {
    let mut objects = Vec::new();
    for (account, name, campaigns) in ACCOUNTS {
        for number in 1..=campaigns {
            // Ids hold the account, so that an object of one is never taken for one of another.
            let id = |kind: u64| format!("120{account}00000{kind}{number:04}");
            let mut add = |kind: Kind, id: String, above: &[String], fields: &Value| {
                let fields = fields.as_object().cloned().unwrap_or_default();
                objects.push(object(id, kind, account, above, fields));
            };
            let (campaign, adset, ad, creative) = (id(1), id(2), id(3), id(4));
            let status = if number.is_multiple_of(2) { "PAUSED" } else { "ACTIVE" };
            let fields = json!({
                "name": format!("{name} {number}"), "status": status, "effective_status": status,
                "objective": "OUTCOME_TRAFFIC", "daily_budget": (number * 1000).to_string(),
                "special_ad_categories": [],
            });
            add(Kind::Campaign, campaign.clone(), &[], &fields);
            let fields = json!({
                "name": format!("{name} set {number}"), "status": status, "campaign_id": campaign,
                "daily_budget": (number * 1000).to_string(), "billing_event": "IMPRESSIONS",
                "optimization_goal": "LINK_CLICKS",
            });
            add(Kind::AdSet, adset.clone(), std::slice::from_ref(&campaign), &fields);
            let fields = json!({"name": format!("{name} creative {number}"), "status": "ACTIVE"});
            add(Kind::Creative, creative.clone(), &[], &fields);
            let fields = json!({
                "name": format!("{name} ad {number}"), "status": status, "campaign_id": campaign,
                "adset_id": adset, "creative": {"id": creative},
            });
            add(Kind::Ad, ad, &[campaign.clone(), adset], &fields);
        }
    }
    objects
}

/// Makes an object; its ids are fields as well.
pub(crate) fn object(
    id: String,
    kind: Kind,
    account: &str,
    above: &[String],
    mut fields: Map<String, Value>,
) -> Object {
    fields.insert("id".to_owned(), json!(id));
    fields.insert("account_id".to_owned(), json!(account));
    Object { id, kind, account: account.to_owned(), above: above.to_vec(), fields }
}
