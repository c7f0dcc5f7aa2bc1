//! The write-ahead log and disks that fail to sync: a page that counts as moved into the file may be on no disk.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rusqlite::{Connection, ffi};

use super::support::{Home, signer};
use crate::entry::Durability;
use crate::files;
use crate::limits::Limits;
use crate::log::Log;
use crate::mover::Mover;
use crate::rotate::{RotateAfter, Rotation};
use crate::wal::Wal;
use crate::{Act, Against};

fn open(home: &Home) -> Log {
    let limits = Limits { busy: Duration::ZERO, ..Limits::default() };
    Log::open(&home.path(), None, &signer(7), limits).expect("a log").0
}

fn beside(home: &Home) -> PathBuf {
    home.path().with_extension("db-wal")
}

fn write(log: &mut Log, rows: usize) -> rusqlite::Result<u64> {
    let entries: Vec<_> =
        (0..rows).map(|_| Act::admin("ada", "reload", "x".repeat(400), "ok").into_entry()).collect();
    log.commit(entries.iter(), || 1_700_000_000_000)
}

/// Writes 400 rows, of which a reader lets half be moved into the file. The disk loses what was moved, and the sync that would have told of
/// it fails. Returns the reader.
fn lose(home: &Home, log: &mut Log) -> Connection {
    write(log, 200).expect("written");
    let kept = home.folder.path().join("before");
    std::fs::copy(home.path(), &kept).expect("copied");
    let reader = home.database();
    reader.execute_batch("BEGIN; SELECT count(*) FROM records").expect("a snapshot");
    write(log, 200).expect("written");
    let (all, moved): (i64, i64) = log
        .connection
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| Ok((row.get(1)?, row.get(2)?)))
        .expect("a checkpoint");
    assert!(0 < moved && moved < all, "{moved} of {all}");
    // In a process of its own: to close a file lets go of all the locks that its process has on it.
    let lost = Command::new("cp").arg("--").arg(&kept).arg(home.path()).status().expect("`cp` runs");
    assert!(lost.success());
    let failed = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None);
    assert!(log.wal.written::<()>(Err(failed)).is_err());
    reader.execute_batch("COMMIT").expect("read");
    reader
}

#[track_caller]
fn assert_whole(home: &Home, rows: u64) {
    let verified = home.open().verify(&Against::default()).expect("walked");
    assert!(verified.is_sound() && verified.rows == rows, "{verified:?}");
}

#[test]
fn what_was_moved_without_a_sync_is_moved_again_after_one_that_failed() {
    let home = Home::new();
    let mut log = open(&home);
    drop(lose(&home, &mut log));
    assert_eq!(write(&mut log, 1).expect("written"), 401);
    drop(log);
    assert!(!beside(&home).exists(), "all of it is in the file");
    assert_whole(&home, 401);
}

#[test]
fn rows_wait_for_whoever_keeps_what_counts_as_moved() {
    let home = Home::new();
    let mut log = open(&home);
    let reader = lose(&home, &mut log);
    for _ in 0..2 {
        let error = write(&mut log, 1).expect_err("refused");
        assert_eq!(error.sqlite_error_code(), Some(rusqlite::ErrorCode::DatabaseBusy), "{error}");
    }
    drop(reader);
    assert_eq!(write(&mut log, 1).expect("written"), 401);
    drop(log);
    assert_whole(&home, 401);
}

#[test]
fn a_log_that_is_closed_after_a_sync_that_failed_leaves_it_to_the_next_start() {
    let home = Home::new();
    let mut log = open(&home);
    drop(lose(&home, &mut log));
    drop(log);
    assert!(beside(&home).exists(), "nothing is trusted that was moved");
    let mut log = open(&home);
    assert_eq!(write(&mut log, 1).expect("written"), 401);
    drop(log);
    assert_whole(&home, 401);
}

