//! Who comes in is what the rows and somebody else say alike, whatever was cut off between the two.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use rusqlite::Connection;
use wardlock_core::admitted::{Admission, Admitted};
use wardlock_core::id::WorkspaceName;

use super::{Home, Told, acme, add, agent, freeze, revoke, rotate, thaw, try_add};
use crate::{State, StateError};

/// Ends a command where a crash would: after somebody else was told, and before the row is durable.
fn cut_off<T>(command: impl FnOnce() -> Told<T>) {
    assert!(catch_unwind(AssertUnwindSafe(|| command().map(drop))).is_err(), "it came to its end");
}

fn crash<T>() -> Told<T> {
    panic!("a crash")
}

/// Opens it, and lets in whom another knows.
fn opened(home: &Home, known: &Admitted) -> State {
    let state = home.try_open().expect("the state");
    state.admit(known).expect("admitted");
    state
}

fn edit(home: &Home, sql: &str) {
    Connection::open(home.path()).expect("the database").execute_batch(sql).expect(sql);
}

/// Whether each living row is what was admitted.
fn confirmed(state: &State) -> Vec<bool> {
    state.list().expect("agents").iter().map(|agent| agent.confirmed).collect()
}

#[test]
fn nobody_comes_in_before_it_is_said_who() {
    let home = Home::new();
    let token = add(&home.open(), "reporter");
    let state = home.try_open().expect("the state");
    assert!(state.authenticate(&token).is_none() && !state.is_agent(&agent("reporter"), &acme()));
    state.admit(&state.as_written().expect("read")).expect("admitted");
    assert!(state.authenticate(&token).is_some());
}

#[test]
fn l10_a_row_lets_in_only_whom_it_let_in_before() {
    for (sql, still) in [
        ("UPDATE agents SET note = 'x', created_ms = 7", true),
        ("UPDATE agents SET workspace = 'globex'", false),
        ("UPDATE agents SET name = 'other'", false),
        ("UPDATE agents SET token_sha256 = zeroblob(32)", false),
        ("UPDATE agents SET token_id = 'another'", false),
    ] {
        let home = Home::new();
        let state = home.open();
        let token = add(&state, "reporter");
        let known = state.as_written().expect("read");
        edit(&home, sql);
        assert_eq!(confirmed(&state), [still], "while it is open: {sql}");
        let state = opened(&home, &known);
        assert_eq!((state.authenticate(&token).is_some(), confirmed(&state)), (still, vec![still]), "{sql}");
    }
}

#[test]
fn l10_the_earlier_of_two_ends_holds_and_a_later_one_is_told() {
    let home = Home::new();
    let state = home.open();
    let token = try_add(&state, "reporter", Some(500_000)).expect("a token").expose_once(str::to_owned);
    let known = state.as_written().expect("read");
    edit(&home, "UPDATE agents SET expires_ms = NULL");
    let state = opened(&home, &known);
    assert!(state.authenticate(&token).is_some());
    assert_eq!(confirmed(&state), [false]);
    home.now.store(501_000, Ordering::Relaxed);
    assert!(state.authenticate(&token).is_none());
    edit(&home, "UPDATE agents SET expires_ms = 300000");
    home.now.store(300_000, Ordering::Relaxed);
    assert!(opened(&home, &known).authenticate(&token).is_none());
}

#[test]
fn l10_whoever_was_moved_gets_no_token_for_elsewhere() {
    let home = Home::new();
    let state = home.open();
    add(&state, "reporter");
    edit(&home, "UPDATE agents SET workspace = 'globex'");
    let token = rotate(&state, "reporter", 0, None).expect("a token");
    assert_eq!(state.authenticate(&token).expect("the agent").workspace, acme());
    edit(
        &home,
        "INSERT INTO agents (token_id, token_sha256, name, workspace, created_ms) \
                 VALUES ('x', zeroblob(32), 'eve', 'acme', 1)",
    );
    assert!(matches!(rotate(&state, "eve", 0, None), Err(StateError::Unconfirmed { .. })));
    assert!(revoke(&state, "eve"), "its row can be revoked");
}

#[test]
fn a_rotation_ends_every_other_token_whichever_the_rows_call_replaced() {
    let home = Home::new();
    let state = home.open();
    let first = add(&state, "reporter");
    let second = rotate(&state, "reporter", 100_000, None).expect("a token");
    for sql in
        ["replaced = 2 WHERE replaced = 0", "replaced = 0 WHERE replaced = 1", "replaced = 1 WHERE replaced = 2"]
    {
        edit(&home, &format!("UPDATE agents SET {sql}"));
    }
    let third = rotate(&state, "reporter", 0, None).expect("a token");
    let lives = [&first, &second, &third].map(|token| state.authenticate(token).is_some());
    assert_eq!(lives, [false, false, true]);
}

#[test]
fn whoever_is_added_ends_a_namesake_whom_the_rows_call_gone() {
    let home = Home::new();
    let state = home.open();
    let before = add(&state, "reporter");
    edit(&home, "UPDATE agents SET revoked_ms = 1");
    let token = add(&state, "reporter");
    assert!(state.authenticate(&before).is_none() && state.authenticate(&token).is_some());
}

