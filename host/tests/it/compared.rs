//! The comparison of what was sent with what was recorded sees what it should.

use wardlock_audit::Kind;
use wardlock_simulator::Recording;

use crate::recorded::{Log, check};
use crate::world::{Plan, World};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
const QUERY: &str = r#"{"select_query":"select Last_Name from Leads where Last_Name is not null limit 2"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_and_not_recorded_so_is_seen() {
    let world = World::start(Plan::default()).await;
    assert_eq!(world.get(LEADS).await.status, 200);
    let reply = world.ask("acme", "POST", "/acme/zoho/crm/v8/coql", "", QUERY).await;
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.body));
    let received = world.simulator.recordings();
    let log = || Log::of(&world.host);
    check(&[log()], &received).expect("as it is");
    check(&[], &received).expect_err("no log");

    let tampered = |change: fn(&mut Recording)| {
        let mut received = received.clone();
        change(received.last_mut().expect("the query"));
        check(&[log()], &received)
    };
    tampered(|seen| seen.body[20] ^= 1).expect_err("another body");
    tampered(|seen| seen.raw.push(b' ')).expect_err("a byte more");
    tampered(|seen| seen.method = "PUT".to_owned()).expect_err("another method");
    tampered(|seen| seen.host = "www.zohoapis.com".to_owned()).expect_err("another host");
    tampered(|seen| seen.target = "/crm/v8/%63oql".to_owned()).expect_err("another spelling");
    tampered(|seen| seen.target = "/crm/v8/coql?x=1".to_owned()).expect_err("a query");
    tampered(|seen| seen.raw.splice(0..0, *b"POST / HTTP/1.1\r\n").for_each(drop)).expect_err("two lines");
    let twice: Vec<Recording> = received.iter().chain(received.last()).cloned().collect();
    check(&[log()], &twice).expect_err("sent twice");
    check(&[log()], &received[..received.len() - 1]).expect_err("never sent");

    let without = |kind: Kind| {
        let mut log = log();
        let last = log.rows.iter().rposition(|row| row.kind == kind).expect("a row");
        log.rows.remove(last);
        check(&[log], &received)
    };
    without(Kind::Intent).expect_err("an INTENT is missing");
    without(Kind::Outcome).expect("a crash before the OUTCOME is no fault");
    let mut other_key = log();
    other_key.key[0] ^= 1;
    // `fields` and `per_page` are in plain, the query's body a hash of its own: a keyed value is wanted.
    check(&[other_key], &received).expect("nothing is keyed");
    assert_eq!(world.get("/acme/zoho/crm/v8/Leads/4150868000000624001?fields=Last_Name").await.status, 204);
    let received = world.simulator.recordings();
    let mut other_key = log();
    other_key.key[0] ^= 1;
    check(&[other_key], &received).expect_err("another key");
    world.end().await;
}
