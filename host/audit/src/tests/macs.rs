//! Rows that somebody else appends, with every hash computed as it must be, are told and never taken for ours.

use std::ops::ControlFlow;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::support::{Home, verify_copy};
use crate::limits::Limits;
use crate::rotate::{RotateAfter, Rotation};
use crate::{Act, Against, Audit, Filter, ForeignRows, Kind, Reach, Verified};

async fn act(audit: &Audit, rows: u64) {
    for row in 0..rows {
        audit.act(Act::admin("ada", "reload", format!("target-{row}"), "ok")).await.expect("recorded");
    }
}

/// Makes a log of 20 rows that was closed in order.
async fn log() -> Home {
    let home = Home::new();
    act(&home.open(), 20).await;
    home
}

fn told(verified: &Verified) -> Vec<String> {
    verified.faults.iter().map(ToString::to_string).collect()
}

/// Goes all the way back, and returns the rows' places, those that are not ours, and how it ended.
fn back(audit: &Audit, since_ms: Option<u64>) -> (Vec<u64>, Vec<u64>, Reach) {
    let (mut all, mut foreign) = (Vec::new(), Vec::new());
    let reach = audit.walk_back(since_ms, |step| {
        all.push(step.sequence);
        if !step.is_own {
            foreign.push(step.sequence);
        }
        ControlFlow::Continue(())
    });
    (all, foreign, reach.expect("read"))
}

#[tokio::test]
async fn rows_that_somebody_appended_are_told_before_anything_is_signed_and_for_ever() {
    let home = log().await;
    assert_eq!((home.forge("vault.revision", "1"), home.forge("vault.revision", "2")), (21, 22));
    let copy = verify_copy(&home.path(), &Against::default()).expect("walked");
    assert!(copy.is_sound() && copy.unauthenticated.is_none(), "without the key nobody can tell: {copy:?}");

    let audit = home.open();
    assert_eq!(audit.opened().foreign, Some(ForeignRows { first: 21, last: 22 }));
    let row = audit.list(&Filter::newest(1)).expect("rows").remove(0);
    let told_of = row.detail.act.expect("an act");
    assert_eq!(
        (row.sequence, told_of.what.as_str(), told_of.target.as_str()),
        (23, "audit.foreign", "rows 21 to 22")
    );
    drop(audit);
    let audit = home.open();
    assert_eq!(audit.opened().foreign, None, "once");
    let found = audit.verify(&Against::default()).expect("walked");
    assert_eq!(told(&found), ["rows 21 to 22 are not of this vault's making: no true MAC stands there"]);
    assert_eq!(found.unauthenticated, Some(0));
    assert_eq!(back(&audit, None).1, [22, 21]);
}

#[tokio::test]
async fn a_mac_that_is_taken_away_or_copied_is_found() {
    for sql in [
        "UPDATE records SET mac = NULL WHERE sequence = 7",
        "UPDATE records SET mac = (SELECT mac FROM records WHERE sequence = 6) WHERE sequence = 7",
        "UPDATE records SET mac = substr(mac, 1, 8) WHERE sequence = 7",
    ] {
        let home = log().await;
        home.tamper(sql);
        let found = home.open().verify(&Against::default()).expect("walked");
        assert_eq!(told(&found), ["row 7 is not of this vault's making: no true MAC stands there"], "{sql}");
    }
}

#[tokio::test]
async fn rows_of_another_vault_are_not_ours() {
    let home = log().await;
    let audit = home.open_as(8);
    assert_eq!(audit.opened().foreign, None, "the other vault's head stands behind them");
    let found = audit.verify(&Against::default()).expect("walked");
    assert!(found.is_sound() && found.unauthenticated == Some(20), "{found:?}");
    assert_eq!(back(&audit, None).1.len(), 20);
}

