//! What is kept of a request, and how it is written: JSON with a version of its own, so that a later Wardlock still reads it.

use std::collections::BTreeSet;

use wardlock_core::id::Digest;
use wardlock_core::plugin::quota::{QuotaFault, Taken};
use wardlock_core::plugin::{
    Answer, Attribute, Edit, OperationView, Payload, PluginFault, PluginRequest, PluginResponse, Reason,
    ResponseAnswer, ResponseEdit, ResponseVerdict, Verdict,
};

use crate::plugin::cases::{Found, Said};

use super::wire;

/// What stands in a record is not what this version writes.
#[derive(Debug, thiserror::Error)]
#[error("the record cannot be read: {0}")]
pub struct Damaged(pub(super) String);

/// One request: what its plugins were asked and said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The request's id.
    pub request_id: String,
    /// When it was judged, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// Workspace.
    pub workspace: String,
    /// Connection.
    pub connection: String,
    /// Agent.
    pub agent: String,
    /// What was decided: `allow`, `hold` or `deny`.
    pub decision: String,
    /// What plugins saw: the request, once and once more after each change, and behind it the answer, as often as one was asked.
    pub inputs: Vec<Input>,
    /// The plugins that were asked, in order.
    pub asked: Vec<AskedRecord>,
}

/// What one plugin was asked with, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedRecord {
    /// Its name in the chain.
    pub plugin: String,
    /// SHA-256 of its component.
    pub component: Digest,
    /// Its settings' JSON text.
    pub settings: String,
    /// The digest of its settings, and of the files that it could read where there were some.
    pub settings_digest: Digest,
    /// The capabilities that held.
    pub capabilities: BTreeSet<String>,
    /// How much memory a decision could take, bytes.
    pub memory_bytes: u64,
    /// Which of the record's inputs it saw.
    pub input: usize,
    /// What it took of its quotas, in order, and what it was told.
    pub takes: Vec<RecordedTake>,
    /// What it said.
    pub word: Word,
}

/// One take of a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedTake {
    /// The key.
    pub key: String,
    /// The limit.
    pub limit: u32,
    /// The window's length, seconds.
    pub window_seconds: u32,
    /// What it was told.
    pub taken: Result<Taken, QuotaFault>,
}

/// What a plugin said, or why it did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A verdict.
    Said {
        /// As golden cases compare it.
        said: Said,
        /// The message that goes with it.
        message: Option<String>,
        /// Over all of the answer: hint, notes and every byte of its edits too.
        digest: Digest,
    },
    /// A fault.
    Fault {
        /// Its kind, one of [`PluginFault::KINDS`].
        kind: String,
        /// Its sentence.
        sentence: String,
    },
}

impl Word {
    /// Takes what a plugin said of a request.
    pub fn of(answer: &Result<Answer, PluginFault>) -> Self {
        match answer {
            Err(fault) => Self::Fault { kind: fault.kind().to_owned(), sentence: fault.to_string() },
            Ok(answer) => {
                let (said, message) = Found::said(answer);
                Self::Said { said, message, digest: digest_of(answer) }
            }
        }
    }

    /// Takes what a plugin said of an answer.
    pub fn of_answer(answer: &Result<ResponseAnswer, PluginFault>) -> Self {
        match answer {
            Err(fault) => Self::Fault { kind: fault.kind().to_owned(), sentence: fault.to_string() },
            Ok(answer) => {
                let (said, message) = Found::said_of_answer(answer);
                Self::Said { said, message, digest: digest_of_answer(answer) }
            }
        }
    }

    /// Returns it in a word or two: `allow`, `deny read_only`, `fault trap`.
    pub fn short(&self) -> String {
        match self {
            Self::Said { said: Said { verdict, code: Some(code), .. }, .. } => format!("{verdict} {code}"),
            Self::Said { said, .. } => said.verdict.to_owned(),
            Self::Fault { kind, .. } => format!("fault {kind}"),
        }
    }
}

/// What a plugin was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    shown: Shown,
    /// Whether the bytes of its body are here.
    has_content: bool,
}

/// A request as a plugin saw it, or an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// A request. Its body's bytes are empty where no plugin saw them.
    Request(PluginRequest),
    /// An answer, likewise.
    Answer(PluginResponse),
}

impl Input {
    /// Takes what plugins were shown of a request; the bytes of the body only `with_content`.
    pub fn of(request: &PluginRequest, with_content: bool) -> Self {
        Self::new(Shown::Request(request.clone()), with_content)
    }

    /// Takes what a plugin was shown of an answer; the bytes of the body only `with_content`.
    pub fn of_answer(response: PluginResponse, with_content: bool) -> Self {
        Self::new(Shown::Answer(response), with_content)
    }

