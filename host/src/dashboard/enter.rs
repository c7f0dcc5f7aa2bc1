//! Links, used by the button of their page: a session, or an operator's passkey. Opening a link uses nothing up, because chats and mail
//! programs open links by themselves to show a preview; opening it gives the browser a cookie, by which the one that uses it is known.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::pages::{self, told};
use super::visit::{Answer, Visit};
use super::visitors::{Ended, Entered, LINK_MS, Purpose, SESSION_MS, Shown};
use crate::host::Host;
use crate::ids::random;
use crate::operators::passkey::{self, Registration};
use crate::ops::{self, Enrolled};

/// The act of whoever tries a link that was used.
const LINK_REUSED: &str = "dashboard.link-reused";

/// What makes another link.
const ANOTHER_SESSION: &str = "Run `wardlock dashboard` for another.";
const ANOTHER_PASSKEY: &str = "Run `wardlock operator passkey NAME` for another; an operator signs that.";

/// Shows a link to a session, or uses it.
pub(super) async fn login(host: &Arc<Host>, visit: &Visit, token: &str) -> Answer {
    let (visitors, now_ms) = (host.visitors(), host.now_ms());
    if !visit.post {
        return match visitors.look(token, visit, now_ms) {
            Ok(Shown::Waits(Purpose::Login)) => known(visit, pages::login()),
            Ok(Shown::Again) => pages::login(),
            Ok(Shown::Waits(Purpose::Passkey { .. })) => gone(host, Ended::Unknown, ANOTHER_SESSION).await,
            Err(ended) => gone(host, ended, ANOTHER_SESSION).await,
        };
    }
    let id = match visitors.enter(token, visit, now_ms) {
        Ok(Entered::First(id)) => {
            ops::told(host, "dashboard.login", "ok").await;
            id
        }
        Ok(Entered::Again(id)) => id,
        Err(ended) => return gone(host, ended, ANOTHER_SESSION).await,
    };
    Answer::leads_to("/").with_session(visit, &id, SESSION_MS / 1000)
}

/// Shows a link's page, and gives the browser a cookie of its own. The link works without, too: once.
fn known(visit: &Visit, page: Answer) -> Answer {
    match random() {
        Ok(value) => page.with_browser(visit, &value, LINK_MS / 1000),
        Err(_) => page,
    }
}

/// Shows a link for an operator's passkey, or takes the passkey.
pub(super) async fn passkey(host: &Arc<Host>, visit: &Visit, token: &str) -> Answer {
    let (visitors, now_ms) = (host.visitors(), host.now_ms());
    let found = if visit.post {
        visitors.take(token, visit, now_ms)
    } else {
        visitors.look(token, visit, now_ms).and_then(|shown| match shown {
            Shown::Waits(purpose) => Ok(purpose),
            // A session's, which is no passkey's.
            Shown::Again => Err(Ended::Unknown),
        })
    };
    let (operator, by, challenge) = match found {
        Ok(Purpose::Passkey { operator, by, challenge }) => (operator, by, challenge),
        Ok(Purpose::Login) => return gone(host, Ended::Unknown, ANOTHER_PASSKEY).await,
        Err(ended) => return gone(host, ended, ANOTHER_PASSKEY).await,
    };
    if !visit.post {
        return known(visit, pages::new_passkey(&operator, &URL_SAFE_NO_PAD.encode(challenge)));
    }
    let (Some(client_data), Some(authenticator_data)) = (bytes(visit, "client"), bytes(visit, "authenticator"))
    else {
        return told(400, "This did not work", &["The browser brought no passkey. Ask for another link."]);
    };
    let registration = Registration { client_data, authenticator_data, origin: visit.origin.clone() };
    let passkey = match passkey::enrol(&registration, &challenge, now_ms) {
        Ok(passkey) => passkey,
        Err(problem) => {
            let problem = format!("The passkey was not taken: {problem}.");
            return told(400, "This did not work", &[&problem, "The link is used up. Ask for another."]);
        }
    };
    match ops::enrol(host, Enrolled { operator: operator.clone(), by, passkey }).await {
        Ok(()) => {
            let sentence = format!("Operator {operator} has this passkey now, and can approve with it here.");
            told(200, "The passkey is kept", &[&sentence])
        }
        Err(failure) => pages::failed(&failure),
    }
}

/// Says that a link leads nowhere. Somebody who tries one that another browser used may have stolen it, so that is recorded: once a
/// link.
async fn gone(host: &Host, ended: Ended, another: &str) -> Answer {
    match ended {
        Ended::Used { first } => {
            if first {
                ops::told(host, LINK_REUSED, "refused").await;
            }
            let told_on = "That is in the audit. If it was not you who used it, sign everybody out: lock the vault and unlock it.";
            told(410, "This link was used before", &["A link works once.", told_on])
        }
        Ended::Own => {
            told(410, "You have used this link", &["It was this browser, and a link works once.", another])
        }
        Ended::Unknown => told(410, "This link has ended", &["It is too old, or never was.", another]),
        Ended::NoRandomness => told(503, "This did not work", &["The system gives no randomness."]),
    }
}

/// Reads a field of base64url.
pub(super) fn bytes(visit: &Visit, name: &str) -> Option<Vec<u8>> {
    visit.field(name).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()).filter(|bytes| !bytes.is_empty())
}
