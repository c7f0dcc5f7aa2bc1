//! The provider of notes: to the letter of the RFCs.

use serde_json::Value;
use url::Url;
use wardlock_simulator::{Consent, NotesClient, NotesConfig};

use crate::support::{Answer, Provider, REDIRECT, lie, lies, text, value};

const CLIENT: &str = "notes-client";
const SECRET: &str = "s3cret";
const PUBLIC: &str = "notes-public";
const TOKEN: &str = "https://oauth.notes.example/token";
const DEVICE: &str = "https://oauth.notes.example/device_authorization";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const PKCE: &str = "code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
const BODY: [(&str, &str); 2] = [("client_id", CLIENT), ("client_secret", SECRET)];

struct Notes(Provider);

impl Notes {
    async fn start() -> Notes {
        let provider = Provider::start().await;
        provider.simulator.notes().add_client(NotesClient::new(CLIENT, SECRET, REDIRECT));
        provider.simulator.notes().add_client(NotesClient::public(PUBLIC, REDIRECT));
        Notes(provider)
    }

    async fn callback(
        &self,
        client: &str,
        redirect: &str,
        extra: &str,
        consent: &Consent,
    ) -> Vec<(String, String)> {
        let query =
            [("response_type", "code"), ("client_id", client), ("redirect_uri", redirect), ("state", "abc")];
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let url = format!("https://login.notes.example/authorize?{query}&{extra}");
        let callback = self.0.simulator.decide(&url, consent).await.unwrap();
        Url::parse(&callback).unwrap().query_pairs().into_owned().collect()
    }

    async fn code(&self, scope: &str) -> String {
        let extra = format!("scope={scope}&{PKCE}");
        value(&self.callback(CLIENT, REDIRECT, &extra, &Consent::default()).await, "code").to_owned()
    }

    async fn exchange(&self, code: &str, verifier: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("redirect_uri", REDIRECT),
            ("code", code),
            ("code_verifier", verifier),
        ];
        self.0.form(TOKEN, &[&fields[..], &BODY].concat()).await
    }

    async fn connect(&self, scope: &str) -> Value {
        self.exchange(&self.code(scope).await, VERIFIER).await.json()
    }

    async fn refresh(&self, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.0.form(TOKEN, &[&fields[..], &BODY].concat()).await
    }

    async fn get(&self, token: &str, path: &str) -> Answer {
        let request = self.0.http.get(format!("https://api.notes.example{path}"));
        self.0.send(request.bearer_auth(token)).await
    }
}

#[tokio::test]
async fn the_code_flow_requires_pkce_and_names_the_issuer() {
    let notes = Notes::start().await;
    let agreed = Consent::default();
    let callback = notes.callback(CLIENT, REDIRECT, &format!("scope=notes.read&{PKCE}"), &agreed).await;
    assert_eq!((value(&callback, "iss"), value(&callback, "state")), ("https://login.notes.example", "abc"));
    let token = notes.exchange(value(&callback, "code"), VERIFIER).await;
    assert_eq!(token.headers["cache-control"], "no-store");
    assert_eq!(token.json()["refresh_token"], Value::Null, "nobody asked for offline access");
    let denied = Consent { accept: false, ..Consent::default() };
    for (extra, consent, error) in [
        ("scope=notes.read", &agreed, "invalid_request"),
        ("scope=notes.read&code_challenge=x&code_challenge_method=plain", &agreed, "invalid_request"),
        (&format!("scope=everything&{PKCE}"), &agreed, "invalid_scope"),
        (&format!("scope=notes.read&{PKCE}"), &denied, "access_denied"),
    ] {
        let query = format!("response_type=code&client_id={CLIENT}&redirect_uri={REDIRECT}&state=abc&{extra}");
        let url = notes.0.simulator.consent_url(&format!("https://login.notes.example/authorize?{query}"));
        let form = format!("decision={}", if consent.accept { "accept" } else { "reject" });
        let request =
            notes.0.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(form);
        let answer = notes.0.send(request).await;
        let location = Url::parse(answer.headers["location"].to_str().unwrap()).unwrap();
        let back: Vec<(String, String)> = location.query_pairs().into_owned().collect();
        assert_eq!((value(&back, "error"), value(&back, "state")), (error, "abc"), "{extra}");
        assert_eq!(value(&back, "iss"), "https://login.notes.example", "{extra}");
    }
}

