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

/// The tables, by their letter, and how many rows each has.
const TABLES: [(char, u32); 6] = [('A', 27), ('B', 8), ('L', 10), ('P', 16), ('S', 7), ('U', 10)];

#[test]
fn every_threat_has_its_row() {
    let numbers: BTreeSet<String> = rows().into_iter().map(|row| row.number).collect();
    for (letter, count) in TABLES {
        for number in 1..=count {
            assert!(numbers.contains(&format!("{letter}{number}")), "SECURITY.md has no row {letter}{number}");
        }
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
fn tests_with_the_number_of_a_threat_are_in_its_row() {
    let rows = rows();
    for file in rust_files() {
        for line in read(&file).lines() {
            let Some((name, _)) = line.split_once("fn ").and_then(|(_, rest)| rest.split_once('(')) else {
                continue;
            };
            let Some((number, _)) = name.split_once('_') else { continue };
            let number = number.to_uppercase();
            let is_row = TABLES.iter().any(|(letter, count)| {
                number
                    .strip_prefix(*letter)
                    .and_then(|row| row.parse().ok())
                    .is_some_and(|row| (1..=*count).contains(&row))
            });
            if is_row {
                let row = rows.iter().find(|row| row.number == number).expect("a row");
                assert!(row.tests.iter().any(|test| test == name), "SECURITY.md, {number} does not name `{name}`");
            }
        }
    }
}
