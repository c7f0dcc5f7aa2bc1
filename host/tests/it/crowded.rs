//! Drafts of one agent that take all the room there is: for itself, and for nobody else.

use serde_json::{Value, json};
use wardlock::admin::Command;
use wardlock_tests::raw::RawReply;

use crate::drafts::{LEADS, PROBLEM, allowing, drafting};
use crate::world::World;

async fn post(world: &World, token: &str, number: usize, length: usize) -> RawReply {
    let name = "E".repeat(length);
    let body = json!({ "data": [{ "Last_Name": name, "Company": number.to_string() }] }).to_string();
    let head = format!(
        "POST {LEADS} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{PROBLEM}Content-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        world.agents,
        body.len()
    );
    world.send(head + &body).await
}

fn code(reply: &RawReply) -> Value {
    reply.json().expect("json")["code"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_agents_drafts_take_no_room_of_others_and_are_rejected_together() {
    let mut world = drafting(&allowing()).await;
    let crowd = world.add_agent("crowd", "acme").await;
    let other = world.add_agent("other", "acme").await;
    let mut held = 0;
    let full = loop {
        let reply = post(&world, &crowd, held, 3 << 20).await;
        if code(&reply) != "held" {
            break reply;
        }
        held += 1;
    };
    let said = full.json().expect("json");
    assert_eq!((full.status, &said["code"]), (429, &json!("too_many_drafts")), "{said}");
    assert!(said["hint"].as_str().is_some_and(|hint| hint.contains("drafts reject --agent crowd")), "{said}");
    assert!((4..12).contains(&held), "{held} of 3 MiB, which are more when they are sealed");
    assert_eq!(code(&post(&world, &other, 0, 1).await), "held", "there is room for another");

    let rejected = world.command(Command::DraftsRejectOf { agent: "crowd".to_owned() }).await.expect("rejected");
    assert_eq!(rejected["rejected"].as_array().map(Vec::len), Some(held), "{rejected}");
    let waiting = world.command(Command::DraftsList { all: false }).await.expect("listed");
    assert_eq!(waiting.as_array().map(Vec::len), Some(1), "{waiting}");
    assert_eq!(waiting[0]["agent"], "other");
    let rows = world.host.audit().list(&wardlock_audit::Filter::newest(100)).expect("rows");
    let acts = rows.iter().filter_map(|row| row.detail.act.as_ref()).filter(|act| act.what == "drafts.reject");
    assert_eq!(acts.count(), held, "a row for each");
    assert_eq!(code(&post(&world, &crowd, held, 1).await), "held", "it has room again");
    world.end().await;
}
