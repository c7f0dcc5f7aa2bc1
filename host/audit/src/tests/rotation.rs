//! More than one file: the chain goes on, nothing is lost at the seam, and what is removed leaves a stub.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::Duration;

use wardlock_core::answer::Outcome;

use super::search::as_format_3;
use super::support::{Home, finished, read_permit, verify_copy};
use crate::files;
use crate::limits::Limits;
use crate::rotate::{RotateAfter, Rotation};
use crate::{Act, Against, Audit, Filter, KeptState, Separation, Verified, verify_copies};

/// Opens a log that goes on in another file every few rows.
fn open(home: &Home, keep: Option<Duration>) -> Audit {
    let mut settings = home.settings();
    settings.rotation = Rotation { after: Some(RotateAfter::Bytes(1)), keep };
    Audit::open_with(&home.path(), settings, Limits { head_rows: 10, ..Limits::default() }).expect("the audit")
}

async fn act(audit: &Audit, rows: u64) {
    for row in 0..rows {
        audit.act(Act::admin("ada", "reload", format!("target-{row}"), "ok")).await.expect("recorded");
    }
}

fn paths(home: &Home) -> Vec<PathBuf> {
    files::all(&home.path()).expect("files").into_iter().map(|file| file.path).collect()
}

fn told(verified: &Verified) -> Vec<String> {
    verified.faults.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn a_log_goes_on_in_another_file_and_is_one_log() {
    let home = Home::new();
    let audit = open(&home, None);
    act(&audit, 5).await;
    let head = audit.head().await.expect("signed");
    act(&audit, 60).await;
    let found = audit.verify(&Against { heads: vec![head.kept()], key: None }).expect("walked");
    assert!(found.is_sound() && found.files >= 6, "{found:?}");
    assert_eq!((found.rows, found.begins_after, found.kept[0].state), (65, 0, KeptState::Holds));
    assert_eq!(audit.count().expect("counted"), 65);
    let all = audit.list(&Filter::newest(100)).expect("rows");
    assert_eq!(all.iter().map(|row| row.sequence).collect::<Vec<_>>(), (1..=65).collect::<Vec<_>>());
    for (filter, count) in [
        (Filter { act: Some("reload".to_owned()), ..Filter::newest(100) }, 65),
        (Filter { act: Some("reload".to_owned()), after: Some(3), ..Filter::newest(20) }, 20),
        (Filter { before: Some(30), ..Filter::newest(100) }, 29),
    ] {
        assert_eq!(audit.list(&filter).expect("rows").len(), count, "{filter:?}");
    }
    drop(audit);
    // Files that are closed stay of the format that they are of.
    let closed = paths(&home).into_iter().next().expect("a file");
    as_format_3(&closed);
    let audit = open(&home, None);
    assert!(!audit.opened().is_broken);
    let filter = Filter { act: Some("reload".to_owned()), ..Filter::newest(100) };
    assert_eq!(audit.list(&filter).expect("rows").len(), 65);
    act(&audit, 25).await;
    let found = audit.verify(&Against::default()).expect("walked");
    assert!(found.is_sound() && found.rows == 90, "{found:?}");
    drop(audit);
    let copies = verify_copies(&paths(&home), &Against::default()).expect("walked");
    assert!(copies.is_sound() && copies.rows == 90, "{copies:?}");
}

#[tokio::test]
async fn a_request_that_is_under_way_at_the_seam_keeps_its_outcome_and_is_found_by_both() {
    let home = Home::new();
    let audit = open(&home, None);
    let (receipt, guard) =
        audit.intend(&read_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    audit.head().await.expect("signed");
    act(&audit, 30).await;
    guard.finish(finished(Outcome::Failed)).await.expect("recorded");
    let by_both =
        Filter { outcome: Some("failed".to_owned()), resource: Some("Leads".to_owned()), ..Filter::default() };
    for _ in 0..2 {
        let rows = audit.list(&by_both).expect("rows");
        assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [receipt.sequence()]);
        // The second time, the outcome's file is closed and indexed.
        act(&audit, 10).await;
        audit.head().await.expect("signed");
        act(&audit, 1).await;
    }
    assert_eq!(audit.show(read_permit(1).id().as_str()).expect("rows").len(), 2);
    let found = audit.verify(&Against::default()).expect("walked");
    assert!(found.is_sound() && found.open_intents == 0, "{found:?}");
}

#[tokio::test]
async fn an_intent_of_an_earlier_file_that_a_crash_left_open_is_closed_as_unknown() {
    let home = Home::new();
    let audit = open(&home, None);
    let (receipt, guard) =
        audit.intend(&read_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    act(&audit, 30).await;
    assert!(paths(&home).len() > 2);
    // The thread that would write the outcome never learns of it, as after a crash.
    std::mem::forget(guard);
    let again = open(&home, None);
    assert_eq!(again.opened().closed_as_unknown, 1);
    let rows = again.show(read_permit(1).id().as_str()).expect("rows");
    assert_eq!((rows[1].closes, rows[1].outcome.as_deref()), (Some(receipt.sequence()), Some("unknown")));
    assert_eq!(rows[1].agent.as_deref(), Some("reporter"));
    drop(again);
    assert_eq!(open(&home, None).opened().closed_as_unknown, 0, "once only");
}

#[tokio::test]
async fn what_is_done_to_an_older_file_is_found_with_the_place() {
    let home = Home::new();
    let audit = open(&home, None);
    act(&audit, 45).await;
    drop(audit);
    let paths = paths(&home);
    let tamper = |at: usize, sql: &str| {
        let database = rusqlite::Connection::open(&paths[at]).expect("the database");
        database
            .execute_batch(&format!("DROP TRIGGER IF EXISTS records_are_not_changed; {sql}"))
            .expect("changed");
    };
    tamper(1, "UPDATE records SET agent = 'x' WHERE sequence = (SELECT max(sequence) FROM records)");
    let found = verify_copies(&paths, &Against::default()).expect("walked");
    assert!(told(&found).iter().any(|fault| fault.ends_with("is not as written")), "{:?}", found.faults);
    std::fs::remove_file(&paths[2]).expect("removed");
    let left: Vec<PathBuf> = paths.iter().filter(|path| **path != paths[2]).cloned().collect();
    let found = verify_copies(&left, &Against::default()).expect("walked");
    assert!(told(&found).iter().any(|fault| fault.ends_with("missing")), "{:?}", found.faults);
}

#[tokio::test]
async fn files_whose_time_is_over_leave_a_signed_stub_from_which_the_chain_goes_on() {
    let home = Home::new();
    let audit = open(&home, Some(Duration::from_hours(1)));
    act(&audit, 15).await;
    let kept = audit.head().await.expect("signed");
    act(&audit, 10).await;
    home.now.fetch_add(4_000_000, Ordering::Relaxed);
    act(&audit, 45).await;
    let late = audit.head().await.expect("signed");
    let against = Against { heads: vec![kept.kept(), late.kept()], key: None };
    let found = audit.verify(&against).expect("walked");
    assert!(found.is_sound(), "{:?}", found.faults);
    assert!(found.begins_after >= 20 && found.removed.len() >= 2, "{found:?}");
    assert_eq!(found.removed.last().map(|stub| stub.last), Some(found.begins_after));
    let states: Vec<_> = found.kept.iter().map(|kept| kept.state).collect();
    assert_eq!(states, [KeptState::Removed, KeptState::Holds]);
    let acts = audit.list(&Filter { act: Some("audit.remove".to_owned()), ..Filter::default() }).expect("rows");
    assert_eq!(acts.len(), found.removed.len(), "each removal is recorded");
    drop(audit);

    let paths = paths(&home);
    assert!(!home.path().exists(), "the first file is gone");
    let newest = paths.last().expect("a file");
    let database = rusqlite::Connection::open(newest).expect("the database");
    database.execute("UPDATE removed SET last_ms = last_ms + 1 WHERE first = 1", []).expect("changed");
    let forged = verify_copies(&paths, &Against::default()).expect("walked");
    assert!(told(&forged)[0].contains("said to be removed by a stub"), "{:?}", forged.faults);
    drop(database);
    let audit = open(&home, None);
    let found = audit.verify(&Against::default()).expect("walked");
    assert!(told(&found).iter().any(|fault| fault.starts_with("rows 1 to") && fault.ends_with("are missing")));
}

#[tokio::test]
async fn a_copy_of_the_later_files_says_what_it_begins_after() {
    let home = Home::new();
    let audit = open(&home, None);
    act(&audit, 35).await;
    drop(audit);
    let paths = paths(&home);
    let found = verify_copies(&paths[2..], &Against::default()).expect("walked");
    assert!(found.is_sound() && found.begins_after >= 20, "{found:?}");
    let last = verify_copy(paths.last().expect("a file"), &Against::default()).expect("walked");
    assert!(last.is_sound() && last.begins_after > found.begins_after, "{last:?}");
}

#[tokio::test]
async fn every_file_of_a_log_is_copied_while_it_is_written_and_the_copies_are_one_log() {
    let home = Home::new();
    let audit = open(&home, None);
    act(&audit, 45).await;
    let copies = tempfile::tempdir().expect("a folder");
    let mut paths = Vec::new();
    for file in audit.files().expect("files") {
        let name = file.file_name().expect("a name").to_owned();
        assert!(files::is_of_log("audit.db", &name.to_string_lossy()), "{name:?}");
        let copy = copies.path().join(name);
        Audit::snapshot(&file, &copy).expect("copied");
        paths.push(copy);
        act(&audit, 1).await;
    }
    assert!(paths.len() > 2, "{paths:?}");
    let found = verify_copies(&paths, &Against::default()).expect("walked");
    assert!(found.is_sound() && found.rows >= 45, "{found:?}");
    let mut settings = home.settings();
    settings.rotation = Rotation::default();
    let restored = Audit::open(&copies.path().join("audit.db"), settings).expect("opened");
    assert!(restored.verify(&Against::default()).expect("walked").is_sound());
}

#[tokio::test]
async fn an_act_that_stands_begins_every_further_file_and_outlasts_those_whose_time_is_over() {
    const STANDING: &str = "vault.revision";
    let home = Home::new();
    let audit = open(&home, Some(Duration::from_hours(1)));
    let standing = || {
        let filter = Filter { act: Some(STANDING.to_owned()), ..Filter::default() };
        let rows = audit.list(&filter).expect("rows").into_iter();
        rows.map(|row| (row.sequence, row.detail.act.expect("an act").result)).collect::<Vec<_>>()
    };
    for revision in ["7", "8"] {
        audit.stand(Act::admin("wardlock", STANDING, "vault", revision)).await.expect("recorded");
    }
    for _ in 0..3 {
        home.now.fetch_add(4_000_000, Ordering::Relaxed);
        act(&audit, 40).await;
    }
    let found = audit.verify(&Against::default()).expect("walked");
    assert!(found.is_sound() && found.begins_after > 80, "{found:?}");
    let left = standing();
    let (sequence, newest) = left.last().expect("it outlasts every file");
    assert!(newest == "8" && *sequence > found.begins_after, "{left:?}");
    assert!(left.iter().all(|(_, revision)| revision == "8"), "an older one is let go: {left:?}");
    drop(audit);
    for path in paths(&home) {
        let file = rusqlite::Connection::open(path).expect("a file");
        let first: String = file
            .query_row("SELECT detail FROM records ORDER BY sequence LIMIT 1", [], |row| row.get(0))
            .expect("a row");
        assert!(first.contains(STANDING), "{first}");
    }
}
