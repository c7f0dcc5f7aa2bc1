//! A changed workspace is taken whole or not at all; requests under way and those that come meanwhile are each judged by one
//! whole chain.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use wardlock::admin::Command;
use wardlock_core::id::Digest;
use wardlock_tests::raw::RawReply;

use crate::world::{Plan, World, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name,Email&per_page=2";
const PROBLEM: &str = "Accept: application/problem+json\r\n";

fn file(world: &World) -> PathBuf {
    world.folder().join("home/workspaces/acme.toml")
}

/// Writes a workspace file with these plugins, as an operator does.
fn write(world: &World, plugins: &str) {
    let mut text = workspace("acme", "eu", "", plugins);
    for starter in wardlock_plugins::STARTERS {
        text = text.replace(&format!("\"@{}\"", starter.name), &format!("\"{}\"", Digest::of(starter.bytes)));
    }
    fs::write(file(world), text).expect("written");
}

async fn reload(world: &World) -> Value {
    world.command(Command::Reload).await.expect("reloaded")
}

/// The plugins that judged, by name, and each one's settings.
fn judged(world: &World, reply: &RawReply) -> Vec<(String, String)> {
    let rows = world.rows(reply);
    let request = rows[0].detail.request.clone().expect("a request");
    request.plugins.iter().map(|plugin| (plugin.name.clone(), plugin.settings_sha256.clone())).collect()
}

/// How many problems of the files the metrics tell.
async fn problems(world: &World) -> [String; 2] {
    let series = world.series().await;
    ["closes", "stale"]
        .map(|word| format!("{word} {}", series[&format!("wardlock_policy_problems{{severity=\"{word}\"}}")]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_workspace_leaves_the_one_before_serving_and_everybody_is_told() {
    let world = World::start(Plan::default()).await;
    let before = judged(&world, &world.get(LEADS).await);
    let whole = fs::read_to_string(file(&world)).expect("the file");
    let mask = plugin("field-mask", r#"{ hide = ["Email"] }"#);
    let read_only = plugin("read-only", "{}");
    for (broken, says) in [
        ("no TOML [".to_owned(), "workspaces/acme.toml"),
        (whole.replace("records.read", "records.raed"), "records.raed"),
        (whole.replace("{}", "{ exept = [] }"), "exept"),
        (
            whole.replace("settings = {}", "settings = {}\nlimits = { memory = \"64KiB\" }"),
            "bytes of memory before it judges",
        ),
        (whole.replace("settings = {}", "settings = {}\nlimits = { memory = \"100GiB\" }"), "from 64KiB to 64MiB"),
        // The plugin before is fine; the one that joins it is not. Neither half is taken.
        (format!("{whole}{}", mask.replace("hide", "hid")), "field-mask"),
    ] {
        fs::write(file(&world), &broken).expect("written");
        let told = reload(&world).await;
        assert_eq!(told["ok"], false, "{told}");
        let problem = &told["problems"][0];
        assert_eq!(problem["severity"], "stale", "{told}");
        let message = problem["message"].as_str().expect("a message");
        assert!(message.contains(says) && message.contains("goes on serving"), "{message}");
        let reply = world.get(LEADS).await;
        assert_eq!((reply.status, judged(&world, &reply)), (200, before.clone()), "{broken}");
        let doctor = world.command(Command::Doctor).await.expect("checks");
        let checks = doctor["checks"].as_array().expect("checks").iter();
        let mut red = checks.filter(|check| check["state"] == "red");
        assert!(red.any(|check| check.to_string().contains("goes on serving")), "{doctor}");
        let listed = world.command(Command::ConnectionsList).await.expect("a list");
        assert!(listed[0]["stale"].as_str().is_some_and(|why| why.contains(says)), "{listed}");
        let (workspace, connection) = ("acme".to_owned(), "zoho".to_owned());
        let show = Command::ConnectionsShow { workspace, connection, agent: None };
        assert_eq!(world.command(show).await.expect("shown")["stale"], listed[0]["stale"]);
        let plugins = world.command(Command::PluginList).await.expect("a list");
        assert!(plugins[0]["stale"].as_str().is_some_and(|why| why.contains(says)), "{plugins}");
        assert_eq!(problems(&world).await, ["closes 0", "stale 1"]);
    }
    // What is whole is taken at once, and nothing is stale any more.
    write(&world, &(read_only + &mask));
    assert_eq!(reload(&world).await["ok"], true);
    let reply = world.get(LEADS).await;
    assert_eq!(judged(&world, &reply).len(), 2, "{reply:?}");
    let listed = world.command(Command::ConnectionsList).await.expect("a list");
    assert_eq!(listed[0]["stale"], Value::Null);
    // A connection that is taken out is meant to go, and a workspace whose file is gone.
    fs::remove_file(file(&world)).expect("removed");
    reload(&world).await;
    let closed = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
    assert_eq!(closed.json().expect("json")["code"], "connection_closed");
    // Nothing was loaded before it now, so a broken file closes.
    fs::write(file(&world), "no TOML [").expect("written");
    assert_eq!(reload(&world).await["problems"][0]["severity"], "closes");
    for (command, word) in [(Command::ConnectionsList, "state"), (Command::PluginList, "health")] {
        let listed = world.command(command).await.expect("a list");
        let row = listed.as_array().expect("rows").iter().find(|row| row["connection"] == "acme/*");
        let says = row.and_then(|row| row[word].as_str()).expect("a row of the whole workspace");
        assert!(says.starts_with("closed: workspaces/acme.toml"), "{says}");
    }
    assert_eq!(problems(&world).await, ["closes 1", "stale 0"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_plugin_logged_before_it_failed_to_load_is_told_to_operators_and_to_no_agent() {
    let fails = plugin("probe", r#"{ mode = "trap-in-configure" }"#);
    let file = workspace("acme", "eu", "", &fails);
    let plan =
        Plan { workspaces: vec![("acme", file)], guests: vec!["probe"], connect: Vec::new(), ..Plan::default() };
    let world = World::start(plan).await;
    let said = "the probe was told to";
    let reloaded = reload(&world).await;
    let message = reloaded["problems"][0]["message"].as_str().expect("a problem");
    assert!(message.contains("failed in `configure`") && message.contains(said), "{message}");
    for command in [Command::PluginList, Command::ConnectionsList] {
        let listed = world.command(command).await.expect("a list").to_string();
        assert!(listed.contains(said), "{listed}");
    }
    assert!(crate::world::logged().contains(said), "the daemon's log has it");
    let closed = world.ask("acme", "GET", LEADS, PROBLEM, "").await;
    assert_eq!(closed.json().expect("json")["code"], "connection_closed");
    assert!(!String::from_utf8_lossy(&closed.bytes).contains("probe"), "{closed:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn reloads_under_load_drop_no_request_and_mix_no_chain() {
    /// How often the workspace changes.
    const SWAPS: usize = 12;
    let world = Arc::new(World::start(Plan::default()).await);
    let one = plugin("field-mask", r#"{ hide = ["Email"] }"#);
    let other = plugin("read-only", "{}") + &plugin("field-mask", r#"{ hide = ["Phone"] }"#);
    write(&world, &one);
    assert_eq!(reload(&world).await["ok"], true);
    let over = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let (world, over) = (Arc::clone(&world), Arc::clone(&over));
            tokio::spawn(async move {
                let mut chains = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let reply = world.get(LEADS).await;
                    assert_eq!(reply.status, 200, "{reply:?}");
                    chains.push(judged(&world, &reply));
                }
                chains
            })
        })
        .collect();
    for swap in 0..SWAPS {
        write(&world, if swap % 2 == 0 { &other } else { &one });
        assert_eq!(reload(&world).await["ok"], true);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    over.store(true, Ordering::Relaxed);
    let (mut seen, mut answered) = (BTreeSet::new(), 0);
    for task in asking {
        let chains = task.await.expect("no request was dropped");
        answered += chains.len();
        seen.extend(chains);
    }
    println!("{answered} requests answered while the workspace changed {SWAPS} times");
    // One plugin with one setting, or two with others: never a mixture.
    let lengths: Vec<usize> = seen.iter().map(Vec::len).collect();
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(lengths.iter().sum::<usize>(), 3, "{seen:?}");
    Arc::into_inner(world).expect("nobody else has it").end().await;
}
