//! Clients that drip, that are silent, that do not read: each is left in time, and what it held is free again.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use wardlock_simulator::ApiAnswer;
use wardlock_tests::raw::RawClient;

use super::{Door, LEADS, LEADS_UPSTREAM};
use crate::world::Plan;

/// Longer than any limit that is set here, and far shorter than those that hold otherwise.
const BOUND: Duration = Duration::from_secs(12);

/// A door with one slot, so that whoever holds it keeps everybody else out.
async fn narrow(limits: &str) -> Door {
    let config = format!("[limits]\nconnections = 1\n{limits}");
    Door::of(Plan { config, ..Plan::default() }).await
}

/// The one slot and every place are free again: somebody else is served.
async fn is_free(door: &Door) {
    nobody_is_here(door).await;
    door.passes("somebody else", &format!("GET {LEADS} HTTP/1.1\r\n{{who}}\r\n"), LEADS_UPSTREAM).await;
    nobody_is_here(door).await;
}

/// Waits until no slot and no place is held.
async fn nobody_is_here(door: &Door) {
    let began = Instant::now();
    loop {
        let series = door.world.series().await;
        let of = |name: &str| series.get(name).copied().unwrap_or_default();
        if of("wardlock_agent_connections") == 0.0 && of("wardlock_places_in_use") == 0.0 {
            break;
        }
        assert!(began.elapsed() < BOUND, "a slot or a place is still held");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Sends the first part, then a byte now and then as long as somebody listens, and returns what came.
async fn drip(door: &Door, first: Vec<u8>, byte: u8) -> String {
    let agents = door.world.agents;
    let dripped = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(agents).expect("connected");
        stream.set_read_timeout(Some(Duration::from_millis(50))).expect("a time");
        stream.write_all(&first).expect("sent");
        let (began, mut said) = (Instant::now(), Vec::new());
        loop {
            let mut buffer = [0; 4096];
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => said.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    // It may be closed already; then the next read says so.
                    let _ = stream.write_all(&[byte]);
                }
                Err(_) => break,
            }
            assert!(began.elapsed() < BOUND, "it holds on");
        }
        String::from_utf8_lossy(&said).into_owned()
    });
    dripped.await.expect("a thread")
}

