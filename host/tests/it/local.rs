//! Threats of the local machine that need no other user (SECURITY.md, "The local machine (L)"). What needs root is in
//! tests/local.

use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
use serde_json::Value;
use sha2::{Digest, Sha256};
use wardlock_tests::home::Wardlock;

use crate::program::{run, with_home, with_workspace};

/// Longer than four starts take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn l2_a_taken_port_is_told_and_never_shared() {
    let wardlock = with_home();
    let operators = wardlock_tests::ports::unused();
    let (agents, callback) = (wardlock.agents(), wardlock.callback());
    let config =
        format!("[listen]\nagents = \"{agents}\"\ncallback = \"{callback}\"\noperators = \"{operators}\"\n");
    wardlock.write("wardlock.toml", &config).expect("written");
    for (address, key) in [(agents, "agents"), (operators, "operators")] {
        let SocketAddr::V4(address) = address else { panic!("loopback is IPv4 here") };
        // Whoever holds it would share it.
        let other = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
        sockopt::set_socket_reuseport(&other, true).expect("an option");
        bind(&other, &address).expect("bound");
        listen(&other, 1).expect("listening");
        let refused = run(&wardlock, &["serve"]);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(&format!("failed to listen on {address}")), "{}", refused.stderr);
        let mend = format!("set `{key}` under `[listen]`");
        assert!(refused.stderr.contains(&mend), "how to mend it: {}", refused.stderr);
    }
    assert!(wardlock.serve(&[]).expect("a free port serves").stop().expect("it ends").success());
}

#[test]
fn l4_no_argument_takes_a_secret_and_none_is_repeated() {
    let wardlock = with_home();
    let add = ["registration", "add", "z", "--service", "zoho-crm", "--client-id", "1"];
    for given in ["--client-secret=hunter2hunter2", "--secret=hunter2hunter2", "--secret-stdin=hunter2hunter2"] {
        let refused = run(&wardlock, &[add.as_slice(), &[given]].concat());
        assert_eq!(refused.code, Some(2), "{given}: {refused:?}");
    }
    let rows = run(&wardlock, &["--json", "registration", "list"]).ok().expect("a list");
    assert_eq!(rows.json().expect("json"), serde_json::json!([]));
}

#[test]
fn l7_four_daemons_at_once_on_one_home_are_one_and_three_that_name_it() {
    let wardlock = with_home();
    // The note of a holder that was killed must not be taken for the new one's.
    wardlock.serve(&[]).expect("it serves").kill();
    let mut daemons: Vec<Child> = (0..4).map(|_| start(&wardlock.home())).collect();
    let patience = Instant::now() + PATIENCE;
    let ended = |daemons: &mut Vec<Child>| {
        daemons.iter_mut().filter_map(|daemon| daemon.try_wait().expect("a state")).count()
    };
    while ended(&mut daemons) < 3 {
        assert!(Instant::now() < patience, "two daemons hold one home");
        std::thread::sleep(Duration::from_millis(20));
    }
    let running = daemons.iter_mut().position(|daemon| daemon.try_wait().expect("a state").is_none());
    let mut holder = daemons.remove(running.expect("one serves"));
    let pid = holder.id().to_string();
    for daemon in daemons {
        let output = daemon.wait_with_output().expect("it ended");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(&format!("process {pid}")), "the holder {pid} is named: {said}");
    }
    assert_eq!(holder.try_wait().expect("a state"), None, "the one that holds it goes on");
    holder.kill().expect("ended");
    holder.wait().expect("waited for");
    drop(wardlock.serve(&[]).expect("a home that was left is free again"));
}

