//! How many requests may be under way, in all and for one agent. Who finds no place is told so at once: a queue would
//! only hide the flood from whoever makes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wardlock_core::id::AgentName;
use wardlock_core::refusal::{Code, Refusal};

/// Seconds after which an agent is told to try again: requests under way take about that long.
const RETRY_AFTER: u32 = 1;

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
}

/// One place; free again when dropped.
#[derive(Debug)]
#[must_use = "the place is free again when this is dropped"]
pub struct Place {
    places: Arc<Places>,
    agent: AgentName,
}

impl Places {
    /// Makes as many places as these.
    pub fn new(all: usize, per_agent: usize) -> Arc<Self> {
        Arc::new(Self { all, per_agent, taken: Mutex::default() })
    }

    /// Takes a place for an agent's request.
    pub fn take(self: &Arc<Self>, agent: &AgentName) -> Result<Place, Refusal> {
        let mut taken = self.lock();
        if taken.all >= self.all {
            return Err(overloaded(format!("{} requests are under way, the most that this host takes", self.all)));
        }
        let own = taken.by_agent.entry(agent.clone()).or_default();
        if *own >= self.per_agent {
            let detail =
                format!("{} requests of this agent are under way, the most that one may have", self.per_agent);
            return Err(overloaded(detail));
        }
        *own += 1;
        taken.all += 1;
        Ok(Place { places: Arc::clone(self), agent: agent.clone() })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        taken.all -= 1;
        if let Some(own) = taken.by_agent.get_mut(&self.agent) {
            *own -= 1;
            if *own == 0 {
                taken.by_agent.remove(&self.agent);
            }
        }
    }
}

fn overloaded(detail: String) -> Refusal {
    Refusal::new(Code::Overloaded, "places", detail).hint("send fewer at once").retry_after(RETRY_AFTER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_one_agent_nor_all_together_take_more_than_their_places() {
        let places = Places::new(3, 2);
        let [one, two] = ["one", "two"].map(|name| AgentName::parse(name).expect("a name"));
        let first = places.take(&one).expect("a place");
        let _second = places.take(&one).expect("a place");
        assert_eq!(places.take(&one).expect_err("its own are taken").code, Code::Overloaded);
        let _third = places.take(&two).expect("another agent's place");
        places.take(&two).expect_err("all are taken");
        drop(first);
        let _fourth = places.take(&two).expect("a place is free again");
        assert_eq!(places.lock().all, 3);
    }
}
