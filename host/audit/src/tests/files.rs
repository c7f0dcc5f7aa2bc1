//! The file itself: whose it is, and what it is.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use super::support::Home;
use crate::limits::Limits;
use crate::{AuditError, FileProblem};

fn refused(home: &Home) -> AuditError {
    home.try_open(Limits::default()).err().expect("refused")
}

#[test]
fn every_file_is_ours_alone() {
    let home = Home::new();
    let _audit = home.open();
    for file in std::fs::read_dir(home.folder.path()).expect("the folder") {
        let file = file.expect("a file");
        let mode = file.metadata().expect("its mode").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[test]
fn the_disk_is_measured_and_nothing_is_left_of_it() {
    let home = Home::new();
    let audit = home.open();
    assert!(audit.opened().sync_time.is_some_and(|time| !time.is_zero()));
    assert!(!home.folder.path().join("audit.db-probe").exists());
}

#[test]
fn l1_a_file_that_others_can_read_is_refused() {
    let home = Home::new();
    drop(home.open());
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o644)).expect("changed");
    let AuditError::File { problem, .. } = refused(&home) else { panic!("another error") };
    assert!(matches!(*problem, FileProblem::Exposed { mode: 0o644 }), "{problem}");
}

#[test]
fn a_link_is_refused() {
    let home = Home::new();
    let elsewhere = home.folder.path().join("elsewhere.db");
    std::fs::write(&elsewhere, b"").expect("written");
    symlink(&elsewhere, home.path()).expect("linked");
    let AuditError::File { problem, .. } = refused(&home) else { panic!("another error") };
    assert!(matches!(*problem, FileProblem::NotRegular), "{problem}");
}

#[test]
fn file_that_was_cut_short_is_no_fresh_start() {
    let home = Home::new();
    drop(home.open());
    std::fs::write(home.path(), b"x").expect("written");
    let AuditError::File { problem, .. } = refused(&home) else { panic!("another error") };
    assert!(matches!(*problem, FileProblem::Cut { bytes: 1 }), "{problem}");
}

#[test]
fn foreign_and_newer_files_are_refused_by_name() {
    let home = Home::new();
    drop(home.open());
    home.database().pragma_update(None, "user_version", 9).expect("changed");
    let error = refused(&home).to_string();
    assert_eq!(error, "the audit is in format 9, and this Wardlock knows formats up to 4");
    home.database().pragma_update(None, "application_id", 1).expect("changed");
    assert!(matches!(refused(&home), AuditError::NotAudit { .. }));
    std::fs::write(home.path(), [b'x'; 5000]).expect("written");
    assert!(matches!(refused(&home), AuditError::NotAudit { .. }));
}

#[test]
fn rows_can_be_neither_changed_nor_removed_by_accident() {
    let home = Home::new();
    drop(home.open());
    let database = home.database();
    let row = "INSERT INTO records (kind, at_ms, detail, prev, hash) VALUES ('admin', 1, '{}', x'', x'')";
    database.execute(row, []).expect("added");
    for sql in ["UPDATE records SET agent = 'x'", "DELETE FROM records"] {
        let error = database.execute(sql, []).expect_err(sql).to_string();
        assert_eq!(error, "audit records are only ever added");
    }
}
