//! Who may look: one-time links, the sessions that they open, and what was asked of passkeys. All of it is in memory, by digest where
//! it is a secret, and part of the open host, so that locking the vault and a restart end every session.
//!
//! A session is its cookie and the local user whose browser used the link. Cookies know no ports: a page that another program serves on
//! `localhost` is sent this one, too, and under another user's name it is worth nothing.
//!
//! A button that is pressed twice sends its form twice, and browsers show what the second one was answered. So the browser that used a
//! link gets the same session once more for a minute. It is known by a cookie of the link's page, other for each browser that opens it;
//! to everybody else a link that was used is used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::visit::Visit;
use crate::ids::random;

/// How long a link waits for its button, milliseconds.
pub const LINK_MS: u64 = 5 * 60 * 1000;
/// How long what was just done may be asked for once more by whoever did it, milliseconds.
const AGAIN_MS: u64 = 60 * 1000;
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

/// A link that may be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// Nobody has used it.
    Waits(Purpose),
    /// This browser has, and its session can be had once more.
    Again,
}

/// A session that a link opens, by the cookie's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entered {
    /// It is new.
    First(String),
    /// The one that this browser was given before.
    Again(String),
}

/// Why a link does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// There is none, or it is too old.
    Unknown,
    /// This browser used it.
    Own,
    /// The system gives no randomness, so it was not used.
    NoRandomness,
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
    used: Option<Use>,
    told: bool,
}

/// How a link was used.
#[derive(Debug)]
struct Use {
    at_ms: u64,
    user: Option<u32>,
    /// The browser, by its cookie's digest; `None`: one without.
    browser: Option<Sha>,
    /// What the session was made from beside what only its browser has; `None`: it opened none.
    salt: Option<String>,
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
    /// The last form about a draft that was followed, and when.
    followed: Option<(Sha, u64)>,
    /// One form about a draft at a time: the draft of the last one, and what is held meanwhile.
    turn: (String, Arc<Turn>),
}

