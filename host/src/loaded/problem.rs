//! What is wrong in a home, as `doctor` and `reload` tell it.

use std::fmt;

use serde_json::{Value, json};

use crate::config::TextError;
use crate::home::HomeError;

/// How far a problem reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Something is closed because of it.
    Closes,
    /// It would close what serves, so what was loaded before goes on in its place.
    Stale,
    /// It works, and is perhaps not what is meant.
    Note,
}

/// Something wrong in a home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// How far it reaches.
    pub severity: Severity,
    /// The workspace that it touches; `None`: none, or all.
    pub workspace: Option<String>,
    /// The connection that it touches, or in whose table it stands; `None`: none of them alone.
    pub connection: Option<String>,
    /// One line: what is wrong and where.
    pub message: String,
    /// How to mend it.
    pub hint: Option<String>,
    /// The line itself, where the problem is in a text and the line may be shown.
    pub line: Option<String>,
    /// The whole error with the line shown, where there is a line.
    pub shown: Option<String>,
}

impl Problem {
    /// Makes a problem of a workspace, or of the home, that closes it.
    pub fn new(workspace: Option<&str>, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Closes,
            workspace: workspace.map(str::to_owned),
            connection: None,
            message: message.into(),
            hint: None,
            line: None,
            shown: None,
        }
    }

    /// Makes a problem from what is wrong with the home's files.
    pub fn from_home(workspace: Option<&str>, error: &HomeError) -> Self {
        Self { hint: error.hint(), ..Self::new(workspace, crate::text::with_causes(error)) }
    }

    /// Makes a problem from what is wrong in a text.
    pub fn from_text(workspace: Option<&str>, error: &TextError) -> Self {
        let (line, shown) = (error.line_shown().map(str::to_owned), Some(error.to_string()));
        let connection = connection_of(&error.key);
        Self { connection, hint: error.hint.clone(), line, shown, ..Self::new(workspace, error.summary()) }
    }

    /// Narrows the problem to one connection.
    #[must_use]
    pub fn of_connection(mut self, connection: &str) -> Self {
        self.connection = Some(connection.to_owned());
        self
    }

    /// Makes a mere note of the problem.
    #[must_use]
    pub fn note(mut self) -> Self {
        self.severity = Severity::Note;
        self
    }

    /// What was loaded before goes on in spite of the problem.
    pub fn keep_what_was_before(&mut self) {
        if self.severity == Severity::Closes {
            self.severity = Severity::Stale;
            self.message.push_str("; this version is not taken, and the one before goes on serving");
        }
    }

    /// Returns the problem for programs.
    pub fn to_json(&self) -> Value {
        json!({
            "severity": match self.severity {
                Severity::Closes => "closes",
                Severity::Stale => "stale",
                Severity::Note => "note",
            },
            "workspace": self.workspace,
            "connection": self.connection,
            "message": self.message,
            "line": self.line,
            "hint": self.hint,
        })
    }

    /// Returns the problem on one line, with its hint.
    pub fn reason(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{} ({hint})", self.message),
            None => self.message.clone(),
        }
    }
}

/// Reads off a key in a workspace file in which connection's table it stands.
fn connection_of(key: &str) -> Option<String> {
    let mut parts = key.strip_prefix("connections.")?.split('.');
    parts.next().map(str::to_owned)
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.shown {
            Some(shown) => f.write_str(shown),
            None => f.write_str(&self.reason()),
        }
    }
}