fn is_timeout(said: &str) {
    assert!(said.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{said:?}");
    assert!(said.contains(r#""code":"request_timeout""#) && said.contains(r#""retryable":true"#), "{said}");
    assert!(said.to_ascii_lowercase().contains("\r\nconnection: close\r\n"), "{said}");
    assert_eq!(said.matches("HTTP/1.1 408").count(), 1, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a27_a_head_that_drips_is_told_so_and_its_slot_is_free_again() {
    let door = narrow("head_time = \"300ms\"\n").await;
    let before = door.received();
    for first in [
        "G",
        "GET /acme/zoho/crm/v8/Leads",
        "GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nX: ",
    ] {
        is_timeout(&drip(&door, door.bytes(first), b'a').await);
    }
    assert_eq!(door.received(), before);
    is_free(&door).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a27_a_connection_that_asks_nothing_ends_in_silence() {
    let door = narrow("head_time = \"300ms\"\n").await;
    let agents = door.world.agents;
    let once =
        door.bytes(&format!("GET {LEADS} HTTP/1.1\r\nHost: {{host}}\r\nAuthorization: Bearer {{token}}\r\n\r\n"));
    let ended = tokio::task::spawn_blocking(move || {
        let mut idle = RawClient::connect(agents).expect("connected");
        let said = idle.read_to_end().expect("its end");
        assert!(said.is_empty(), "{said:?}");
        once
    });
    let once = ended.await.expect("it ends");
    is_free(&door).await;
    // After an answer, too.
    let bytes = door.world.send_all(once).await;
    let said = String::from_utf8_lossy(&bytes);
    assert!(said.starts_with("HTTP/1.1 200 OK\r\n") && said.matches("HTTP/1.1 ").count() == 1, "{said}");
    is_free(&door).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a27_a_body_that_drips_is_told_so_and_its_slot_is_free_again() {
    let door = narrow("request_time = \"300ms\"\n").await;
    let before = door.received();
    for fields in ["Content-Length: 1000\r\n\r\n", "Transfer-Encoding: chunked\r\n\r\n3e8\r\n"] {
        let head = format!("POST /acme/zoho/crm/v8/coql HTTP/1.1\r\n{{who}}{fields}");
        is_timeout(&drip(&door, door.bytes(&head), b' ').await);
    }
    assert_eq!(door.received(), before);
    is_free(&door).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a27_an_answer_that_nobody_reads_is_given_up_and_its_slot_and_place_are_free_again() {
    let door = narrow("unread_time = \"300ms\"\nbody = \"16MiB\"\n").await;
    // More than all buffers between us hold; one is held whole, the other flows.
    for size in [3 << 20, 20 << 20] {
        let body = vec![b'x'; size];
        let answer = ApiAnswer::Raw { status: 200, content_type: "text/plain".to_owned(), body };
        door.world.simulator.switches().change(|switches| {
            switches.api_answers.extend(std::iter::repeat_n(answer, 20));
        });
        let agents = door.world.agents;
        let get = format!("GET {LEADS} HTTP/1.1\r\nHost: {{host}}\r\nAuthorization: Bearer {{token}}\r\n\r\n");
        let mut stream = TcpStream::connect(agents).expect("connected");
        stream.write_all(&door.bytes(&get).repeat(16)).expect("sent");
        let before = door.world.api_calls();
        let began = Instant::now();
        while door.world.api_calls() == before {
            assert!(began.elapsed() < BOUND, "nothing was asked");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        // It is still connected, and never reads.
        is_free(&door).await;
        drop(stream);
        door.world.simulator.switches().change(|switches| switches.api_answers.clear());
    }
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a27_a_reader_that_is_slow_but_reads_gets_it_all() {
    let door = narrow("unread_time = \"1s\"\n").await;
    let body = vec![b'x'; 20 << 20];
    let answer = ApiAnswer::Raw { status: 200, content_type: "text/plain".to_owned(), body };
    door.world.simulator.switches().change(|switches| switches.api_answers.push_back(answer));
    let agents = door.world.agents;
    let get = door.bytes(&format!("GET {LEADS} HTTP/1.1\r\n{{who}}\r\n"));
    let read = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(agents).expect("connected");
        stream.write_all(&get).expect("sent");
        let (mut buffer, mut total) = (vec![0; 4 << 20], 0);
        loop {
            std::thread::sleep(Duration::from_millis(30));
            match stream.read(&mut buffer).expect("more") {
                0 => return total,
                count => total += count,
            }
        }
    });
    let total = read.await.expect("a thread");
    assert!(total > 20 << 20, "{total}");
    is_free(&door).await;
    door.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a27_more_connections_than_there_are_slots_end_without_a_byte_and_who_asks_is_served() {
    let config = "[limits]\nconnections = 8\n".to_owned();
    let door = Door::of(Plan { config, ..Plan::default() }).await;
    let agents = door.world.agents;
    let mut crowd: Vec<RawClient> = (0..200).map(|_| RawClient::connect(agents).expect("by the kernel")).collect();
    door.passes("one who asks", &format!("GET {LEADS} HTTP/1.1\r\n{{who}}\r\n"), LEADS_UPSTREAM).await;
    // The newest may still be there.
    crowd.truncate(192);
    let ended = tokio::task::spawn_blocking(move || {
        crowd.into_iter().all(|mut client| client.read_to_end().is_ok_and(|said| said.is_empty()))
    });
    assert!(ended.await.expect("a thread"), "one was answered");
    let shown = door.world.series().await;
    assert!(shown["wardlock_agent_connections"] <= 8.0, "{shown:?}");
    is_free(&door).await;
    door.close().await;
}
