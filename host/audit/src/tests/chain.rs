//! Whoever changes the file is found, with the place (promise 9).

use proptest::prelude::*;

use super::support::{Home, verify_copy};
use crate::verify::{Fault, FaultKind};
use crate::{Act, Against, Verified};

/// Makes a log of so many rows.
fn log(rows: u64) -> Home {
    let home = Home::new();
    let audit = home.open();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        for row in 0..rows {
            audit.act(Act::admin("ada", "reload", format!("target-{row}"), "ok")).await.expect("recorded");
        }
    });
    home
}

fn verify(home: &Home) -> Verified {
    // As it stands: opening it for writing would add a signed head.
    verify_copy(&home.path(), &Against::default()).expect("walked")
}

#[track_caller]
fn check(sql: &str, expect: &[&str]) {
    let home = log(20);
    assert!(verify(&home).is_sound());
    home.tamper(sql);
    let faults: Vec<_> = verify(&home).faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults, expect, "after {sql}");
}

#[test]
fn an_edit_is_found_in_every_column() {
    for column in ["workspace", "connection", "agent", "request_id", "operation", "effect", "decision", "outcome"]
    {
        check(&format!("UPDATE records SET {column} = 'x' WHERE sequence = 7"), &["row 7 is not as written"]);
    }
    check("UPDATE records SET at_ms = at_ms + 1 WHERE sequence = 1", &["row 1 is not as written"]);
    check("UPDATE records SET closes = 3 WHERE sequence = 20", &["row 20 is not as written"]);
    check("UPDATE records SET kind = 'grant' WHERE sequence = 7", &["row 7 is not as written"]);
    check("UPDATE records SET detail = replace(detail, 'target-6', 'target-9')", &["row 7 is not as written"]);
    check("UPDATE records SET hash = zeroblob(32) WHERE sequence = 7", &["row 7 is not as written"]);
    check("UPDATE records SET prev = x'00' WHERE sequence = 7", &["row 7 is not as written"]);
    check(
        "UPDATE records SET agent = 'x' WHERE sequence IN (3, 4, 9)",
        &["row 3 is not as written", "row 4 is not as written", "row 9 is not as written"],
    );
}

#[test]
fn a_deletion_is_found_also_when_the_rest_is_renumbered() {
    check("DELETE FROM records WHERE sequence = 7", &["row 7 is missing"]);
    check("DELETE FROM records WHERE sequence = 1", &["row 1 is missing"]);
    check("DELETE FROM records WHERE sequence BETWEEN 5 AND 9", &["rows 5 to 9 are missing"]);
    check(
        "DELETE FROM records WHERE sequence = 7; UPDATE records SET sequence = sequence - 1 WHERE sequence > 7",
        &["row 7 is missing"],
    );
}

#[test]
fn an_insertion_is_found_at_its_place() {
    let shift = "UPDATE records SET sequence = -sequence WHERE sequence >= 7; \
                 UPDATE records SET sequence = 1 - sequence WHERE sequence < 0;";
    let copy = |from: u64, to: u64| {
        format!(
            "INSERT INTO records (sequence, kind, at_ms, request_id, workspace, connection, agent, operation, effect, \
             decision, outcome, closes, detail, prev, hash) SELECT {to}, kind, at_ms, request_id, workspace, connection, agent, operation, \
             effect, decision, outcome, closes, detail, prev, hash FROM records WHERE sequence = {from}"
        )
    };
    check(&format!("{shift}{}", copy(3, 7)), &["row 7 was put in afterwards"]);
    check(
        &format!("{shift}{}; UPDATE records SET agent = 'x' WHERE sequence = 7", copy(8, 7)),
        &["row 7 was put in afterwards"],
    );
    check(&copy(3, 0), &["row 0 was put in afterwards"]);
}

