//! Reading an answer, and what can be said of it.

use crate::answer::reason;
use crate::request::{headers_named, value_of};
use crate::{Attribute, Editing, Outcome, Reason, Response, ResponseAnswer, ResponseEdit, ResponseVerdict};

/// Has nothing against the answer.
pub fn pass() -> ResponseAnswer {
    say(ResponseVerdict::Pass)
}

/// Takes something out of the answer: [`redact`], [`remove_json`], [`remove_header`]. What is not there needs nothing; an edit
/// that the host cannot make withholds the answer.
pub fn take_away(edits: Vec<ResponseEdit>, code: impl Into<String>, message: impl Into<String>) -> ResponseAnswer {
    say(ResponseVerdict::Edit(Editing { edits, reason: reason(code, message) }))
}

/// Keeps the whole answer from the agent. `code` is for programs: lower case, digits and underscores.
pub fn withhold(code: impl Into<String>, message: impl Into<String>) -> ResponseAnswer {
    say(ResponseVerdict::Deny(reason(code, message)))
}

/// Puts `[REDACTED]` in the place of a string and `null` in that of anything else. Places are JSON pointers (RFC 6901) in
/// which `*` stands for every element of a list and every member of an object: `/data/*/Email`. In a body that is not JSON
/// there are no places, and the answer is withheld.
pub fn redact(pointer: impl Into<String>) -> ResponseEdit {
    ResponseEdit::RedactJson(pointer.into())
}

/// Takes away the member or element with its value; places are those of [`redact`].
pub fn remove_json(pointer: impl Into<String>) -> ResponseEdit {
    ResponseEdit::RemoveJson(pointer.into())
}

/// Takes away every header of that name from the answer. [`edit::remove_header`](crate::edit::remove_header) does so for a
/// request.
pub fn remove_header(name: impl Into<String>) -> ResponseEdit {
    ResponseEdit::RemoveHeader(name.into())
}

fn say(verdict: ResponseVerdict) -> ResponseAnswer {
    ResponseAnswer { verdict, notes: Vec::new() }
}

impl ResponseAnswer {
    /// Says what to do instead.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        match &mut self.verdict {
            ResponseVerdict::Pass => {}
            ResponseVerdict::Edit(editing) => editing.reason.hint = Some(hint.into()),
            ResponseVerdict::Deny(reason) => reason.hint = Some(hint.into()),
        }
        self
    }

    /// Adds a note for the audit.
    #[must_use]
    pub fn note(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.notes.push(Attribute { name: name.into(), value: value.into() });
        self
    }

    /// Returns the reason; a pass has none.
    pub fn reason(&self) -> Option<&Reason> {
        match &self.verdict {
            ResponseVerdict::Pass => None,
            ResponseVerdict::Edit(editing) => Some(&editing.reason),
            ResponseVerdict::Deny(reason) => Some(reason),
        }
    }
}

impl Response {
    /// Returns the values of every header called `name`, in order.
    pub fn header(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        headers_named(&self.headers, name)
    }

    /// Returns the body's bytes: only with the capability `response-body`.
    pub fn content(&self) -> Option<&[u8]> {
        self.body.as_ref()?.content.as_deref()
    }

    /// Returns what the host tells beyond the record's own fields.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        value_of(&self.attributes, name)
    }
}

impl Outcome {
    /// Returns the outcome's name, as in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Scheduled => "scheduled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_stands_in_the_answer() {
        let edits = vec![redact("/data/*/Email"), remove_json("/info"), remove_header("etag")];
        let edited = take_away(edits, "less", "nobody needs it").hint("ask for names").note("places", "2");
        let reason = edited.reason().map(|reason| (reason.code.as_str(), reason.hint.as_deref()));
        assert_eq!(reason, Some(("less", Some("ask for names"))));
        assert_eq!((edited.notes[0].name.as_str(), edited.notes[0].value.as_str()), ("places", "2"));
        let ResponseVerdict::Edit(editing) = edited.verdict else { panic!("no edit") };
        let [
            ResponseEdit::RedactJson(redacted),
            ResponseEdit::RemoveJson(removed),
            ResponseEdit::RemoveHeader(header),
        ] = editing.edits.as_slice()
        else {
            panic!("{:?}", editing.edits)
        };
        assert_eq!([redacted, removed, header], ["/data/*/Email", "/info", "etag"]);

        let withheld = withhold("no", "not this one").hint("ask the operator");
        assert!(matches!(&withheld.verdict, ResponseVerdict::Deny(reason) if reason.hint.is_some()));
        assert!(pass().hint("nobody reads it").reason().is_none());
    }
}
