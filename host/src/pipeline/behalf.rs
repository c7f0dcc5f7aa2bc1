//! Requests that no client brings: drafts that are released, and the requests of a proof. They take the same path from step 4 on, in
//! the name of an agent, and their answers are kept here instead of going to a socket.

use std::sync::Arc;
use std::time::Instant;

use wardlock_audit::Separation;
use wardlock_core::answer::Outcome;
use wardlock_core::canonical::CanonicalRequest;
use wardlock_core::decision::Approval;
use wardlock_core::id::{AgentName, RequestId, WorkspaceName};
use wardlock_core::refusal::{Code, Refusal};
use wardlock_state::Counting;

use super::refuse::refuse;
use super::{Agent, Issued, Seen, Stop, judge_and_send, refuse_frozen, refuse_secrets};
use crate::host::Host;
use crate::ingress::{DryRun, KeptAnswer, Reply};

/// In whose name a request is made, and where.
#[derive(Debug, Clone)]
pub struct OnBehalf<'a> {
    /// The workspace.
    pub workspace: &'a str,
    /// The connection.
    pub connection: &'a str,
    /// The agent.
    pub agent: &'a str,
    /// Its purpose.
    pub purpose: Option<String>,
    /// The address under which the agent reached the host, for links in the answer.
    pub via: Option<String>,
    /// Whether the agent is another user of the system.
    pub separation: Separation,
    /// Where it is a draft that is released. Its agent must still be one then.
    pub approval: Option<Approval>,
    /// Whether the provider only checks it, as its service's definition says: it counts as a read then.
    pub checks: bool,
    /// Whether it takes of its plugins' quotas: what an agent is told does, what only a person is told does not.
    pub counting: Counting,
}

/// How such a request ended.
#[derive(Debug)]
pub enum Ended {
    /// It was sent and answered.
    Answered {
        /// What came of it, by its body.
        outcome: Outcome,
        /// The answer; `None`: it is too large to be kept, or broke off.
        answer: Option<KeptAnswer>,
    },
    /// It was refused.
    Refused {
        /// Why.
        refusal: Refusal,
        /// What came of it where it had its INTENT; `None`: surely nothing was sent.
        recorded: Option<Outcome>,
    },
}

impl Ended {
    /// A request that never began.
    pub fn refused(refusal: Refusal) -> Self {
        Self::Refused { refusal, recorded: None }
    }
}

/// Carries a request from step 4 to its end.
pub async fn run_for(host: &Host, id: &RequestId, asked: OnBehalf<'_>, request: CanonicalRequest) -> Ended {
    let separation = asked.separation;
    let mut seen = Seen::new();
    seen.began = Instant::now();
    let stop = match begin(host, id, asked, request, &mut seen).await {
        Ok(reply) => {
            let told = reply.outcome();
            let answer = reply.keep().await;
            // One that flows is told as pending: it ended, or broke off.
            let flowed = if answer.is_some() { Outcome::Streamed } else { Outcome::Unknown };
            return Ended::Answered { outcome: told.unwrap_or(flowed), answer };
        }
        Err(stop) => stop,
    };
    let refusal = stop.refusal.clone();
    let recorded = seen.recorded.then(|| seen.outcome.unwrap_or(Outcome::Unknown));
    // Its row, and what is counted, as for anybody's.
    drop(refuse(host, separation, id, seen, stop).await);
    Ended::Refused { refusal, recorded }
}

async fn begin(
    host: &Host,
    id: &RequestId,
    asked: OnBehalf<'_>,
    request: CanonicalRequest,
    seen: &mut Seen,
) -> Result<Reply, Stop> {
    let OnBehalf { workspace, connection, agent, purpose, via, separation, approval, checks, counting } = asked;
    let name = |error: String| Refusal::new(Code::Internal, "drafts", error);
    let agent = Agent {
        name: AgentName::parse(agent).map_err(|error| name(error.to_string()))?,
        workspace: WorkspaceName::parse(workspace).map_err(|error| name(error.to_string()))?,
    };
    seen.agent = Some(agent.clone());
    request.method().as_str().clone_into(&mut seen.method);
    seen.purpose = purpose;
    seen.named = Some((workspace.to_owned(), connection.to_owned()));
    seen.canonical = Some(request.clone());
    if approval.is_some() && !host.state().is_agent(&agent.name, &agent.workspace) {
        let detail = format!("agent `{}` was revoked, or its token has ended", agent.name);
        return Err(Refusal::new(Code::Unauthenticated, "authenticate", detail)
            .hint("nothing was sent; another agent may ask for the same")
            .into());
    }
    refuse_frozen(host, &agent.workspace)?;
    // What was stored since it was held is looked for, too.
    let target = request.path_and_query();
    let headers = request.headers().iter().map(|header| header.value.as_slice());
    refuse_secrets(host, headers.chain([target.as_bytes(), request.body()]))?;
    let open = host.loaded().open(&agent.workspace, connection)?;
    seen.connection = Some(Arc::clone(&open.connection));
    seen.metrics = Some(open.metrics(host.metrics()));
    let place = host.places().take(&agent.workspace, &agent.name)?;
    let issued = Issued {
        agent: agent.name,
        open,
        via,
        dry_run: DryRun::No,
        separation,
        approval,
        by_agent: false,
        checks,
        counting,
    };
    let reply = judge_and_send(host, id, issued, request, seen).await;
    drop(place);
    reply
}
