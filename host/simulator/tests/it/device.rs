//! Grants without a browser: the device flow in Zoho's own shape, and client credentials.

use serde_json::Value;
use wardlock_simulator::Region;

use crate::support::*;

fn url(region: Region, part: &str) -> String {
    format!("https://{}/oauth/v3/device/{part}", region.accounts_host())
}

async fn begin(provider: &Provider, region: Region) -> Value {
    let fields = [
        ("client_id", CLIENT),
        ("grant_type", "device_request"),
        ("scope", "ZohoCRM.org.READ,ZohoBooks.settings.READ"),
        ("access_type", "offline"),
        ("prompt", "consent"),
    ];
    let begun = provider.form(&url(region, "code"), &fields).await;
    assert_eq!(begun.status, 200);
    begun.json()
}

async fn poll(provider: &Provider, region: Region, begun: &Value) -> Answer {
    let code = text(begun, "device_code");
    let fields = [
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("grant_type", "device_token"),
        ("code", code.as_str()),
    ];
    let polled = provider.form(&url(region, "token"), &fields).await;
    assert_eq!(polled.status, 200, "errors come with status 200");
    polled
}

#[tokio::test]
async fn a_device_waits_for_its_person_and_gets_a_grant() {
    let provider = Provider::start().await;
    let begun = begin(&provider, Region::Eu).await;
    assert_eq!(text(&begun, "verification_url"), "https://accounts.zoho.eu/oauth/v3/device");
    assert_eq!((begun["expires_in"].as_u64(), begun["interval"].as_u64()), (Some(300_000), Some(30_000)));
    let user_code = text(&begun, "user_code");
    assert_eq!(poll(&provider, Region::Eu, &begun).await.error(), "authorization_pending");
    assert_eq!(poll(&provider, Region::Eu, &begun).await.error(), "slow_down");
    assert!(provider.simulator.approve_device(&user_code, "owner@eu.acme.example"));
    assert!(!provider.simulator.deny_device(&user_code), "it was decided before");
    provider.pass(30_000);
    let token = poll(&provider, Region::Eu, &begun).await.json();
    assert_eq!(token["api_domain"], "https://www.zohoapis.eu");
    let org = provider.get(&text(&token, "access_token"), "/crm/v8/org").await;
    assert_eq!((org.status, &org.json()["org"][0]["zgid"]), (200, &"20071234567".into()));
    // The refresh is the usual one, and the code is used up.
    assert_eq!(provider.refresh(Region::Eu, &text(&token, "refresh_token")).await.error(), "");
    provider.pass(30_000);
    assert_eq!(poll(&provider, Region::Eu, &begun).await.error(), "invalid_code");
}

#[tokio::test]
async fn a_person_of_another_data_centre_sends_the_device_there() {
    let provider = Provider::start().await;
    let begun = begin(&provider, Region::Us).await;
    assert_eq!(poll(&provider, Region::In, &begun).await.error(), "invalid_code");
    provider.pass(30_000);
    provider.simulator.approve_device(&text(&begun, "user_code"), "owner@eu.acme.example");
    let moved = poll(&provider, Region::Us, &begun).await;
    assert_eq!((moved.error().as_str(), text(&moved.json(), "user_location").as_str()), ("other_dc", "eu"));
    let token = poll(&provider, Region::Eu, &begun).await.json();
    assert_eq!(token["api_domain"], "https://www.zohoapis.eu");
}

#[tokio::test]
async fn a_denied_a_late_and_a_strange_device_get_nothing() {
    let provider = Provider::start().await;
    let denied = begin(&provider, Region::Eu).await;
    assert!(provider.simulator.deny_device(&text(&denied, "user_code")));
    assert_eq!(poll(&provider, Region::Eu, &denied).await.error(), "access_denied");
    let late = begin(&provider, Region::Eu).await;
    provider.pass(300_000);
    provider.simulator.approve_device(&text(&late, "user_code"), "owner@eu.acme.example");
    assert_eq!(poll(&provider, Region::Eu, &late).await.error(), "expired");
    let fields = [("client_id", "1000.NOBODY"), ("grant_type", "device_request"), ("scope", "ZohoCRM.org.READ")];
    assert_eq!(provider.form(&url(Region::Eu, "code"), &fields).await.error(), "invalid_client");
    assert!(!provider.simulator.approve_device("WDLK-9999", "owner@eu.acme.example"));
}

#[tokio::test]
async fn client_credentials_name_a_product_and_its_org() {
    let provider = Provider::start().await;
    let mut fields = vec![
        ("client_id", CLIENT),
        ("client_secret", SECRET),
        ("grant_type", "client_credentials"),
        ("scope", "ZohoBooks.settings.READ"),
    ];
    let url = token_url(Region::Eu);
    assert_eq!(provider.form(&url, &fields).await.error(), "missing_org_info");
    fields.push(("soid", "ZohoBooks.20079876543"));
    let token = provider.form(&url, &fields).await.json();
    assert_eq!(token["refresh_token"], Value::Null);
    let organizations = provider.get(&text(&token, "access_token"), "/books/v3/organizations").await.json();
    assert_eq!(organizations["organizations"][0]["organization_id"], "20079876543");
}
