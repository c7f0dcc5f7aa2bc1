//! Signed heads: what they show of a log, with and without one that was kept elsewhere (promise 9).

use std::path::Path;
use std::time::Duration;

use super::support::{Home, signer, verify_copy};
use crate::limits::{HEAD_ROWS, Limits};
use crate::{Act, Against, Audit, KeptHead, KeptState, SignedHead, Verified};

async fn act(audit: &Audit, rows: u64) {
    for row in 0..rows {
        audit.act(Act::admin("ada", "reload", format!("target-{row}"), "ok")).await.expect("recorded");
    }
}

/// Makes a log of 20 rows, signed after the tenth and at its end, and returns the first of the two heads.
async fn log() -> (Home, SignedHead) {
    let home = Home::new();
    let audit = home.open();
    act(&audit, 10).await;
    let head = audit.head().await.expect("signed");
    act(&audit, 10).await;
    (home, head)
}

fn kept(heads: &[&SignedHead]) -> Against {
    Against { heads: heads.iter().map(|head| head.kept()).collect(), key: None }
}

fn verify(path: &Path, against: &Against) -> Verified {
    verify_copy(path, against).expect("walked")
}

fn told(verified: &Verified) -> Vec<String> {
    verified.faults.iter().map(ToString::to_string).collect()
}

/// Makes a log in which `who` did the same, with the same times and under the same key.
async fn rebuilt(who: &str, rows: u64) -> Home {
    let home = Home::new();
    let audit = home.open();
    for row in 0..rows {
        audit.act(Act::admin(who, "reload", format!("target-{row}"), "ok")).await.expect("recorded");
    }
    home
}

#[tokio::test]
async fn a_head_is_signed_on_request_and_at_the_end() {
    let (home, head) = log().await;
    assert_eq!((head.number, head.sequence, head.key), (1, 10, signer(7).key()));
    let verified = verify(&home.path(), &kept(&[&head]));
    assert!(verified.is_sound(), "{:?}", verified.faults);
    assert_eq!((verified.heads, verified.unsigned), (2, Some(0)));
    assert_eq!(verified.last_head.map(|head| head.sequence), Some(20));
    assert_eq!(verified.keys, [signer(7).key()]);
    assert_eq!(verified.kept[0].state, KeptState::Holds);
}

