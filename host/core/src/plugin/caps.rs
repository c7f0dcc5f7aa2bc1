//! The caps on what a plugin answers.
//!
//! What breaks a cap is no answer, and no answer denies: nothing is cut to fit, because a plugin that says too much
//! is not understood by half.

use super::text::{Dashes, is_code, is_plain};
use super::{
    Answer, Attribute, Edit, PluginFault, Reason, ResponseAnswer, ResponseEdit, ResponseVerdict, Verdict,
};
use crate::pointer::is_pointer;

/// The most bytes that a message may have.
const MAX_MESSAGE: usize = 2 << 10;
/// The most bytes that a hint, or an attribute's value, may have.
const MAX_HINT: usize = 1 << 10;
/// The most notes, or attributes of a reason.
const MAX_NOTES: usize = 32;
/// The most edits.
const MAX_EDITS: usize = 64;
/// The most bytes of a name or a JSON pointer.
const MAX_NAME: usize = 256;
/// The most bytes of a header or parameter value.
const MAX_VALUE: usize = 16 << 10;
/// The most bytes of one JSON value.
const MAX_JSON: usize = 256 << 10;
/// The most bytes of a body: the most that the host buffers of an agent's.
pub const MAX_BODY: usize = 4 << 20;
/// What is told of a text that is no JSON pointer.
pub(crate) const NO_POINTER: &str =
    "a JSON pointer is empty or begins with `/`, and `~` stands in it as `~0` or `~1` only";
/// The longest that an agent may be told to wait: a year.
const MAX_RETRY_SECONDS: u32 = 366 * 24 * 3600;

/// Returns an answer unchanged, or says which cap it breaks.
pub fn accept(answer: Answer) -> Result<Answer, PluginFault> {
    match check(&answer) {
        Ok(()) => Ok(answer),
        Err(what) => Err(PluginFault::Nonsense { what }),
    }
}

fn check(answer: &Answer) -> Result<(), String> {
    match &answer.verdict {
        Verdict::Allow => {}
        Verdict::Deny(of) | Verdict::Hold(of) => reason(of)?,
        Verdict::Shape(edits, of) => {
            at_most("edits", edits.len(), MAX_EDITS)?;
            edits.iter().try_for_each(edit)?;
            reason(of)?;
        }
    }
    attributes("notes", &answer.notes)
}

/// Returns what a plugin says of an answer unchanged, or says which cap it breaks.
pub fn accept_response(answer: ResponseAnswer) -> Result<ResponseAnswer, PluginFault> {
    match check_response(&answer) {
        Ok(()) => Ok(answer),
        Err(what) => Err(PluginFault::Nonsense { what }),
    }
}

fn check_response(answer: &ResponseAnswer) -> Result<(), String> {
    match &answer.verdict {
        ResponseVerdict::Pass => {}
        ResponseVerdict::Deny(of) => reason(of)?,
        ResponseVerdict::Edit(edits, of) => {
            at_most("edits", edits.len(), MAX_EDITS)?;
            edits.iter().try_for_each(response_edit)?;
            reason(of)?;
        }
    }
    attributes("notes", &answer.notes)
}

fn response_edit(edit: &ResponseEdit) -> Result<(), String> {
    match edit {
        ResponseEdit::RemoveHeader(of) => name(of),
        ResponseEdit::RedactJson(pointer) | ResponseEdit::RemoveJson(pointer) => {
            name(pointer)?;
            if is_pointer(pointer) { Ok(()) } else { Err(NO_POINTER.to_owned()) }
        }
    }
}

fn reason(reason: &Reason) -> Result<(), String> {
    if !is_code(&reason.code, Dashes::Refuse) {
        return Err("the reason's code is not 1 to 64 of a-z, 0-9 and `_`".to_owned());
    }
    if reason.retry_after_seconds.is_some_and(|seconds| seconds > MAX_RETRY_SECONDS) {
        return Err("`retry-after-seconds` is more than a year".to_owned());
    }
    text("message", &reason.message, MAX_MESSAGE)?;
    reason.hint.as_deref().map_or(Ok(()), |hint| text("hint", hint, MAX_HINT))?;
    attributes("attributes", &reason.attributes)
}

fn attributes(what: &str, attributes: &[Attribute]) -> Result<(), String> {
    at_most(what, attributes.len(), MAX_NOTES)?;
    attributes.iter().try_for_each(|attribute| {
        text("name of an attribute", &attribute.name, MAX_NAME)?;
        text("value of an attribute", &attribute.value, MAX_HINT)
    })
}

fn edit(edit: &Edit) -> Result<(), String> {
    match edit {
        Edit::SetHeader(header) => {
            at_most("bytes in a header's value", header.value.len(), MAX_VALUE)?;
            name(&header.name)
        }
        Edit::SetQuery(parameter) => {
            at_most("bytes in a parameter's value", parameter.value.len(), MAX_VALUE)?;
            name(&parameter.name)
        }
        Edit::RemoveHeader(of) | Edit::RemoveQuery(of) => name(of),
        Edit::SetJson(pointer, json) => {
            at_most("bytes in a JSON value", json.len(), MAX_JSON)?;
            name(pointer)
        }
        Edit::ReplaceBody(body) => at_most("bytes in a body", body.len(), MAX_BODY),
    }
}

