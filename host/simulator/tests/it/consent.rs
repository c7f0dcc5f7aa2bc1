//! Consent, code, token, org: in every region, and the ways in which a consent is refused.

use wardlock_simulator::{CallbackField, ClientSpec, Consent, Environment, Region, SimulatorError};

use crate::support::*;

#[tokio::test]
async fn every_region_leads_from_consent_to_its_own_org() {
    let provider = Provider::start().await;
    for (region, zgid) in [
        (Region::Us, "10071234567"),
        (Region::Eu, "20071234567"),
        (Region::In, "60071234567"),
        (Region::Ca, "11071234567"),
        (Region::Cn, "80071234567"),
    ] {
        let callback = provider.code(region, OFFLINE, &Consent::default()).await;
        assert_eq!(value(&callback, "state"), "abc");
        assert_eq!(value(&callback, "location"), region.code());
        assert_eq!(value(&callback, "accounts-server"), format!("https://{}", region.accounts_host()));
        let token = provider.exchange(region, value(&callback, "code"), &[]).await;
        assert_eq!(token.status, 200);
        let token = token.json();
        let api = region.api_host(Environment::Production);
        assert_eq!(token["api_domain"], format!("https://{api}"));
        assert!(token["scope"].as_str().unwrap().contains("ZohoCRM.modules.ALL ZohoCRM.settings.READ"));
        let org = provider.get_at(&api, &text(&token, "access_token"), "/crm/v8/org").await;
        assert_eq!((org.status, org.json()["org"][0]["zgid"].as_str()), (200, Some(zgid)));
    }
}

#[tokio::test]
async fn canada_is_split_and_other_regions_know_nothing_of_it() {
    let provider = Provider::start().await;
    let token = provider.connect(Region::Ca).await;
    let access = text(&token, "access_token");
    assert_eq!(token["api_domain"], "https://www.zohoapis.ca");
    assert_eq!(provider.get_at("www.zohoapis.ca", &access, "/crm/v8/org").await.status, 200);
    let elsewhere = provider.get_at("www.zohoapis.eu", &access, "/crm/v8/org").await;
    assert_eq!((elsewhere.status, elsewhere.code().as_str()), (401, "INVALID_TOKEN"));
    assert!(!provider.simulator.hosts().contains_key("accounts.zoho.ca"));
}

#[tokio::test]
async fn a_wrong_region_is_an_invalid_client_with_status_200() {
    let provider = Provider::start().await;
    let callback = provider.code(Region::Eu, OFFLINE, &Consent::default()).await;
    let wrong = provider.exchange(Region::Us, value(&callback, "code"), &[]).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (200, "invalid_client"));
    let right = provider.exchange(Region::Eu, value(&callback, "code"), &[]).await;
    let refresh_token = text(&right.json(), "refresh_token");
    let wrong = provider.refresh(Region::In, &refresh_token).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (200, "invalid_client"));
    assert_eq!(provider.simulator.token_calls(), 3);
}

#[tokio::test]
async fn the_browser_follows_the_redirect_to_the_callback() {
    let (uri, served) = callback_page().await;
    let provider = Provider::with(ClientSpec::new(CLIENT, SECRET, uri.as_str())).await;
    let url = authorize_url(Region::Us, SCOPES, OFFLINE).replace(
        &format!("redirect_uri={}", url::form_urlencoded::byte_serialize(REDIRECT.as_bytes()).collect::<String>()),
        &format!("redirect_uri={}", url::form_urlencoded::byte_serialize(uri.as_bytes()).collect::<String>()),
    );
    let rewritten = url.replace("https:/", &provider.simulator.consent_base());
    let approval = provider.simulator.approve(&rewritten).await.unwrap();
    assert_eq!((approval.status, approval.body.as_str()), (200, "done"));
    assert!(approval.callback_url.starts_with(&uri));
    let asked = served.await.unwrap();
    assert!(asked.contains("location=us") && asked.contains("accounts-server=https%3A%2F%2Faccounts.zoho.com"));
}

