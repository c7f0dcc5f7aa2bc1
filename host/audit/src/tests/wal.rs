//! The write-ahead log and disks that fail to sync: a page that counts as moved into the file may be on no disk.

use std::os::unix::fs::PermissionsExt as _;
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
use crate::{Act, Against, AuditError};

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
fn rows_do_not_wait_for_those_who_read_then() {
    let home = Home::new();
    let mut log = open(&home);
    let reader = lose(&home, &mut log);
    reader.execute_batch("BEGIN; SELECT count(*) FROM records").expect("a snapshot");
    assert_eq!(write(&mut log, 1).expect("written"), 401);
    reader.execute_batch("COMMIT").expect("read");
    drop((log, reader));
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
fn rows_that_the_disk_has_lost_are_missed() {
    for is_cut in [true, false] {
        let home = Home::new();
        let mut log = open(&home);
        drop(lose(&home, &mut log));
        let half = std::fs::metadata(beside(&home)).expect("a file").len() / 2;
        // The disk has lost the end of the `-wal`, too, or a page of it.
        let script = if is_cut {
            "truncate -s $2 \"$1\""
        } else {
            "dd if=/dev/zero of=\"$1\" bs=1 seek=$2 count=4096 conv=notrunc status=none"
        };
        let lost = Command::new("sh").args(["-c", script, "sh"]).arg(beside(&home)).arg(half.to_string()).status();
        assert!(lost.expect("`sh` runs").success());
        for _ in 0..2 {
            let error = write(&mut log, 1).expect_err("refused");
            assert!(error.to_string().contains("lost rows that were written"), "{error}");
        }
    }
}

/// Writes rows until most of the `-wal` is moved beside them, and returns how many.
fn until_moved_beside(log: &mut Log) -> u64 {
    let mut rows = 0;
    while !log.wal.has_mover() {
        assert!(rows < 10_000, "nothing is moved beside them");
        write(log, 100).expect("written");
        log.tidy();
        rows += 100;
    }
    rows
}

fn with_short_wal(home: &Home) -> Log {
    let limits = Limits { wal_frames: 100, last_frames: 20, busy: Duration::ZERO, ..Limits::default() };
    Log::open(&home.path(), None, &signer(7), limits).expect("a log").0
}

#[test]
fn most_of_it_is_moved_beside_the_rows_and_it_begins_anew() {
    let home = Home::new();
    let mut log = with_short_wal(&home);
    let mut rows = until_moved_beside(&mut log);
    let mut longest = 0;
    for _ in 0..40 {
        write(&mut log, 50).expect("written");
        log.tidy();
        rows += 50;
        longest = longest.max(std::fs::metadata(beside(&home)).expect("a file").len());
    }
    // Four times as much as it may hold, and the rows of one turn.
    assert!(longest < 4 * 100 * 4120 + (1 << 20), "the write-ahead log came to {longest} bytes");
    let whole = std::fs::metadata(home.path()).expect("a file").len();
    assert!(whole > 1 << 20, "{whole} bytes are moved into the file");
    drop(log);
    assert!(!beside(&home).exists(), "all of it is in the file");
    assert_whole(&home, rows);
}

#[test]
fn a_sync_that_fails_beside_the_rows_is_learnt_before_the_next_row() {
    let home = Home::new();
    let mut log = open(&home);
    drop(lose(&home, &mut log));
    // What the disk lost was not learnt by the writing thread, but by the other one.
    let failed = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_IOERR_FSYNC), None);
    let connection = home.database();
    log.wal.moved_by(Mover::Moving(std::thread::spawn(move || (connection, Err(failed)))));
    assert_eq!(write(&mut log, 1).expect("written"), 401);
    drop(log);
    assert_whole(&home, 401);
}

#[test]
fn a_file_that_rotates_waits_for_what_is_moved_beside_it() {
    let home = Home::new();
    let rotation = Rotation { after: Some(RotateAfter::Bytes(1 << 20)), keep: None };
    let mut log = with_short_wal(&home);
    let (mut rows, mut moved) = (0, 0);
    while files::all(&home.path()).expect("files").len() < 4 {
        rows += until_moved_beside(&mut log);
        log.sign(&signer(7), 1_700_000_000_000, Durability::Crash).expect("signed");
        moved += u64::from(log.wal.has_mover());
        log.maintain(rotation, &signer(7), None, &|| 1_700_000_000_000).expect("maintained");
        // Those that stay in this file are moved again.
        log.wal.stop_moving();
    }
    drop(log);
    assert!(moved >= 3, "something was moved when a file ended");
    for file in files::all(&home.path()).expect("files") {
        assert!(!file.path.with_extension("db-wal").exists(), "{file:?}");
    }
    assert_whole(&home, rows);
}

