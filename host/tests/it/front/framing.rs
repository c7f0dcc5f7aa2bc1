//! Rows A7 to A9: where a request ends, and whom it names.

use super::{BAD, Door, LEADS, Told};

const COQL: &str = "POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n";
const QUERY: &str = r#"{"select_query":"select Last_Name from Leads where Last_Name is not null limit 2"}"#;

/// A second request, which must never be answered: it stands in what a lenient reader takes for the end of the first.
fn smuggled() -> String {
    format!("GET {LEADS} HTTP/1.1\r\n{{who}}\r\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_framing_with_a_second_reading_is_refused_and_the_connection_ends() {
    let door = Door::open().await;
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
        "Content-Length: 3\r\nTransfer-Encoding: chunked\t",
        "Content-Length: 3\r\nContent-Length: 3",
        "Content-Length: 3\r\nContent-Length: 4",
        "Content-Length: 3\r\ncontent-length: 0",
        "Content-Length: 3, 3",
        "Content-Length: +3",
        "Content-Length: -3",
        "Content-Length: 0x3",
        "Content-Length: 3.0",
        "Content-Length: 3 3",
        "Content-Length: ３",
        "Content-Length:",
        "Content-Length: 18446744073709551619",
        "Content-Length : 3",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding : chunked",
        " Transfer-Encoding: chunked",
        "X: y\r\n Transfer-Encoding: chunked",
        "Transfer-Encoding:",
    ] {
        let attack = format!("{COQL}{{who}}{fields}\r\n\r\n3\r\nabc\r\n0\r\n\r\n{}", smuggled());
        ends_with_one_refusal(&door, fields, &attack).await;
    }
    let old =
        "POST /acme/zoho/crm/v8/coql HTTP/1.0\r\n{who}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned();
    ends_with_one_refusal(&door, "HTTP/1.0 in chunks", &(old + &smuggled())).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_chunks_with_a_second_reading_are_refused_and_the_connection_ends() {
    let door = Door::open().await;
    for chunks in [
        "3;a=b\r\nabc\r\n0\r\n\r\n",
        "3 \r\nabc\r\n0\r\n\r\n",
        " 3\r\nabc\r\n0\r\n\r\n",
        "+3\r\nabc\r\n0\r\n\r\n",
        "0x3\r\nabc\r\n0\r\n\r\n",
        "-1\r\nabc\r\n0\r\n\r\n",
        "3\nabc\r\n0\r\n\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "3\rabc\r\n0\r\n\r\n",
        "3\r\nabc0\r\n\r\n",
        "3\r\nabcd\r\n0\r\n\r\n",
        "4\r\nabc\r\n0\r\n\r\n",
        "\r\nabc\r\n0\r\n\r\n",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
        "000000003\r\nabc\r\n0\r\n\r\n",
        "3\r\nabc\r\n0\r\n\n",
        "3\r\nabc\r\n0;x\r\n\r\n",
        "3\r\nabc\r\n0\r\nX: y\r\n\r\n",
        "3\r\nabc\r\n0\0\r\n\r\n",
    ] {
        let attack = format!("{COQL}{{who}}Transfer-Encoding: chunked\r\n\r\n{chunks}{}", smuggled());
        ends_with_one_refusal(&door, chunks, &attack).await;
    }
    door.close().await;
}

/// One answer comes, a refusal, and then the end; nothing reaches the provider.
async fn ends_with_one_refusal(door: &Door, name: &str, attack: &str) {
    let before = door.received();
    // Without its wish to close, which the host's own must not depend on.
    let attack = String::from_utf8(door.bytes(attack)).expect("text").replace("Connection: close\r\n", "");
    let bytes = door.world.send_all(attack).await;
    let said = String::from_utf8_lossy(&bytes);
    assert!(said.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{name}: {said}");
    let answers = said.matches("HTTP/1.1 400 ").count() + said.matches("HTTP/1.1 200 ").count();
    assert_eq!(answers, 1, "{name}: {said}");
    assert!(said.contains(r#""code":"bad_request""#), "{name}: {said}");
    assert!(said.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{name}: {said}");
    assert_eq!(door.received(), before, "{name}: something was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_what_is_accepted_is_framed_anew() {
    let door = Door::open().await;
    let (half, rest) = QUERY.split_at(20);
    let chunks = |line: &str| {
        let (first, second) = (half.len(), rest.len());
        format!("{COQL}{{who}}{line}\r\n\r\n{first:x}\r\n{half}\r\n{second:X}\r\n{rest}\r\n0\r\n\r\n")
    };
    for request in [
        chunks("Transfer-Encoding: chunked"),
        chunks("transfer-encoding:  Chunked \t"),
        chunks("Transfer-Encoding: chunked\r\nTrailer: X-Checksum"),
        format!("{COQL}{{who}}Content-Length: {}\r\n\r\n{QUERY}", QUERY.len()),
        format!("{COQL}{{who}}Content-Length: 000{}\r\n\r\n{QUERY}", QUERY.len()),
    ] {
        let received = door.passes(&request, &request, "/crm/v8/coql").await;
        assert_eq!(received.body, QUERY.as_bytes());
        let head = String::from_utf8_lossy(&received.raw).to_ascii_lowercase();
        assert!(head.contains(&format!("\r\ncontent-length: {}\r\n", QUERY.len())), "{head}");
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_a_good_request_before_a_misframed_one_is_answered() {
    let door = Door::open().await;
    let good = format!("GET {LEADS} HTTP/1.1\r\nHost: {{host}}\r\nAuthorization: Bearer {{token}}\r\n\r\n");
    let bytes = door.world.send_all(door.bytes(&format!("{good}GET * HTTP/1.1\r\n\r\n{good}"))).await;
    let said = String::from_utf8_lossy(&bytes);
    assert!(said.starts_with("HTTP/1.1 200 OK"), "{said}");
    assert_eq!((said.matches("HTTP/1.1 200").count(), said.matches("HTTP/1.1 400").count()), (1, 1), "{said}");
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a8_trailers_are_refused_whatever_they_say() {
    let door = Door::open().await;
    let length = QUERY.len();
    for trailer in [
        "Authorization: Bearer evil",
        "Content-Length: 0",
        "Host: evil",
        "Transfer-Encoding: chunked",
        "Wardlock-Dry-Run: true",
        "X-Checksum: 1",
    ] {
        for announced in ["", "Trailer: Authorization, Content-Length, Host, X-Checksum\r\n"] {
            let head = format!("{COQL}{{who}}{announced}TE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n");
            let attack = format!("{head}{length:x}\r\n{QUERY}\r\n0\r\n{trailer}\r\n\r\n");
            door.refuses(&[(trailer, &attack, BAD)]).await;
        }
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a9_a_request_names_one_host_and_that_is_ours() {
    let door = Door::open().await;
    let attack = |hosts: &str| {
        format!("GET {LEADS} HTTP/1.1\r\n{hosts}Authorization: Bearer {{token}}\r\nConnection: close\r\n\r\n")
    };
    let cases: [(&str, &str, Told); 8] = [
        ("none", "", BAD),
        ("two", "Host: {host}\r\nHost: evil\r\n", BAD),
        ("two, ours last", "Host: evil\r\nHost: {host}\r\n", BAD),
        ("twice the same", "Host: {host}\r\nhost: {host}\r\n", BAD),
        ("folded", "Host:\r\n {host}\r\n", BAD),
        ("with a space", "Host : {host}\r\n", BAD),
        ("another", "Host: evil\r\n", (421, "host_not_allowed")),
        ("only forwarded", "Host: evil\r\nX-Forwarded-Host: {host}\r\n", (421, "host_not_allowed")),
    ];
    for (name, hosts, told) in cases {
        door.refuses(&[(name, &attack(hosts), told)]).await;
    }
    door.close().await;
}
