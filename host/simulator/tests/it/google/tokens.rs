//! Consent, tokens and revocation.

use serde_json::{Value, json};
use wardlock_simulator::{Consent, GoogleClient, TokenAnswer};

use super::{ADWORDS, CLIENT, Google, OFFLINE, SECRET};
use crate::support::{lie, lies, text, value};

#[tokio::test]
async fn a_refresh_token_needs_offline_and_a_first_or_prompted_consent() {
    let google = Google::start().await;
    for (extra, expect) in [
        ("state=1", false),
        ("access_type=offline", false),
        ("access_type=offline&prompt=select_account+consent", true),
        ("prompt=consent", false),
    ] {
        let callback = google.callback(extra, "owner@google.example").await;
        let token = google.exchange(value(&callback, "code"), &[]).await.json();
        assert_eq!((&token["scope"], &token["token_type"]), (&json!(ADWORDS), &json!("Bearer")));
        assert_eq!(token["refresh_token"].is_string(), expect, "{extra}");
    }
    let first = google.callback("access_type=offline", "direct@google.example").await;
    assert!(google.exchange(value(&first, "code"), &[]).await.json()["refresh_token"].is_string());
}

#[tokio::test]
async fn errors_of_the_token_endpoint_are_those_of_the_rfc() {
    let google = Google::start().await;
    let refused = google.refresh("1//unknown").await;
    assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_grant"));
    assert_eq!(refused.json()["error_description"], "Token has been expired or revoked.");
    let callback = google.callback(OFFLINE, "owner@google.example").await;
    let code = value(&callback, "code");
    let wrong = google.exchange("4/unknown", &[]).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (400, "invalid_grant"));
    let fields = [("grant_type", "authorization_code"), ("client_id", CLIENT), ("client_secret", "wrong")];
    let wrong = google.0.form("https://oauth2.googleapis.com/token", &fields).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (401, "invalid_client"));
    assert_eq!(google.exchange(code, &[]).await.status, 200);
    assert_eq!(google.exchange(code, &[]).await.error(), "invalid_grant");
    google
        .0
        .simulator
        .switches()
        .change(|all| all.token_answers.push_back(TokenAnswer::Error("invalid_rapt".into())));
    assert_eq!(google.refresh("1//unknown").await.error(), "invalid_rapt");
}

#[tokio::test]
async fn the_client_may_authenticate_by_basic() {
    let google = Google::start().await;
    let refresh_token = text(&google.connect().await, "refresh_token");
    let body = format!("grant_type=refresh_token&refresh_token={refresh_token}");
    for (secret, expect) in [(SECRET, 200), ("wrong", 401)] {
        let request = google.0.http.post("https://oauth2.googleapis.com/token").basic_auth(CLIENT, Some(secret));
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.clone());
        let answer = google.0.send(request).await;
        assert_eq!(answer.status, expect);
        assert_eq!(answer.json()["refresh_token"], Value::Null);
    }
}

#[tokio::test]
async fn pkce_is_checked() {
    let google = Google::start().await;
    // RFC 7636, appendix B.
    let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let extra = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    for (given, expect) in
        [(&[][..], 400), (&[("code_verifier", "wrong")], 400), (&[("code_verifier", verifier)], 200)]
    {
        let callback = google.callback(extra, "owner@google.example").await;
        assert_eq!(google.exchange(value(&callback, "code"), given).await.status, expect);
    }
}

#[tokio::test]
async fn the_hundred_and_first_refresh_token_evicts_the_oldest() {
    let google = Google::start().await;
    let oldest = text(&google.connect().await, "refresh_token");
    let second = text(&google.connect().await, "refresh_token");
    for _ in 0..99 {
        google.connect().await;
    }
    assert_eq!(google.refresh(&oldest).await.error(), "invalid_grant");
    assert_eq!(google.refresh(&second).await.status, 200);
    assert_eq!(google.0.simulator.google().refresh_tokens().len(), 100);
}

#[tokio::test]
async fn revoking_one_token_ends_every_grant_of_the_user_and_the_client() {
    let google = Google::start().await;
    let (first, second) = (google.connect().await, google.connect().await);
    let other = google.connect_as("direct@google.example").await;
    let revoked =
        google.0.form("https://oauth2.googleapis.com/revoke", &[("token", &text(&first, "access_token"))]).await;
    assert_eq!((revoked.status, revoked.text.as_str()), (200, "{}"));
    for token in [&first, &second] {
        assert_eq!(google.refresh(&text(token, "refresh_token")).await.error(), "invalid_grant");
    }
    assert_eq!(google.refresh(&text(&other, "refresh_token")).await.status, 200);
    let unknown = google.0.form("https://oauth2.googleapis.com/revoke", &[("token", "gone")]).await;
    assert_eq!((unknown.status, unknown.error().as_str()), (400, "invalid_token"));
}

#[tokio::test]
async fn an_app_in_testing_loses_its_refresh_token_after_a_week() {
    let google = Google::start().await;
    google.0.simulator.switches().change(|all| all.google.testing = true);
    let token = google.connect().await;
    assert_eq!(token["refresh_token_expires_in"], json!(604_799));
    google.0.pass(7 * 86_400_000);
    assert_eq!(google.refresh(&text(&token, "refresh_token")).await.error(), "invalid_grant");
}

#[tokio::test]
async fn a_desktop_client_may_use_any_loopback_port() {
    let google = Google::start().await;
    google.0.simulator.google().add_client(GoogleClient::desktop("desktop", SECRET));
    let url = |client: &str, redirect: &str| {
        format!(
            "https://accounts.google.com/o/oauth2/v2/auth?response_type=code&client_id={client}&scope={ADWORDS}\
             &redirect_uri={redirect}"
        )
    };
    for (client, redirect, expect) in [
        ("desktop", "http://127.0.0.1:50123/any", true),
        ("desktop", "https://evil.example/", false),
        (CLIENT, "http://127.0.0.1:50123/any", false),
    ] {
        let decided = google.0.simulator.decide(&url(client, redirect), &Consent::default()).await;
        assert_eq!(decided.is_ok(), expect, "{client} {redirect}");
    }
}

#[tokio::test]
async fn a_token_answer_carries_what_a_test_adds() {
    let google = Google::start().await;
    lie(&google.0.simulator);
    lies(&google.0.simulator, &google.connect().await, 1);
}
