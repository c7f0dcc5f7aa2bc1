//! The dashboard: pages for a browser on this machine, rendered here, that give the same commands as the command line.
//!
//! It decides nothing by itself: what a page shows and does goes through `ops`, and whether somebody may is said by
//! `operators::authorise`. In reading order:
//!
//! - `visitors`: links, sessions and what passkeys are asked; in memory.
//! - `visit`: a request, as far as it matters here.
//! - this file: which page answers which request, and who must be known for it.
//! - `enter`: links used: a session, or an operator's passkey.
//! - `act`: what forms do: approve, reject, freeze, check the audit, sign out.
//! - `pages`: what is shown; its templates stand in `host/templates/dashboard`, its style and scripts in `host/src/dashboard/files`.

mod act;
mod ask;
mod enter;
mod pages;
mod visit;
mod visitors;

use std::net::SocketAddr;
use std::sync::Arc;

use crate::gate::Gate;
use crate::host::Host;

pub use visit::{Answer, Visit};
pub use visitors::{LINK_MS, Purpose, Visitors};

use visitors::Visitor;

/// The name that the dashboard answers to. Passkeys want one, and this is loopback's.
const HOST: &str = crate::operators::passkey::RELYING_PARTY;

/// Who does, for the audit, what nobody signed.
pub const NAME: &str = "dashboard";

/// Returns the one `Host` of a dashboard that listens there, as browsers write it.
pub fn host_of(address: SocketAddr) -> String {
    match address.port() {
        // What http has anyway is left out (RFC 9110, section 4.2.3).
        80 => HOST.to_owned(),
        port => format!("{HOST}:{port}"),
    }
}

/// Returns its one origin.
pub fn origin(address: SocketAddr) -> String {
    format!("http://{}", host_of(address))
}

/// A page of a few sentences, for whom there is no session.
pub fn told(status: u16, title: &str, sentences: &[&str]) -> Answer {
    pages::told(status, title, sentences)
}

/// Answers one request.
pub async fn answer(gate: &Arc<Gate>, visit: Visit) -> Answer {
    if let Some(file) = file(&visit) {
        return file;
    }
    let Some(host) = gate.opened() else { return pages::locked() };
    let segments: Vec<&str> = visit.path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["login", token] => return enter::login(&host, &visit, token).await,
        ["passkey", token] => return enter::passkey(&host, &visit, token).await,
        _ => {}
    }
    // A page that renews itself is nobody's doing.
    let acts = segments != ["audit", "live"];
    let found =
        visit.session().and_then(|cookie| host.visitors().visitor(cookie, visit.user, acts, host.now_ms()));
    let Some(visitor) = found else { return pages::sign_in() };
    if visit.post {
        if !visit.field("csrf").is_some_and(|token| visitor.wrote(token)) {
            return told(403, "Refused", &["The form is of another session, or too old. Open the page again."]);
        }
        return act::act(gate, host, &visitor, &visit, &segments).await;
    }
    show(gate, host, &visitor, &visit, &segments).await
}

async fn show(gate: &Arc<Gate>, host: Arc<Host>, visitor: &Visitor, visit: &Visit, segments: &[&str]) -> Answer {
    match segments {
        [""] => pages::overview(gate, &host, visitor).await,
        ["audit"] => pages::audit(gate, visitor, visit).await,
        // Nothing holds the host while this waits, so that the vault can be locked.
        ["audit", "live"] => {
            drop(host);
            pages::live(gate, visit).await
        }
        ["requests", id] => pages::request(gate, visitor, id).await,
        ["drafts"] => pages::drafts(gate, &host, visitor, visit).await,
        ["drafts", id] => pages::draft(gate, &host, visitor, id).await,
        ["plugins"] => pages::plugins(gate, visitor).await,
        _ => told(404, "Nothing here", &["There is no such page."]),
    }
}

/// The files that pages load: for everybody, because they say nothing.
fn file(visit: &Visit) -> Option<Answer> {
    let (content_type, text) = match visit.path.as_str() {
        "/style.css" => ("text/css; charset=utf-8", include_str!("files/style.css")),
        "/live.js" => ("text/javascript; charset=utf-8", include_str!("files/live.js")),
        "/passkey.js" => ("text/javascript; charset=utf-8", include_str!("files/passkey.js")),
        "/icon.svg" => ("image/svg+xml", include_str!("files/icon.svg")),
        _ => return None,
    };
    Some(Answer::of(content_type, text.to_owned()))
}
