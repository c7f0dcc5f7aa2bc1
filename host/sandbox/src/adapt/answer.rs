//! An answer on its way in, through core's caps.

use wardlock_core::canonical::{Header, Parameter};
use wardlock_core::plugin::{Answer, Attribute, Edit, PluginFault, Reason, Verdict, accept};

use crate::bindings::wardlock::policy::types as wit;

/// Takes an answer, or says which cap it breaks.
pub(crate) fn answer(answer: wit::Answer) -> Result<Answer, PluginFault> {
    let verdict = match answer.verdict {
        wit::Verdict::Allow => Verdict::Allow,
        wit::Verdict::Deny(of) => Verdict::Deny(reason(of)),
        wit::Verdict::Hold(of) => Verdict::Hold(reason(of)),
        wit::Verdict::Shape(shaping) => {
            Verdict::Shape(shaping.edits.into_iter().map(edit).collect(), reason(shaping.reason))
        }
    };
    accept(Answer { verdict, notes: attributes(answer.notes) })
}

pub(super) fn reason(reason: wit::Reason) -> Reason {
    Reason {
        code: reason.code,
        message: reason.message,
        hint: reason.hint,
        retry_after_seconds: reason.retry_after_seconds,
        attributes: attributes(reason.attributes),
    }
}

pub(super) fn attributes(attributes: Vec<wit::AttributeResult>) -> Vec<Attribute> {
    attributes.into_iter().map(|of| Attribute { name: of.name, value: of.value }).collect()
}

fn edit(edit: wit::Edit) -> Edit {
    match edit {
        wit::Edit::SetHeader(header) => Edit::SetHeader(Header { name: header.name, value: header.value }),
        wit::Edit::RemoveHeader(name) => Edit::RemoveHeader(name),
        wit::Edit::SetQuery(of) => Edit::SetQuery(Parameter { name: of.name, value: of.value }),
        wit::Edit::RemoveQuery(name) => Edit::RemoveQuery(name),
        wit::Edit::SetJson((pointer, json)) => Edit::SetJson(pointer, json),
        wit::Edit::ReplaceBody(body) => Edit::ReplaceBody(body),
    }
}
