//! The mirror holds every row before its caller is answered, or the request is refused.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use wardlock_core::answer::Outcome;

use super::support::{Home, finished, read_permit, write_permit};
use crate::limits::Limits;
use crate::{Act, Against, Audit, AuditError, FileProblem, Filter, KeptHead, MirrorFound, Separation};

fn path(home: &Home) -> PathBuf {
    home.folder.path().join("mirror.jsonl")
}

fn try_open(home: &Home, limits: Limits) -> Result<Audit, AuditError> {
    let mut settings = home.settings();
    settings.mirror = Some(path(home));
    Audit::open_with(&home.path(), settings, limits)
}

fn open(home: &Home) -> Audit {
    try_open(home, Limits::default()).expect("the audit")
}

fn text(home: &Home) -> String {
    std::fs::read_to_string(path(home)).expect("the mirror")
}

/// The rows of the mirror, in order.
fn mirrored(home: &Home) -> Vec<Value> {
    let lines = text(home).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect::<Vec<Value>>();
    lines.into_iter().filter(|line| line["sequence"].is_u64()).collect()
}

fn rows(audit: &Audit) -> Vec<Value> {
    audit.list(&Filter::newest(1000)).expect("rows").iter().map(crate::Row::to_json).collect()
}

#[tokio::test]
async fn every_row_is_mirrored_before_its_caller_is_answered() {
    let home = Home::new();
    let audit = open(&home);
    for (number, permit) in [(1, read_permit(1)), (3, write_permit(2))] {
        let (_receipt, guard) =
            audit.intend(&permit, Separation::None, Duration::ZERO, &[]).await.expect("recorded");
        assert_eq!(mirrored(&home).len(), number);
        guard.finish(finished(Outcome::Ok)).await.expect("recorded");
        assert_eq!(mirrored(&home).len(), number + 1);
    }
    assert_eq!(mirrored(&home), rows(&audit));
    audit.head().await.expect("signed");
    let heads = KeptHead::find_in(&text(&home)).expect("heads");
    let found = audit.verify(&Against { heads, key: None }).expect("walked");
    assert!(found.is_sound() && found.kept.len() == 1, "the mirror serves as what was kept elsewhere: {found:?}");
}

#[tokio::test]
async fn a_mirror_that_cannot_be_written_refuses_requests_and_catches_up_once_it_can() {
    let home = Home::new();
    let audit = try_open(&home, Limits { mirror_bytes: Some(6000), ..Limits::default() }).expect("the audit");
    let (_receipt, guard) =
        audit.intend(&write_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    let error = loop {
        match audit.intend(&read_permit(2), Separation::None, Duration::ZERO, &[]).await {
            Ok((_receipt, guard)) => guard.finish(finished(Outcome::Ok)).await.unwrap_or_default(),
            Err(error) => break error,
        }
    };
    assert!(matches!(&error, AuditError::Mirror { .. }) && error.hint().is_some(), "{error}");
    let before = audit.count().expect("counted");
    for number in 3..6 {
        let refused = audit.intend(&read_permit(number), Separation::None, Duration::ZERO, &[]).await;
        assert!(matches!(refused, Err(AuditError::Mirror { .. })));
    }
    assert!(audit.act(Act::admin("ada", "reload", "x", "ok")).await.is_err());
    assert_eq!(audit.count().expect("counted"), before, "nothing more is written into the log alone");
    assert!(text(&home).ends_with('\n') && text(&home).len() <= 6000, "whole lines only");
    drop(guard);
    drop(audit);
    let audit = open(&home);
    assert_eq!(audit.opened().mirror, Some(MirrorFound::Fits));
    assert_eq!(mirrored(&home), rows(&audit), "what it lacked was added");
    let found = audit.verify(&Against::default()).expect("walked");
    assert!(found.is_sound() && found.open_intents == 0, "{found:?}");
}

#[tokio::test]
async fn a_mirror_begins_with_the_next_row_and_a_torn_line_is_taken_back() {
    let home = Home::new();
    let audit = home.open();
    audit.act(Act::admin("ada", "reload", "before", "ok")).await.expect("recorded");
    drop(audit);
    let audit = open(&home);
    audit.act(Act::admin("ada", "reload", "after", "ok")).await.expect("recorded");
    drop(audit);
    assert_eq!(mirrored(&home).len(), 1);
    let mut torn = text(&home);
    torn.push_str("{\"version\":1,\"sequ");
    std::fs::write(path(&home), torn).expect("written");
    let audit = open(&home);
    audit.act(Act::admin("ada", "reload", "again", "ok")).await.expect("recorded");
    let targets: Vec<Value> = mirrored(&home).into_iter().map(|row| row["act"]["target"].clone()).collect();
    assert_eq!(targets, ["after", "again"]);
}

#[tokio::test]
async fn a_log_that_was_put_back_or_built_anew_is_noticed_by_the_mirror() {
    let home = Home::new();
    let audit = open(&home);
    audit.act(Act::admin("ada", "reload", "one", "ok")).await.expect("recorded");
    drop(audit);
    let older = std::fs::read(home.path()).expect("the file");
    let audit = open(&home);
    audit.act(Act::admin("ada", "reload", "two", "ok")).await.expect("recorded");
    drop(audit);
    std::fs::write(home.path(), &older).expect("put back");
    let audit = open(&home);
    assert_eq!(audit.opened().mirror, Some(MirrorFound::Ahead { sequence: 2 }));
    let row = audit.list(&Filter::newest(1)).expect("rows").remove(0);
    assert_eq!(
        row.detail.act.map(|act| (act.what, act.result)),
        Some(("audit.mirror".to_owned(), "ahead".to_owned()))
    );
    drop(audit);
    std::fs::write(home.path(), &older).expect("put back");
    let other = home.open();
    for _ in 0..3 {
        other.act(Act::admin("eve", "reload", "other", "ok")).await.expect("recorded");
    }
    drop(other);
    assert_eq!(open(&home).opened().mirror, Some(MirrorFound::Differs { sequence: 2 }));
}

#[tokio::test]
async fn a_file_that_is_no_mirror_is_left_alone() {
    let home = Home::new();
    std::fs::write(path(&home), "my notes\n").expect("written");
    let exposed = try_open(&home, Limits::default()).err().expect("refused");
    assert!(
        matches!(&exposed, AuditError::MirrorFile { problem, .. } if matches!(**problem, FileProblem::Exposed { .. }))
    );
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(path(&home), private).expect("changed");
    let error = try_open(&home, Limits::default()).err().expect("refused");
    assert!(
        matches!(&error, AuditError::MirrorFile { problem, .. } if matches!(**problem, FileProblem::NotMirror)),
        "{error}"
    );
    assert_eq!(text(&home), "my notes\n");
}
