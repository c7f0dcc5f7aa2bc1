//! Bounds on what writes touch without a person, at once and in a day, through the whole product.

use std::path::Path;

use serde_json::{Value, json};
use wardlock::admin::Command;
use wardlock::home::Home;
use wardlock::host::Host;
use wardlock_egress::vault::KeySource;
use wardlock_tests::raw::RawReply;

use crate::proofs::{enable, prove};
use crate::world::{Plan, World, dialled, plugin, workspace};

const PROBLEM: &str = "Content-Type: application/json\r\nAccept: application/problem+json\r\n";

/// A world where writes are on within these bounds.
async fn writing(bounds: &str) -> World {
    let file =
        workspace("acme", "eu", &format!("writes = \"on\"\n{bounds}"), &plugin("probe", r#"{ mode = "allow" }"#));
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], ..Plan::default() }).await;
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "on").await.expect("enabled");
    world
}

async fn create(world: &World, module: &str, records: usize, headers: &str) -> RawReply {
    let body = json!({ "data": vec![json!({ "Last_Name": "E", "Company": "N" }); records] }).to_string();
    let path = format!("/acme/zoho/crm/v8/{module}");
    world.ask("acme", "POST", &path, &format!("{PROBLEM}{headers}"), &body).await
}

#[track_caller]
fn assert_held(reply: &RawReply, rule: &str, detail: &str) -> Value {
    let said = reply.json().expect("a refusal");
    assert_eq!((&said["code"], &said["rule"]), (&json!("held"), &json!(rule)), "{said}");
    assert!(said["detail"].as_str().is_some_and(|said| said.contains(detail)), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_beyond_a_days_records_waits_for_a_person_whose_word_passes_it() {
    let bounds =
        "max_records_a_day = 6\n[connections.zoho.limits.Leads]\nmax_records = 3\nmax_records_a_day = 4\n";
    let world = writing(bounds).await;
    assert_held(&create(&world, "Leads", 4, "").await, "max_records", "at most 3 of `Leads`");
    assert_eq!(create(&world, "Leads", 3, "").await.status, 201);
    let said =
        assert_held(&create(&world, "Leads", 2, "").await, "max_records_a_day", "of `Leads` have touched 3");
    assert_eq!(create(&world, "Contacts", 3, "").await.status, 201, "6 of all, and no bound of its own");
    // A look takes nothing, and is told what a request would be told.
    for _ in 0..2 {
        let look = create(&world, "Contacts", 1, "Wardlock-Dry-Run: true\r\n").await;
        assert_eq!((look.status, look.header("wardlock-decision")), (403, Some("hold")));
    }
    assert_held(&create(&world, "Contacts", 1, "").await, "max_records_a_day", "have touched 6");
    // A person may let more pass, and it counts.
    let id = said["draft"].as_str().expect("a draft").to_owned();
    let shown = world.command(Command::DraftsShow { id: id.clone() }).await.expect("shown");
    let request_sha256 = shown["request_sha256"].as_str().expect("a hash").to_owned();
    let ended = world.command(Command::DraftsApprove { id, request_sha256, shown: None }).await.expect("an end");
    assert_eq!((&ended["sent"], &ended["status"]), (&json!(true), &json!(201)), "{ended}");
    assert_held(&create(&world, "Contacts", 1, "").await, "max_records_a_day", "have touched 8");
    // Reading is not bounded.
    assert_eq!(world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2").await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_records_that_were_taken_out_of_the_state_are_counted_from_the_audit() {
    let bounds = "max_records_a_day = 9\n[connections.zoho.limits.Leads]\nmax_records_a_day = 4\n";
    let world = writing(bounds).await;
    for (module, records) in [("Leads", 2), ("Leads", 1), ("Contacts", 2)] {
        assert_eq!(create(&world, module, records, "").await.status, 201);
    }
    let left = world.leave().await;
    let folder = left.folder.path().join("home");
    let state = rusqlite::Connection::open(folder.join("state/state.db")).expect("the state");
    assert_eq!(state.execute("DELETE FROM touched", []).expect("removed"), 2);
    drop(state);
    // The index by which rows are looked for says that there are none.
    let audit = rusqlite::Connection::open(folder.join("state/audit.db")).expect("the audit");
    let hide = "DELETE FROM postings; UPDATE indexed SET sequence = (SELECT max(sequence) FROM records)";
    audit.execute_batch(hide).expect("hidden");
    drop(audit);
    let home = Home::open(&folder).expect("the home");
    let key = KeySource::File { path: folder.join("state/vault.key") };
    let host = Host::open(home, &key, dialled(&left.simulator), "test").await.expect("a host");
    let touched = host.state().touched_today("acme", "zoho").expect("read");
    assert_eq!(touched, [(String::new(), 5), ("Leads".to_owned(), 3)].into());
    drop(host);
    // A later day with fewer records takes none back; a row that cannot be read closes nothing, and leaves nothing of the day.
    let state = rusqlite::Connection::open(folder.join("state/state.db")).expect("the state");
    state.execute("INSERT INTO touched VALUES ('acme', 'zoho', '', 99999, 0)", []).expect("written");
    drop(state);
    assert_eq!(damage_intents(&folder, "write"), 3);
    let home = Home::open(&folder).expect("the home");
    let host = Host::open(home, &key, dialled(&left.simulator), "test").await.expect("a host");
    let touched = host.state().touched_today("acme", "zoho").expect("read");
    assert_eq!(touched, [(String::new(), u32::MAX.into()), ("Leads".to_owned(), u32::MAX.into())].into());
    drop(host);
    left.canaries.scan_folder(left.folder.path(), &[]).expect("no canary in the home");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_that_comes_during_the_day_counts_what_was_written_before() {
    let world = writing("").await;
    assert_eq!(create(&world, "Leads", 3, "").await.status, 201);
    let path = world.folder().join("home/workspaces/acme.toml");
    let file = std::fs::read_to_string(&path).expect("the file");
    let bounded = file.replacen("writes = \"on\"\n", "writes = \"on\"\nmax_records_a_day = 4\n", 1);
    assert_ne!(file, bounded);
    std::fs::write(&path, bounded).expect("written");
    assert_eq!(world.command(Command::Reload).await.expect("reloaded")["ok"], true);
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "on").await.expect("enabled");
    assert_held(&create(&world, "Leads", 2, "").await, "max_records_a_day", "have touched 3");
    assert_eq!(create(&world, "Leads", 1, "").await.status, 201);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_never_touch_more_than_a_days_records() {
    let world = writing("max_records_a_day = 5\n").await;
    let one = || create(&world, "Leads", 1, "");
    let two = async || tokio::join!(one(), one());
    let four = async || tokio::join!(two(), two());
    let (left, right) = tokio::join!(four(), four());
    let replies = [left.0, left.1, right.0, right.1].map(|(one, other)| [one, other]).into_iter().flatten();
    let replies: Vec<RawReply> = replies.collect();
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    assert_eq!(created, 5, "{replies:?}");
    for reply in replies.iter().filter(|reply| reply.status != 201) {
        let said = reply.json().expect("a refusal");
        let code = said["code"].as_str().expect("a code");
        assert!(code == "held" || (code == "day_limit_reached" && said["retryable"] == true), "{said}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_of_what_is_not_there_is_told_with_its_place() {
    let world = World::start(Plan::default()).await;
    let bounds = "writes = \"on\"\napprovals = 0\n[connections.zoho.limits.Leds]\nmax_records = 3\n[connections.zoho.limits.Contacts]\n[connections.zoho.limits.composite]\nmax_records = 1\n";
    let text = wardlock::policy::with_digests(&workspace("acme", "eu", bounds, &plugin("read-only", "{}")));
    std::fs::write(world.folder().join("home/workspaces/acme.toml"), text).expect("written");
    let reloaded = world.command(Command::Reload).await.expect("told");
    let told = reloaded["problems"].to_string();
    assert_eq!(reloaded["ok"], false, "{told}");
    for says in [
        "`Leds` is no operation and no resource",
        "Leads",
        "this bounds nothing",
        "`composite` carries other requests",
        "a number of people from 1 to 5",
    ] {
        assert!(told.contains(says), "{says}: {told}");
    }
    assert_eq!(
        world.get("/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2").await.status,
        200,
        "what was there serves"
    );
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bound_that_is_mistyped_is_refused_where_every_resource_may_be_touched() {
    let world = World::start(Plan::default()).await;
    let reloaded = async |bound: &str| {
        let bounds = format!("writes = \"on\"\nlimits = {{ \"{bound}\" = {{ max_records = 1 }} }}\n");
        let text = workspace("acme", "eu", &bounds, &plugin("read-only", "{}"))
            .replace(r#""Leads", "Contacts""#, r#""*""#);
        let text = wardlock::policy::with_digests(&text);
        std::fs::write(world.folder().join("home/workspaces/acme.toml"), text).expect("written");
        world.command(Command::Reload).await.expect("told")
    };
    for (bound, says) in [
        ("records.creat", "did you mean `records.create`?"),
        ("recordscreate", "did you mean `records.create`? A resource of that name is named in `resources`"),
        ("records.write", "is a group, and a limit is of one operation"),
        ("records.write", "`records.create`"),
        ("records.delete_one", "is no operation of this connection"),
        ("any.thing", "`any.thing` is no operation and no resource"),
        ("leads", "did you mean `Leads`?"),
        ("*", "is no operation and no resource"),
    ] {
        let told = reloaded(bound).await;
        assert_eq!(told["ok"], false, "{bound}: {told}");
        assert!(told["problems"].to_string().contains(says), "{says}: {told}");
    }
    for (bound, says) in [
        ("records.create", None),
        ("Leads", None),
        ("Parcels", Some("`Parcels` is taken for a resource of the account's own")),
    ] {
        let told = reloaded(bound).await;
        assert_eq!(told["ok"], true, "{bound}: {told}");
        let problems = told["problems"].to_string();
        assert_eq!(problems.contains("is taken for a resource"), says.is_some(), "{bound}: {problems}");
        assert!(says.is_none_or(|says| problems.contains(says)), "{bound}: {problems}");
    }
    world.end().await;
}

/// Makes the INTENT rows of an effect unreadable in the audit of a home that nobody serves; returns how many there are.
pub fn damage_intents(home: &Path, effect: &str) -> usize {
    let audit = rusqlite::Connection::open(home.join("state/audit.db")).expect("the audit");
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'records_are_not_changed'";
    let trigger: String = audit.query_row(sql, [], |row| row.get(0)).expect("a trigger");
    audit.execute_batch("DROP TRIGGER records_are_not_changed").expect("dropped");
    let sql = "UPDATE records SET detail = 'none' WHERE kind = 'intent' AND effect = ?1";
    let damaged = audit.execute(sql, [effect]).expect("damaged");
    // Back in its place: an audit of another shape opens nothing at all.
    audit.execute_batch(&trigger).expect("made again");
    damaged
}
