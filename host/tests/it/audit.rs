//! `wardlock audit …` from outside: the executable, its exit codes, and what a stranger can do with a copy.

use std::fs;

use serde_json::Value;
use wardlock_tests::home::Wardlock;

use crate::program::{register, run, with_workspace};

/// A home in which something was done.
fn with_rows() -> Wardlock {
    let wardlock = with_workspace();
    register(&wardlock).ok().expect("registered");
    run(&wardlock, &["agent", "add", "reporter", "--workspace", "acme"]).ok().expect("an agent");
    wardlock
}

fn json(wardlock: &Wardlock, args: &[&str]) -> Value {
    run(wardlock, &[&["--json"], args].concat()).json().expect("json")
}

#[test]
fn a_kept_head_shows_what_was_cut_off_later_also_to_who_has_a_copy_only() {
    let wardlock = with_rows();
    let head = run(&wardlock, &["audit", "head"]).ok().expect("a head");
    let line = head.stdout.trim().to_owned();
    assert!(line.starts_with("wardlock-audit-head-1 number=") && !line.contains('\n'), "{line}");
    let key = head.stderr.rsplit("public key: ").next().expect("a key").trim().to_owned();

    let verified = json(&wardlock, &["audit", "verify", "--head", &line, "--public-key", &key]);
    assert_eq!((&verified["ok"], &verified["faults"]), (&true.into(), &Value::Array(Vec::new())), "{verified}");

    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.db");
    let stranger = |args: &[&str]| {
        let copy = copy.display().to_string();
        let bin = std::process::Command::new(env!("CARGO_BIN_EXE_wardlock"))
            .args(["--home", "/nonexistent", "--json", "audit", "verify", "--file", &copy])
            .args(args)
            .output()
            .expect("it runs");
        let said: Value = serde_json::from_slice(&bin.stdout).expect("json");
        (bin.status.code(), said)
    };
    fs::copy(wardlock.home().join("state/audit.db"), &copy).expect("copied");
    let (code, said) = stranger(&["--head", &line, "--public-key", &key]);
    assert_eq!(
        (code, &said["kept_heads"][0]["found"]),
        (Some(0), &"holds: every row up to it is as it was".into())
    );
    let (_, said) = stranger(&[]);
    assert!(said["not_said"].to_string().contains("no public key was given"), "{said}");

    let database = rusqlite::Connection::open(&copy).expect("the copy");
    database
        .execute_batch(
            "DROP TRIGGER records_are_not_removed; DELETE FROM records WHERE sequence > 1; DELETE FROM heads",
        )
        .expect("cut off");
    drop(database);
    assert_eq!(stranger(&[]).0, Some(0), "what is left is sound in itself");
    let (code, said) = stranger(&["--head", &line]);
    assert_eq!(code, Some(1));
    assert!(said["faults"][0].as_str().is_some_and(|fault| fault.contains("missing at the end")), "{said}");
}

#[test]
fn what_is_no_head_and_no_key_is_said_so() {
    let wardlock = with_rows();
    for args in [["--head", "wardlock-audit-head-1 number=x"], ["--head", "nothing"], ["--public-key", "ab"]] {
        let output = run(&wardlock, &[["audit", "verify"], args].concat());
        assert_eq!(output.code, Some(2), "{args:?}: {output:?}");
    }
}
