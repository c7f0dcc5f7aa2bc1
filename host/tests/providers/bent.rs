//! `oauth2-mock-server`, bent to Zoho's ways, through the built-in `zoho-crm` as it is.

use serde_json::json;

use crate::broker::{Broker, Setting};

pub const ACCOUNTS: &str = "accounts.zoho.eu";
const SCOPES: &str = "ZohoCRM.modules.leads.READ ZohoCRM.org.READ";
pub const LEADS: &str = "/crm/v8/Leads?fields=Last_Name";

pub async fn start() -> Broker {
    Broker::start(&Setting {
        script: "bent.mjs",
        hosts: &[ACCOUNTS, "www.zohoapis.eu"],
        more: json!({ "scopes": SCOPES }),
        service: "zoho-crm",
        definition: None,
        connection: "region = \"eu\"\nresources = [\"Leads\"]\noperations = [\"records.list\"]",
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_with_status_200_are_errors() {
    let broker = start().await;
    broker.connect().await.expect("connected");
    assert_eq!(broker.ask("GET", LEADS, None).await.status, 200);
    broker.peer.door("end-grants");
    broker.peer.door("expire-access-tokens");
    let reply = broker.ask("GET", LEADS, None).await;
    assert_eq!(reply.status, 503, "{}", String::from_utf8_lossy(&reply.body));
    assert!(String::from_utf8_lossy(&reply.body).contains("RECONNECT"), "and says who mends it");
    let calls = broker.calls(ACCOUNTS, "/oauth/v2/token").len();
    assert_eq!(broker.ask("GET", LEADS, None).await.status, 503);
    assert_eq!(broker.calls(ACCOUNTS, "/oauth/v2/token").len(), calls, "a lost grant is not asked for again");
    broker.connect().await.expect("connected again");
    assert_eq!(broker.ask("GET", LEADS, None).await.status, 200);
    broker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_token_is_renewed_within_the_request() {
    let broker = start().await;
    broker.connect().await.expect("connected");
    broker.peer.door("expire-access-tokens");
    assert_eq!(broker.ask("GET", LEADS, None).await.status, 200);
    assert_eq!(broker.calls(ACCOUNTS, "/oauth/v2/token").len(), 2, "one for the code, one for the stale token");
    broker.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn throttled_endpoint_is_left_alone() {
    let broker = start().await;
    broker.connect().await.expect("connected");
    broker.peer.door("expire-access-tokens");
    broker.peer.door("throttle");
    let reply = broker.ask("GET", LEADS, None).await;
    assert_eq!(reply.status, 503, "{}", String::from_utf8_lossy(&reply.body));
    let calls = broker.calls(ACCOUNTS, "/oauth/v2/token").len();
    assert_eq!(broker.ask("GET", LEADS, None).await.status, 503);
    assert_eq!(broker.calls(ACCOUNTS, "/oauth/v2/token").len(), calls, "it is left alone");
    broker.end().await;
}
