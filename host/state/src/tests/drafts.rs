//! Drafts: one for each request, out of `held` once, bounded, and gone in time.

use std::sync::atomic::Ordering;

use wardlock_core::id::Digest;

use super::{Home, from_fixture};
use crate::{Draft, DraftBounds, DraftState, EARLIER_VERSION, Kept, Released, State};

const BOUNDS: DraftBounds = DraftBounds { of_agent: 2, of_workspace: 3, bytes: 100 };
const WEEK: u64 = 7 * 24 * 60 * 60 * 1000;

fn draft(id: &str, agent: &str, request: &str) -> Draft {
    Draft {
        id: id.to_owned(),
        workspace: "acme".to_owned(),
        connection: "crm".to_owned(),
        agent: agent.to_owned(),
        request: Digest::of(request.as_bytes()),
        operation: "records.create".to_owned(),
        effect: "write".to_owned(),
        state: DraftState::Held,
        created_ms: 1_000,
        expires_ms: 2_000,
        decided_ms: None,
        decided_by: None,
        release_id: None,
        code: None,
        outcome: None,
    }
}

pub(super) fn keep(state: &State, id: &str, agent: &str, request: &str) -> Kept {
    let asked = Digest::of(request.as_bytes());
    state.keep_draft(&draft(id, agent, request), asked, b"sealed", &BOUNDS).expect("kept")
}

pub(super) fn begin(state: &State, id: &str, request: &str) -> bool {
    state.begin_release(id, Digest::of(request.as_bytes()), "ada", "req_9").expect("written")
}

pub(super) fn end(state: &State, id: &str, into: DraftState) -> bool {
    let answer = (into == DraftState::Sent).then(|| b"answer".to_vec());
    let released = Released { state: into, code: None, outcome: Some("ok".to_owned()), answer };
    state.end_release(id, "req_9", &released).expect("written")
}

fn state_of(state: &State, id: &str) -> Option<DraftState> {
    state.draft(id).expect("read").map(|draft| draft.state)
}

#[test]
fn the_same_request_of_the_same_agent_is_the_same_draft() {
    let state = Home::new().open();
    assert_eq!(keep(&state, "d1", "a", "x"), Kept::New);
    assert_eq!(keep(&state, "d2", "a", "x"), Kept::Same(Box::new(draft("d1", "a", "x"))));
    let otherwise = state.keep_draft(&draft("d2", "a", "x, in other words"), Digest::of(b"x"), b"sealed", &BOUNDS);
    assert_eq!(otherwise.expect("kept"), Kept::Same(Box::new(draft("d1", "a", "x"))), "what was asked for counts");
    assert_eq!(keep(&state, "d3", "b", "x"), Kept::New, "another agent's is another");
    assert_eq!(keep(&state, "d4", "a", "y"), Kept::New);
    let found = state.drafts(Some(DraftState::Held), 10).expect("read");
    assert_eq!(found.iter().map(|draft| draft.id.as_str()).collect::<Vec<_>>(), ["d1", "d3", "d4"]);
    assert_eq!(state.drafts(None, 2).expect("read").len(), 2);
    assert_eq!(state.drafts(Some(DraftState::Sent), 10).expect("read"), []);
}

#[test]
fn drafts_are_bounded_by_number_and_bytes() {
    let state = Home::new().open();
    assert_eq!(keep(&state, "d1", "a", "x"), Kept::New);
    assert_eq!(keep(&state, "d2", "a", "y"), Kept::New);
    assert_eq!(keep(&state, "d3", "a", "z"), Kept::Full, "of one agent");
    let large = state.keep_draft(&draft("d4", "b", "x"), Digest::of(b"x"), &[0; 89], &BOUNDS).expect("kept");
    assert_eq!(large, Kept::Full, "bytes of one workspace");
    assert_eq!(keep(&state, "d5", "b", "x"), Kept::New);
    assert_eq!(keep(&state, "d6", "c", "x"), Kept::Full, "of one workspace");
    assert!(matches!(keep(&state, "d7", "a", "x"), Kept::Same(_)), "what waits already needs no room");
    assert!(state.reject_draft("d1", "ada").expect("written"));
    assert_eq!(keep(&state, "d8", "a", "z"), Kept::New);
}

