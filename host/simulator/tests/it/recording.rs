//! What was received is recorded to the byte.

use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wardlock_simulator::{EchoToken, Region, Role, Simulator};

use crate::support::*;

async fn dial(simulator: &Simulator, host: &'static str) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(simulator.hosts()[host]).await.unwrap();
    let name = ServerName::try_from(host).unwrap();
    TlsConnector::from(Arc::new(tls(simulator))).connect(name, stream).await.unwrap()
}

async fn send(stream: &mut TlsStream<TcpStream>, bytes: &str) -> String {
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn requests_on_one_connection_are_recorded_byte_for_byte() {
    let provider = Provider::start().await;
    let first = "GET /crm/v8/Leads?fields=Last_Name%2CEmail&x=%7e HTTP/1.1\r\nHoSt: www.zohoapis.eu\r\nX-Odd:   spaced  \r\n\r\n";
    let second = "POST /crm/v8/coql HTTP/1.1\r\nHost: www.zohoapis.eu\r\nTransfer-Encoding: chunked\r\n\r\n\
        5;ext=1\r\n{\"a\":\r\n2\r\n1}\r\n0\r\n\r\n";
    let third = "GET /crm/v8/org HTTP/1.1\r\nHost: www.zohoapis.eu\r\nConnection: close\r\n\r\n";
    let mut stream = dial(&provider.simulator, "www.zohoapis.eu").await;
    send(&mut stream, &format!("{first}{second}{third}")).await;

    let recordings = provider.simulator.recordings();
    let raw: Vec<String> = recordings.iter().map(|one| String::from_utf8(one.raw.clone()).unwrap()).collect();
    assert_eq!(raw, [first, second, third]);
    assert_eq!(recordings[0].target, "/crm/v8/Leads?fields=Last_Name%2CEmail&x=%7e");
    assert_eq!(recordings[0].header("x-odd"), Some("spaced"));
    assert_eq!(recordings[1].body, b"{\"a\":1}");
    assert!(recordings.iter().all(|one| one.role == Role::Api && one.region == Some(Region::Eu)));
    assert_eq!(recordings[2].sni.as_deref(), Some("www.zohoapis.eu"));
    assert!(recordings.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
    let connection = &provider.simulator.connections()[recordings[0].connection];
    assert_eq!(connection.raw, format!("{first}{second}{third}").as_bytes());
    provider.simulator.clear_recordings();
    assert!(provider.simulator.recordings().is_empty());
}

#[tokio::test]
async fn what_is_not_http_is_recorded_as_a_connection() {
    let provider = Provider::start().await;
    let mut stream = dial(&provider.simulator, "accounts.zoho.eu").await;
    send(&mut stream, "\u{1}nonsense\r\n\r\n").await;
    let connections = provider.simulator.connections();
    let connection = connections.last().unwrap();
    assert_eq!(
        (connection.sni.as_deref(), connection.raw.as_slice()),
        (Some("accounts.zoho.eu"), b"\x01nonsense\r\n\r\n".as_slice())
    );
    assert!(provider.simulator.recordings().is_empty());
}

#[tokio::test]
async fn a_host_other_than_the_one_in_tls_is_misdirected() {
    let provider = Provider::start().await;
    let mut stream = dial(&provider.simulator, "www.zohoapis.eu").await;
    let answer = send(&mut stream, "GET / HTTP/1.1\r\nHost: www.zohoapis.com\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 421"));
    let recording = &provider.simulator.recordings()[0];
    assert_eq!((recording.role, recording.host.as_str()), (Role::Unknown, "www.zohoapis.com"));
}

#[tokio::test]
async fn serverinfo_lists_the_regions_without_china() {
    let provider = Provider::start().await;
    let info = provider.send(provider.http.get("https://accounts.zoho.in/oauth/serverinfo")).await.json();
    assert_eq!(info["locations"]["ca"], "https://accounts.zohocloud.ca");
    assert!(info["locations"]["cn"].is_null() && info["result"] == "success");
    assert_eq!(provider.simulator.recordings()[0].role, Role::Accounts);
}

#[tokio::test]
async fn a_split_echo_never_has_the_token_in_one_piece_on_the_wire() {
    let provider = Provider::start().await;
    let token = text(&provider.connect(Region::Eu).await, "access_token");
    let request = format!(
        "GET /crm/v8/org HTTP/1.1\r\nHost: www.zohoapis.eu\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    );
    for (form, whole) in [(EchoToken::Raw, true), (EchoToken::Split(16), false)] {
        provider.simulator.switches().change(|switches| switches.echo = form);
        let mut stream = dial(&provider.simulator, "www.zohoapis.eu").await;
        let answer = send(&mut stream, &request).await;
        assert_eq!((answer.contains(&token), answer.contains("transfer-encoding: chunked")), (whole, !whole));
    }
}