#[tokio::test]
async fn the_way_back_needs_no_index_and_ends_where_a_row_is_missing_or_changed() {
    let home = log().await;
    home.tamper("DELETE FROM postings; UPDATE indexed SET sequence = 20");
    let audit = home.open();
    let by_index = audit.list(&Filter { act: Some("reload".to_owned()), ..Filter::default() }).expect("rows");
    assert!(by_index.is_empty(), "the index hides them");
    let (all, foreign, reach) = back(&audit, None);
    assert_eq!((all, foreign, reach), ((1..=20).rev().collect(), vec![], Reach::Whole));
    drop(audit);
    for (sql, reach) in [
        ("DELETE FROM records WHERE sequence = 7", Reach::Broken { sequence: 6 }),
        ("UPDATE records SET agent = 'x' WHERE sequence = 7", Reach::Broken { sequence: 7 }),
        ("DELETE FROM records WHERE sequence < 7", Reach::Broken { sequence: 7 }),
        ("CREATE VIEW more AS SELECT * FROM records", Reach::Broken { sequence: 0 }),
    ] {
        let home = log().await;
        home.tamper(sql);
        assert_eq!(back(&home.open(), None).2, reach, "{sql}");
    }
}

#[tokio::test]
async fn the_way_back_to_a_time_ends_at_a_head_that_was_signed_well_before_it() {
    use std::sync::atomic::Ordering;

    let home = log().await;
    home.now.fetch_add(2 * 24 * 60 * 60 * 1000, Ordering::Relaxed);
    let since = home.now.load(Ordering::Relaxed);
    let audit = home.open();
    act(&audit, 5).await;
    assert_eq!(back(&audit, Some(since)), ((21..=25).rev().collect(), vec![], Reach::Whole));
    drop(audit);
    home.tamper("DELETE FROM records WHERE sequence < 7");
    assert_eq!(back(&home.open(), Some(since)).2, Reach::Whole, "what is older is not asked for");
    home.tamper("UPDATE heads SET at_ms = 1");
    assert_eq!(back(&home.open(), Some(since)).2, Reach::Broken { sequence: 7 }, "a forged head ends nothing");
}

#[tokio::test]
async fn a_row_that_nobody_can_read_is_handed_out_as_what_it_is() {
    let home = log().await;
    home.tamper("UPDATE records SET detail = 'x' WHERE sequence = 20");
    home.rehash(20);
    let mut unreadable = None;
    let audit = home.open();
    let reach = audit.walk_back(None, |step| {
        if step.kind == Some(Kind::Admin) && step.read().is_err() {
            unreadable = Some((step.sequence, step.is_own));
        }
        ControlFlow::Continue(())
    });
    assert_eq!((unreadable, reach.expect("read")), (Some((20, false)), Reach::Whole));
}

#[tokio::test]
async fn files_whose_time_is_over_end_the_way_back_by_their_stub() {
    let home = Home::new();
    let mut settings = home.settings();
    // The clock ticks a millisecond at each look.
    let keep = Some(Duration::from_millis(60));
    settings.rotation = Rotation { after: Some(RotateAfter::Bytes(1)), keep };
    let limits = Limits { head_rows: 10, ..Limits::default() };
    let audit = Audit::open_with(&home.path(), settings, limits).expect("the audit");
    act(&audit, 100).await;
    let (all, foreign, reach) = back(&audit, None);
    let first = *all.last().expect("rows");
    assert!(first > 1 && foreign.is_empty(), "{all:?}");
    assert_eq!(reach, Reach::Removed { before: first });
    assert!(audit.verify(&Against::default()).expect("walked").is_sound());
    assert_eq!(audit.end().expect("read"), all[0]);
}

#[tokio::test]
async fn a_head_of_a_clock_that_was_set_back_ends_no_way_back() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let home = Home::new();
    let today = home.now.load(Ordering::Relaxed);
    // Yesterday's yesterday, today, and an hour in which the clock stood at the day before yesterday.
    for at_ms in [today - 3 * DAY_MS, today, today - 3 * DAY_MS, today] {
        home.now.store(at_ms, Ordering::Relaxed);
        let audit = home.open();
        act(&audit, 5).await;
        audit.head().await.expect("signed");
    }
    let (all, foreign, reach) = back(&home.open(), Some(today));
    assert_eq!((foreign.len(), reach), (0, Reach::Whole));
    // The rows of the first day alone are surely older.
    assert_eq!(all, (6..=20).rev().collect::<Vec<u64>>());
}
