//! The wall, as cargo sees it (ARCHITECTURE.md, "The wall"): which crate can name which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use wardlock_tests::docs::root;

use crate::tidy::{read, rust_files};

/// Every crate of ours and the crates of ours that it is built with. Not one edge more, not one less.
const EDGES: [(&str, &[&str]); 10] = [
    ("wardlock-core", &[]),
    ("wardlock-audit", &["wardlock-core"]),
    ("wardlock-state", &["wardlock-core"]),
    ("wardlock-sandbox", &["wardlock-core"]),
    ("wardlock-egress", &["wardlock-audit", "wardlock-core"]),
    ("wardlock-simulator", &[]),
    ("wardlock-plugins", &[]),
    ("wardlock-build-guests", &[]),
    (
        "wardlock",
        &[
            "wardlock-audit",
            "wardlock-core",
            "wardlock-egress",
            "wardlock-plugins",
            "wardlock-sandbox",
            "wardlock-simulator",
            "wardlock-state",
        ],
    ),
    ("wardlock-tests", &["wardlock-simulator"]),
];

/// What only some crates may link, and which. Whoever is not named cannot do it.
const POWERS: [(&str, &[&str]); 16] = [
    // Connecting upstream.
    ("reqwest", &["wardlock-egress", "wardlock"]),
    ("hyper-rustls", &["wardlock-egress", "wardlock"]),
    ("rustls", &["wardlock-egress", "wardlock", "wardlock-simulator", "wardlock-tests"]),
    // Telling a collector: what is told is written in the host, and dialled in egress.
    ("opentelemetry_sdk", &["wardlock"]),
    // Opening what is sealed.
    ("chacha20poly1305", &["wardlock-egress", "wardlock"]),
    ("argon2", &["wardlock-egress", "wardlock"]),
    ("age", &["wardlock-egress", "wardlock"]),
    ("rpassword", &["wardlock-egress", "wardlock"]),
    // Signing heads, and checking them.
    ("ed25519-dalek", &["wardlock-audit", "wardlock-egress", "wardlock"]),
    // Running plugins.
    ("wasmtime", &["wardlock-sandbox", "wardlock"]),
    ("wasmtime-wasi", &["wardlock-sandbox", "wardlock"]),
    // Keeping records.
    ("rusqlite", &["wardlock-audit", "wardlock-state", "wardlock-egress", "wardlock"]),
    // HTTP of either side.
    ("hyper", &["wardlock-egress", "wardlock", "wardlock-simulator", "wardlock-tests"]),
    // A runtime: everything but the pure core.
    (
        "tokio",
        &[
            "wardlock-audit",
            "wardlock-egress",
            "wardlock-sandbox",
            "wardlock-simulator",
            "wardlock-state",
            "wardlock-tests",
            "wardlock",
        ],
    ),
    ("clap", &["wardlock"]),
    // Ending the process at an instant: a feature of the crash suite, never of the product.
    ("fail", &[]),
];

/// Promise 6: a daemon dials the hosts of services and of its configuration. A registry is dialled by the command that a person gave.
#[test]
fn registries_are_dialled_by_the_command_alone() {
    // Its constants are free to all; what dials is imported from it.
    let imports = ["wardlock_egress::registry::{", "wardlock_egress::registry::pu"];
    let dials = |path: &PathBuf| imports.iter().any(|import| read(path).contains(import));
    let of_the_host = rust_files().into_iter().filter(|path| path.starts_with("host/src"));
    let names: Vec<PathBuf> = of_the_host.filter(dials).collect();
    assert_eq!(names, ["host/src/cli/plugin/registry.rs"].map(PathBuf::from));
}

#[test]
fn edges_hold() {
    let graph = Graph::read();
    let expected: BTreeMap<&str, BTreeSet<&str>> =
        EDGES.iter().map(|(name, on)| (*name, on.iter().copied().collect())).collect();
    let members: BTreeSet<&str> = graph.members.iter().map(String::as_str).collect();
    assert_eq!(members, expected.keys().copied().collect(), "every member has its edges written down");
    for (name, on) in expected {
        let ours: BTreeSet<&str> = graph.normal(name).filter(|other| members.contains(other)).collect();
        assert_eq!(ours, on, "what `{name}` is built with");
    }
}

