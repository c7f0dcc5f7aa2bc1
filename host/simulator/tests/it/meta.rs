//! Meta: the dialog, tokens, and the Marketing API.

use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;
use wardlock_simulator::{Consent, MetaApp};

use crate::support::{Answer, Provider, REDIRECT, lie, lies, text, value};

const APP: &str = "600700800";
const SECRET: &str = "app-s3cret";
const GRAPH: &str = "https://graph.facebook.com";
/// The first campaign of each of the two accounts.
const SHOES: &str = "120111000001000";
const CAMPAIGN: &str = "1201110000010001";

struct Meta(Provider);

impl Meta {
    async fn start() -> Meta {
        let provider = Provider::start().await;
        provider.simulator.meta().add_app(MetaApp::new(APP, SECRET, REDIRECT));
        Meta(provider)
    }

    async fn callback(&self, app: &str, scope: &str, user: &str) -> Vec<(String, String)> {
        let query = [("client_id", app), ("redirect_uri", REDIRECT), ("scope", scope), ("state", "abc")];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let url = format!("https://www.facebook.com/v26.0/dialog/oauth?{query}");
        let consent = Consent { user: Some(user.to_owned()), ..Consent::default() };
        let callback = self.0.simulator.decide(&url, &consent).await.unwrap();
        assert!(callback.ends_with("#_=_"));
        Url::parse(&callback).unwrap().query_pairs().into_owned().collect()
    }

    async fn tokens(&self, fields: &[(&str, &str)]) -> Answer {
        self.0.form(&format!("{GRAPH}/v26.0/oauth/access_token"), fields).await
    }

    /// Returns the short-lived token of a consent.
    async fn connect_as(&self, app: &str, scope: &str, user: &str) -> Value {
        let callback = self.callback(app, scope, user).await;
        let code = value(&callback, "code");
        let fields = [("client_id", app), ("client_secret", SECRET), ("redirect_uri", REDIRECT), ("code", code)];
        self.tokens(&fields).await.json()
    }

    async fn connect(&self) -> String {
        text(&self.connect_as(APP, "ads_management,ads_read", "owner@meta.example").await, "access_token")
    }

    async fn lengthen(&self, token: &str) -> Answer {
        let fields = [
            ("grant_type", "fb_exchange_token"),
            ("client_id", APP),
            ("client_secret", SECRET),
            ("fb_exchange_token", token),
        ];
        self.tokens(&fields).await
    }

    async fn call(&self, method: Method, token: &str, path: &str, form: &str) -> Answer {
        let joint = if path.contains('?') { '&' } else { '?' };
        let url = format!("{GRAPH}/v26.0{path}{joint}appsecret_proof={}", proof(token));
        let request = self.0.http.request(method, url).bearer_auth(token);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        self.0.send(request.body(form.to_owned())).await
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        self.call(Method::GET, token, path, "").await
    }
}

fn proof(token: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(token.as_bytes());
    hex::encode(mac.finalize().into_bytes())
}

fn code_of(answer: &Answer) -> (u64, u64) {
    let error = &answer.json()["error"];
    (error["code"].as_u64().unwrap_or(0), error["error_subcode"].as_u64().unwrap_or(0))
}

#[tokio::test]
async fn the_code_gives_a_short_token_and_the_exchange_a_long_one() {
    let meta = Meta::start().await;
    let short = meta.connect_as(APP, "ads_read", "owner@meta.example").await;
    assert_eq!((&short["token_type"], &short["expires_in"]), (&json!("bearer"), &json!(7200)));
    assert_eq!(short["refresh_token"], Value::Null);
    let long = meta.lengthen(&text(&short, "access_token")).await.json();
    assert_eq!(long["expires_in"], json!(5_183_944));
    meta.0.pass(7_200_000);
    let late = meta.lengthen(&text(&short, "access_token")).await;
    assert_eq!((late.status, code_of(&late)), (400, (190, 463)));
    assert_eq!(meta.lengthen(&text(&long, "access_token")).await.status, 200);
    assert_eq!(meta.lengthen("EAAunknown").await.json()["error"]["code"], 190);
    assert_eq!(meta.0.simulator.access_tokens().len(), 2);
}

