//! Whatever is done to the file, row by row or byte by byte, is found against a kept head (promise 9).

use std::sync::OnceLock;

use proptest::prelude::*;
use proptest::sample::Index;
use rusqlite::types::Value;

use super::support::{Home, finished, id, read_permit, verify_copy};
use crate::{Act, Against, AuditError, FaultKind, Refused, Separation, SignedHead, Verified};

/// A log of some rows of every kind, its file's bytes, an older one of it, and the head of its end.
struct Log {
    bytes: Vec<u8>,
    older: Vec<u8>,
    head: SignedHead,
    rows: u64,
}

fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(make())
    })
}

async fn make() -> Log {
    use wardlock_core::answer::Outcome;
    use wardlock_core::refusal::{Code, Refusal};

    let home = Home::new();
    let mut older = Vec::new();
    let mut head = None;
    for part in 0..2 {
        let audit = home.open();
        for number in 0..20 {
            let permit = read_permit(number);
            let (_receipt, guard) =
                audit.intend(&permit, Separation::None, std::time::Duration::ZERO, &[]).await.expect("recorded");
            guard.finish(finished(Outcome::Ok)).await.expect("recorded");
            let refusal = Refusal::new(Code::UnknownOperation, "operations", "x");
            audit.refuse(Refused::new(id(number), &refusal).by("acme", "reporter")).await.expect("recorded");
            audit.act(Act::admin("ada", "reload", "acme", "ok")).await.expect("recorded");
        }
        head = Some(audit.head().await.expect("signed"));
        drop(audit);
        if part == 0 {
            older = std::fs::read(home.path()).expect("the file");
        }
    }
    let bytes = std::fs::read(home.path()).expect("the file");
    Log { bytes, older, head: head.expect("a head"), rows: 160 }
}

/// Writes a file, lets somebody at it, and verifies it against the kept head.
fn verified(bytes: &[u8], tamper: impl FnOnce(&Home)) -> Result<(Verified, Home), AuditError> {
    let home = Home::new();
    std::fs::write(home.path(), bytes).expect("written");
    tamper(&home);
    let against = Against { heads: vec![log().head.kept()], key: Some(log().head.key) };
    verify_copy(&home.path(), &against).map(|found| (found, home))
}

/// Everything that a log says: every column of every row and every head, and what is looked up by time and request.
fn content(home: &Home) -> rusqlite::Result<Vec<Vec<Value>>> {
    let database = home.database();
    let mut all = Vec::new();
    for sql in [
        // A MAC says nothing; with the key at hand it is compared, too.
        "SELECT sequence, kind, at_ms, request_id, workspace, connection, agent, operation, effect, decision, outcome, closes, \
         detail, prev, hash FROM records NOT INDEXED ORDER BY sequence",
        "SELECT * FROM heads ORDER BY number",
        "SELECT * FROM postings ORDER BY chunk, word",
        "SELECT sequence, at_ms FROM records INDEXED BY records_by_time WHERE at_ms > 0 ORDER BY at_ms",
        "SELECT sequence FROM records WHERE request_id = 'req_01010101010101010101010101010101' ORDER BY sequence",
    ] {
        let mut statement = database.prepare(sql)?;
        let columns = statement.column_count();
        let rows = statement
            .query_map([], |row| (0..columns).map(|at| row.get(at)).collect::<Result<Vec<Value>, _>>())?;
        all.extend(rows.collect::<Result<Vec<_>, _>>()?);
    }
    Ok(all)
}

