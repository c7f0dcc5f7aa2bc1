//! Invitations: a one-time link that an operator gives to the person whose account it is.
//!
//! Opening the link shows who asks for what; only the button on that page uses it up, because mail programs and chats open
//! links by themselves to show a preview. The consent begins when the button is pressed, so its ten minutes are the
//! person's own.
//!
//! Who presses it twice, or goes back to it, is led on again while the consent waits: by a cookie of the page, other for each
//! browser that opens it, the one browser is known that used the link. To everybody else a used link has ended.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::{oneshot, watch};
use wardlock_core::id::Digest;

use super::start::cookies;
use super::{Lead, Place, Waiting};
use crate::oauth::consent::{LIFETIME_MS, random_text};
use crate::oauth::page::{page, with_button};

/// What stands before an invitation's token.
pub(super) const PATH: &str = "/invite/";

/// The cookie by which the browser that used an invitation is known. Its path is the invitation's, so each has its own.
const COOKIE: &str = "wardlock-invite";

/// How long the page waits until the consent has begun: a matter of milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Invitations that nobody has used yet or whose consent waits, by the digest of their token.
#[derive(Debug, Default)]
pub(super) struct Invitations(Mutex<HashMap<Digest, Invitation>>);

#[derive(Debug)]
struct Invitation {
    sentences: Vec<String>,
    expires_ms: u64,
    stage: Stage,
}

/// Where a browser will be led, once that is known.
type ToCome = watch::Receiver<Option<Lead>>;

#[derive(Debug)]
enum Stage {
    /// Nobody has used it.
    Waits(oneshot::Sender<watch::Sender<Option<Lead>>>),
    /// This browser has, by the digest of its cookie; `None`: one without.
    Used { browser: Option<Digest>, lead: ToCome },
}

/// An invitation that waits to be used.
#[derive(Debug)]
pub(crate) struct Invited {
    link: String,
    kept: Kept,
    taken: oneshot::Receiver<watch::Sender<Option<Lead>>>,
}

/// Keeps an invitation. Dropping it ends the link.
#[derive(Debug)]
pub(super) struct Kept {
    token: Digest,
    waiting: Arc<Waiting>,
}

/// The person pressed the button, and waits to be led to the provider.
#[derive(Debug)]
pub(crate) struct Taken {
    lead: watch::Sender<Option<Lead>>,
    kept: Kept,
}

impl Invited {
    /// Returns the link.
    pub fn link(&self) -> &str {
        &self.link
    }

    /// Waits until the person goes on; `None` if that can no longer be.
    pub async fn taken(self) -> Option<Taken> {
        let Self { kept, taken, .. } = self;
        let lead = taken.await.ok()?;
        Some(Taken { lead, kept })
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.waiting.invitations.lock().remove(&self.token);
    }
}

impl Taken {
    /// Leads the person to the provider's page, and whenever the same browser asks again until what this returns is dropped.
    pub(super) fn lead_on(self, lead: Lead) -> Kept {
        self.lead.send_replace(Some(lead));
        self.kept
    }
}

/// Makes an invitation. The token is 256 random bits; only its digest is kept.
pub(super) fn invite(
    waiting: &Arc<Waiting>,
    base: &str,
    sentences: Vec<String>,
    expires_ms: u64,
) -> Result<Invited, getrandom::Error> {
    let text = random_text()?;
    let token = Digest::of(text.as_bytes());
    let (tell, used) = oneshot::channel();
    waiting.invitations.lock().insert(token, Invitation { sentences, expires_ms, stage: Stage::Waits(tell) });
    let kept = Kept { token, waiting: Arc::clone(waiting) };
    Ok(Invited { link: format!("{base}{PATH}{text}"), kept, taken: used })
}

/// Answers a request for an invitation: GET shows it, POST uses it.
pub(super) async fn answer<B>(
    place: &Place,
    invitations: &Invitations,
    now_ms: u64,
    request: &Request<B>,
    text: &str,
) -> Response<Full<Bytes>> {
    let (token, browser) = (Digest::of(text.as_bytes()), browser(request.headers()));
    if request.method() == Method::GET {
        let Some(Shown { sentences, new_for_ms }) = invitations.look(&token, browser.as_ref(), now_ms) else {
            return gone();
        };
        let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
        let mut shown = with_button("Connect your account", &sentences, "Continue");
        if let Some(cookie) = new_for_ms.and_then(|for_ms| cookie(place, text, for_ms)) {
            shown.headers_mut().insert(SET_COOKIE, cookie);
        }
        return shown;
    }
    let Some(mut lead) = invitations.take(&token, browser, now_ms) else {
        return gone();
    };
    let lead = tokio::time::timeout(PATIENCE, lead.wait_for(Option::is_some)).await;
    match lead.ok().and_then(Result::ok).and_then(|lead| lead.clone()) {
        Some(lead) => lead.answer(),
        None => page(
            StatusCode::SERVICE_UNAVAILABLE,
            "This did not work",
            &["Wardlock could not begin. Ask whoever sent you the link for another."],
        ),
    }
}

