//! A folder that a plugin may read: named by the operator, read at each reload, the same for all requests between.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use wardlock::admin::Command;
use wardlock_core::id::Digest;
use wardlock_tests::guests::guest;
use wardlock_tests::raw::RawReply;

use crate::world::{Plan, World, plugin, workspace};

const LEADS: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2";

fn home(world: &World, name: &str) -> PathBuf {
    world.folder().join("home").join(name)
}

/// The table of the plugin that reads, with more lines in it.
fn reader(more: &str) -> String {
    let digest = Digest::of(guest("reader"));
    format!("[[connections.zoho.plugins]]\nname = \"reader\"\nsha256 = \"{digest}\"\n{more}\n")
}

async fn with(world: &World, plugins: &str) -> Value {
    fs::write(home(world, "workspaces/acme.toml"), workspace("acme", "eu", "", plugins)).expect("written");
    world.command(Command::Reload).await.expect("reloaded")
}

async fn ask(world: &World, purpose: &str) -> RawReply {
    let headers = format!("Accept: application/problem+json\r\nWardlock-Purpose: {purpose}\r\n");
    world.ask("acme", "GET", LEADS, &headers, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_granted_folder_count_from_the_next_reload() {
    let world = World::start(Plan { guests: vec!["reader"], ..Plan::default() }).await;
    fs::create_dir(home(&world, "plugins/lists")).expect("a folder");
    let list = home(&world, "plugins/lists/allowed.txt");
    fs::write(&list, "report\n").expect("written");
    fs::write(home(&world, "plugins/lists/.allowed.txt.swp"), "audit\n").expect("written");
    fs::create_dir(home(&world, "plugins/lists/old")).expect("a folder in it");
    fs::write(home(&world, "plugins/lists/old/allowed.txt"), "audit\n").expect("written");
    let granted = reader("capabilities = [\"folder\"]\nfolder = \"lists\"");
    assert_eq!(with(&world, &granted).await["ok"], true);
    let first = ask(&world, "report").await;
    assert_eq!(first.status, 200, "{first:?}");
    assert_eq!(ask(&world, "audit").await.json().expect("json")["plugin_code"], "unlisted");
    fs::write(&list, "report\naudit\n").expect("written");
    assert_eq!(ask(&world, "audit").await.json().expect("json")["plugin_code"], "unlisted");
    assert_eq!(world.command(Command::Reload).await.expect("reloaded")["ok"], true);
    let second = ask(&world, "audit").await;
    assert_eq!(second.status, 200, "{second:?}");
    let settings = |reply: &RawReply| {
        let request = world.rows(reply)[0].detail.request.clone().expect("a request");
        request.plugins[0].settings_sha256.clone()
    };
    assert_ne!(settings(&first), settings(&second), "rows tell which files were read");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_folder_is_told_at_its_place() {
    let world = World::start(Plan { guests: vec!["reader"], ..Plan::default() }).await;
    fs::create_dir(home(&world, "plugins/empty")).expect("a folder");
    fs::create_dir(home(&world, "plugins/large")).expect("a folder");
    fs::write(home(&world, "plugins/large/allowed.txt"), vec![b'x'; (1 << 20) + 1]).expect("written");
    fs::create_dir(home(&world, "plugins/many")).expect("a folder");
    for number in 0..261 {
        fs::write(home(&world, &format!("plugins/many/{number}")), "").expect("written");
    }
    std::os::unix::fs::symlink("/etc", home(&world, "plugins/elsewhere")).expect("a link");
    let of = |folder: &str| reader(&format!("capabilities = [\"folder\"]\nfolder = \"{folder}\""));
    let digest = Digest::of(wardlock_plugins::starter("read-only").expect("a starter").bytes);
    let read_only = plugin("read-only", "{}")
        .replace("@read-only", &digest.to_string())
        .replace("capabilities = []", "capabilities = [\"folder\"]\nfolder = \"empty\"");
    for (plugins, says) in [
        (reader("folder = \"empty\""), "the capability is not given"),
        (reader("capabilities = [\"folder\"]"), "no folder is named"),
        (of("../state"), "named without a path"),
        (of(".hidden"), "named without a path"),
        (of("missing"), "there is no folder plugins/missing"),
        (of("empty"), "the folder has no text `allowed.txt`"),
        (of("large"), "1048576"),
        (of("many"), "more than 256 files"),
        (of("elsewhere"), "link"),
        (read_only, "plugin `read-only` reads no folder"),
    ] {
        let told = with(&world, &plugins).await;
        assert_eq!(told["ok"], false, "{plugins}");
        let message = told["problems"][0]["message"].as_str().expect("a message");
        assert!(message.contains(says), "{says}: {message}");
    }
    // The workspace of before goes on.
    assert_eq!(ask(&world, "report").await.status, 200);
    world.end().await;
}
