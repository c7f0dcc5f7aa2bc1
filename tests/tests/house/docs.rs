//! Documents that say the same as the code.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use wardlock_core::refusal::Code;
use wardlock_core::service::parse_and_lint;
use wardlock_tests::docs::{commands, links, root};

const DOCUMENTS: [&str; 14] = [
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/dashboard.md",
    "docs/refusals.md",
    "docs/plugins.md",
    "docs/observability.md",
    "docs/operators.md",
    "docs/secrets.md",
    "docs/services.md",
    "docs/writes.md",
    "policies/README.md",
];

fn read(document: &str) -> String {
    fs::read_to_string(root().join(document)).unwrap_or_else(|error| panic!("{document}: {error}"))
}

#[test]
fn refusals_in_the_docs_are_those_of_the_code() {
    let mut table = String::from("| code | status | retryable | actor | meaning |\n|---|---|---|---|---|\n");
    for code in Code::ALL {
        let retryable = if code.retryable() { "yes" } else { "no" };
        let (status, actor) = (code.status(), code.actor().as_str());
        writeln!(table, "| `{}` | {status} | {retryable} | {actor} | {} |", code.as_str(), code.meaning())
            .expect("a String takes all");
    }
    let document = read("docs/refusals.md");
    let written: String =
        document.lines().filter(|line| line.starts_with('|')).flat_map(|line| [line, "\n"]).collect();
    assert_eq!(written, table, "docs/refusals.md: replace its table by this one:\n{table}");
}

#[test]
fn definition_in_the_docs_is_one_in_which_nothing_is_found() {
    let document = read("docs/services.md");
    let (_, rest) = document.split_once("```toml\n").expect("a definition");
    let (definition, _) = rest.split_once("```").expect("its end");
    let (service, found) =
        parse_and_lint(definition, "docs/services.md").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(found, []);
    assert_eq!(service.operations.len(), 5);
}

#[test]
fn links_lead_somewhere() {
    for document in DOCUMENTS {
        let text = read(document);
        let here = root().join(document);
        let folder = here.parent().expect("a folder");
        for link in links(&text) {
            assert!(folder.join(link).exists(), "{document} links to `{link}`");
        }
    }
}

#[test]
fn files_named_in_the_architecture_exist() {
    let text = read("ARCHITECTURE.md");
    let ends = |word: &str| Path::new(word).extension().is_some_and(|end| end == "rs" || end == "toml");
    let is_path = |word: &&str| word.contains('/') && (ends(word) || word.ends_with('/'));
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(is_path)
        .filter(|word| !word.contains(['<', '*', ' ']) && !word.starts_with('/'))
        .collect();
    assert!(named.len() > 20, "the document names its files");
    for path in named {
        assert!(root().join(path).exists(), "ARCHITECTURE.md names `{path}`");
    }
}

#[test]
fn readme_shows_how_to_begin() {
    let commands = commands(&read("README.md"));
    let first_words: Vec<&str> = commands.iter().filter_map(|words| words.first()).map(String::as_str).collect();
    for verb in ["demo", "init", "registration", "connect", "agent", "serve", "doctor", "audit"] {
        assert!(first_words.contains(&verb), "the README does not show `wardlock {verb}`");
    }
}