#[tokio::test]
async fn a_code_is_good_once_for_its_redirect_and_its_secret() {
    let meta = Meta::start().await;
    let callback = meta.callback(APP, "ads_read", "owner@meta.example").await;
    let code = value(&callback, "code");
    let ask = |secret, redirect| {
        [("client_id", APP), ("client_secret", secret), ("redirect_uri", redirect), ("code", code)]
    };
    assert_eq!(code_of(&meta.tokens(&ask("wrong", REDIRECT)).await), (1, 0));
    assert_eq!(code_of(&meta.tokens(&ask(SECRET, "http://127.0.0.1:1/")).await), (100, 36008));
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(ask(SECRET, REDIRECT)).finish();
    let by_get = meta.0.http.get(format!("{GRAPH}/v26.0/oauth/access_token?{query}"));
    assert_eq!(meta.0.send(by_get).await.status, 200);
    assert_eq!(code_of(&meta.tokens(&ask(SECRET, REDIRECT)).await), (100, 36009));
    assert_eq!(meta.0.simulator.token_calls(), 4);
}

#[tokio::test]
async fn every_call_needs_the_proof_of_its_own_token() {
    let meta = Meta::start().await;
    let token = meta.connect().await;
    assert_eq!(meta.get(&token, "/me").await.json()["name"], "Olive Owner");
    let without = meta.0.http.get(format!("{GRAPH}/v26.0/me")).bearer_auth(&token);
    let without = meta.0.send(without).await;
    assert!(code_of(&without).0 == 100 && without.text.contains("require an appsecret_proof"));
    let wrong =
        meta.0.http.get(format!("{GRAPH}/v26.0/me?appsecret_proof={}", proof("other"))).bearer_auth(&token);
    let wrong = meta.0.send(wrong).await.json();
    assert_eq!(wrong["error"]["message"], "Invalid appsecret_proof provided in the API argument");
}

#[tokio::test]
async fn a_token_in_a_parameter_overrides_the_headers() {
    let meta = Meta::start().await;
    let token = meta.connect().await;
    meta.0.simulator.meta().add_app(MetaApp::new("666", SECRET, REDIRECT).without_proof());
    let foreign = text(&meta.connect_as("666", "ads_read", "other@meta.example").await, "access_token");
    let query = meta.0.http.get(format!("{GRAPH}/v26.0/me?access_token={foreign}")).bearer_auth(&token);
    assert_eq!(meta.0.send(query).await.json()["name"], "Otto Other");
    // The proof of the header's token does not fit the other one.
    let proved = meta.get(&token, &format!("/me?access_token={foreign}")).await;
    assert_eq!(proved.json()["error"]["message"], "Invalid appsecret_proof provided in the API argument");
}

#[tokio::test]
async fn objects_are_seen_in_ones_own_accounts_only() {
    let meta = Meta::start().await;
    let token = meta.connect().await;
    let accounts = meta.get(&token, "/me/adaccounts?fields=name").await.json();
    assert_eq!(
        accounts["data"],
        json!([{"id": "act_111", "name": "Acme Shoes"}, {"id": "act_222", "name": "Acme Bikes"}])
    );
    assert_eq!(meta.get(&token, &format!("/{CAMPAIGN}?fields=name")).await.json()["name"], "Acme Shoes 1");
    for path in ["/act_999", "/act_999/campaigns", "/1209990000010001", "/31"] {
        assert_eq!(code_of(&meta.get(&token, path).await), (100, 33), "{path}");
    }
    let sets = meta.get(&token, &format!("/{CAMPAIGN}/adsets?fields=name")).await.json();
    assert_eq!(sets["data"][0]["name"], "Acme Shoes set 1");
    assert_eq!(sets["data"].as_array().unwrap().len(), 1);
    let reader = text(&meta.connect_as(APP, "public_profile", "owner@meta.example").await, "access_token");
    assert_eq!(code_of(&meta.get(&reader, "/act_111").await), (200, 0));
}

