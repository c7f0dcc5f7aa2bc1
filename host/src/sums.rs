//! What the audit gets as sums, not rows, because whoever causes it could fill the disk: requests of nobody who is known, and
//! those that a known agent makes beyond what it may; and acts that want an operator's signature and have none.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use wardlock_audit::Act;
use wardlock_core::id::{AgentName, OperatorName, WorkspaceName};
use wardlock_core::refusal::Code;

use crate::operators::Wrong;

/// How many kinds of refused acts have rows of their own until the next sum; of the others only their number is told.
const KINDS_OF_ATTEMPTS: usize = 32;

/// What was counted since it was last written down.
#[derive(Debug, Default)]
pub struct Sums {
    unauthenticated: AtomicU64,
    turned_away: Mutex<HashMap<TurnedAway, u64>>,
    attempts: Mutex<HashMap<Attempt, u64>>,
    more_attempts: AtomicU64,
}

/// An act that was refused for its signature. What it was for is no part of it: whoever attempts it could always name another.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Attempt {
    what: &'static str,
    why: Wrong,
    claimed: Option<OperatorName>,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct TurnedAway {
    workspace: WorkspaceName,
    agent: AgentName,
    code: Code,
}

impl Sums {
    /// Counts a request that was refused before it was known whose it is.
    pub fn count_unauthenticated(&self) {
        self.unauthenticated.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether a refusal has a row of its own: each has, but of those that only say that there are too many, the first.
    /// The others are counted.
    pub fn has_a_row(&self, workspace: &WorkspaceName, agent: &AgentName, code: Code) -> bool {
        if !matches!(code, Code::RateLimited | Code::Overloaded) {
            return true;
        }
        let turned_away = TurnedAway { workspace: workspace.clone(), agent: agent.clone(), code };
        match self.turned_away.lock().unwrap_or_else(PoisonError::into_inner).entry(turned_away) {
            Entry::Vacant(first) => {
                first.insert(0);
                true
            }
            Entry::Occupied(mut counted) => {
                *counted.get_mut() += 1;
                false
            }
        }
    }

    /// Returns whether an act that was refused for its signature has a row of its own: the first of each kind, and of not too many
    /// kinds. The others are counted.
    pub fn attempt_has_a_row(&self, what: &'static str, why: Wrong, claimed: Option<&OperatorName>) -> bool {
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = Attempt { what, why, claimed: claimed.cloned() };
        if let Some(count) = attempts.get_mut(&attempt) {
            *count += 1;
            return false;
        }
        let is_room = attempts.len() < KINDS_OF_ATTEMPTS;
        if is_room {
            attempts.insert(attempt, 0);
        } else {
            self.more_attempts.fetch_add(1, Ordering::Relaxed);
        }
        is_room
    }

    /// Takes what was counted, as rows; the counting begins anew.
    pub fn take(&self) -> Vec<Act> {
        let mut acts = Vec::new();
        let count = self.unauthenticated.swap(0, Ordering::Relaxed);
        if count > 0 {
            acts.push(Act::admin("wardlock", "agents.unauthenticated", "agents", refused(count)));
        }
        let turned_away = std::mem::take(&mut *self.turned_away.lock().unwrap_or_else(PoisonError::into_inner));
        for (TurnedAway { workspace, agent, code }, count) in turned_away {
            if count > 0 {
                let result = format!("{} as {}", refused(count), code.as_str());
                let act = Act::admin("wardlock", "agents.turned-away", agent.as_str(), result);
                acts.push(act.in_workspace(workspace.as_str()));
            }
        }
        acts.extend(self.take_attempts());
        acts
    }

    fn take_attempts(&self) -> Vec<Act> {
        let attempts = std::mem::take(&mut *self.attempts.lock().unwrap_or_else(PoisonError::into_inner));
        let counted = attempts.into_iter().filter(|(_, count)| *count > 0);
        let sums = counted.map(|(Attempt { what, why, claimed }, count)| {
            let claimed = claimed.map(|claimed| format!(", in the name of `{claimed}`")).unwrap_or_default();
            let result = format!("{count} more refused: {}{claimed}", why.as_str());
            Act::admin("wardlock", "operators.refused", what, result)
        });
        let mut acts: Vec<Act> = sums.collect();
        let more = self.more_attempts.swap(0, Ordering::Relaxed);
        if more > 0 {
            let result = format!("{more} more refused for their signature");
            acts.push(Act::admin("wardlock", "operators.refused", "others", result));
        }
        acts
    }
}

fn refused(count: u64) -> String {
    let requests = if count == 1 { "request" } else { "requests" };
    format!("{count} {requests} refused")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a27_a_flood_has_one_row_and_a_sum() {
        let sums = Sums::default();
        let workspace = WorkspaceName::parse("acme").expect("a name");
        let agent = AgentName::parse("one").expect("a name");
        let rows = (0..100).filter(|_| sums.has_a_row(&workspace, &agent, Code::RateLimited)).count();
        assert_eq!(rows, 1);
        assert!(sums.has_a_row(&workspace, &agent, Code::Overloaded), "another reason");
        assert!(
            (0..3).all(|_| sums.has_a_row(&workspace, &agent, Code::PolicyDenied)),
            "what says more has its row"
        );
        sums.count_unauthenticated();
        let acts = sums.take();
        let told: Vec<(&str, &str)> = acts.iter().map(|act| (act.target.as_str(), act.result.as_str())).collect();
        assert_eq!(told, [("agents", "1 request refused"), ("one", "99 requests refused as rate_limited")]);
        assert!(sums.take().is_empty());
        assert!(sums.has_a_row(&workspace, &agent, Code::RateLimited), "a new minute, a new row");
    }

    #[test]
    fn who_tries_to_approve_all_day_fills_no_audit() {
        let sums = Sums::default();
        let ada = OperatorName::parse("ada").expect("a name");
        let rows =
            |why, claimed| (0..50).filter(|_| sums.attempt_has_a_row("drafts.approve", why, claimed)).count();
        assert_eq!(rows(Wrong::Unsigned, None), 1);
        assert_eq!(rows(Wrong::Signature, Some(&ada)), 1);
        let names = (0..100).map(|at| OperatorName::parse(&format!("operator-{at}")).expect("a name"));
        let rows = names.filter(|name| sums.attempt_has_a_row("agent.add", Wrong::Role, Some(name))).count();
        assert_eq!(rows, KINDS_OF_ATTEMPTS - 2);
        let mut told: Vec<String> =
            sums.take().iter().map(|act| format!("{}: {}", act.target, act.result)).collect();
        told.sort();
        assert_eq!(
            told,
            [
                "drafts.approve: 49 more refused: a wrong signature, in the name of `ada`",
                "drafts.approve: 49 more refused: unsigned",
                "others: 70 more refused for their signature",
            ]
        );
        assert!(sums.take().is_empty());
        assert!(sums.attempt_has_a_row("drafts.approve", Wrong::Unsigned, None), "a new minute, a new row");
    }
}
