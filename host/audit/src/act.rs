//! What is done besides agents' requests: administrative acts, and calls to token endpoints.

use wardlock_core::id::RequestId;

use crate::detail::{ActDetail, Detail};
use crate::entry::{Durability, Entry, Kind, Says, Subject, bounded};

/// Which kind of act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActKind {
    /// An operator did something: connect, agent add, reload.
    Admin,
    /// A token endpoint was called, or a tenant looked up.
    Grant,
}

/// Something done. Never a secret in any of its texts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an act is recorded by `Audit::act`"]
pub struct Act {
    /// Which kind.
    pub kind: ActKind,
    /// Who did it: an operator's name, or `wardlock` where the host did it by itself.
    pub who: String,
    /// What was done, dotted: `agent.add`, `token.refresh`.
    pub what: String,
    /// To what: an agent's, a grant's, a connection's name.
    pub target: String,
    /// How it ended: `ok`, or a stable code.
    pub result: String,
    /// The workspace that it is about.
    pub workspace: Option<String>,
    /// The connection that it is about.
    pub connection: Option<String>,
    /// The request that caused it.
    pub request: Option<RequestId>,
}

impl Act {
    /// Makes an administrative act.
    pub fn admin(
        who: impl Into<String>,
        what: impl Into<String>,
        target: impl Into<String>,
        result: impl Into<String>,
    ) -> Self {
        Self {
            kind: ActKind::Admin,
            who: who.into(),
            what: what.into(),
            target: target.into(),
            result: result.into(),
            workspace: None,
            connection: None,
            request: None,
        }
    }

    /// Makes an act of the host on a grant: a token call, or a tenant look-up.
    pub fn grant(what: impl Into<String>, target: impl Into<String>, result: impl Into<String>) -> Self {
        Self { kind: ActKind::Grant, ..Self::admin("wardlock", what, target, result) }
    }

    /// Adds the workspace and the connection that it is about.
    pub fn on(mut self, workspace: impl Into<String>, connection: impl Into<String>) -> Self {
        self.workspace = Some(workspace.into());
        self.connection = Some(connection.into());
        self
    }

    /// Adds the workspace that it is about.
    pub fn in_workspace(mut self, workspace: impl Into<String>) -> Self {
        self.workspace = Some(workspace.into());
        self
    }

    /// Adds the request that caused it.
    pub fn caused_by(mut self, request: RequestId) -> Self {
        self.request = Some(request);
        self
    }

    pub(crate) fn into_entry(self) -> Entry {
        let act = ActDetail {
            who: bounded(&self.who),
            what: bounded(&self.what),
            target: bounded(&self.target),
            result: bounded(&self.result),
        };
        let kind = match self.kind {
            ActKind::Admin => Kind::Admin,
            ActKind::Grant => Kind::Grant,
        };
        let subject = Subject {
            request_id: self.request.map(|id| id.as_str().to_owned()),
            workspace: self.workspace.as_deref().map(bounded),
            connection: self.connection.as_deref().map(bounded),
            ..Subject::default()
        };
        let detail = Detail { act: Some(act), ..Detail::empty() };
        Entry::new(kind, Durability::Power, subject, Says::default(), &detail)
    }
}
