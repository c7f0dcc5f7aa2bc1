//! Disks that are full or read-only: one clear refusal, and it goes on by itself. Each test mounts a small file system
//! in a mount namespace of its own, and runs itself once more in there.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use wardlock_core::answer::Outcome;

use super::support::{Home, finished, read_permit, write_permit};
use crate::limits::Limits;
use crate::{Against, Audit, AuditError, FileProblem, Separation};

/// Says, in the namespace, where the small disk is.
const MOUNTED: &str = "WARDLOCK_TEST_DISK";

/// Runs a test in a namespace with a small disk; returns the disk's folder when this is already there.
fn on_small_disk(test: &str) -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os(MOUNTED) {
        return Some(folder.into());
    }
    let folder = tempfile::TempDir::new().expect("a folder");
    let script = format!("mount -t tmpfs -o size=4m,mode=700 tmpfs \"${MOUNTED}\" && exec \"$0\" --exact \"$1\"");
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .arg(std::env::current_exe().expect("this program"))
        .arg(format!("tests::disk::{test}"))
        .env(MOUNTED, folder.path())
        .output()
        .expect("`unshare` of util-linux runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    None
}

/// Fills the disk to the last byte.
fn fill(folder: &Path) -> PathBuf {
    use std::io::Write as _;

    let filler = folder.join("filler");
    let mut file = std::fs::File::create(&filler).expect("a file");
    for size in [1 << 16, 1 << 10, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
    filler
}

async fn until_refused(audit: &Audit) -> AuditError {
    for _ in 0..1000 {
        match audit.intend(&read_permit(2), Separation::None, Duration::ZERO, &[]).await {
            // The outcome finds the disk full, too, and is kept until it is not.
            Ok((_receipt, guard)) => drop(guard.finish(finished(Outcome::Ok)).await),
            Err(error) => return error,
        }
    }
    panic!("the disk is full, and nothing is refused");
}

async fn until_recorded(audit: &Audit) {
    for _ in 0..200 {
        if let Ok((_receipt, guard)) = audit.intend(&read_permit(3), Separation::None, Duration::ZERO, &[]).await
            && guard.finish(finished(Outcome::Ok)).await.is_ok()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("there is space again, and it does not go on");
}

#[tokio::test]
async fn a_full_disk_refuses_by_name_and_it_goes_on_once_there_is_space() {
    let Some(folder) = on_small_disk("a_full_disk_refuses_by_name_and_it_goes_on_once_there_is_space") else {
        return;
    };
    let home = Home::new();
    let audit = Audit::open(&folder.join("audit.db"), home.settings()).expect("the audit");
    let (_receipt, guard) =
        audit.intend(&write_permit(1), Separation::None, Duration::ZERO, &[]).await.expect("recorded");
    let filler = fill(&folder);
    let error = until_refused(&audit).await;
    assert!(matches!(&error, AuditError::Write(_)), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("the disk is full")), "{:?}", error.hint());
    let refused = audit.intend(&write_permit(4), Separation::None, Duration::ZERO, &[]).await;
    assert!(refused.is_err(), "writes and reads alike");
    assert!(guard.finish(finished(Outcome::Ok)).await.is_err(), "its row waits");
    std::fs::remove_file(filler).expect("removed");
    until_recorded(&audit).await;
    audit.drain().await.expect("drained");
    let found = audit.verify(&Against::default()).expect("walked");
    assert!(found.is_sound() && found.open_intents == 0, "every intent has its outcome: {found:?}");
}

#[tokio::test]
async fn a_full_disk_under_the_mirror_refuses_by_name_and_it_goes_on_once_there_is_space() {
    let test = "a_full_disk_under_the_mirror_refuses_by_name_and_it_goes_on_once_there_is_space";
    let Some(folder) = on_small_disk(test) else {
        return;
    };
    let home = Home::new();
    let mut settings = home.settings();
    settings.mirror = Some(folder.join("mirror.jsonl"));
    let audit = Audit::open_with(&home.path(), settings, Limits::default()).expect("the audit");
    let filler = fill(&folder);
    let error = until_refused(&audit).await;
    assert!(matches!(&error, AuditError::Mirror { .. }), "{error}");
    std::fs::remove_file(filler).expect("removed");
    until_recorded(&audit).await;
    audit.drain().await.expect("drained");
    let mirror = std::fs::read_to_string(folder.join("mirror.jsonl")).expect("the mirror");
    let rows = mirror.lines().filter(|line| line.contains("\"sequence\":")).count();
    assert_eq!(rows as u64, audit.count().expect("counted"), "not a row is missing, and none is there twice");
    assert!(audit.verify(&Against::default()).expect("walked").is_sound());
}

#[test]
fn a_read_only_disk_is_refused_by_name_at_the_start() {
    let Some(folder) = on_small_disk("a_read_only_disk_is_refused_by_name_at_the_start") else {
        return;
    };
    let remount = |how: &str| {
        let status = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&folder).status();
        assert!(status.expect("`mount` runs").success());
    };
    let home = Home::new();
    let open = || Audit::open(&folder.join("audit.db"), home.settings());
    drop(open().expect("the audit"));
    remount("ro");
    let error = open().err().expect("refused");
    assert!(
        matches!(&error, AuditError::File { problem, .. } if matches!(**problem, FileProblem::Open(_))),
        "{error}"
    );
    assert!(error.hint().is_some_and(|hint| hint.contains("read-only")), "{:?}", error.hint());
    remount("rw");
    drop(open().expect("the audit"));
}
