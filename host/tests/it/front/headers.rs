//! Rows A10 to A13: headers that must not pass on, names that have two spellings, and headers that only browsers send.

use super::{BAD, Door, LEADS, LEADS_UPSTREAM};
use crate::world::{Plan, World};

fn get(fields: &str) -> String {
    format!("GET {LEADS} HTTP/1.1\r\n{{who}}{fields}\r\n")
}

/// With fields of its own in place of `{who}`.
fn bare(fields: &str) -> String {
    format!("GET {LEADS} HTTP/1.1\r\nHost: {{host}}\r\nAccept: application/problem+json\r\n{fields}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a10_what_belongs_to_this_hop_or_is_listed_in_connection_stays_here() {
    let door = Door::open().await;
    let token = "Authorization: Bearer {token}\r\n";
    for fields in [
        format!("{token}Connection: close, authorization\r\n"),
        format!("{token}Connection: authorization, x-crm-org, close\r\nX-CRM-ORG: 1\r\n"),
        format!("{token}Connection: close, host, content-length, user-agent\r\n"),
        format!("{token}Connection: close\r\nX-CRM-ORG: 20071234567\r\nX-Zoho-Org: 1\r\n"),
        format!("{token}Connection: Keep-Alive, close\r\nKeep-Alive: timeout=5\r\n"),
        format!("{token}Connection: close\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\n"),
        format!("{token}Connection: close, TE\r\nTE: trailers, deflate\r\n"),
        format!("{token}Connection: close\r\nCookie: session=1\r\nCookie2: $Version=1\r\n"),
        "Wardlock-Token: {token}\r\nAuthorization: Bearer evil\r\nConnection: close, wardlock-token\r\n"
            .to_owned(),
        format!(
            "{token}Connection: close\r\nRange: bytes=0-1\r\nAccept-Encoding: gzip\r\nMax-Forwards: 0\r\nVia: 1.1 x\r\n"
        ),
    ] {
        door.passes(&fields, &bare(&fields), LEADS_UPSTREAM).await;
    }
    let since = "If-Modified-Since: 2020-01-01T00:00:00+00:00\r\n";
    let passed = door.passes("not listed", &get(since), LEADS_UPSTREAM).await;
    assert!(passed.header("if-modified-since").is_some(), "it is the service's own");
    let listed = format!("{token}Connection: close, if-modified-since\r\n{since}");
    let dropped = door.passes("listed", &bare(&listed), LEADS_UPSTREAM).await;
    assert!(dropped.header("if-modified-since").is_none(), "it is this hop's, as the agent says");

    // What is meant for the host is read, and not undone by being listed.
    let listed = format!("{token}Connection: close, wardlock-dry-run\r\nWardlock-Dry-Run: true\r\n");
    let before = door.received();
    assert_eq!(door.world.send(door.bytes(&bare(&listed))).await.json().expect("json")["code"], "dry_run");
    assert_eq!(door.received(), before);
    door.refuses(&[("an upgrade", &get("Upgrade: h2c\r\n"), BAD)]).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a11_a_header_with_two_spellings_or_two_values_is_refused() {
    let door = Door::open().await;
    for fields in [
        "Authorization: Bearer {token}\r\n",
        "authorization: Bearer {token}\r\n",
        "AUTHORIZATION: Bearer evil\r\n",
        "Authorization : Bearer evil\r\n",
        "Authorization\t: Bearer evil\r\n",
        "Authorization\0: Bearer evil\r\n",
        " Authorization: Bearer evil\r\n",
        "X_Forwarded_User: root\r\n",
        "X-CRM_ORG: 1\r\n",
        "Wardlock_Token: evil\r\n",
        "Content_Length: 3\r\n",
        "Accept: text/html\r\n",
        "If-Modified-Since: a\r\nIf-Modified-Since: b\r\n",
        "Content-Type: application/json\r\ncontent-type: text/plain\r\n",
        "Wardlock-Token: {token}\r\nWardlock-Token: {token}\r\n",
        "Wardlock-Purpose: a\r\nWardlock-Purpose: b\r\n",
        "Wardlock-Dry-Run: false\r\nWardlock-Dry-Run: true\r\n",
        ": nameless\r\n",
        "Bearer {token}\r\n",
    ] {
        door.refuses(&[(fields, &get(fields), BAD)]).await;
    }
    // Two different agents in one request.
    let other = format!("wl_{}", "A".repeat(47));
    door.refuses(&[("two agents", &get(&format!("Wardlock-Token: {other}\r\n")), BAD)]).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a12_what_proxies_say_of_a_request_is_dropped_and_never_believed() {
    let door = Door::open().await;
    for name in [
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Proto",
        "X-Forwarded-Port",
        "X-Forwarded-Uri",
        "X-Forwarded-Prefix",
        "X-Forwarded-Method",
        "X-Forwarded-User",
        "X-Original-URL",
        "X-Original-Host",
        "X-Original-Forwarded-For",
        "X-Rewrite-URL",
        "X-Real-IP",
        "X-Client-IP",
        "X-Host",
        "True-Client-IP",
        "Forwarded",
        "Via",
        "X-Middleware-Subrequest",
        "X-Remote-User",
        "Destination",
    ] {
        for value in ["/globex/zoho/crm/v8/Deals", "evil.example", "for=10.0.0.1;host=evil;proto=http", "DELETE"] {
            let field = format!("{name}: {value}\r\n");
            let received = door.passes(&field, &get(&field), LEADS_UPSTREAM).await;
            assert_eq!((received.method.as_str(), received.host.as_str()), ("GET", "www.zohoapis.eu"), "{field}");
        }
    }
    let rows = door.world.host.audit().list(&wardlock_audit::Filter::newest(usize::MAX)).expect("rows");
    let said =
        rows.iter().filter_map(|row| row.detail.request.as_ref()).map(|request| request.separation.as_deref());
    assert!(said.clone().count() > 0);
    assert!(
        said.clone().all(|separation| separation == Some("none")),
        "whose a connection is, only the kernel tells"
    );
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a13_no_header_and_no_parameter_changes_the_method() {
    let door = Door::open().await;
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
        "X-Method",
        "Method",
        "X-Requested-Method",
    ] {
        let field = format!("{name}: DELETE\r\n");
        let received = door.passes(&field, &get(&field), LEADS_UPSTREAM).await;
        assert!(received.raw.starts_with(b"GET "), "{field}");
    }
    for parameter in [
        "_method=DELETE",
        "%5fmethod=DELETE",
        "_METHOD=DELETE",
        "method=DELETE",
        "x-method-override=DELETE",
        "X-HTTP-Method-Override=DELETE",
        "x%2dhttp%2dmethod%2doverride=DELETE",
        "httpMethod=DELETE",
        "%24method=DELETE",
        "_method",
    ] {
        let attack = format!("GET {LEADS}&{parameter} HTTP/1.1\r\n{{who}}\r\n");
        door.refuses(&[(parameter, &attack, (400, "query_not_allowed"))]).await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_from_a_web_page_is_refused() {
    let door = Door::open().await;
    for fields in [
        "Origin: https://evil.example\r\n",
        "Origin: null\r\n",
        "Origin: http://{host}\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Mode: no-cors\r\nSec-Fetch-Dest: image\r\n",
    ] {
        door.refuses(&[(fields, &get(fields), (403, "browser_refused"))]).await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn header_that_begins_as_ours_and_is_none_of_them_is_refused() {
    let world = World::start(Plan::default()).await;
    for name in ["Wardlock-DryRun", "wardlock-dry-runs", "Wardlock-Request-Id"] {
        let headers = format!("{name}: true\r\nAccept: application/problem+json\r\n");
        let reply = world.ask("acme", "GET", "/acme/zoho/crm/v8/Leads?fields=Last_Name", &headers, "").await;
        let said = reply.json().expect("json");
        assert_eq!((reply.status, &said["code"]), (400, &serde_json::json!("bad_request")), "{said}");
        let (detail, hint) = (said["detail"].as_str().expect("text"), said["hint"].as_str().expect("text"));
        assert!(detail.contains(&format!("`{}`", name.to_ascii_lowercase())), "{detail}");
        assert!(hint.contains("`Wardlock-Token`, `Wardlock-Purpose` and `Wardlock-Dry-Run`"), "{hint}");
    }
    assert_eq!(world.api_calls(), 0);
    world.end().await;
}
