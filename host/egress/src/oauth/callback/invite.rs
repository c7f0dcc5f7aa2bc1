//! Invitations: a one-time link that an operator gives to the person whose account it is.
//!
//! Opening the link shows who asks for what; only the button on that page uses it up, because mail programs and chats open
//! links by themselves to show a preview. The consent begins when the button is pressed, so its ten minutes are the
//! person's own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::oneshot;
use wardlock_core::id::Digest;

use super::{Lead, Waiting};
use crate::oauth::consent::random_text;
use crate::oauth::page::{page, with_button};

/// What stands before an invitation's token.
pub(super) const PATH: &str = "/invite/";

/// How long the page waits until the consent has begun: a matter of milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// Invitations that nobody has used yet, by the digest of their token.
#[derive(Debug, Default)]
pub(super) struct Invitations(Mutex<HashMap<Digest, Invitation>>);

#[derive(Debug)]
struct Invitation {
    sentences: Vec<String>,
    expires_ms: u64,
    taken: oneshot::Sender<Taken>,
}

/// An invitation that waits to be used. Dropping it ends the link.
#[derive(Debug)]
pub(crate) struct Invited {
    link: String,
    token: Digest,
    waiting: Arc<Waiting>,
    taken: oneshot::Receiver<Taken>,
}

/// The person pressed the button, and waits to be led to the provider.
#[derive(Debug)]
pub(crate) struct Taken(oneshot::Sender<Lead>);

impl Invited {
    /// Returns the link.
    pub fn link(&self) -> &str {
        &self.link
    }

    /// Waits until the person goes on; `None` if that can no longer be.
    pub async fn taken(mut self) -> Option<Taken> {
        (&mut self.taken).await.ok()
    }
}

impl Drop for Invited {
    fn drop(&mut self) {
        self.waiting.invitations.lock().remove(&self.token);
    }
}

impl Taken {
    /// Leads the person to the provider's page.
    pub fn lead_on(self, lead: Lead) {
        // A browser that is gone may come back to its link and find it used; the consent then times out.
        let _ = self.0.send(lead);
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
    waiting.invitations.lock().insert(token, Invitation { sentences, expires_ms, taken: tell });
    Ok(Invited { link: format!("{base}{PATH}{text}"), token, waiting: Arc::clone(waiting), taken: used })
}

/// Answers a request for an invitation: GET shows it, POST uses it.
pub(super) async fn answer(
    invitations: &Invitations,
    now_ms: u64,
    method: &Method,
    token: &str,
) -> Response<Full<Bytes>> {
    let token = Digest::of(token.as_bytes());
    if method == Method::GET {
        return match invitations.sentences(&token, now_ms) {
            Some(sentences) => {
                let sentences: Vec<&str> = sentences.iter().map(String::as_str).collect();
                with_button("Connect your account", &sentences, "Continue")
            }
            None => gone(),
        };
    }
    let Some(invitation) = invitations.take(&token, now_ms) else {
        return gone();
    };
    let (tell, lead) = oneshot::channel();
    if invitation.taken.send(Taken(tell)).is_err() {
        return gone();
    }
    match tokio::time::timeout(PATIENCE, lead).await {
        Ok(Ok(lead)) => lead.answer(),
        Ok(Err(_)) | Err(_) => page(
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

impl Invitations {
    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Invitation>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sentences(&self, token: &Digest, now_ms: u64) -> Option<Vec<String>> {
        let invitations = self.lock();
        invitations.get(token).filter(|it| it.expires_ms >= now_ms).map(|it| it.sentences.clone())
    }

    /// Takes an invitation: once.
    fn take(&self, token: &Digest, now_ms: u64) -> Option<Invitation> {
        self.lock().remove(token).filter(|it| it.expires_ms >= now_ms)
    }
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

    #[tokio::test]
    async fn looking_at_an_invitation_does_not_use_it_and_the_button_does_once() {
        let waiting = Arc::new(Waiting::default());
        let asked = vec!["for `Acme <b>`".to_owned()];
        let invited = invite(&waiting, "http://127.0.0.1:7421", asked, 100).expect("invited");
        let (all, token) = (&waiting.invitations, token(&invited));
        for _ in 0..3 {
            let shown = answer(all, 0, &Method::GET, &token).await;
            assert_eq!(shown.status(), StatusCode::OK);
            assert!(text(&shown).contains("Acme &lt;b&gt;"), "{}", text(&shown));
        }
        let page: Url = "https://accounts.example/auth?state=x".parse().expect("a URL");
        let mark = Mark::new(Digest::of(b"x"), false).expect("random bits");
        let onward = Lead { page: page.clone(), mark };
        let (led, ()) = tokio::join!(answer(all, 0, &Method::POST, &token), async {
            invited.taken().await.expect("taken").lead_on(onward);
        });
        assert_eq!(
            (led.status(), led.headers()["location"].as_bytes()),
            (StatusCode::SEE_OTHER, page.as_str().as_bytes())
        );
        assert!(led.headers().contains_key("set-cookie"), "the browser is known again");
        for method in [Method::GET, Method::POST] {
            assert_eq!(answer(all, 0, &method, &token).await.status(), StatusCode::GONE);
        }
    }

    #[tokio::test]
    async fn an_invitation_ends_by_time_or_when_it_is_taken_back() {
        let waiting = Arc::new(Waiting::default());
        let late = invite(&waiting, "http://a", Vec::new(), 100).expect("invited");
        let token_of_late = token(&late);
        for method in [Method::GET, Method::POST] {
            assert_eq!(
                answer(&waiting.invitations, 101, &method, &token_of_late).await.status(),
                StatusCode::GONE
            );
        }
        let back = invite(&waiting, "http://a", Vec::new(), 100).expect("invited");
        let token_of_back = token(&back);
        drop(back);
        assert_eq!(
            answer(&waiting.invitations, 0, &Method::POST, &token_of_back).await.status(),
            StatusCode::GONE
        );
        assert_eq!(answer(&waiting.invitations, 0, &Method::GET, "guess").await.status(), StatusCode::GONE);
        assert!(!text(&gone()).contains(&token_of_back));
    }
}
