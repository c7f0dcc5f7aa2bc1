//! A row as it is read: its columns, its detail, and how they are shown.

use std::fmt;

use serde::Serialize;
use wardlock_core::id::Digest;

use crate::detail::{ActDetail, AnswerDetail, Detail, RefusalDetail, RequestDetail};
use crate::entry::Kind;
use crate::escape::{escape, escape_json};
use crate::terms::Names;

/// The version of the JSON that [`Row::to_json`] renders.
const WIRE_VERSION: u32 = 1;

/// One row of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place.
    pub sequence: u64,
    /// What kind of row it is.
    pub kind: Kind,
    /// When it was written, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// The request.
    pub request_id: Option<String>,
    /// The workspace.
    pub workspace: Option<String>,
    /// The connection.
    pub connection: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// The operation; `unknown` where the service defines none.
    pub operation: Option<String>,
    /// Its effect.
    pub effect: Option<String>,
    /// What the host decided: `allow`, `hold` or `deny`.
    pub decision: Option<String>,
    /// What came of it.
    pub outcome: Option<String>,
    /// The INTENT row that this OUTCOME ends.
    pub closes: Option<u64>,
    /// Everything else.
    pub detail: Detail,
    /// Hash of the row before.
    pub prev: Digest,
    /// Hash of this row.
    pub hash: Digest,
}

/// A row on the wire.
#[derive(Serialize)]
struct Wire<'a> {
    version: u32,
    sequence: u64,
    kind: &'static str,
    at_ms: u64,
    request_id: Option<&'a str>,
    workspace: Option<&'a str>,
    connection: Option<&'a str>,
    agent: Option<&'a str>,
    operation: Option<&'a str>,
    effect: Option<&'a str>,
    decision: Option<&'a str>,
    outcome: Option<&'a str>,
    closes: Option<u64>,
    request: Option<&'a RequestDetail>,
    refusal: Option<&'a RefusalDetail>,
    answer: Option<&'a AnswerDetail>,
    act: Option<&'a ActDetail>,
    prev: String,
    hash: String,
}

impl Row {
    /// Returns the row as JSON for programs.
    pub fn to_json(&self) -> serde_json::Value {
        // Structs of strings and numbers always become a value.
        serde_json::to_value(self.wire()).unwrap_or_default()
    }

    /// Returns the row as one line of JSON that is harmless on a terminal, too.
    pub fn to_json_line(&self) -> String {
        escape_json(&serde_json::to_string(&self.wire()).unwrap_or_default())
    }

    /// Shows the row as one line for people, everything agent-made in it escaped.
    pub fn escaped(&self) -> Escaped<'_> {
        Escaped(self)
    }

    /// What it can be looked for by.
    pub(crate) fn names(&self) -> Names<'_> {
        Names {
            kind: self.kind,
            workspace: self.workspace.as_deref(),
            connection: self.connection.as_deref(),
            agent: self.agent.as_deref(),
            operation: self.operation.as_deref(),
            effect: self.effect.as_deref(),
            decision: self.decision.as_deref(),
            outcome: self.outcome.as_deref(),
            detail: &self.detail,
        }
    }

    fn wire(&self) -> Wire<'_> {
        Wire {
            version: WIRE_VERSION,
            sequence: self.sequence,
            kind: self.kind.as_str(),
            at_ms: self.at_ms,
            request_id: self.request_id.as_deref(),
            workspace: self.workspace.as_deref(),
            connection: self.connection.as_deref(),
            agent: self.agent.as_deref(),
            operation: self.operation.as_deref(),
            effect: self.effect.as_deref(),
            decision: self.decision.as_deref(),
            outcome: self.outcome.as_deref(),
            closes: self.closes,
            request: self.detail.request.as_ref(),
            refusal: self.detail.refusal.as_ref(),
            answer: self.detail.answer.as_ref(),
            act: self.detail.act.as_ref(),
            prev: self.prev.to_string(),
            hash: self.hash.to_string(),
        }
    }
}

/// A row as one harmless line: `name=value` pairs, in a fixed order, absent ones left out.
#[derive(Debug)]
pub struct Escaped<'a>(&'a Row);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let row = self.0;
        write!(f, "{} {}", row.sequence, row.kind.as_str())?;
        let mut pair = |name: &str, value: Option<&str>| match value {
            Some(value) => write!(f, " {name}={}", escape(value)),
            None => Ok(()),
        };
        pair("decision", row.decision.as_deref())?;
        pair("outcome", row.outcome.as_deref())?;
        pair("workspace", row.workspace.as_deref())?;
        pair("connection", row.connection.as_deref())?;
        pair("agent", row.agent.as_deref())?;
        pair("operation", row.operation.as_deref())?;
        pair("effect", row.effect.as_deref())?;
        if let Some(request) = &row.detail.request {
            pair("method", request.method.as_deref())?;
            pair("path", request.path.as_deref())?;
            pair("purpose", request.purpose.as_deref())?;
            pair("separation", request.separation.as_deref())?;
        }
        if let Some(refusal) = &row.detail.refusal {
            pair("code", Some(&refusal.code))?;
            pair("rule", refusal.rule.as_deref())?;
            pair("plugin", refusal.plugin.as_deref())?;
        }
        if let Some(answer) = &row.detail.answer {
            pair("status", answer.upstream_status.map(|status| status.to_string()).as_deref())?;
            pair("secret_exposed", answer.secret_exposed.as_deref())?;
            pair("withheld", answer.withheld.as_deref())?;
        }
        if let Some(act) = &row.detail.act {
            pair("who", Some(&act.who))?;
            pair("what", Some(&act.what))?;
            pair("target", Some(&act.target))?;
            pair("result", Some(&act.result))?;
        }
        pair("request", row.request_id.as_deref())
    }
}
