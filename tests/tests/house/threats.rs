//! The tables of threats in SECURITY.md name tests that exist.

use std::collections::BTreeSet;
use std::path::Path;

use wardlock_tests::docs::root;

use crate::tidy::{read, rust_files};

/// A row: its number, and what its last column names.
struct Row {
    number: String,
    tests: Vec<String>,
}

/// Returns the rows of the tables beneath "Threats and their tests".
fn rows() -> Vec<Row> {
    let text = read(Path::new("SECURITY.md"));
    let (_, section) = text.split_once("\n## Threats and their tests\n").expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = section.lines().filter_map(|line| {
        let cells: Vec<&str> = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ").collect();
        let is_number = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
        let [number, .., tests] = cells.as_slice() else { return None };
        is_number(number.trim_start_matches(char::is_alphabetic)).then_some((*number, *tests))
    });
    cells
        .map(|(number, tests)| Row {
            number: number.to_owned(),
            tests: tests.split('`').skip(1).step_by(2).map(str::to_owned).collect(),
        })
        .collect()
}

#[test]
fn every_threat_of_the_local_machine_has_its_row() {
    let numbers: BTreeSet<String> = rows().into_iter().map(|row| row.number).collect();
    for number in 1..=9 {
        assert!(numbers.contains(&format!("L{number}")), "SECURITY.md has no row L{number}");
    }
}

#[test]
fn tests_named_in_the_tables_of_threats_exist() {
    let sources: String = rust_files().iter().map(|file| read(file)).collect();
    for Row { number, tests } in rows() {
        assert!(!tests.is_empty(), "SECURITY.md names no test for {number}");
        for test in tests {
            if !test.contains('/') {
                assert!(
                    sources.contains(&format!("fn {test}(")),
                    "SECURITY.md, {number}: there is no test `{test}`"
                );
                continue;
            }
            assert!(root().join(&test).exists(), "SECURITY.md, {number}: there is no `{test}`");
            if test == "tests/local/run" {
                let step = format!("step(\"{number}\"");
                assert!(read(Path::new(&test)).contains(&step), "`{test}` prints no step {number}");
            }
        }
    }
}

#[test]
fn tests_with_a_number_of_the_local_machine_are_in_its_row() {
    let rows = rows();
    for file in rust_files() {
        for line in read(&file).lines() {
            let name = line.split_once("fn l").and_then(|(_, rest)| rest.split_once('('));
            let Some((number, _)) = name.and_then(|(name, _)| name.split_once('_')) else { continue };
            let name = format!("l{}", name.map(|(name, _)| name).unwrap_or_default());
            if number.len() == 1 && number.bytes().all(|byte| byte.is_ascii_digit()) {
                let row = rows.iter().find(|row| row.number == format!("L{number}")).expect("a row");
                assert!(row.tests.contains(&name), "SECURITY.md, L{number} does not name `{name}`");
            }
        }
    }
}
