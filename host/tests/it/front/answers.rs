//! What of an odd answer reaches an agent: its status, its body, and headers that the service allows. Nothing else.

use wardlock_simulator::ApiAnswer;

use super::{Door, LEADS};

/// Headers that an answer may have here: ours, and of the provider those that the service passes.
const ALLOWED: [&str; 11] = [
    "wardlock-decision",
    "wardlock-request-id",
    "wardlock-outcome",
    "wardlock-secret-exposed",
    "cache-control",
    "x-content-type-options",
    "content-type",
    "content-length",
    "connection",
    "date",
    "x-ratelimit-limit",
];

/// Answers a read with these bytes, and returns the agent's, to the end of its connection.
async fn answered(door: &Door, bytes: String) -> String {
    let answer = ApiAnswer::Bytes(bytes.into_bytes());
    door.world.simulator.switches().change(|switches| switches.api_answers.push_back(answer));
    let came = door.world.send_all(door.bytes(&format!("GET {LEADS} HTTP/1.1\r\n{{who}}\r\n"))).await;
    String::from_utf8(came).expect("text")
}

/// The agent gets this first line, this body, and no header but those that are allowed.
fn check(name: &str, came: &str, first: &str, body: &str) {
    let (head, rest) = came.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{name}: {came}"));
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some(first), "{name}");
    assert_eq!(rest, body, "{name}");
    let mut seen = std::collections::BTreeSet::new();
    for line in lines {
        let (field, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: {line}"));
        assert!(ALLOWED.contains(&field), "{name}: the agent saw `{line}`");
        assert!(seen.insert(field), "{name}: `{field}` stands twice");
        assert!(field != "wardlock-decision" || value == "allow", "{name}: {line}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u8_of_an_answer_only_status_body_and_allowed_headers_reach_the_agents_socket() {
    let door = Door::open().await;
    let token = door.world.simulator.access_tokens().pop().expect("a token");
    let ok = "HTTP/1.1 200 OK\r\n";
    let body = "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let chunks = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n";
    for (name, answer) in [
        ("a reason phrase", format!("HTTP/1.1 200 Fine {token} <script>\r\n{body}")),
        ("no reason phrase", format!("HTTP/1.1 200 \r\n{body}")),
        (
            "early hints",
            format!(
                "HTTP/1.1 103 Early Hints\r\nLink: <https://evil.example>\r\nX-Token: {token}\r\n\r\n{ok}{body}"
            ),
        ),
        ("100 Continue that nobody asked for", format!("HTTP/1.1 100 Continue\r\n\r\n{ok}{body}")),
        ("102 and 103", format!("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n{ok}{body}")),
        (
            "trailers",
            format!(
                "{ok}{chunks}Trailer: X-A\r\n\r\n2;t={token}\r\n{{}}\r\n0\r\nX-A: {token}\r\nSet-Cookie: a=b\r\n\r\n"
            ),
        ),
        (
            "what belongs to the hop",
            format!(
                "{ok}Connection: close, x-ratelimit-reset\r\nX-RateLimit-Reset: 1\r\nKeep-Alive: timeout=9\r\nUpgrade: h2c\r\n\
                 Proxy-Authenticate: Basic\r\nProxy-Connection: close\r\nTE: trailers\r\n{body}"
            ),
        ),
        (
            "what belongs to a browser",
            format!(
                "{ok}Set-Cookie: a={token}\r\nSet-Cookie2: b=c\r\nAlt-Svc: h3=\":443\"\r\nStrict-Transport-Security: max-age=1\r\n\
                 Access-Control-Allow-Origin: *\r\nAccess-Control-Allow-Credentials: true\r\nRefresh: 0;url=https://evil\r\n\
                 Clear-Site-Data: *\r\nLink: <https://evil>\r\nX-Frame-Options: x\r\n{body}"
            ),
        ),
        (
            "what belongs to the host",
            format!(
                "{ok}Wardlock-Decision: deny\r\nWardlock-Request-Id: req_evil\r\nWardlock-Outcome: failed\r\nServer: ZGS\r\n\
                 Via: 1.1 x\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\nAuthentication-Info: x\r\nWWW-Authenticate: x\r\n\
                 X-Content-Type-Options: none\r\nX-Echo: {token}\r\n{body}"
            ),
        ),
        ("one that passes", format!("{ok}X-RateLimit-Limit: 5\r\n{body}")),
    ] {
        let came = answered(&door, answer).await;
        check(name, &came, "HTTP/1.1 200 OK", "{}");
        assert!(!came.contains("req_evil") && !came.contains("1970"), "{name}: {came}");
    }
    for location in ["https://evil.example/", "//evil.example/x", "http://www.zohoapis.eu/crm/v8/Leads"] {
        let came = answered(&door, format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n{body}")).await;
        check(location, &came, "HTTP/1.1 302 Found", "{}");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u3_what_is_no_answer_reaches_the_agents_socket_as_one_of_ours() {
    let door = Door::open().await;
    let ok = "HTTP/1.1 200 OK\r\n";
    for (name, answer) in [
        ("nothing", String::new()),
        ("no HTTP", "<html>hello</html>".to_owned()),
        ("a version that is none", "HTTP/3.7 200 OK\r\n\r\n{}".to_owned()),
        ("two lengths", format!("{ok}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}")),
        ("an end in the body", format!("{ok}Content-Length: 20\r\n\r\n{{}}")),
        ("an end in a chunk", format!("{ok}Transfer-Encoding: chunked\r\n\r\n9\r\n{{}}")),
        (
            "another protocol",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n".to_owned(),
        ),
        ("only hints", "HTTP/1.1 103 Early Hints\r\n\r\n".to_owned()),
    ] {
        let came = answered(&door, answer).await;
        let (first, code) = match name {
            "another protocol" => ("HTTP/1.1 502 Bad Gateway\r\n", "answer_not_scannable"),
            _ => ("HTTP/1.1 504 Gateway Timeout\r\n", "upstream_timeout"),
        };
        assert!(came.starts_with(first) && came.contains(&format!("\"code\":\"{code}\"")), "{name}: {came}");
    }
    door.close().await;
}
