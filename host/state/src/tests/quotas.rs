//! Quotas: atomic, given back unless the request is allowed, and there after a restart.

use std::sync::atomic::Ordering;

use wardlock_core::plugin::quota::{MAX_COUNTERS, QuotaFault, Taken};

use super::{Home, acme};
use crate::{Counting, RecalledKey, RecalledQuotas, Reservation, State};

const HOUR: u32 = 3600;

fn begin(state: &State, counting: Counting) -> Reservation {
    state.reserve(&acme(), counting)
}

fn take(reservation: &mut Reservation, key: &str) -> (bool, u32) {
    let taken = reservation.take("limiter", key, 2, HOUR).expect("counted");
    (taken.granted, taken.remaining)
}

/// One decision that takes one and is allowed.
fn allowed(state: &State, key: &str) -> (bool, u32) {
    let mut reservation = begin(state, Counting::Takes);
    let taken = take(&mut reservation, key);
    reservation.commit().expect("written");
    taken
}

#[test]
fn what_is_allowed_counts_and_what_is_not_is_given_back() {
    let state = Home::new().open();
    let mut denied = begin(&state, Counting::Takes);
    assert_eq!(
        [take(&mut denied, "a"), take(&mut denied, "a"), take(&mut denied, "a")],
        [(true, 1), (true, 0), (false, 0)]
    );
    let mut meanwhile = begin(&state, Counting::Takes);
    assert_eq!(take(&mut meanwhile, "a"), (false, 0), "what another decision holds is not there");
    drop(denied);
    assert_eq!(take(&mut meanwhile, "a"), (true, 1));
    drop(meanwhile);
    assert_eq!(
        [allowed(&state, "a"), allowed(&state, "a"), allowed(&state, "a")],
        [(true, 1), (true, 0), (false, 0)]
    );
    assert_eq!(allowed(&state, "b"), (true, 1), "another key is another counter");
}

#[test]
fn a_look_is_told_what_a_take_would_be_and_takes_nothing() {
    let state = Home::new().open();
    allowed(&state, "a");
    for _ in 0..3 {
        let mut look = begin(&state, Counting::Looks);
        assert_eq!([take(&mut look, "a"), take(&mut look, "a")], [(true, 0), (false, 0)]);
        look.commit().expect("nothing to write");
    }
    assert_eq!(allowed(&state, "a"), (true, 0));
}

#[test]
fn what_counts_is_there_after_a_restart_and_what_was_held_is_not() {
    let home = Home::new();
    let state = home.open();
    allowed(&state, "a");
    let mut under_way = begin(&state, Counting::Takes);
    take(&mut under_way, "a");
    // As a process that is killed leaves it: nothing is dropped.
    std::mem::forget(under_way);
    std::mem::forget(state);
    let state = home.open();
    assert_eq!([allowed(&state, "a"), allowed(&state, "a")], [(true, 0), (false, 0)]);
}

#[test]
fn windows_are_fixed_and_a_clock_that_is_set_back_brings_none_back() {
    let home = Home::new();
    let state = home.open();
    let now = |ms: u64| home.now.store(ms, Ordering::Relaxed);
    now(3_599_999);
    assert_eq!([allowed(&state, "a"), allowed(&state, "a")], [(true, 1), (true, 0)]);
    let mut late = begin(&state, Counting::Takes);
    let taken = late.take("limiter", "b", 2, HOUR).expect("counted");
    assert_eq!(taken, Taken { granted: true, remaining: 1, resets_ms: 3_600_000 });
    now(3_600_000);
    assert_eq!(allowed(&state, "a"), (true, 1));
    assert_eq!(allowed(&state, "b"), (true, 1));
    late.commit().expect("written");
    assert_eq!(allowed(&state, "b"), (true, 0), "what was taken in the window before does not count in this one");
    now(1_000);
    assert_eq!([allowed(&state, "a"), allowed(&state, "a")], [(true, 0), (false, 0)]);
    drop(state);
    let state = home.open();
    assert_eq!(allowed(&state, "a"), (false, 0), "after a restart, too");
    let mut other_window = begin(&state, Counting::Takes);
    let taken = other_window.take("limiter", "a", 2, 60).expect("counted");
    assert!(taken.granted, "another length is another counter");
}

