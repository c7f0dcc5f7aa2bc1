//! The token endpoint's limits, errors and quirks; revocation.

use serde_json::{Value, json};
use wardlock_simulator::{
    ApiDomain, ClientSpec, Consent, ExpiresIn, Region, Rotation, ScopeAnswer, Simulator, SimulatorConfig,
    ThrottleAnswer, TokenAnswer, TokenKind,
};

use crate::support::*;

const MINUTE: u64 = 60_000;

#[tokio::test]
async fn a_refresh_token_needs_offline_and_a_first_or_prompted_consent() {
    let provider = Provider::start().await;
    for (extra, expect) in [
        ("state=1", false),
        ("access_type=offline", false),
        ("access_type=offline&prompt=consent", true),
        ("prompt=consent", false),
    ] {
        let callback = provider.code(Region::Eu, extra, &Consent::default()).await;
        let token = provider.exchange(Region::Eu, value(&callback, "code"), &[]).await.json();
        assert!(token["access_token"].is_string());
        assert_eq!(token["refresh_token"].is_string(), expect, "{extra}");
    }
    let callback = provider.code(Region::Us, "access_type=offline", &Consent::default()).await;
    let first = provider.exchange(Region::Us, value(&callback, "code"), &[]).await.json();
    assert!(first["refresh_token"].is_string());
}

#[tokio::test]
async fn a_code_is_good_once_and_for_a_minute() {
    let provider = Provider::start().await;
    let callback = provider.code(Region::Eu, OFFLINE, &Consent::default()).await;
    let code = value(&callback, "code");
    assert_eq!(provider.exchange(Region::Eu, code, &[]).await.error(), "");
    assert_eq!(provider.exchange(Region::Eu, code, &[]).await.error(), "invalid_code");
    let callback = provider.code(Region::Eu, OFFLINE, &Consent::default()).await;
    provider.pass(MINUTE);
    assert_eq!(provider.exchange(Region::Eu, value(&callback, "code"), &[]).await.error(), "invalid_code");
}

#[tokio::test]
async fn pkce_is_checked_when_a_challenge_was_sent() {
    let provider = Provider::start().await;
    // RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let extra = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    for (given, expect) in [("wrong", "invalid_code"), (verifier, "")] {
        let callback = provider.code(Region::Eu, extra, &Consent::default()).await;
        let token = provider.exchange(Region::Eu, value(&callback, "code"), &[("code_verifier", given)]).await;
        assert_eq!(token.error(), expect);
    }
}

#[tokio::test]
async fn the_eleventh_access_token_evicts_the_oldest() {
    let provider = Provider::start().await;
    let token = provider.connect(Region::Eu).await;
    let (first, refresh_token) = (text(&token, "access_token"), text(&token, "refresh_token"));
    for _ in 0..9 {
        provider.refresh(Region::Eu, &refresh_token).await;
    }
    assert_eq!(provider.get(&first, "/crm/v8/org").await.status, 200);
    provider.pass(10 * MINUTE);
    provider.refresh(Region::Eu, &refresh_token).await;
    assert_eq!(provider.get(&first, "/crm/v8/org").await.code(), "INVALID_TOKEN");
    assert_eq!(provider.simulator.access_tokens().len(), 10);
}

#[tokio::test]
async fn the_twenty_first_refresh_token_evicts_the_oldest_with_its_access_tokens() {
    let provider = Provider::start().await;
    let oldest = provider.connect(Region::Eu).await;
    for _ in 0..20 {
        provider.connect(Region::Eu).await;
    }
    let dead = provider.refresh(Region::Eu, &text(&oldest, "refresh_token")).await;
    assert_eq!((dead.status, dead.error().as_str()), (200, "invalid_code"));
    assert_eq!(provider.get(&text(&oldest, "access_token"), "/crm/v8/org").await.status, 401);
    assert_eq!(provider.simulator.refresh_tokens().len(), 20);
}

