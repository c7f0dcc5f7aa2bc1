//! Several people's words on one draft, and what writes touch in a day.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use super::Home;
use super::drafts::{begin, end, keep};
use crate::{DayLimit, DraftState, State};

const DAY: u64 = 24 * 60 * 60 * 1000;

fn words(state: &State, draft: &str) -> Vec<(String, Vec<u8>)> {
    state.approvals(draft).expect("read")
}

#[test]
fn words_are_kept_while_their_draft_waits_and_used_up_by_its_release() {
    let state = Home::new().open();
    keep(&state, "d1", "a", "x");
    keep(&state, "d2", "a", "y");
    for (operator, sealed) in [("bob", "1"), ("ada", "2"), ("bob", "3")] {
        assert!(state.add_approval("d1", operator, sealed.as_bytes()).expect("written"));
    }
    assert!(!state.add_approval("none", "ada", b"4").expect("written"), "there is no such draft");
    let both = [("ada".to_owned(), b"2".to_vec()), ("bob".to_owned(), b"3".to_vec())];
    assert_eq!(words(&state, "d1"), both);
    assert!(begin(&state, "d1", "x"));
    assert_eq!(words(&state, "d1"), both, "they are what releases it");
    assert!(!state.add_approval("d1", "eve", b"5").expect("written"), "it is under way");
    assert!(end(&state, "d1", DraftState::Held));
    assert_eq!(words(&state, "d1"), [], "it waits for other words");
    state.add_approval("d2", "ada", b"6").expect("written");
    assert!(state.reject_draft("d2", "ada").expect("written"));
    assert_eq!(words(&state, "d2"), []);
}

#[test]
fn a_days_records_are_counted_under_every_bound_or_under_none() {
    let home = Home::new();
    let state = home.open();
    let limit = |what: &str, most| DayLimit { what: what.to_owned(), most, records: 0 };
    let touching = |records: u32, limits: &[DayLimit]| -> Vec<DayLimit> {
        limits.iter().map(|limit| DayLimit { records, ..limit.clone() }).collect()
    };
    let touch = |records, limits: &[DayLimit]| {
        let broken = state.touch("acme", "crm", &touching(records, limits)).expect("written");
        broken.map(|broken| broken.what)
    };
    let today = || state.touched_today("acme", "crm").expect("read");
    let counted = |of: &[(&str, u64)]| -> BTreeMap<String, u64> {
        of.iter().map(|(what, records)| ((*what).to_owned(), *records)).collect()
    };
    let (all, leads) = (limit("", Some(10)), limit("Leads", Some(5)));
    assert_eq!(touch(4, &[all.clone(), leads.clone()]), None);
    assert_eq!(touch(2, &[all.clone(), leads.clone()]), Some("Leads".to_owned()), "4 and 2 are more than 5");
    assert_eq!(today(), counted(&[("", 4), ("Leads", 4)]), "and nothing of it is counted");
    assert_eq!(touch(6, std::slice::from_ref(&all)), None, "up to the bound");
    assert_eq!(touch(1, std::slice::from_ref(&all)), Some(String::new()));
    assert_eq!(touch(7, &[limit("", None)]), None, "what a person approved passes, and is counted");
    assert_eq!(today(), counted(&[("", 17), ("Leads", 4)]));
    assert_eq!(state.touched_today("acme", "other").expect("read"), counted(&[]));

    home.now.store(DAY + 5, Ordering::Relaxed);
    assert_eq!(today(), counted(&[]), "another day");
    assert_eq!(touch(5, &[all.clone(), leads.clone()]), None);
    assert_eq!(today(), counted(&[("", 5), ("Leads", 5)]));
    // Whoever takes rows out of the file takes nothing back from who counted them.
    let other = rusqlite::Connection::open(home.path()).expect("the file");
    other.execute("DELETE FROM touched WHERE what = 'Leads'", []).expect("removed");
    other.execute("UPDATE touched SET records = 0", []).expect("changed");
    assert_eq!(today(), counted(&[("", 5), ("Leads", 5)]));
    assert_eq!(touch(1, &[all.clone(), leads.clone()]), Some("Leads".to_owned()));
    assert_eq!(touch(1, std::slice::from_ref(&all)), None);
    assert_eq!(today(), counted(&[("", 6), ("Leads", 5)]));
    drop(state);
    // The clock is set back: the later day goes on.
    home.now.store(5, Ordering::Relaxed);
    let state = home.open();
    let broken = state.touch("acme", "crm", &touching(6, &[all])).expect("written");
    assert_eq!(broken.map(|broken| broken.what), Some(String::new()));
    assert_eq!(state.touched_today("acme", "crm").expect("read")[""], 6);
}

#[test]
fn rows_that_are_taken_away_take_nothing_back_of_what_was_there_at_opening() {
    let home = Home::new();
    let limit = |records| DayLimit { what: String::new(), most: Some(5), records };
    let touch = |state: &State, records| state.touch("acme", "crm", &[limit(records)]).expect("written");
    assert_eq!(touch(&home.open(), 4), None);
    let state = home.open();
    let other = rusqlite::Connection::open(home.path()).expect("the file");
    other.execute("DELETE FROM touched", []).expect("removed");
    assert_eq!(state.touched_today("acme", "crm").expect("read")[""], 4);
    assert_eq!(touch(&state, 2), Some(limit(2)));
    drop(state);

    let state = home.open();
    assert!(state.touched_today("acme", "crm").expect("read").is_empty(), "nobody remembers");
    let place = ["acme", "crm", ""];
    state.recall(state.day(), place, 4);
    state.recall(state.day(), place, 3);
    assert_eq!(state.touched_today("acme", "crm").expect("read")[""], 4, "the larger of what is said");
    assert_eq!(touch(&state, 2), Some(limit(2)));
    assert_eq!(touch(&state, 1), None);
    assert_eq!(state.day().began_ms(), 0);
    // A later day with fewer records takes none back, while it runs and after a start.
    other.execute("UPDATE touched SET day = day + 1, records = 0", []).expect("changed");
    assert_eq!(touch(&state, 1), Some(limit(1)));
    assert_eq!(state.touched_today("acme", "crm").expect("read")[""], 5);
    drop(state);
    let state = home.open();
    state.recall(state.day(), place, 5);
    assert_eq!(touch(&state, 1), Some(limit(1)));
    other.execute("DELETE FROM touched", []).expect("removed");
    drop(state);
    let state = home.open();
    home.now.store(DAY + 5, Ordering::Relaxed);
    assert_eq!(touch(&state, 5), None, "another day");
}