#[tokio::test]
async fn the_next_page_has_the_token_in_its_address() {
    let meta = Meta::start().await;
    let token = meta.connect().await;
    let first = meta.get(&token, "/act_111/campaigns?fields=name&limit=3").await.json();
    assert_eq!(first["data"].as_array().unwrap().len(), 3);
    let next = text(&first["paging"], "next");
    let next = Url::parse(&next).unwrap();
    let pairs: Vec<(String, String)> = next.query_pairs().into_owned().collect();
    assert_eq!(value(&pairs, "access_token"), token);
    assert_eq!(value(&pairs, "after"), first["paging"]["cursors"]["after"].as_str().unwrap());
    let second = meta.0.send(meta.0.http.get(next)).await.json();
    assert_eq!(second["data"][0]["name"], "Acme Shoes 4");
    assert_eq!(second["paging"]["next"], Value::Null);
}

#[tokio::test]
async fn insights_come_at_once_or_as_a_report() {
    let meta = Meta::start().await;
    let token = text(&meta.connect_as(APP, "ads_read", "owner@meta.example").await, "access_token");
    let rows = meta.get(&token, "/act_111/insights?level=campaign").await.json();
    assert_eq!(rows["data"].as_array().unwrap().len(), 4);
    assert_eq!(rows["data"][0]["campaign_id"], CAMPAIGN);
    let report = meta.call(Method::POST, &token, "/act_111/insights", "level=campaign").await.json();
    let run = text(&report, "report_run_id");
    let status = meta.get(&token, &format!("/{run}?fields=async_status")).await.json();
    assert_eq!(status["async_status"], "Job Completed");
    assert_eq!(meta.get(&token, &format!("/{run}/insights")).await.json()["data"], rows["data"]);
    assert!(meta.0.simulator.meta().mutations().is_empty());
}

#[tokio::test]
async fn objects_are_made_changed_and_deleted() {
    let meta = Meta::start().await;
    let token = meta.connect().await;
    let form = "name=New&objective=OUTCOME_SALES&special_ad_categories=%5B%5D&status=PAUSED";
    let options = "execution_options=%5B%22validate_only%22%5D";
    let dry = meta.call(Method::POST, &token, "/act_111/campaigns", &format!("{form}&{options}")).await;
    assert_eq!(dry.json(), json!({"success": true}));
    assert!(meta.0.simulator.meta().mutations().is_empty());
    let id = text(&meta.call(Method::POST, &token, "/act_111/campaigns", form).await.json(), "id");
    let url = format!("{GRAPH}/v26.0/{id}?appsecret_proof={}", proof(&token));
    let change = json!({"name": "Newer"}).to_string();
    let change = meta.0.http.post(url).bearer_auth(&token).header("content-type", "application/json").body(change);
    assert_eq!(meta.0.send(change).await.json(), json!({"success": true}));
    assert_eq!(meta.0.simulator.meta().object(&id).unwrap()["name"], "Newer");
    assert_eq!(meta.call(Method::POST, &token, "/act_111/campaigns", "name=x").await.json()["error"]["code"], 100);
    for (path, method, form) in [
        (format!("/{id}"), Method::POST, "status=DELETED"),
        (format!("/{SHOES}2?method=delete"), Method::GET, ""),
        (format!("/{SHOES}3"), Method::DELETE, ""),
    ] {
        assert_eq!(meta.call(method, &token, &path, form).await.json(), json!({"success": true}), "{path}");
    }
    let actions: Vec<String> = meta.0.simulator.meta().mutations().into_iter().map(|done| done.action).collect();
    assert_eq!(actions, ["create", "update", "delete", "delete", "delete"]);
    let reader = text(&meta.connect_as(APP, "ads_read", "owner@meta.example").await, "access_token");
    assert_eq!(code_of(&meta.call(Method::DELETE, &reader, &format!("/{CAMPAIGN}"), "").await), (200, 0));
}

