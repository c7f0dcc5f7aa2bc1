//! A client with the test authority, a callback page, and a clock that tests move.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustls::pki_types::CertificateDer;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use url::Url;
use wardlock_simulator::{ClientSpec, Consent, Region, Simulator, SimulatorConfig};

pub const CLIENT: &str = "1000.ABCDEFGHIJKLMNOPQRSTUVWXYZ1234";
pub const SECRET: &str = "s3cret";
pub const SCOPES: &str = "ZohoCRM.modules.ALL,ZohoCRM.settings.READ,ZohoCRM.org.READ,ZohoCRM.users.READ,\
    ZohoCRM.coql.READ,ZohoSearch.securesearch.READ";
pub const REDIRECT: &str = "http://127.0.0.1:7421/callback";

pub struct Provider {
    pub simulator: Simulator,
    pub http: reqwest::Client,
    pub now: Arc<AtomicU64>,
}

pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn error(&self) -> String {
        self.json()["error"].as_str().unwrap_or_default().to_owned()
    }
}

impl Provider {
    pub async fn start() -> Provider {
        Provider::with(ClientSpec::new(CLIENT, SECRET, REDIRECT)).await
    }

    pub async fn with(client: ClientSpec) -> Provider {
        let now = Arc::new(AtomicU64::new(1_795_000_000_000));
        let time = Arc::clone(&now);
        let clock = Arc::new(move || time.load(Ordering::SeqCst));
        let config = SimulatorConfig { clock, clients: vec![client], ..SimulatorConfig::default() };
        let simulator = Simulator::start(config).await.unwrap();
        let http = http_client(&simulator);
        Provider { simulator, http, now }
    }

    pub fn pass(&self, ms: u64) {
        self.now.fetch_add(ms, Ordering::SeqCst);
    }

    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    pub async fn form(&self, url: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body);
        self.send(request).await
    }

    /// Consents in the region and returns the parameters of the callback.
    pub async fn code(&self, region: Region, extra: &str, consent: &Consent) -> Vec<(String, String)> {
        let url = authorize_url(region, SCOPES, extra);
        let callback = self.simulator.decide(&url, consent).await.unwrap();
        Url::parse(&callback).unwrap().query_pairs().into_owned().collect()
    }

    pub async fn exchange(&self, region: Region, code: &str, extra: &[(&str, &str)]) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("redirect_uri", REDIRECT),
            ("code", code),
        ];
        self.form(&token_url(region), &[&fields, extra].concat()).await
    }

    pub async fn refresh(&self, region: Region, token: &str) -> Answer {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", CLIENT),
            ("client_secret", SECRET),
            ("refresh_token", token),
        ];
        self.form(&token_url(region), &fields).await
    }

    /// Returns the answer of a whole consent with `access_type=offline&prompt=consent`.
    pub async fn connect(&self, region: Region) -> Value {
        let callback = self.code(region, OFFLINE, &Consent::default()).await;
        self.exchange(region, value(&callback, "code"), &[]).await.json()
    }

    /// Returns an access token with these scopes in the EU.
    pub async fn token(&self, scopes: &str) -> String {
        let url = authorize_url(Region::Eu, scopes, OFFLINE);
        let callback = self.simulator.decide(&url, &Consent::default()).await.unwrap();
        let callback: Vec<(String, String)> = Url::parse(&callback).unwrap().query_pairs().into_owned().collect();
        text(&self.exchange(Region::Eu, value(&callback, "code"), &[]).await.json(), "access_token")
    }

    pub async fn get(&self, token: &str, path: &str) -> Answer {
        self.get_at("www.zohoapis.eu", token, path).await
    }

    pub async fn get_at(&self, host: &str, token: &str, path: &str) -> Answer {
        let request = self.http.get(format!("https://{host}{path}"));
        self.send(request.header("authorization", format!("Zoho-oauthtoken {token}"))).await
    }

    pub async fn call(&self, token: &str, method: &str, path: &str, body: &Value) -> Answer {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.http.request(method, format!("https://www.zohoapis.eu{path}"));
        let request = request.header("authorization", format!("Zoho-oauthtoken {token}"));
        self.send(request.header("content-type", "application/json").body(body.to_string())).await
    }
}

pub const OFFLINE: &str = "access_type=offline&prompt=consent&state=abc";

pub fn token_url(region: Region) -> String {
    format!("https://{}/oauth/v2/token", region.accounts_host())
}

pub fn authorize_url(region: Region, scopes: &str, extra: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", CLIENT),
            ("redirect_uri", REDIRECT),
            ("scope", scopes),
        ])
        .finish();
    format!("https://{}/oauth/v2/auth?{query}&{extra}", region.accounts_host())
}

pub fn value<'a>(pairs: &'a [(String, String)], name: &str) -> &'a str {
    pairs.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

pub fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

pub fn tls(simulator: &Simulator) -> rustls::ClientConfig {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from(simulator.ca_der())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    builder.with_root_certificates(roots).with_no_client_auth()
}

fn http_client(simulator: &Simulator) -> reqwest::Client {
    let mut builder = reqwest::Client::builder()
        .tls_backend_preconfigured(tls(simulator))
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none());
    for (name, address) in simulator.hosts() {
        builder = builder.resolve(&name, address);
    }
    builder.build().unwrap()
}

/// Serves one callback page, and returns the redirect URI with the target that was asked for.
pub async fn callback_page() -> (String, tokio::task::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let uri = format!("http://{}/callback", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = vec![0; 8192];
        let length = stream.read(&mut bytes).await.unwrap();
        let page = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\ndone";
        stream.write_all(page.as_bytes()).await.unwrap();
        let head = String::from_utf8_lossy(&bytes[..length]).into_owned();
        head.split(' ').nth(1).unwrap_or_default().to_owned()
    });
    (uri, served)
}

/// A host of nobody's.
pub const EVIL: &str = "https://www.evil.example";

/// Has every token answer name a host of nobody's.
pub fn lie(simulator: &Simulator) {
    let lies = ["api_domain", "instance_url"].map(|name| (name.to_owned(), Value::from(EVIL)));
    simulator.switches().change(|switches| switches.token_answer_extra = lies.into_iter().collect());
}

/// Fails unless a token answer names it, and so many did.
#[track_caller]
pub fn lies(simulator: &Simulator, answer: &Value, count: usize) {
    assert!(answer["access_token"].is_string(), "{answer}");
    assert_eq!((&answer["api_domain"], &answer["instance_url"]), (&Value::from(EVIL), &Value::from(EVIL)));
    assert_eq!(simulator.switches().read().token_answers_extended, count);
}
