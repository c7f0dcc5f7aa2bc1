//! Tests of who may look.

use super::*;

const USER: Option<u32> = Some(1000);

/// A request of a browser with this cookie of a link's page.
fn visit(browser: &str, user: Option<u32>) -> Visit {
    let cookies = Some(browser).filter(|value| !value.is_empty()).map(|value| format!("wardlock_link={value}"));
    Visit::new(true, "/", "", cookies.as_deref(), None, &[]).from(user, ([127, 0, 0, 1], 7423).into())
}

fn nobody() -> Visit {
    visit("", USER)
}

fn first(entered: Result<Entered, Ended>) -> String {
    match entered {
        Ok(Entered::First(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn session(visitors: &Visitors, now_ms: u64) -> String {
    let token = visitors.invite(Purpose::Login, now_ms).expect("a link");
    first(visitors.enter(&token, &nobody(), now_ms))
}

#[test]
fn looking_at_a_link_does_not_use_it_and_taking_it_does_once() {
    let visitors = Visitors::default();
    let token = visitors.invite(Purpose::Login, 0).expect("a link");
    assert_eq!(URL_SAFE_NO_PAD.decode(&token).expect("base64url").len(), 32);
    for _ in 0..3 {
        assert_eq!(visitors.look(&token, &nobody(), 1), Ok(Shown::Waits(Purpose::Login)));
    }
    first(visitors.enter(&token, &nobody(), 1));
    let enter = || visitors.enter(&token, &nobody(), 2);
    assert_eq!(enter(), Err(Ended::Used { first: true }), "the first to try again is told of");
    assert_eq!(enter(), Err(Ended::Used { first: false }), "and not each after");
    assert_eq!(visitors.look(&token, &nobody(), 2), Err(Ended::Used { first: false }));
    assert_eq!(visitors.enter("guess", &nobody(), 2), Err(Ended::Unknown));
    let late = visitors.invite(Purpose::Login, 0).expect("a link");
    assert_eq!(visitors.enter(&late, &nobody(), LINK_MS), Err(Ended::Unknown));
    assert!(!format!("{visitors:?}").contains(&token), "only its digest is kept");
}

#[test]
fn the_browser_that_used_a_link_gets_its_session_once_more_for_a_minute_and_no_other_does() {
    let visitors = Visitors::default();
    // Pressed twice at the link's very end.
    let (token, at) = (visitors.invite(Purpose::Login, 0).expect("a link"), LINK_MS - 1);
    let own = visit("own", USER);
    let id = first(visitors.enter(&token, &own, at));
    for now_ms in [at, at + AGAIN_MS - 1] {
        assert_eq!(visitors.enter(&token, &own, now_ms), Ok(Entered::Again(id.clone())));
        assert_eq!(visitors.look(&token, &own, now_ms), Ok(Shown::Again));
    }
    for (browser, user) in [("", USER), ("early", USER), ("own", Some(1001)), ("own", None)] {
        let other = visitors.enter(&token, &visit(browser, user), at + 1);
        assert!(matches!(other, Err(Ended::Used { .. })), "{browser} of {user:?}: {other:?}");
    }
    assert!(!format!("{visitors:?}").contains(&id), "only its digest is kept");
    visitors.leave(&visitors.visitor(&id, USER, true, at).expect("a visitor"));
    assert_eq!(visitors.enter(&token, &own, at + 1), Err(Ended::Own), "who has signed out is out");
    assert_eq!(visitors.look(&token, &own, at + 1), Err(Ended::Own));

    let token = visitors.invite(Purpose::Login, 0).expect("a link");
    first(visitors.enter(&token, &own, 1));
    assert_eq!(visitors.enter(&token, &own, 1 + AGAIN_MS), Err(Ended::Own), "told, and nobody alarmed");
    assert_eq!(visitors.enter(&token, &own, 0), Err(Ended::Own), "a clock that was set back");
}

#[test]
fn a_session_ends_by_itself_by_its_visitor_and_by_a_clock_set_back() {
    let visitors = Visitors::default();
    let seen = |cookie: &str, acts, now_ms| visitors.visitor(cookie, USER, acts, now_ms).is_some();
    let idle = session(&visitors, 0);
    assert!(seen(&idle, true, IDLE_MS - 1) && seen(&idle, false, 2 * IDLE_MS - 2));
    assert!(!seen(&idle, true, 2 * IDLE_MS - 1), "a page that renews itself keeps no session");
    let busy = session(&visitors, 0);
    for at in (0..SESSION_MS).step_by(usize::try_from(IDLE_MS / 2).expect("small")) {
        assert!(seen(&busy, true, at));
    }
    assert!(!seen(&busy, true, SESSION_MS), "whatever is done, it has its end");
    let left = session(&visitors, 0);
    visitors.leave(&visitors.visitor(&left, USER, true, 1).expect("a visitor"));
    assert!(!seen(&left, true, 1));
    let early = session(&visitors, 1000);
    assert!(!seen(&early, true, 999));
}

#[test]
fn a_cookie_is_one_local_users() {
    let visitors = Visitors::default();
    let cookie = session(&visitors, 0);
    for other in [Some(0), Some(1001), None] {
        assert!(visitors.visitor(&cookie, other, true, 1).is_none(), "{other:?}");
    }
    let visitor = visitors.visitor(&cookie, USER, true, 1).expect("its own");
    assert!(visitor.wrote(&visitor.csrf) && !visitor.wrote("") && !visitor.wrote(&cookie));
    assert!(!format!("{visitors:?}").contains(&cookie), "only its digest is kept");
}

#[test]
fn what_a_passkey_was_asked_is_taken_once_by_whom_it_was_asked() {
    let visitors = Visitors::default();
    let who = |cookie: &str| visitors.visitor(cookie, USER, true, 1).expect("a visitor");
    let (one, other) = (who(&session(&visitors, 0)), who(&session(&visitors, 0)));
    visitors.ask(&one, "text", 1);
    assert!(!visitors.asked(&one, "another", 2) && !visitors.asked(&other, "text", 2));
    assert!(visitors.asked(&one, "text", 2));
    assert!(!visitors.asked(&one, "text", 2), "once");
    visitors.ask(&one, "text", 1);
    assert!(!visitors.asked(&one, "text", 1 + QUESTION_MS), "in time");
    for at in 0..=MOST {
        visitors.ask(&one, &at.to_string(), 1);
    }
    assert!(!visitors.asked(&one, "0", 1) && visitors.asked(&one, "1", 1), "the oldest gives way");
}

#[test]
fn what_a_form_came_to_is_told_once_on_its_drafts_page_and_to_whom_sent_it() {
    let visitors = Visitors::default();
    let who = |cookie: &str| visitors.visitor(cookie, USER, true, 1).expect("a visitor");
    let (one, other) = (who(&session(&visitors, 1)), who(&session(&visitors, 1)));
    visitors.keep(&one, "draft_1", Value::Bool(true), "form", 1);
    assert_eq!((visitors.kept(&other, "draft_1"), visitors.kept(&one, "draft_2")), (None, None));
    assert_eq!(visitors.kept(&one, "draft_1"), Some(Value::Bool(true)));
    assert_eq!(visitors.kept(&one, "draft_1"), None);
}
#[test]
fn a_form_that_was_followed_is_known_for_a_minute_by_its_letters_and_its_session() {
    let visitors = Visitors::default();
    let who = |cookie: &str| visitors.visitor(cookie, USER, true, 1).expect("a visitor");
    let (one, other) = (who(&session(&visitors, 1)), who(&session(&visitors, 1)));
    visitors.keep(&one, "draft_1", Value::Null, "form", 1);
    assert!(visitors.followed(&one, "form", 1) && visitors.followed(&one, "form", AGAIN_MS));
    assert!(!visitors.followed(&one, "form", 1 + AGAIN_MS) && !visitors.followed(&one, "form", 0));
    assert!(!visitors.followed(&one, "another", 1) && !visitors.followed(&other, "form", 1));
}

#[test]
fn the_second_form_about_a_draft_waits_for_the_first_and_those_about_others_for_none() {
    let visitors = Visitors::default();
    let who = |cookie: &str| visitors.visitor(cookie, USER, true, 1).expect("a visitor");
    let (one, other) = (who(&session(&visitors, 1)), who(&session(&visitors, 1)));
    let first = visitors.turn(&one, "draft_1");
    let _held = first.try_lock().expect("nobody has it");
    assert!(visitors.turn(&one, "draft_1").try_lock().is_err());
    assert!(
        visitors.turn(&other, "draft_1").try_lock().is_ok() && visitors.turn(&one, "draft_2").try_lock().is_ok()
    );
}
