//! The Google Ads API.

use serde_json::{Value, json};
use wardlock_simulator::{ApiAnswer, EchoPart, EchoToken};

use super::{DEVELOPER_TOKEN, Google, MANAGER, SHOES};
use crate::support::{Answer, text};

/// A token, headers, and the status and code that they get.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], u16, &'a str);

fn ads_error(answer: &Answer) -> String {
    let codes = answer.json()["error"]["details"][0]["errors"][0]["errorCode"].clone();
    codes.as_object().and_then(|codes| codes.values().next()?.as_str().map(str::to_owned)).unwrap_or_default()
}

#[tokio::test]
async fn a_call_needs_token_developer_token_and_manager() {
    let google = Google::start().await;
    let token = text(&google.connect().await, "access_token");
    let path = format!("/v26/customers/{SHOES}/googleAds:search");
    let body = json!({"query": "SELECT campaign.id FROM campaign"});
    let (developer, manager) = (("developer-token", DEVELOPER_TOKEN), ("login-customer-id", MANAGER));
    let cases: [Case<'_>; 6] = [
        (&token, &[developer, manager], 200, ""),
        ("ya29.unknown", &[developer, manager], 401, ""),
        (&token, &[manager], 403, "DEVELOPER_TOKEN_PARAMETER_MISSING"),
        (&token, &[("developer-token", "other"), manager], 403, "DEVELOPER_TOKEN_INVALID"),
        (&token, &[developer], 403, "USER_PERMISSION_DENIED"),
        (&token, &[developer, ("login-customer-id", "9000000000")], 403, "USER_PERMISSION_DENIED"),
    ];
    for (token, headers, status, code) in cases {
        let answer = google.post_with(token, headers, &path, &body).await;
        assert_eq!((answer.status, ads_error(&answer).as_str()), (status, code), "{headers:?}");
        assert!(answer.headers.contains_key("request-id"));
    }
    let foreign = google.post(&token, "/v26/customers/9999999999/googleAds:search", &body).await;
    assert_eq!(ads_error(&foreign), "USER_PERMISSION_DENIED");
    let direct = text(&google.connect_as("direct@google.example").await, "access_token");
    let direct =
        google.post_with(&direct, &[developer], "/v21/customers/2222222222/googleAds:search", &body).await;
    assert_eq!(direct.status, 200);
    assert_eq!(google.post(&token, &path.replace("v26", "v20"), &body).await.status, 404);
}

#[tokio::test]
async fn customers_are_listed_as_far_as_they_are_reached_directly() {
    let google = Google::start().await;
    let token = text(&google.connect().await, "access_token");
    let request = google.0.http.get("https://googleads.googleapis.com/v26/customers:listAccessibleCustomers");
    let request = request.bearer_auth(&token).header("developer-token", DEVELOPER_TOKEN);
    assert_eq!(google.0.send(request).await.json(), json!({"resourceNames": ["customers/1000000000"]}));
    let path = format!("/v26/customers/{MANAGER}/googleAds:search");
    let clients = json!({"query": "SELECT customer_client.id FROM customer_client"});
    let clients = google.post(&token, &path, &clients).await.json();
    assert_eq!(clients["results"][0]["customerClient"]["id"], SHOES);
}

