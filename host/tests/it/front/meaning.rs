//! Rows A16 to A20: what a request would do, whatever it looks like.

use super::{BAD, Door, LEADS, NOT_CANONICAL, Told};
use crate::world::{Plan, plugin, workspace};

const QUERY_NOT_ALLOWED: Told = (400, "query_not_allowed");
const NOT_ALLOWED: Told = (403, "operation_not_allowed");
const UNKNOWN: Told = (403, "unknown_operation");
const WRITES_OFF: Told = (403, "writes_off");
const BODY_TYPE: Told = (415, "body_type");
const MALFORMED: Told = (400, "envelope_malformed");

/// A connection that allows whatever the service knows, as far as writes are not meant.
fn generous() -> Plan {
    let file = workspace("acme", "eu", "", &plugin("read-only", "{}"));
    let file =
        file.replace("\"records.write\"", "\"records.write\", \"bulk.read\", \"composite\", \"watch.enable\"");
    let file = file.replace("\"Contacts\"", "\"Contacts\", \"$notifications\"");
    Plan { workspaces: vec![("acme", file)], ..Plan::default() }
}

/// A POST with a body; `fields` are whole lines.
fn post(path: &str, fields: &str, body: &str) -> String {
    let length = body.len();
    format!("POST /acme/zoho{path} HTTP/1.1\r\n{{who}}{fields}Content-Length: {length}\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a16_a_credential_in_the_query_is_refused_however_it_is_spelt_and_kept_nowhere() {
    let door = Door::open().await;
    for name in [
        "authtoken",
        "AUTHTOKEN",
        "%61uthtoken",
        "auth%74oken",
        "zapikey",
        "zapi%6bey",
        "access_token",
        "access%5Ftoken",
        "api_key",
        "apikey",
        "key",
        "oauth_token",
        "client_secret",
        "refresh_token",
        "auth_type",
        "token",
        "password",
        "fields[]",
        "fields%5b%5d",
        "a[]",
        "Fields",
        "fields%20",
        "+fields",
    ] {
        let attack = format!("GET {LEADS}&{name}=hunter2hunter2 HTTP/1.1\r\n{{who}}\r\n");
        let reply = door.refuses_bytes(name, door.bytes(&attack), QUERY_NOT_ALLOWED).await;
        let rows = format!("{:?}", door.world.rows(&reply));
        assert!(rows.contains("query_not_allowed") && !rows.contains("hunter2"), "{name}: {rows}");
    }
    for (name, query) in [
        ("a judged name twice", "fields=Last_Name&fields=Phone"),
        ("spelt in two ways", "fields=Last_Name&%66ields=Phone"),
        ("a name that is empty", "=x"),
        ("a pair split by `;`", "fields=Last_Name;ids=1"),
        ("an empty pair", "fields=Last_Name&&ids=1"),
    ] {
        let attack = format!("GET /acme/zoho/crm/v8/Leads?{query} HTTP/1.1\r\n{{who}}\r\n");
        door.refuses(&[(name, &attack, NOT_CANONICAL)]).await;
    }
    // Of a name whose values decide nothing, all are kept, in order.
    let ids = "/acme/zoho/crm/v8/Leads?fields=Last_Name&ids=2&ids=1";
    let asked = format!("GET {ids} HTTP/1.1\r\n{{who}}\r\n");
    door.passes("ids twice", &asked, "/crm/v8/Leads?fields=Last_Name&ids=2&ids=1").await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a17_what_would_have_the_provider_call_somebody_is_a_write_and_off() {
    let door = Door::of(generous()).await;
    let bulk = |callback: &str| {
        format!(r#"{{{callback}"query":{{"module":{{"api_name":"Leads"}},"fields":["Last_Name"]}}}}"#)
    };
    let read = "/crm/bulk/v8/read";
    let to = r#"{"url":"https://evil.example","method":"post"}"#;
    door.refuses(&[
        ("a callback", &post(read, "", &bulk(&format!("\"callback\":{to},"))), WRITES_OFF),
        ("spelt with an escape", &post(read, "", &bulk(&format!("\"c\\u0061llback\":{to},"))), WRITES_OFF),
        ("of another type", &post(read, "", &bulk("\"callback\":\"https://evil.example\",")), WRITES_OFF),
        ("twice", &post(read, "", &bulk(&format!("\"callback\":null,\"callback\":{to},"))), NOT_CANONICAL),
        ("in the query", &post("/crm/bulk/v8/read?callback=https%3A%2F%2Fevil", "", &bulk("")), QUERY_NOT_ALLOWED),
        (
            "a channel",
            &post("/crm/v8/actions/watch", "", r#"{"watch":[{"notify_url":"https://evil.example"}]}"#),
            WRITES_OFF,
        ),
        ("a function", &post("/crm/v8/settings/functions/x/actions/execute", "", "{}"), UNKNOWN),
        ("a webhook", &post("/crm/v8/settings/automation/webhooks", "", "{}"), NOT_ALLOWED),
    ])
    .await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a18_what_calls_carry_is_judged_call_by_call_or_refused() {
    let door = Door::of(generous()).await;
    let path = "/crm/v8/__composite_requests";
    let composite = |parts: &str| post(path, "", &format!(r#"{{"__composite_requests":[{parts}]}}"#));
    let read = r#"{"sub_request_id":"1","method":"GET","uri":"/crm/v8/Leads?fields=Last_Name&per_page=1"}"#;
    let and = |part: &str| composite(&format!("{read},{part}"));
    let multipart = "Content-Type: multipart/mixed; boundary=b\r\n";
    let parts = "--b\r\nContent-Type: application/http\r\n\r\nDELETE /crm/v8/Leads/1 HTTP/1.1\r\n\r\n--b--\r\n";
    let rpc = r#"[{"jsonrpc":"2.0","method":"delete","id":1},{"jsonrpc":"2.0","method":"list","id":2}]"#;
    let mutation = r#"{"query":"mutation { deleteLead(id: 1) { id } }"}"#;
    door.refuses(&[
        ("a delete", &and(r#"{"method":"DELETE","uri":"/crm/v8/Leads/1"}"#), NOT_ALLOWED),
        ("a write", &and(r#"{"method":"POST","uri":"/crm/v8/Leads","body":{"data":[{}]}}"#), WRITES_OFF),
        ("another module", &and(r#"{"method":"GET","uri":"/crm/v8/Deals/1"}"#), (403, "resource_not_allowed")),
        ("a path that nobody knows", &and(r#"{"method":"GET","uri":"/crm/v7/Leads/1"}"#), UNKNOWN),
        ("another host", &and(r#"{"method":"GET","uri":"https://evil.example/crm/v8/Leads"}"#), MALFORMED),
        ("an empty host", &and(r#"{"method":"GET","uri":"//evil.example/crm/v8/Leads"}"#), NOT_CANONICAL),
        ("an escaped path", &and(r#"{"method":"GET","uri":"/crm/v8/%4Ceads/1"}"#), NOT_CANONICAL),
        ("a second method", &and(r#"{"method":"GET","method":"DELETE","uri":"/crm/v8/Leads/1"}"#), NOT_CANONICAL),
        (
            "a credential",
            &and(r#"{"method":"GET","uri":"/crm/v8/Leads/1","headers":{"Authorization":"x"}}"#),
            MALFORMED,
        ),
        ("a member that nobody knows", &and(r#"{"method":"GET","uri":"/crm/v8/Leads/1","as":"x"}"#), MALFORMED),
        (
            "a reference",
            &and(r#"{"method":"GET","uri":"/crm/v8/Leads/@{1:$.data[0].id}"}"#),
            (400, "envelope_reference"),
        ),
        (
            "parts in a part",
            &and(&format!(r#"{{"method":"POST","uri":"{path}","body":{{}}}}"#)),
            (400, "envelope_nested"),
        ),
        ("too many", &composite(&[read; 6].join(",")), (400, "envelope_too_long")),
        ("none", &post(path, "", "{}"), MALFORMED),
        ("another version", &post("/crm/v7/__composite_requests", "", "{}"), UNKNOWN),
        ("$batch", &post("/crm/v8/$batch", multipart, parts), UNKNOWN),
        ("a module called batch", &post("/crm/v8/batch", multipart, parts), BODY_TYPE),
        ("graphql", &post("/graphql", "", mutation), UNKNOWN),
        ("JSON-RPC", &post("/rpc", "", rpc), UNKNOWN),
        ("parts for a query", &post("/crm/v8/coql", multipart, parts), BODY_TYPE),
        ("a list for a query", &post("/crm/v8/coql", "", rpc), (403, "resource_not_allowed")),
    ])
    .await;
    door.passes("one read", &composite(read), path).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a19_the_definition_says_what_reads_and_what_writes_not_the_method() {
    let door = Door::of(generous()).await;
    let query = r#"{"select_query":"select Last_Name from Leads where Last_Name is not null limit 2"}"#;
    door.passes("a read by POST", &post("/crm/v8/coql", "", query), "/crm/v8/coql").await;
    let get = |path: &str| format!("GET /acme/zoho{path} HTTP/1.1\r\n{{who}}\r\n");
    door.refuses(&[
        ("an action by GET", &get("/crm/v8/Leads/actions/new_action"), UNKNOWN),
        ("an action of one by GET", &get("/crm/v8/Leads/1/actions/new_action"), UNKNOWN),
        ("a trigger on a read", &get("/crm/v8/Leads?fields=Last_Name&trigger=workflow"), QUERY_NOT_ALLOWED),
        ("a delete by POST", &post("/crm/v8/Leads/actions/mass_delete", "", r#"{"ids":["1"]}"#), NOT_ALLOWED),
        ("a write", &post("/crm/v8/Leads", "", r#"{"data":[{"Last_Name":"x"}]}"#), WRITES_OFF),
        ("a path that nobody knows", &get("/crm/v8/Leads/1/2/3/4"), UNKNOWN),
    ])
    .await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a20_a_body_with_a_second_reading_is_refused() {
    let door = Door::open().await;
    let query = r#"{"select_query":"select Last_Name from Leads where Last_Name is not null limit 2"}"#;
    let other = r#"{"select_query":"select Stage from Deals where Stage is not null limit 2"}"#;
    let twice = format!("{},{}", &query[..query.len() - 1], &other[1..]);
    let escaped = twice.replacen("\"select_query\"", "\"select\\u005fquery\"", 1);
    let with = |more: &str| format!("{},{more}}}", &query[..query.len() - 1]);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let coql = |fields: &str, body: &str| post("/crm/v8/coql", fields, body);
    door.refuses(&[
        ("a coding", &coql("Content-Encoding: gzip\r\n", query), BAD),
        ("identity as a coding", &coql("Content-Encoding: identity\r\n", query), BAD),
        ("a key twice", &coql("", &twice), NOT_CANONICAL),
        ("a key twice, spelt in two ways", &coql("", &escaped), NOT_CANONICAL),
        ("a key twice, further in", &coql("", &with(r#""a":{"b":1,"b":2}"#)), NOT_CANONICAL),
        ("a byte order mark", &coql("", &format!("\u{feff}{query}")), NOT_CANONICAL),
        ("a number beyond all", &coql("", &with("\"a\":1e999")), NOT_CANONICAL),
        ("NaN", &coql("", &with("\"a\":NaN")), NOT_CANONICAL),
        ("Infinity", &coql("", &with("\"a\":-Infinity")), NOT_CANONICAL),
        ("100,000 levels", &coql("", &deep), NOT_CANONICAL),
        ("a comment", &coql("", &format!("/* x */{query}")), NOT_CANONICAL),
        ("a comma too many", &coql("", &with("").replace(",}", ",,}")), NOT_CANONICAL),
        ("two documents", &coql("", &format!("{query}{other}")), NOT_CANONICAL),
        ("NUL at the end", &coql("", &format!("{query}\0")), NOT_CANONICAL),
        ("half a surrogate pair", &coql("", &with(r#""a":"\ud800""#)), NOT_CANONICAL),
        ("a form", &coql("Content-Type: application/x-www-form-urlencoded\r\n", query), BODY_TYPE),
        ("plain text", &coql("Content-Type: text/plain\r\n", query), BODY_TYPE),
        ("XML", &coql("Content-Type: application/xml\r\n", query), BODY_TYPE),
        ("another charset", &coql("Content-Type: application/json; charset=utf-16\r\n", query), BODY_TYPE),
        (
            "two charsets",
            &coql("Content-Type: application/json; charset=utf-8; charset=utf-16\r\n", query),
            BODY_TYPE,
        ),
        ("two types in one", &coql("Content-Type: application/json, text/plain\r\n", query), BODY_TYPE),
        ("two types", &coql("Content-Type: application/json\r\nContent-Type: text/plain\r\n", query), BAD),
        ("parts", &coql("Content-Type: multipart/form-data; boundary=b\r\n", query), BODY_TYPE),
        ("parts without a boundary", &coql("Content-Type: multipart/form-data\r\n", query), BODY_TYPE),
    ])
    .await;
    // Bytes that are no text at all.
    let utf_16: Vec<u8> = query.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe][..], &utf_16].concat();
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0].to_vec();
    let overlong = query.replace("Leads", "~").into_bytes();
    let overlong =
        overlong.iter().flat_map(|byte| if *byte == b'~' { vec![0xc1, 0x8c] } else { vec![*byte] }).collect();
    for (name, body) in
        [("UTF-16", utf_16), ("UTF-16 with a mark", marked), ("gzip", gzip), ("overlong UTF-8", overlong)]
    {
        let head =
            format!("POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{{who}}Content-Length: {}\r\n\r\n", body.len());
        door.refuses_bytes(name, [door.bytes(&head), body].concat(), NOT_CANONICAL).await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a20_what_is_judged_is_sent_byte_for_byte_however_it_arrives() {
    let door = Door::open().await;
    let query = "select Last_Name from Leads where Last_Name is not null limit 2";
    let odd = query.replace("Last_Name is", "Last\\u005fName is");
    for body in [
        format!("{{\"select_query\":\"{query}\"}}"),
        format!(
            " \r\n\t{{ \"select_query\" :\n\"{odd}\" , \"z\": [1.50, 1E2, -0, \"\\/\\ud83d\\ude42\"], \"a\": null }}\n"
        ),
    ] {
        for pieces in [1, 7, body.len()] {
            let chunks = body
                .as_bytes()
                .chunks(pieces)
                .map(|chunk| format!("{:x}\r\n{}\r\n", chunk.len(), String::from_utf8_lossy(chunk)))
                .collect::<Vec<_>>()
                .concat();
            let request = format!(
                "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{{who}}Content-Type: application/json;charset=UTF-8\r\n\
                 Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
            );
            let received = door.passes(&body, &request, "/crm/v8/coql").await;
            assert_eq!(received.body, body.as_bytes());
            assert_eq!(received.header("content-type"), Some("application/json;charset=UTF-8"));
        }
    }
    // The end compares each body with the audit's hash.
    door.close().await;
}