fn gone() -> Response<Full<Bytes>> {
    page(
        StatusCode::GONE,
        "This invitation has ended",
        &["It was used already, it is too old, or it was taken back. Ask whoever sent it for another."],
    )
}

/// Reads the cookie. Two of the name are none: which of them is ours, nobody can tell.
fn browser(headers: &HeaderMap) -> Option<Digest> {
    let mut found = cookies(headers, COOKIE);
    match (found.next(), found.next()) {
        (Some(value), None) => Some(Digest::of(value.as_bytes())),
        _ => None,
    }
}

/// Makes the cookie of a browser that looks: 256 random bits. None where the system has no randomness; the link works without.
///
/// `Lax`, because the link stands in a mail or a chat: going back to its page is then as if that led there, and looking changes
/// nothing. Forms of other pages have it sent by neither kind.
fn cookie(place: &Place, token: &str, for_ms: u64) -> Option<HeaderValue> {
    let (value, seconds) = (random_text().ok()?, for_ms / 1000);
    let secure = if place.is_secure() { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; Path={PATH}{token}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::from_str(&text).ok()
}

/// What the page of an invitation shows.
struct Shown {
    sentences: Vec<String>,
    /// How long the browser is to be known from now on; `None`: it is, because it used the link.
    new_for_ms: Option<u64>,
}

impl Invitations {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Invitation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self, token: &Digest, browser: Option<&Digest>, now_ms: u64) -> Option<Shown> {
        let invitations = self.lock();
        let invitation = invitations.get(token)?;
        let new_for_ms = match &invitation.stage {
            Stage::Waits(_) => Some(invitation.expires_ms.checked_sub(now_ms)?.saturating_add(LIFETIME_MS)),
            Stage::Used { browser: first, .. } if is_same(first.as_ref(), browser) => None,
            Stage::Used { .. } => return None,
        };
        Some(Shown { sentences: invitation.sentences.clone(), new_for_ms })
    }

    /// Takes an invitation: once, and again for the browser that took it.
    fn take(&self, token: &Digest, browser: Option<Digest>, now_ms: u64) -> Option<ToCome> {
        let mut invitations = self.lock();
        let invitation = invitations.get_mut(token)?;
        if let Stage::Used { browser: first, lead } = &invitation.stage {
            return is_same(first.as_ref(), browser.as_ref()).then(|| lead.clone());
        }
        if invitation.expires_ms < now_ms {
            return None;
        }
        let (leads, lead) = watch::channel(None);
        let used = Stage::Used { browser, lead: lead.clone() };
        let Stage::Waits(tell) = std::mem::replace(&mut invitation.stage, used) else {
            return None;
        };
        tell.send(leads).ok().map(|()| lead)
    }
}

