//! What a decision means: a permit, a draft, the end; and clients that wait for what a person says.

use std::time::Duration;

use serde_json::Value;
use wardlock_core::classify::Classified;
use wardlock_core::connection::Connection;
use wardlock_core::decision::{Decision, Held, Permit};
use wardlock_core::id::RequestId;
use wardlock_core::refusal::{Code, Refusal};
use wardlock_core::service::RefusalShape;

use super::{Agent, Seen, Stop};
use crate::gate::Gate;
use crate::ingress::Reply;
use crate::{drafts, policy};

/// A client that waits for what a person says of a draft.
pub(super) struct Waits {
    pub(super) draft: String,
    pub(super) patience: Duration,
    /// The address under which its agent reached the host.
    pub(super) via: Option<String>,
    /// Whose the draft is.
    pub(super) whose: Agent,
    /// Whether it wants the answer, or only to be told where the draft stands.
    pub(super) wants_answer: bool,
    /// The token with which it came.
    pub(super) token: Option<String>,
    /// The error shape that its client reads.
    pub(super) shape: Option<RefusalShape>,
}

impl Waits {
    /// Waits, and tells what the draft has come to; `reply` where it still waits.
    pub(super) async fn out(self, gate: &Gate, id: &RequestId, reply: Reply) -> Reply {
        drafts::wait(gate, &self.draft, self.patience).await;
        let Some(host) = gate.opened() else { return reply };
        // A token that was ended meanwhile takes nothing, least of all an answer that is given once.
        if self.token.is_none_or(|token| host.state().authenticate(&token).is_none()) {
            return Reply::refused(id, "deny", None, &super::enter::unknown(&host), self.shape.as_ref());
        }
        let whose = (self.whose.workspace.as_str(), self.whose.name.as_str());
        let told = if self.wants_answer {
            drafts::answer(&host, id, whose, &self.draft, self.via.as_deref()).await
        } else {
            drafts::status(&host, id, whose, &self.draft).await
        };
        match told {
            Ok(Some(told)) => told,
            Err(refusal) if refusal.code != Code::Held => {
                Reply::refused(id, "deny", None, &refusal, self.shape.as_ref())
            }
            Ok(None) | Err(_) => reply,
        }
    }
}

/// Tells that a request is held, and lets its client wait if it asked to.
pub(super) fn hold(refusal: Refusal, held: &Held, seen: &mut Seen) -> Stop {
    let waits = seen.prefers.wait.zip(refusal.draft.as_ref()).map(|(patience, place)| Waits {
        draft: place.id.clone(),
        patience,
        via: held.asked.via.clone(),
        whose: Agent { name: held.agent.clone(), workspace: held.connection.workspace.clone() },
        wants_answer: true,
        token: None,
        shape: None,
    });
    seen.waits = waits;
    Stop { decision: if refusal.code == Code::Held { "hold" } else { "deny" }, refusal }
}

/// What a decision means for the request.
pub(super) enum Concluded {
    Permitted(Box<Permit>),
    Held(Box<Held>, Refusal),
    Stopped(Stop),
}

/// Notes and counts a decision.
pub(super) fn concluded(decision: Decision, seen: &mut Seen) -> Concluded {
    let (verdicts, concluded) = match decision {
        Decision::Allow(permit) => (permit.verdicts().to_vec(), Concluded::Permitted(permit)),
        Decision::Hold { refusal, verdicts, held } => (verdicts, Concluded::Held(held, refusal)),
        Decision::Deny { refusal, verdicts } => (verdicts, Concluded::Stopped(Stop { decision: "deny", refusal })),
    };
    if let Some(metrics) = &seen.metrics {
        metrics.decided(seen.began.elapsed(), &verdicts);
    }
    seen.verdicts = verdicts;
    concluded
}

/// Tells what would be done: the decision, every verdict, and exactly what would be sent. It stores and takes nothing.
pub(super) fn dry_run_ends(
    concluded: Concluded,
    seen: &Seen,
    classified: &Classified,
    connection: &Connection,
    more: &Value,
) -> Stop {
    let mut told = policy::dry_run(&seen.verdicts, classified, connection);
    told["changes_note"] = match &concluded {
        Concluded::Stopped(_) => Some("not read: it would not be sent".to_owned()),
        Concluded::Permitted(_) | Concluded::Held(..) => drafts::unread(classified),
    }
    .into();
    for (name, value) in more.as_object().into_iter().flatten() {
        told[name] = value.clone();
    }
    match concluded {
        Concluded::Permitted(_) => {
            let sent =
                if told["provider"]["asked"] == true { "only its check was sent" } else { "nothing was sent" };
            let refusal = Refusal::new(Code::DryRun, "dry-run", format!("the decision is allow; {sent}"));
            Stop { decision: "allow", refusal: refusal.as_dry_run(told) }
        }
        Concluded::Held(_, refusal) => {
            let hint = "send it without `Wardlock-Dry-Run` to have it kept for a person";
            Stop { decision: "hold", refusal: refusal.hint(hint).as_dry_run(told) }
        }
        Concluded::Stopped(Stop { decision, refusal }) => Stop { decision, refusal: refusal.as_dry_run(told) },
    }
}
