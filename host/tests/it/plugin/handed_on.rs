//! Pushing and pulling where no registry is needed to say no; `tests/registry` has one.

use crate::program::{program, run};

use super::{folder, text};

/// Port 9 of loopback, "discard": nobody listens there.
const NOBODY: &str = "127.0.0.1:9/team/read-only:1";

#[test]
fn a_reference_that_is_none_is_a_usage_error_and_shows_the_form() {
    for (reference, named) in [
        ("https://registry.example/a:1", "no scheme"),
        ("read-only:1", "the host of a registry"),
        ("registry.example/a", "neither a tag nor a digest"),
        ("registry.example/A:1", "lower-case"),
        ("registry.example/a@sha256:00", "64 lower-case"),
    ] {
        for args in [&["plugin", "pull", reference][..], &["plugin", "push", "read-only", reference]] {
            let output = run(&program(), args);
            assert_eq!(output.code, Some(2), "{args:?}: {output:?}");
            let told = output.stderr.contains(named) && output.stderr.contains("HOST/REPOSITORY:TAG");
            assert!(told, "{args:?} does not name `{named}`: {output:?}");
        }
    }
}

#[test]
fn a_password_comes_from_a_person_or_a_pipe_and_nowhere_else() {
    let asked = run(&program(), &["plugin", "pull", NOBODY, "--user", "ann"]);
    assert_eq!(asked.code, Some(2), "{asked:?}");
    assert!(asked.stderr.contains("--password-stdin"), "{asked:?}");
    for args in [&["--user", "ann", "--password", "canary"][..], &["--password-stdin"]] {
        let output = run(&program(), &[&["plugin", "pull", NOBODY], args].concat());
        assert_eq!(output.code, Some(2), "{args:?}: {output:?}");
    }
    let wardlock = program();
    let empty =
        wardlock.run(&["plugin", "pull", NOBODY, "--user", "ann", "--password-stdin"], b"").expect("it runs");
    assert!(empty.code == Some(2) && empty.stderr.contains("empty"), "{empty:?}");
}

#[test]
fn a_pull_that_fails_leaves_nothing_and_touches_nothing() {
    let folder = folder(&[("mine.wasm", "mine"), ("signed.wasm.minisig", "a signature")]);
    let names = || std::fs::read_dir(folder.path()).expect("a folder").count();
    let mine = folder.path().join("mine.wasm");
    for (name, code, named) in [
        ("mine.wasm", 2, "exists already"),
        ("signed.wasm", 2, "exists already"),
        ("new.wasm", 1, "127.0.0.1:9 cannot be reached"),
        ("nowhere/new.wasm", 2, "name a file in a folder that is there"),
    ] {
        let output = run(&program(), &["plugin", "pull", NOBODY, "--out", text(&folder.path().join(name))]);
        assert_eq!(output.code, Some(code), "{name}: {output:?}");
        assert!(output.stderr.contains(named) && output.stderr.contains("hint: "), "{name}: {output:?}");
        assert_eq!(names(), 2, "{name}: nothing is half made");
    }
    assert_eq!(std::fs::read(mine).expect("a file"), b"mine");
}

#[test]
fn only_a_signature_is_published_as_one() {
    let folder = folder(&[("key", "what somebody keeps for themselves"), ("mine.wasm", "mine")]);
    let link = folder.path().join("mine.wasm.minisig");
    std::os::unix::fs::symlink(folder.path().join("key"), &link).expect("a link");
    let output = run(&program(), &["plugin", "push", text(&folder.path().join("mine.wasm")), NOBODY]);
    assert_eq!(output.code, Some(2), "{output:?}");
    let told = output.stderr.contains("mine.wasm.minisig is not published: its signature is no whole minisign");
    assert!(told && output.stderr.contains("hint: "), "{output:?}");
}
