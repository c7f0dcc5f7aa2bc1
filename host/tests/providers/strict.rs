//! `oidc-provider`: PKCE, rotation with reuse detection, revocation, `iss`. Its API's definition is an operator's own.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use wardlock::admin::Command;

use crate::broker::{Broker, Setting};

const DEFINITION: &str = include_str!("../../../tests/providers/notes.toml");
const ID: &str = "id.provider.test";
const API: &str = "api.provider.test";

async fn start(auth: &str, access_seconds: u64, definition: &str) -> Broker {
    Broker::start(&Setting {
        script: "strict.mjs",
        hosts: &[ID, API],
        more: json!({ "auth": auth, "access_seconds": access_seconds }),
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

#[tokio::test(flavor = "multi_thread")]
async fn disconnecting_revokes_at_the_provider() {
    for (auth, word) in WAYS {
        let broker = start(auth, 3600, &authenticating_by(word)).await;
        broker.connect().await.expect("connected");
        assert!(broker.calls("events", "revoked").is_empty());
        broker.command(Command::Disconnect { grant: "acme-api".to_owned() }).await.expect("disconnected");
        let revoked = broker.calls(ID, "/token/revocation");
        assert_eq!(revoked.len(), 1);
        assert_eq!(revoked[0]["body"]["token_type_hint"], "refresh_token");
        assert_eq!(
            broker.calls("events", "revoked").len(),
            1,
            "{word}: the provider took it for its client's word"
        );
        assert_eq!(broker.ask("GET", "/v1/notes", None).await.status, 503, "it is connected no more");
        broker.end().await;
    }
}