#[test]
fn a_file_that_was_made_and_not_gone_on_in_is_given_up() {
    let home = Home::new();
    let rotation = Rotation { after: Some(RotateAfter::Bytes(1)), keep: None };
    let mut log = open(&home);
    write(&mut log, 5).expect("written");
    log.sign(&signer(7), 1_700_000_000_000, Durability::Power).expect("signed");
    // The next file cannot be begun, so rows go on in this one.
    let next = files::file(&home.path(), 2);
    let begun = home.folder.path().join("begun");
    for is_begun in [false, true] {
        if is_begun {
            std::fs::copy(&begun, &next.path).expect("copied");
        } else {
            std::fs::create_dir(&next.path).expect("a folder in its place");
            let error = log.maintain(rotation, &signer(7), None, &|| 1).expect_err("it cannot go on there");
            assert!(matches!(error, AuditError::Read(_) | AuditError::File { .. }), "{error}");
            std::fs::remove_dir(&next.path).expect("removed");
            std::fs::File::create(&next.path).expect("an empty file, as a crash leaves it");
        }
        std::fs::set_permissions(&next.path, std::fs::Permissions::from_mode(0o600)).expect("changed");
        write(&mut log, 5).expect("written");
        drop(log);
        log = open(&home);
        assert!(!next.path.exists(), "it is removed at the next start");
        assert_eq!(log.file.number, 1);
        log.sign(&signer(7), 1_700_000_000_000, Durability::Power).expect("signed");
        if !is_begun {
            // One that was begun, before rows went on in the first again.
            let mut other = open(&home);
            other.maintain(rotation, &signer(7), None, &|| 1).expect("maintained");
            drop(other);
            std::fs::rename(&next.path, &begun).expect("moved");
        }
    }
    // One that is in the way when it is time has no rows, and is made anew.
    std::fs::copy(&begun, &next.path).expect("copied");
    log.maintain(rotation, &signer(7), None, &|| 1).expect("maintained");
    assert_eq!(log.file.number, 2);
    assert_eq!(write(&mut log, 1).expect("written"), 16);
    drop(log);
    assert_whole(&home, 16);
}

#[test]
fn a_damaged_file_that_has_ended_keeps_no_log_from_going_on() {
    let home = Home::new();
    let rotation = Rotation { after: Some(RotateAfter::Bytes(1)), keep: None };
    let mut log = open(&home);
    write(&mut log, 5).expect("written");
    log.sign(&signer(7), 1_700_000_000_000, Durability::Power).expect("signed");
    log.maintain(rotation, &signer(7), None, &|| 1).expect("maintained");
    write(&mut log, 5).expect("written");
    drop(log);
    let damaged = vec![0xff; 8192];
    std::fs::write(home.path(), damaged).expect("written");
    let mut log = open(&home);
    assert_eq!((log.file.number, write(&mut log, 1).expect("written")), (2, 11));
}

#[test]
fn the_wal_is_written_again_whoever_reads_in_it() {
    let home = Home::new();
    let mut log = open(&home);
    let reader = lose(&home, &mut log);
    reader.execute_batch("BEGIN; SELECT count(*) FROM records").expect("a snapshot");
    let long_ago = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let touched = std::fs::File::options().write(true).open(beside(&home)).expect("a file");
    touched.set_modified(long_ago).expect("set");
    log.prepare().expect("put on the disk again");
    let modified = std::fs::metadata(beside(&home)).expect("a file").modified().expect("a time");
    assert!(modified > long_ago, "what is not written again is on no disk, although a sync says so");
}

#[test]
fn a_file_ends_only_once_what_stands_in_it_is_on_the_disk() {
    let home = Home::new();
    let rotation = Rotation { after: Some(RotateAfter::Bytes(1)), keep: None };
    let mut log = open(&home);
    write(&mut log, 5).expect("written");
    log.sign(&signer(7), 1_700_000_000_000, Durability::Power).expect("signed");
    // It cannot be synced by its name: a link stands there.
    let aside = home.folder.path().join("aside");
    std::fs::rename(beside(&home), &aside).expect("moved");
    std::os::unix::fs::symlink(&aside, beside(&home)).expect("a link");
    let error = log.maintain(rotation, &signer(7), None, &|| 1).expect_err("not synced");
    assert!(matches!(error, AuditError::Write(_)) && log.file.number == 1, "{error}");
    std::fs::rename(&aside, beside(&home)).expect("moved back");
    log.maintain(rotation, &signer(7), None, &|| 1).expect("maintained");
    assert_eq!((log.file.number, write(&mut log, 1).expect("written")), (2, 6));
    drop(log);
    assert_whole(&home, 6);
}