#[tokio::test]
async fn a_foreign_redirect_is_told_on_a_page() {
    let notes = Notes::start().await;
    for (client, redirect, expect) in [
        (CLIENT, "http://127.0.0.1:9/callback", 400),
        (PUBLIC, "http://127.0.0.1:9/callback", 200),
        (PUBLIC, "http://127.0.0.1:9/other", 400),
        (PUBLIC, "http://localhost:9/callback", 400),
        ("nobody", REDIRECT, 400),
    ] {
        let query =
            format!("response_type=code&client_id={client}&redirect_uri={redirect}&scope=notes.read&{PKCE}");
        let url = notes.0.simulator.consent_url(&format!("https://login.notes.example/authorize?{query}"));
        assert_eq!(notes.0.send(notes.0.http.get(url)).await.status, expect, "{client} {redirect}");
    }
}

#[tokio::test]
async fn codes_and_refresh_tokens_that_come_twice_end_everything() {
    let notes = Notes::start().await;
    let code = notes.code("notes.read offline_access").await;
    assert_eq!(notes.exchange(&code, "wrong").await.error(), "invalid_grant");
    let first = notes.exchange(&code, VERIFIER).await.json();
    assert_eq!(notes.get(&text(&first, "access_token"), "/v1/me").await.status, 200);
    assert_eq!(notes.exchange(&code, VERIFIER).await.error(), "invalid_grant");
    assert_eq!(notes.get(&text(&first, "access_token"), "/v1/me").await.status, 401);
    assert_eq!(notes.refresh(&text(&first, "refresh_token")).await.error(), "invalid_grant");

    let first = notes.connect("notes.read offline_access").await;
    let second = notes.refresh(&text(&first, "refresh_token")).await.json();
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    assert_eq!(notes.get(&text(&second, "access_token"), "/v1/me").await.status, 200);
    assert_eq!(notes.refresh(&text(&first, "refresh_token")).await.error(), "invalid_grant");
    assert_eq!(notes.get(&text(&second, "access_token"), "/v1/me").await.status, 401);
    assert_eq!(notes.refresh(&text(&second, "refresh_token")).await.error(), "invalid_grant");
}

#[tokio::test]
async fn clients_say_who_they_are_once_and_in_the_body_or_by_basic() {
    let notes = Notes::start().await;
    let credentials = [("grant_type", "client_credentials"), ("scope", "notes.read")];
    for (fields, basic, status, error) in [
        (&BODY[..], None, 200, ""),
        (&[], Some((CLIENT, SECRET)), 200, ""),
        (&BODY[..1], Some((CLIENT, SECRET)), 200, ""),
        (&BODY, Some((CLIENT, SECRET)), 400, "invalid_request"),
        (&BODY[..1], None, 401, "invalid_client"),
        (&[], Some((CLIENT, "wrong")), 401, "invalid_client"),
        (&[("client_id", PUBLIC)], None, 400, "unauthorized_client"),
        (&[BODY[0], BODY[0], BODY[1]], None, 400, "invalid_request"),
    ] {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([&credentials[..], fields].concat())
            .finish();
        let mut request = notes.0.http.post(TOKEN).header("content-type", "application/x-www-form-urlencoded");
        if let Some((id, secret)) = basic {
            request = request.basic_auth(id, Some(secret));
        }
        let answer = notes.0.send(request.body(body)).await;
        assert_eq!((answer.status, answer.error().as_str()), (status, error), "{fields:?} {basic:?}");
        assert_eq!(answer.headers.contains_key("www-authenticate"), status == 401 && basic.is_some());
        assert_eq!(answer.json()["refresh_token"], Value::Null);
    }
    let in_query = notes.0.form(&format!("{TOKEN}?client_id={CLIENT}&client_secret={SECRET}"), &credentials).await;
    assert_eq!(in_query.error(), "invalid_request");
}

#[tokio::test]
async fn a_device_waits_for_its_person() {
    let notes = Notes::start().await;
    let asked = [("client_id", PUBLIC), ("scope", "notes.read offline_access")];
    let code = notes.0.form(DEVICE, &asked).await.json();
    assert_eq!(code["interval"], 1);
    let poll = [
        ("grant_type", DEVICE_GRANT),
        ("client_id", PUBLIC),
        ("device_code", code["device_code"].as_str().unwrap()),
    ];
    assert_eq!(notes.0.form(TOKEN, &poll).await.error(), "authorization_pending");
    assert_eq!(notes.0.form(TOKEN, &poll).await.error(), "slow_down");
    let page = notes.0.simulator.consent_url(code["verification_uri_complete"].as_str().unwrap());
    let otto = Consent { user: Some("otto@notes.example".to_owned()), ..Consent::default() };
    wardlock_simulator::decide_device(&page, &otto).await.unwrap();
    assert!(wardlock_simulator::decide_device(&page, &otto).await.is_err(), "a code is decided once");
    let token = notes.0.form(TOKEN, &poll).await.json();
    assert_eq!(notes.get(&text(&token, "access_token"), "/v1/me").await.json()["name"], "Otto");
    assert!(token["refresh_token"].is_string());
    assert_eq!(notes.0.form(TOKEN, &poll).await.error(), "invalid_grant");

    let code = notes.0.form(DEVICE, &asked).await.json();
    assert!(notes.0.simulator.deny_device(code["user_code"].as_str().unwrap()));
    let poll = [poll[0], poll[1], ("device_code", code["device_code"].as_str().unwrap())];
    assert_eq!(notes.0.form(TOKEN, &poll).await.error(), "access_denied");
    notes.0.pass(300_000);
    assert_eq!(notes.0.form(TOKEN, &poll).await.error(), "expired_token");
}

