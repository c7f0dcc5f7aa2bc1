//! Desk: hosts of its own, the portal of a token, and its error shape.

use serde_json::{Value, json};
use wardlock_simulator::Region;

use crate::support::*;

const SCOPES: &str = "Desk.tickets.ALL,Desk.contacts.READ,Desk.basic.READ";

/// Calls Desk in the EU, with the header `orgId` if there is one.
async fn desk(provider: &Provider, token: &str, org: Option<&str>, call: (&str, &str, Value)) -> Answer {
    let (method, path, body) = call;
    let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
    let mut request = provider.http.request(method, format!("https://desk.zoho.eu/api/v1{path}"));
    request = request.header("authorization", format!("Zoho-oauthtoken {token}"));
    if let Some(org) = org {
        request = request.header("orgId", org);
    }
    provider.send(request.header("content-type", "application/json").body(body.to_string())).await
}

#[tokio::test]
async fn a_token_has_one_portal() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let portal = provider.simulator.desk_portal("20071234567");
    let listed = desk(&provider, &token, None, ("GET", "/organizations", Value::Null)).await;
    assert_eq!((listed.status, text(&listed.json()["data"][0], "id")), (200, portal.clone()));
    for org in [None, Some(portal.as_str())] {
        assert_eq!(desk(&provider, &token, org, ("GET", "/tickets", Value::Null)).await.status, 200);
    }
    let who = desk(&provider, &token, Some(&portal), ("GET", "/myinfo", Value::Null)).await;
    assert_eq!((who.status, text(&who.json(), "emailId").as_str()), (200, "owner@eu.acme.example"));
    let other = provider.simulator.desk_portal("20079876543");
    let refused = desk(&provider, &token, Some(&other), ("GET", "/tickets", Value::Null)).await;
    assert_eq!((refused.status, text(&refused.json(), "errorCode").as_str()), (403, "OAUTH_ORG_MISMATCH"));
}

#[tokio::test]
async fn tickets_are_listed_made_changed_and_trashed() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let listed = desk(&provider, &token, None, ("GET", "/tickets?limit=4", Value::Null)).await.json();
    let rows = listed["data"].as_array().unwrap();
    assert_eq!(rows.len(), 4);
    let rest = desk(&provider, &token, None, ("GET", "/tickets?limit=4&from=5", Value::Null)).await.json();
    assert_eq!(rest["data"].as_array().unwrap().len(), 2);
    let beyond = desk(&provider, &token, None, ("GET", "/tickets?from=100", Value::Null)).await;
    assert_eq!((beyond.status, beyond.text.as_str()), (204, ""));

    let incomplete = desk(&provider, &token, None, ("POST", "/tickets", json!({"subject": "Broken"}))).await;
    assert_eq!((incomplete.status, &incomplete.json()["errors"][0]["fieldName"]), (422, &json!("/departmentId")));
    let wanted =
        json!({"subject": "Broken", "departmentId": rows[0]["departmentId"], "contactId": rows[0]["contactId"]});
    let made = desk(&provider, &token, None, ("POST", "/tickets", wanted)).await;
    assert_eq!((made.status, &made.json()["status"]), (200, &json!("Open")));
    let id = text(&made.json(), "id");
    let one = format!("/tickets/{id}");
    let changed = desk(&provider, &token, None, ("PATCH", &one, json!({"status": "Closed"}))).await;
    assert_eq!((changed.status, &changed.json()["status"]), (200, &json!("Closed")));
    let foreign = desk(&provider, &token, None, ("PATCH", &one, json!({"contactId": "1"}))).await;
    assert_eq!(foreign.status, 422);
    let trash = desk(&provider, &token, None, ("POST", "/tickets/moveToTrash", json!({"ticketIds": [id]}))).await;
    assert_eq!(trash.status, 204);
    let gone = desk(&provider, &token, None, ("GET", &one, Value::Null)).await;
    assert_eq!((gone.status, text(&gone.json(), "errorCode").as_str()), (404, "RESOURCE_NOT_FOUND"));
    assert_eq!(provider.simulator.records("20071234567", "desk/tickets").len(), 6);
}

