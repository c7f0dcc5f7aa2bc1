//! Tests of the crate as a whole.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use wardlock_core::id::{AgentName, WorkspaceName};

use crate::{AgentToken, AuthenticatedAgent, FileProblem, State, StateError};

mod admitted;
mod drafts;
mod quotas;
mod recordings;
mod several;
mod writes;

struct Home {
    folder: TempDir,
    now: Arc<AtomicU64>,
}

impl Home {
    fn new() -> Self {
        Self { folder: TempDir::new().expect("a folder"), now: Arc::new(AtomicU64::new(1_000)) }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("state.db")
    }

    fn try_open(&self) -> Result<State, StateError> {
        let now = Arc::clone(&self.now);
        State::open(&self.path(), Arc::new(move || now.load(Ordering::Relaxed)))
    }

    /// Opens it, and lets in whom its rows let in.
    fn open(&self) -> State {
        let state = self.try_open().expect("the state");
        state.admit(&state.as_written().expect("read")).expect("admitted");
        state
    }
}

fn agent(name: &str) -> AgentName {
    AgentName::parse(name).expect("a name")
}

fn acme() -> WorkspaceName {
    WorkspaceName::parse("acme").expect("a name")
}

/// Nobody else has to know.
type Told<T> = Result<T, StateError>;

fn add(state: &State, name: &str) -> String {
    try_add(state, name, None).expect("a token").expose_once(str::to_owned)
}

fn try_add(state: &State, name: &str, lifetime_ms: Option<u64>) -> Told<AgentToken> {
    state.add_agent(&agent(name), &acme(), lifetime_ms, |_| Ok(()))
}

fn rotate(state: &State, name: &str, overlap_ms: u64, lifetime_ms: Option<u64>) -> Told<String> {
    let token = state.rotate_agent(&agent(name), overlap_ms, lifetime_ms, |_| Told::Ok(()));
    token.map(|token| token.expose_once(str::to_owned))
}

/// Returns whether there was one.
fn revoke(state: &State, name: &str) -> bool {
    state.revoke(&agent(name), |_| Told::Ok(false)).expect("revoked")
}

fn freeze(state: &State, workspace: Option<&WorkspaceName>) {
    state.freeze(workspace, |_, _| Told::Ok(())).expect("frozen");
}

fn thaw(state: &State, workspace: Option<&WorkspaceName>) -> bool {
    state.thaw(workspace, |_| Told::Ok(false)).expect("thawed")
}

#[test]
fn a_token_tells_its_agent_and_survives_a_restart() {
    let home = Home::new();
    let state = home.open();
    let token = add(&state, "reporter");
    let expect = Some(AuthenticatedAgent { name: agent("reporter"), workspace: acme() });
    assert_eq!(state.authenticate(&token), expect);
    drop(state);
    assert_eq!(home.open().authenticate(&token), expect);
}

#[test]
fn a21_unknown_and_revoked_tokens_are_refused_alike() {
    let home = Home::new();
    let state = home.open();
    let (first, second) = (add(&state, "first"), add(&state, "second"));
    let unknown = add(&Home::new().open(), "elsewhere");
    // The right id with another agent's secret, its check made to fit, is still nobody.
    assert!(revoke(&state, "first"));
    for token in [first.as_str(), &unknown, "", "wl_", "Bearer x", &second[1..], &format!("{second} ")] {
        assert_eq!(state.authenticate(token), None, "{token}");
    }
    drop(state);
    let state = home.open();
    assert_eq!(state.authenticate(&first), None);
    assert!(state.authenticate(&second).is_some());
}

#[test]
fn a21_no_token_is_stored() {
    let home = Home::new();
    let state = home.open();
    let token = add(&state, "reporter");
    let secret = token.split('_').nth(2).expect("the secret").to_owned();
    state.list().expect("agents");
    for file in std::fs::read_dir(home.folder.path()).expect("the folder") {
        let bytes = std::fs::read(file.expect("a file").path()).expect("its bytes");
        assert!(!bytes.windows(secret.len()).any(|part| part == secret.as_bytes()));
    }
}

#[test]
fn names_are_unique_among_the_living() {
    let home = Home::new();
    let state = home.open();
    let old = add(&state, "reporter");
    let again = try_add(&state, "reporter", None);
    assert!(matches!(again, Err(StateError::AgentExists { .. })));
    assert!(revoke(&state, "reporter"));
    assert!(!revoke(&state, "reporter"), "nobody is left");
    let new = add(&state, "reporter");
    assert_eq!(state.authenticate(&old), None);
    assert!(state.authenticate(&new).is_some());
    assert_eq!(state.list().expect("agents").len(), 2);
}

