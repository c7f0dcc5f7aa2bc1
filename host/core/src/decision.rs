//! The decision, and the only maker of a [`Permit`].

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::chain::{ChainOutcome, End, HeldBy, VerdictRecord};
use crate::classify::Classified;
use crate::connection::Connection;
use crate::id::{AgentName, Digest, RequestId};
use crate::refusal::{Code, Refusal, RefusedBy};
use crate::rules::{HoldingRule, Judge};

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
    /// The approval by which a draft is released; `None`: an agent asks.
    pub approval: Option<Approval>,
}

/// Who wants a person's word on a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Holder {
    /// A rule of the host.
    Rule {
        /// The rule.
        rule: String,
    },
    /// A plugin.
    Plugin {
        /// Its name in the chain.
        name: String,
        /// SHA-256 of its component.
        digest: Digest,
    },
}

/// A person's word on one draft. It releases exactly that request, and only what held it then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    /// The draft.
    pub draft: String,
    /// Who approved.
    pub by: Vec<String>,
    /// The digest of the request as it was held and shown.
    pub request: Digest,
    /// The account that it was for.
    pub tenant: String,
    /// Where it was to go ([`Connection::place_digest`]).
    pub place: Digest,
    /// Who held it.
    pub holders: Vec<Holder>,
}

impl Approval {
    /// Says what is another than what was approved; `None`: it is that.
    fn beside(
        &self,
        classified: &Classified,
        connection: &Connection,
        tenant: &str,
        holders: &[Holder],
    ) -> Option<String> {
        if self.request != classified.digest() {
            return Some("a plugin would change the request that was approved".to_owned());
        }
        // The number that is wanted now: it may have been read from other rules when people said yes.
        let wanted = connection.write_rules.approvals;
        if self.by.len() < usize::try_from(wanted).unwrap_or(usize::MAX) {
            return Some(format!("{wanted} people must approve it now"));
        }
        if self.place != connection.place_digest(classified) {
            return Some("it would go elsewhere than what was approved".to_owned());
        }
        if self.tenant != tenant {
            return Some("the connection is for another account than the one that was approved".to_owned());
        }
        let name = match holders.iter().find(|holder| !self.meets(holder))? {
            Holder::Rule { rule } => rule,
            Holder::Plugin { name, .. } => name,
        };
        Some(format!("`{name}` wants a person's word, and is not what held the request then"))
    }

    /// Returns whether it answers who holds now. A rule of the host wants a person, and here is one; a plugin must be the same
    /// component, since another one may want to know something else.
    fn meets(&self, holder: &Holder) -> bool {
        match holder {
            Holder::Rule { .. } => true,
            Holder::Plugin { .. } => self.holders.contains(holder),
        }
    }
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

    /// Returns the approval by which it holds, where it releases a draft.
    pub fn approval(&self) -> Option<&Approval> {
        self.asked.approval.as_ref()
    }

    /// Returns what each plugin said.
    pub fn verdicts(&self) -> &[VerdictRecord] {
        &self.verdicts
    }

    /// Returns the digest of all that this permit allows: request, connection, grant generation, and the draft that it releases.
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
        /// What a person would approve.
        held: Box<Held>,
    },
    /// No.
    Deny {
        /// Why.
        refusal: Refusal,
        /// What each plugin said.
        verdicts: Vec<VerdictRecord>,
    },
}

/// A held request: exactly what an approval would send.
#[derive(Debug)]
pub struct Held {
    /// The request as the last plugin left it.
    pub classified: Classified,
    /// The connection.
    pub connection: Arc<Connection>,
    /// The agent.
    pub agent: AgentName,
    /// What else was asked.
    pub asked: Asked,
    /// Who holds it, the host's rule first.
    pub holders: Vec<Holder>,
}

/// Decides. The outcome must be about exactly this request and this connection's chain.
pub fn decide(judge: &Judge, classified: Classified, outcome: ChainOutcome, asked: Asked) -> Decision {
    let ChainOutcome { request, chain, end, verdicts } = outcome;
    let connection = judge.connection();
    if request != classified.digest() || chain != connection.chain_digest() {
        let refusal = Refusal::new(Code::Internal, "decision", "the verdicts are about another request or chain");
        return Decision::Deny { refusal, verdicts };
    }
    let held = match end {
        End::Deny(refusal) => return Decision::Deny { refusal, verdicts },
        End::Hold(held) => Some(held),
        End::Allow => None,
    };
    let rule = judge.holds(&classified);
    let holders = holders(rule.as_ref(), &verdicts);
    if let Some(approval) = &asked.approval {
        if let Some(detail) = approval.beside(&classified, connection, &asked.tenant, &holders) {
            let refusal = Refusal::new(Code::ChangedSinceApproval, "approval", detail);
            return Decision::Deny { refusal, verdicts };
        }
    } else if !holders.is_empty() {
        let refusal = match (rule, held) {
            (Some(HoldingRule { rule, detail, part }), _) => {
                part.into_iter().fold(Refusal::new(Code::Held, rule, detail), Refusal::in_part)
            }
            (None, held) => held_by(held),
        };
        let held =
            Held { classified, connection: Arc::clone(connection), agent: judge.agent().clone(), asked, holders };
        return Decision::Hold { refusal, verdicts, held: Box::new(held) };
    }
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

/// Returns who wants a person's word: a rule of the host, and every plugin that counts and said so.
fn holders(rule: Option<&HoldingRule>, verdicts: &[VerdictRecord]) -> Vec<Holder> {
    let rule = rule.map(|held| Holder::Rule { rule: held.rule.to_owned() });
    let plugins = verdicts.iter().filter(|said| said.enforced && said.verdict == "hold");
    let plugins = plugins.map(|said| Holder::Plugin { name: said.plugin.clone(), digest: said.digest });
    let mut holders = Vec::new();
    for holder in rule.into_iter().chain(plugins) {
        // A plugin may hold several parts of one request.
        if !holders.contains(&holder) {
            holders.push(holder);
        }
    }
    holders
}

fn held_by(held: Option<HeldBy>) -> Refusal {
    let Some(HeldBy { plugin, reason, part }) = held else {
        // Who holds said so in the chain, so there is always somebody.
        return Refusal::new(Code::Held, "chain", "a person must approve it");
    };
    let refusal = Refusal {
        detail: format!("{} (plugin `{plugin}` asks for a person's approval)", reason.message),
        by: RefusedBy::Plugin { name: plugin, code: Some(reason.code) },
        retry_after: reason.retry_after_seconds,
        ..Refusal::new(Code::Held, "chain", String::new())
    };
    part.into_iter().fold(refusal, Refusal::in_part)
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
        asked.approval.as_ref().map_or("", |approval| &approval.draft).as_bytes(),
    ])
}
