//! What is known of a request so far, whatever becomes of it.

use std::sync::Arc;
use std::time::Instant;

use wardlock_core::answer::Outcome;
use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::chain::VerdictRecord;
use wardlock_core::classify::Classified;
use wardlock_core::connection::Connection;

use super::Agent;
use super::held::Waits;
use crate::ingress::{AgentRequest, Prefers, RawRequest};
use crate::metrics::ConnectionMetrics;

/// What is known of a request so far: the record of a refusal is written from it.
pub(super) struct Seen {
    /// When all of it had arrived.
    pub(super) began: Instant,
    pub(super) agent: Option<Agent>,
    pub(super) method: String,
    pub(super) purpose: Option<String>,
    /// Only once it is known that no secret stands in it.
    pub(super) canonical: Option<CanonicalRequest>,
    /// The workspace and connection that the path names, whoever's they are.
    pub(super) named: Option<(String, String)>,
    pub(super) connection: Option<Arc<Connection>>,
    /// What the connection counts.
    pub(super) metrics: Option<Arc<ConnectionMetrics>>,
    pub(super) tenant: Option<String>,
    pub(super) classified: Option<Arc<Classified>>,
    pub(super) verdicts: Vec<VerdictRecord>,
    pub(super) wants_problem_json: bool,
    /// How the client would have a held request answered (RFC 7240).
    pub(super) prefers: Prefers,
    /// What the client waits for once its request is held.
    pub(super) waits: Option<Waits>,
    /// The scheme under which the agent's token came, and what was asked for.
    pub(super) scheme: Option<Scheme>,
    /// The request stands in the audit already: an INTENT, and its OUTCOME.
    pub(super) recorded: bool,
    pub(super) outcome: Option<Outcome>,
}

/// By what a client's own service is told, where its connection is not known.
pub(super) struct Scheme {
    pub(super) name: String,
    pub(super) method: String,
    pub(super) target: String,
}

impl Scheme {
    pub(super) fn of(request: &AgentRequest) -> Option<Self> {
        let name = request.scheme.clone()?;
        Some(Self { name, method: request.method.clone(), target: request.target.clone() })
    }
}

impl Seen {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            agent: None,
            method: String::new(),
            purpose: None,
            canonical: None,
            named: None,
            connection: None,
            metrics: None,
            tenant: None,
            classified: None,
            verdicts: Vec::new(),
            wants_problem_json: false,
            prefers: Prefers::default(),
            waits: None,
            scheme: None,
            recorded: false,
            outcome: None,
        }
    }

    /// Notes in which form a client reads refusals, where nothing more can be known of it.
    pub(super) fn tell_as(&mut self, raw: RawRequest) {
        if let Ok((_, request)) = raw.take_token(None) {
            self.wants_problem_json = request.wants_problem_json;
            self.scheme = Scheme::of(&request);
        }
    }

    /// The operation's effect, where it is known.
    pub(super) fn effect(&self) -> &'static str {
        self.classified.as_ref().map_or("unknown", |classified| classified.operation().effect.as_str())
    }
}