#[tokio::test]
async fn the_eleventh_call_in_ten_minutes_is_throttled_in_three_forms() {
    let provider = Provider::start().await;
    let refresh_token = text(&provider.connect(Region::Eu).await, "refresh_token");
    for _ in 0..9 {
        assert_eq!(provider.refresh(Region::Eu, &refresh_token).await.status, 200);
    }
    for (form, status, error) in [
        (ThrottleAnswer::BadRequest, 400, "Access Denied"),
        (ThrottleAnswer::Localised, 400, "拒绝访问"),
        (ThrottleAnswer::Ok, 200, "Access Denied"),
    ] {
        provider.simulator.switches().change(|switches| switches.throttle.answer = form);
        let throttled = provider.refresh(Region::Eu, &refresh_token).await;
        assert_eq!((throttled.status, throttled.error().as_str()), (status, error));
        assert_eq!(throttled.json()["status"], "failure");
    }
    provider.pass(10 * MINUTE);
    assert_eq!(provider.refresh(Region::Eu, &refresh_token).await.error(), "");
}

#[tokio::test]
async fn secrets_may_differ_by_region_and_regions_may_be_off() {
    let client = ClientSpec::new(CLIENT, SECRET, REDIRECT)
        .only_in(&[Region::Us, Region::Eu])
        .secret_in(Region::Us, "other");
    let provider = Provider::with(client).await;
    let callback = provider.code(Region::Us, OFFLINE, &Consent::default()).await;
    assert_eq!(
        provider.exchange(Region::Us, value(&callback, "code"), &[]).await.error(),
        "invalid_client_secret"
    );
    assert_eq!(provider.exchange(Region::In, "any", &[]).await.error(), "invalid_client");
}

#[tokio::test]
async fn answers_can_be_scripted() {
    let provider = Provider::start().await;
    let refresh_token = text(&provider.connect(Region::Eu).await, "refresh_token");
    provider.simulator.switches().change(|switches| {
        switches.token_answers.extend([TokenAnswer::Error("general_error".into()), TokenAnswer::Maintenance]);
    });
    let error = provider.refresh(Region::Eu, &refresh_token).await;
    assert_eq!((error.status, error.error().as_str()), (200, "general_error"));
    let page = provider.refresh(Region::Eu, &refresh_token).await;
    assert!(page.status == 503 && page.text.starts_with("<html"));
    assert_eq!(provider.refresh(Region::Eu, &refresh_token).await.error(), "");
}

#[tokio::test]
async fn every_member_of_the_answer_has_its_quirks() {
    let provider = Provider::start().await;
    let refresh_token = text(&provider.connect(Region::Eu).await, "refresh_token");
    let change = |domain, scope, expires| {
        provider.simulator.switches().change(|switches| {
            (switches.api_domain, switches.scope_answer, switches.expires_in) = (domain, scope, expires);
        });
    };
    change(ApiDomain::MissingOnRefresh, ScopeAnswer::Missing, ExpiresIn::Text);
    let token = provider.refresh(Region::Eu, &refresh_token).await.json();
    assert_eq!(
        (&token["api_domain"], &token["scope"], &token["expires_in"]),
        (&Value::Null, &Value::Null, &json!("3600"))
    );
    let evil = "https://evil.example".to_owned();
    change(ApiDomain::Override(evil), ScopeAnswer::Commas, ExpiresIn::Absurd(-1));
    let token = provider.refresh(Region::Eu, &refresh_token).await.json();
    assert_eq!((&token["api_domain"], &token["expires_in"]), (&json!("https://evil.example"), &json!(-1)));
    assert!(text(&token, "scope").contains("ALL,Zoho"));
    change(ApiDomain::Legacy, ScopeAnswer::Spaces, ExpiresIn::LegacyPair);
    let token = provider.refresh(Region::Eu, &refresh_token).await.json();
    assert_eq!((&token["api_domain"], &token["expires_in_sec"]), (&json!("https://api.zoho.eu"), &json!(3600)));
}

#[tokio::test]
async fn an_access_token_ends_after_its_hour() {
    let provider = Provider::start().await;
    let token = provider.connect(Region::Eu).await;
    let access = text(&token, "access_token");
    provider.pass(59 * MINUTE);
    assert_eq!(provider.get(&access, "/crm/v8/org").await.status, 200);
    provider.pass(MINUTE);
    assert_eq!(provider.get(&access, "/crm/v8/org").await.status, 401);
}

