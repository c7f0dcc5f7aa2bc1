//! What plugins take of their quotas, through the whole product; and plugins that fail until nobody runs them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use wardlock::admin::{Brought, Command};
use wardlock::home::Home;
use wardlock::host::Host;
use wardlock::ops;
use wardlock_egress::vault::KeySource;
use wardlock_tests::raw::RawReply;

use crate::answers::{judge, with};
use crate::limits::damage_intents;
use crate::world::{Plan, Silent, World, dialled, explain, plugin, workspace};
use crate::{drafts, proofs};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";
const PROBLEM: &str = "Accept: application/problem+json\r\n";
const TWO_A_YEAR: &str = r#"{ takes = [{ key = "reads", limit = 2, window = 31536000 }] }"#;

async fn ask(world: &World, headers: &str) -> RawReply {
    world.ask("acme", "GET", LEADS, &format!("{PROBLEM}{headers}"), "").await
}

/// The refusal's own code, or the status of an answer.
fn word(reply: &RawReply) -> String {
    let told = reply.json().unwrap_or_default();
    match (told["plugin_code"].as_str(), told["code"].as_str()) {
        (Some(code), _) | (None, Some(code)) => code.to_owned(),
        (None, None) => reply.status.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_allowed_uses_a_quota_up_and_what_is_only_asked_does_not() {
    let world = with(&judge("limiter", "\"quota\"", TWO_A_YEAR)).await;
    for _ in 0..3 {
        assert_eq!(word(&ask(&world, "Wardlock-Dry-Run: true\r\n").await), "dry_run");
        assert_eq!(explained(&world).await, "allow");
    }
    assert_eq!(word(&ask(&world, "").await), "200");
    assert_eq!(word(&ask(&world, "").await), "200");
    assert_eq!(word(&ask(&world, "").await), "used_up");
    assert_eq!(word(&ask(&world, "Wardlock-Dry-Run: true\r\n").await), "used_up", "what a request would be told");
    assert_eq!(explained(&world).await, "deny");
    assert_eq!(world.api_calls(), 2);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_the_workspaces_whatever_the_connection() {
    let limiter = judge("limiter", "\"quota\"", TWO_A_YEAR);
    let other = "\n[connections.other]\nlabel = \"t\"\nservice = \"zoho-crm\"\nregion = \"eu\"\ngrant = \"acme-zoho\"\n\
                 resources = [\"Leads\"]\noperations = [\"records.read\"]\n";
    let file =
        workspace("acme", "eu", "", &limiter) + other + &limiter.replace("connections.zoho", "connections.other");
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["judge"], ..Plan::default() }).await;
    assert_eq!(word(&ask(&world, "").await), "200");
    let elsewhere = LEADS.replace("zoho", "other");
    assert_eq!(world.ask("acme", "GET", &elsewhere, PROBLEM, "").await.status, 200);
    assert_eq!(word(&ask(&world, "").await), "used_up");
    assert_eq!(word(&world.ask("acme", "GET", &elsewhere, PROBLEM, "").await), "used_up");
    world.end().await;
}

async fn explained(world: &World) -> String {
    let explanation = world
        .command(explain("agent-acme", "GET", &LEADS.replace("/acme/zoho", ""), ""))
        .await
        .expect("an explanation");
    explanation["decision"].as_str().expect("a decision").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_out_of_the_state_is_counted_from_the_audit() {
    let two_a_day = r#"{ takes = [{ key = "reads", limit = 2, window = 86400 }] }"#;
    let world = with(&judge("limiter", "\"quota\"", two_a_day)).await;
    assert_eq!(word(&ask(&world, "").await), "200");
    let row = world.rows(&ask(&world, "").await).swap_remove(0);
    let taken = row.detail.request.expect("a request").taken;
    assert_eq!((taken.len(), taken[0].plugin.as_str(), taken[0].count), (1, "limiter", 1));
    assert_eq!((taken[0].window_seconds, taken[0].keyed.len()), (86400, 32), "no key, but its hash");
    let left = world.leave().await;
    let folder = left.folder.path().join("home");
    let key = KeySource::File { path: folder.join("state/vault.key") };
    let decided = async || {
        let home = Home::open(&folder).expect("the home");
        let host = Arc::new(Host::open(home, &key, dialled(&left.simulator), "test").await.expect("a host"));
        let explanation = ops::execute(
            &host,
            explain("agent-acme", "GET", &LEADS.replace("/acme/zoho", ""), ""),
            Brought::Nothing,
            &Silent,
        )
        .await
        .expect("an explanation");
        explanation["decision"].as_str().expect("a decision").to_owned()
    };
    let state = rusqlite::Connection::open(folder.join("state/state.db")).expect("the state");
    assert_eq!(state.execute("DELETE FROM quotas", []).expect("removed"), 1);
    drop(state);
    assert_eq!(decided().await, "deny", "it is used up");
    // A row that cannot be read leaves nothing of the day.
    assert_eq!(damage_intents(&folder, "read"), 2);
    assert_eq!(decided().await, "deny", "nobody knows");
    left.canaries.scan_folder(left.folder.path(), &[]).expect("no canary in the home");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_later_plugin_denies_is_given_back() {
    let later = plugin("require-purpose", "{ broad_above = 1 }");
    let world = with(&(judge("limiter", "\"quota\"", TWO_A_YEAR) + &later)).await;
    for _ in 0..5 {
        assert_ne!(word(&ask(&world, "").await), "used_up");
    }
    let purpose = "Wardlock-Purpose: the weekly report of new leads\r\n";
    assert_eq!(word(&ask(&world, purpose).await), "200");
    assert_eq!(word(&ask(&world, purpose).await), "200");
    assert_eq!(word(&ask(&world, purpose).await), "used_up");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_the_capability_or_beyond_its_bounds_denies_in_plain_words() {
    let take = |key: &str, window: u32| format!("{{ key = \"{key}\", limit = 100, window = {window} }}");
    let many = vec![take("a", 60); 17].join(", ");
    for (capabilities, takes, expected) in [
        ("", take("a", 60), "without the capability `quota`"),
        ("\"quota\"", many, "more than 16 times"),
        ("\"quota\"", take("", 60), "1 to 128 bytes"),
        ("\"quota\"", take(&"k".repeat(129), 60), "1 to 128 bytes"),
        ("\"quota\"", take("a", 0), "366 days"),
    ] {
        let world = with(&judge("limiter", capabilities, &format!("{{ takes = [{takes}] }}"))).await;
        let reply = ask(&world, "").await;
        let told = reply.json().expect("a refusal");
        assert_eq!(told["code"], "plugin_trap", "{told}");
        assert!(told["detail"].as_str().is_some_and(|detail| detail.contains(expected)), "{expected}: {told}");
        assert_eq!(world.api_calls(), 0);
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_keeps_failing_is_not_run_until_a_probe_succeeds_and_no_other_suffers() {
    let traps = judge("fragile", "", r#"{ request = "trap-on-purpose" }"#);
    let other = "\n[connections.other]\nlabel = \"t\"\nservice = \"zoho-crm\"\nregion = \"eu\"\ngrant = \"acme-zoho\"\n\
                 resources = [\"Leads\"]\noperations = [\"records.read\"]\n";
    let file =
        workspace("acme", "eu", "", &traps) + other + &traps.replace("connections.zoho", "connections.other");
    let world =
        World::start(Plan { workspaces: vec![("acme", file)], guests: vec!["judge"], ..Plan::default() }).await;
    for _ in 0..5 {
        assert_eq!(word(&ask(&world, "Wardlock-Purpose: trap\r\n").await), "plugin_trap");
    }
    let tripped = ask(&world, "").await;
    let told = tripped.json().expect("a refusal");
    assert_eq!((&told["code"], &told["retryable"]), (&"plugin_tripped".into(), &true.into()), "{told}");
    assert_eq!(tripped.header("retry-after"), Some("1"));
    let examination = world.command(Command::Doctor).await.expect("an examination");
    assert!(examination.to_string().contains("`fragile` of acme/zoho"), "doctor names it: {examination}");
    assert_eq!(world.get(&LEADS.replace("zoho", "other")).await.status, 200, "the same file elsewhere runs on");
    let mut reply = ask(&world, "").await;
    for _ in 0..100 {
        if reply.status == 200 {
            break;
        }
        assert_eq!(word(&reply), "plugin_tripped");
        tokio::time::sleep(Duration::from_millis(50)).await;
        reply = ask(&world, "").await;
    }
    assert_eq!(reply.status, 200, "a probe that succeeds ends it");
    assert_eq!(ask(&world, "").await.status, 200);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_forgets_no_failure_of_a_plugin_that_it_does_not_change() {
    let traps = judge("fragile", "", r#"{ request = "trap-on-purpose" }"#);
    let world = with(&traps).await;
    let listed = || async {
        let listed = world.command(Command::PluginList).await.expect("a list");
        (listed[0]["health"].as_str().expect("a word").to_owned(), listed[0]["faults"].clone())
    };
    let reload = || async { world.command(Command::Reload).await.expect("reloaded") };
    for _ in 0..5 {
        assert_eq!(word(&ask(&world, "Wardlock-Purpose: trap\r\n").await), "plugin_trap");
    }
    assert_eq!(listed().await, ("not run: it kept failing".to_owned(), 5.into()));
    assert_eq!(reload().await["ok"], true);
    assert_eq!(listed().await, ("not run: it kept failing".to_owned(), 5.into()), "nothing changed");
    let path = world.folder().join("home/workspaces/acme.toml");
    let text = std::fs::read_to_string(&path).expect("the file");
    // What else stands in its connection is no matter of the plugin's.
    std::fs::write(&path, text.replace("label = \"t\"", "label = \"other\"")).expect("written");
    assert_eq!(reload().await["ok"], true);
    assert_eq!(listed().await.0, "not run: it kept failing");
    std::fs::write(&path, text.replace("time = \"500ms\"", "time = \"501ms\"")).expect("written");
    assert_eq!(reload().await["ok"], true);
    assert_eq!(listed().await, ("runs".to_owned(), 0.into()), "a changed one starts afresh");
    assert_eq!(word(&ask(&world, "Wardlock-Purpose: trap\r\n").await), "plugin_trap");
    assert_eq!(listed().await.1, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_is_shown_of_a_draft_takes_nothing_from_its_agent() {
    let limiter =
        judge("limiter", "\"quota\"", r#"{ takes = [{ key = "reads", limit = 12, window = 31536000 }] }"#);
    let plan = Plan { guests: vec!["judge"], ..drafts::plan("writes = \"draft\"", &limiter) };
    let world = World::start(plan).await;
    assert_eq!(proofs::prove(&world).await["passed"], true);
    proofs::enable(&world, "draft").await.expect("enabled");
    let lead = world.simulator.records("20071234567", "Leads")[0]["id"].clone();
    let body = json!({ "data": [{ "id": lead, "Last_Name": "Renamed" }] }).to_string();
    let said = world.ask("acme", "PUT", "/acme/zoho/crm/v8/Leads", PROBLEM, &body).await.json().expect("json");
    let id = said["draft"].as_str().unwrap_or_else(|| panic!("{said}"));
    for _ in 0..13 {
        let before = world.api_calls();
        assert_eq!(drafts::show(&world, id).await["changes"][0]["problem"], Value::Null);
        assert_eq!(world.api_calls(), before + 1, "it is read each time");
    }
    assert_eq!(word(&ask(&world, "").await), "200", "more than there is was read");
    let mut left = 12;
    while word(&ask(&world, "").await) == "200" {
        left -= 1;
        assert!(left > 0, "its own reads take");
    }
    world.end().await;
}