#[test]
fn a_reader_that_closes_it_last_leaves_it_to_the_next_start() {
    let home = Home::new();
    let audit = home.open();
    let mut log = open(&home);
    let reader = lose(&home, &mut log);
    let readers = audit.readers().expect("readers");
    drop((log, reader, audit));
    drop(readers);
    assert!(beside(&home).exists(), "nothing is trusted that was moved");
    assert_whole(&home, 400);
}

#[test]
fn rows_that_are_gone_when_the_file_is_opened_again_are_missed() {
    let home = Home::new();
    let mut log = open(&home);
    drop(lose(&home, &mut log));
    // The disk has lost the end of the `-wal`, too.
    let length = std::fs::metadata(beside(&home)).expect("a file").len();
    let cut = Command::new("truncate").arg("-s").arg((length / 2).to_string()).arg(beside(&home)).status();
    assert!(cut.expect("`truncate` runs").success());
    for _ in 0..2 {
        let error = write(&mut log, 1).expect_err("refused");
        assert!(error.to_string().contains("not in the file any more"), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_moved_beside_the_rows_and_begins_anew() {
    const FRAMES: i64 = 200;

    let home = Home::new();
    let audit = home.try_open(Limits { wal_frames: FRAMES, ..Limits::default() }).expect("the audit");
    let mut longest = 0;
    for _ in 0..30 {
        let acts = (0..100).map(|_| {
            let (audit, target) = (audit.clone(), "x".repeat(500));
            tokio::spawn(async move { audit.act(Act::admin("ada", "reload", target, "ok")).await })
        });
        for act in acts.collect::<Vec<_>>() {
            act.await.expect("done").expect("recorded");
        }
        longest = longest.max(std::fs::metadata(beside(&home)).expect("a file").len());
    }
    let verified = audit.verify(&Against::default()).expect("walked");
    assert!(verified.is_sound() && verified.rows == 3000, "{verified:?}");
    // All of the rows are some thousand frames. It never held many more than those for which rows wait.
    let whole = std::fs::metadata(home.path()).expect("a file").len();
    assert!(whole > 2 << 20, "{whole} bytes are moved into the file");
    assert!(longest < 4 * FRAMES.unsigned_abs() * 4120 + (1 << 20), "the write-ahead log came to {longest} bytes");
    drop(audit);
    assert!(!beside(&home).exists(), "all of it is in the file");
    assert_whole(&home, 3000);
}

#[test]
fn a_sync_that_fails_beside_the_rows_is_learnt_before_the_next_row() {
    let home = Home::new();
    let mut log = open(&home);
    drop(lose(&home, &mut log));
    // What the disk lost was not learnt by the writing thread, but by the other one.
    let failed = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None);
    let moving = Mover::Moving(std::thread::spawn({
        let connection = home.database();
        move || (connection, Err(failed))
    }));
    log.wal = Wal::moved_by(moving);
    assert_eq!(write(&mut log, 1).expect("written"), 401);
    drop(log);
    assert_whole(&home, 401);
}

#[test]
fn a_file_that_rotates_waits_for_what_is_moved_beside_it() {
    let home = Home::new();
    let limits = Limits { wal_frames: 50, busy: Duration::ZERO, ..Limits::default() };
    let rotation = Rotation { after: Some(RotateAfter::Bytes(1 << 20)), keep: None };
    let mut log = Log::open(&home.path(), None, &signer(7), limits).expect("a log").0;
    for _ in 0..40 {
        write(&mut log, 100).expect("written");
        log.sign(&signer(7), 1_700_000_000_000, Durability::Crash).expect("signed");
        log.tidy();
        log.maintain(rotation, &signer(7), None, &|| 1_700_000_000_000).expect("maintained");
    }
    drop(log);
    let files = files::all(&home.path()).expect("files");
    assert!(files.len() > 2, "{files:?}");
    for file in files {
        assert!(!file.path.with_extension("db-wal").exists(), "{file:?}");
    }
    assert_whole(&home, 4000);
}
