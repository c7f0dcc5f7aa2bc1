//! Clients that wait for what a person says: by which token, how long, and under which address.

use std::time::{Duration, Instant};

use serde_json::json;
use wardlock::admin::Command;
use wardlock_simulator::ApiAnswer;
use wardlock_tests::raw::RawReply;

use crate::drafts::{LEADS, PROBLEM, allowing, approve, drafting, held, plan};
use crate::proofs::{enable, prove};
use crate::world::World;

const LEAD: &str = r#"{"data":[{"Last_Name":"Ellison","Company":"Nordwind"}]}"#;

async fn waits(world: &World) -> RawReply {
    let headers = format!("Content-Type: application/json\r\nPrefer: wait=50\r\n{PROBLEM}");
    world.ask("acme", "POST", LEADS, &headers, LEAD).await
}

/// Returns the one draft that waits, once there is one.
async fn draft_of(world: &World) -> String {
    loop {
        let listed = world.command(Command::DraftsList { all: false }).await.expect("listed");
        if let Some(id) = listed[0]["id"].as_str().or(listed[0]["draft"].as_str()) {
            return id.to_owned();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_was_ended_while_it_waited_takes_no_answer() {
    let mut world = drafting(&allowing()).await;
    let (told, (id, token)) = tokio::join!(waits(&world), async {
        let id = draft_of(&world).await;
        let rotate =
            Command::AgentRotate { name: "agent-acme".to_owned(), overlap: "0s".to_owned(), expires: None };
        let rotated = world.command(rotate).await.expect("rotated");
        approve(&world, &id).await.expect("released");
        (id, rotated["token"].as_str().expect("a token").to_owned())
    });
    assert_eq!((told.status, &told.json().expect("json")["code"]), (401, &json!("unauthenticated")));
    world.tokens.insert("acme".to_owned(), token);
    let answer = world.ask("acme", "GET", &format!("/-/drafts/{id}/answer"), PROBLEM, "").await;
    assert_eq!(answer.status, 201, "it is there for the agent's new token");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_told_where_it_stands_when_the_host_stops() {
    let mut world = drafting(&allowing()).await;
    let id = held(&world, LEAD).await;
    let token = world.tokens["acme"].clone();
    let ask = |line: &str, length: usize| {
        format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\nPrefer: wait=50\r\n{PROBLEM}Connection: close\r\n\r\n",
            world.agents
        )
    };
    // The same once more would be the same draft.
    let other = LEAD.replace("Ellison", "Nordhoff");
    let requests = [ask(&format!("POST {LEADS}"), other.len()) + &other, ask(&format!("GET /-/drafts/{id}"), 0)];
    let agents = world.agents;
    let told = requests.map(|request| {
        tokio::task::spawn_blocking(move || wardlock_tests::raw::exchange(agents, request.as_bytes()))
    });
    while world.command(Command::DraftsList { all: false }).await.expect("listed").as_array().map(Vec::len)
        != Some(2)
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    world.stop().await;
    assert!(began.elapsed() < Duration::from_secs(5), "nobody was waited for: {:?}", began.elapsed());
    let [posted, asked] = told;
    let posted = posted.await.expect("a thread").expect("an answer");
    assert_eq!((posted.status, &posted.json().expect("json")["code"]), (403, &json!("held")));
    let asked = asked.await.expect("a thread").expect("an answer");
    assert_eq!((asked.status, &asked.json().expect("json")["state"]), (200, &json!("held")));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_the_head_of_a_draft_is_answered_and_takes_no_answer() {
    let world = drafting(&allowing()).await;
    let id = held(&world, LEAD).await;
    approve(&world, &id).await.expect("released");
    let path = format!("/-/drafts/{id}");
    for (path, status) in [(path.clone(), "HTTP/1.1 200"), (format!("{path}/answer"), "HTTP/1.1 404")] {
        let request = format!(
            "HEAD {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n{PROBLEM}Connection: close\r\n\r\n",
            world.agents, world.tokens["acme"]
        );
        let told = world.send_all(request).await;
        assert!(told.starts_with(status.as_bytes()), "{}", String::from_utf8_lossy(&told));
        assert!(told.ends_with(b"\r\n\r\n"), "a head, and nothing behind it");
    }
    assert_eq!(world.ask("acme", "GET", &format!("{path}/answer"), PROBLEM, "").await.status, 201);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_released_draft_whose_answer_cannot_be_read_is_sent_and_unknown() {
    let world = drafting(&allowing()).await;
    let id = held(&world, LEAD).await;
    let page = ApiAnswer::Raw { status: 200, content_type: "text/html".to_owned(), body: b"<p>log in".to_vec() };
    world.simulator.switches().change(|switches| switches.api_answers.push_back(page));
    let ended = approve(&world, &id).await.expect("released");
    assert_eq!((&ended["sent"], &ended["outcome"]), (&json!(true), &json!("unknown")), "{ended}");
    let told = world.ask("acme", "GET", &format!("/-/drafts/{id}"), PROBLEM, "").await.json().expect("json");
    assert_eq!((&told["state"], &told["outcome"]), (&json!("sent"), &json!("unknown")), "{told}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_begin_as_the_name_does_under_which_agents_come() {
    let mut plan = plan("writes = \"draft\"", &allowing());
    plan.listen = "hosts = [\"https://agents.example.com\", \"plain.example.com\"]\n".to_owned();
    let world = World::start(plan).await;
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "draft").await.expect("enabled");
    for (name, begins) in [
        ("agents.example.com", "https://agents.example.com/-/"),
        ("plain.example.com", "http://plain.example.com/-/"),
    ] {
        let reply = world
            .send(format!(
                "POST {LEADS} HTTP/1.1\r\nHost: {name}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n{PROBLEM}Connection: close\r\n\r\n{LEAD}",
                world.tokens["acme"],
                LEAD.len()
            ))
            .await;
        let said = reply.json().expect("json");
        assert!(said["draft_url"].as_str().is_some_and(|url| url.starts_with(begins)), "{said}");
    }
    world.end().await;
}
