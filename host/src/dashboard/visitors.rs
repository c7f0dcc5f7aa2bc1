//! Who may look: one-time links, the sessions that they open, and what was asked of passkeys. All of it is in memory, by digest where
//! it is a secret, and part of the open host, so that locking the vault and a restart end every session.
//!
//! A session is its cookie and the local user whose browser used the link. Cookies know no ports: a page that another program serves on
//! `localhost` is sent this one, too, and under another user's name it is worth nothing.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::ids::random;

/// How long a link waits for its button, milliseconds.
pub const LINK_MS: u64 = 5 * 60 * 1000;
/// How long a session lasts, and how long without anything done, milliseconds.
pub const SESSION_MS: u64 = 12 * 60 * 60 * 1000;
const IDLE_MS: u64 = 60 * 60 * 1000;
/// How long a question to a passkey waits for its answer, milliseconds.
const QUESTION_MS: u64 = 5 * 60 * 1000;
/// How many of each there are at most; the oldest gives way.
const MOST: usize = 32;

/// A digest of a secret, or of a text.
type Sha = [u8; 32];

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A session.
    Login,
    /// A passkey of an operator.
    Passkey {
        /// The operator.
        operator: String,
        /// Who gave the link.
        by: String,
        /// What the authenticator is asked.
        challenge: Sha,
    },
}

/// Why a link does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There is none, or it is too old.
    Unknown,
    /// It was used before. `first`: nobody tried that until now.
    Used {
        /// Whether to tell.
        first: bool,
    },
}

/// A visitor with a session.
#[derive(Debug, Clone)]
pub struct Visitor {
    session: Sha,
    /// What every form of the session carries.
    pub csrf: String,
}

impl Visitor {
    /// Returns whether a form carries this session's token.
    pub fn wrote(&self, token: &str) -> bool {
        self.csrf.as_bytes().ct_eq(token.as_bytes()).into()
    }
}

/// Everybody who may look, or was given a link.
#[derive(Debug, Default)]
pub struct Visitors(Mutex<Everybody>);

#[derive(Debug, Default)]
struct Everybody {
    links: Vec<Link>,
    sessions: Vec<Session>,
    questions: Vec<Question>,
}

#[derive(Debug)]
struct Link {
    token: Sha,
    purpose: Purpose,
    expires_ms: u64,
    used: bool,
    told: bool,
}

#[derive(Debug)]
struct Session {
    id: Sha,
    csrf: String,
    user: Option<u32>,
    began_ms: u64,
    seen_ms: u64,
    /// What came of the last form about a draft, until that draft's page tells it.
    ended: Option<(String, Value)>,
}

#[derive(Debug)]
struct Question {
    session: Sha,
    /// Digest of the text that is to be signed.
    text: Sha,
    expires_ms: u64,
}

impl Visitors {
    /// Makes a link; returns its token, of which only the digest is kept.
    pub fn invite(&self, purpose: Purpose, now_ms: u64) -> Result<String, getrandom::Error> {
        let token = random()?;
        self.expect(digest(&token), purpose, now_ms);
        Ok(token)
    }

    /// Makes a link whose token somebody else has: only its digest is known here.
    pub fn expect(&self, token: Sha, purpose: Purpose, now_ms: u64) {
        let expires_ms = now_ms.saturating_add(LINK_MS);
        let link = Link { token, purpose, expires_ms, used: false, told: false };
        add(&mut self.lock(now_ms).links, link);
    }

    /// Ends every link by which somebody was to bring a passkey.
    pub fn end_passkey_links(&self) {
        let mut everybody = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        everybody.links.retain(|link| link.used || link.purpose == Purpose::Login);
    }

    /// Returns what a link is for, without using it.
    pub fn look(&self, token: &str, now_ms: u64) -> Result<Purpose, Ended> {
        let mut everybody = self.lock(now_ms);
        let link = everybody.link(token).ok_or(Ended::Unknown)?;
        if link.used {
            return Err(link.tried_again());
        }
        Ok(link.purpose.clone())
    }

    /// Uses a link: once.
    pub fn take(&self, token: &str, now_ms: u64) -> Result<Purpose, Ended> {
        let mut everybody = self.lock(now_ms);
        let link = everybody.link(token).ok_or(Ended::Unknown)?;
        if link.used {
            return Err(link.tried_again());
        }
        link.used = true;
        Ok(link.purpose.clone())
    }

    /// Opens a session for a local user; returns the cookie's value.
    pub fn enter(&self, user: Option<u32>, now_ms: u64) -> Result<String, getrandom::Error> {
        let (id, csrf) = (random()?, random()?);
        let session = Session { id: digest(&id), csrf, user, began_ms: now_ms, seen_ms: now_ms, ended: None };
        add(&mut self.lock(now_ms).sessions, session);
        Ok(id)
    }

    /// Returns the visitor whose cookie this is. `acts`: a person does something; a page that renews itself does not.
    pub fn visitor(&self, cookie: &str, user: Option<u32>, acts: bool, now_ms: u64) -> Option<Visitor> {
        let mut everybody = self.lock(now_ms);
        let wanted = digest(cookie);
        let found = everybody.sessions.iter_mut().find(|session| session.id.ct_eq(&wanted).into())?;
        if found.user != user {
            return None;
        }
        if acts {
            found.seen_ms = now_ms;
        }
        Some(Visitor { session: found.id, csrf: found.csrf.clone() })
    }