fn untouched() -> &'static Vec<Vec<Value>> {
    static CONTENT: OnceLock<Vec<Vec<Value>>> = OnceLock::new();
    CONTENT.get_or_init(|| {
        let (found, home) = verified(&log().bytes, |_| ()).expect("walked");
        assert!(found.is_sound() && found.rows == log().rows, "{found:?}");
        content(&home).expect("read")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_byte_is_found_or_changes_nothing_that_the_log_says(
        place in any::<Index>(),
        bits in 1_u8..,
        length in 1_usize..4,
    ) {
        let mut bytes = log().bytes.clone();
        let first = place.index(bytes.len());
        let last = (first + length).min(bytes.len());
        bytes[first..last].iter_mut().for_each(|byte| *byte ^= bits);
        if let Ok((found, home)) = verified(&bytes, |_| ())
            && found.is_sound()
        {
            let same = content(&home).is_ok_and(|content| content == *untouched());
            prop_assert!(same, "byte {first} was changed, the log says something else, and nothing is found");
        }
    }

    #[test]
    fn a_file_that_was_cut_off_anywhere_is_found(place in any::<Index>()) {
        let end = place.index(log().bytes.len());
        prop_assert!(is_found_without(log().bytes.len() - end), "all but the first {end} bytes are gone, and nothing is found");
    }
}

#[test]
fn a_file_that_was_cut_off_within_its_last_row_is_found() {
    for gone in 1..=64 {
        assert!(is_found_without(gone), "the last {gone} bytes are gone, and nothing is found");
    }
}

/// Cuts a file off, and returns whether that is found. Where no more is gone than a part of the last row's MAC, which is the end of the file, the
/// log says what it said, and the vault that has the key must find it.
fn is_found_without(gone: usize) -> bool {
    let all = &log().bytes;
    let Ok((found, home)) = verified(&all[..all.len() - gone], |_| ()) else { return true };
    if !found.is_sound() {
        return true;
    }
    let says_the_same = content(&home).is_ok_and(|content| content == *untouched());
    home.make_private();
    let by_key = home.open().verify(&Against::default()).expect("walked");
    says_the_same && by_key.faults.iter().any(|fault| fault.kind == FaultKind::Foreign)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_done_to_rows_is_found(row in 1_u64..=160, other in 1_u64..=160, act in 0_usize..8) {
        prop_assume!(row != other);
        let columns = "kind, at_ms, request_id, workspace, connection, agent, operation, effect, decision, outcome, \
                       closes, detail, prev, hash";
        let sql = match act {
            0 => format!("UPDATE records SET at_ms = at_ms + 1 WHERE sequence = {row}"),
            1 => format!("UPDATE records SET detail = detail || ' ' WHERE sequence = {row}"),
            2 => format!("DELETE FROM records WHERE sequence = {row}"),
            3 => format!("DELETE FROM records WHERE sequence >= {row}"),
            4 => format!("DELETE FROM records WHERE sequence >= {row}; DELETE FROM heads WHERE sequence >= {row}"),
            5 => format!(
                "UPDATE records SET sequence = -1 WHERE sequence = {row}; UPDATE records SET sequence = {row} WHERE \
                 sequence = {other}; UPDATE records SET sequence = {other} WHERE sequence = -1"
            ),
            6 => format!("INSERT INTO records (sequence, {columns}) SELECT 161, {columns} FROM records WHERE sequence = {row}"),
            _ => format!("DELETE FROM records WHERE sequence BETWEEN min({row}, {other}) AND max({row}, {other})"),
        };
        let (found, _home) = verified(&log().bytes, |home| home.tamper(&sql)).expect("walked");
        prop_assert!(!found.is_sound(), "{sql}");
        if act < 4 {
            prop_assert_eq!(found.faults[0].sequence, row, "{}", sql);
        }
    }
}

#[test]
fn a_whole_file_that_was_put_back_is_found() {
    let (found, _home) = verified(&log().older, |_| ()).expect("walked");
    let told: Vec<String> = found.faults.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["rows 81 to 160 are missing at the end: cut off, or an older file was put back"]);
}

#[test]
fn a_schema_that_is_another_is_found_although_every_row_is_as_it_was() {
    for sql in [
        "DROP TRIGGER records_are_not_removed",
        "ALTER TABLE records RENAME COLUMN agent TO asked_by",
        "CREATE TABLE more (x)",
        "PRAGMA user_version = 1",
    ] {
        // It may not even be read any more.
        let found = verified(&log().bytes, |home| home.database().execute_batch(sql).expect("changed"));
        assert!(!found.is_ok_and(|(found, _home)| found.is_sound()), "{sql}");
    }
}