fn name(name: &str) -> Result<(), String> {
    text("name in an edit", name, MAX_NAME)
}

fn text(what: &str, text: &str, max: usize) -> Result<(), String> {
    at_most(&format!("bytes in the {what}"), text.len(), max)?;
    if text.chars().all(is_plain) { Ok(()) } else { Err(format!("the {what} holds a control character")) }
}

fn at_most(what: &str, given: usize, max: usize) -> Result<(), String> {
    if given > max { Err(format!("{given} {what}, and {max} is the most")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deny(code: &str, message: &str) -> Answer {
        let reason = Reason {
            code: code.to_owned(),
            message: message.to_owned(),
            hint: None,
            retry_after_seconds: None,
            attributes: Vec::new(),
        };
        Answer { verdict: Verdict::Deny(reason), notes: Vec::new() }
    }

    fn shape(edits: Vec<Edit>) -> Answer {
        let Verdict::Deny(reason) = deny("code", "message").verdict else {
            unreachable!("deny denies");
        };
        Answer { verdict: Verdict::Shape(edits, reason), notes: Vec::new() }
    }

    #[track_caller]
    fn check_refused(given: Answer, expected: &str) {
        match accept(given) {
            Err(PluginFault::Nonsense { what }) => assert!(what.contains(expected), "{what}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_field_is_capped() {
        check_refused(deny("Bad Code", "m"), "code");
        check_refused(deny("", "m"), "code");
        check_refused(deny(&"a".repeat(65), "m"), "code");
        check_refused(deny("c", &"m".repeat(MAX_MESSAGE + 1)), "message");
        check_refused(deny("c", "two\nlines"), "control");
        check_refused(deny("c", "\u{202e}reversed"), "control");
        check_refused(shape(vec![Edit::RemoveQuery("q".to_owned()); MAX_EDITS + 1]), "edits");
        check_refused(shape(vec![Edit::RemoveHeader("h\r\n".to_owned())]), "control");
        check_refused(shape(vec![Edit::ReplaceBody(vec![0; MAX_BODY + 1])]), "body");
        let json = Edit::SetJson("/a".to_owned(), " ".repeat(MAX_JSON + 1));
        check_refused(shape(vec![json]), "JSON");
        let note = Attribute { name: "n".to_owned(), value: "v".to_owned() };
        let mut many = deny("c", "m");
        many.notes = vec![note; MAX_NOTES + 1];
        check_refused(many, "notes");
    }

    #[test]
    fn every_field_of_a_word_on_an_answer_is_capped() {
        let Verdict::Deny(reason) = deny("code", "message").verdict else {
            unreachable!("deny denies");
        };
        let check = |verdict, expected: &str| match accept_response(ResponseAnswer { verdict, notes: Vec::new() })
        {
            Err(PluginFault::Nonsense { what }) => assert!(what.contains(expected), "{what}"),
            other => panic!("{other:?}"),
        };
        let edit = |edits| ResponseVerdict::Edit(edits, reason.clone());
        let redact = |pointer: &str| ResponseEdit::RedactJson(pointer.to_owned());
        check(edit(vec![redact("/a"); MAX_EDITS + 1]), "edits");
        for none in ["data/0", "/data/~2", "/data/Email~", "/~~0"] {
            check(edit(vec![redact(none)]), "begins with `/`");
            check(edit(vec![ResponseEdit::RemoveJson(none.to_owned())]), "`~0` or `~1` only");
        }
        check(edit(vec![redact(&format!("/{}", "a".repeat(MAX_NAME)))]), "name in an edit");
        check(edit(vec![ResponseEdit::RemoveHeader("a\nb".to_owned())]), "control");
        check(ResponseVerdict::Deny(Reason { code: "A".to_owned(), ..reason.clone() }), "code");
        let note = Attribute { name: "n".to_owned(), value: "v".repeat(MAX_HINT + 1) };
        let long = ResponseAnswer { verdict: ResponseVerdict::Pass, notes: vec![note] };
        assert!(accept_response(long).is_err());
        let good = ResponseAnswer { verdict: edit(vec![redact(""), redact("/data/*/Email")]), notes: Vec::new() };
        assert_eq!(accept_response(good.clone()), Ok(good));
    }

    #[test]
    fn what_fits_passes_unchanged() {
        let taken = accept(deny("a_1", &"é".repeat(MAX_MESSAGE / 2))).expect("an answer");
        assert!(matches!(taken.verdict, Verdict::Deny(reason) if reason.message.len() == MAX_MESSAGE));
        let body = Edit::ReplaceBody(vec![0; MAX_BODY]);
        assert!(accept(shape(vec![body])).is_ok());
    }
}
