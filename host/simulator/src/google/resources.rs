//! The resources of Google Ads that are played, with their names in each of its styles.

use serde_json::Value;

use super::world::{Customer, Row};

/// A kind of resource.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// In paths and resource names.
    pub collection: &'static str,
    /// In GAQL.
    pub snake: &'static str,
    /// In JSON rows, and with `Operation` or `Result` behind it in `googleAds:mutate`.
    pub camel: &'static str,
    /// Fields that a create must have.
    pub required: &'static [&'static str],
    /// The field that names the resource above, and that resource's collection.
    pub parent: Option<(&'static str, &'static str)>,
    /// What GAQL may name, beside `resource_name`.
    pub fields: &'static [&'static str],
    pub has_metrics: bool,
    pub can_be_mutated: bool,
}

const KINDS: [Kind; 7] = [
    Kind {
        collection: "customers",
        snake: "customer",
        camel: "customer",
        required: &[],
        parent: None,
        fields: &["id", "descriptive_name", "currency_code", "time_zone", "manager", "test_account"],
        has_metrics: true,
        can_be_mutated: false,
    },
    Kind {
        collection: "customerClients",
        snake: "customer_client",
        camel: "customerClient",
        required: &[],
        parent: None,
        fields: &["id", "descriptive_name", "client_customer", "level", "manager", "status"],
        has_metrics: false,
        can_be_mutated: false,
    },
    Kind {
        collection: "campaignBudgets",
        snake: "campaign_budget",
        camel: "campaignBudget",
        required: &["amountMicros"],
        parent: None,
        fields: &["id", "name", "amount_micros", "delivery_method", "status"],
        has_metrics: true,
        can_be_mutated: true,
    },
    Kind {
        collection: "campaigns",
        snake: "campaign",
        camel: "campaign",
        required: &["name", "advertisingChannelType", "campaignBudget"],
        parent: Some(("campaignBudget", "campaignBudgets")),
        fields: &["id", "name", "status", "advertising_channel_type", "campaign_budget", "start_date", "end_date"],
        has_metrics: true,
        can_be_mutated: true,
    },
    Kind {
        collection: "adGroups",
        snake: "ad_group",
        camel: "adGroup",
        required: &["name", "campaign"],
        parent: Some(("campaign", "campaigns")),
        fields: &["id", "name", "status", "campaign", "cpc_bid_micros", "type"],
        has_metrics: true,
        can_be_mutated: true,
    },
    Kind {
        collection: "adGroupAds",
        snake: "ad_group_ad",
        camel: "adGroupAd",
        required: &["adGroup", "ad"],
        parent: Some(("adGroup", "adGroups")),
        fields: &["status", "ad_group", "ad.id", "ad.name", "ad.final_urls"],
        has_metrics: true,
        can_be_mutated: true,
    },
    Kind {
        collection: "adGroupCriteria",
        snake: "ad_group_criterion",
        camel: "adGroupCriterion",
        required: &["adGroup"],
        parent: Some(("adGroup", "adGroups")),
        fields: &["criterion_id", "status", "ad_group", "keyword.text", "keyword.match_type"],
        has_metrics: true,
        can_be_mutated: true,
    },
];

/// Returns every kind.
pub(crate) fn all() -> impl Iterator<Item = &'static Kind> {
    KINDS.iter()
}

pub(crate) fn of_collection(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.collection == name)
}

pub(crate) fn of_snake(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.snake == name)
}

/// Returns the kind of a `mutateOperations` member, such as `campaignOperation`.
pub(crate) fn of_operation(name: &str) -> Option<&'static Kind> {
    let camel = name.strip_suffix("Operation")?;
    KINDS.iter().find(|kind| kind.camel == camel && kind.can_be_mutated)
}

/// Returns a row's resource name.
pub(crate) fn name_of(row: &Row) -> &str {
    row.get("resourceName").and_then(Value::as_str).unwrap_or_default()
}

/// Returns `ad_group` as `adGroup`.
pub(crate) fn camel(snake: &str) -> String {
    let mut parts = snake.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut text, part| {
        let mut characters = part.chars();
        text.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        text.extend(characters);
        text
    })
}

/// Returns a row with the rows above it and its customer, each under its name in JSON.
pub(crate) fn joined(customer: &Customer, kind: &Kind, row: &Row) -> Row {
    let mut all = Row::new();
    let (mut kind, mut row) = (kind, row);
    loop {
        all.insert(kind.camel.to_owned(), Value::Object(row.clone()));
        let Some((field, collection)) = kind.parent else { break };
        let name = row.get(field).and_then(Value::as_str).unwrap_or_default();
        let above = customer.rows.get(collection).into_iter().flatten().find(|above| name_of(above) == name);
        let (Some(above), Some(above_kind)) = (above, of_collection(collection)) else { break };
        (kind, row) = (above_kind, above);
    }
    if let Some(own) = customer.rows.get("customers").and_then(|rows| rows.first()) {
        all.insert("customer".to_owned(), Value::Object(own.clone()));
    }
    all
}
