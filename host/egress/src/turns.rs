//! How many calls of one grant may be under way at the provider, and who is next.
//!
//! Providers bound the calls at once (Zoho: 5 to 25 by edition) and answer the rest with an error, so the rest waits here:
//! in one line per agent, the lines taking turns, so that an agent that sends a thousand requests delays another by one.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use wardlock_core::decision::Permit;
use wardlock_core::id::{AgentName, GrantName, WorkspaceName};

/// How many requests may wait for one grant. Beyond it a new one is told at once: nobody waits through so many.
const MOST_WAITING: usize = 1024;

/// The turns of every grant.
#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<HashMap<GrantName, Lane>>);

/// One grant's calls.
#[derive(Debug, Default)]
struct Lane {
    under_way: usize,
    /// Who waits: a line for each agent, the next one first.
    lines: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    whose: Whose,
    waiting: VecDeque<Waiting>,
}

type Whose = (WorkspaceName, AgentName);

#[derive(Debug)]
struct Waiting {
    /// How many may be under way for the connection that waits, itself included.
    limit: usize,
    call: oneshot::Sender<Turn>,
}

/// Leave to make one call; over when dropped.
#[derive(Debug)]
#[must_use = "the turn is over when this is dropped"]
pub struct Turn {
    /// `None`: the grant's calls are not counted, or the turn was never given.
    counted: Option<(Arc<Turns>, GrantName)>,
    waited: Duration,
}

/// No turn came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{under_way} calls of this grant are under way, the most that the provider takes, and {waiting} more wait"
)]
pub struct Busy {
    /// How many calls are under way.
    pub under_way: usize,
    /// How many requests wait.
    pub waiting: usize,
}

impl Turn {
    /// Returns how long it was waited for.
    pub fn waited(&self) -> Duration {
        self.waited
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some((turns, grant)) = self.counted.take() {
            turns.over(&grant);
        }
    }
}

/// Waits for a turn, at most as long as `patience`.
pub(crate) async fn turn(turns: &Arc<Turns>, permit: &Permit, patience: Duration) -> Result<Turn, Busy> {
    let connection = permit.connection();
    let Some(limit) = connection.concurrency.or(connection.service.concurrent_calls) else {
        return Ok(Turn { counted: None, waited: Duration::ZERO });
    };
    let whose = (connection.workspace.clone(), permit.agent().clone());
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    take(turns, &connection.grant, whose, limit, patience).await
}

async fn take(
    turns: &Arc<Turns>,
    grant: &GrantName,
    whose: Whose,
    limit: usize,
    patience: Duration,
) -> Result<Turn, Busy> {
    let called = match turns.ask(grant, whose, limit) {
        Ok(Asked::Now) => {
            return Ok(Turn { counted: Some((Arc::clone(turns), grant.clone())), waited: Duration::ZERO });
        }
        Ok(Asked::Later(called)) => called,
        Err(busy) => return Err(busy),
    };
    let started = Instant::now();
    match tokio::time::timeout(patience, called).await {
        Ok(Ok(mut turn)) => {
            turn.waited = started.elapsed();
            Ok(turn)
        }
        Ok(Err(_)) | Err(_) => Err(turns.busy(grant)),
    }
}

enum Asked {
    Now,
    Later(oneshot::Receiver<Turn>),
}

impl Turns {
    fn lock(&self) -> MutexGuard<'_, HashMap<GrantName, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, grant: &GrantName, whose: Whose, limit: usize) -> Result<Asked, Busy> {
        let mut lanes = self.lock();
        let lane = lanes.entry(grant.clone()).or_default();
        if lane.lines.is_empty() && lane.under_way < limit {
            lane.under_way += 1;
            return Ok(Asked::Now);
        }
        if lane.waiting() >= MOST_WAITING {
            lane.forget_gone();
        }
        if lane.waiting() >= MOST_WAITING {
            return Err(lane.busy());
        }
        let (call, called) = oneshot::channel();
        let waiting = Waiting { limit, call };
        match lane.lines.iter_mut().find(|other| other.whose == whose) {
            Some(own) => own.waiting.push_back(waiting),
            None => lane.lines.push_back(Line { whose, waiting: VecDeque::from([waiting]) }),
        }
        Ok(Asked::Later(called))
    }

    /// A call is over: its turn goes to the next one that still waits.
    fn over(self: &Arc<Self>, grant: &GrantName) {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(grant) else {
            return;
        };
        lane.under_way = lane.under_way.saturating_sub(1);
        while let Some(next) = lane.next() {
            let turn = Turn { counted: Some((Arc::clone(self), grant.clone())), waited: Duration::ZERO };
            match next.call.send(turn) {
                Ok(()) => lane.under_way += 1,
                // It has given up. The turn was never given, so it is not over either.
                Err(mut turn) => turn.counted = None,
            }
        }
        if lane.under_way == 0 && lane.lines.is_empty() {
            lanes.remove(grant);
        }
    }

    fn busy(&self, grant: &GrantName) -> Busy {
        let mut lanes = self.lock();
        let lane = lanes.entry(grant.clone()).or_default();
        lane.forget_gone();
        lane.busy()
    }
}

