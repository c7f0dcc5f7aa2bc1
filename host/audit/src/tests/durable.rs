//! What is promised about rows being on the disk: before anything is sent, and whatever becomes of the caller.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use wardlock_core::answer::Outcome;

use super::support::{Home, finished, read_permit, write_permit};
use crate::limits::Limits;
use crate::{Act, Against, AuditError, Filter, Kind, Separation};

const AT_ONCE: Duration = Duration::ZERO;

fn outcomes(home: &Home) -> Vec<(u64, String)> {
    let audit = home.open();
    let filter = Filter { kind: Some(Kind::Outcome), ..Filter::default() };
    let rows = audit.list(&filter).expect("rows");
    rows.into_iter().map(|row| (row.closes.expect("an intent"), row.outcome.expect("an outcome"))).collect()
}

#[tokio::test]
async fn an_intent_is_on_the_disk_before_the_receipt_is_given() {
    let home = Home::new();
    let audit = home.open();
    for (number, permit) in [(1, read_permit(1)), (2, write_permit(2))] {
        let (receipt, guard) =
            audit.intend(&permit, Separation::OwnUser, Duration::ZERO, &[]).await.expect("recorded");
        let seen: i64 = home
            .database()
            .query_row("SELECT count(*) FROM records WHERE kind = 'intent'", [], |row| row.get(0))
            .expect("counted");
        assert_eq!(seen, number);
        assert_eq!(receipt.permit_digest(), permit.digest());
        let row = &audit.show(permit.id().as_str()).expect("rows")[0];
        assert_eq!((row.sequence, row.kind), (receipt.sequence(), Kind::Intent));
        guard.finish(finished(Outcome::Ok)).await.expect("recorded");
    }
    assert_eq!(audit.count().expect("counted"), 4);
}

#[tokio::test]
async fn a_dropped_guard_writes_aborted() {
    let home = Home::new();
    let audit = home.open();
    let (_receipt, guard) =
        audit.intend(&read_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    drop(guard);
    drop(audit);
    assert_eq!(outcomes(&home), [(1, "aborted".to_owned())]);
}

#[tokio::test]
async fn a_caller_that_went_away_leaves_aborted_and_not_an_open_intent() {
    let home = Home::new();
    let audit = home.open();
    let lock = home.database();
    lock.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let permit = read_permit(1);
    let waiting = tokio::time::timeout(
        Duration::from_millis(50),
        audit.intend(&permit, Separation::None, Duration::ZERO, &[]),
    );
    assert!(waiting.await.is_err(), "the intent cannot have been written");
    lock.execute_batch("ROLLBACK").expect("unlocked");
    audit.drain().await.expect("drained");
    drop(audit);
    assert_eq!(outcomes(&home), [(1, "aborted".to_owned())]);
}

#[tokio::test]
async fn an_intent_that_a_crash_left_open_is_closed_as_unknown() {
    let home = Home::new();
    let audit = home.open();
    let (_receipt, guard) =
        audit.intend(&write_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    // Only the files are what a crash leaves; they are copied while the intent is open.
    let after = Home::new();
    home.database().execute("VACUUM INTO ?1", [after.path().to_str().expect("a path")]).expect("copied");
    std::fs::set_permissions(after.path(), std::fs::Permissions::from_mode(0o600)).expect("changed");
    drop(guard);
    assert_eq!(outcomes(&after), [(1, "unknown".to_owned())]);
    assert_eq!(outcomes(&after), [(1, "unknown".to_owned())], "once only");
    let row = after.open().show(write_permit(1).id().as_str()).expect("rows").pop().expect("the outcome");
    assert_eq!((row.workspace.as_deref(), row.agent.as_deref()), (Some("acme"), Some("reporter")));
    assert_eq!(row.effect.as_deref(), Some("write"));
    assert!(after.open().verify(&Against::default()).expect("walked").is_sound());
}

#[tokio::test]
async fn when_every_place_is_taken_requests_are_refused_and_none_is_dropped() {
    let home = Home::new();
    let audit = home.try_open(Limits { places: 1, wait: AT_ONCE, ..Limits::default() }).expect("the audit");
    let (_receipt, guard) =
        audit.intend(&read_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    let refused = audit.intend(&read_permit(2), Separation::None, Duration::ZERO, &[]).await;
    assert!(matches!(refused, Err(AuditError::Full)));
    assert!(matches!(audit.act(Act::admin("ada", "reload", "acme", "ok")).await, Err(AuditError::Full)));
    guard.finish(finished(Outcome::Ok)).await.expect("its place was kept");
    let _ = audit
        .intend(&read_permit(3), Separation::None, Duration::ZERO, &[])
        .await
        .expect("there is a place again");
}

#[tokio::test]
async fn a_full_disk_refuses_by_name_and_keeps_what_is_written() {
    let home = Home::new();
    let audit = home.try_open(Limits { pages: Some(60), ..Limits::default() }).expect("the audit");
    let mut written = 0;
    let error = loop {
        match audit.act(Act::admin("ada", "reload", "x".repeat(400), "ok")).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 10_000, "the file is not full yet");
    };
    assert!(matches!(&error, AuditError::Write(_)) && error.hint().is_some(), "{error}");
    let refused = audit.intend(&read_permit(1), Separation::None, Duration::ZERO, &[]).await;
    assert!(matches!(refused, Err(AuditError::Write(_))), "nothing may be sent");
    drop(audit);
    let audit = home.open();
    assert_eq!(audit.count().expect("counted"), written);
    assert!(audit.verify(&Against::default()).expect("walked").is_sound());
}

#[tokio::test]
async fn a_failing_disk_refuses_and_an_outcome_is_written_once_it_recovers() {
    let home = Home::new();
    let audit = home.try_open(Limits { busy: AT_ONCE, ..Limits::default() }).expect("the audit");
    let (_receipt, guard) =
        audit.intend(&write_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    let lock = home.database();
    lock.execute_batch("BEGIN IMMEDIATE").expect("locked");
    assert!(matches!(guard.finish(finished(Outcome::Ok)).await, Err(AuditError::Write(_))));
    assert!(matches!(
        audit.intend(&read_permit(2), Separation::None, Duration::ZERO, &[]).await,
        Err(AuditError::Write(_))
    ));
    lock.execute_batch("ROLLBACK").expect("unlocked");
    drop(
        audit.intend(&read_permit(3), Separation::None, Duration::ZERO, &[]).await.expect("it resumes by itself"),
    );
    drop(audit);
    assert_eq!(outcomes(&home), [(1, "ok".to_owned()), (3, "aborted".to_owned())]);
    assert!(home.open().verify(&Against::default()).expect("walked").is_sound());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_make_one_chain() {
    let home = Home::new();
    let audit = home.open();
    let tasks: Vec<_> = (0..64)
        .map(|number| {
            let audit = audit.clone();
            tokio::spawn(async move {
                let (_receipt, guard) = audit
                    .intend(&read_permit(number), Separation::None, Duration::ZERO, &[])
                    .await
                    .expect("recorded");
                guard.finish(finished(Outcome::Partial)).await.expect("recorded");
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("done");
    }
    let verified = audit.verify(&Against::default()).expect("walked");
    assert!(verified.is_sound(), "{:?}", verified.faults);
    assert_eq!((verified.rows, verified.open_intents), (128, 0));
}