#[tokio::test]
async fn a_search_selects_joins_filters_and_orders() {
    let google = Google::start().await;
    let token = text(&google.connect().await, "access_token");
    let query = "SELECT campaign.name, campaign_budget.amount_micros, customer.descriptive_name, metrics.clicks \
        FROM campaign WHERE campaign.status = 'ENABLED' AND segments.date DURING LAST_30_DAYS \
        ORDER BY campaign.id DESC LIMIT 1";
    let found = google.search(&token, query).await.json();
    let row = &found["results"][0];
    assert_eq!(row["campaign"]["name"], "Acme Shoes 3");
    assert_eq!(row["campaign"]["resourceName"], format!("customers/{SHOES}/campaigns/1000300"));
    assert_eq!(row["campaignBudget"]["amountMicros"], "30000000");
    assert_eq!(row["customer"]["descriptiveName"], "Acme Shoes");
    assert!(row["metrics"]["clicks"].is_string());
    assert_eq!(
        found["fieldMask"],
        "campaign.name,campaignBudget.amountMicros,customer.descriptiveName,metrics.clicks"
    );
    let wrong = google.search(&token, "SELECT campaign.colour FROM campaign").await;
    assert_eq!((wrong.status, ads_error(&wrong).as_str()), (400, "UNRECOGNIZED_FIELD"));
    assert_eq!(wrong.json()["error"]["status"], "INVALID_ARGUMENT");
    assert!(wrong.text.contains("google.ads.googleads.v26.errors.GoogleAdsFailure"));
    let fields = json!({"query": "SELECT name WHERE name = 'campaign.id'"});
    let fields = google.post(&token, "/v26/googleAdsFields:search", &fields).await.json();
    assert_eq!(fields["results"][0]["name"], "campaign.id");
}

#[tokio::test]
async fn rows_come_in_pages_or_as_a_stream() {
    let google = Google::start().await;
    google.0.simulator.switches().change(|all| all.google.page_rows = 2);
    let token = text(&google.connect().await, "access_token");
    let path = format!("/v26/customers/{SHOES}/googleAds:search");
    let query = "SELECT campaign.id FROM campaign";
    let first = google.post(&token, &path, &json!({"query": query})).await.json();
    assert_eq!(first["results"].as_array().unwrap().len(), 2);
    let body = json!({"query": query, "pageToken": first["nextPageToken"]});
    let second = google.post(&token, &path, &body).await.json();
    assert_eq!(second["results"].as_array().unwrap().len(), 1);
    assert_eq!(second["nextPageToken"], Value::Null);
    let chunks = google.post(&token, &format!("{path}Stream"), &json!({"query": query})).await.json();
    let lengths: Vec<usize> =
        chunks.as_array().unwrap().iter().map(|chunk| chunk["results"].as_array().unwrap().len()).collect();
    assert_eq!(lengths, [2, 1]);
    let wrong = google.post(&token, &format!("{path}Stream"), &json!({"query": "no"})).await;
    assert_eq!((wrong.status, &wrong.json()[0]["error"]["code"]), (400, &json!(400)));
}

#[tokio::test]
async fn a_mutate_creates_updates_and_removes() {
    let google = Google::start().await;
    let token = text(&google.connect().await, "access_token");
    let path = format!("/v26/customers/{SHOES}/campaigns:mutate");
    let (campaign, budget) =
        (format!("customers/{SHOES}/campaigns/1000100"), format!("customers/{SHOES}/campaignBudgets/1000101"));
    let created = json!({"name": "New", "advertisingChannelType": "SEARCH", "campaignBudget": budget});
    let body = json!({"operations": [
        {"create": created},
        {"update": {"resourceName": campaign, "name": "Renamed", "status": "PAUSED"}, "updateMask": "name"},
        {"remove": format!("customers/{SHOES}/campaigns/1000200")},
    ]});
    let dry = json!({"operations": body["operations"], "validateOnly": true});
    let dry = google.post(&token, &path, &dry).await;
    assert_eq!((dry.status, dry.text.as_str()), (200, "{}"));
    assert!(google.0.simulator.google().mutations().is_empty());
    let done = google.post(&token, &path, &body).await.json();
    assert_eq!(done["results"][1]["resourceName"], campaign);
    let rows = google.0.simulator.google().rows(SHOES, "campaigns");
    let shown: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["name"].as_str().unwrap(), row["status"].as_str().unwrap())).collect();
    let expect =
        [("Renamed", "ENABLED"), ("Acme Shoes 2", "REMOVED"), ("Acme Shoes 3", "ENABLED"), ("New", "ENABLED")];
    assert_eq!(shown, expect);
    let mutations = google.0.simulator.google().mutations();
    assert_eq!(mutations.len(), 3);
    assert_eq!((mutations[2].customer.as_str(), mutations[2].collection.as_str()), (SHOES, "campaigns"));
}