#[test]
fn an_addition_that_is_cut_off_leaves_nobody() {
    let home = Home::new();
    let (state, mut known) = (home.open(), Admitted::default());
    cut_off(|| {
        state.add_agent(&agent("reporter"), &acme(), None, |Admission { token_id, token, .. }| {
            known.tokens.insert(token_id.clone(), token.clone());
            crash()
        })
    });
    drop(state);
    let state = opened(&home, &known);
    assert!(state.list().expect("agents").is_empty() && !state.is_agent(&agent("reporter"), &acme()));
    let token = add(&state, "reporter");
    assert!(state.authenticate(&token).is_some(), "the name is free");
}

#[test]
fn a_rotation_that_is_cut_off_ends_the_old_token_and_can_be_done_again() {
    let home = Home::new();
    let state = home.open();
    let old = add(&state, "reporter");
    let mut known = state.as_written().expect("read");
    cut_off(|| {
        state.rotate_agent(&agent("reporter"), 100_000, None, |Admission { token_id, token, others_end_ms }| {
            known.tokens.values_mut().for_each(|other| other.expires_ms = Some(*others_end_ms));
            known.tokens.insert(token_id.clone(), token.clone());
            crash()
        })
    });
    drop(state);
    let state = opened(&home, &known);
    assert!(state.authenticate(&old).is_some());
    home.now.store(200_000, Ordering::Relaxed);
    assert!(state.authenticate(&old).is_none());
    let new = rotate(&state, "reporter", 0, None).expect("a token");
    assert!(state.authenticate(&new).is_some());
}

#[test]
fn l10_a_revocation_that_is_cut_off_is_one() {
    let home = Home::new();
    let state = home.open();
    let token = add(&state, "reporter");
    cut_off(|| state.revoke(&agent("reporter"), |_| crash()));
    assert!(state.authenticate(&token).is_none(), "at once");
    drop(state);
    // By now nobody else knows it.
    let state = opened(&home, &Admitted::default());
    assert!(state.authenticate(&token).is_none());
    assert_eq!(confirmed(&state), [false]);
    assert!(revoke(&state, "reporter"), "it is finished");
    assert_eq!(confirmed(&state), [true]);
}

#[test]
fn revoking_what_only_one_of_both_knows_is_done_and_told() {
    let home = Home::new();
    let state = home.open();
    assert!(state.revoke(&agent("reporter"), |_| Told::Ok(true)).expect("revoked"), "somebody knew it");
    let token = add(&state, "reporter");
    let failed = state.revoke(&agent("reporter"), |name| Err(StateError::NoAgent { name: name.clone() }));
    assert!(failed.is_err() && state.authenticate(&token).is_none(), "told, and revoked all the same");
    assert!(home.open().authenticate(&token).is_none());
}

#[test]
fn tokens_that_let_nobody_in_are_forgotten() {
    let home = Home::new();
    let state = home.open();
    add(&state, "gone");
    try_add(&state, "ended", Some(50)).expect("a token").expose_once(|_| ());
    add(&state, "rotated");
    rotate(&state, "rotated", 50, None).expect("a token");
    let mut known = state.as_written().expect("read");
    let orphan = known.tokens.values().find(|token| token.agent == agent("gone")).expect("a token").clone();
    known.tokens.insert("orphan".to_owned(), orphan);
    assert!(revoke(&state, "gone"));
    home.now.store(10_000, Ordering::Relaxed);
    let spent = home.try_open().expect("the state").admit(&known).expect("admitted");
    let mut names: Vec<&str> = spent.iter().map(|id| known.tokens[id].agent.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["gone", "rotated"], "what is revoked, and what is replaced and has ended");
    assert!(!spent.contains(&"orphan".to_owned()), "it lets nobody in, and may be a row's that comes back");
    rotate(&opened(&home, &known), "ended", 0, None).expect("one that has ended can still get another");
}

#[test]
fn frozen_is_what_either_says() {
    let home = Home::new();
    let globex = WorkspaceName::parse("globex").expect("a name");
    let state = home.open();
    freeze(&state, Some(&acme()));
    edit(&home, "DELETE FROM frozen; INSERT INTO frozen VALUES ('globex', 1)");
    assert!(state.is_frozen(&acme()));
    assert_eq!(state.frozen_without_row().expect("read"), ["acme"]);
    let known = Admitted { frozen: [("acme".to_owned(), 1_000)].into(), ..Admitted::default() };
    let state = opened(&home, &known);
    assert!(state.is_frozen(&acme()) && state.is_frozen(&globex));
    assert_eq!(state.frozen_without_row().expect("read"), ["acme"]);
    assert!(state.thaw(Some(&acme()), |_| Told::Ok(true)).expect("thawed") && thaw(&state, Some(&globex)));
    assert!(state.frozen().is_empty());
}

#[test]
fn l10_a_freeze_or_a_thaw_that_is_cut_off_is_a_freeze() {
    let home = Home::new();
    let state = home.open();
    let mut known = Admitted::default();
    cut_off(|| {
        state.freeze(Some(&acme()), |name, since_ms| {
            known.frozen.insert(name.to_owned(), since_ms);
            crash()
        })
    });
    assert!(state.is_frozen(&acme()) && opened(&home, &known).is_frozen(&acme()));
    freeze(&state, Some(&acme()));
    cut_off(|| state.thaw(Some(&acme()), |_| crash()));
    assert!(state.is_frozen(&acme()) && opened(&home, &Admitted::default()).is_frozen(&acme()));
}