#[tokio::test]
async fn heads_are_signed_by_the_number_of_rows_and_by_time() {
    let home = Home::new();
    let audit = home.try_open(Limits { head_rows: 4, ..Limits::default() }).expect("the audit");
    act(&audit, 4).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    act(&audit, 1).await;
    drop(audit);
    let audit =
        home.try_open(Limits { head_time: Duration::from_millis(50), ..Limits::default() }).expect("the audit");
    let before = audit.verify(&Against::default()).expect("walked").heads;
    act(&audit, 1).await;
    while audit.verify(&Against::default()).expect("walked").heads == before {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(before >= 2, "one by number, one at the end: {before}");
}

#[tokio::test]
async fn rows_cut_off_at_the_end_are_found_by_the_heads_inside() {
    let (home, _) = log().await;
    home.tamper("DELETE FROM records WHERE sequence > 14");
    let expect = "rows 15 to 20 are missing at the end: cut off, or an older file was put back";
    assert_eq!(told(&verify(&home.path(), &Against::default())), [expect]);
    home.tamper("DELETE FROM records");
    let expect = "rows 1 to 20 are missing at the end: cut off, or an older file was put back";
    assert_eq!(told(&verify(&home.path(), &Against::default())), [expect]);
}

#[tokio::test]
async fn rows_and_heads_cut_off_together_are_found_by_a_kept_head_only() {
    let (home, first) = log().await;
    let last = verify(&home.path(), &Against::default()).last_head.expect("a head");
    home.tamper("DELETE FROM records WHERE sequence > 10; DELETE FROM heads WHERE number > 1");
    assert!(verify(&home.path(), &kept(&[&first])).is_sound(), "nothing is left that says otherwise");
    let verified = verify(&home.path(), &kept(&[&first, &last]));
    let expect = "rows 11 to 20 are missing at the end: cut off, or an older file was put back";
    assert_eq!(told(&verified), [expect]);
    let states: Vec<_> = verified.kept.iter().map(|kept| kept.state).collect();
    assert_eq!(states, [KeptState::Holds, KeptState::CutOff]);
}

#[tokio::test]
async fn a_whole_file_that_was_put_back_is_found_by_a_kept_head() {
    let (home, _) = log().await;
    let older = std::fs::read(home.path()).expect("the file");
    let audit = home.open();
    act(&audit, 5).await;
    let head = audit.head().await.expect("signed");
    drop(audit);
    std::fs::write(home.path(), older).expect("put back");
    let expect = "rows 21 to 25 are missing at the end: cut off, or an older file was put back";
    assert_eq!(told(&verify(&home.path(), &kept(&[&head]))), [expect]);
}

#[tokio::test]
async fn a_log_that_was_built_anew_is_found_by_a_kept_head_also_under_the_same_key() {
    let (_home, head) = log().await;
    let other = rebuilt("eve", 30).await;
    assert!(verify(&other.path(), &Against::default()).is_sound(), "in itself it is sound");
    let verified = verify(&other.path(), &kept(&[&head]));
    assert_eq!(told(&verified), ["rows 1 to 10 were written anew, with every hash computed anew"]);
    assert_eq!(verified.kept[0].state, KeptState::Contradicted);
}

#[tokio::test]
async fn rows_rewritten_without_the_key_are_found_by_the_heads_inside() {
    let (home, _) = log().await;
    let other = rebuilt("eve", 20).await;
    home.tamper(&format!(
        "ATTACH '{}' AS forged; DELETE FROM records; INSERT INTO records SELECT * FROM forged.records",
        other.path().display()
    ));
    let expect = "rows 1 to 10 were written anew, with every hash computed anew";
    assert_eq!(told(&verify(&home.path(), &Against::default())), [expect]);
}

#[tokio::test]
async fn heads_that_were_changed_or_taken_away_are_found() {
    for (sql, expect) in [
        ("UPDATE heads SET at_ms = 1 WHERE number = 1", "row 10 is signed by a head that is not as it was signed"),
        ("UPDATE heads SET signature = x'00'", "row 10 is signed by a head that is not as it was signed"),
        ("DELETE FROM heads WHERE number = 1", "row 20 is signed by a head before which another one is missing"),
    ] {
        let (home, _) = log().await;
        home.tamper(sql);
        assert_eq!(told(&verify(&home.path(), &Against::default()))[0], expect, "after {sql}");
    }
}

#[tokio::test]
async fn a_log_from_which_all_heads_were_taken_is_found_once_it_is_long() {
    let home = Home::new();
    let audit = home.open();
    let acts = (0..=2 * HEAD_ROWS).map(|_| audit.act(Act::admin("ada", "reload", "x", "ok")));
    for act in acts.collect::<Vec<_>>() {
        act.await.expect("recorded");
    }
    drop(audit);
    home.tamper("DELETE FROM heads");
    let expect = format!("rows 1 to {} are signed by no head: heads were taken away", 2 * HEAD_ROWS + 1);
    assert_eq!(told(&verify(&home.path(), &Against::default())), [expect]);
}

#[tokio::test]
async fn a_replaced_vault_is_noticed_recorded_and_told() {
    let (home, head) = log().await;
    let audit = home.open_as(8);
    assert_eq!(audit.opened().other_key, Some(signer(7).key()));
    let row = audit.list(&crate::Filter::newest(1)).expect("rows").remove(0);
    let act = row.detail.act.expect("an act");
    assert_eq!((act.what.as_str(), act.target), ("audit.other-key", signer(7).key().id()));
    drop(audit);
    let verified = verify(&home.path(), &kept(&[&head]));
    assert!(verified.is_sound());
    assert_eq!(verified.keys, [signer(7).key(), signer(8).key()]);
    let named = Against { key: Some(signer(7).key()), ..Against::default() };
    assert_eq!(told(&verify(&home.path(), &named)), ["row 21 is signed by a head of another key"]);
}

#[tokio::test]
async fn a_log_that_lost_rows_while_nobody_watched_is_noticed_at_the_start() {
    let (home, _) = log().await;
    assert!(!home.open().opened().is_broken);
    home.tamper("DELETE FROM records WHERE sequence > 14");
    let audit = home.open();
    assert!(audit.opened().is_broken);
    // Rows that follow do not cover it up.
    act(&audit, 20).await;
    drop(audit);
    assert_eq!(
        told(&verify(&home.path(), &Against::default())),
        ["rows 11 to 20 were written anew, with every hash computed anew"]
    );
}

#[tokio::test]
async fn a_kept_line_that_was_changed_says_nothing_and_that_is_said() {
    let (home, head) = log().await;
    let changed: KeptHead = head.line().replace("sequence=10", "sequence=11").parse().expect("a head");
    let against = Against { heads: vec![changed], key: None };
    let verified = verify(&home.path(), &against);
    assert!(verified.is_sound());
    assert_eq!(verified.kept[0].state, KeptState::NotSigned);
    let (_other, foreign) = (home, signer(9).head(1, crate::chain::Link::genesis(), 1));
    let (home, _) = log().await;
    assert_eq!(verify(&home.path(), &kept(&[&foreign])).kept[0].state, KeptState::HoldsUnderUnknownKey);
}

#[tokio::test]
async fn a_copy_is_verified_where_nothing_can_be_written_and_is_left_as_it_was() {
    let (home, head) = log().await;
    let folder = tempfile::TempDir::new().expect("a folder");
    let copy = folder.path().join("a copy?.db");
    std::fs::copy(home.path(), &copy).expect("copied");
    let against = Against { key: Some(signer(7).key()), ..kept(&[&head]) };
    assert!(verify(&copy, &against).is_sound());
    assert_eq!(std::fs::read_dir(folder.path()).expect("the folder").count(), 1, "nothing was put beside it");
    assert!(matches!(verify_copy(Path::new("/dev/null"), &against), Err(crate::AuditError::NotAudit { .. })));
}

/// Copies a log that an earlier version made. A request was under way in it.
fn from_fixture(name: &str) -> (Verified, Home) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/tests/fixtures").join(name);
    let home = Home::new();
    std::fs::copy(&fixture, home.path()).expect("copied");
    home.make_private();
    (verify(&fixture, &Against::default()), home)
}

