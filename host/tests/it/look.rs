//! `wardlock doctor --look`: stored secrets found in a project's files, places told and never values.

use std::path::Path;

use serde_json::{Value, json};
use wardlock::admin::Command;
use wardlock_egress::vault::Role;
use wardlock_tests::home::{Output, Wardlock};

use crate::program::{CLIENT_SECRET, connect, register, run, with_workspace};
use crate::shown;
use crate::signed::{Operator, add, refused, signed, who_did};
use crate::world::{Plan, World};

fn put(folder: &Path, name: &str, bytes: impl AsRef<[u8]>) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, bytes).expect("written");
}

fn look(wardlock: &Wardlock, folder: &Path) -> Output {
    run(wardlock, &["--json", "doctor", "--look", folder.to_str().expect("text")])
}

/// The places found, as `name:line kind name`, and the whole.
fn found(output: &Output, folder: &Path) -> (Vec<String>, Value) {
    let whole = output.json().unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let places = whole["found"].as_array().expect("places").iter().map(|place| {
        let path = Path::new(place["path"].as_str().expect("a path")).strip_prefix(folder).expect("inside");
        let text = |key: &str| place[key].as_str().unwrap_or_default().to_owned();
        format!("{}:{} {} {}", path.display(), place["line"], text("kind"), text("name"))
    });
    (places.collect(), whole)
}

/// A project with the client secret in many files.
fn project(folder: &Path) {
    put(folder, ".env", format!("# settings\nMODE=test\nSECRET={CLIENT_SECRET}\n"));
    put(folder, "notes/setup.md", "the secret is somewhere else\n");
    put(folder, "build/out.json", format!("{{\"a\":1,\n\"t\":\"{}\"}}", hex::encode(CLIENT_SECRET)));
    put(folder, ".git/config", format!("[remote]\n\turl = https://x:{CLIENT_SECRET}@example.com/\n"));
    put(folder, "wide.txt", CLIENT_SECRET.bytes().flat_map(|byte| [byte, 0]).collect::<Vec<u8>>());
    put(folder, "node_modules/x/cut.js", &CLIENT_SECRET[..CLIENT_SECRET.len() - 1]);
    put(folder, "old.gz", b"\x1f\x8b packed");
    // Across the border of two reads, in a file that is no text, after ten lines.
    let mut image = vec![0xff; 256 * 1024 - 7];
    image[..10].fill(b'\n');
    image.extend_from_slice(CLIENT_SECRET.as_bytes());
    image.resize(image.len() + 300 * 1024, 0);
    put(folder, "image.bin", image);
}

#[test]
fn stored_secrets_in_a_project_are_found_and_never_shown() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    register(&wardlock).ok().expect("registered");
    connect(&wardlock, "acme/zoho").ok().expect("connected");
    let project_folder = tempfile::tempdir().expect("a folder");
    let folder = project_folder.path();
    put(folder, "README.md", "nothing here\n");
    let clean = look(&wardlock, folder);
    assert_eq!(clean.code, Some(0), "{clean:?}");
    assert_eq!(found(&clean, folder).1["files"], 1);

    project(folder);
    let outside = tempfile::tempdir().expect("a folder");
    put(outside.path(), "leak", CLIENT_SECRET);
    std::os::unix::fs::symlink(outside.path(), folder.join("elsewhere")).expect("a link");
    std::os::unix::net::UnixListener::bind(folder.join("socket")).expect("a socket");
    let output = look(&wardlock, folder);
    assert_eq!(output.code, Some(1), "{output:?}");
    let (places, whole) = found(&output, folder);
    let expected = [".env:3", ".git/config:2", "build/out.json:2", "image.bin:11", "wide.txt:1"];
    assert_eq!(places, expected.map(|place| format!("{place} client secret zoho")));
    assert_eq!((&whole["links"], &whole["special"]), (&1.into(), &1.into()), "{whole}");
    assert_eq!(whole["compressed"].as_array().map(Vec::len), Some(1), "{whole}");

    let person = run(&wardlock, &["doctor", "--look", folder.to_str().expect("text")]);
    assert_eq!(person.code, Some(1));
    assert!(person.stdout.contains(".env:3  client secret of registration `zoho`"), "{person:?}");
    assert!(person.stderr.contains("symlinks were not followed"), "{person:?}");
    // What the user of this process cannot read comes through standard input.
    let piped =
        wardlock.run(&["doctor", "--look", "-"], format!("a\n<{CLIENT_SECRET}>").as_bytes()).expect("it runs");
    assert_eq!(
        (piped.code, piped.stdout.lines().next()),
        (Some(1), Some("-:2  client secret of registration `zoho`"))
    );
    for shown in [&output.stdout, &output.stderr, &person.stdout, &person.stderr] {
        assert!(!shown.contains(CLIENT_SECRET) && !shown.contains(&hex::encode(CLIENT_SECRET)), "shown");
    }
    let acts = shown::json(&wardlock, &["audit", "list", "--act", "secrets.look"]);
    assert_eq!(acts.as_array().map(Vec::len), Some(4), "each look stands there: {acts}");
    serving.stop().expect("it stops");
    wardlock.search().expect("no canary");
}

/// Shows one place to the vault.
fn show(look: &Value, times: usize) -> Command {
    let look = look["look"].as_str().expect("a handle").to_owned();
    Command::LookAt { look, pieces: vec!["bm90aGluZw==".to_owned(); times] }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_is_an_admins_stands_in_the_audit_and_tells_the_same_again() {
    let world = World::start(Plan::default()).await;
    let free = world.command(Command::LookBegin).await.expect("nobody has a key yet");
    assert_eq!(who_did(&world, "secrets.look").as_deref(), Some("operator"));
    let (ada, bob) = (Operator::new("ada", 1), Operator::new("bob", 2));
    world.command(add(&ada, Role::Admin)).await.expect("added");
    signed(&world, &ada, add(&bob, Role::Approver)).await.expect("added");
    let unsigned = world.command(Command::LookBegin).await.expect_err("unsigned");
    assert!(unsigned.message.contains("wants an operator's signature"), "{unsigned:?}");
    signed(&world, &bob, Command::LookBegin).await.expect_err("an approver looks for no secrets");
    assert_eq!(refused(&world, "secrets.look").len(), 2);

    let begun = signed(&world, &ada, Command::LookBegin).await.expect("by an admin");
    assert_eq!(who_did(&world, "secrets.look").as_deref(), Some("ada"));
    assert_eq!((&begun["key"], &begun["known"]), (&free["key"], &free["known"]), "two looks tell what one tells");
    assert_ne!(begun["look"], free["look"]);
    let known = begun["known"].as_array().expect("fingerprints");
    assert!(!known.is_empty() && known.iter().all(|print| print.as_u64().is_some_and(|n| n < 1 << 32)));
    assert_eq!(world.command(show(&begun, 2)).await.expect("its places"), json!([[], []]));
    let forged = json!({ "look": "x".repeat(43) });
    world.command(show(&forged, 1)).await.expect_err("nobody began it");
    let many = world.command(show(&begun, 20_000)).await.expect_err("more than one look shows");
    assert!(many.message.contains("20000 places"), "{many:?}");
    world.end().await;
}

#[test]
fn a_look_into_a_folder_that_is_not_there_says_so() {
    let wardlock = with_workspace();
    let output = run(&wardlock, &["doctor", "--look", "/nowhere/at/all"]);
    assert_eq!(output.code, Some(2), "{output:?}");
    assert!(output.stderr.contains("/nowhere/at/all"), "{output:?}");
    wardlock.search().expect("no canary");
}
