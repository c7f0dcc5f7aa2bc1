//! The records that plugins see and answer with: the same on both sides of any boundary that plugins run behind.
//!
//! They mirror `wit/types.wit`, and `wit/response-hook.wit` those of answers. None of them has a place for a credential.
//! What a plugin says comes through the caps of [`accept`] and [`accept_response`].

mod bounds;
pub(crate) mod caps;
pub mod quota;
mod response;
pub mod text;

use serde::{Deserialize, Serialize};

use crate::canonical::{Header, Parameter};
use crate::id::Digest;

pub use bounds::{MAX_MEMORY, MAX_TIME, MIN_MEMORY, MIN_TIME};
pub use caps::{MAX_BODY, accept, accept_response};
pub use response::{PluginResponse, ResponseAnswer, ResponseEdit, ResponseVerdict};

/// What an operation does at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Creates or changes.
    Write,
    /// Deletes, merges, shares outside, or is unknown.
    Destructive,
}

impl Effect {
    /// Every effect.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Destructive];

    /// Returns the word used on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Destructive => "destructive",
        }
    }
}

/// How a request touches a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum FieldUse {
    /// Its value would be in the answer.
    Read,
    /// Its value decides or orders the answer.
    Filter,
    /// Its value would change.
    Write,
}

/// A field that a request touches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Field {
    /// Its resource.
    pub of: String,
    /// Its name as the provider writes it.
    pub name: String,
    /// How it is touched.
    pub how: FieldUse,
}

/// A name and a value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// The operation, as plugins see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationView {
    /// Service name.
    pub service: String,
    /// Operation name; `unknown` where the service defines none.
    pub name: String,
    /// Effect.
    pub effect: Effect,
    /// Every resource touched, sorted.
    pub resources: Vec<String>,
    /// Every field touched; `None`: the host could not tell.
    pub fields: Option<Vec<Field>>,
    /// The most records touched; `None`: without bound.
    pub breadth: Option<u32>,
    /// Room to grow.
    pub attributes: Vec<Attribute>,
}

/// Who asks, through what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// Workspace.
    pub workspace: String,
    /// Connection.
    pub connection: String,
    /// Agent.
    pub agent: String,
    /// Region.
    pub region: String,
    /// Pinned tenant.
    pub tenant: Option<String>,
}

/// The body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Length in bytes.
    pub length: u64,
    /// Content type as sent.
    pub content_type: Option<String>,
    /// SHA-256.
    pub sha256: Digest,
    /// The bytes; only shown to a plugin that has the capability `body`. They cross to another process beside the record.
    #[serde(skip)]
    pub content: Vec<u8>,
}

/// A request as a plugin sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginRequest {
    /// Request id.
    pub id: String,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub now_ms: u64,
    /// Who asks.
    pub caller: Caller,
    /// What it is.
    pub operation: OperationView,
    /// Method. It crosses to another process beside the record, as one of those that are known there.
    #[serde(skip)]
    pub method: &'static str,
    /// Canonical path.
    pub path: String,
    /// Decoded query.
    pub query: Vec<Parameter>,
    /// Allow-listed headers.
    pub headers: Vec<Header>,
    /// Body, if any.
    pub body: Option<Payload>,
    /// What the agent gave as its purpose.
    pub purpose: Option<String>,
    /// Whether nothing will be sent.
    pub dry_run: bool,
    /// Who approved it, at release of a draft.
    pub approved_by: Option<String>,
    /// Room to grow.
    pub attributes: Vec<Attribute>,
}

/// Why a verdict is as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Stable code.
    pub code: String,
    /// Sentence for the agent.
    pub message: String,
    /// What to do instead.
    pub hint: Option<String>,
    /// When to try again, seconds.
    pub retry_after_seconds: Option<u32>,
    /// Room to grow.
    pub attributes: Vec<Attribute>,
}

/// One change to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// Replaces every header of that name.
    SetHeader(Header),
    /// Removes every header of that name.
    RemoveHeader(String),
    /// Replaces every parameter of that name.
    SetQuery(Parameter),
    /// Removes every parameter of that name.
    RemoveQuery(String),
    /// JSON pointer and JSON text to put there.
    SetJson(String, String),
    /// Replaces the body.
    ReplaceBody(#[serde(with = "serde_bytes")] Vec<u8>),
}

impl Edit {
    /// Returns what is changed, without any value: for the audit.
    pub fn name(&self) -> String {
        match self {
            Self::SetHeader(header) => format!("set-header {}", header.name),
            Self::RemoveHeader(name) => format!("remove-header {name}"),
            Self::SetQuery(parameter) => format!("set-query {}", parameter.name),
            Self::RemoveQuery(name) => format!("remove-query {name}"),
            Self::SetJson(pointer, _) => format!("set-json {pointer}"),
            Self::ReplaceBody(_) => "replace-body".to_owned(),
        }
    }
}

/// What one plugin says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// Nothing against it.
    Allow,
    /// No.
    Deny(Reason),
    /// A person must say.
    Hold(Reason),
    /// Yes, so changed.
    Shape(Vec<Edit>, Reason),
}

impl Verdict {
    /// Returns the word used on every surface.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny(_) => "deny",
            Self::Hold(_) => "hold",
            Self::Shape(..) => "shape",
        }
    }
}

/// A plugin's whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// Notes for the audit.
    pub notes: Vec<Attribute>,
}

/// Why a plugin gave no answer. Every one of them denies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum PluginFault {
    /// It ran past its time.
    #[error("the plugin ran past its limit of {limit_ms} ms")]
    Timeout {
        /// The limit.
        limit_ms: u64,
    },
    /// It asked for more memory than its limit.
    #[error("the plugin ran past its memory limit")]
    Memory,
    /// It trapped, panicked or aborted.
    #[error("the plugin trapped: {kind}")]
    Trap {
        /// The kind of trap, one line, never guest text.
        kind: String,
    },
    /// Its answer breaks a rule of the contract.
    #[error("the plugin's answer is not one: {what}")]
    Nonsense {
        /// What is wrong.
        what: String,
    },
    /// Too many decisions were under way.
    #[error("too many plugin decisions were under way")]
    Busy,
    /// The process that ran it ended, or was ended because it gave no sign of life.
    #[error("the process that runs plugins ended while this one was asked")]
    Lost,
    /// The engine itself failed.
    #[error("the plugin engine failed: {what}")]
    Engine {
        /// What happened.
        what: String,
    },
    /// It failed so often that it is not run for a while.
    #[error("the plugin failed too often in a row and is not run for {retry_after_seconds} s")]
    Tripped {
        /// When it is tried again, seconds.
        retry_after_seconds: u32,
    },
}

impl PluginFault {
    /// Every kind, as [`PluginFault::kind`] names them.
    pub const KINDS: [&'static str; 8] =
        ["timeout", "memory", "trap", "nonsense", "busy", "lost", "engine", "tripped"];

    /// Returns the kind in one word, without anything of the plugin's own.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Timeout { .. } => "timeout",
            Self::Memory => "memory",
            Self::Trap { .. } => "trap",
            Self::Nonsense { .. } => "nonsense",
            Self::Busy => "busy",
            Self::Lost => "lost",
            Self::Engine { .. } => "engine",
            Self::Tripped { .. } => "tripped",
        }
    }
}
