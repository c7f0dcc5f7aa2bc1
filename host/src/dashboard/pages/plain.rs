//! Pages for whom there is no session: a few sentences, or one button.

use askama::Template;

use super::{Prose, page};
use crate::dashboard::visit::Answer;

#[derive(Template)]
#[template(path = "dashboard/plain.html")]
struct Plain<'a> {
    title: &'a str,
    sentences: Vec<Prose>,
    /// A command to give, where one helps.
    command: Option<&'a str>,
    /// A button's words; it posts to the page's own address.
    button: Option<&'a str>,
    passkey: Option<NewPasskey<'a>>,
    /// Where a visitor goes on, with a session.
    back: Option<(&'a str, &'a str)>,
}

/// What a browser is told to make a passkey.
struct NewPasskey<'a> {
    operator: &'a str,
    challenge: &'a str,
}

impl<'a> Plain<'a> {
    fn of(title: &'a str, sentences: &[&str]) -> Self {
        let sentences = sentences.iter().map(|sentence| Prose((*sentence).to_owned())).collect();
        Self { title, sentences, command: None, button: None, passkey: None, back: None }
    }
}

/// Says something.
pub(in crate::dashboard) fn told(status: u16, title: &str, sentences: &[&str]) -> Answer {
    page(status, &Plain::of(title, sentences))
}

/// Says something to a visitor, and leads on.
pub(super) fn told_in_session(status: u16, title: &str, sentences: &[&str], back: (&str, &str)) -> Answer {
    page(status, &Plain { back: Some(back), ..Plain::of(title, sentences) })
}

/// Says how to get in.
pub(in crate::dashboard) fn sign_in() -> Answer {
    let sentences =
        ["You are not signed in, or your session has ended. This command makes a link that signs you in, once:"];
    page(401, &Plain { command: Some("wardlock dashboard"), ..Plain::of("Sign in", &sentences) })
}

/// Says that the vault is locked: nothing can be known until it is open, and whoever was signed in is not any more.
pub(in crate::dashboard) fn locked() -> Answer {
    let sentences = ["Wardlock holds no key now: agents are refused, and every session has ended. Open it with:"];
    page(503, &Plain { command: Some("wardlock vault unlock"), ..Plain::of("The vault is locked", &sentences) })
}

/// Shows a link to a session.
pub(in crate::dashboard) fn login() -> Answer {
    let sentences =
        ["This signs this browser in to Wardlock's dashboard, for twelve hours at most. The link works once."];
    page(200, &Plain { button: Some("Sign in"), ..Plain::of("Sign in to Wardlock", &sentences) })
}

/// Shows a link for an operator's passkey.
pub(in crate::dashboard) fn new_passkey(operator: &str, challenge: &str) -> Answer {
    let first = format!(
        "This browser makes a passkey for operator {operator}, who can then approve drafts with it in the dashboard."
    );
    let sentences =
        [first.as_str(), "Its private half stays with this device or your password manager. The link works once."];
    let passkey = Some(NewPasskey { operator, challenge });
    page(200, &Plain { button: Some("Make a passkey"), passkey, ..Plain::of("A passkey for you", &sentences) })
}
