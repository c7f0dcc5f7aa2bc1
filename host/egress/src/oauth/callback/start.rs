//! Where a consent begins: an address of the listener's own, which leads the browser to the provider and marks it by a cookie.
//!
//! The provider's address holds the state, so whoever sees it could consent there, with an account of their own. A callback
//! therefore counts only from a browser that was led there from here: by this address, or by an invitation's button.

use bytes::Bytes;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use wardlock_core::id::Digest;

use super::{CallbackListener, Lead, Waiting};
use crate::oauth::consent::{LIFETIME_MS, random_text};
use crate::oauth::page::{page, page_that_leads};

/// What stands before a start's token.
pub(super) const PATH: &str = "/start/";

/// A cookie by which a browser is known again: 256 random bits, under a name of its consent's own, so that one browser can be in
/// several at once.
#[derive(Clone)]
pub(super) struct Mark {
    name: String,
    value: String,
    /// Whether browsers come here over TLS.
    is_secure: bool,
}

impl Mark {
    /// Makes the mark of the consent with this state.
    pub fn new(state: Digest, is_secure: bool) -> Result<Self, getrandom::Error> {
        let name = format!("wardlock-{}", &state.to_string()[..16]);
        Ok(Self { name, value: random_text()?, is_secure })
    }

    /// Returns whether a browser that sends these headers is marked.
    pub fn is_on(&self, headers: &HeaderMap) -> bool {
        // By their digests: how long the comparison takes tells nothing.
        let own = Digest::of(self.value.as_bytes());
        cookies(headers, &self.name).any(|value| Digest::of(value.as_bytes()) == own)
    }

    /// `Lax`, because it is the provider's page that leads the browser back.
    fn set_on(&self, response: &mut Response<Full<Bytes>>) {
        let Self { name, value, is_secure } = self;
        let (path, seconds) = (CallbackListener::PATH, LIFETIME_MS / 1000);
        let secure = if *is_secure { "; Secure" } else { "" };
        let cookie = format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
        if let Ok(cookie) = HeaderValue::from_str(&cookie) {
            response.headers_mut().insert(SET_COOKIE, cookie);
        }
    }
}

/// Returns the values of the cookies of a name.
pub(super) fn cookies<'a>(headers: &'a HeaderMap, wanted: &'a str) -> impl Iterator<Item = &'a str> {
    let sent = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = sent.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(name, _)| *name == wanted).map(|(_, value)| value)
}

impl std::fmt::Debug for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mark").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Lead {
    /// Marks the browser, and leads it to the provider.
    pub(super) fn answer(&self) -> Response<Full<Bytes>> {
        let mut response = page_that_leads(&self.page);
        self.mark.set_on(&mut response);
        response
    }
}

/// Answers a request for a start. It may be opened more than once, as long as the consent is waited for: whoever opened it in the
/// wrong browser opens it in another.
pub(super) fn answer(waiting: &Waiting, now_ms: u64, token: &str) -> Response<Full<Bytes>> {
    let token = Digest::of(token.as_bytes());
    let consents = waiting.consents();
    let found = consents.values().find(|waiter| waiter.start == token && waiter.expires_at_ms >= now_ms);
    match found {
        Some(waiter) => waiter.lead.answer(),
        None => page(
            StatusCode::GONE,
            "This consent has ended",
            &["It was given already, it is too old, or it was stopped. Start again with `wardlock connect`."],
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (COOKIE, HeaderValue::from_str(line).expect("a value"))).collect()
    }

    #[test]
    fn a_browser_is_known_by_its_own_consents_cookie_among_any_others() {
        let mark = Mark::new(Digest::of(b"state"), false).expect("random bits");
        let other = Mark::new(Digest::of(b"other"), false).expect("random bits");
        let own = format!("{}={}", mark.name, mark.value);
        for sent in [&[own.as_str()][..], &[&format!("a=b; {own}; c=d")], &["a=b", &own]] {
            assert!(mark.is_on(&headers(sent)) && !other.is_on(&headers(sent)), "{sent:?}");
        }
        for sent in [
            String::new(),
            format!("{}={}", mark.name, other.value),
            format!("{}={}", other.name, mark.value),
            format!("{}=", mark.name),
            mark.value.clone(),
        ] {
            assert!(!mark.is_on(&headers(&[&sent])), "{sent}");
        }
        assert!(!format!("{mark:?}").contains(&mark.value));
    }

    #[test]
    fn the_cookie_is_for_the_callback_alone_and_out_of_scripts_reach() {
        for (is_secure, end) in [(false, "; HttpOnly; SameSite=Lax"), (true, "; HttpOnly; SameSite=Lax; Secure")] {
            let mut response = Response::new(Full::default());
            Mark::new(Digest::of(b"state"), is_secure).expect("random bits").set_on(&mut response);
            let cookie = response.headers()[SET_COOKIE].to_str().expect("text");
            assert!(cookie.contains("; Path=/callback; Max-Age=600;") && cookie.ends_with(end), "{cookie}");
        }
    }
}