#[tokio::test]
async fn a_batch_carries_out_every_call_in_it() {
    let meta = Meta::start().await;
    let token = meta.connect().await;
    let batch = json!([
        {"method": "GET", "relative_url": "v26.0/act_222?fields=name"},
        {"method": "POST", "relative_url": CAMPAIGN, "body": "name=Batched"},
        {"method": "DELETE", "relative_url": format!("{SHOES}2")},
        {"method": "GET", "relative_url": "act_999"},
    ]);
    let form =
        url::form_urlencoded::Serializer::new(String::new()).append_pair("batch", &batch.to_string()).finish();
    let answers = meta.call(Method::POST, &token, "/", &form).await.json();
    let codes: Vec<u64> =
        answers.as_array().unwrap().iter().map(|answer| answer["code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [200, 200, 200, 400]);
    assert!(answers[0]["body"].as_str().unwrap().contains("Acme Bikes"));
    assert_eq!(meta.0.simulator.meta().mutations().len(), 2);
}

#[tokio::test]
async fn errors_and_throttles_come_as_the_switches_say() {
    let meta = Meta::start().await;
    let token = meta.connect().await;
    let usage = meta.get(&token, "/act_111").await;
    assert!(usage.headers["x-business-use-case-usage"].to_str().unwrap().contains("\"111\""));
    for code in [4, 17, 32, 613] {
        meta.0.simulator.switches().change(|all| all.meta.throttled = Some(code));
        let answer = meta.get(&token, "/act_111").await;
        assert_eq!((answer.status, code_of(&answer).0), (400, u64::from(code)));
        assert!(answer.headers["x-business-use-case-usage"].to_str().unwrap().contains("access\":5"));
        assert!(answer.headers.contains_key("x-app-usage") && !answer.headers.contains_key("retry-after"));
    }
    meta.0.simulator.switches().change(|all| {
        all.meta.throttled = None;
        all.meta.errors_in_200 = true;
    });
    meta.0.simulator.meta().expire_access_tokens();
    let answer = meta.get(&token, "/act_111").await;
    assert_eq!((answer.status, code_of(&answer)), (200, (190, 463)));
    assert!(answer.json()["error"]["fbtrace_id"].is_string());
}

#[tokio::test]
async fn a_token_is_debugged_and_revoked() {
    let meta = Meta::start().await;
    let (token, second) = (meta.connect().await, meta.connect().await);
    let asks = format!("{GRAPH}/debug_token?input_token={token}&access_token={APP}%7C{SECRET}");
    let data = meta.0.send(meta.0.http.get(&asks)).await.json()["data"].clone();
    assert_eq!(
        (&data["is_valid"], &data["app_id"], &data["scopes"][0]),
        (&json!(true), &json!(APP), &json!("ads_management"))
    );
    let revoked = meta.call(Method::DELETE, &token, "/me/permissions", "").await;
    assert_eq!(revoked.json(), json!({"success": true}));
    assert_eq!(code_of(&meta.get(&second, "/me").await), (190, 0));
    assert_eq!(meta.0.send(meta.0.http.get(&asks)).await.json()["data"]["is_valid"], json!(false));
    assert!(meta.0.simulator.meta().access_tokens().is_empty());
}

#[tokio::test]
async fn both_token_answers_carry_what_a_test_adds() {
    let meta = Meta::start().await;
    lie(&meta.0.simulator);
    let short = meta.connect_as(APP, "ads_read", "owner@meta.example").await;
    lies(&meta.0.simulator, &short, 1);
    lies(&meta.0.simulator, &meta.lengthen(&text(&short, "access_token")).await.json(), 2);
}