#[test]
fn plugins_and_rules_have_no_path_to_a_secret() {
    let graph = Graph::read();
    for from in ["wardlock-core", "wardlock-sandbox", "wardlock-audit", "wardlock-state", "wardlock-simulator"] {
        assert!(!graph.reachable(from).contains("wardlock-egress"), "`{from}` reaches the vault");
        let tests_use = graph.any(from).any(|other| other == "wardlock-egress");
        assert!(!tests_use, "`{from}` reaches the vault in its tests");
    }
    assert!(graph.reachable("wardlock").contains("wardlock-egress"), "the search itself works");
}

#[test]
fn powers_are_where_they_belong() {
    let graph = Graph::read();
    for (power, holders) in POWERS {
        for member in &graph.members {
            let has = graph.reachable(member).contains(power);
            let may = holders.contains(&member.as_str());
            assert!(!has || may, "`{member}` links `{power}`, and it must not");
        }
    }
}

/// The packages and what each is built with, for this machine's target.
struct Graph {
    members: Vec<String>,
    /// Package → (other package, whether it is linked: not a dev- or build-dependency).
    edges: BTreeMap<String, Vec<(String, bool)>>,
}

impl Graph {
    fn read() -> Self {
        let metadata = metadata();
        let packages = metadata["packages"].as_array().expect("packages");
        let names: BTreeMap<&str, &str> =
            packages.iter().map(|package| (text(&package["id"]), text(&package["name"]))).collect();
        let members = metadata["workspace_members"].as_array().expect("members");
        let members = members.iter().map(|id| names[text(id)].to_owned()).collect();
        let mut edges: BTreeMap<String, Vec<(String, bool)>> = BTreeMap::new();
        for node in metadata["resolve"]["nodes"].as_array().expect("nodes") {
            // Two versions of one package share a name here; the union of their edges is the stricter reading.
            let of = edges.entry(names[text(&node["id"])].to_owned()).or_default();
            for dependency in node["deps"].as_array().expect("deps") {
                let kinds = dependency["dep_kinds"].as_array().expect("kinds");
                let linked = kinds.iter().any(|kind| kind["kind"].is_null());
                of.push((names[text(&dependency["pkg"])].to_owned(), linked));
            }
        }
        Self { members, edges }
    }

    fn any(&self, package: &str) -> impl Iterator<Item = &str> {
        self.edges[package].iter().map(|(name, _)| name.as_str())
    }

    fn normal(&self, package: &str) -> impl Iterator<Item = &str> {
        self.edges[package].iter().filter(|(_, linked)| *linked).map(|(name, _)| name.as_str())
    }

    fn reachable<'a>(&'a self, from: &'a str) -> BTreeSet<&'a str> {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(package) = next.pop() {
            next.extend(self.normal(package).filter(|other| seen.insert(*other)));
        }
        seen
    }
}

fn metadata() -> Value {
    let target = output(Command::new("rustc").args(["--print", "host-tuple"]));
    let metadata = output(
        Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target.trim()])
            .current_dir(root()),
    );
    serde_json::from_str(&metadata).expect("cargo metadata prints JSON")
}

fn output(command: &mut Command) -> String {
    let output = command.output().expect("the command starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

/// The files of the host's that the fuzz target of TOML builds without the host: they may name one another, and what stands in for
/// [`FUZZED_BESIDE`].
const FUZZED: [&str; 5] = ["secrets.rs", "text_error.rs", "units.rs", "wording.rs", "workspace/"];

/// Modules that the fuzz target has something in the place of.
const FUZZED_BESIDE: [&str; 2] = ["config", "loaded"];

#[test]
fn what_is_fuzzed_without_the_host_names_nothing_else_of_it() {
    let is_fuzzed = |path: &str| {
        let own = path.split_once("host/src/config/").map(|(_, own)| own);
        own.is_some_and(|own| {
            FUZZED.iter().any(|known| own == *known || known.ends_with('/') && own.starts_with(known))
        })
    };
    let files: Vec<PathBuf> = rust_files().into_iter().filter(|file| is_fuzzed(&file.to_string_lossy())).collect();
    assert!(files.len() >= 9, "{files:?}");
    for file in files {
        // What a test needs is not built there.
        let text = read(&file);
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for named in text.split("crate::").skip(1) {
            let module = named.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or_default();
            assert!(FUZZED_BESIDE.contains(&module), "{} names `crate::{module}`", file.display());
        }
    }
}
