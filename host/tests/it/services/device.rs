//! Zoho's device flow, which is not RFC 8628: other names, times in milliseconds, and people of other data centres.

use std::sync::Arc;

use wardlock::admin::{Failure, How, Page};
use wardlock::ops::Talk;
use wardlock_simulator::{Simulator, TokenAnswer};

use super::{ask, came, connection, renews_once, workspace};
use crate::world::{Plan, World};

const CONTACTS: &str = "/acme/books/books/v3/contacts?per_page=2";
const PERSON: &str = "owner@eu.acme.example";

/// What the person does who enters the code.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    Approve(&'static str),
    Deny,
    /// So slowly that the code has ended.
    ComeTooLate,
}

struct Person {
    simulator: Arc<Simulator>,
    does: Does,
}

impl Talk for Person {
    fn say(&self, text: String) {
        let Some((open, code)) = text.split_once(" on any device and enter the code  ") else { return };
        assert!(open.starts_with("Open ") && open.contains("/oauth/v3/device"), "{text}");
        match self.does {
            Does::Approve(email) => assert!(self.simulator.approve_device(code, email), "{text}"),
            Does::Deny => assert!(self.simulator.deny_device(code), "{text}"),
            Does::ComeTooLate => self.simulator.switches().change(|switches| switches.device_lifetime_ms = 0),
        }
    }

    fn open(&self, page: Page) {
        panic!("no browser is opened here: {page:?}");
    }

    fn wait(&self, _text: String) {}
}

async fn connect(world: &World, does: Does) -> Result<serde_json::Value, Failure> {
    // Times in milliseconds: taken for seconds, the first question would come in a quarter of an hour.
    world.simulator.switches().change(|switches| {
        switches.device_lifetime_ms = 300_000;
        switches.device_interval_ms = 1_000;
    });
    let person = Person { simulator: Arc::clone(&world.simulator), does };
    let connecting = world.connect_by("acme/books", How::Device, &person);
    tokio::time::timeout(std::time::Duration::from_mins(1), connecting).await.expect("an end")
}

#[tokio::test(flavor = "multi_thread")]
async fn person_elsewhere_approves_denies_comes_too_late_or_lives_in_another_data_centre() {
    let organisation = "20071234567";
    let more = format!(
        "grant = \"acme\"\ntenant = \"{organisation}\"\nresources = [\"contacts\"]\noperations = [\"records.read\"]"
    );
    let plan = Plan {
        workspaces: vec![("acme", workspace("acme", &[connection("books", "zoho-books", &more)]))],
        services: vec!["zoho-books"],
        connect: Vec::new(),
        ..Plan::default()
    };
    let world = World::start(plan).await;
    for (does, told) in [
        (Does::Deny, "did not agree"),
        (Does::ComeTooLate, "before it ended"),
        (Does::Approve("owner@in.acme.example"), "another region"),
    ] {
        let failure = connect(&world, does).await.expect_err(told);
        assert!(failure.message.contains(told) && failure.hint.is_some(), "{failure:?}");
        assert!(world.host.vault().grants().expect("grants").is_empty(), "{told}");
    }
    assert_eq!(world.simulator.access_tokens(), Vec::<String>::new());
    for seen in world.simulator.recordings() {
        assert_eq!(seen.host, "accounts.zoho.eu", "{}", seen.target);
    }

    // A provider that is in trouble for a moment ends nothing.
    world.simulator.switches().change(|switches| {
        switches.token_answers.push_back(TokenAnswer::Raw {
            status: 503,
            content_type: "text/html".to_owned(),
            body: b"<html>later</html>".to_vec(),
        });
    });
    let connected = connect(&world, Does::Approve(PERSON)).await.expect("connected");
    assert!(world.simulator.switches().change(|switches| switches.token_answers.is_empty()), "503 was answered");
    assert_eq!(connected["tenant"], organisation, "{connected}");
    came(&ask(&world, "acme", "GET", CONTACTS, "").await, 200, "ok");
    renews_once(&world, "acme", CONTACTS).await;
    world.end().await;
}
