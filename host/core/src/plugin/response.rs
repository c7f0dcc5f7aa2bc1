//! The records of the response hook: they mirror `wit/response-hook.wit`.

use serde::{Deserialize, Serialize};

use super::{Attribute, Caller, OperationView, Payload, Reason};
use crate::answer::Outcome;
use crate::canonical::Header;

/// An answer as a plugin sees it, after the search for secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginResponse {
    /// The request's id.
    pub id: String,
    /// When the answer was there, milliseconds since 1970-01-01T00:00:00Z.
    pub now_ms: u64,
    /// Who asked.
    pub caller: Caller,
    /// What was sent.
    pub operation: OperationView,
    /// Method. It crosses to another process beside the record.
    #[serde(skip)]
    pub method: &'static str,
    /// Canonical path.
    pub path: String,
    /// The answer's status.
    pub status: u16,
    /// What came of the request.
    pub outcome: Outcome,
    /// The provider's own error code.
    pub provider_code: Option<String>,
    /// The provider's headers that the agent would get.
    pub headers: Vec<Header>,
    /// The answer's body, if any; its bytes are only shown to a plugin that has the capability `response-body`.
    pub body: Option<Payload>,
    /// How many stored secrets were cut out.
    pub redactions: u32,
    /// What the agent gave as its purpose.
    pub purpose: Option<String>,
    /// Room to grow.
    pub attributes: Vec<Attribute>,
}

/// One thing to take away from an answer. Places are JSON pointers in which `*` stands for every element and member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseEdit {
    /// Puts `[REDACTED]` in the place of a string and `null` in that of anything else.
    RedactJson(String),
    /// Takes a member or element away.
    RemoveJson(String),
    /// Removes every header of that name.
    RemoveHeader(String),
}

impl ResponseEdit {
    /// Returns what is taken away: for the audit.
    pub fn name(&self) -> String {
        match self {
            Self::RedactJson(pointer) => format!("redact-json {pointer}"),
            Self::RemoveJson(pointer) => format!("remove-json {pointer}"),
            Self::RemoveHeader(name) => format!("remove-header {name}"),
        }
    }
}

/// What one plugin says of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ResponseVerdict {
    /// Nothing against it.
    Pass,
    /// Without this.
    Edit(Vec<ResponseEdit>, Reason),
    /// The agent does not get it.
    Deny(Reason),
}

impl ResponseVerdict {
    /// Returns the word used on every surface.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Edit(..) => "edit",
            Self::Deny(_) => "deny",
        }
    }
}

/// A plugin's whole answer about an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResponseAnswer {
    /// The verdict.
    pub verdict: ResponseVerdict,
    /// Notes.
    pub notes: Vec<Attribute>,
}
