//! What the vault knows of drafts that are decided, and what it never believes again.

use super::Home;
use crate::vault::{Decided, DraftMark, DraftTime, Vault};

fn draft(id: &str, counted_ms: u64) -> DraftTime {
    DraftTime { id: id.to_owned(), counted_ms }
}

fn mark(vault: &Vault, id: &str) -> DraftMark {
    vault.draft_mark(id).expect("read")
}

fn released(request: &str) -> Decided {
    Decided::Released { request: request.to_owned() }
}

#[test]
fn a_draft_is_decided_once_and_a_release_is_taken_back_by_its_own_request_only() {
    let vault = Home::new().create();
    let mark = |draft: &str| mark(&vault, draft);
    let (a, b) = (draft("a", 9), draft("b", 29));
    assert_eq!(vault.note_release(&a, "req_1", 10, 5).expect("noted"), None);
    assert_eq!(vault.note_release(&a, "req_2", 11, 5).expect("read"), Some(released("req_1")), "once");
    vault.take_release_back("a", "req_2").expect("another request's");
    assert_eq!((mark("a").count, mark("a").decided), (1, Some(released("req_1"))));
    vault.take_release_back("a", "req_1").expect("taken back");
    assert_eq!((mark("a").count, mark("a").decided), (1, None), "words of before stay used up");
    assert_eq!(vault.note_release(&a, "req_3", 20, 5).expect("noted"), None);
    vault.note_rejections(&[a, b.clone()], 30, 5).expect("noted");
    assert_eq!((mark("a").count, mark("a").decided), (2, Some(released("req_3"))), "it was released before");
    assert_eq!(vault.note_release(&b, "req_4", 31, 5).expect("read"), Some(Decided::Rejected));
    assert_eq!(vault.note_release(&draft("c", 39), "req_5", 40, 25).expect("noted"), None);
    assert_eq!(
        (mark("a"), mark("b").decided),
        (DraftMark::default(), Some(Decided::Rejected)),
        "forgotten in time"
    );
}

#[test]
fn what_is_forgotten_leaves_a_floor_that_only_rises() {
    let home = Home::new();
    let vault = home.create();
    let (old, new) = (draft("old", 100), draft("new", 121));
    assert_eq!(vault.draft_floor().expect("read"), 0, "nothing is forgotten yet");
    assert_eq!(vault.note_release(&old, "req_1", 120, 0).expect("noted"), None);
    // The clock is far ahead, and what was decided is old.
    vault.note_rejections(&[draft("ahead", 5000)], 5001, 4000).expect("noted");
    assert_eq!(mark(&vault, "old"), DraftMark::default(), "it is forgotten");
    assert_eq!(vault.draft_floor().expect("read"), 121);
    // And right again.
    assert_eq!(vault.decided(&old).expect("read"), Some(Decided::Forgotten));
    assert_eq!(vault.note_release(&old, "req_2", 130, 0).expect("read"), Some(Decided::Forgotten));
    assert_eq!(mark(&vault, "old").count, 0, "it is not released");
    assert_eq!(vault.note_release(&new, "req_3", 130, 0).expect("noted"), None, "one of after the floor is");
    drop(vault);
    let vault = home.open().expect("open");
    vault.note_rejections(&[], 130, 125).expect("nothing is old enough");
    assert_eq!(vault.draft_floor().expect("read"), 121, "it does not sink, nor rise without need");
}

#[test]
fn a_mark_is_no_older_than_its_draft() {
    let vault = Home::new().create();
    let ahead = draft("ahead", 5000);
    // Held while the clock was ahead, and decided when it was right again.
    vault.note_rejections(std::slice::from_ref(&ahead), 100, 0).expect("noted");
    vault.note_rejections(&[], 4000, 3000).expect("time passes");
    assert_eq!(
        vault.decided(&ahead).expect("read"),
        Some(Decided::Rejected),
        "it is known for as long as it can be sent"
    );
    vault.note_rejections(&[], 9000, 8000).expect("time passes");
    assert_eq!(vault.decided(&ahead).expect("read"), Some(Decided::Forgotten));
}
