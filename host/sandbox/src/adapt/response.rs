//! An answer on its way to a plugin, and what the plugin says of it on its way in.

use wardlock_core::answer::Outcome;
use wardlock_core::plugin::{
    PluginFault, PluginResponse, ResponseAnswer, ResponseEdit, ResponseVerdict, accept_response,
};

use super::answer::{attributes as attributes_in, reason};
use super::request::{BodyView, OperationLists, attributes, caller, headers, payload};
use crate::bindings::exports::wardlock::policy::response_hook as wit;
use crate::bindings::wardlock::policy::types;

/// An answer as one plugin sees it: the lists that the contract's borrowed types point into.
pub(crate) struct ShownResponse<'a> {
    response: &'a PluginResponse,
    body: BodyView,
    operation: OperationLists<'a>,
    headers: Vec<types::HeaderParam<'a>>,
    attributes: Vec<types::AttributeParam<'a>>,
}

impl<'a> ShownResponse<'a> {
    /// Shows an answer.
    pub(crate) fn new(response: &'a PluginResponse, body: BodyView) -> Self {
        Self {
            response,
            body,
            operation: OperationLists::new(&response.operation),
            headers: headers(&response.headers),
            attributes: attributes(&response.attributes),
        }
    }

    /// Returns the answer in the contract's types.
    pub(crate) fn response(&self) -> wit::Response<'_> {
        let response = self.response;
        wit::Response {
            id: &response.id,
            now_ms: response.now_ms,
            caller: caller(&response.caller),
            operation: self.operation.view(&response.operation),
            method: response.method,
            path: &response.path,
            status: response.status,
            outcome: outcome(response.outcome),
            provider_code: response.provider_code.as_deref(),
            headers: &self.headers,
            body: response.body.as_ref().map(|body| payload(body, self.body)),
            redactions: response.redactions,
            purpose: response.purpose.as_deref(),
            attributes: &self.attributes,
        }
    }
}

/// What was not read of a held answer there is not: the other outcomes are those of requests without one.
fn outcome(outcome: Outcome) -> wit::Outcome {
    match outcome {
        Outcome::Ok => wit::Outcome::Ok,
        Outcome::Partial => wit::Outcome::Partial,
        Outcome::Scheduled => wit::Outcome::Scheduled,
        Outcome::Failed | Outcome::Aborted | Outcome::Unknown | Outcome::Streamed => wit::Outcome::Failed,
    }
}

/// Takes what a plugin says of an answer, or says which cap it breaks.
pub(crate) fn response_answer(answer: wit::ResponseAnswer) -> Result<ResponseAnswer, PluginFault> {
    let verdict = match answer.verdict {
        wit::ResponseVerdict::Pass => ResponseVerdict::Pass,
        wit::ResponseVerdict::Deny(of) => ResponseVerdict::Deny(reason(of)),
        wit::ResponseVerdict::Edit(editing) => {
            ResponseVerdict::Edit(editing.edits.into_iter().map(edit).collect(), reason(editing.reason))
        }
    };
    accept_response(ResponseAnswer { verdict, notes: attributes_in(answer.notes) })
}

fn edit(edit: wit::ResponseEdit) -> ResponseEdit {
    match edit {
        wit::ResponseEdit::RedactJson(pointer) => ResponseEdit::RedactJson(pointer),
        wit::ResponseEdit::RemoveJson(pointer) => ResponseEdit::RemoveJson(pointer),
        wit::ResponseEdit::RemoveHeader(name) => ResponseEdit::RemoveHeader(name),
    }
}
