//! Where operators have keys, files alone widen nothing: neither by a reload nor by a restart, until an admin accepts it.

use std::fs;

use serde_json::{Value, json};
use wardlock::admin::{Brought, Command, How};
use wardlock::home::Home;
use wardlock::host::Host;
use wardlock::ops;
use wardlock_core::id::WorkspaceName;
use wardlock_egress::vault::{KeySource, Role};

use crate::signed::{Operator, add, signed};
use crate::world::{Plan, World, dialled, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
const DEALS: &str = "/acme/zoho/crm/v8/Deals?fields=Deal_Name&per_page=2";

/// Writes a workspace file as whoever reaches the home can.
fn write(world: &World, change: impl FnOnce(&str) -> String) {
    let text = change(&workspace("acme", "eu", "", &plugin("read-only", "{}")));
    fs::write(world.folder().join("home/workspaces/acme.toml"), wardlock::policy::with_digests(&text))
        .expect("written");
}

fn with_deals(text: &str) -> String {
    text.replace("\"Contacts\"]", "\"Contacts\", \"Deals\"]")
}

async fn reload(world: &World) -> Value {
    world.command(Command::Reload).await.expect("told")
}

async fn statuses(world: &World) -> (u16, u16) {
    (world.get(LEADS).await.status, world.get(DEALS).await.status)
}

/// Deals reach the provider, who says that the consent does not cover them.
const PASSED: (u16, u16) = (200, 401);

fn accept(basis: Option<&Value>) -> Command {
    Command::PolicyAccept { basis: basis.map(|basis| basis.as_str().expect("a word").to_owned()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_widens_waits_for_an_admin_and_one_that_narrows_does_not() {
    let world = World::start(Plan::default()).await;
    let nobody = world.command(accept(None)).await.expect_err("nobody has a key");
    assert!(nobody.message.contains("nobody has a key here"), "{nobody:?}");
    let (ada, bob) = (Operator::new("ada", 1), Operator::new("bob", 2));
    world.command(add(&ada, Role::Admin)).await.expect("added");
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("added");
    assert_eq!(statuses(&world).await, (200, 403), "what served goes on");

    write(&world, with_deals);
    let told = reload(&world).await;
    assert_eq!((&told["ok"], &told["problems"][0]["severity"]), (&json!(false), &json!("stale")), "{told}");
    let message = told["problems"][0]["message"].as_str().expect("a message");
    assert!(
        message.contains("no admin has accepted connection `zoho` as it is: it would have resource `Deals`"),
        "{told}"
    );
    assert_eq!(statuses(&world).await, (200, 403), "the one before serves");
    let shown = world.command(accept(None)).await.expect("anybody here may look");
    assert_eq!(shown["wider"], json!([{ "connection": "acme/zoho", "would_have": ["resource `Deals`"] }]));
    let basis = shown["basis"].clone();
    assert!(world.command(accept(Some(&basis))).await.is_err(), "unsigned");
    let approver = signed(&world, &bob, accept(Some(&basis))).await.expect_err("an approver widens nothing");
    assert!(approver.message.contains("wants an admin"), "{approver:?}");
    write(&world, |text| with_deals(text).replace("label = \"test\"", "label = \"other\""));
    let other = signed(&world, &ada, accept(Some(&basis))).await.expect_err("another file by now");
    assert!(other.message.contains("not those that were shown"), "{other:?}");
    write(&world, with_deals);
    let accepted = signed(&world, &ada, accept(Some(&basis))).await.expect("accepted");
    assert_eq!(accepted["reload"]["ok"], true, "{accepted}");
    assert_eq!(statuses(&world).await, PASSED);

    // What narrows is taken at once, and what was accepted before does not come back without an admin.
    write(&world, str::to_owned);
    assert_eq!(reload(&world).await["ok"], true);
    assert_eq!(statuses(&world).await, (200, 403));
    write(&world, with_deals);
    assert_eq!(reload(&world).await["problems"][0]["severity"], "stale");
    assert_eq!(statuses(&world).await, (200, 403), "an admin took it out");
    accepted_by(&world, &ada).await;
    assert_eq!(statuses(&world).await, PASSED);
    // A chain without its plugin allows nothing, and is not what was accepted; a second connection is new.
    write(&world, |text| with_deals(&text[..text.find("[[connections").expect("there")]));
    let told = reload(&world).await.to_string();
    assert!(told.contains("plugin `read-only`, which is gone"), "{told}");
    let second = |text: String| {
        text.clone()
            + &text[text.find("[connections.zoho]").expect("there")..]
                .replace("connections.zoho", "connections.more")
    };
    write(&world, |text| second(with_deals(text)));
    let told = reload(&world).await.to_string();
    assert!(told.contains("no admin has accepted connection `more` as it is: it is new"), "{told}");
    assert_eq!(statuses(&world).await, PASSED, "the other one goes on");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_out_of_the_files_comes_back_by_an_admin_only() {
    let world = World::start(Plan::default()).await;
    let ada = Operator::new("ada", 1);
    world.command(add(&ada, Role::Admin)).await.expect("added");
    let bounded = |text: &str| {
        let bounds = "writes = \"off\"\napprovals = 2\nmax_records = 2\n\n[[connections";
        text.replacen("[[connections", bounds, 1)
    };
    let file = world.folder().join("home/workspaces/acme.toml");
    // Bounds that only narrow are taken at once, and hold whoever takes them out again.
    write(&world, |text| bounded(text).replace(", \"Contacts\"", ""));
    assert_eq!(reload(&world).await["ok"], true);
    for (bound, without) in [
        ("max_records = 2", ""),
        ("approvals = 2", "approvals = 1"),
        ("writes = \"off\"", "writes = \"on\""),
        ("[\"Leads\"]", "[\"Leads\", \"Contacts\"]"),
    ] {
        write(&world, |text| bounded(text).replace(", \"Contacts\"", "").replace(bound, without));
        let told = reload(&world).await;
        assert_eq!(told["problems"][0]["severity"], "stale", "{bound}: {told}");
    }
    // A workspace that is gone has nothing any more: its old file is new.
    write(&world, str::to_owned);
    accepted_by(&world, &ada).await;
    let text = fs::read_to_string(&file).expect("read");
    fs::remove_file(&file).expect("removed");
    assert_eq!(reload(&world).await["ok"], true);
    fs::write(&file, &text).expect("written");
    let told = reload(&world).await.to_string();
    assert!(told.contains("no admin has accepted connection `zoho` as it is: it is new"), "{told}");
    assert_eq!(world.get(LEADS).await.status, 503, "closed");
    // One that does not load has narrowed nothing: mended, it serves as it was accepted.
    accepted_by(&world, &ada).await;
    fs::write(&file, "no TOML [").expect("written");
    assert_eq!(reload(&world).await["ok"], false);
    fs::write(&file, &text).expect("written");
    assert_eq!(reload(&world).await["ok"], true);
    assert_eq!(world.get(LEADS).await.status, 200);
    world.end().await;
}

/// An admin accepts what stands in the files.
async fn accepted_by(world: &World, admin: &Operator) {
    let shown = world.command(accept(None)).await.expect("shown");
    let accepted = signed(world, admin, accept(Some(&shown["basis"]))).await.expect("accepted");
    assert_eq!(accepted["reload"]["ok"], true, "{accepted}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_accepts_nothing_either() {
    let world = World::start(Plan::default()).await;
    let ada = Operator::new("ada", 1);
    world.command(add(&ada, Role::Admin)).await.expect("added");
    write(&world, with_deals);
    let left = world.leave().await;
    let home = Home::open(&left.folder.path().join("home")).expect("the home");
    let key = KeySource::File { path: left.folder.path().join("home/state/vault.key") };
    let host = Host::open(home, &key, dialled(&left.simulator), "test").await.expect("a host");
    let acme = WorkspaceName::parse("acme").expect("a name");
    let refusal = host
        .loaded()
        .open_or_why(&acme, "zoho")
        .expect_err("nobody knows the one before, and this is not accepted");
    assert_eq!(refusal.code.as_str(), "connection_closed");
    assert!(refusal.detail.contains("it would have resource `Deals`"), "{}", refusal.detail);
    let shown = ops::execute(&host, accept(None), Brought::Nothing, &ada).await.expect("shown");
    ops::execute(&host, accept(Some(&shown["basis"])), Brought::Nothing, &ada).await.expect("accepted");
    host.loaded().open(&acme, "zoho").expect("it serves");
    drop(host);
    left.canaries.scan_folder(left.folder.path(), &[]).expect("no canary in the home");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_widens_no_consent_that_an_admin_signs_for_another_reason() {
    let world = World::start(Plan::default()).await;
    let ada = Operator::new("ada", 1);
    world.command(add(&ada, Role::Admin)).await.expect("added");
    let show =
        || Command::ConnectionsShow { workspace: "acme".to_owned(), connection: "zoho".to_owned(), agent: None };
    let scopes_of = |shown: &Value| -> Vec<String> {
        serde_json::from_value(shown["scopes_of_consent"].clone()).expect("a list of scopes")
    };
    let needed = scopes_of(&world.command(show()).await.expect("shown"));
    let connect = |scopes: Option<Vec<String>>| Command::Connect {
        workspace: "acme".to_owned(),
        connection: "zoho".to_owned(),
        registration: None,
        agent: None,
        how: How::LookUp,
        evict_oldest: false,
        tenant: None,
        scopes,
    };
    let unnamed = signed(&world, &ada, connect(None)).await.expect_err("nobody signs for what is not named");
    assert!(unnamed.message.contains("none are named"), "{unnamed:?}");
    let wider = format!("scopes = [\"{}\", \"ZohoCRM.users.ALL\"]\n\n[[connections", needed.join("\", \""));
    write(&world, |text| text.replacen("[[connections", &wider, 1));
    let told = reload(&world).await.to_string();
    assert!(told.contains("it would have scope `ZohoCRM.users.ALL`, which its operations do not need"), "{told}");
    assert_eq!(scopes_of(&world.command(show()).await.expect("shown")), needed, "the one before serves");
    accepted_by(&world, &ada).await;
    // A signature over what was shown before is none for what the file says by now.
    let other = signed(&world, &ada, connect(Some(needed))).await.expect_err("others than were shown");
    assert!(other.message.starts_with("the consent asks for other scopes than were shown: "), "{other:?}");
    assert!(other.message.contains("ZohoCRM.users.ALL"), "{other:?}");
    world.end().await;
}
