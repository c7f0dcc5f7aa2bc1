//! The decision, and the only maker of a [`Permit`].

use std::sync::Arc;

use crate::chain::{ChainOutcome, End, VerdictRecord};
use crate::classify::Classified;
use crate::connection::Connection;
use crate::id::{AgentName, Digest, RequestId};
use crate::refusal::{Code, Refusal, RefusedBy};
use crate::rules::Judge;

/// Who asked, and what the decision must know besides the request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Request id.
    pub id: RequestId,
    /// What the agent gave as its purpose.
    pub purpose: Option<String>,
    /// The tenant that the grant was found to be: equal to the connection's pin.
    pub tenant: String,
    /// The grant's generation: a new consent makes a new one.
    pub generation: u64,
    /// The address under which the agent reached the host (`http://127.0.0.1:7420`), for links in answers.
    pub via: Option<String>,
}

/// One request may be sent, once. Made by [`decide`] only; moved into `Egress::send`.
///
/// It owns all that is needed to render the request, so that what was judged is what is sent.
#[derive(Debug)]
#[must_use]
pub struct Permit {
    classified: Classified,
    connection: Arc<Connection>,
    agent: AgentName,
    asked: Asked,
    verdicts: Vec<VerdictRecord>,
    digest: Digest,
}

impl Permit {
    /// Returns the request as it will be sent.
    pub fn classified(&self) -> &Classified {
        &self.classified
    }

    /// Returns the connection on which it will be sent.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Returns the agent.
    pub fn agent(&self) -> &AgentName {
        &self.agent
    }

    /// Returns the request's id.
    pub fn id(&self) -> &RequestId {
        &self.asked.id
    }

    /// Returns the purpose that the agent gave.
    pub fn purpose(&self) -> Option<&str> {
        self.asked.purpose.as_deref()
    }

    /// Returns the tenant for which it holds.
    pub fn tenant(&self) -> &str {
        &self.asked.tenant
    }

    /// Returns the grant's generation for which it holds.
    pub fn generation(&self) -> u64 {
        self.asked.generation
    }

    /// Returns the address under which the agent reached the host.
    pub fn via(&self) -> Option<&str> {
        self.asked.via.as_deref()
    }

    /// Returns what each plugin said.
    pub fn verdicts(&self) -> &[VerdictRecord] {
        &self.verdicts
    }

    /// Returns the digest of all that this permit allows: request, connection, grant generation.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

/// What the host concludes.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// It may be sent, once.
    Allow(Box<Permit>),
    /// A person must say.
    Hold {
        /// Why, as the agent is told.
        refusal: Refusal,
        /// What each plugin said.
        verdicts: Vec<VerdictRecord>,
    },
    /// No.
    Deny {
        /// Why.
        refusal: Refusal,
        /// What each plugin said.
        verdicts: Vec<VerdictRecord>,
    },
}

/// Decides. The outcome must be about exactly this request and this connection's chain.
pub fn decide(judge: &Judge, classified: Classified, outcome: ChainOutcome, asked: Asked) -> Decision {
    let ChainOutcome { request, chain, end, verdicts } = outcome;
    let connection = judge.connection();
    if request != classified.digest() || chain != connection.chain_digest() {
        let refusal = Refusal::new(Code::Internal, "decision", "the verdicts are about another request or chain");
        return Decision::Deny { refusal, verdicts };
    }
    match end {
        End::Deny(refusal) => Decision::Deny { refusal, verdicts },
        End::Hold { plugin, reason } => {
            let refusal = Refusal {
                code: Code::HoldNotAvailable,
                detail: format!("{} (plugin `{plugin}` asks for a person's approval)", reason.message),
                by: RefusedBy::Plugin { name: plugin, code: Some(reason.code) },
                hint: Some("this version cannot hold drafts yet, so nothing was stored or sent".to_owned()),
                retry_after: reason.retry_after_seconds,
            };
            Decision::Hold { refusal, verdicts }
        }
        End::Allow => {
            let digest = permit_digest(&classified, connection, &asked);
            Decision::Allow(Box::new(Permit {
                classified,
                connection: Arc::clone(connection),
                agent: judge.agent().clone(),
                asked,
                verdicts,
                digest,
            }))
        }
    }
}

fn permit_digest(classified: &Classified, connection: &Connection, asked: &Asked) -> Digest {
    Digest::of_fields([
        asked.id.as_str().as_bytes(),
        classified.digest().as_bytes().as_slice(),
        connection.workspace.as_str().as_bytes(),
        connection.name.as_str().as_bytes(),
        connection.region.as_str().as_bytes(),
        connection.environment.as_bytes(),
        connection.grant.as_str().as_bytes(),
        asked.tenant.as_bytes(),
        &asked.generation.to_be_bytes(),
    ])
}
