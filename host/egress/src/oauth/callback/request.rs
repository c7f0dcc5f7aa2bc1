//! One request to the callback listener: checked strictly, answered with a page.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use zeroize::Zeroizing;

use super::judge::{self, Params};
use super::{Audience, Brought, CallbackListener, Heard, Place, Waiter, Waiting, invite, start};
use crate::oauth::page::page;

const NOT_OURS: &str = "Wardlock is not waiting for this.";

/// Answers a request, and tells the consent that it belongs to.
pub(super) async fn answer<B>(
    place: &Place,
    waiting: &Waiting,
    now_ms: u64,
    request: &Request<B>,
) -> Response<Full<Bytes>> {
    if let Some(token) = request.uri().path().strip_prefix(invite::PATH) {
        return match check(place, request, &[Method::GET, Method::POST]) {
            Ok(()) => invite::answer(place, &waiting.invitations, now_ms, request, token).await,
            Err((status, why)) => page(status, "This is not an invitation", &[why]),
        };
    }
    if let Err((status, why)) = check(place, request, &[Method::GET]) {
        return page(status, "This is not a consent", &[why]);
    }
    if let Some(token) = request.uri().path().strip_prefix(start::PATH) {
        return start::answer(waiting, now_ms, token);
    }
    if request.uri().path() != CallbackListener::PATH {
        return page(StatusCode::NOT_FOUND, "This is not a consent", &[NOT_OURS]);
    }
    let Some(params) = Params::parse(request.uri().query().unwrap_or_default()) else {
        return page(StatusCode::BAD_REQUEST, "This cannot be read", &["The address names the same thing twice."]);
    };
    let Some(state) = params.state() else {
        return without_state(waiting, request.headers(), &params);
    };
    match waiting.take(state, request.headers()) {
        Brought::Awaited(waiter) => with_state(&waiter, now_ms, params),
        Brought::Elsewhere(audience) => page(
            StatusCode::FORBIDDEN,
            "This browser did not begin it",
            &[
                "Wardlock waits for the browser in which this consent was begun. It knows it by a cookie.",
                match audience {
                    Audience::Operator => {
                        "Open the address that the terminal shows in this browser, with cookies allowed, and agree again."
                    }
                    Audience::Invited => {
                        "Agree in the browser in which you opened the link, with cookies allowed; or ask whoever sent you \
                         the link for another."
                    }
                },
            ],
        ),
        Brought::Unknown => page(
            StatusCode::BAD_REQUEST,
            "Nobody waits for this",
            &[
                NOT_OURS,
                "The page was opened twice, or too late. If somebody sent you a link, ask them how it went; at the terminal, \
                 start again with `wardlock connect`.",
            ],
        ),
    }
}

fn check<B>(place: &Place, request: &Request<B>, methods: &[Method]) -> Result<(), (StatusCode, &'static str)> {
    // Anything but the exact name is a rebound DNS name or a forged header (facts B1).
    let mut hosts = request.headers().get_all(HOST).iter();
    let one_host = hosts.next().is_some_and(|host| is_own(place, host.as_bytes())) && hosts.next().is_none();
    if !one_host || request.uri().authority().is_some() {
        return Err((StatusCode::MISDIRECTED_REQUEST, "This address is not the one that Wardlock listens on."));
    }
    if !methods.contains(request.method()) {
        return Err((
            StatusCode::METHOD_NOT_ALLOWED,
            "Only a browser that comes back from the provider is expected here.",
        ));
    }
    // Browsers say so of pages that a person goes to, and something else of what a page loads by itself.
    if request.headers().get_all("sec-fetch-mode").iter().any(|mode| mode != "navigate") {
        return Err((StatusCode::FORBIDDEN, "A page asked for this by itself; only a person may open it."));
    }
    let body = request.headers().contains_key(TRANSFER_ENCODING)
        || request.headers().get(CONTENT_LENGTH).is_some_and(|length| length.as_bytes() != b"0");
    if body {
        return Err((StatusCode::BAD_REQUEST, NOT_OURS));
    }
    Ok(())
}

/// Returns whether a `Host` is one under which browsers reach this listener: the redirect URI's, or, through an SSH tunnel
/// or a proxy that sets its own, the address itself.
fn is_own(place: &Place, host: &[u8]) -> bool {
    host == place.host.as_bytes() || host == place.address.to_string().as_bytes()
}

/// Some providers send an error without the state. It is explained, but ends nothing.
fn without_state(waiting: &Waiting, headers: &HeaderMap, params: &Params) -> Response<Full<Bytes>> {
    let told = params.error().and_then(|error| waiting.notice(headers, |service| judge::sentence(service, error)));
    match told {
        Some((sentence, audience)) => page(
            StatusCode::BAD_REQUEST,
            "This may be the provider's answer",
            &[
                &sentence,
                "It came without what the provider was given, so it ends nothing.",
                match audience {
                    Audience::Operator => {
                        "Wardlock is still waiting: go back and try again, or stop it with Ctrl-C."
                    }
                    Audience::Invited => {
                        "Wardlock is still waiting: go back and try again, or tell whoever sent you the link."
                    }
                },
            ],
        ),
        None => page(StatusCode::BAD_REQUEST, "Nobody waits for this", &[NOT_OURS]),
    }
}