#[tokio::test]
async fn a_rejection_comes_back_with_or_without_state() {
    let provider = Provider::start().await;
    let reject = Consent { accept: false, ..Consent::default() };
    let url = authorize_url(Region::Eu, SCOPES, OFFLINE);
    let callback = provider.simulator.decide(&url, &reject).await.unwrap();
    assert_eq!(callback, format!("{REDIRECT}?error=access_denied&state=abc"));
    provider.simulator.switches().change(|switches| switches.state_on_error = false);
    let callback = provider.simulator.decide(&url, &reject).await.unwrap();
    assert_eq!(callback, format!("{REDIRECT}?error=access_denied"));
}

#[tokio::test]
async fn a_bad_request_is_a_page_and_no_redirect_and_is_escaped() {
    let provider = Provider::start().await;
    let good = authorize_url(Region::Eu, SCOPES, OFFLINE);
    for bad in [
        good.replace("response_type=code", "response_type=token"),
        good.replace(CLIENT, "1000.NOBODY"),
        good.replace("callback", "callback%2Fmore"),
        good.replace("ZohoCRM.modules.ALL", "<script>"),
    ] {
        let refused = provider.simulator.decide(&bad, &Consent::default()).await;
        assert!(matches!(refused, Err(SimulatorError::Refused { status: 400, .. })), "{bad}");
    }
    let page = provider.send(provider.http.get(&good)).await;
    assert!(page.text.contains("Accept") && !page.text.contains("<script"));
}

#[tokio::test]
async fn sandbox_and_production_are_different_orgs_with_different_tokens() {
    let provider = Provider::start().await;
    let consent = Consent { environment: Environment::Sandbox, ..Consent::default() };
    let callback = provider.code(Region::Eu, OFFLINE, &consent).await;
    let token = provider.exchange(Region::Eu, value(&callback, "code"), &[]).await.json();
    let access = text(&token, "access_token");
    assert_eq!(token["api_domain"], "https://sandbox.zohoapis.eu");
    let org = provider.get_at("sandbox.zohoapis.eu", &access, "/crm/v8/org").await.json();
    assert_eq!((&org["org"][0]["type"], &org["org"][0]["zgid"]), (&"Sandbox".into(), &"20071234568".into()));
    assert_eq!(provider.get(&access, "/crm/v8/org").await.status, 401);
}

#[tokio::test]
async fn the_accounts_host_says_who_consented() {
    let provider = Provider::start().await;
    let token = provider.token("AaaServer.profile.READ,ZohoMarketingAutomation.lead.READ").await;
    let told = provider.get_at("accounts.zoho.eu", &token, "/oauth/user/info").await;
    assert_eq!((told.status, &told.json()["Email"]), (200, &"owner@eu.acme.example".into()));
    assert_eq!(told.json()["ZUID"], 200_712_345_677_u64);
    let token = provider.token(SCOPES).await;
    let refused = provider.get_at("accounts.zoho.eu", &token, "/oauth/user/info").await;
    assert_eq!((refused.status, text(&refused.json(), "cause").as_str()), (401, "INVALID_OAUTHSCOPE"));
    assert_eq!(provider.get_at("accounts.zoho.in", &token, "/oauth/user/info").await.status, 401);
}

#[tokio::test]
async fn another_user_of_the_region_brings_another_org() {
    let provider = Provider::start().await;
    let consent = Consent { user: Some("owner@eu.other.example".into()), ..Consent::default() };
    let callback = provider.code(Region::Us, OFFLINE, &consent).await;
    assert_eq!(value(&callback, "location"), "eu");
    let token = provider.exchange(Region::Eu, value(&callback, "code"), &[]).await.json();
    let org = provider.get(&text(&token, "access_token"), "/crm/v8/org").await.json();
    assert_eq!(org["org"][0]["zgid"], "20079876543");
}

#[tokio::test]
async fn a_forged_callback_can_be_played() {
    let provider = Provider::start().await;
    provider.simulator.switches().change(|switches| {
        switches.callback_accounts_server = CallbackField::Override("https://accounts.evil.example".into());
        switches.callback_location = CallbackField::Missing;
        switches.callback_trailing_ampersand = true;
    });
    let url = authorize_url(Region::Eu, SCOPES, OFFLINE);
    let callback = provider.simulator.decide(&url, &Consent::default()).await.unwrap();
    assert!(callback.contains("accounts-server=https%3A%2F%2Faccounts.evil.example"));
    assert!(callback.ends_with('&') && !callback.contains("location="));
}
