//! Rows A1 to A6: what stands in the request line.

use super::{BAD, Door, NOT_CANONICAL, Told};

#[tokio::test(flavor = "multi_thread")]
async fn a1_an_absolute_target_is_refused_whatever_host_it_names() {
    let door = Door::open().await;
    let attack = |target: &str| format!("GET {target} HTTP/1.1\r\n{{who}}\r\n");
    for target in [
        "http://evil/acme/zoho/crm/v8/Leads?fields=Last_Name",
        "http://{host}/acme/zoho/crm/v8/Leads?fields=Last_Name",
        "https://www.zohoapis.eu/crm/v8/Leads",
        "HTTP://evil/acme/zoho/crm/v8/Leads",
        "http://evil",
        "http:evil",
        "http:///acme/zoho/crm/v8/Leads",
        "wss://evil/acme/zoho/crm/v8/Leads",
        "file:///etc/passwd",
        "urn:x",
    ] {
        door.refuses(&[(target, &attack(target), BAD)]).await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a2_userinfo_and_backslashes_name_no_other_host() {
    let door = Door::open().await;
    let attack = |target: &str| format!("GET {target} HTTP/1.1\r\n{{who}}\r\n");
    let cases: [(&str, Told); 12] = [
        ("http://good@evil/x", BAD),
        ("http://{host}@evil/acme/zoho/crm/v8/Leads", BAD),
        ("http://good:80@evil/x", BAD),
        ("good@evil/x", BAD),
        ("@evil/x", BAD),
        ("http:/\\evil/x", BAD),
        ("\\\\evil/x", BAD),
        ("\\evil", BAD),
        ("/\\evil", NOT_CANONICAL),
        ("/\\\\evil/x", NOT_CANONICAL),
        ("/acme/zoho/\\evil/x", NOT_CANONICAL),
        ("/acme\\zoho/crm/v8/Leads", NOT_CANONICAL),
    ];
    for (target, told) in cases {
        door.refuses(&[(target, &attack(target), told)]).await;
    }
    // Where it is data, it stays data: the host is the region's, whatever a segment says.
    let asked = "GET /acme/zoho/crm/v8/Leads/@evil.example?fields=Last_Name HTTP/1.1\r\n{who}\r\n";
    let received = door.passes("an id", asked, "/crm/v8/Leads/@evil.example?fields=Last_Name").await;
    assert_eq!((received.host.as_str(), received.sni.as_deref()), ("www.zohoapis.eu", Some("www.zohoapis.eu")));
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a3_empty_segments_and_targets_without_a_slash_are_refused() {
    let door = Door::open().await;
    let attack = |target: &str| format!("GET {target} HTTP/1.1\r\n{{who}}\r\n");
    let cases: [(&str, Told); 11] = [
        ("//evil/x", NOT_CANONICAL),
        ("///evil/x", NOT_CANONICAL),
        ("//acme/zoho/crm/v8/Leads", NOT_CANONICAL),
        ("/acme/zoho//evil/x", NOT_CANONICAL),
        ("/acme//zoho/crm/v8/Leads", NOT_CANONICAL),
        ("/acme/zoho/crm/v8//Leads", NOT_CANONICAL),
        ("/acme/zoho/crm/v8/Leads//", NOT_CANONICAL),
        ("/", NOT_CANONICAL),
        ("evil", BAD),
        ("acme/zoho/crm/v8/Leads", BAD),
        ("?fields=Last_Name", BAD),
    ];
    for (target, told) in cases {
        door.refuses(&[(target, &attack(target), told)]).await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_segments_with_a_second_reading_are_refused_wherever_they_stand() {
    let door = Door::open().await;
    let segments = [
        ".",
        "..",
        "%2e",
        "%2e%2e",
        ".%2e",
        "%2E.",
        "..;",
        "..;x=1",
        "%252e%252e",
        "%25252e",
        "..%2f",
        "..%2F..",
        "..%5c",
        "..%5C",
        "\\",
        "..\\",
        "%5c",
        "%2f",
        "%00",
        "..%00",
        "%0d%0a",
        "%0a",
        "%0d",
        "%09",
        "%7f",
        "%c2%85",
        "%u002e%u002e",
        "%",
        "%2",
        "%zz",
        "%c0%ae%c0%ae",
        "%c0%af",
        "%e0%80%ae",
        "%f0%80%80%ae",
        "%ff",
        "%ed%a0%80",
        // Full-width and other compatible forms, which some upstreams fold: dots, slashes, percent and semicolon.
        "%ef%bc%8e%ef%bc%8e",
        "%ef%bc%8e",
        ".%ef%bc%8e",
        "%e2%80%a4%e2%80%a4",
        "%e2%80%a5",
        "%ef%bc%8f",
        "%ef%bc%bc",
        "%e2%88%95",
        "%e2%81%84",
        "%ef%b9%a8",
        "%ef%bc%85",
        "%ef%bc%9b",
        "%cd%be",
    ];
    let places = ["/{}/zoho/crm/v8/Leads", "/acme/{}/crm/v8/Leads", "/acme/zoho/crm/v8/Leads/{}?fields=Last_Name"];
    for segment in segments {
        for place in places {
            let target = place.replace("{}", segment);
            door.refuses(&[(&target, &format!("GET {target} HTTP/1.1\r\n{{who}}\r\n"), NOT_CANONICAL)]).await;
        }
    }
    let raw = |target: &str| format!("GET {target} HTTP/1.1\r\n{{who}}\r\n");
    // As raw bytes, they are no part of a target at all.
    for target in ["/acme/zoho/crm/v8/Leads/．．", "/acme/zoho/crm/v8/Leads/é", "/acme/zoho/crm/v8/Leads#/../x"]
    {
        door.refuses(&[(target, &raw(target), BAD)]).await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a4_what_is_accepted_goes_out_in_its_one_spelling() {
    let door = Door::open().await;
    for (asked, upstream) in [
        ("/%61cme/zoho/crm/v8/%4ceads?fields=Last_Name", "/crm/v8/Leads?fields=Last_Name"),
        ("/acme/zoho/crm/v8/Leads?fields=Last_Name%2cEmail", "/crm/v8/Leads?fields=Last_Name%2CEmail"),
        ("/acme/zoho/crm/v8/Leads?fields=Last_Name,Email", "/crm/v8/Leads?fields=Last_Name%2CEmail"),
        (
            "/acme/zoho/crm/v8/Leads/search?word=a+b&fields=Last_Name",
            "/crm/v8/Leads/search?word=a%20b&fields=Last_Name",
        ),
        ("/acme/zoho/crm/v8/Leads/a%3Ab%40c+d?fields=Last_Name", "/crm/v8/Leads/a:b@c+d?fields=Last_Name"),
        (
            "/acme/zoho/crm/v8/Leads/{a}|^[b]?fields=Last_Name",
            "/crm/v8/Leads/%7Ba%7D%7C%5E%5Bb%5D?fields=Last_Name",
        ),
        ("/acme/zoho/crm/v8/Leads/...?fields=Last_Name", "/crm/v8/Leads/...?fields=Last_Name"),
    ] {
        door.passes(asked, &format!("GET {asked} HTTP/1.1\r\n{{who}}\r\n"), upstream).await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_other_spellings_of_a_path_are_other_paths_and_those_are_refused() {
    let door = Door::open().await;
    let attack = |target: &str| format!("GET {target}?fields=Last_Name HTTP/1.1\r\n{{who}}\r\n");
    let cases: [(&str, Told); 15] = [
        ("/acme/zoho/CRM/v8/Leads", (403, "unknown_operation")),
        ("/acme/zoho/crm/V8/Leads", (403, "unknown_operation")),
        ("/acme/zoho/crm/v08/Leads", (403, "unknown_operation")),
        ("/acme/zoho/crm/v7/Leads", (403, "unknown_operation")),
        ("/acme/zoho/crm/v8/leads", (403, "resource_not_allowed")),
        ("/acme/zoho/crm/v8/LEADS", (403, "resource_not_allowed")),
        ("/acme/zoho/crm/v8/%EF%BC%ACeads", (403, "unknown_operation")),
        ("/acme/zoho/crm/v8/Leads%20", (403, "unknown_operation")),
        ("/acme/zoho/crm/v8/Leads.", (403, "unknown_operation")),
        ("/acme/zoho/crm/v8/Leads.json", (403, "unknown_operation")),
        ("/acme/zoho/crm/v8/Leads/", NOT_CANONICAL),
        ("/acme/zoho/crm/v8/Leads;x=1", NOT_CANONICAL),
        ("/acme/zoho/crm/v8/Leads%3Bx=1", NOT_CANONICAL),
        ("/ACME/zoho/crm/v8/Leads", (403, "workspace_mismatch")),
        ("/acme/ZOHO/crm/v8/Leads", (404, "unknown_connection")),
    ];
    for (target, told) in cases {
        door.refuses(&[(target, &attack(target), told)]).await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a5_other_spellings_of_the_host_are_other_hosts() {
    let door = Door::open().await;
    let port = door.world.agents.port();
    let attack = |host: &str| {
        let line = "GET /acme/zoho/crm/v8/Leads?fields=Last_Name HTTP/1.1";
        format!("{line}\r\nHost: {host}\r\nAuthorization: Bearer {{token}}\r\nConnection: close\r\n\r\n")
    };
    let others = [
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1.:PORT",
        "localhost.:PORT",
        "127.1:PORT",
        "0x7f.1:PORT",
        "0x7f000001:PORT",
        "2130706433:PORT",
        "0177.0.0.1:PORT",
        "[::ffff:127.0.0.1]:PORT",
        "[0:0:0:0:0:0:0:1]:PORT",
        "0.0.0.0:PORT",
        "１２７.0.0.1:PORT",
        "localhost%2e:PORT",
        "good@localhost:PORT",
        "localhost:PORT@evil",
        "evil.localhost:PORT",
        "localhost:PORT.evil",
        "localhost:0PORT",
        "localhost :PORT",
        "localhost:PORT, evil",
        "evil",
        "*",
        "",
    ];
    for host in others {
        let host = host.replace("PORT", &port.to_string());
        door.refuses(&[(&host, &attack(&host), (421, "host_not_allowed"))]).await;
    }
    for host in ["127.0.0.1:PORT", "localhost:PORT", "LocalHost:PORT", "[::1]:PORT"] {
        let host = host.replace("PORT", &port.to_string());
        door.passes(&host, &attack(&host), "/crm/v8/Leads?fields=Last_Name").await;
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a6_line_ends_and_control_characters_in_the_head_are_refused() {
    let door = Door::open().await;
    let path = "/acme/zoho/crm/v8/Leads";
    let get = format!("GET {path}?fields=Last_Name HTTP/1.1");
    for (name, attack, told) in [
        ("CRLF in the path", format!("GET {path}\r\nX: y HTTP/1.1\r\n{{who}}\r\n"), BAD),
        ("CR in the path", format!("GET {path}\rX HTTP/1.1\r\n{{who}}\r\n"), BAD),
        ("LF in the path", format!("GET {path}\nX: y HTTP/1.1\r\n{{who}}\r\n"), BAD),
        ("NUL in the path", format!("GET {path}\0 HTTP/1.1\r\n{{who}}\r\n"), BAD),
        ("tab in the path", format!("GET {path}\tx HTTP/1.1\r\n{{who}}\r\n"), BAD),
        ("encoded CRLF in the path", format!("GET {path}%0d%0aX:%20y HTTP/1.1\r\n{{who}}\r\n"), NOT_CANONICAL),
        (
            "encoded CRLF in the query",
            format!("GET {path}?fields=a%0d%0ab HTTP/1.1\r\n{{who}}\r\n"),
            NOT_CANONICAL,
        ),
        ("encoded NUL in the query", format!("GET {path}?fields=%00 HTTP/1.1\r\n{{who}}\r\n"), NOT_CANONICAL),
        ("CR in a value", format!("{get}\r\nX: a\rb\r\n{{who}}\r\n"), BAD),
        ("LF in a value", format!("{get}\r\nX: a\nY: b\r\n{{who}}\r\n"), BAD),
        ("NUL in a value", format!("{get}\r\nX: a\0b\r\n{{who}}\r\n"), BAD),
        ("DEL in a value", format!("{get}\r\nX: a\x7fb\r\n{{who}}\r\n"), BAD),
        ("CR CR LF after a value", format!("{get}\r\nX: a\r\r\n{{who}}\r\n"), BAD),
        ("CR in a name", format!("{get}\r\nX\rY: a\r\n{{who}}\r\n"), BAD),
        ("NUL in a name", format!("{get}\r\nX\0: a\r\n{{who}}\r\n"), BAD),
        ("CR in the method", format!("G\rT {path} HTTP/1.1\r\n{{who}}\r\n"), BAD),
        ("LF in the method", format!("G\nT {path} HTTP/1.1\r\n{{who}}\r\n"), BAD),
        ("NUL in the method", format!("G\0T {path} HTTP/1.1\r\n{{who}}\r\n"), BAD),
        ("CR after the version", format!("{get}\r\r\n{{who}}\r\n"), BAD),
        ("LF after the request line", format!("{get}\n{{who}}\r\n"), BAD),
        ("LF after the last field", format!("{get}\r\n{{who}}\n"), BAD),
        ("LF everywhere", format!("{get}\nHost: {{host}}\nAuthorization: Bearer {{token}}\n\n"), BAD),
        ("CRLF first", format!("\r\n{get}\r\n{{who}}\r\n"), BAD),
        ("LF first", format!("\n{get}\r\n{{who}}\r\n"), BAD),
    ] {
        door.refuses(&[(name, &attack, told)]).await;
    }
    door.close().await;
}

/// hyper answers some bytes with an empty 400, and some not at all.
#[tokio::test(flavor = "multi_thread")]
async fn a6_every_byte_everywhere_is_answered_in_words() {
    let door = Door::open().await;
    let head = |method: &[u8], target: &[u8], field: &[u8]| {
        let who = door.bytes("{who}");
        [method, b" /acme/zoho/crm/v8/Leads", target, b" HTTP/1.1\r\n", field, &who, b"\r\n"].concat()
    };
    for byte in 0..=u8::MAX {
        let between = [b'a', byte, b'b'];
        for (place, request) in [
            ("path", head(b"GET", &[b"/", &between[..], b"?fields=Last_Name"].concat(), b"")),
            ("query", head(b"GET", &[b"?fields=", &between[..]].concat(), b"")),
            ("method", head(&[b'G', byte, b'T'], b"?fields=Last_Name", b"")),
            ("name", head(b"GET", b"?fields=Last_Name", &[&between[..], b": x\r\n"].concat())),
            ("value", head(b"GET", b"?fields=Last_Name", &[b"X: ", &between[..], b"\r\n"].concat())),
        ] {
            let reply = door.world.send(request).await;
            if reply.status >= 400 {
                let said = reply.json().unwrap_or_else(|error| panic!("byte {byte:#x} in the {place}: {error:#}"));
                // What the provider itself refuses has its own shape.
                assert!(said["code"].is_string(), "byte {byte:#x} in the {place}: {said}");
            }
        }
    }
    door.close().await;
}
