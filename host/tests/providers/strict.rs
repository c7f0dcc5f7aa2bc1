//! `oidc-provider`: PKCE, rotation with reuse detection, revocation, `iss`. Its API's definition is an operator's own.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use wardlock::admin::{Command, How};

use crate::broker::{Broker, CLIENT_ID, Setting};

pub const DEFINITION: &str = include_str!("../../../tests/providers/notes.toml");
pub const ID: &str = "id.provider.test";
const API: &str = "api.provider.test";

pub async fn start(auth: &str, access_seconds: u64, definition: &str) -> Broker {
    start_with(definition, json!({ "auth": auth, "access_seconds": access_seconds })).await
}

/// Starts one with all that the server's plan says.
async fn start_with(definition: &str, more: Value) -> Broker {
    Broker::start(&Setting {
        script: "strict.mjs",
        hosts: &[ID, API],
        more,
        service: "notes",
        definition: Some(definition),
        connection: "region = \"everywhere\"\nresources = [\"notes\"]\noperations = [\"notes.read\"]",
    })
    .await
}

/// How a client may say who it is: in the server's words, and in a definition's.
const WAYS: [(&str, &str); 2] = [("client_secret_basic", "basic"), ("client_secret_post", "body")];

fn authenticating_by(word: &str) -> String {
    DEFINITION.replace("client_auth = \"basic\"", &format!("client_auth = \"{word}\""))
}

fn grant_types(calls: &[Value]) -> Vec<&str> {
    calls.iter().filter_map(|call| call["body"]["grant_type"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn consent_with_pkce_brings_a_grant_that_works() {
    for (auth, word) in WAYS {
        let broker = start(auth, 3600, &authenticating_by(word)).await;
        broker.connect().await.expect("connected");
        let shown = broker.shown().await;
        assert_eq!(shown["tenant"], "alice", "{shown}");
        let reply = broker.ask("GET", "/v1/notes", None).await;
        assert_eq!(reply.status, 200);
        assert!(String::from_utf8_lossy(&reply.body).contains("first"));
        let denied = broker.ask("POST", "/v1/notes", Some(&json!({ "text": "no" }))).await;
        assert_eq!(denied.status, 403, "the workspace reads only");
        let calls = broker.calls(ID, "/token");
        assert_eq!(grant_types(&calls), ["authorization_code"]);
        assert!(calls[0]["body"]["code_verifier"].is_string(), "PKCE is required here");
        assert_eq!(calls[0]["headers"]["authorization"].is_string(), word == "basic", "one way only");
        assert_eq!(calls[0]["body"]["client_secret"].is_string(), word == "body", "one way only");
        broker.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rotated_refresh_tokens_are_each_used_once() {
    let broker = start("client_secret_basic", 2, DEFINITION).await;
    broker.connect().await.expect("connected");
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 200, "an expired token is renewed first");
    }
    broker.peer.door("expire-access-tokens");
    assert_eq!(
        broker.ask("GET", "/v1/notes", None).await.status,
        200,
        "a stale one is renewed within the request"
    );
    let calls = broker.calls(ID, "/token");
    let refreshes = grant_types(&calls).iter().filter(|grant_type| **grant_type == "refresh_token").count();
    assert!(refreshes >= 4, "{:?}", grant_types(&calls));
    let used: BTreeSet<&str> = calls.iter().filter_map(|call| call["body"]["refresh_token"].as_str()).collect();
    assert_eq!(used.len(), refreshes, "one used twice would end the grant");
    broker.end().await;
}

/// The definition with a device flow, for clients that say who they are in some way.
fn with_device_flow(word: &str) -> String {
    let grants = "[oauth]\ngrants = [\"authorization_code\", \"device_code\"]";
    let text = authenticating_by(word).replace("[oauth]", grants);
    text.replace("[[oauth.revoke]]", "[oauth.device]\npath = \"/device/auth\"\n\n[[oauth.revoke]]")
}

const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

#[tokio::test(flavor = "multi_thread")]
async fn device_code_is_entered_on_the_providers_page() {
    for (auth, word) in [WAYS[0], WAYS[1], ("none", "none")] {
        let grant_types_of_client = json!([DEVICE, "refresh_token", "authorization_code"]);
        let more = json!({ "auth": auth, "access_seconds": 3600, "grant_types": grant_types_of_client });
        let broker = start_with(&with_device_flow(word), more).await;
        broker.connect_by(How::Device).await.expect("connected");
        assert_eq!(broker.shown().await["tenant"], "alice");
        assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 200);
        let codes = broker.calls(ID, "/device/auth");
        assert_eq!(codes.len(), 1);
        assert_eq!(codes[0]["headers"]["authorization"].is_string(), word == "basic");
        assert!(grant_types(&broker.calls(ID, "/token")).iter().all(|grant_type| *grant_type == DEVICE));
        broker.peer.door("expire-access-tokens");
        assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 200, "it is renewed");
        assert_eq!(grant_types(&broker.calls(ID, "/token")).last(), Some(&"refresh_token"));
        revokes(&broker, word).await;
        broker.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn public_client_comes_back_to_any_port() {
    let text = authenticating_by("none").replace("pkce = true", "pkce = true\nany_loopback_port = true");
    let more = json!({ "auth": "none", "access_seconds": 3600, "registered": "http://127.0.0.1/callback" });
    let broker = start_with(&text, more).await;
    broker.connect().await.expect("connected");
    assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 200);
    broker.peer.door("expire-access-tokens");
    assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 200, "it is renewed");
    for call in broker.calls(ID, "/token") {
        assert_eq!(call["body"]["client_id"], CLIENT_ID);
        assert!(call["body"]["client_secret"].is_null() && call["headers"]["authorization"].is_null(), "{call}");
    }
    revokes(&broker, "none").await;
    broker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_asks_for_itself() {
    for (auth, word) in WAYS {
        let grants = "[oauth]\ngrants = [\"client_credentials\"]";
        let text = authenticating_by(word).replace("[oauth]", grants).replace("authorize_path = \"/auth\"\n", "");
        let more = json!({ "auth": auth, "access_seconds": 3600, "grant_types": ["client_credentials"] });
        let broker = start_with(&text.replace("authorize_params = { prompt = \"consent\" }\n", ""), more).await;
        broker.connect().await.expect("connected");
        assert_eq!(broker.shown().await["tenant"], CLIENT_ID);
        assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 200);
        broker.peer.door("expire-access-tokens");
        assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 200, "it asks again");
        assert_eq!(grant_types(&broker.calls(ID, "/token")), ["client_credentials", "client_credentials"]);
        broker.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_revokes_at_the_provider() {
    for (auth, word) in WAYS {
        let broker = start(auth, 3600, &authenticating_by(word)).await;
        broker.connect().await.expect("connected");
        revokes(&broker, word).await;
        broker.end().await;
    }
}

/// Gives the account up, and looks at what the provider made of it.
async fn revokes(broker: &Broker, word: &str) {
    let before = broker.calls("events", "revoked").len();
    let gone = broker.command(Command::Disconnect { grant: "acme-api".to_owned() }).await.expect("disconnected");
    assert_eq!(gone["revoked_at_provider"], "revoked", "{word}");
    let revoked = broker.calls(ID, "/token/revocation");
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0]["body"]["token_type_hint"], "refresh_token");
    let after = broker.calls("events", "revoked").len();
    assert_eq!((before, after), (0, 1), "{word}: the provider took it for its client's word");
    assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 503, "it is connected no more");
}
