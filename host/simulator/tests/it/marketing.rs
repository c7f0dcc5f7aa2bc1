//! Marketing Automation: errors in HTTP 200, and parameters that carry JSON.

use crate::support::*;

const SCOPES: &str = "ZohoMarketingAutomation.lead.ALL,ZohoMarketingAutomation.campaign.READ,\
    ZohoMarketingAutomation.journey.READ,ZohoMarketingAutomation.wa.READ";

async fn get(provider: &Provider, token: &str, path: &str) -> Answer {
    provider.get_at("marketingautomation.zoho.eu", token, &format!("/api/v1/{path}")).await
}

async fn post(provider: &Provider, token: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = provider.http.post(format!("https://marketingautomation.zoho.eu/api/v1/{path}"));
    let request = request.header("authorization", format!("Zoho-oauthtoken {token}"));
    provider.send(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
}

#[tokio::test]
async fn lists_campaigns_journeys_and_the_assistant_are_read() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    for (path, key, count) in [
        ("getmailinglists?resfmt=JSON", "list_of_details", 2),
        ("recentcampaigns", "recent_campaigns", 2),
        ("journeys", "journeys", 1),
        ("wa", "web_assistants", 1),
    ] {
        let answer = get(&provider, &token, path).await;
        assert_eq!((answer.status, text(&answer.json(), "status").as_str()), (200, "success"), "{path}");
        assert_eq!(answer.json()[key].as_array().unwrap().len(), count, "{path}");
    }
    let campaigns = get(&provider, &token, "recentcampaigns").await.json();
    let key = text(&campaigns["recent_campaigns"][0], "campaign_key");
    let one = get(&provider, &token, &format!("getcampaigndetails?campaignkey={key}")).await.json();
    assert_eq!(one["campaign-details"][0]["campaign_name"], "Spring mailing");
}

#[tokio::test]
async fn leads_are_added_one_by_one_and_ten_at_once() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let lists = get(&provider, &token, "getmailinglists").await.json();
    let list = text(&lists["list_of_details"][0], "listkey");
    let empty = get(&provider, &token, &format!("getlistsubscribers?listkey={list}")).await;
    assert_eq!((empty.status, text(&empty.json(), "status").as_str()), (200, "error"));

    let info = r#"{"Lead Email":"a@b.example","First Name":"A"}"#;
    let one =
        post(&provider, &token, "json/listsubscribe", &[("listkey", &list), ("leadinfo", info)]).await.json();
    assert_eq!(one["status"], "success");
    let emails = |count: usize| (0..count).map(|at| format!("n{at}@b.example")).collect::<Vec<String>>().join(",");
    let ten =
        post(&provider, &token, "addleadsinbulk", &[("listkey", &list), ("emailids", &emails(10))]).await.json();
    assert_eq!(ten["status"], "success");
    assert_eq!(provider.simulator.records("20071234567", "marketing/leads").len(), 11);
    let eleven = post(&provider, &token, "addleadsinbulk", &[("listkey", &list), ("emailids", &emails(11))]).await;
    assert_eq!((eleven.status, text(&eleven.json(), "code").as_str()), (200, "2003"));
    let nowhere =
        post(&provider, &token, "addleadsinbulk", &[("listkey", "1"), ("emailids", &emails(1))]).await.json();
    assert_eq!(nowhere["status"], "error");
    post(&provider, &token, "json/listunsubscribe", &[("listkey", &list), ("leadinfo", info)]).await;
    assert_eq!(provider.simulator.records("20071234567", "marketing/leads").len(), 10);
}

#[tokio::test]
async fn refusals_come_with_status_200() {
    let provider = Provider::start().await;
    let token = provider.token("ZohoMarketingAutomation.lead.READ").await;
    for (token, path, code) in [
        ("1000.nobody", "getmailinglists", "1007"),
        (&token, "recentcampaigns", "1008"),
        (&token, "wa", "1008"),
        (&token, "getlistsubscribers", "2001"),
    ] {
        let refused = get(&provider, token, path).await.json();
        assert_eq!(
            (text(&refused, "status").as_str(), text(&refused, "code").as_str()),
            ("error", code),
            "{path}"
        );
    }
    assert_eq!(get(&provider, &token, "moons").await.status, 404);
}

#[tokio::test]
async fn one_consent_serves_every_product() {
    let provider = Provider::start().await;
    let scopes = "ZohoCRM.org.READ,ZohoBooks.settings.READ,Desk.basic.READ,WorkDrive.team.READ,\
        ZohoMarketingAutomation.lead.READ";
    let token = provider.token(scopes).await;
    assert_eq!(provider.get(&token, "/crm/v8/org").await.status, 200);
    assert_eq!(provider.get(&token, "/books/v3/organizations").await.status, 200);
    assert_eq!(provider.get_at("desk.zoho.eu", &token, "/api/v1/organizations").await.status, 200);
    assert_eq!(provider.get(&token, "/workdrive/api/v1/users/me").await.status, 200);
    assert_eq!(get(&provider, &token, "getmailinglists").await.json()["status"], "success");
    // Each of them ends with the same token.
    provider.simulator.expire_access_tokens();
    assert_eq!(provider.get(&token, "/books/v3/organizations").await.status, 401);
    assert_eq!(get(&provider, &token, "getmailinglists").await.json()["code"], "1007");
}