#[tokio::test]
async fn a_log_of_format_1_opens_is_migrated_signed_and_verifies() {
    let (before, home) = from_fixture("format-1.db");
    assert!(before.is_sound() && before.rows == 14 && before.unsigned.is_none(), "{before:?}");
    let audit = home.open();
    assert_eq!(audit.opened().closed_as_unknown, 1);
    let found = audit.verify(&Against::default()).expect("walked");
    assert!(found.is_sound() && found.heads == 1 && found.rows == 15, "{found:?}");
    assert_eq!(audit.list(&crate::Filter::default()).expect("rows").len(), 15);
    let by_value = crate::Filter { value: Some("planted-id".to_owned()), ..Default::default() };
    assert_eq!(audit.list(&by_value).expect("rows").len(), 7, "old rows are found by what they name, too");
}

#[tokio::test]
async fn a_log_of_format_2_opens_and_verifies() {
    let (before, home) = from_fixture("format-2.db");
    assert!(before.is_sound() && before.rows == 12 && before.heads == 2, "{before:?}");
    let audit = home.open();
    assert_eq!((audit.opened().closed_as_unknown, audit.opened().is_broken), (1, false));
    // It ended by a crash: its last row stands after its last head, and that version authenticated none.
    assert_eq!(audit.opened().foreign, Some(crate::ForeignRows { first: 12, last: 12 }));
    let found = audit.verify(&Against::default()).expect("walked");
    assert!(
        found.is_sound() && found.heads == 3 && found.rows == 14 && found.unauthenticated == Some(12),
        "{found:?}"
    );
}

#[test]
fn a_log_of_a_newer_format_is_refused_by_name_and_left_as_it_is() {
    let (_, home) = from_fixture("format-2.db");
    home.database().execute_batch("PRAGMA user_version = 7").expect("written");
    let before = std::fs::read(home.path()).expect("its bytes");
    let error = crate::Audit::open(&home.path(), home.settings()).err().expect("refused");
    assert!(matches!(error, crate::AuditError::NewerFormat { found: 7, known: 4 }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("newer Wardlock")), "{:?}", error.hint());
    assert_eq!(std::fs::read(home.path()).expect("its bytes"), before);
    let against = Against::default();
    let verified = verify_copy(&home.path(), &against);
    assert!(matches!(verified, Err(crate::AuditError::NewerFormat { .. })), "a copy of it is not judged either");
}
