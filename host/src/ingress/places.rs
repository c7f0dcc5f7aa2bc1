//! How many requests may be under way, in all, for one workspace and for one agent. Who finds no place is told so at once: a
//! queue would only hide the flood from whoever makes it.
//!
//! The fewer places are free, the fewer any one may hold (dynamic thresholds, Choudhury and Hahne 1998): whoever comes new
//! always finds one, however many the others ask for, and nobody's share must be known beforehand.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wardlock_core::id::{AgentName, WorkspaceName};
use wardlock_core::refusal::{Code, Refusal};

use super::slots::Busy;

/// Seconds after which an agent is told to try again: requests under way take about that long.
const RETRY_AFTER: u32 = 1;

/// How many times the free places a whole workspace may hold; one agent may hold as many as are free.
const WORKSPACES_SHARE: usize = 2;

/// The places.
#[derive(Debug)]
pub struct Places {
    all: usize,
    per_agent: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by_agent: HashMap<AgentName, usize>,
    by_workspace: HashMap<WorkspaceName, usize>,
}

/// One place; free again when dropped.
#[derive(Debug)]
#[must_use = "the place is free again when this is dropped"]
pub struct Place {
    places: Arc<Places>,
    workspace: WorkspaceName,
    agent: AgentName,
}

/// A place, and the connection that its request came by: it stays open as long.
#[derive(Debug)]
#[must_use = "the place is free again when this is dropped"]
pub struct Held {
    _place: Place,
    _connection: Busy,
}

impl Place {
    /// Keeps a connection for as long as the place is taken.
    pub fn on(self, connection: Busy) -> Held {
        Held { _place: self, _connection: connection }
    }
}

impl Places {
    /// Makes as many places as these.
    pub fn new(all: usize, per_agent: usize) -> Arc<Self> {
        Arc::new(Self { all, per_agent, taken: Mutex::default() })
    }

    /// Takes a place for an agent's request.
    pub fn take(self: &Arc<Self>, workspace: &WorkspaceName, agent: &AgentName) -> Result<Place, Refusal> {
        let mut taken = self.lock();
        let free = self.all.saturating_sub(taken.all);
        if free == 0 {
            return Err(overloaded(format!("{} requests are under way, the most that this host takes", self.all)));
        }
        let own = taken.by_agent.get(agent).copied().unwrap_or_default();
        if own >= self.per_agent {
            let detail =
                format!("{} requests of this agent are under way, the most that one may have", self.per_agent);
            return Err(overloaded(detail));
        }
        let of_workspace = taken.by_workspace.get(workspace).copied().unwrap_or_default();
        if own >= free || of_workspace >= free.saturating_mul(WORKSPACES_SHARE) {
            return Err(overloaded(format!(
                "{own} requests of this agent and {of_workspace} of its workspace are under way; the {free} places that are \
                 free are kept for others"
            )));
        }
        taken.all += 1;
        *taken.by_agent.entry(agent.clone()).or_default() += 1;
        *taken.by_workspace.entry(workspace.clone()).or_default() += 1;
        Ok(Place { places: Arc::clone(self), workspace: workspace.clone(), agent: agent.clone() })
    }

    /// Returns how many are taken.
    pub fn in_use(&self) -> usize {
        self.lock().all
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        one_less(&mut taken.by_agent, &self.agent);
        one_less(&mut taken.by_workspace, &self.workspace);
    }
}

fn one_less<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

fn overloaded(detail: String) -> Refusal {
    Refusal::new(Code::Overloaded, "places", detail).hint("send fewer at once").retry_after(RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(places: &Arc<Places>, workspace: &str, agent: &str) -> Result<Place, Refusal> {
        let workspace = WorkspaceName::parse(workspace).expect("a name");
        places.take(&workspace, &AgentName::parse(agent).expect("a name"))
    }

    /// Takes as many as there are.
    fn flood(places: &Arc<Places>, workspace: &str, agent: &str) -> Vec<Place> {
        std::iter::from_fn(|| take(places, workspace, agent).ok()).collect()
    }

    #[test]
    fn a27_neither_one_agent_nor_all_together_take_more_than_their_places() {
        let places = Places::new(6, 2);
        let mut first = flood(&places, "acme", "one");
        assert_eq!(first.len(), 2);
        let refusal = take(&places, "acme", "one").expect_err("its own are taken");
        assert_eq!(refusal.code, Code::Overloaded);
        let _second = flood(&places, "acme", "two");
        first.pop();
        let _again = take(&places, "acme", "one").expect("a place is free again");
        let others: Vec<Vec<Place>> = ["a", "b", "c", "d"].map(|name| flood(&places, "other", name)).into();
        assert_eq!(places.lock().all, 6, "{others:?}");
        take(&places, "third", "e").expect_err("all are taken");
    }

    #[test]
    fn a27_whoever_comes_new_finds_a_place_however_many_the_others_ask_for() {
        let places = Places::new(256, 256);
        let first = flood(&places, "acme", "greedy");
        assert_eq!(first.len(), 128, "half at most");
        for number in 0..5 {
            let newcomer = flood(&places, &format!("workspace-{number}"), &format!("agent-{number}"));
            assert!(!newcomer.is_empty(), "the {number}th newcomer");
        }
    }

    #[test]
    fn a27_a_workspace_of_many_agents_leaves_room_for_another() {
        let places = Places::new(240, 240);
        let held: Vec<Vec<Place>> =
            (0..100).map(|number| flood(&places, "acme", &format!("agent-{number}"))).collect();
        let taken: usize = held.iter().map(Vec::len).sum();
        assert_eq!(taken, 160, "two thirds at most");
        assert_eq!(flood(&places, "globex", "one").len(), 40);
    }
}
