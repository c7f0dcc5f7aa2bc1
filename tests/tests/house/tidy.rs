//! Rules of the house that no lint knows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use wardlock_tests::docs::root;

/// Over this, a file is more than one thing.
const LONGEST: usize = 500;
/// Files that may be longer, each with its reason.
const MAY_BE_LONGER: [(&str, &str); 0] = [];

#[test]
fn unsafe_code_is_denied_and_stands_in_one_file() {
    let workspace = manifest(Path::new("Cargo.toml"));
    assert_eq!(workspace["workspace"]["lints"]["rust"]["unsafe_code"].as_str(), Some("deny"));
    // In two parts, so that this file does not find itself.
    let word = concat!("uns", "afe_code");
    let says_so = |path: &PathBuf| read(path).contains(word);
    let of_the_workspace = |path: &PathBuf| path.starts_with("host") || path.starts_with("tests/src");
    let exceptions: BTreeSet<PathBuf> =
        rust_files().into_iter().filter(|path| of_the_workspace(path) && says_so(path)).collect();
    let expected = ["host/sandbox/src/trusted.rs", "host/sandbox/src/worker/escape.rs"].map(PathBuf::from);
    assert_eq!(exceptions, BTreeSet::from(expected));
    for member in workspace["workspace"]["members"].as_array().expect("members") {
        let path = Path::new(member.as_str().expect("a path")).join("Cargo.toml");
        let lints = manifest(&path).get("lints").and_then(|lints| lints.get("workspace")?.as_bool());
        assert_eq!(lints, Some(true), "{} has no `[lints] workspace = true`", path.display());
    }
}

#[test]
fn every_dependency_has_its_reason() {
    let text = read(Path::new("Cargo.toml"));
    let (_, dependencies) = text.split_once("[workspace.dependencies]\n").expect("the table");
    let dependencies = dependencies.split("\n[").next().expect("its lines");
    // A comment speaks for the lines beneath it, up to an empty one.
    let mut explained = false;
    for line in dependencies.lines() {
        if line.is_empty() {
            explained = false;
        } else if line.starts_with('#') {
            explained = true;
        } else {
            assert!(explained, "no comment says why: {line}");
        }
    }
}

#[test]
fn versions_of_dependencies_stand_in_one_place() {
    let workspace = manifest(Path::new("Cargo.toml"));
    for member in workspace["workspace"]["members"].as_array().expect("members") {
        let path = Path::new(member.as_str().expect("a path")).join("Cargo.toml");
        let manifest = manifest(&path);
        for table in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let dependencies = manifest.get(table).and_then(toml::Value::as_table);
            for (name, dependency) in dependencies.into_iter().flatten() {
                let inherited = dependency.get("workspace").and_then(toml::Value::as_bool);
                assert_eq!(inherited, Some(true), "`{name}` in {}", path.display());
            }
        }
    }
}

#[test]
fn no_log_or_span_takes_a_whole_request() {
    // Rendered whole, these hold headers, bodies, targets or secrets. Each in two parts, so that this file does not find itself.
    let whole = [
        "req",
        "request",
        "raw",
        "head",
        "header",
        "headers",
        "body",
        "uri",
        "url",
        "target",
        "query",
        "path",
        "token",
        "secret",
        "permit",
        "canonical",
        "response",
        "answer",
        "self",
    ];
    for file in rust_files() {
        let text = read(&file);
        for name in whole {
            for sign in ["?", "%"] {
                let field = format!("{sign}{name}");
                let found = text.match_indices(&field).find(|(at, _)| {
                    let ends = text[at + field.len()..].starts_with([',', ')', '.']);
                    let begins = text[..*at].ends_with(['(', ' ']);
                    ends && begins && in_tracing(&text[..*at])
                });
                assert!(found.is_none(), "`{field}` is logged in {}", file.display());
            }
        }
        let instrument = concat!("#[", "instrument");
        let qualified = concat!("#[tracing", "::instrument");
        for line in text.lines().filter(|line| line.contains(instrument) || line.contains(qualified)) {
            assert!(line.contains("skip_all"), "{}: {line}", file.display());
        }
    }
}

/// Whether a text ends inside a call of one of tracing's macros.
fn in_tracing(before: &str) -> bool {
    const MACROS: [&str; 8] =
        ["error!(", "warn!(", "info!(", "debug!(", "trace!(", "event!(", "_span!(", "span!("];
    let begins = MACROS.iter().filter_map(|begin| before.rfind(begin)).max();
    begins.is_some_and(|at| !before[at..].contains(';'))
}

#[test]
fn the_search_for_whole_requests_finds_one() {
    assert!(in_tracing("tracing::debug!(id, ") && in_tracing("error_span!(\n    \"request\",\n    "));
    assert!(!in_tracing("tracing::debug!(id); let x = f("));
}

#[test]
fn no_test_is_skipped_or_expected_to_fail() {
    // Written in two parts, so that this file does not find itself.
    let forbidden = [concat!("#[ig", "nore"), concat!("should_", "panic")];
    for file in rust_files() {
        let text = read(&file);
        for word in forbidden {
            assert!(!text.contains(word), "`{word}` in {}", file.display());
        }
    }
}

#[test]
fn no_file_is_too_long() {
    for file in rust_files() {
        let lines = read(&file).lines().count();
        let reason = MAY_BE_LONGER.iter().find(|(path, _)| Path::new(path) == file);
        assert!(lines <= LONGEST || reason.is_some(), "{} has {lines} lines", file.display());
    }
}

#[test]
fn every_module_says_what_it_is() {
    for file in rust_files().iter().filter(|file| file.components().any(|part| part.as_os_str() == "src")) {
        let text = read(file);
        let first = text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//!"), "{} does not begin with `//!`", file.display());
    }
}

fn manifest(path: &Path) -> toml::Value {
    toml::from_str(&read(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn read(path: &Path) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns every Rust file of the checkout, as paths from its root.
pub fn rust_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    collect(Path::new(""), &mut files);
    assert!(files.len() > 100, "the walk finds the sources");
    files
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(root().join(folder)).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = folder.join(&name);
        // Build output, and what tools put beside the sources.
        if name.starts_with('.') || name == "target" || name == "node_modules" {
            continue;
        }
        if entry.file_type().expect("a type").is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
