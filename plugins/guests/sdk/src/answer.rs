//! Answers, and what can be said along with them.

use crate::{Answer, Attribute, Edit, Problem, Reason, Shaping, Verdict};

/// Has nothing against the request.
pub fn allow() -> Answer {
    Answer { verdict: Verdict::Allow, notes: Vec::new() }
}

/// Refuses the request. `code` is for programs: lower case, digits and underscores.
pub fn deny(code: impl Into<String>, message: impl Into<String>) -> Answer {
    Answer { verdict: Verdict::Deny(reason(code, message)), notes: Vec::new() }
}

/// Wants a human to approve the request.
pub fn hold(code: impl Into<String>, message: impl Into<String>) -> Answer {
    Answer { verdict: Verdict::Hold(reason(code, message)), notes: Vec::new() }
}

/// Changes the request. Edits may narrow it, never widen it; see [`crate::edit`].
pub fn shape(edits: Vec<Edit>, code: impl Into<String>, message: impl Into<String>) -> Answer {
    Answer { verdict: Verdict::Shape(Shaping { edits, reason: reason(code, message) }), notes: Vec::new() }
}

pub(crate) fn reason(code: impl Into<String>, message: impl Into<String>) -> Reason {
    Reason {
        code: code.into(),
        message: message.into(),
        hint: None,
        retry_after_seconds: None,
        attributes: Vec::new(),
    }
}

impl Answer {
    /// Says what to do instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        if let Some(reason) = self.reason_mut() {
            reason.hint = Some(hint.into());
        }
        self
    }

    /// Says when the same request may fare better.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        if let Some(reason) = self.reason_mut() {
            reason.retry_after_seconds = Some(seconds);
        }
        self
    }

    /// Adds a note for the audit.
    #[must_use]
    pub fn note(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.notes.push(Attribute { name: name.into(), value: value.into() });
        self
    }

    /// Returns the reason; an allow has none.
    pub fn reason(&self) -> Option<&Reason> {
        match &self.verdict {
            Verdict::Allow => None,
            Verdict::Deny(reason) | Verdict::Hold(reason) => Some(reason),
            Verdict::Shape(shaping) => Some(&shaping.reason),
        }
    }

    fn reason_mut(&mut self) -> Option<&mut Reason> {
        match &mut self.verdict {
            Verdict::Allow => None,
            Verdict::Deny(reason) | Verdict::Hold(reason) => Some(reason),
            Verdict::Shape(shaping) => Some(&mut shaping.reason),
        }
    }
}

impl Problem {
    /// A problem at `path`, a JSON pointer into the settings.
    pub fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}