#[test]
fn l7_another_path_to_a_held_home_leads_to_no_second_daemon() {
    let wardlock = with_home();
    let serving = wardlock.serve(&[]).expect("it serves");
    let folder = tempfile::tempdir().expect("a folder");
    let around = folder.path().join("around");
    symlink(wardlock.home().parent().expect("a folder"), &around).expect("a link");
    let held = start(&around.join("home")).wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&held.stderr).into_owned();
    assert_eq!(held.status.code(), Some(4), "{said}");
    assert!(said.contains(&format!("process {}", serving.pid())), "{said}");
    // The home itself, or its state, as a link.
    let link = folder.path().join("link");
    symlink(wardlock.home(), &link).expect("a link");
    let other = folder.path().join("other");
    let made = command(&other).args(["init", "--key", "file"]).output().expect("it runs");
    assert!(made.status.success(), "{made:?}");
    std::fs::remove_dir_all(other.join("state")).expect("removed");
    symlink(wardlock.home().join("state"), other.join("state")).expect("a link");
    for path in [link, other] {
        let refused = start(&path).wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(3), "{said}");
        assert!(said.contains("symbolic link"), "{said}");
    }
    serving.stop().expect("it ends");
}

#[test]
fn l9_an_edited_policy_holds_only_after_a_reload_that_the_audit_shows() {
    let wardlock = with_workspace();
    let _serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let open = |wardlock: &Wardlock| {
        let list = run(wardlock, &["--json", "connections", "list"]).ok().expect("a list");
        list.json().expect("json").as_array().map(Vec::len)
    };
    assert_eq!(open(&wardlock), Some(1));
    let policy = std::fs::read_to_string(wardlock.home().join("workspaces/acme.toml")).expect("a file");
    let second = policy.replace("workspace = \"acme\"", "workspace = \"beta\"").replace("acme-zoho", "beta-zoho");
    wardlock.write("workspaces/beta.toml", &second).expect("written");
    assert_eq!(open(&wardlock), Some(1), "no file is watched");
    let (reloads, changes, before) = policy_acts(&wardlock);
    assert_eq!((reloads, changes.len(), before.len()), (0, 0, 1), "the start says which policy holds");
    run(&wardlock, &["reload"]).ok().expect("loaded");
    assert_eq!(open(&wardlock), Some(2));
    let (reloads, changes, after) = policy_acts(&wardlock);
    assert_eq!(reloads, 1, "who changes the policy is on record");
    let digest = hex::encode(Sha256::digest(&second));
    assert_eq!(changes, [("workspaces/beta.toml".to_owned(), digest)], "and what they changed");
    assert_eq!(after.len(), 2, "{after:?}");
    assert!(after[0] == before[0] && after[1] != before[0], "which policy held before and after: {after:?}");
    // What does not load does not hold, so the audit goes on naming what does.
    wardlock.write("workspaces/beta.toml", &second.replace("records.read", "records.raed")).expect("written");
    let told = run(&wardlock, &["reload"]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert_eq!(open(&wardlock), Some(2));
    let (reloads, changes, stale) = policy_acts(&wardlock);
    assert_eq!((reloads, changes.len(), stale.len()), (2, 1, 3), "nothing changed: {changes:?}");
    assert_eq!(stale[2], stale[1]);
    wardlock.write("workspaces/beta.toml", &second).expect("written");
    wardlock.write("wardlock.toml", "[limits]\nrequests = 3\n").expect("written");
    let told = run(&wardlock, &["--json", "reload"]).ok().expect("loaded").stdout;
    assert!(told.contains("wardlock.toml holds other settings"), "{told}");
}

/// How often the audit names a reload, which files it says changed, and the digests of the policies that held.
fn policy_acts(wardlock: &Wardlock) -> (usize, Vec<(String, String)>, Vec<String>) {
    let rows = run(wardlock, &["audit", "export"]).ok().expect("rows").stdout;
    let acts: Vec<Value> =
        rows.lines().map(|row| serde_json::from_str::<Value>(row).expect("json")["act"].clone()).collect();
    let field = |act: &Value, name: &str| act[name].as_str().unwrap_or_default().to_owned();
    let what = |what: &'static str| acts.iter().filter(move |act| act["what"] == what);
    (
        what("reload").count(),
        what("policy.changed").map(|act| (field(act, "target"), field(act, "result"))).collect(),
        what("policy.loaded").map(|act| field(act, "result")).collect(),
    )
}

fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wardlock"));
    command.arg("--home").arg(home).env_clear().stdin(Stdio::null());
    command
}

fn start(home: &Path) -> Child {
    let mut command = command(home);
    command.arg("serve").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts")
}