#[test]
fn plugins_and_workspaces_count_apart() {
    let state = Home::new().open();
    assert_eq!([allowed(&state, "a"), allowed(&state, "a"), allowed(&state, "a")][2], (false, 0));
    let mut other = begin(&state, Counting::Takes);
    assert!(other.take("another", "a", 2, HOUR).expect("counted").granted);
    let globex = wardlock_core::id::WorkspaceName::parse("globex").expect("a name");
    let mut other = state.reserve(&globex, Counting::Takes);
    assert_eq!(take(&mut other, "a"), (true, 1));
}

#[test]
fn a_plugin_has_only_so_many_counters_until_their_windows_end() {
    let home = Home::new();
    let state = home.open();
    let mut reservation = begin(&state, Counting::Takes);
    for at in 0..MAX_COUNTERS {
        take(&mut reservation, &at.to_string());
    }
    let one_more = reservation.take("limiter", "one more", 2, HOUR);
    assert_eq!(one_more, Err(QuotaFault::TooManyCounters));
    assert!(reservation.take("limiter", "7", 2, HOUR).expect("one that is there").granted);
    assert!(reservation.take("another", "one more", 2, HOUR).expect("another plugin's").granted);
    reservation.commit().expect("written");
    home.now.store(3_600_000, Ordering::Relaxed);
    assert_eq!(allowed(&state, "one more"), (true, 1));
    state.forget_ended_quotas().expect("forgotten");
    drop(state);
    assert_eq!(allowed(&home.open(), "one more"), (true, 0));
}

#[test]
fn many_at_once_never_take_more_than_there_is() {
    let state = Home::new().open();
    let granted: usize = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let one = || {
                        let mut reservation = begin(&state, Counting::Takes);
                        let taken = reservation.take("limiter", "a", 20, HOUR).expect("counted");
                        reservation.commit().expect("written");
                        usize::from(taken.granted)
                    };
                    (0..10).map(|_| one()).sum::<usize>()
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("no panic")).sum()
    });
    assert_eq!(granted, 20);
}

#[test]
fn what_another_account_knows_is_not_taken_back_with_a_row() {
    let home = Home::new();
    let state = home.open();
    allowed(&state, "a");
    let used = |key: &str, used: u32| {
        let (workspace, plugin, keyed) = (acme().to_string(), "limiter".to_owned(), format!("hash of {key}"));
        (RecalledKey { workspace, plugin, keyed, began_ms: 0, window_seconds: HOUR }, used)
    };
    drop(state);
    let state = home.open();
    let quotas = RecalledQuotas { used: [used("a", 0), used("b", 1)].into(), ..RecalledQuotas::default() };
    state.recall_quotas(quotas, Box::new(|key| format!("hash of {key}")));
    assert_eq!([allowed(&state, "a"), allowed(&state, "a")], [(true, 0), (false, 0)], "the file knows more");
    assert_eq!([allowed(&state, "b"), allowed(&state, "b")], [(true, 0), (false, 0)], "the other knows more");
    drop(state);
    let state = home.open();
    assert_eq!(allowed(&state, "b"), (false, 0), "it is written down with what was taken next");
    home.now.store(u64::from(HOUR) * 1000, Ordering::Relaxed);
    assert_eq!(allowed(&state, "b"), (true, 1), "another window");
    drop(state);
    let state = home.open();
    state.recall_quotas(RecalledQuotas { is_unread: true, ..RecalledQuotas::default() }, Box::new(str::to_owned));
    assert_eq!(allowed(&state, "c"), (false, 0), "nobody knows");
    let mut year = begin(&state, Counting::Takes);
    assert!(year.take("limiter", "c", 2, 31_536_000).expect("counted").granted, "a day tells nothing of a year");
    home.now.store(u64::from(2 * HOUR) * 1000, Ordering::Relaxed);
    assert_eq!(allowed(&state, "c"), (true, 1), "another window");
}
