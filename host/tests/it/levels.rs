//! Write levels that are set while something else goes on: who is told that writes are enabled has them, until somebody is told otherwise.

use std::fs;

use serde_json::Value;
use wardlock::admin::{Command, Failure};
use wardlock_audit::Filter;
use wardlock_core::connection::WriteMode;

use crate::proofs::{enable, level_after, plan, prove};
use crate::world::World;

/// How often each race is run.
const ROUNDS: usize = 40;

/// The level that agents have now.
async fn level(world: &World) -> String {
    let (workspace, connection) = ("acme".to_owned(), "zoho".to_owned());
    let shown = world.command(Command::ConnectionsShow { workspace, connection, agent: None }).await;
    shown.expect("shown")["writes"].as_str().expect("a level").to_owned()
}

/// The newest act by which a level was set.
fn newest_act(world: &World) -> String {
    let rows = world.host.audit().list(&Filter::newest(10)).expect("rows");
    let acts = rows.into_iter().filter_map(|row| Some((row.sequence, row.detail.act?.what)));
    acts.filter(|(_, act)| act.starts_with("writes.")).max().expect("an act").1
}

async fn reload(world: &World) -> Result<Value, Failure> {
    world.command(Command::Reload).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_levels_set_at_the_same_time_the_last_in_the_audit_is_the_one_that_holds() {
    let world = World::start(plan("eu", "writes = \"on\"")).await;
    assert_eq!(prove(&world).await["passed"], true);
    for round in 0..ROUNDS {
        let (here, world) = (tokio::runtime::Handle::current(), &world);
        std::thread::scope(|scope| {
            let set = |level: &str| here.block_on(enable(world, level)).expect("enabled");
            for level in ["on", "off", "draft", "off", "on", "off"] {
                scope.spawn(move || set(level));
            }
        });
        assert_eq!(newest_act(world), format!("writes.{}", level(world).await), "round {round}");
    }
    let last = level(&world).await;
    let left = world.leave().await;
    assert_eq!(level_after(&left).await.as_str(), last, "and the next start finds it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_enabled_while_everything_is_loaded_anew_holds_or_somebody_is_told() {
    let world = World::start(plan("eu", "writes = \"on\"")).await;
    assert_eq!(prove(&world).await["passed"], true);
    let file = world.folder().join("home/workspaces/acme.toml");
    let before = fs::read_to_string(&file).expect("the file");
    let tighter = before.replace("writes = \"on\"", "writes = \"on\"\nmax_records = 1");
    for round in 0..ROUNDS {
        fs::write(&file, &tighter).expect("written");
        let (enabled, reloaded) = tokio::join!(enable(&world, "on"), reload(&world));
        let told = reloaded.expect("reloaded")["problems"].to_string().contains("writes are off");
        assert_eq!(level(&world).await, "off", "round {round}: other rules hold");
        assert_eq!(enabled.is_ok(), told, "round {round}: {enabled:?}");
        fs::write(&file, &before).expect("written");
        reload(&world).await.expect("reloaded");
        enable(&world, "off").await.expect("off");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_that_cannot_be_kept_ends_the_one_before_at_once_and_not_at_the_next_start() {
    let world = World::start(plan("eu", "writes = \"on\"")).await;
    assert_eq!(prove(&world).await["passed"], true);
    enable(&world, "on").await.expect("enabled");
    let state = rusqlite::Connection::open(world.folder().join("home/state/state.db")).expect("the state");
    let full = "CREATE TRIGGER full BEFORE INSERT ON write_levels BEGIN SELECT RAISE(ABORT, 'full'); END";
    state.execute_batch(full).expect("a state that takes no level");
    let refused = enable(&world, "draft").await.expect_err("it cannot be kept");
    assert_eq!(
        refused.hint.as_deref(),
        Some("no write is enabled on this connection now; give the command again"),
        "{refused:?}"
    );
    assert_eq!(level(&world).await, "off", "as the next start would find it");
    state.execute_batch("DROP TRIGGER full").expect("room again");
    enable(&world, "draft").await.expect("enabled");
    assert_eq!(level(&world).await, "draft");
    let left = world.leave().await;
    assert_eq!(level_after(&left).await, WriteMode::Draft);
}
