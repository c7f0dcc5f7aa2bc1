//! Plugins with publishers, by the executable: `plugin trust`, and signatures on their way into a home.

use std::path::PathBuf;

use minisign::KeyPair;
use serde_json::Value;
use tempfile::TempDir;
use wardlock_core::id::Digest;
use wardlock_plugins::starter;
use wardlock_tests::home::{Output, Wardlock};

use super::text;
use crate::program::{program, run, with_workspace};

/// A publisher's own folder: a key pair, and a component that may be signed.
struct Publisher {
    pair: KeyPair,
    folder: TempDir,
}

impl Publisher {
    fn new() -> Self {
        let pair = KeyPair::generate_unencrypted_keypair().expect("a key pair");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("minisign.pub"), pair.pk.to_box().expect("a box").to_string())
            .expect("written");
        std::fs::write(folder.path().join("guard.wasm"), component()).expect("written");
        Self { pair, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn sign(&self, bytes: &[u8], comment: &str) {
        let signed = minisign::sign(Some(&self.pair.pk), &self.pair.sk, bytes, Some(comment), None);
        let signature = signed.expect("a signature").into_string();
        std::fs::write(self.path("guard.wasm.minisig"), signature).expect("written");
    }
}

fn component() -> &'static [u8] {
    starter("read-only").expect("a starter").bytes
}

fn json(output: Output) -> Value {
    output.ok().expect("it succeeds").json().expect("json")
}

/// Appends to wardlock.toml, as an operator would.
fn trust(wardlock: &Wardlock, table: &str) {
    let config = std::fs::read_to_string(wardlock.home().join("wardlock.toml")).expect("text");
    wardlock.write("wardlock.toml", &format!("{config}\n{table}")).expect("written");
}

#[test]
fn printed_table_is_what_trusts_a_publisher() {
    let (wardlock, acme) = (with_workspace(), Publisher::new());
    assert_eq!(json(run(&wardlock, &["--json", "plugin", "trust"]))["publishers"], Value::Array(Vec::new()));
    let of_file =
        run(&wardlock, &["plugin", "trust", "acme", text(&acme.path("minisign.pub"))]).ok().expect("a key");
    let of_line = run(&wardlock, &["plugin", "trust", "acme", &acme.pair.pk.to_base64()]).ok().expect("a key");
    assert_eq!(of_file.stdout, of_line.stdout);
    assert!(of_file.stdout.starts_with("\n[plugins.publishers.acme]\nkey = \"RW"), "{of_file:?}");
    assert!(of_file.stderr.contains("wardlock.toml"), "{of_file:?}");
    let before = std::fs::read_to_string(wardlock.home().join("wardlock.toml")).expect("text");
    assert!(!before.contains("publishers"), "nothing is written by itself");
    trust(&wardlock, &of_file.stdout);
    let listed = json(run(&wardlock, &["--json", "plugin", "trust"]));
    assert_eq!(listed["publishers"][0]["publisher"], "acme", "{listed}");
    let id = listed["publishers"][0]["key_id"].as_str().expect("an id");
    assert!(of_file.stderr.contains(id) && of_file.stdout.contains(id), "{of_file:?}");
    let again =
        run(&wardlock, &["plugin", "trust", "acme", text(&acme.path("minisign.pub"))]).ok().expect("a key");
    assert!(again.stderr.contains("It is `acme`'s in wardlock.toml already"), "{again:?}");
    let other = run(&wardlock, &["plugin", "trust", "acme", text(&Publisher::new().path("minisign.pub"))]);
    let other = other.ok().expect("a key");
    assert!(other.stderr.contains(&format!("`acme` is trusted with the key {id}.")), "{other:?}");
    let pipe = acme.path("pipe.pub");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    let told = run(&wardlock, &["plugin", "trust", "acme", text(&pipe)]);
    assert!(told.code == Some(2) && told.stderr.contains("is not a regular file"), "{told:?}");
    // What the daemon trusts is what it read when it started.
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    wardlock.write("wardlock.toml", &before).expect("written");
    assert_eq!(json(run(&wardlock, &["--json", "plugin", "trust"])), listed);
    serving.stop().expect("it ends");
}