    /// Ends a session.
    pub fn leave(&self, visitor: &Visitor) {
        let mut everybody = self.everybody();
        everybody.sessions.retain(|session| session.id != visitor.session);
        everybody.questions.retain(|question| question.session != visitor.session);
    }

    /// Keeps what a form about a draft came to, for the page to which it leads.
    pub fn keep(&self, visitor: &Visitor, draft: &str, ended: Value) {
        if let Some(session) = self.everybody().session(visitor) {
            session.ended = Some((draft.to_owned(), ended));
        }
    }

    /// Takes what a form about this draft came to: it is told once.
    pub fn kept(&self, visitor: &Visitor, draft: &str) -> Option<Value> {
        let mut everybody = self.everybody();
        let (_, ended) = everybody.session(visitor)?.ended.take_if(|(of, _)| of == draft)?;
        Some(ended)
    }

    /// Remembers that a passkey is asked to sign a text.
    pub fn ask(&self, visitor: &Visitor, text: &str, now_ms: u64) {
        let expires_ms = now_ms.saturating_add(QUESTION_MS);
        let question = Question { session: visitor.session, text: digest(text), expires_ms };
        add(&mut self.lock(now_ms).questions, question);
    }

    /// Takes a question back: returns whether this visitor's passkey was asked to sign this text, and did not yet.
    pub fn asked(&self, visitor: &Visitor, text: &str, now_ms: u64) -> bool {
        let (mut everybody, text) = (self.lock(now_ms), digest(text));
        let is_it = |question: &Question| question.session == visitor.session && question.text == text;
        let at = everybody.questions.iter().position(is_it);
        at.map(|at| everybody.questions.remove(at)).is_some()
    }

    /// Takes everybody, without those whose time is over.
    fn lock(&self, now_ms: u64) -> MutexGuard<'_, Everybody> {
        let mut everybody = self.everybody();
        everybody.links.retain(|link| link.expires_ms > now_ms);
        everybody.questions.retain(|question| question.expires_ms > now_ms);
        // A clock that was set back ends sessions, too, instead of making them longer.
        let within = |since: u64, time: u64| now_ms.checked_sub(since).is_some_and(|age| age < time);
        everybody
            .sessions
            .retain(|session| within(session.began_ms, SESSION_MS) && within(session.seen_ms, IDLE_MS));
        everybody
    }

    fn everybody(&self) -> MutexGuard<'_, Everybody> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Somebody opens or uses it who comes too late.
    fn tried_again(&mut self) -> Ended {
        Ended::Used { first: !std::mem::replace(&mut self.told, true) }
    }
}

impl Everybody {
    fn session(&mut self, visitor: &Visitor) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == visitor.session)
    }

    fn link(&mut self, token: &str) -> Option<&mut Link> {
        let wanted = digest(token);
        self.links.iter_mut().find(|link| link.token.ct_eq(&wanted).into())
    }
}

fn add<T>(all: &mut Vec<T>, new: T) {
    if all.len() >= MOST {
        all.remove(0);
    }
    all.push(new);
}

fn digest(text: &str) -> Sha {
    Sha256::digest(text).into()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    const USER: Option<u32> = Some(1000);

    fn session(visitors: &Visitors, now_ms: u64) -> String {
        visitors.enter(USER, now_ms).expect("a session")
    }

    #[test]
    fn looking_at_a_link_does_not_use_it_and_taking_it_does_once() {
        let visitors = Visitors::default();
        let token = visitors.invite(Purpose::Login, 0).expect("a link");
        assert_eq!(URL_SAFE_NO_PAD.decode(&token).expect("base64url").len(), 32);
        for _ in 0..3 {
            assert_eq!(visitors.look(&token, 1), Ok(Purpose::Login));
        }
        assert_eq!(visitors.take(&token, 1), Ok(Purpose::Login));
        assert_eq!(
            visitors.take(&token, 2),
            Err(Ended::Used { first: true }),
            "the first to try again is told of"
        );
        assert_eq!(visitors.take(&token, 2), Err(Ended::Used { first: false }), "and not each after");
        assert_eq!(visitors.look(&token, 2), Err(Ended::Used { first: false }));
        assert_eq!(visitors.take("guess", 2), Err(Ended::Unknown));
        let late = visitors.invite(Purpose::Login, 0).expect("a link");
        assert_eq!(visitors.take(&late, LINK_MS), Err(Ended::Unknown));
        assert!(!format!("{visitors:?}").contains(&token), "only its digest is kept");
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
        visitors.keep(&one, "draft_1", Value::Bool(true));
        assert_eq!((visitors.kept(&other, "draft_1"), visitors.kept(&one, "draft_2")), (None, None));
        assert_eq!(visitors.kept(&one, "draft_1"), Some(Value::Bool(true)));
        assert_eq!(visitors.kept(&one, "draft_1"), None);
    }
}
