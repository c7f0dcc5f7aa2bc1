//! What the audit gets as sums, not rows, because whoever causes it could fill the disk: requests of nobody who is known, and
//! those that a known agent makes beyond what it may.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use wardlock_audit::Act;
use wardlock_core::id::{AgentName, WorkspaceName};
use wardlock_core::refusal::Code;

/// What was counted since it was last written down.
#[derive(Debug, Default)]
pub struct Sums {
    unauthenticated: AtomicU64,
    turned_away: Mutex<HashMap<TurnedAway, u64>>,
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
}
