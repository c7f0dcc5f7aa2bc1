//! Which connections may stay when more come than there are slots: who comes new gets one, and somebody who does nothing
//! gives way. A listener that refused newcomers instead would belong to whoever opens its slots first.
//!
//! A connection is a stranger's until its first request with a valid token, and from then on counts for that agent. While a request
//! is under way, it stays. Otherwise the oldest stranger gives way, as long as strangers hold their share; and
//! then, of the agent that has the most connections, the one that has been idle for the longest time.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use wardlock_core::id::AgentName;

/// One slot in so many is strangers' own: agents that keep connections cannot leave newcomers less time than that to show a
/// token.
const STRANGERS_SHARE: usize = 4;

/// The slots of a listener.
#[derive(Debug)]
pub struct Slots {
    limit: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// Counts connections, and the times that they became idle.
    count: u64,
    connections: HashMap<u64, Connection>,
    /// The connections of nobody who is known, by age.
    strangers: BTreeSet<u64>,
    agents: HashMap<AgentName, Kept>,
}

#[derive(Debug)]
struct Connection {
    agent: Option<AgentName>,
    /// When it became idle, while it is.
    idle: Option<u64>,
    leave: Arc<Notify>,
}

/// What one agent has.
#[derive(Debug, Default)]
struct Kept {
    all: usize,
    /// Since when, and which.
    idle: BTreeSet<(u64, u64)>,
}

/// A connection's slot; free again when dropped.
#[derive(Debug)]
#[must_use = "the slot is free again when this is dropped"]
pub struct Slot {
    slots: Arc<Slots>,
    id: u64,
    leave: Arc<Notify>,
}

/// A request under way: its connection gives way to nobody until this is dropped.
#[derive(Debug)]
#[must_use = "the connection may be closed when this is dropped"]
pub struct Busy(Arc<Slot>);

impl Slots {
    /// Makes as many slots as these.
    pub fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, held: Mutex::default() })
    }

    /// Takes a slot for a new connection. When all are taken, a connection is told to leave; none is to be had only when
    /// every connection has a request under way. The flag says whether one had to leave.
    pub fn take(self: &Arc<Self>) -> Option<(Slot, bool)> {
        let mut held = self.lock();
        let full = held.connections.len() >= self.limit;
        if full {
            let leaves = held.first_to_leave(self.limit)?;
            if let Some(connection) = held.remove(leaves) {
                connection.leave.notify_one();
            }
        }
        let id = held.next();
        let leave = Arc::new(Notify::new());
        held.connections.insert(id, Connection { agent: None, idle: Some(id), leave: Arc::clone(&leave) });
        held.strangers.insert(id);
        Some((Slot { slots: Arc::clone(self), id, leave }, full))
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    fn next(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    fn first_to_leave(&self, limit: usize) -> Option<u64> {
        let stranger = self.strangers.first().copied();
        let most = self.agents.values().filter(|kept| !kept.idle.is_empty()).max_by_key(|kept| kept.all);
        let idle = most.and_then(|kept| kept.idle.first()).map(|(_, id)| *id);
        if self.strangers.len() >= limit.div_ceil(STRANGERS_SHARE) { stranger } else { idle.or(stranger) }
    }

    fn remove(&mut self, id: u64) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        self.forget(id, &connection);
        Some(connection)
    }

    /// Takes a connection out of what it is found by.
    fn forget(&mut self, id: u64, connection: &Connection) {
        let Some(agent) = &connection.agent else {
            self.strangers.remove(&id);
            return;
        };
        if let Some(kept) = self.agents.get_mut(agent) {
            kept.all -= 1;
            if let Some(since) = connection.idle {
                kept.idle.remove(&(since, id));
            }
            if kept.all == 0 {
                self.agents.remove(agent);
            }
        }
    }

    /// Notes whose a connection is from now on, and whether it is idle. One that was told to leave is not there any more.
    fn change(&mut self, id: u64, agent: Option<&AgentName>, busy: bool) {
        let Some(mut connection) = self.remove(id) else {
            return;
        };
        connection.agent = agent.cloned().or(connection.agent);
        connection.idle = (!busy).then(|| self.next());
        match &connection.agent {
            Some(agent) => {
                let kept = self.agents.entry(agent.clone()).or_default();
                kept.all += 1;
                kept.idle.extend(connection.idle.map(|since| (since, id)));
            }
            None => {
                self.strangers.insert(id);
            }
        }
        self.connections.insert(id, connection);
    }
}

