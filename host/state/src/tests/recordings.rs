//! Recordings: bounded, expiring, and gone when nothing wants them kept.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::{Bounds, RecordPlace, RecordQuery, Recordings, SealedRecord, StateError};

const BOUNDS: Bounds = Bounds { keep_ms: 1000, requests: 3, bytes: 100 };
const ALL: RecordQuery<'_> = RecordQuery { workspace: None, request_id: None, limit: 100 };

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("recordings.db")
    }

    fn open(&self) -> Recordings {
        Recordings::open(&self.path()).expect("the recordings")
    }

    /// Every byte that stands in the file and beside it.
    fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.0.path()).expect("a folder");
        files.flat_map(|file| std::fs::read(file.expect("a file").path()).expect("bytes")).collect()
    }
}

fn bounds(of: &[(&str, Bounds)]) -> BTreeMap<String, Bounds> {
    of.iter().map(|(workspace, bounds)| ((*workspace).to_owned(), *bounds)).collect()
}

fn record(workspace: &str, request_id: &str, at_ms: u64, sealed: &[u8]) -> SealedRecord {
    let place = RecordPlace { workspace: workspace.to_owned(), request_id: request_id.to_owned(), at_ms };
    SealedRecord { place, expires_ms: at_ms + BOUNDS.keep_ms, sealed: sealed.to_vec() }
}

fn ids(recordings: &Recordings, now_ms: u64, query: &RecordQuery<'_>) -> Vec<String> {
    let places = recordings.places(now_ms, query).expect("places");
    places.into_iter().map(|place| format!("{}/{}", place.workspace, place.request_id)).collect()
}

#[test]
fn the_newest_stay_within_number_and_bytes_of_their_own_workspace() {
    let home = Home::new();
    let (recordings, both) = (home.open(), bounds(&[("acme", BOUNDS), ("globex", BOUNDS)]));
    let add = |workspace: &str, id: &str, size| {
        recordings.add(&[record(workspace, id, 10, &vec![7; size])], &both).expect("kept");
    };
    ["1", "2", "3", "4"].iter().for_each(|id| add("acme", id, 10));
    add("globex", "1", 10);
    assert_eq!(ids(&recordings, 11, &ALL), ["globex/1", "acme/4", "acme/3", "acme/2"]);
    // Together they are more bytes than one workspace may have, and the other's do not count.
    add("acme", "5", 85);
    assert_eq!(ids(&recordings, 11, &ALL), ["acme/5", "globex/1", "acme/4"]);
    add("acme", "6", 101);
    assert_eq!(ids(&recordings, 11, &RecordQuery { workspace: Some("acme"), ..ALL }), [""; 0], "none fits");
    let of_one = RecordQuery { request_id: Some("1"), ..ALL };
    assert_eq!(ids(&recordings, 11, &of_one), ["globex/1"]);
    let place = recordings.places(11, &of_one).expect("places").remove(0);
    assert_eq!(recordings.sealed(&place).expect("read"), Some(vec![7; 10]));
    let elsewhere = RecordPlace { workspace: "acme".to_owned(), ..place };
    assert_eq!(recordings.sealed(&elsewhere).expect("read"), None);
}

#[test]
fn what_has_expired_is_not_shown_and_goes_and_a_shorter_time_holds_for_all() {
    let home = Home::new();
    let (recordings, own) = (home.open(), bounds(&[("acme", BOUNDS)]));
    recordings.add(&[record("acme", "1", 0, b"a"), record("acme", "2", 500, b"b")], &own).expect("kept");
    assert_eq!(ids(&recordings, 999, &ALL), ["acme/2", "acme/1"]);
    assert_eq!(ids(&recordings, 1000, &ALL), ["acme/2"]);
    recordings.purge(1000, &own, &BTreeSet::new()).expect("purged");
    assert_eq!(recordings.recorded().expect("sums")[0].requests, 1);
    let shorter = bounds(&[("acme", Bounds { keep_ms: 400, ..BOUNDS })]);
    recordings.purge(1000, &shorter, &BTreeSet::new()).expect("purged");
    assert_eq!(recordings.recorded().expect("sums"), []);
}

#[test]
fn a_workspace_that_records_no_more_loses_all_of_it_and_one_that_does_not_load_nothing() {
    let home = Home::new();
    let (recordings, both) = (home.open(), bounds(&[("acme", BOUNDS), ("globex", BOUNDS)]));
    let marked = b"MARKED-BYTES-OF-ACME".repeat(4);
    let kept = [record("acme", "1", 0, &marked), record("globex", "1", 0, b"others")];
    recordings.add(&kept, &both).expect("kept");
    let unknown = BTreeSet::from(["acme".to_owned()]);
    recordings.purge(10, &bounds(&[("globex", BOUNDS)]), &unknown).expect("purged");
    assert_eq!(ids(&recordings, 10, &ALL), ["globex/1", "acme/1"]);
    recordings.purge(10, &bounds(&[("globex", BOUNDS)]), &BTreeSet::new()).expect("purged");
    assert_eq!(ids(&recordings, 10, &ALL), ["globex/1"]);
    let bytes = home.bytes();
    assert!(!bytes.windows(12).any(|found| found == b"MARKED-BYTES"), "what is deleted is overwritten");
    assert!(bytes.windows(6).any(|found| found == b"others"));
}

#[test]
fn the_file_is_private_and_made_only_where_it_is_wanted() {
    let home = Home::new();
    assert!(Recordings::find(&home.path()).expect("looked").is_none());
    assert!(!home.path().exists());
    home.open().add(&[record("acme", "1", 0, b"a")], &BTreeMap::new()).expect("kept");
    let mode = std::fs::metadata(home.path()).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let found = Recordings::find(&home.path()).expect("looked").expect("there");
    assert_eq!(ids(&found, 1, &ALL), ["acme/1"]);
    drop(found);
    std::fs::write(home.path(), [b'x'; 5000]).expect("written");
    assert!(matches!(Recordings::open(&home.path()), Err(StateError::NotState { .. })));
}
