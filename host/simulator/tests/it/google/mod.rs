//! Google: consent, tokens, revocation, and Google Ads.

mod ads;
mod tokens;

use serde_json::{Value, json};
use url::Url;
use wardlock_simulator::{Consent, GoogleClient};

use crate::support::{Answer, Provider, REDIRECT, value};

const CLIENT: &str = "77-abc.apps.googleusercontent.com";
const SECRET: &str = "GOCSPX-s3cret";
const ADWORDS: &str = "https://www.googleapis.com/auth/adwords";
const DEVELOPER_TOKEN: &str = "SimulatorDeveloperTokn";
const OFFLINE: &str = "access_type=offline&prompt=consent&state=abc";
const MANAGER: &str = "1000000000";
const SHOES: &str = "1111111111";

struct Google(Provider);

impl Google {
    async fn start() -> Google {
        let provider = Provider::start().await;
        provider.simulator.google().add_client(GoogleClient::web(CLIENT, SECRET, REDIRECT));
        Google(provider)
    }

    async fn callback(&self, extra: &str, user: &str) -> Vec<(String, String)> {
        let query =
            [("response_type", "code"), ("client_id", CLIENT), ("redirect_uri", REDIRECT), ("scope", ADWORDS)];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let url = format!("https://accounts.google.com/o/oauth2/v2/auth?{query}&{extra}");
        let consent = Consent { user: Some(user.to_owned()), ..Consent::default() };
        let callback = self.0.simulator.decide(&url, &consent).await.unwrap();
        Url::parse(&callback).unwrap().query_pairs().into_owned().collect()
    }

    async fn exchange(&self, code: &str, extra: &[(&str, &str)]) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("redirect_uri", REDIRECT),
            ("code", code),
        ];
        self.0.form("https://oauth2.googleapis.com/token", &[&fields, extra].concat()).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("refresh_token", token),
        ];
        self.0.form("https://oauth2.googleapis.com/token", &fields).await
    }

    async fn connect_as(&self, user: &str) -> Value {
        let callback = self.callback(OFFLINE, user).await;
        self.exchange(value(&callback, "code"), &[]).await.json()
    }

    async fn connect(&self) -> Value {
        self.connect_as("owner@google.example").await
    }

    async fn post(&self, token: &str, path: &str, body: &Value) -> Answer {
        let headers = [("developer-token", DEVELOPER_TOKEN), ("login-customer-id", MANAGER)];
        self.post_with(token, &headers, path, body).await
    }

    async fn post_with(&self, token: &str, headers: &[(&str, &str)], path: &str, body: &Value) -> Answer {
        let mut request = self.0.http.post(format!("https://googleads.googleapis.com{path}")).bearer_auth(token);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.0.send(request.header("content-type", "application/json").body(body.to_string())).await
    }

    async fn search(&self, token: &str, query: &str) -> Answer {
        let path = format!("/v26/customers/{SHOES}/googleAds:search");
        self.post(token, &path, &json!({"query": query})).await
    }
}