fn with_state(waiter: &Waiter, now_ms: u64, params: Params) -> Response<Full<Bytes>> {
    let judged = judge::judge(&waiter.service, &waiter.region, waiter.expires_at_ms, now_ms, params);
    let (response, heard) = match judged {
        Ok(code) => (
            page(
                StatusCode::OK,
                "Thank you",
                &[
                    match waiter.audience {
                        Audience::Operator => {
                            "Wardlock has the provider's answer and now checks it. The terminal says how it went."
                        }
                        Audience::Invited => {
                            "Wardlock has the provider's answer and now checks it. Whoever sent you the link sees how it \
                             went."
                        }
                    },
                    "You can close this window.",
                ],
            ),
            Heard::Code(code),
        ),
        Err(problem) => {
            let hint = match waiter.audience {
                Audience::Operator => problem.hint(),
                Audience::Invited => problem.hint_for_invited(),
            };
            let told = page(StatusCode::BAD_REQUEST, "This did not work", &[&problem.to_string(), &hint]);
            (told, Heard::Problem(problem))
        }
    };
    // A receiver that is gone has given up waiting; the code is dropped unused.
    let _ = waiter.tell.try_send(heard);
    response
}

impl Params {
    /// Parses a query; `None` when a name that matters stands in it twice. Zoho's may end in `&`.
    fn parse(query: &str) -> Option<Self> {
        let mut params = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            if name.is_empty() {
                continue;
            }
            let value = Zeroizing::new(value.into_owned());
            if params.insert(name.into_owned(), value).is_some() {
                return None;
            }
        }
        Some(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn status(request: &Request<()>) -> StatusCode {
        let place = Place {
            address: "127.0.0.1:7421".parse().expect("an address"),
            base: "https://connect.example".to_owned(),
            host: "connect.example".to_owned(),
        };
        answer(&place, &Waiting::default(), 0, request).await.status()
    }

    fn get(target: &str, host: &str) -> Request<()> {
        Request::get(target).header("host", host).body(()).expect("a request")
    }

    #[tokio::test]
    async fn only_the_exact_address_path_and_method_are_served() {
        assert_eq!(status(&get("/callback?state=a", "evil.example:7421")).await, 421);
        assert_eq!(status(&get("/callback?state=a", "localhost:7421")).await, 421);
        assert_eq!(status(&get("http://127.0.0.1:7421/callback", "127.0.0.1:7421")).await, 421);
        assert_eq!(status(&get("/callback/", "127.0.0.1:7421")).await, 404);
        assert_eq!(status(&get("/callback?state=a", "connect.example")).await, 400);
        assert_eq!(status(&get("/callback?state=a", "connect.example:443")).await, 421);
        assert_eq!(status(&get("/invite/x", "evil.example")).await, 421);
        assert_eq!(status(&get("/invite/x", "connect.example")).await, 410);
        let post = Request::post("/callback").header("host", "127.0.0.1:7421").body(()).expect("a request");
        assert_eq!(status(&post).await, 405);
        let twice = Request::get("/callback").header("host", "127.0.0.1:7421").header("host", "b").body(());
        assert_eq!(status(&twice.expect("a request")).await, 421);
        assert_eq!(status(&get("/start/x", "evil.example")).await, 421);
        assert_eq!(status(&get("/start/x", "127.0.0.1:7421")).await, 410);
    }

    #[tokio::test]
    async fn what_a_page_asks_for_by_itself_is_refused() {
        for path in ["/callback?error=access_denied", "/invite/x", "/start/x"] {
            for mode in ["no-cors", "cors", "same-origin", "websocket", ""] {
                let mut request = get(path, "127.0.0.1:7421");
                request.headers_mut().insert("sec-fetch-mode", mode.parse().expect("a value"));
                assert_eq!(status(&request).await, 403, "{path} {mode}");
            }
            let mut opened = get(path, "127.0.0.1:7421");
            opened.headers_mut().insert("sec-fetch-mode", "navigate".parse().expect("a value"));
            assert_ne!(status(&opened).await, 403, "{path}");
        }
    }

    #[tokio::test]
    async fn an_unknown_state_and_a_doubled_name_are_refused() {
        assert_eq!(status(&get("/callback?state=guess&code=x", "127.0.0.1:7421")).await, 400);
        assert_eq!(status(&get("/callback?state=a&state=b", "127.0.0.1:7421")).await, 400);
        assert!(Params::parse("code=x&location=eu&").is_some());
        assert!(Params::parse("code=x&code=y").is_none());
    }
}
