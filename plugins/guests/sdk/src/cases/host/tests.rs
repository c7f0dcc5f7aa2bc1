//! The stand-in gives and refuses what the host would.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;
use crate::{Description, Problem, folder, quota};

struct Asks<const ALL: bool>;

impl<const ALL: bool> Plugin for Asks<ALL> {
    type Settings = ();

    fn describe() -> Description {
        if ALL { crate::describe!("quota", "folder") } else { crate::describe!() }
    }

    fn schema() -> &'static str {
        "{}"
    }

    fn configure((): ()) -> Result<Self, Vec<Problem>> {
        Ok(Self)
    }
}

#[track_caller]
fn check_refused<T>(expected: &str, call: impl FnOnce() -> T) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(call)) else { panic!("it is not refused: {expected}") };
    assert_eq!(payload.downcast_ref::<String>().map(String::as_str), Some(expected));
}

fn left(taken: &Taken) -> (bool, u32, u64) {
    (taken.granted, taken.remaining, taken.resets_ms)
}

#[test]
fn what_is_taken_counts_until_its_window_ends() {
    let mut host = Host::of::<Asks<true>>();
    let mut at = |now_ms| left(&host.during_request(now_ms, || quota::take("a", 2, 60)));
    assert_eq!(at(0), (true, 1, 60_000));
    assert_eq!(at(30_000), (true, 0, 60_000));
    assert_eq!(at(59_999), (false, 0, 60_000));
    assert_eq!(at(60_000), (true, 1, 120_000));
    let other = host.during_request(60_000, || quota::take("a", 2, 3600));
    assert_eq!(left(&other), (true, 1, 3_600_000), "another length is another counter");
}

#[test]
fn a_take_that_ends_a_component_panics_in_the_hosts_words() {
    let mut host = Host::of::<Asks<true>>();
    for (key, window, expected) in [
        ("", 1, "`quota.take` has a key that is not 1 to 128 bytes of plain text"),
        ("a\nb", 1, "`quota.take` has a key that is not 1 to 128 bytes of plain text"),
        ("a\u{202e}", 1, "`quota.take` has a key that is not 1 to 128 bytes of plain text"),
        ("a", 0, "`quota.take` has a window that is not 1 s to 366 days long"),
        ("a", MAX_WINDOW + 1, "`quota.take` has a window that is not 1 s to 366 days long"),
    ] {
        host.during_request(0, || check_refused(expected, || quota::take(key, 1, window)));
    }
    host.during_request(0, || {
        for _ in 0..16 {
            quota::take("a", 1, 1);
        }
        check_refused("`quota.take` is called more than 16 times in one decision", || quota::take("a", 1, 1));
    });
    host.outside_requests(|| {
        check_refused("`quota.take` is called outside `on-request`", || quota::take("a", 1, 1));
    });
}

#[test]
fn files_are_those_that_were_put_there() {
    let mut host = Host::of::<Asks<true>>().file("b.txt", "two").file("a.txt", "one");
    assert_eq!(host.outside_requests(folder::names), ["a.txt", "b.txt"]);
    assert_eq!(host.during_request(0, || folder::read("b.txt")), Some(b"two".to_vec()));
    assert_eq!(host.during_request(0, || folder::read("../b.txt")), None);
}

#[test]
fn nothing_is_given_without_the_capability_or_without_a_host() {
    let mut host = Host::of::<Asks<false>>().file("a.txt", "one");
    host.during_request(0, || {
        check_refused("`quota.take` is called without the capability `quota`", || quota::take("a", 1, 1));
        check_refused("`folder` is used without the capability `folder`", folder::names);
        check_refused("`folder` is used without the capability `folder`", || folder::read("a.txt"));
    });
    check_refused(NOBODY, folder::names);
}