#[test]
fn a_draft_leaves_held_once_and_as_the_request_that_was_shown() {
    let home = Home::new();
    let state = home.open();
    keep(&state, "d1", "a", "x");
    assert!(!begin(&state, "d1", "y"), "another request than the one that is kept");
    assert!(!begin(&state, "d2", "x"), "no such draft");
    assert!(begin(&state, "d1", "x"));
    assert!(!begin(&state, "d1", "x"), "a second approval");
    assert!(
        matches!(keep(&state, "d2", "a", "x"), Kept::Same(_)),
        "it is being sent, and is no other one meanwhile"
    );
    let other = Released { state: DraftState::Sent, code: None, outcome: None, answer: None };
    assert!(!state.end_release("d1", "req_8", &other).expect("written"), "the end of another release");
    assert!(!state.reject_draft("d1", "bob").expect("written"), "it is being sent");
    drop(state);
    let state = home.open();
    let found = state.draft("d1").expect("read").expect("it is there");
    assert_eq!((found.state, found.release_id.as_deref()), (DraftState::Releasing, Some("req_9")));
    assert_eq!(found.decided_by.as_deref(), Some("ada"));
    assert!(end(&state, "d1", DraftState::Sent));
    assert!(!end(&state, "d1", DraftState::NotSent), "it has ended");
    assert_eq!(state.draft_content("d1").expect("read"), None, "what was sent is not kept");
    assert_eq!(state.draft_answer("d1").expect("read").as_deref(), Some(b"answer".as_slice()));
    assert!(state.take_draft_answer("d1").expect("written"));
    assert!(!state.take_draft_answer("d1").expect("written"), "it is given once");
    assert_eq!(state.draft_answer("d1").expect("read"), None);
    assert_eq!(keep(&state, "d2", "a", "x"), Kept::New, "the same request again, once it was sent, is a new one");
}

#[test]
fn what_was_not_sent_can_be_approved_again_and_what_may_have_been_cannot() {
    let state = Home::new().open();
    keep(&state, "d1", "a", "x");
    assert!(begin(&state, "d1", "x") && end(&state, "d1", DraftState::Held));
    let back = state.draft("d1").expect("read").expect("it is there");
    assert_eq!((back.state, back.decided_by, back.release_id), (DraftState::Held, None, None));
    assert!(begin(&state, "d1", "x") && end(&state, "d1", DraftState::Unknown));
    assert!(!begin(&state, "d1", "x"));
    assert!(state.draft_content("d1").expect("read").is_some(), "to find out what it was");
}

#[test]
fn a_draft_expires_and_what_is_left_goes_in_time() {
    let home = Home::new();
    let state = home.open();
    keep(&state, "d1", "a", "x");
    keep(&state, "d2", "a", "y");
    assert!(state.reject_draft("d2", "ada").expect("written"));
    home.now.store(2_000, Ordering::Relaxed);
    assert!(!begin(&state, "d1", "x"), "nobody approves what has expired");
    assert!(!state.reject_draft("d1", "ada").expect("written"));
    assert_eq!(keep(&state, "d3", "a", "x"), Kept::New, "an expired one does not stand in its way");
    assert_eq!(state_of(&state, "d1"), Some(DraftState::Expired));
    assert_eq!(state.draft_content("d1").expect("read"), None);
    state.tidy_drafts().expect("tidied");
    assert_eq!(state_of(&state, "d1"), Some(DraftState::Expired), "its agent learns why nothing came of it");
    home.now.store(2_000 + WEEK, Ordering::Relaxed);
    state.tidy_drafts().expect("tidied");
    assert_eq!(state.drafts(None, 10).expect("read"), [], "and a week later nothing is left");
}

#[test]
fn what_an_earlier_version_kept_has_ended_for_whoever_looks_first_and_says_why() {
    let home = from_fixture(include_str!("../fixtures/format-5.sql"));
    let state = home.open();
    let ended = state.draft("req_held").expect("read").expect("it is told of");
    assert_eq!((ended.state, ended.code.as_deref()), (DraftState::Expired, Some(EARLIER_VERSION)));
    assert_eq!(state.drafts(Some(DraftState::Held), 10).expect("read"), [], "nobody is asked to approve it");
    assert_eq!(state.draft_content("req_held").expect("read"), None);
    assert_eq!(state_of(&state, "req_no"), Some(DraftState::Rejected));
    // One of this version that nobody decided about ends without such a code.
    keep(&state, "d1", "a", "x");
    state.tidy_drafts().expect("tidied");
    let late = state.draft("d1").expect("read").expect("it is told of");
    assert_eq!((late.state, late.code), (DraftState::Expired, None));
}