impl Slot {
    /// Resolves when this connection must make room.
    pub async fn told_to_leave(&self) {
        self.leave.notified().await;
    }

    /// Counts the connection for an agent that showed its token.
    pub fn belongs_to(&self, agent: &AgentName) {
        let mut slots = self.slots.lock();
        // Mostly it is the same agent's as at the last request.
        if slots.connections.get(&self.id).is_some_and(|connection| connection.agent.as_ref() == Some(agent)) {
            return;
        }
        slots.change(self.id, Some(agent), false);
    }

    /// Notes that a request of its agent is under way.
    pub fn busy(self: &Arc<Self>) -> Busy {
        self.slots.lock().change(self.id, None, true);
        Busy(Arc::clone(self))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.slots.lock().remove(self.id);
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.slots.lock().change(self.0.id, None, false);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn agent(name: &str) -> AgentName {
        AgentName::parse(name).expect("a name")
    }

    fn stranger(slots: &Arc<Slots>) -> Arc<Slot> {
        Arc::new(slots.take().expect("a slot").0)
    }

    fn of(slots: &Arc<Slots>, name: &str) -> Arc<Slot> {
        let slot = stranger(slots);
        slot.belongs_to(&agent(name));
        slot
    }

    async fn leaves(slot: &Slot) -> bool {
        tokio::time::timeout(Duration::ZERO, slot.told_to_leave()).await.is_ok()
    }

    #[tokio::test]
    async fn a27_of_strangers_the_oldest_gives_way_and_a_known_agent_stays() {
        let slots = Slots::new(4);
        let known = of(&slots, "known");
        let (first, second, third) = (stranger(&slots), stranger(&slots), stranger(&slots));
        assert!(!leaves(&first).await, "there is room");
        let newcomer = stranger(&slots);
        assert!(leaves(&first).await && !leaves(&second).await && !leaves(&third).await);
        assert!(!leaves(&known).await && !leaves(&newcomer).await);
    }

    #[tokio::test]
    async fn a27_of_agents_who_has_the_most_gives_way_first_with_what_is_idle_longest() {
        let slots = Slots::new(4);
        let modest = of(&slots, "modest");
        let greedy = [of(&slots, "greedy"), of(&slots, "greedy"), of(&slots, "greedy")];
        // A request makes a connection the one that was idle last.
        drop(greedy[0].busy());
        let newcomer = stranger(&slots);
        assert!(leaves(&greedy[1]).await);
        assert!(!leaves(&greedy[0]).await && !leaves(&greedy[2]).await && !leaves(&modest).await);
        // Strangers have their share now; the next one takes it from the last.
        let _next = stranger(&slots);
        assert!(leaves(&newcomer).await && !leaves(&greedy[2]).await);
    }

    #[tokio::test]
    async fn a_connection_with_a_request_under_way_stays() {
        let slots = Slots::new(2);
        let kept = [of(&slots, "one"), of(&slots, "one")];
        let busy: Vec<Busy> = kept.iter().map(Slot::busy).collect();
        assert!(slots.take().is_none(), "all are used");
        drop(busy);
        assert!(slots.take().is_some());
        assert!(leaves(&kept[0]).await && !leaves(&kept[1]).await);
    }

    #[tokio::test]
    async fn nothing_is_left_of_connections_that_are_gone() {
        let slots = Slots::new(8);
        let (one, other) = (of(&slots, "one"), stranger(&slots));
        let busy = one.busy();
        one.belongs_to(&agent("two"));
        drop((one, other, busy));
        let held = slots.lock();
        assert!(held.connections.is_empty() && held.strangers.is_empty() && held.agents.is_empty(), "{held:?}");
    }
}
