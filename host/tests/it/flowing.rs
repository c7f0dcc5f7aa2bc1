//! Answers that reach the agent as they come, with a record that tells their end.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wardlock_simulator::{ApiAnswer, Fault};

use crate::world::{Plan, World};

const EVENTS: &str = "data: one\n\ndata: two\n\n";

/// Asks for an event stream that comes a byte at a time, and reads until the first event is there.
async fn first_event(world: &World) -> (TcpStream, String, String) {
    let body = EVENTS.as_bytes().to_vec();
    let stream = ApiAnswer::Raw { status: 200, content_type: "text/event-stream".to_owned(), body };
    world.simulator.switches().change(|switches| {
        switches.api_answers.push_back(stream);
        switches.api_faults.push_back(Fault::Drip { pause: Duration::from_millis(150) });
    });
    let mut agent = TcpStream::connect(world.agents).await.expect("a listener");
    let request = format!(
        "GET /acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Connection: close\r\n\r\n",
        world.agents, world.tokens["acme"]
    );
    agent.write_all(request.as_bytes()).await.expect("sent");
    let mut got = String::new();
    while !dechunked(&got).contains("data: one\n") {
        let mut some = [0; 1024];
        let read = agent.read(&mut some).await.expect("read");
        assert!(read > 0, "it ended early: {got}");
        got.push_str(std::str::from_utf8(&some[..read]).expect("text"));
    }
    let head = got.to_ascii_lowercase();
    assert!(
        head.contains("wardlock-outcome: pending") && head.contains("wardlock-secret-exposed: pending"),
        "{head}"
    );
    let (_, id) = head.split_once("wardlock-request-id: ").expect("an id");
    let id = id.split_once("\r\n").expect("a line").0.to_owned();
    (agent, got, id)
}

/// Returns the data of a chunked answer, as far as it has come.
fn dechunked(answer: &str) -> String {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    body.split("\r\n").skip(1).step_by(2).collect()
}

async fn told(world: &World, id: &str) -> serde_json::Value {
    world.get(&format!("/-/requests/{id}")).await.json().expect("json")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_reaches_the_agent_while_the_provider_still_sends() {
    let world = World::start(Plan::default()).await;
    let (mut agent, mut got, id) = first_event(&world).await;
    let now = told(&world, &id).await;
    assert_eq!((&now["outcome"], &now["secret_exposed"]), (&"pending".into(), &"pending".into()), "{now}");
    agent.read_to_string(&mut got).await.expect("the rest");
    assert_eq!(dechunked(&got), EVENTS);
    let mut now = told(&world, &id).await;
    for _ in 0..200 {
        if now["outcome"] == "streamed" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        now = told(&world, &id).await;
    }
    assert_eq!((&now["outcome"], &now["secret_exposed"]), (&"streamed".into(), &"false".into()), "{now}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_leaves_ends_its_stream_and_the_record_says_so() {
    let world = World::start(Plan::default()).await;
    let (agent, _, id) = first_event(&world).await;
    drop(agent);
    let mut now = told(&world, &id).await;
    for _ in 0..200 {
        if now["outcome"] != "pending" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        now = told(&world, &id).await;
    }
    assert_eq!(now["outcome"], "aborted", "{now}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn u1_a_redirect_is_told_and_audited_and_leads_nowhere() {
    let world = World::start(Plan::default()).await;
    let moved = ApiAnswer::Raw { status: 307, content_type: "text/html".to_owned(), body: b"moved".to_vec() };
    world.simulator.switches().change(|switches| switches.api_answers.push_back(moved));
    let before = world.api_calls();
    let reply = world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2").await;
    assert_eq!((reply.status, reply.header("location")), (307, None));
    assert_eq!(world.api_calls(), before + 1, "nobody followed it");
    let rows = world.rows(&reply);
    let answer = rows.last().and_then(|row| row.detail.answer.as_ref()).expect("an OUTCOME");
    assert_eq!(answer.upstream_status, Some(307));
    world.end().await;
}