#[test]
fn last_use_reaches_the_disk_lazily() {
    let home = Home::new();
    let state = home.open();
    let token = add(&state, "reporter");
    assert_eq!(state.list().expect("agents")[0].last_used_ms, None);
    home.now.store(5_000, Ordering::Relaxed);
    state.authenticate(&token).expect("the agent");
    drop(state);
    let state = home.open();
    state.note_agent(&agent("reporter"), "nightly").expect("noted");
    let listed = &state.list().expect("agents")[0];
    assert_eq!((listed.created_ms, listed.last_used_ms), (1_000, Some(5_000)));
    assert_eq!(listed.note.as_deref(), Some("nightly"));
}

#[test]
fn settings_are_kept() {
    let home = Home::new();
    home.open().set_setting("a", "1").expect("kept");
    home.open().set_setting("a", "2").expect("kept");
    assert_eq!(home.open().setting("a").expect("read").as_deref(), Some("2"));
    assert_eq!(home.open().setting("b").expect("read"), None);
}

#[test]
fn a_file_that_others_can_read_is_refused() {
    let home = Home::new();
    drop(home.open());
    let mode = std::fs::metadata(home.path()).expect("the file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o640)).expect("changed");
    let error = home.try_open().err().expect("refused");
    assert!(matches!(error, StateError::File { problem: FileProblem::Exposed { mode: 0o640 }, .. }), "{error}");
}

#[test]
fn foreign_and_newer_files_are_refused_by_name() {
    let home = Home::new();
    drop(home.open());
    let database = rusqlite::Connection::open(home.path()).expect("the database");
    database.pragma_update(None, "user_version", 7).expect("changed");
    let error = home.try_open().err().expect("refused");
    assert_eq!(error.to_string(), "the state is in format 7, and this Wardlock knows formats up to 6");
    database.pragma_update(None, "application_id", 1).expect("changed");
    assert!(matches!(home.try_open(), Err(StateError::NotState { .. })));
    drop(database);
    std::fs::write(home.path(), [b'x'; 5000]).expect("written");
    assert!(matches!(home.try_open(), Err(StateError::NotState { .. })));
}

#[test]
fn file_that_was_cut_short_is_no_fresh_start() {
    let home = Home::new();
    drop(home.open());
    std::fs::write(home.path(), b"x").expect("written");
    let error = home.try_open().err().expect("refused");
    assert!(matches!(error, StateError::File { problem: FileProblem::Cut { bytes: 1 }, .. }), "{error}");
}

#[test]
fn an_expired_token_is_refused_and_a_rotated_one_lives_as_long_as_was_said() {
    let home = Home::new();
    let set = |ms| home.now.store(ms, Ordering::Relaxed);
    let state = home.open();
    let first = try_add(&state, "reporter", Some(500_000)).expect("a token").expose_once(str::to_owned);
    assert!(state.authenticate(&first).is_some());
    // An overlap is no longer than the token would have lived.
    let second = rotate(&state, "reporter", 10_000_000, None).expect("a token");
    for state in [state.clone(), home.open()] {
        set(500_999);
        assert!(state.authenticate(&first).is_some() && state.authenticate(&second).is_some());
        set(501_000);
        assert!(state.authenticate(&first).is_none() && state.authenticate(&second).is_some());
    }
    let third = rotate(&state, "reporter", 0, Some(100_000)).expect("a token");
    assert!(state.authenticate(&second).is_none(), "no overlap was asked for");
    assert!(state.authenticate(&third).is_some());
    assert_eq!(state.list().expect("agents").iter().filter(|agent| agent.replaced).count(), 2);
    let fourth = rotate(&state, "reporter", 100_000, None).expect("a token");
    assert!(revoke(&state, "reporter"));
    assert!(state.authenticate(&third).is_none() && state.authenticate(&fourth).is_none(), "both are revoked");
    assert!(matches!(rotate(&state, "reporter", 0, None), Err(StateError::NoAgent { .. })));
    let _unused = try_add(&state, "reporter", None).expect("the name may be given anew");
}

#[test]
fn a_clock_that_is_set_back_brings_no_expired_token_to_life() {
    let home = Home::new();
    home.now.store(1_700_000_000_000, Ordering::Relaxed);
    let state = home.open();
    let lifetime_ms = 40;
    let token = try_add(&state, "reporter", Some(lifetime_ms)).expect("a token");
    let token = token.expose_once(str::to_owned);
    // A year ahead it has ended; a year back it has ended as soon as its time is over by the clock that does not jump.
    home.now.store(1_731_536_000_000, Ordering::Relaxed);
    assert!(state.authenticate(&token).is_none());
    home.now.store(1_668_464_000_000, Ordering::Relaxed);
    std::thread::sleep(std::time::Duration::from_millis(2 * lifetime_ms));
    assert!(state.authenticate(&token).is_none());
    // Whoever is added then lives as long as was said.
    let other = try_add(&state, "other", Some(60_000)).expect("a token").expose_once(str::to_owned);
    assert!(state.authenticate(&other).is_some());
}

#[test]
fn a_freeze_outlives_a_restart_and_holds_what_it_names() {
    let home = Home::new();
    let globex = WorkspaceName::parse("globex").expect("a name");
    freeze(&home.open(), Some(&acme()));
    let state = home.open();
    assert!(state.is_frozen(&acme()) && !state.is_frozen(&globex));
    freeze(&state, None);
    assert!(home.open().is_frozen(&globex));
    assert!(thaw(&state, None) && !thaw(&state, None));
    assert!(state.is_frozen(&acme()) && !state.is_frozen(&globex), "its own freeze stays");
    assert!(thaw(&state, Some(&acme())));
    assert!(!home.open().is_frozen(&acme()) && state.frozen().is_empty());
}

const REPORTER: &str = "wl_te0I8tXdjt_jMrqp43ePAUFXwWpgy7SldBxySXXfMyvUwwo4ZcF8LW_3qHY4G";
const REPLACED: &str = "wl_FemLqhuqSa_thZD8QCFYXXwEesFLXhQuhWhq908MhyHEMLTejRj444_2GguUS";
const REPLACING: &str = "wl_sTrt7WxpP7_AROi2iCXFoTnXNK5XqEMFVibKTKX3o98vg97kjgYpQ4_3vSLN7";
const REVOKED: &str = "wl_3fmAij3FcA_yAf3S1WqqFc4H08CU8brS6Zs69bV0iKHEEpnOHs3AzL_2Fg4Sw";

/// Makes a home with the state of an earlier version in it.
fn from_fixture(dump: &str) -> Home {
    let home = Home::new();
    home.now.store(1_700_000_100_000, Ordering::Relaxed);
    let database = rusqlite::Connection::open(home.path()).expect("a database");
    database.execute_batch(dump).expect("what it held");
    drop(database);
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o600)).expect("changed");
    home
}