#[test]
fn what_is_no_public_key_is_refused_and_never_shown() {
    let (wardlock, acme) = (program(), Publisher::new());
    let secret = acme.pair.sk.to_box(None).expect("a box").to_string();
    std::fs::write(acme.path("minisign.key"), &secret).expect("written");
    let line = secret.lines().nth(1).expect("a line").to_owned();
    for (given, told) in [
        (text(&acme.path("minisign.key")), "this is a minisign secret key"),
        (&line, "this is a minisign secret key"),
        (text(&acme.path("guard.wasm")), "this is no minisign public key"),
        ("no-such-file", "this is no minisign public key"),
        ("no-such-file.pub", "No such file"),
    ] {
        let refused = run(&wardlock, &["plugin", "trust", "acme", given]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains(told) && refused.stderr.contains("hint: "), "{refused:?}");
        assert!(!refused.stderr.contains(&line) && refused.stdout.is_empty(), "{refused:?}");
    }
    let refused = run(&wardlock, &["plugin", "trust", "Acme", text(&acme.path("minisign.pub"))]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("`Acme` is no publisher name"), "{refused:?}");
}

#[test]
fn signed_plugin_is_named_by_its_publisher_wherever_it_is_shown() {
    let (wardlock, acme) = (with_workspace(), Publisher::new());
    let file = acme.path("guard.wasm");
    let look = || json(run(&wardlock, &["--json", "plugin", "inspect", text(&file)]))["signature"].clone();
    let check = || run(&wardlock, &["plugin", "check", text(&file)]);
    assert!(check().ok().expect("it loads").stdout.contains("signature: not signed\n"));
    acme.sign(component(), "release 7\u{1b}[31m");
    assert_eq!(look()["state"], "untrusted");
    assert!(
        check()
            .ok()
            .expect("it loads")
            .stdout
            .contains("signature: its signature is checked by nobody: it names the key ")
    );
    let table =
        run(&wardlock, &["plugin", "trust", "acme", text(&acme.path("minisign.pub"))]).ok().expect("a key");
    trust(&wardlock, &table.stdout);
    assert_eq!(
        (&look()["publisher"], &look()["trusted_comment"]),
        (&"acme".into(), &"release 7\\u{1b}[31m".into())
    );
    assert!(check().ok().expect("it loads").stdout.contains("signature: signed by `acme` (key "));
    acme.sign(b"another file", "release 7");
    let wrong = check();
    assert_eq!(wrong.code, Some(1), "{wrong:?}");
    assert!(
        !wrong.stdout.contains("signed by `acme`") && wrong.stdout.contains("is not of this component"),
        "{wrong:?}"
    );
    assert_eq!(run(&wardlock, &["plugin", "add", text(&file)]).code, Some(1));
    acme.sign(component(), "release 7\u{1b}[31m");

    let args = ["plugin", "add", text(&file), "--workspace", "acme", "--connection", "zoho"];
    let added = run(&wardlock, &args).ok().expect("added");
    assert!(added.stdout.contains("publisher = \"acme\"\n"), "{added:?}");
    assert!(added.stderr.contains("signed by `acme`") && !added.stderr.contains('\u{1b}'), "{added:?}");
    let kept = std::fs::read(wardlock.home().join("plugins/read-only.wasm.minisig")).expect("a signature");
    assert_eq!(kept, std::fs::read(acme.path("guard.wasm.minisig")).expect("a signature"));

    let workspace = std::fs::read_to_string(wardlock.home().join("workspaces/acme.toml")).expect("text");
    let (head, _) = workspace.split_once("[[connections.zoho.plugins]]").expect("plugins");
    wardlock.write("workspaces/acme.toml", &format!("{head}{}", added.stdout)).expect("written");
    run(&wardlock, &["policy", "check"]).ok().expect("it loads");
    let shown = json(run(&wardlock, &["--json", "connections", "show", "acme/zoho"]));
    assert_eq!(shown["plugins"][0]["publisher"], "acme", "{shown}");
    let examined = run(&wardlock, &["--json", "doctor"]).json().expect("json");
    let checks = examined["checks"].as_array().expect("checks");
    let found = checks.iter().find(|check| check["check"] == "plugins' publishers").expect("the check");
    assert_eq!(found["found"], "1 signed by `acme`", "{found}");
}