#[tokio::test]
async fn revocation_ends_a_grant_and_knows_no_unknown_token() {
    let notes = Notes::start().await;
    let token = notes.connect("notes.read offline_access").await;
    let revoke = async |value: &str, client: &[(&str, &str)]| {
        notes.0.form("https://oauth.notes.example/revoke", &[&[("token", value)], client].concat()).await.status
    };
    let (access, refresh) = (text(&token, "access_token"), text(&token, "refresh_token"));
    assert_eq!(revoke(&refresh, &[]).await, 400);
    assert_eq!(revoke(&refresh, &[("client_id", PUBLIC)]).await, 200);
    assert_eq!(notes.get(&access, "/v1/me").await.status, 200, "somebody else's client ends nothing");
    assert_eq!(revoke(&refresh, &BODY).await, 200);
    assert_eq!(revoke(&refresh, &BODY).await, 200);
    assert_eq!(notes.get(&access, "/v1/me").await.status, 401);
    assert!(notes.0.simulator.notes().refresh_tokens().is_empty());
}

#[tokio::test]
async fn the_api_tells_what_is_missing() {
    let notes = Notes::start().await;
    let token = text(&notes.connect("notes.read").await, "access_token");
    let none = notes.0.send(notes.0.http.get("https://api.notes.example/v1/me")).await;
    assert_eq!((none.status, none.headers["www-authenticate"].to_str().unwrap()), (401, "Bearer realm=\"notes\""));
    let bad = notes.get("nobody's", "/v1/me").await;
    assert!(bad.headers["www-authenticate"].to_str().unwrap().contains("error=\"invalid_token\""));
    let request =
        notes.0.http.post("https://api.notes.example/v1/notes").bearer_auth(&token).body("{\"text\":\"x\"}");
    let narrow = notes.0.send(request).await;
    assert_eq!((narrow.status, narrow.error().as_str()), (403, "insufficient_scope"));
    assert_eq!(notes.get(&token, "/v1/notes?per_page=101").await.status, 400);
    assert_eq!(notes.get(&token, "/v1/app").await.error(), "app_key_required");
    notes.0.pass(3_600_000);
    assert_eq!(notes.get(&token, "/v1/me").await.status, 401);
}

#[tokio::test]
async fn a_static_key_may_do_everything_on_its_own_host() {
    let notes = Notes::start().await;
    let key = NotesConfig::API_KEY;
    let send = async |method: &str, path: &str, body: &'static str| {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = notes.0.http.request(method, format!("https://key.notes.example{path}"));
        notes.0.send(request.header("x-api-key", key).body(body)).await
    };
    let made = send("POST", "/v1/notes", "{\"text\":\"second\"}").await;
    assert_eq!(made.status, 201);
    let place = made.headers["location"].to_str().unwrap().to_owned();
    assert_eq!(send("GET", &place, "").await.json()["text"], "second");
    assert_eq!(notes.0.simulator.notes().notes("n-1001").len(), 2);
    let page = send("GET", "/v1/notes?page=2&per_page=1", "").await.json();
    assert_eq!((page["notes"][0]["text"].as_str(), page["total"].as_u64()), (Some("second"), Some(2)));
    assert_eq!(send("DELETE", &place, "").await.status, 204);
    assert_eq!(send("DELETE", &place, "").await.status, 404);
    assert_eq!(send("PUT", "/v1/notes", "").await.headers["allow"], "GET, POST");
    let get = async |url: &str| notes.0.send(notes.0.http.get(url)).await.status;
    assert_eq!(get(&format!("https://key.notes.example/v1/me?key={key}")).await, 200);
    assert_eq!(get("https://key.notes.example/v1/me?key=wrong").await, 401);
    assert_eq!(get(&format!("https://api.notes.example/v1/me?key={key}")).await, 401);
    let app = notes.0.http.get(format!("https://key.notes.example/v1/app?key={key}"));
    let app = notes.0.send(app.header("x-app-key", NotesConfig::APP_KEY)).await;
    assert_eq!(app.json()["app"], "Simulated app");
}

#[tokio::test]
async fn a_token_answer_carries_what_a_test_adds() {
    let notes = Notes::start().await;
    lie(&notes.0.simulator);
    lies(&notes.0.simulator, &notes.connect("notes.read").await, 1);
}