/// Returns whether it is the browser that used the link. One without a cookie is like any other without.
fn is_same(first: Option<&Digest>, browser: Option<&Digest>) -> bool {
    first.is_some() && first == browser
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::super::start::Mark;
    use super::*;

    fn text(answer: &Response<Full<Bytes>>) -> String {
        format!("{answer:?}")
    }

    fn token(invited: &Invited) -> String {
        invited.link().rsplit('/').next().expect("a token").to_owned()
    }

    fn place(base: &str) -> Place {
        let address = "127.0.0.1:7421".parse().expect("an address");
        Place { address, base: base.to_owned(), host: String::new() }
    }

    async fn ask(
        waiting: &Waiting,
        now_ms: u64,
        method: Method,
        token: &str,
        cookie: &str,
    ) -> Response<Full<Bytes>> {
        let request = Request::builder().method(method).header("cookie", cookie).body(()).expect("a request");
        answer(&place("http://127.0.0.1:7421"), &waiting.invitations, now_ms, &request, token).await
    }

    fn lead() -> Lead {
        let page: Url = "https://accounts.example/auth?state=x".parse().expect("a URL");
        Lead { page, mark: Mark::new(Digest::of(b"x"), false).expect("random bits") }
    }

    /// Looks at the page, and returns the pair of its cookie.
    async fn looks(waiting: &Waiting, token: &str, cookie: &str) -> String {
        let shown = ask(waiting, 0, Method::GET, token, cookie).await;
        assert_eq!(shown.status(), StatusCode::OK);
        assert!(text(&shown).contains("Acme &lt;b&gt;"), "{}", text(&shown));
        let set = shown.headers()[SET_COOKIE].to_str().expect("text");
        let (pair, bound) = set.split_once("; ").expect("what it is bound to");
        assert_eq!(bound, format!("Path=/invite/{token}; Max-Age=600; HttpOnly; SameSite=Lax"));
        pair.to_owned()
    }

    #[tokio::test]
    async fn looking_at_an_invitation_does_not_use_it_and_the_button_does_once() {
        let waiting = Arc::new(Waiting::default());
        let asked = vec!["for `Acme <b>`".to_owned()];
        let invited = invite(&waiting, "http://127.0.0.1:7421", asked, 100).expect("invited");
        let token = token(&invited);
        for _ in 0..3 {
            looks(&waiting, &token, "").await;
        }
        // A browser that takes no cookies.
        let onward = lead();
        let page = onward.page.clone();
        let (led, kept) = tokio::join!(ask(&waiting, 0, Method::POST, &token, ""), async {
            invited.taken().await.expect("taken").lead_on(onward)
        });
        assert_eq!(
            (led.status(), led.headers()["location"].as_bytes()),
            (StatusCode::SEE_OTHER, page.as_str().as_bytes())
        );
        assert!(led.headers().contains_key("set-cookie"), "the browser is known again");
        for (method, cookie) in [(Method::GET, ""), (Method::POST, ""), (Method::POST, "wardlock-invite=")] {
            assert_eq!(ask(&waiting, 0, method, &token, cookie).await.status(), StatusCode::GONE);
        }
        drop(kept);
    }

    #[tokio::test]
    async fn the_browser_that_used_an_invitation_is_led_on_again_while_its_consent_waits_and_no_other_is() {
        let waiting = Arc::new(Waiting::default());
        let invited = invite(&waiting, "http://a", vec!["Acme <b>".to_owned()], 100).expect("invited");
        let token = token(&invited);
        let (early, own) = (looks(&waiting, &token, "").await, looks(&waiting, &token, "").await);
        assert_ne!(early, own, "each browser is another");
        // The second click comes before the first is answered.
        let post = |cookie| ask(&waiting, 0, Method::POST, &token, cookie);
        let (first, second, kept) =
            tokio::join!(post(&own), post(&own), async { invited.taken().await.expect("taken").lead_on(lead()) });
        for led in [first, second, ask(&waiting, 101, Method::POST, &token, &own).await] {
            assert_eq!(led.status(), StatusCode::SEE_OTHER);
            assert_eq!(led.headers()["location"], "https://accounts.example/auth?state=x");
        }
        let back = ask(&waiting, 0, Method::GET, &token, &own).await;
        assert_eq!((back.status(), back.headers().get(SET_COOKIE)), (StatusCode::OK, None));
        for other in ["", &early, &format!("{own}; {early}"), &format!("{own}x")] {
            for method in [Method::GET, Method::POST] {
                let refused = ask(&waiting, 0, method, &token, other).await;
                assert_eq!((refused.status(), refused.headers().get(SET_COOKIE)), (StatusCode::GONE, None));
            }
        }
        drop(kept);
        assert_eq!(post(&own).await.status(), StatusCode::GONE, "the consent has ended");
    }

    #[test]
    fn the_cookie_goes_over_tls_alone_where_the_link_does() {
        let set = |base| cookie(&place(base), "x", 1000).expect("random bits");
        assert!(set("https://connect.example").to_str().expect("text").ends_with("; SameSite=Lax; Secure"));
        assert!(set("http://127.0.0.1:7421").to_str().expect("text").ends_with("; SameSite=Lax"));
    }

    #[tokio::test]
    async fn an_invitation_ends_by_time_or_when_it_is_taken_back() {
        let waiting = Arc::new(Waiting::default());
        let late = invite(&waiting, "http://a", Vec::new(), 100).expect("invited");
        let token_of_late = token(&late);
        for method in [Method::GET, Method::POST] {
            assert_eq!(ask(&waiting, 101, method, &token_of_late, "").await.status(), StatusCode::GONE);
        }
        let back = invite(&waiting, "http://a", Vec::new(), 100).expect("invited");
        let token_of_back = token(&back);
        drop(back);
        assert_eq!(ask(&waiting, 0, Method::POST, &token_of_back, "").await.status(), StatusCode::GONE);
        assert_eq!(ask(&waiting, 0, Method::GET, "guess", "").await.status(), StatusCode::GONE);
        assert!(!text(&gone()).contains(&token_of_back));
    }
}
