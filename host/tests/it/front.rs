//! What the front door refuses, byte for byte.

use crate::world::{Plan, World};

#[tokio::test(flavor = "multi_thread")]
async fn what_hyper_would_let_through_is_refused() {
    let world = World::start(Plan::default()).await;
    let (host, token) = (world.agents, world.tokens["acme"].clone());
    let before = world.api_calls();
    let target = "/acme/zoho/crm/v8/Leads?fields=Last_Name";
    let head = |line: &str, fields: &str| {
        format!("{line}\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{fields}Connection: close\r\n\r\n")
    };
    let get = format!("GET {target} HTTP/1.1");
    let requests = [
        head(&format!("GET http://{host}{target} HTTP/1.1"), ""),
        head(&format!("GET http://evil{target} HTTP/1.1"), ""),
        head(&format!("GET {target}#x HTTP/1.1"), ""),
        head(&format!("GET /{target} HTTP/1.1"), ""),
        head(&format!("get {target} HTTP/1.1"), ""),
        head(&format!("TRACE {target} HTTP/1.1"), ""),
        head(&format!("PURGE {target} HTTP/1.1"), ""),
        head("OPTIONS * HTTP/1.1", ""),
        head(&format!("CONNECT {host} HTTP/1.1"), ""),
        head(&format!("GET {target} HTTP/1.0"), ""),
        head(&get, "Host: evil\r\n"),
        head(&get, &format!("Authorization: Bearer {token}\r\n")),
        head(&get, "X_Forwarded_User: root\r\n"),
        head(&get, "Upgrade: h2c\r\n"),
        head(&get, "Origin: https://evil.example\r\n"),
        head(&get, "Sec-Fetch-Site: cross-site\r\n"),
        head(&get, "Content-Encoding: gzip\r\n"),
        head(&get, "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\n\r\n",
        head(&get, "Content-Length: 3\r\nContent-Length: 3\r\n") + "abc",
        head(&get, "X: a\0b\r\n"),
        head(&get, "X: a\r\n b\r\n"),
        head(&get, "No colon\r\n"),
        head(&format!("GET {target} x HTTP/1.1"), ""),
        head(&format!("GET {target}&a=<b> HTTP/1.1"), ""),
        head(&format!("GET {target}&a=\" HTTP/1.1"), ""),
        head("GET /acme/zoho/` HTTP/1.1", ""),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\u{16}\u{3}\u{1}\r\n\r\n".to_owned(),
        head(&get, "Content-Length: 3\r\n") + "abc",
        format!("{get}\nHost: {host}\nAuthorization: Bearer {token}\n\n"),
        format!("{get}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"),
        format!("{get}\r\nHost: evil.example\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"),
        head(&format!("POST {target} HTTP/1.1"), "Transfer-Encoding: chunked\r\n")
            + "0\r\nAuthorization: evil\r\n\r\n",
    ];
    for request in requests {
        let first = request.lines().next().unwrap_or_default().to_owned();
        let reply = world.send(request.clone()).await;
        assert!((400..500).contains(&reply.status), "{} for {request}", reply.status);
        assert_ne!(reply.status, 401, "{first}");
        let told = reply.json().unwrap_or_else(|error| panic!("{first}: {error:#}"));
        for member in ["code", "detail", "rule", "hint", "actor", "request_id"] {
            assert!(told[member].is_string(), "no {member} for {request}: {told}");
        }
        assert_eq!(told["retryable"], false, "{first}");
        assert_eq!(told["request_id"].as_str(), reply.header("wardlock-request-id"), "{first}");
    }
    assert_eq!(world.api_calls(), before, "something was sent");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn head_over_a_limit_is_told_so() {
    let world = World::start(Plan::default()).await;
    let token = world.tokens["acme"].clone();
    let head = |target: &str, fields: &str| {
        let host = world.agents;
        format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{fields}\r\n")
    };
    let target = "/acme/zoho/crm/v8/Leads?fields=Last_Name";
    let many = "X: a\r\n".repeat(63);
    let heads = [
        head(target, &many),
        head(target, &format!("X: {}\r\n", "a".repeat(80_000))),
        head(&format!("{target}&x={}", "a".repeat(1 << 20)), ""),
    ];
    for head in heads {
        let reply = world.send(head).await;
        assert_eq!(reply.status, 431);
        assert_eq!(reply.json().expect("problem+json")["code"], "head_too_large");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn good_request_before_a_misframed_one_is_answered() {
    let world = World::start(Plan::default()).await;
    let (host, token) = (world.agents, &world.tokens["acme"]);
    let good = format!(
        "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    let bytes = world.send_all(format!("{good}GET * HTTP/1.1\r\n\r\n{good}")).await;
    let said = String::from_utf8_lossy(&bytes);
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    assert_eq!((said.matches("HTTP/1.1 200").count(), said.matches("HTTP/1.1 400").count()), (1, 1), "{said}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn upstream_sees_only_what_is_its_own() {
    let world = World::start(Plan::default()).await;
    let headers = "Cookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\nX-HTTP-Method-Override: DELETE\r\nForwarded: for=x\r\n\
        X-ZOHO-SDK: linux/x/python\r\nX-CRM-ORG: 1\r\nProxy-Authorization: Basic x\r\nWardlock-Purpose: test\r\n\
        If-Modified-Since: 2020-01-01T00:00:00+00:00\r\nTE: trailers\r\nRange: bytes=0-1\r\n";
    let reply = world.ask("acme", "GET", "/acme/zoho/crm/v8/Leads?fields=Last_Name", headers, "").await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let sent = world.simulator.recordings().pop().expect("a recording");
    let mut names: Vec<String> = sent.headers.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    assert_eq!(names.iter().filter(|name| *name == "authorization").count(), 1);
    for name in &names {
        let expected = ["accept", "accept-encoding", "authorization", "host", "if-modified-since", "user-agent"];
        assert!(expected.contains(&name.as_str()), "upstream saw `{name}`");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn token_anywhere_else_is_refused_and_goes_nowhere() {
    let world = World::start(Plan::default()).await;
    let (token, before) = (world.tokens["acme"].clone(), world.api_calls());
    let leads = "/acme/zoho/crm/v8/Leads";
    for (method, target, headers, body) in [
        ("GET", format!("{leads}/{token}?fields=Last_Name"), String::new(), String::new()),
        ("GET", format!("{leads}/search?fields=Last_Name&word={token}"), String::new(), String::new()),
        ("GET", format!("{leads}?fields=Last_Name"), format!("Wardlock-Purpose: {token}\r\n"), String::new()),
        ("GET", format!("{leads}?fields=Last_Name"), format!("If-Modified-Since: {token}\r\n"), String::new()),
        ("POST", leads.to_owned(), String::new(), format!("{{\"data\":[{{\"Last_Name\":\"{token}\"}}]}}")),
    ] {
        let reply = world.ask("acme", method, &target, &headers, &body).await;
        assert_eq!(reply.status, 400, "{method} {target}");
        let said = String::from_utf8_lossy(&reply.body);
        assert!(said.contains("secret_in_request") && !said.contains(&token), "{said}");
        let rows = format!("{:?}", world.rows(&reply));
        assert!(rows.contains("secret_in_request") && !rows.contains(&token), "{rows}");
    }
    assert_eq!(world.api_calls(), before, "something was sent");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn token_is_taken_under_any_scheme() {
    use base64::Engine as _;

    let world = World::start(Plan::default()).await;
    let (host, token) = (world.agents, world.tokens["acme"].clone());
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("user:{token}"));
    let ways = [
        (format!("Authorization: Zoho-oauthtoken {token}\r\n"), 200),
        (format!("Authorization: Basic {basic}\r\n"), 200),
        (format!("Wardlock-Token: {token}\r\n"), 200),
        (format!("Wardlock-Token: {token}\r\nAuthorization: Bearer something-else\r\n"), 200),
        ("Authorization: Bearer wl_nobody\r\n".to_owned(), 401),
        (String::new(), 401),
    ];
    for (header, status) in ways {
        let reply = world
            .send(format!("GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1\r\nHost: {host}\r\n{header}Connection: close\r\n\r\n"))
            .await;
        assert_eq!(reply.status, status, "{header}");
    }
    world.end().await;
}
