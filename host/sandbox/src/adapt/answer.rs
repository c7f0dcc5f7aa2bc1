//! An answer on its way in, through the host's caps.
//!
//! What breaks a cap is no answer, and no answer denies: nothing is cut to fit, because a plugin that says too much
//! is not understood by half.

use wardlock_core::canonical::{Header, Parameter};
use wardlock_core::plugin::{Answer, Attribute, Edit, PluginFault, Reason, Verdict};

use crate::bindings::wardlock::policy::types as wit;
use crate::text::{Dashes, is_code, is_plain};

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
pub(crate) const MAX_BODY: usize = 4 << 20;
/// The longest that an agent may be told to wait: a year.
const MAX_RETRY_SECONDS: u32 = 366 * 24 * 3600;

/// Takes an answer, or says which rule it breaks.
pub(crate) fn answer(answer: wit::Answer) -> Result<Answer, PluginFault> {
    take(answer).map_err(|what| PluginFault::Nonsense { what })
}

fn take(answer: wit::Answer) -> Result<Answer, String> {
    let verdict = match answer.verdict {
        wit::Verdict::Allow => Verdict::Allow,
        wit::Verdict::Deny(of) => Verdict::Deny(reason(of)?),
        wit::Verdict::Hold(of) => Verdict::Hold(reason(of)?),
        wit::Verdict::Shape(shaping) => {
            at_most("edits", shaping.edits.len(), MAX_EDITS)?;
            let edits = shaping.edits.into_iter().map(edit).collect::<Result<_, _>>()?;
            Verdict::Shape(edits, reason(shaping.reason)?)
        }
    };
    Ok(Answer { verdict, notes: attributes("notes", answer.notes)? })
}

fn reason(reason: wit::Reason) -> Result<Reason, String> {
    if !is_code(&reason.code, Dashes::Refuse) {
        return Err("the reason's code is not 1 to 64 of a-z, 0-9 and `_`".to_owned());
    }
    if reason.retry_after_seconds.is_some_and(|seconds| seconds > MAX_RETRY_SECONDS) {
        return Err("`retry-after-seconds` is more than a year".to_owned());
    }
    Ok(Reason {
        code: reason.code,
        message: text("message", reason.message, MAX_MESSAGE)?,
        hint: reason.hint.map(|hint| text("hint", hint, MAX_HINT)).transpose()?,
        retry_after_seconds: reason.retry_after_seconds,
        attributes: attributes("attributes", reason.attributes)?,
    })
}

fn attributes(what: &str, attributes: Vec<wit::AttributeResult>) -> Result<Vec<Attribute>, String> {
    at_most(what, attributes.len(), MAX_NOTES)?;
    let take = |attribute: wit::AttributeResult| {
        let name = text("name of an attribute", attribute.name, MAX_NAME)?;
        Ok(Attribute { name, value: text("value of an attribute", attribute.value, MAX_HINT)? })
    };
    attributes.into_iter().map(take).collect()
}

fn edit(edit: wit::Edit) -> Result<Edit, String> {
    Ok(match edit {
        wit::Edit::SetHeader(header) => {
            at_most("bytes in a header's value", header.value.len(), MAX_VALUE)?;
            Edit::SetHeader(Header { name: name(header.name)?, value: header.value })
        }
        wit::Edit::RemoveHeader(of) => Edit::RemoveHeader(name(of)?),
        wit::Edit::SetQuery(parameter) => {
            at_most("bytes in a parameter's value", parameter.value.len(), MAX_VALUE)?;
            Edit::SetQuery(Parameter { name: name(parameter.name)?, value: parameter.value })
        }
        wit::Edit::RemoveQuery(of) => Edit::RemoveQuery(name(of)?),
        wit::Edit::SetJson((pointer, json)) => {
            at_most("bytes in a JSON value", json.len(), MAX_JSON)?;
            Edit::SetJson(name(pointer)?, json)
        }
        wit::Edit::ReplaceBody(body) => {
            at_most("bytes in a body", body.len(), MAX_BODY)?;
            Edit::ReplaceBody(body)
        }
    })
}

fn name(name: String) -> Result<String, String> {
    text("name in an edit", name, MAX_NAME)
}

fn text(what: &str, text: String, max: usize) -> Result<String, String> {
    at_most(&format!("bytes in the {what}"), text.len(), max)?;
    if text.chars().all(is_plain) {
        return Ok(text);
    }
    Err(format!("the {what} holds a control character"))
}

fn at_most(what: &str, given: usize, max: usize) -> Result<(), String> {
    if given > max { Err(format!("{given} {what}, and {max} is the most")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deny(code: &str, message: &str) -> wit::Answer {
        let reason = wit::Reason {
            code: code.to_owned(),
            message: message.to_owned(),
            hint: None,
            retry_after_seconds: None,
            attributes: Vec::new(),
        };
        wit::Answer { verdict: wit::Verdict::Deny(reason), notes: Vec::new() }
    }

    fn shape(edits: Vec<wit::Edit>) -> wit::Answer {
        let wit::Verdict::Deny(reason) = deny("code", "message").verdict else {
            unreachable!("deny denies");
        };
        wit::Answer { verdict: wit::Verdict::Shape(wit::Shaping { edits, reason }), notes: Vec::new() }
    }

    #[track_caller]
    fn check_refused(given: wit::Answer, expected: &str) {
        match answer(given) {
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
        check_refused(shape(vec![wit::Edit::RemoveQuery("q".to_owned()); MAX_EDITS + 1]), "edits");
        check_refused(shape(vec![wit::Edit::RemoveHeader("h\r\n".to_owned())]), "control");
        check_refused(shape(vec![wit::Edit::ReplaceBody(vec![0; MAX_BODY + 1])]), "body");
        let json = wit::Edit::SetJson(("/a".to_owned(), " ".repeat(MAX_JSON + 1)));
        check_refused(shape(vec![json]), "JSON");
        let note = wit::AttributeResult { name: "n".to_owned(), value: "v".to_owned() };
        let mut many = deny("c", "m");
        many.notes = vec![note; MAX_NOTES + 1];
        check_refused(many, "notes");
    }

    #[test]
    fn what_fits_passes_unchanged() {
        let taken = answer(deny("a_1", &"é".repeat(MAX_MESSAGE / 2))).expect("an answer");
        assert!(matches!(taken.verdict, Verdict::Deny(reason) if reason.message.len() == MAX_MESSAGE));
        let body = wit::Edit::ReplaceBody(vec![0; MAX_BODY]);
        assert!(answer(shape(vec![body])).is_ok());
    }
}
