//! Rows A14 and A15: methods, upgrades and sizes.

use super::{BAD, Door, HEAD_TOO_LARGE, LEADS, LEADS_UPSTREAM, NOT_CANONICAL};
use crate::world::Plan;

const BODY_TOO_LARGE: super::Told = (413, "body_too_large");
const QUERY: &str = r#"{"select_query":"select Last_Name from Leads where Last_Name is not null limit 2"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a14_methods_are_few_and_the_connection_stays_http() {
    let door = Door::open().await;
    let path = "/acme/zoho/crm/v8/Leads/1";
    for line in [
        format!("delete {path}"),
        format!("Delete {path}"),
        format!("get {LEADS}"),
        format!("TRACE {path}"),
        format!("TRACK {path}"),
        format!("PURGE {path}"),
        format!("DEBUG {path}"),
        format!("OPTIONS {path}"),
        format!("PROPFIND {path}"),
        format!("GETS {LEADS}"),
        format!("GET-X {LEADS}"),
        format!("CONNECT {path}"),
        "CONNECT {host}".to_owned(),
        "CONNECT evil:443".to_owned(),
        "OPTIONS *".to_owned(),
        "GET *".to_owned(),
        format!(" GET {LEADS}"),
        format!("GET  {LEADS}"),
        format!("GET {LEADS} x"),
    ] {
        door.refuses(&[(&line, &format!("{line} HTTP/1.1\r\n{{who}}\r\n"), BAD)]).await;
    }
    for line in [
        "HTTP/1.0",
        "HTTP/1.2",
        "HTTP/2.0",
        "HTTP/0.9",
        "http/1.1",
        "HTTP/1.1 ",
        "HTTP/11",
        "HTTP/1.10",
        "HTTPS/1.1",
    ] {
        door.refuses(&[(line, &format!("GET {LEADS} {line}\r\n{{who}}\r\n"), BAD)]).await;
    }
    door.refuses(&[
        ("HTTP/0.9", &format!("GET {LEADS}\r\n\r\n"), BAD),
        ("an h2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", BAD),
        ("TLS", "\u{16}\u{3}\u{1}\u{2}\r\n\r\n", BAD),
    ])
    .await;
    for fields in [
        "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "HTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Upgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n",
        "Upgrade: TLS/1.2\r\n",
    ] {
        door.refuses(&[(fields, &format!("GET {LEADS} HTTP/1.1\r\n{{who}}{fields}\r\n"), BAD)]).await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a14_who_waits_for_100_continue_is_told_and_the_provider_is_not_asked_to_wait() {
    let door = Door::open().await;
    let head = format!(
        "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{{who}}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        QUERY.len()
    );
    let bytes = door.world.send_all([door.bytes(&head), QUERY.into()].concat()).await;
    let said = String::from_utf8_lossy(&bytes);
    assert!(said.starts_with("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"), "{said}");
    let received = door.world.simulator.recordings().pop().expect("a request");
    assert_eq!((received.header("expect"), received.body.as_slice()), (None, QUERY.as_bytes()));
    // Who is refused by the head alone is told at once, and sends no body.
    for (name, line, status) in [
        ("another host", "Host: evil\r\nAuthorization: Bearer {token}\r\n", "421"),
        ("too large", "{who}", "413"),
        ("an upgrade", "{who}Upgrade: h2c\r\n", "400"),
    ] {
        let length = 1_u64 << 40;
        let head = format!(
            "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{line}Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        );
        let said = door.world.send(door.bytes(&head)).await;
        assert_eq!(said.status.to_string(), status, "{name}");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a15_a_read_carries_no_body() {
    let door = Door::open().await;
    let get = format!("GET {LEADS} HTTP/1.1\r\n{{who}}");
    door.refuses(&[
        ("a length", &format!("{get}Content-Length: 3\r\n\r\nabc"), NOT_CANONICAL),
        ("chunks", &format!("{get}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"), NOT_CANONICAL),
    ])
    .await;
    door.passes("an empty one", &format!("{get}Content-Length: 0\r\n\r\n"), LEADS_UPSTREAM).await;
    let before = door.received();
    let head = format!("HEAD {LEADS} HTTP/1.1\r\n{{who}}Content-Length: 3\r\n\r\nabc");
    let bytes = door.world.send_all(door.bytes(&head)).await;
    let said = String::from_utf8_lossy(&bytes);
    assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n") && said.ends_with("\r\n\r\n"), "{said}");
    assert_eq!(door.received(), before, "something was sent");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a15_a_head_over_a_limit_is_told_so() {
    let door = Door::open().await;
    let head = |target: &str, fields: &str| format!("GET {target} HTTP/1.1\r\n{{who}}{fields}\r\n");
    let fields = |count: usize| (0..count).map(|number| format!("X-{number}: a\r\n")).collect::<Vec<_>>().concat();
    let long = |length: usize| "a".repeat(length);
    door.refuses(&[
        ("101 headers", &head(LEADS, &fields(101)), HEAD_TOO_LARGE),
        ("one header too many", &head(LEADS, &fields(61)), HEAD_TOO_LARGE),
        ("a header of 1 MB", &head(LEADS, &format!("X: {}\r\n", long(1 << 20))), HEAD_TOO_LARGE),
        ("a header name of 1 MB", &head(LEADS, &format!("{}: x\r\n", long(1 << 20))), HEAD_TOO_LARGE),
        ("a target of 10 MB", &head(&format!("{LEADS}&x={}", long(10 << 20)), ""), HEAD_TOO_LARGE),
        ("a method of 1 MB", &format!("{} / HTTP/1.1\r\n\r\n", "A".repeat(1 << 20)), HEAD_TOO_LARGE),
    ])
    .await;
    door.passes("as many as may be", &head(LEADS, &fields(60)), LEADS_UPSTREAM).await;
    let almost = format!("X: {}\r\n", long(60_000));
    door.passes("almost too large", &head(LEADS, &almost), LEADS_UPSTREAM).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a15_a_body_over_the_limit_is_refused_and_the_limit_can_be_set() {
    let config = "[limits]\nbody = \"1KiB\"\n".to_owned();
    let door = Door::of(Plan { config, ..Plan::default() }).await;
    let post = "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{who}";
    let body = "a".repeat(1025);
    door.refuses(&[
        ("by its length", &format!("{post}Content-Length: 1025\r\n\r\n{body}"), BODY_TOO_LARGE),
        ("by a length that never comes", &format!("{post}Content-Length: 999999999999\r\n\r\n"), BODY_TOO_LARGE),
        (
            "in chunks",
            &format!("{post}Transfer-Encoding: chunked\r\n\r\n401\r\n{body}\r\n0\r\n\r\n"),
            BODY_TOO_LARGE,
        ),
    ])
    .await;
    let fits = format!("{QUERY}{}", " ".repeat(1024 - QUERY.len()));
    let received = door
        .passes("as large as may be", &format!("{post}Content-Length: 1024\r\n\r\n{fits}"), "/crm/v8/coql")
        .await;
    assert_eq!(received.body, fits.as_bytes());
    door.close().await;
}