#[tokio::test]
async fn a_mutate_is_all_or_nothing_unless_partial_failure_is_asked_for() {
    let google = Google::start().await;
    let token = text(&google.connect().await, "access_token");
    let path = format!("/v26/customers/{SHOES}/campaigns:mutate");
    let good = json!({"remove": format!("customers/{SHOES}/campaigns/1000200")});
    let foreign = json!({"remove": "customers/2222222222/campaigns/2000100"});
    let unmasked = json!({"update": {"resourceName": format!("customers/{SHOES}/campaigns/1000100")}});
    for (bad, code) in [(&foreign, "BAD_RESOURCE_ID"), (&unmasked, "FIELD_MASK_MISSING")] {
        let refused = google.post(&token, &path, &json!({"operations": [good, bad]})).await;
        assert_eq!((refused.status, ads_error(&refused).as_str()), (400, code));
    }
    assert!(google.0.simulator.google().mutations().is_empty());
    let body = json!({"operations": [good, foreign], "partialFailure": true});
    let partly = google.post(&token, &path, &body).await;
    assert_eq!(partly.status, 200);
    let partly = partly.json();
    assert_eq!(partly["partialFailureError"]["code"], 3);
    assert_eq!(partly["results"][1], json!({}));
    assert_eq!(google.0.simulator.google().mutations().len(), 1);
}

#[tokio::test]
async fn one_mutate_may_hold_several_kinds_that_refer_to_each_other() {
    let google = Google::start().await;
    let token = text(&google.connect().await, "access_token");
    let budget = format!("customers/{SHOES}/campaignBudgets/-1");
    let body = json!({"mutateOperations": [
        {"campaignBudgetOperation": {"create": {"resourceName": budget, "amountMicros": "5000000"}}},
        {"campaignOperation": {"create":
            {"name": "Both", "advertisingChannelType": "SEARCH", "campaignBudget": budget}}},
    ]});
    let done = google.post(&token, &format!("/v26/customers/{SHOES}/googleAds:mutate"), &body).await.json();
    let made = &done["mutateOperationResponses"];
    let rows = google.0.simulator.google().rows(SHOES, "campaigns");
    assert_eq!(rows[3]["campaignBudget"], made[0]["campaignBudgetResult"]["resourceName"]);
    assert_eq!(rows[3]["resourceName"], made[1]["campaignResult"]["resourceName"]);
}

#[tokio::test]
async fn a_throttle_names_its_delay_in_the_body() {
    let google = Google::start().await;
    let token = text(&google.connect().await, "access_token");
    google.0.simulator.switches().change(|all| all.google.rate_limited = true);
    let answer = google.search(&token, "SELECT campaign.id FROM campaign").await;
    assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (429, false));
    let error = &answer.json()["error"];
    assert_eq!(error["status"], "RESOURCE_EXHAUSTED");
    assert_eq!(error["details"][0]["errors"][0]["details"]["quotaErrorDetails"]["retryDelay"], "30s");
}

#[tokio::test]
async fn live_tokens_are_listed_expired_and_echoed() {
    let google = Google::start().await;
    let token = google.connect().await;
    let access_token = text(&token, "access_token");
    assert_eq!(google.0.simulator.access_tokens(), std::slice::from_ref(&access_token));
    assert_eq!(google.0.simulator.refresh_tokens(), [text(&token, "refresh_token")]);
    google.0.simulator.switches().change(|all| {
        all.echo = EchoToken::Raw;
        all.echo_part = EchoPart::Second;
        all.api_answers.push_back(ApiAnswer::Internal);
    });
    let echoed = google.search(&access_token, "SELECT campaign.id FROM campaign").await;
    assert_eq!((echoed.status, &echoed.json()["echo"]), (500, &json!(DEVELOPER_TOKEN)));
    google.0.simulator.expire_access_tokens();
    assert_eq!(google.search(&access_token, "SELECT campaign.id FROM campaign").await.status, 401);
    assert_eq!(google.refresh(&text(&token, "refresh_token")).await.status, 200);
    assert_eq!(google.0.simulator.token_calls(), 2);
}