#[test]
fn a_reordering_is_found_with_where_the_rows_belong() {
    let swap = |a: u64, b: u64| {
        format!(
            "UPDATE records SET sequence = -1 WHERE sequence = {a}; UPDATE records SET sequence = {a} WHERE \
             sequence = {b}; UPDATE records SET sequence = {b} WHERE sequence = -1"
        )
    };
    let expect = ["row 4 was written at another place: 9", "row 9 was written at another place: 4"];
    check(&swap(4, 9), &expect);
    let expect = ["row 4 was written at another place: 5", "row 5 was written at another place: 4"];
    check(&swap(4, 5), &expect);
    check(
        "UPDATE records SET sequence = sequence + 1000",
        &["rows 1001 to 1020 were written at another place: 1"],
    );
}

#[test]
fn a_swap_over_a_long_distance_is_told_as_one() {
    let home = log(100);
    home.tamper(
        "UPDATE records SET sequence = -1 WHERE sequence = 2; UPDATE records SET sequence = 2 WHERE sequence = 99; \
         UPDATE records SET sequence = 99 WHERE sequence = -1",
    );
    let kind = |written_as| FaultKind::Reordered { written_as };
    let expect = [Fault { sequence: 2, last: 2, kind: kind(99) }, Fault { sequence: 99, last: 99, kind: kind(2) }];
    assert_eq!(verify(&home).faults, expect);
}

#[test]
fn a_row_that_was_rewritten_with_its_hash_is_found_by_the_next() {
    let (home, other) = (log(20), log(9));
    let forged = "UPDATE records SET (detail, hash) = (SELECT detail, hash FROM forged.records WHERE sequence = 9) \
                  WHERE sequence = 9";
    other.tamper("UPDATE records SET detail = replace(detail, 'ada', 'eve') WHERE sequence = 9");
    other.rehash(9);
    home.tamper(&format!("ATTACH '{}' AS forged; {forged}", other.path().display()));
    let faults: Vec<_> = verify(&home).faults.iter().map(ToString::to_string).collect();
    assert_eq!(faults, ["row 9 is not as written"]);
}

#[test]
fn damage_to_the_file_is_told_with_the_place_or_as_an_error() {
    let home = log(400);
    home.database().pragma_update(None, "wal_checkpoint", "TRUNCATE").ok();
    let mut bytes = std::fs::read(home.path()).expect("the file");
    let needle = b"target-250\"";
    let at = bytes.windows(needle.len()).position(|part| part == needle).expect("the row");
    bytes[at] ^= 0x20;
    std::fs::write(home.path(), bytes).expect("written");
    let faults = verify(&home).faults;
    assert_eq!(faults, [Fault { sequence: 251, last: 251, kind: FaultKind::Edited }]);
}

#[test]
fn an_empty_log_is_sound() {
    let home = Home::new();
    drop(home.open());
    let verified = verify(&home);
    assert!(verified.is_sound() && verified.head.is_none() && verified.rows == 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Whatever is done to some rows (short of cutting off the end), the first fault is not after the first change.
    #[test]
    fn tampering_is_found_no_later_than_its_place(
        row in 1_u64..19,
        other in 1_u64..19,
        act in 0_usize..4,
    ) {
        let home = log(20);
        home.tamper(&match act {
            0 => format!("UPDATE records SET agent = 'x' WHERE sequence = {row}"),
            1 => format!("DELETE FROM records WHERE sequence = {row}"),
            2 => format!("UPDATE records SET detail = (SELECT detail FROM records WHERE sequence = {other}) \
                          WHERE sequence = {row}"),
            _ => format!("UPDATE records SET sequence = -1 WHERE sequence = {row}; \
                          UPDATE records SET sequence = {row} WHERE sequence = {other}; \
                          UPDATE records SET sequence = {other} WHERE sequence = -1 AND {row} <> {other}"),
        });
        let nothing = row == other && act >= 2;
        let faults = verify(&home).faults;
        match faults.first() {
            None => prop_assert!(nothing),
            Some(fault) => prop_assert!(act == 3 || fault.sequence == row, "{faults:?}"),
        }
        if act == 3 && !nothing {
            prop_assert_eq!(faults[0].sequence, row.min(other));
        }
    }
}
