//! What is shown. A view takes what a command said and puts it into words; its template escapes every one of them.

mod audit;
mod drafts;
mod overview;
mod plain;
mod plugins;

use std::sync::Arc;

use askama::Template;
use serde_json::Value;

use super::ask::ask;
use super::visit::Answer;
use super::visitors::Visitor;
use crate::admin::{Command, Failure};
use crate::gate::Gate;
use crate::host::Host;
use crate::ops;
use crate::text::{for_terminal, for_terminal_lines};

pub(super) use audit::{audit, live, request, verified};
pub(super) use drafts::{draft, drafts};
pub(super) use overview::overview;
pub(super) use plain::{locked, login, new_passkey, sign_in, told};
pub(super) use plugins::plugins;

/// What stands around every page of a session.
struct Frame {
    /// The page's title.
    title: String,
    /// Which of the navigation's pages it belongs to.
    section: &'static str,
    /// What its forms carry.
    csrf: String,
    /// How many drafts wait.
    held: usize,
    /// Whether this is the simulator's home.
    simulator: bool,
}

impl Frame {
    async fn of(gate: &Arc<Gate>, visitor: &Visitor, section: &'static str, title: impl Into<String>) -> Self {
        let drafts = ask(gate, Command::DraftsList { all: false }).await;
        let held = drafts.ok().as_ref().and_then(Value::as_array).map_or(0, Vec::len);
        let simulator = gate.seat().world.simulated;
        Self { title: title.into(), section, csrf: visitor.csrf.clone(), held, simulator }
    }
}

/// A state in words, with a sign and a colour that say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Mark {
    class: &'static str,
    sign: &'static str,
    words: String,
}

impl Mark {
    fn good(words: impl Into<String>) -> Self {
        Self { class: "good", sign: "✓", words: words.into() }
    }

    fn bad(words: impl Into<String>) -> Self {
        Self { class: "bad", sign: "✕", words: words.into() }
    }

    fn waits(words: impl Into<String>) -> Self {
        Self { class: "waits", sign: "◷", words: words.into() }
    }

    fn part(words: impl Into<String>) -> Self {
        Self { class: "waits", sign: "◐", words: words.into() }
    }

    fn plain(words: impl Into<String>) -> Self {
        Self { class: "plain", sign: "•", words: words.into() }
    }
}

/// Sentences of the host's, in which what is literal stands between backticks.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Prose(String);

impl Prose {
    /// Returns its pieces, and of each whether it is literal.
    fn pieces(&self) -> Vec<(bool, &str)> {
        let pieces: Vec<&str> = self.0.split('`').collect();
        if pieces.len().is_multiple_of(2) {
            // One of them has no other.
            return vec![(false, &self.0)];
        }
        pieces.into_iter().enumerate().map(|(at, piece)| (at % 2 == 1, piece)).collect()
    }
}

/// Renders a page of a session.
fn page(status: u16, template: &impl Template) -> Answer {
    match template.render() {
        Ok(text) => Answer::page(status, text),
        // Only writing to memory could fail.
        Err(error) => {
            tracing::error!(%error, "a page of the dashboard cannot be rendered");
            Answer::of("text/plain; charset=utf-8", "this page cannot be rendered\n".to_owned())
        }
    }
}

/// Says that a command failed: in the words of the command line.
pub(super) fn failed(failure: &Failure) -> Answer {
    failed_at(failure, ("/", "Back to the overview"))
}

/// The same, and leads back to the draft that it was about.
pub(super) fn failed_of(failure: &Failure, draft: &str) -> Answer {
    let draft = for_terminal(draft);
    failed_at(failure, (&format!("/drafts/{draft}"), "Back to the draft"))
}

fn failed_at(failure: &Failure, back: (&str, &str)) -> Answer {
    plain::told_in_session(409, "This was not done", &[&sentences(failure).0], back)
}

/// What failed and what to do, in sentences.
fn sentences(failure: &Failure) -> Prose {
    let sentence = |text: &str| {
        let mut text = for_terminal_lines(text);
        if let Some(first) = text.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        format!("{text}.")
    };
    let hint = failure.hint.as_deref().map(sentence);
    Prose([Some(sentence(&failure.message)), hint].into_iter().flatten().collect::<Vec<_>>().join(" "))
}

/// A value in words: what is not there as a dash. Others wrote it, so what misleads the eye is made visible; markup is the template's to
/// escape.
fn word(value: &Value) -> String {
    match value {
        Value::Null => "–".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => for_terminal(text),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(word).collect::<Vec<_>>().join(", "),
        Value::Object(_) => for_terminal(&value.to_string()),
    }
}

/// The same, and nothing where there is nothing.
fn maybe(value: &Value) -> Option<String> {
    (!value.is_null()).then(|| word(value))
}

/// A time as people read it, to the second.
fn moment(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    match (text.get(..10), text.get(11..19)) {
        (Some(day), Some(time)) => format!("{day} {time}"),
        _ => word(value),
    }
}

/// What is frozen, and since when.
fn frozen(host: &Host) -> Vec<(String, String)> {
    let frozen = ops::frozen(host);
    rows(&frozen["frozen"]).map(|row| (word(&row["workspace"]), moment(&row["since"]))).collect()
}

fn rows(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_wrote_is_shown_and_drives_nothing() {
        assert_eq!(word(&json!("a\u{202e}b\u{1b}[0m")), "a\\u{202e}b\\u{1b}[0m");
        let failure = Failure::no("`<script>alert(1)</script>` is no name").hint("<b>");
        let shown = failed(&failure).body;
        assert!(!shown.contains("<script>alert") && !shown.contains("<b>"), "{shown}");
        assert!(shown.contains("alert(1)"), "it is shown all the same");
    }

    #[test]
    fn what_is_literal_is_marked_up() {
        let shown = failed(&Failure::no("no `<b>` here").hint("run `wardlock doctor`")).body;
        assert!(shown.contains("<code>wardlock doctor</code>") && !shown.contains('`'), "{shown}");
        assert!(shown.contains("<code>&#60;b&#62;</code>"), "{shown}");
        let alone = Prose("a ` b".to_owned());
        assert_eq!(alone.pieces(), [(false, "a ` b")]);
    }

    #[test]
    fn a_time_is_shown_to_the_second() {
        assert_eq!(moment(&json!("2026-11-29T22:06:05.123Z")), "2026-11-29 22:06:05");
        assert_eq!((moment(&json!("x")), moment(&Value::Null)), ("x".to_owned(), "–".to_owned()));
    }
}
