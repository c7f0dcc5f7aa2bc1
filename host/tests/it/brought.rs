//! What `plugin add` says of a component by what is recorded: than the plugin of its name decided otherwise, and, new to a chain, what it
//! would refuse, hold or change.

use serde_json::Value;
use wardlock::admin::{Brought, Command};
use wardlock::ops;
use wardlock_core::id::Digest;
use wardlock_egress::vault::Role;
use wardlock_simulator::Consent;

use crate::answers::judge;
use crate::recorder::{LEADS, RECORDER, change, recording, shown};
use crate::signed::{self, Operator, signed, who_did};
use crate::world::{Plan, World, plugin, workspace};

/// What reads more than `require-purpose` lets pass without a purpose.
const BROAD: &str = r#"{"select_query":"select Last_Name from Leads where Last_Name is not null limit 500"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn plugin_add_tells_what_the_component_would_decide_otherwise() {
    // In the place that is called `read-only` another component stands: it lets pass what it lets pass.
    let stand_in = judge("read-only", "", r#"{ request = "deny" }"#);
    let world = recording(&stand_in, RECORDER).await;
    for _ in 0..3 {
        assert_eq!(world.get(LEADS).await.status, 403);
    }
    let added = add(&world, "read-only", None).await;
    assert!(
        added["recorded"][0]["why"].as_str().is_some_and(|why| why.contains("with the settings that stand there")),
        "{added}"
    );
    change(&world, &judge("read-only", "", "{}"), RECORDER).await;
    let added = add(&world, "read-only", Some("acme")).await;
    let row = &added["recorded"][0];
    assert_eq!(
        (&row["place"], &row["compared"], &row["otherwise"]),
        (&"acme/zoho".into(), &3.into(), &3.into()),
        "{added}"
    );
    assert_eq!((&row["requests"], &row["cut"]), (&3.into(), &false.into()), "{added}");
    assert_eq!(
        (&row["differing"][0]["now"], &row["differing"][0]["operation"]),
        (&"allow".into(), &"records.list".into())
    );
    let none = add(&world, "page-cap", None).await;
    assert_eq!(none["recorded"], Value::Array(Vec::new()), "no chain has a plugin of that name");
    let told = shown(&world, &["plugin", "add", "read-only"]).await;
    assert!(
        told.stderr.contains("acme/zoho: of 3 recorded decisions (3 requests) it decides 3 otherwise"),
        "{told:?}"
    );
    let told = shown(&world, &["plugin", "add", "page-cap"]).await;
    assert!(told.stderr.contains("none recorded"), "{told:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn plugin_add_asks_one_that_is_new_to_a_chain_what_its_first_plugin_was_asked() {
    let chain = plugin("read-only", "{}") + &judge("second", "", "{}");
    let world = recording(&chain, "").await;
    let added = add(&world, "require-purpose", Some("acme")).await;
    let why = added["recorded"][0]["why"].as_str().expect("a reason");
    assert!(why.contains("has no `[recorder]`"), "{added}");
    change(&world, &chain, RECORDER).await;
    let added = add(&world, "require-purpose", Some("acme")).await;
    assert_eq!(added["recorded"][0]["why"], "nothing is recorded of it yet", "{added}");

    let note = "Content-Type: application/json\r\nWardlock-Purpose: the weekly report of new leads\r\n";
    for headers in [note, note, "Content-Type: application/json\r\n"] {
        let reply = world.ask("acme", "POST", "/acme/zoho/crm/v8/coql", headers, BROAD).await;
        assert_eq!(reply.header("wardlock-decision"), Some("allow"), "{reply:?}");
    }
    let added = add(&world, "require-purpose", Some("acme")).await;
    let row = &added["recorded"][0];
    assert_eq!(
        (&row["is_new"], &row["compared"], &row["would_refuse"], &row["would_hold"], &row["would_change"]),
        (&true.into(), &3.into(), &1.into(), &0.into(), &0.into()),
        "{added}"
    );
    let differing = &row["differing"][0];
    assert_eq!(differing["recorded"], "allow", "{added}");
    assert!(differing["now"].as_str().is_some_and(|now| now.starts_with("deny ")), "{added}");
    let args = ["plugin", "add", "require-purpose", "--workspace", "acme", "--connection", "zoho"];
    let told = shown(&world, &args).await;
    for says in ["of 3 recorded decisions (3 requests) it would refuse 1, hold 0 and change 0", "it says `deny "] {
        assert!(told.stderr.contains(says), "{says}: {told:?}");
    }
    // One that sees bodies and stands there by now, with its settings; and one that does not load without any.
    change(&world, &(chain + &plugin("probe", "{ mode = \"allow\" }")), RECORDER).await;
    let added = add_guest(&world, "probe").await;
    let row = &added["recorded"][0];
    assert_eq!((&row["compared"], &row["not_compared"]), (&0.into(), &3.into()), "{added}");
    assert!(row["not_compared_why"][0].as_str().is_some_and(|why| why.contains("was not recorded")), "{added}");
    let added = add(&world, "field-mask", Some("acme")).await;
    let why = added["recorded"][0]["why"].as_str().expect("a reason");
    assert!(why.contains("does not load without settings"), "{added}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_gave_no_verdict_then_is_no_difference_to_a_new_component() {
    let world = recording(&judge("read-only", "", r#"{ request = "trap-on-purpose" }"#), RECORDER).await;
    let trap = "Accept: application/problem+json\r\nWardlock-Purpose: trap\r\n";
    let mut traps = 0;
    while world.ask("acme", "GET", LEADS, trap, "").await.json().expect("a refusal")["code"] == "plugin_trap" {
        traps += 1;
        assert!(traps < 20, "it trips");
    }
    change(&world, &judge("read-only", "", "{}"), RECORDER).await;
    let added = add(&world, "read-only", Some("acme")).await;
    let row = &added["recorded"][0];
    assert_eq!(
        (&row["compared"], &row["otherwise"], &row["not_compared"]),
        (&traps.into(), &traps.into(), &1.into()),
        "{added}"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_is_asked_about_recorded_requests_for_an_admin_who_signs() {
    let world = recording(&plugin("read-only", "{}"), RECORDER).await;
    assert_eq!(world.get(LEADS).await.status, 200);
    let added = add(&world, "read-only", Some("acme")).await;
    assert_eq!(added["recorded"][0]["compared"], 1, "nobody has a key here: {added}");

    let (ada, bob) = (Operator::new("ada", 1), Operator::new("bob", 2));
    world.command(signed::add(&ada, Role::Admin)).await.expect("added");
    signed(&world, &ada, signed::add(&bob, Role::Approver)).await.expect("added");
    let starter = |name: &str| wardlock_plugins::starter(name).expect("a starter").bytes.to_vec();
    let by = async |who: &Operator, of: Vec<u8>, brought: Vec<u8>| {
        ops::execute(&world.host, adding(&of, Some("acme")), Brought::File(brought), who).await
    };
    let unsigned = add(&world, "read-only", Some("acme")).await;
    let approvers = by(&bob, starter("read-only"), starter("read-only")).await.expect("kept");
    for added in [unsigned, approvers] {
        let row = &added["recorded"][0];
        assert_eq!((&row["compared"], &row["differing"]), (&0.into(), &Value::Array(Vec::new())), "{added}");
        assert!(row["why"].as_str().is_some_and(|why| why.contains("for an admin who signs")), "{added}");
        let kept = world.folder().join("home").join(added["kept"].as_str().expect("a file"));
        assert!(kept.exists(), "{added}");
    }
    let told = shown(&world, &["plugin", "add", "read-only"]).await;
    assert!(
        told.stderr.contains("acme/zoho: not compared: ") && told.stderr.contains("--sign-with KEY"),
        "{told:?}"
    );

    let added = by(&ada, starter("read-only"), starter("read-only")).await.expect("signed");
    assert_eq!(added["recorded"][0]["compared"], 1, "{added}");
    assert_eq!(who_did(&world, "plugin.add").as_deref(), Some("ada"));
    let other = by(&ada, starter("read-only"), starter("page-cap")).await.expect_err("another component");
    assert!(other.message.contains("is not the one that the command names"), "{other:?}");
    by(&Operator::new("ada", 3), starter("read-only"), starter("read-only")).await.expect_err("forged");
    let refused = signed::refused(&world, "plugin.add");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(refused[0].1.contains("a wrong signature"), "{refused:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_the_workspaces_newest_records_is_said_to_be_older() {
    let deny = judge("another", "", r#"{ request = "deny" }"#).replace("connections.zoho", "connections.other");
    let other = "\n[connections.other]\nlabel = \"t\"\nservice = \"zoho-crm\"\nregion = \"eu\"\ngrant = \"acme-zoho\"\n\
                 resources = [\"Leads\"]\noperations = [\"records.read\"]\n";
    let file = workspace("acme", "eu", "", &plugin("read-only", "{}")) + other + &deny + RECORDER;
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["judge"], ..Plan::default() }).await;
    assert_eq!(world.get(LEADS).await.status, 200);
    let of_other = async || world.get("/acme/other/crm/v8/Leads?fields=Last_Name").await.status;
    for _ in 1..200 {
        assert_eq!(of_other().await, 403);
    }
    let added = add(&world, "read-only", Some("acme")).await;
    assert_eq!(added["recorded"][0]["compared"], 1, "it is the oldest of 200: {added}");
    assert_eq!(of_other().await, 403);
    let added = add(&world, "read-only", Some("acme")).await;
    let why = "none of the workspace's newest 200 recorded requests is of it";
    assert_eq!(added["recorded"][0]["why"], why, "{added}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_loops_is_asked_only_so_long() {
    let world = recording(&plugin("probe", r#"{ mode = "allow" }"#), RECORDER).await;
    for _ in 0..6 {
        assert_eq!(world.get(LEADS).await.status, 200);
    }
    change(&world, &plugin("probe", r#"{ mode = "loop" }"#), RECORDER).await;
    let added = add_guest(&world, "probe").await;
    let row = &added["recorded"][0];
    assert_eq!((&row["compared"], &row["not_compared"]), (&0.into(), &6.into()), "{added}");
    let whys = row["not_compared_why"].to_string();
    assert!(whys.contains("all of it may take 20 seconds"), "{added}");
    world.end().await;
}

async fn add(world: &World, starter: &str, workspace: Option<&str>) -> Value {
    add_bytes(world, wardlock_plugins::starter(starter).expect("a starter").bytes.to_vec(), workspace).await
}

async fn add_guest(world: &World, guest: &str) -> Value {
    add_bytes(world, wardlock_tests::guests::guest(guest).to_vec(), Some("acme")).await
}

async fn add_bytes(world: &World, bytes: Vec<u8>, workspace: Option<&str>) -> Value {
    let command = adding(&bytes, workspace);
    world.command_as(command, Brought::File(bytes), Consent::default()).await.expect("added")
}

/// The command that adds a component.
fn adding(bytes: &[u8], workspace: Option<&str>) -> Command {
    Command::PluginAdd {
        bytes: bytes.len() as u64,
        sha256: Digest::of(bytes).to_string(),
        signature: None,
        workspace: workspace.map(str::to_owned),
        connection: workspace.map(|_| "zoho".to_owned()),
    }
}
