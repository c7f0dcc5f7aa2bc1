//! Crowds at the agents' door: what they hold, and who is served all the same.

use std::net::SocketAddr;
use std::time::Duration;

use wardlock::admin::Command;
use wardlock_tests::raw::{RawClient, RawReply};

use crate::world::{Plan, World};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name";

/// A world with few slots.
async fn narrow() -> World {
    World::start(Plan { config: "[limits]\nconnections = 8\n".to_owned(), ..Plan::default() }).await
}

fn head(world: &World, token: &str, method: &str, fields: &str) -> String {
    format!("{method} {LEADS} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{fields}\r\n", world.agents)
}

/// Sends on a connection that stays open, and reads one reply.
async fn ask(mut client: RawClient, request: String) -> (RawClient, anyhow::Result<RawReply>) {
    let asked = tokio::task::spawn_blocking(move || {
        client.send(request.as_bytes());
        let reply = client.read_reply();
        (client, reply)
    });
    asked.await.expect("a thread")
}

async fn opened(agents: SocketAddr) -> RawClient {
    tokio::task::spawn_blocking(move || RawClient::connect(agents)).await.expect("a thread").expect("a connection")
}

/// Waits until so many requests are under way.
async fn under_way(world: &World, count: usize) {
    for _ in 0..500 {
        if world.host.places().in_use() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} requests are under way, not {count}", world.host.places().in_use());
}

#[tokio::test(flavor = "multi_thread")]
async fn a27_newcomers_are_served_while_strangers_fill_every_slot() {
    let world = narrow().await;
    let mut silent = Vec::new();
    for _ in 0..40 {
        silent.push(opened(world.agents).await);
    }
    for _ in 0..3 {
        assert_eq!(world.get(LEADS).await.status, 200);
    }
    let first = silent.swap_remove(0);
    let (_, reply) = ask(first, String::new()).await;
    assert!(reply.is_err(), "the oldest gave way");
    let shown = world.series().await;
    assert!(shown["wardlock_agent_connections_displaced_total"] >= 32.0, "{shown:?}");
    assert!(shown["wardlock_agent_connections"] <= 8.0, "{shown:?}");
    drop(silent);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a27_an_agent_that_keeps_many_connections_takes_none_of_anothers() {
    let mut world = narrow().await;
    let (greedy, modest) = (world.tokens["acme"].clone(), world.add_agent("modest", "acme").await);
    let request = head(&world, &modest, "GET", "");
    let (mut kept, reply) = ask(opened(world.agents).await, request.clone()).await;
    assert_eq!(reply.expect("a reply").status, 200);
    let mut held = Vec::new();
    for _ in 0..20 {
        let (client, reply) = ask(opened(world.agents).await, head(&world, &greedy, "GET", "")).await;
        assert_eq!(reply.expect("a reply").status, 200);
        held.push(client);
    }
    for _ in 0..20 {
        let reply;
        (kept, reply) = ask(kept, request.clone()).await;
        assert_eq!(reply.expect("its connection is open").status, 200);
        held.push(opened(world.agents).await);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a27_a_body_is_taken_into_memory_only_with_a_place() {
    let world =
        World::start(Plan { config: "[limits]\nrequests_per_agent = 2\n".to_owned(), ..Plan::default() }).await;
    let token = world.tokens["acme"].clone();
    let slow = |token: &str| head(&world, token, "POST", "Content-Length: 1000\r\n") + "{";
    let mut held = Vec::new();
    for (request, places) in [(slow("wl_nobody"), 0), (slow(&token), 1), (slow(&token), 2), (slow(&token), 2)] {
        let mut client = opened(world.agents).await;
        client.send(request.as_bytes());
        held.push(client);
        under_way(&world, places).await;
    }
    // Those that have no place learn it, whatever is left of their bodies; the others are still waited for.
    let told = [(401, held.remove(0)), (503, held.pop().expect("the last"))];
    for (status, client) in told {
        let (_, reply) = ask(client, " ".repeat(998) + "}").await;
        assert_eq!(reply.expect("a reply").status, status);
    }
    assert_eq!(world.host.places().in_use(), 2);
    drop(held);
    under_way(&world, 0).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_revoked_while_its_body_comes_sends_nothing() {
    let world = World::start(Plan::default()).await;
    let (token, before) = (world.tokens["acme"].clone(), world.api_calls());
    let mut client = opened(world.agents).await;
    client.send((head(&world, &token, "POST", "Content-Length: 2\r\n") + "{").as_bytes());
    under_way(&world, 1).await;
    world.command(Command::AgentRevoke { name: "agent-acme".to_owned() }).await.expect("revoked");
    let (_, reply) = ask(client, "}".to_owned()).await;
    assert_eq!(reply.expect("a reply").status, 401);
    assert_eq!(world.api_calls(), before);
    world.end().await;
}