impl Lane {
    /// Takes the next one whose limit allows one more call, and sends its line to the end.
    fn next(&mut self) -> Option<Waiting> {
        let mut line = self.lines.pop_front()?;
        let fits = line.waiting.front().is_some_and(|next| self.under_way < next.limit);
        let next = if fits { line.waiting.pop_front() } else { None };
        match (&next, line.waiting.is_empty()) {
            (_, true) => {}
            (Some(_), false) => self.lines.push_back(line),
            (None, false) => self.lines.push_front(line),
        }
        next
    }

    fn waiting(&self) -> usize {
        self.lines.iter().map(|line| line.waiting.len()).sum()
    }

    fn forget_gone(&mut self) {
        for line in &mut self.lines {
            line.waiting.retain(|waiting| !waiting.call.is_closed());
        }
        self.lines.retain(|line| !line.waiting.is_empty());
    }

    fn busy(&self) -> Busy {
        Busy { under_way: self.under_way, waiting: self.waiting() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(1);

    fn grant() -> GrantName {
        GrantName::parse("acme").expect("a name")
    }

    fn whose(agent: &str) -> Whose {
        (WorkspaceName::parse("acme").expect("a name"), AgentName::parse(agent).expect("a name"))
    }

    async fn soon(turns: &Arc<Turns>, agent: &str, limit: usize) -> Result<Turn, Busy> {
        take(turns, &grant(), whose(agent), limit, Duration::from_millis(10)).await
    }

    /// Begins to wait, in the order of the calls.
    async fn waits(
        turns: &Arc<Turns>,
        agent: &str,
        order: &Arc<Mutex<Vec<String>>>,
    ) -> tokio::task::JoinHandle<()> {
        let (turns, agent, order) = (Arc::clone(turns), agent.to_owned(), Arc::clone(order));
        let before = turns.busy(&grant()).waiting;
        let task = tokio::spawn({
            let turns = Arc::clone(&turns);
            async move {
                let _turn = take(&turns, &grant(), whose(&agent), 1, LONG).await.expect("a turn");
                order.lock().expect("a lock").push(agent);
            }
        });
        while turns.busy(&grant()).waiting == before {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn no_more_calls_are_under_way_than_the_provider_takes() {
        let turns = Arc::new(Turns::default());
        let first = soon(&turns, "one", 2).await.expect("a turn");
        let _second = soon(&turns, "one", 2).await.expect("a turn");
        let busy = soon(&turns, "two", 2).await.expect_err("none is free");
        assert_eq!(busy, Busy { under_way: 2, waiting: 0 });
        drop(first);
        let third = soon(&turns, "two", 2).await.expect("a turn");
        assert_eq!(third.waited(), Duration::ZERO);
    }

    #[tokio::test]
    async fn an_agent_with_many_requests_delays_another_by_one() {
        let turns = Arc::new(Turns::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = soon(&turns, "greedy", 1).await.expect("a turn");
        let mut tasks = Vec::new();
        for agent in ["greedy", "greedy", "greedy", "modest", "greedy", "modest"] {
            tasks.push(waits(&turns, agent, &order).await);
        }
        drop(held);
        for task in tasks {
            task.await.expect("done");
        }
        let order = order.lock().expect("a lock").clone();
        assert_eq!(order, ["greedy", "modest", "greedy", "modest", "greedy", "greedy"]);
        assert!(turns.lock().is_empty(), "nothing is kept of a lane that nobody uses");
    }

    #[tokio::test]
    async fn whoever_gives_up_neither_takes_nor_keeps_a_turn() {
        let turns = Arc::new(Turns::default());
        let order = Arc::new(Mutex::new(Vec::new()));
        let held = soon(&turns, "one", 1).await.expect("a turn");
        let gone = waits(&turns, "two", &order).await;
        let stays = waits(&turns, "three", &order).await;
        gone.abort();
        assert!(gone.await.expect_err("aborted").is_cancelled());
        drop(held);
        stays.await.expect("done");
        assert_eq!(*order.lock().expect("a lock"), ["three"]);
        let _turn = soon(&turns, "four", 1).await.expect("a turn");
    }

    #[tokio::test]
    async fn a_line_that_is_full_says_so_at_once() {
        let turns = Arc::new(Turns::default());
        let _held = soon(&turns, "one", 1).await.expect("a turn");
        let waiting: Vec<_> =
            (0..MOST_WAITING).map(|_| turns.ask(&grant(), whose("one"), 1).expect("it waits")).collect();
        let busy = take(&turns, &grant(), whose("two"), 1, LONG).await.expect_err("full");
        assert_eq!(busy, Busy { under_way: 1, waiting: MOST_WAITING });
        drop(waiting);
    }
}