#[test]
fn a_state_of_every_earlier_format_opens_and_has_everything_in_it() {
    let dumps = [
        include_str!("fixtures/format-1.sql"),
        include_str!("fixtures/format-2.sql"),
        include_str!("fixtures/format-3.sql"),
        include_str!("fixtures/format-5.sql"),
    ];
    for dump in dumps {
        let home = from_fixture(dump);
        drop(home.open());
        let state = home.open();
        let found = state.authenticate(REPORTER).expect("the agent is known");
        assert_eq!((found.name, found.workspace), (agent("reporter"), acme()));
        assert!(state.authenticate(REVOKED).is_none());
        assert_eq!(state.setting("colour").expect("read").as_deref(), Some("green"));
        let rotated = [REPLACED, REPLACING].map(|token| state.authenticate(token).is_some());
        let has_two = dump.contains("frozen");
        assert_eq!(rotated, [has_two; 2], "both tokens of a rotation");
        assert_eq!(state.is_frozen(&WorkspaceName::parse("globex").expect("a name")), has_two);
    }
}

#[test]
fn a_state_of_a_newer_format_is_refused_by_name_and_left_as_it_is() {
    let home = from_fixture(include_str!("fixtures/format-2.sql"));
    let database = rusqlite::Connection::open(home.path()).expect("a database");
    database.execute_batch("PRAGMA user_version = 7").expect("written");
    drop(database);
    let before = std::fs::read(home.path()).expect("its bytes");
    let error = home.try_open().err().expect("refused");
    assert!(matches!(error, StateError::NewerFormat { found: 7, known: 6 }), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("newer Wardlock")), "{:?}", error.hint());
    assert_eq!(std::fs::read(home.path()).expect("its bytes"), before);
    assert_eq!(std::fs::read_dir(home.folder.path()).expect("the folder").count(), 1, "nothing was put beside it");
}

#[test]
fn a_state_that_is_made_otherwise_is_refused() {
    for sql in [
        "CREATE TABLE other (a)",
        "CREATE VIEW other AS SELECT * FROM settings",
        "CREATE INDEX other ON settings (value)",
        "CREATE TRIGGER other AFTER INSERT ON touched BEGIN DELETE FROM touched; END",
        "ALTER TABLE touched RENAME TO t; CREATE VIEW touched AS SELECT * FROM t WHERE 0",
        "ANALYZE",
    ] {
        let home = Home::new();
        drop(home.open());
        let database = rusqlite::Connection::open(home.path()).expect("a database");
        database.execute_batch(sql).expect(sql);
        drop(database);
        let error = home.try_open().err().expect(sql);
        assert!(matches!(error, StateError::OtherSchema { .. }), "{sql}: {error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("backup")), "{:?}", error.hint());
    }
}
