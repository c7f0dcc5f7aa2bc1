//! What a request that is only looked at is told besides the decision: what it would change, and, where the agent wants that, what the
//! provider says of it, which only checks it then. Each is asked by requests that take the path of any other, recorded and scanned.

use std::pin::Pin;

use serde_json::{Value, json};
use wardlock_audit::Separation;
use wardlock_core::answer::Outcome;
use wardlock_core::classify::Classified;
use wardlock_core::connection::Connection;
use wardlock_core::id::AgentName;
use wardlock_state::Counting;

use super::behalf::{Ended, OnBehalf, run_for};
use super::held::Concluded;
use crate::drafts;
use crate::host::Host;
use crate::ids::new_request_id;

/// The most of a provider's answer that is told, bytes.
const MOST_TOLD: usize = 64 << 10;

/// A request that is only looked at: what was concluded of it, and in whose name it came.
pub(super) struct Looked<'a> {
    pub host: &'a Host,
    pub concluded: &'a Concluded,
    pub connection: &'a Connection,
    pub agent: &'a AgentName,
    pub separation: Separation,
}

impl<'a> Looked<'a> {
    /// What it would change; null where it would not be sent.
    pub async fn changes(&self, classified: &Classified) -> Value {
        if !self.would_be_sent() {
            return Value::Null;
        }
        let asked = self.asked("current values, for a dry run");
        drafts::changes(self.host, asked, Some(self.agent), classified).await
    }

    /// Has the provider check what would be sent, and returns what it said; or why it was not asked. It is the agent's own request with
    /// the member that its service's definition says makes it a check.
    ///
    /// Boxed, because the path of a request that is only looked at leads here, and from here on to the check.
    pub fn by_provider<'b>(
        &'b self,
        classified: &'b Classified,
    ) -> Pin<Box<dyn Future<Output = Value> + Send + 'b>> {
        Box::pin(async move {
            if !self.would_be_sent() {
                return not_asked("it would not be sent");
            }
            let check = match classified.as_check() {
                Ok(check) => check,
                Err(why) => return not_asked(&why.to_string()),
            };
            if let Err(refusal) = self.host.rates().take(self.agent) {
                return not_asked(&refusal.detail);
            }
            let asked = OnBehalf {
                checks: true,
                // It changes and shows no record.
                counting: Counting::Looks,
                ..self.asked("the provider's check, for a dry run")
            };
            let id = new_request_id();
            let ended = run_for(self.host, &id, asked, check).await;
            told(id.as_str(), &ended)
        })
    }

    fn would_be_sent(&self) -> bool {
        !matches!(self.concluded, Concluded::Stopped(_))
    }

    /// A request in the agent's name that helps to look at its own.
    fn asked(&self, purpose: &str) -> OnBehalf<'a> {
        OnBehalf {
            workspace: self.connection.workspace.as_str(),
            connection: self.connection.name.as_str(),
            agent: self.agent.as_str(),
            purpose: Some(purpose.to_owned()),
            via: None,
            separation: self.separation,
            approval: None,
            checks: false,
            counting: Counting::Takes,
        }
    }
}

fn not_asked(why: &str) -> Value {
    json!({ "asked": false, "note": format!("not asked: {why}") })
}

fn told(id: &str, ended: &Ended) -> Value {
    match ended {
        Ended::Refused { refusal, recorded } => {
            let what = if recorded.is_some() { "asked, and no answer can be told" } else { "not asked" };
            json!({
                "asked": recorded.is_some(),
                "request_id": id,
                "outcome": recorded.map(Outcome::as_str),
                "note": format!("{what}: {}", refusal.detail),
                "code": refusal.code.as_str(),
            })
        }
        Ended::Answered { outcome, answer } => {
            let body = answer.as_ref().filter(|answer| answer.body.len() <= MOST_TOLD);
            json!({
                "asked": true,
                "request_id": id,
                "status": answer.as_ref().map(|answer| answer.status),
                "outcome": outcome.as_str(),
                "answer": body.and_then(|answer| serde_json::from_slice::<Value>(&answer.body).ok()),
            })
        }
    }
}