/// Held while a form is followed.
pub type Turn = tokio::sync::Mutex<()>;

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
        let link = Link { token, purpose, expires_ms, used: None, told: false };
        add(&mut self.lock(now_ms).links, link);
    }

    /// Ends every link by which somebody was to bring a passkey.
    pub fn end_passkey_links(&self) {
        let mut everybody = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        everybody.links.retain(|link| link.used.is_some() || link.purpose == Purpose::Login);
    }

    /// Returns what a link is for, without using it.
    pub fn look(&self, token: &str, visit: &Visit, now_ms: u64) -> Result<Shown, Ended> {
        let mut everybody = self.lock(now_ms);
        let link = everybody.link(token).ok_or(Ended::Unknown)?;
        if link.used.is_none() {
            return Ok(Shown::Waits(link.purpose.clone()));
        }
        let id = link.session_again(token, visit, now_ms)?;
        if everybody.has_session(&id) { Ok(Shown::Again) } else { Err(Ended::Own) }
    }

    /// Uses a link: once.
    pub fn take(&self, token: &str, visit: &Visit, now_ms: u64) -> Result<Purpose, Ended> {
        let mut everybody = self.lock(now_ms);
        let link = everybody.link(token).ok_or(Ended::Unknown)?;
        if link.used.is_some() {
            return Err(link.session_again(token, visit, now_ms).err().unwrap_or(Ended::Own));
        }
        link.used = Some(Use::of(visit, None, now_ms));
        Ok(link.purpose.clone())
    }

    /// Uses a link to open a session for the local user at the browser.
    pub fn enter(&self, token: &str, visit: &Visit, now_ms: u64) -> Result<Entered, Ended> {
        let random = || random().map_err(|_| Ended::NoRandomness);
        let (salt, csrf) = (random()?, random()?);
        let mut everybody = self.lock(now_ms);
        let link = everybody.link(token).filter(|link| link.purpose == Purpose::Login).ok_or(Ended::Unknown)?;
        if link.used.is_some() {
            let id = link.session_again(token, visit, now_ms)?;
            return if everybody.has_session(&id) { Ok(Entered::Again(id)) } else { Err(Ended::Own) };
        }
        let id = session_id(&salt, token, visit.browser());
        link.used = Some(Use::of(visit, Some(salt), now_ms));
        link.expires_ms = link.expires_ms.max(now_ms.saturating_add(AGAIN_MS));
        let session = Session {
            id: digest(&id),
            csrf,
            user: visit.user,
            began_ms: now_ms,
            seen_ms: now_ms,
            ended: None,
            followed: None,
            turn: (String::new(), Arc::default()),
        };
        add(&mut everybody.sessions, session);
        Ok(Entered::First(id))
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

    /// Returns what is held while a visitor's form about a draft is followed: the same one, sent twice, waits for what came of the first.
    /// Forms about other drafts wait for none.
    pub fn turn(&self, visitor: &Visitor, draft: &str) -> Arc<Turn> {
        let mut everybody = self.everybody();
        let Some(session) = everybody.session(visitor) else { return Arc::default() };
        if session.turn.0 != draft {
            session.turn = (draft.to_owned(), Arc::default());
        }
        Arc::clone(&session.turn.1)
    }

    /// Keeps what a form about a draft came to, for the page to which it leads.
    pub fn keep(&self, visitor: &Visitor, draft: &str, ended: Value, form: &str, now_ms: u64) {
        if let Some(session) = self.everybody().session(visitor) {
            session.ended = Some((draft.to_owned(), ended));
            session.followed = Some((digest(form), now_ms));
        }
    }

    /// Returns whether this visitor's last form about a draft was the same to the letter, and was followed just now.
    pub fn followed(&self, visitor: &Visitor, form: &str, now_ms: u64) -> bool {
        let mut everybody = self.everybody();
        let followed = everybody.session(visitor).and_then(|session| session.followed);
        followed.is_some_and(|(of, at_ms)| of == digest(form) && is_just_now(at_ms, now_ms))
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
    /// Somebody opens or uses it who comes too late, or is the one who used it: returns their session's cookie once more.
    fn session_again(&mut self, token: &str, visit: &Visit, now_ms: u64) -> Result<String, Ended> {
        let Some(used) = self.used.as_ref().filter(|used| used.is_by(visit)) else {
            return Err(Ended::Used { first: !std::mem::replace(&mut self.told, true) });
        };
        let salt = used.salt.as_ref().filter(|_| is_just_now(used.at_ms, now_ms)).ok_or(Ended::Own)?;
        Ok(session_id(salt, token, visit.browser()))
    }
}

impl Use {
    fn of(visit: &Visit, salt: Option<String>, now_ms: u64) -> Self {
        Self { at_ms: now_ms, user: visit.user, browser: visit.browser().map(digest), salt }
    }

    /// Returns whether it is this browser's. One without a cookie is like any other without.
    fn is_by(&self, visit: &Visit) -> bool {
        let is_it = |own: &Sha| visit.browser().is_some_and(|brought| own.ct_eq(&digest(brought)).into());
        self.user == visit.user && self.browser.as_ref().is_some_and(is_it)
    }
}

/// Makes a session's cookie. Of the link's token and the browser's cookie only digests are kept, so that a request of that browser alone can
/// have it made again; and the salt is the host's, so that it is made here alone.
fn session_id(salt: &str, token: &str, browser: Option<&str>) -> String {
    URL_SAFE_NO_PAD.encode(digest(&format!("{salt}\n{token}\n{}", browser.unwrap_or_default())))
}

/// Returns whether that is at most a minute ago. A clock that was set back makes it no longer.
fn is_just_now(at_ms: u64, now_ms: u64) -> bool {
    now_ms.checked_sub(at_ms).is_some_and(|age| age < AGAIN_MS)
}

impl Everybody {
    fn session(&mut self, visitor: &Visitor) -> Option<&mut Session> {
        self.sessions.iter_mut().find(|session| session.id == visitor.session)
    }

    fn has_session(&self, id: &str) -> bool {
        let wanted = digest(id);
        self.sessions.iter().any(|session| session.id.ct_eq(&wanted).into())
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
mod tests;
