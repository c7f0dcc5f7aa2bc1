//! Tests of the crate as a whole.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tempfile::TempDir;
use wardlock_core::connection::WriteMode;
use wardlock_core::id::{AgentName, ConnectionName, WorkspaceName};

use crate::{AuthenticatedAgent, FileProblem, State, StateError};

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

    fn open(&self) -> State {
        self.try_open().expect("the state")
    }
}

fn agent(name: &str) -> AgentName {
    AgentName::parse(name).expect("a name")
}

fn acme() -> WorkspaceName {
    WorkspaceName::parse("acme").expect("a name")
}

fn add(state: &State, name: &str) -> String {
    state.add_agent(&agent(name), &acme(), None).expect("a token").expose_once(str::to_owned)
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
    state.revoke(&agent("first")).expect("revoked");
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
    let again = state.add_agent(&agent("reporter"), &acme(), None);
    assert!(matches!(again, Err(StateError::AgentExists { .. })));
    state.revoke(&agent("reporter")).expect("revoked");
    assert!(matches!(state.revoke(&agent("reporter")), Err(StateError::NoAgent { .. })));
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
fn writes_are_off() {
    let state = Home::new().open();
    let connection = ConnectionName::parse("zoho").expect("a name");
    assert_eq!(state.write_level(&acme(), &connection), WriteMode::Off);
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
    assert_eq!(error.to_string(), "the state is in format 7, and this Wardlock knows formats up to 2");
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
    let name = agent("reporter");
    let first = state.add_agent(&name, &acme(), Some(500)).expect("a token").expose_once(str::to_owned);
    assert!(state.authenticate(&first).is_some());
    // An overlap is no longer than the token would have lived.
    let second = state.rotate_agent(&name, 10_000, None).expect("a token").expose_once(str::to_owned);
    for state in [state.clone(), home.open()] {
        set(1_499);
        assert!(state.authenticate(&first).is_some() && state.authenticate(&second).is_some());
        set(1_500);
        assert!(state.authenticate(&first).is_none() && state.authenticate(&second).is_some());
    }
    let third = state.rotate_agent(&name, 0, Some(100)).expect("a token").expose_once(str::to_owned);
    assert!(state.authenticate(&second).is_none(), "no overlap was asked for");
    assert!(state.authenticate(&third).is_some());
    assert_eq!(state.list().expect("agents").iter().filter(|agent| agent.replaced).count(), 2);
    let fourth = state.rotate_agent(&name, 100, None).expect("a token").expose_once(str::to_owned);
    state.revoke(&name).expect("revoked");
    assert!(state.authenticate(&third).is_none() && state.authenticate(&fourth).is_none(), "both are revoked");
    assert!(matches!(state.rotate_agent(&name, 0, None), Err(StateError::NoAgent { .. })));
    let _unused = state.add_agent(&name, &acme(), None).expect("the name may be given anew");
}

#[test]
fn a_freeze_outlives_a_restart_and_holds_what_it_names() {
    let home = Home::new();
    let globex = WorkspaceName::parse("globex").expect("a name");
    home.open().freeze(Some(&acme())).expect("frozen");
    let state = home.open();
    assert!(state.is_frozen(&acme()) && !state.is_frozen(&globex));
    state.freeze(None).expect("all frozen");
    assert!(home.open().is_frozen(&globex));
    assert!(state.thaw(None).expect("thawed") && !state.thaw(None).expect("nothing left"));
    assert!(state.is_frozen(&acme()) && !state.is_frozen(&globex), "its own freeze stays");
    assert!(state.thaw(Some(&acme())).expect("thawed"));
    assert!(!home.open().is_frozen(&acme()) && state.frozen().is_empty());
}