#[tokio::test]
async fn both_revoke_forms_work_and_an_unknown_token_is_a_400() {
    let provider = Provider::start().await;
    let token = provider.connect(Region::Eu).await;
    let host = "https://accounts.zoho.eu/oauth/v2";
    let classic = format!("{host}/token/revoke?token={}", text(&token, "refresh_token"));
    assert_eq!(provider.send(provider.http.post(&classic)).await.json()["status"], "success");
    assert_eq!(provider.get(&text(&token, "access_token"), "/crm/v8/org").await.status, 401);
    assert_eq!(provider.send(provider.http.post(&classic)).await.status, 400);

    let refresh_token = text(&provider.connect(Region::Eu).await, "refresh_token");
    for expect in [200, 400] {
        let body = format!("token={refresh_token}&token_type=refresh_token");
        let request = provider.http.post(format!("{host}/revoke/token")).basic_auth(CLIENT, Some(SECRET));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body);
        assert_eq!(provider.send(request).await.status, expect);
    }
}

#[tokio::test]
async fn a_rotated_a_revoked_and_a_deleted_grant_are_gone() {
    let provider = Provider::start().await;
    let old = text(&provider.connect(Region::Eu).await, "refresh_token");
    provider.simulator.switches().change(|switches| switches.rotation = Rotation::WithoutGrace);
    let new = text(&provider.refresh(Region::Eu, &old).await.json(), "refresh_token");
    let with_grace = Rotation::WithGrace { milliseconds: MINUTE };
    provider.simulator.switches().change(|switches| switches.rotation = with_grace);
    let newer = text(&provider.refresh(Region::Eu, &old).await.json(), "refresh_token");
    provider.pass(MINUTE);
    assert_eq!(provider.refresh(Region::Eu, &old).await.error(), "invalid_code");
    for ended in [new, newer] {
        assert_eq!(
            provider.refresh(Region::Eu, &ended).await.error(),
            "invalid_code",
            "a replay ends the whole grant"
        );
    }
    let new = text(&provider.connect(Region::Eu).await, "refresh_token");
    provider.simulator.revoke_user("owner@eu.acme.example");
    assert_eq!(provider.refresh(Region::Eu, &new).await.error(), "invalid_code");
    let token = provider.connect(Region::Eu).await;
    provider.simulator.expire_access_tokens();
    assert_eq!(provider.get(&text(&token, "access_token"), "/crm/v8/org").await.status, 401);
    provider.simulator.remove_client(CLIENT);
    assert_eq!(provider.refresh(Region::Eu, &text(&token, "refresh_token")).await.error(), "invalid_client");
}

#[tokio::test]
async fn tests_can_plant_their_own_tokens() {
    let tokens = std::sync::Arc::new(|kind: TokenKind, number: u64| format!("canary-{kind:?}-{number}"));
    let clients = vec![ClientSpec::new(CLIENT, SECRET, REDIRECT)];
    let config = SimulatorConfig { tokens, clients, ..SimulatorConfig::default() };
    let simulator = Simulator::start(config).await.unwrap();
    let url = authorize_url(Region::Eu, SCOPES, OFFLINE);
    let callback = simulator.decide(&url, &Consent::default()).await.unwrap();
    assert!(callback.contains("code=canary-Code-1&"));
}

#[tokio::test]
async fn every_token_answer_carries_what_a_test_adds_and_no_error_does() {
    let provider = Provider::start().await;
    lie(&provider.simulator);
    let token = provider.connect(Region::Eu).await;
    lies(&provider.simulator, &token, 1);
    let refreshed = provider.refresh(Region::Eu, &text(&token, "refresh_token")).await.json();
    lies(&provider.simulator, &refreshed, 2);
    let refused = provider.refresh(Region::Eu, "1000.unknown").await;
    assert_eq!((refused.error().as_str(), &refused.json()["api_domain"]), ("invalid_code", &Value::Null));
}