#[tokio::test]
async fn comments_start_empty_and_replies_leave_the_company() {
    let provider = Provider::start().await;
    let token = provider.token(SCOPES).await;
    let listed = desk(&provider, &token, None, ("GET", "/tickets?limit=1", Value::Null)).await.json();
    let ticket = format!("/tickets/{}", text(&listed["data"][0], "id"));
    let comments = format!("{ticket}/comments");
    assert_eq!(desk(&provider, &token, None, ("GET", &comments, Value::Null)).await.status, 204);
    let made = desk(&provider, &token, None, ("POST", &comments, json!({"content": "Called back"}))).await.json();
    assert_eq!(made["isPublic"], false);
    let comment = format!("{comments}/{}", text(&made, "id"));
    assert_eq!(
        desk(&provider, &token, None, ("GET", &comment, Value::Null)).await.json()["content"],
        "Called back"
    );
    assert_eq!(desk(&provider, &token, None, ("DELETE", &comment, Value::Null)).await.status, 204);
    assert_eq!(desk(&provider, &token, None, ("GET", &comments, Value::Null)).await.status, 204);
    let reply = json!({"channel": "EMAIL", "to": "a@customer.example", "content": "Hello"});
    assert_eq!(desk(&provider, &token, None, ("POST", &format!("{ticket}/sendReply"), reply)).await.status, 200);
    assert_eq!(provider.simulator.accepted("20071234567")[0].0, "desk_reply");
}

#[tokio::test]
async fn refusals_have_the_shape_of_desk() {
    let provider = Provider::start().await;
    let token = provider.token("Desk.tickets.READ").await;
    let cases = [
        ("1000.nobody", ("GET", "/tickets", Value::Null), (401, "INVALID_OAUTH")),
        (&token, ("GET", "/contacts", Value::Null), (403, "SCOPE_MISMATCH")),
        (&token, ("POST", "/tickets/moveToTrash", json!({"ticketIds": ["1"]})), (403, "SCOPE_MISMATCH")),
        (&token, ("GET", "/moons", Value::Null), (404, "URL_NOT_FOUND")),
        (&token, ("DELETE", "/tickets", Value::Null), (405, "METHOD_NOT_ALLOWED")),
    ];
    for (token, call, expect) in cases {
        let refused = desk(&provider, token, None, call.clone()).await;
        assert_eq!((refused.status, text(&refused.json(), "errorCode").as_str()), expect, "{call:?}");
    }
    provider.simulator.switches().change(|switches| switches.rate_limited = true);
    let limited = desk(&provider, &token, None, ("GET", "/tickets", Value::Null)).await;
    assert_eq!((limited.status, text(&limited.json(), "errorCode").as_str()), (429, "THRESHOLD_EXCEEDED"));
    provider.simulator.switches().change(|switches| {
        switches.rate_limited = false;
        switches.api_access = false;
    });
    let unlicensed = desk(&provider, &token, None, ("GET", "/tickets", Value::Null)).await;
    assert_eq!(
        (unlicensed.status, text(&unlicensed.json(), "errorCode").as_str()),
        (403, "LICENSE_ACCESS_LIMITED")
    );
}

#[tokio::test]
async fn every_region_has_hosts_of_the_products() {
    let provider = Provider::start().await;
    let hosts = provider.simulator.hosts();
    for region in Region::ALL {
        assert!(
            hosts.contains_key(&region.desk_host()) && hosts.contains_key(&region.marketing_host()),
            "{region}"
        );
    }
    assert!(hosts.contains_key("desk.zohocloud.ca") && hosts.contains_key("desk.zoho.com.au"));
    // The products with a host of their own are not at the gateway.
    let token = provider.token(SCOPES).await;
    assert_eq!(provider.get(&token, "/api/v1/tickets").await.status, 404);
    assert_eq!(provider.get_at("desk.zoho.eu", &token, "/crm/v8/org").await.status, 404);
}