    fn new(mut shown: Shown, has_content: bool) -> Self {
        let body = match &mut shown {
            Shown::Request(request) => &mut request.body,
            Shown::Answer(response) => &mut response.body,
        };
        if let (false, Some(body)) = (has_content, body) {
            body.content = Vec::new();
        }
        Self { shown, has_content }
    }

    /// Returns what a plugin sees.
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Returns the request that it is; `None` where it is an answer.
    pub fn request(&self) -> Option<&PluginRequest> {
        match &self.shown {
            Shown::Request(request) => Some(request),
            Shown::Answer(_) => None,
        }
    }

    /// Returns what was asked for.
    pub fn operation(&self) -> &OperationView {
        match &self.shown {
            Shown::Request(request) => &request.operation,
            Shown::Answer(response) => &response.operation,
        }
    }

    pub(super) fn has_content(&self) -> bool {
        self.has_content
    }

    /// Returns whether a plugin that sees bodies would see here what it saw then.
    pub fn is_whole(&self) -> bool {
        self.has_content || self.body().is_none()
    }

    fn body(&self) -> Option<&Payload> {
        match &self.shown {
            Shown::Request(request) => request.body.as_ref(),
            Shown::Answer(response) => response.body.as_ref(),
        }
    }
}

impl Record {
    /// Returns whether a plugin was asked of the answer.
    pub fn is_of_answer(&self, asked: &AskedRecord) -> bool {
        matches!(self.inputs.get(asked.input).map(Input::shown), Some(Shown::Answer(_)))
    }

    /// Writes it.
    pub(super) fn write(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&wire::RecordV2::of(self))
    }

    /// Reads what [`Record::write`] wrote.
    pub(super) fn read(text: &[u8]) -> Result<Self, Damaged> {
        let wire: wire::RecordV2 = serde_json::from_slice(text).map_err(|error| Damaged(error.to_string()))?;
        wire.record()
    }
}

/// Digests all that was said of a request.
fn digest_of(answer: &Answer) -> Digest {
    let (edits, reason): (&[Edit], _) = match &answer.verdict {
        Verdict::Allow => (&[], None),
        Verdict::Deny(reason) | Verdict::Hold(reason) => (&[], Some(reason)),
        Verdict::Shape(edits, reason) => (edits, Some(reason)),
    };
    let edits = edits.iter().map(|edit| {
        let value = match edit {
            Edit::SetHeader(header) => header.value.clone(),
            Edit::SetQuery(parameter) => parameter.value.clone().into(),
            Edit::SetJson(_, json) => json.clone().into(),
            Edit::ReplaceBody(body) => body.clone(),
            Edit::RemoveHeader(_) | Edit::RemoveQuery(_) => Vec::new(),
        };
        (edit.name(), value)
    });
    digest_of_parts(answer.verdict.as_str(), edits, &answer.notes, reason)
}

/// Digests all that was said of an answer.
fn digest_of_answer(answer: &ResponseAnswer) -> Digest {
    let (edits, reason): (&[ResponseEdit], _) = match &answer.verdict {
        ResponseVerdict::Pass => (&[], None),
        ResponseVerdict::Deny(reason) => (&[], Some(reason)),
        ResponseVerdict::Edit(edits, reason) => (edits, Some(reason)),
    };
    let edits = edits.iter().map(|edit| (edit.name(), Vec::new()));
    digest_of_parts(answer.verdict.as_str(), edits, &answer.notes, reason)
}

/// Digests parts, each preceded by its length, so that no two answers have one text.
fn digest_of_parts(
    verdict: &str,
    edits: impl ExactSizeIterator<Item = (String, Vec<u8>)>,
    notes: &[Attribute],
    reason: Option<&Reason>,
) -> Digest {
    let mut parts: Vec<Vec<u8>> = vec![verdict.into(), edits.len().to_string().into()];
    for (name, value) in edits {
        parts.extend([name.into(), value]);
    }
    let mut attributes = |of: &[Attribute]| {
        parts.push(of.len().to_string().into());
        for Attribute { name, value } in of {
            parts.extend([name.clone().into(), value.clone().into()]);
        }
    };
    attributes(notes);
    if let Some(Reason { code, message, hint, retry_after_seconds, attributes: own }) = reason {
        attributes(own);
        let retry = retry_after_seconds.map(|seconds| seconds.to_string());
        parts.extend([code.clone().into(), message.clone().into()]);
        for optional in [hint.clone(), retry] {
            parts.push(vec![u8::from(optional.is_some())]);
            parts.push(optional.unwrap_or_default().into());
        }
    }
    Digest::of_fields(parts.iter().map(Vec::as_slice))
}