#[test]
fn p16_signature_that_does_not_hold_keeps_a_plugin_out() {
    let (wardlock, acme) = (with_workspace(), Publisher::new());
    let file = acme.path("guard.wasm");
    trust(&wardlock, &format!("[plugins.publishers.acme]\nkey = \"{}\"\n", acme.pair.pk.to_base64()));
    acme.sign(b"another component", "release 6");
    for args in [["plugin", "add", text(&file)], ["plugin", "check", text(&file)]] {
        let refused = run(&wardlock, &args);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        let said = format!("{}{}", refused.stdout, refused.stderr);
        assert!(said.contains("is not of this component") && said.contains("hint: "), "{refused:?}");
    }
    let inspected = json(run(&wardlock, &["--json", "plugin", "inspect", text(&file)]));
    assert_eq!(inspected["signature"]["state"], "broken");
    assert!(!wardlock.home().join("plugins/read-only.wasm.minisig").exists());
    // Beside a plugin that serves, it closes the connection, with its line.
    let signature = std::fs::read_to_string(acme.path("guard.wasm.minisig")).expect("a signature");
    wardlock.write("plugins/read-only.wasm.minisig", &signature).expect("written");
    let checked = run(&wardlock, &["--json", "policy", "check"]);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let problem = checked.json().expect("json")["problems"][0].clone();
    let message = problem["message"].as_str().expect("text");
    assert!(
        message.contains("plugins/read-only.wasm.minisig") && message.contains("workspaces/acme.toml:"),
        "{problem}"
    );
}

#[test]
fn where_only_signed_plugins_load_check_says_so_of_others() {
    let (wardlock, acme) = (with_workspace(), Publisher::new());
    let key = acme.pair.pk.to_base64();
    trust(&wardlock, &format!("[plugins]\nsigned = true\n[plugins.publishers.acme]\nkey = \"{key}\"\n"));
    let refused = run(&wardlock, &["plugin", "check", text(&acme.path("guard.wasm"))]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stdout.contains("it would not load: it is not signed"), "{refused:?}");
    assert_eq!(run(&wardlock, &["policy", "check"]).code, Some(1), "the starters are not signed");
    let shown = run(&wardlock, &["plugin", "check", "read-only"]);
    assert!(shown.stderr.contains("beside it as read-only.wasm.minisig;"), "{shown:?}");
    let kept_out = run(&wardlock, &["plugin", "add", "read-only"]);
    assert_eq!((kept_out.code, kept_out.stdout.as_str()), (Some(1), ""), "{kept_out:?}");
    assert!(kept_out.stderr.contains("it would not load: it is not signed"), "{kept_out:?}");
    assert!(kept_out.stderr.contains("read-only.wasm.minisig"), "{kept_out:?}");
    let copy = format!("state/plugins/{}.wasm", Digest::of(component()));
    assert!(!wardlock.home().join(&copy).exists(), "nothing is kept of it");
    acme.sign(component(), "release 7");
    run(&wardlock, &["plugin", "check", text(&acme.path("guard.wasm"))]).ok().expect("it loads");
    assert_eq!(json(run(&wardlock, &["--json", "plugin", "trust"]))["signed"], true);
}

#[test]
fn signature_that_nobody_trusts_does_not_take_the_place_of_a_publishers() {
    let (wardlock, acme, stranger) = (with_workspace(), Publisher::new(), Publisher::new());
    trust(&wardlock, &format!("[plugins.publishers.acme]\nkey = \"{}\"\n", acme.pair.pk.to_base64()));
    acme.sign(component(), "release 7");
    stranger.sign(component(), "mine");
    let add = |file: &str| run(&wardlock, &["--json", "plugin", "add", file]);
    assert_eq!(json(add(text(&acme.path("guard.wasm"))))["signature"]["state"], "signed");
    let signature = std::fs::read(acme.path("guard.wasm.minisig")).expect("a signature");
    let copy = format!("state/plugins/{}.wasm.minisig", Digest::of(component()));
    for other in [text(&stranger.path("guard.wasm")), "read-only"] {
        assert_eq!(json(add(other))["signature"]["publisher"], "acme", "what stands beside it still holds");
        for place in ["plugins/read-only.wasm.minisig", copy.as_str()] {
            assert_eq!(std::fs::read(wardlock.home().join(place)).expect("a signature"), signature, "{place}");
        }
    }
}
