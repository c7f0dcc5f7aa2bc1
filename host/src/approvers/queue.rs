//! What waits to be told: of each workspace by itself, and what one agent adds meanwhile on a connection in one notice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use super::Waiting;

/// How many notices of one workspace may wait.
const MOST: usize = 256;

/// What is told at once: a draft, and how many more its agent had held on that connection before it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notice {
    /// The first of them.
    pub first: Waiting,
    /// How many came after it.
    pub more: u64,
}

impl Notice {
    /// Returns `workspace/connection`.
    pub fn connection(&self) -> String {
        format!("{}/{}", self.first.workspace, self.first.connection)
    }

    fn takes(&self, other: &Waiting) -> bool {
        self.first.agent == other.agent && self.first.connection == other.connection
    }
}

/// The notices that wait, by workspace, and which workspaces are being told.
#[derive(Debug, Default)]
pub(super) struct Queue {
    lines: BTreeMap<String, VecDeque<Notice>>,
    told: BTreeSet<String>,
    /// The workspace that had the last turn.
    last: String,
}

impl Queue {
    /// Adds a draft; gives it back where its workspace has as many notices as may wait.
    pub fn push(&mut self, waiting: Waiting) -> Result<(), Waiting> {
        let line = self.lines.entry(waiting.workspace.clone()).or_default();
        if let Some(notice) = line.iter_mut().find(|notice| notice.takes(&waiting)) {
            notice.more = notice.more.saturating_add(1);
            return Ok(());
        }
        if line.len() >= MOST {
            return Err(waiting);
        }
        line.push_back(Notice { first: waiting, more: 0 });
        Ok(())
    }

    /// Takes the next notice of a workspace that is not being told, which then is, until [`Queue::end`]. Workspaces take turns.
    pub fn next(&mut self) -> Option<Notice> {
        let after = (Bound::Excluded(self.last.clone()), Bound::Unbounded);
        let mut turns = self.lines.range::<String, _>(after).chain(self.lines.range(..=self.last.clone()));
        let workspace =
            turns.find(|(workspace, _)| !self.told.contains(*workspace)).map(|(name, _)| name.clone())?;
        let line = self.lines.get_mut(&workspace)?;
        let notice = line.pop_front();
        if line.is_empty() {
            self.lines.remove(&workspace);
        }
        self.told.insert(workspace.clone());
        self.last = workspace;
        notice
    }

    /// Says that a workspace's notice was told, or could not be.
    pub fn end(&mut self, workspace: &str) {
        self.told.remove(workspace);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(workspace: &str, agent: &str, draft: &str) -> Waiting {
        let [draft, workspace, connection, agent] = [draft, workspace, "crm", agent].map(str::to_owned);
        Waiting { draft, workspace, connection, agent }
    }

    fn next(queue: &mut Queue) -> Option<(String, u64)> {
        queue.next().map(|notice| (notice.first.draft, notice.more))
    }

    #[test]
    fn a_workspace_is_told_one_after_the_other_and_keeps_no_other_waiting() {
        let mut queue = Queue::default();
        for (workspace, agent, draft) in
            [("acme", "a", "1"), ("acme", "b", "2"), ("globex", "a", "3"), ("globex", "b", "4")]
        {
            queue.push(waiting(workspace, agent, draft)).expect("room");
        }
        let told = |draft: &str| Some((draft.to_owned(), 0));
        assert_eq!((next(&mut queue), next(&mut queue)), (told("1"), told("3")));
        assert_eq!(next(&mut queue), None, "both are being told");
        queue.end("acme");
        assert_eq!(next(&mut queue), told("2"));
        queue.end("acme");
        queue.end("globex");
        queue.push(waiting("acme", "a", "5")).expect("room");
        assert_eq!((next(&mut queue), next(&mut queue)), (told("4"), told("5")), "they take turns");
    }

    #[test]
    fn what_one_agent_adds_meanwhile_is_one_notice() {
        let mut queue = Queue::default();
        for draft in 0..1000 {
            queue.push(waiting("acme", "a", &draft.to_string())).expect("room");
        }
        queue.push(waiting("acme", "b", "b")).expect("room");
        assert_eq!(next(&mut queue), Some(("0".to_owned(), 999)));
        queue.end("acme");
        assert_eq!(next(&mut queue), Some(("b".to_owned(), 0)));
    }

    #[test]
    fn a_workspace_that_is_full_is_full_for_itself() {
        let mut queue = Queue::default();
        for agent in 0..MOST {
            queue.push(waiting("acme", &agent.to_string(), "d")).expect("room");
        }
        let lost = waiting("acme", "one more", "d");
        assert_eq!(queue.push(lost.clone()), Err(lost));
        queue.push(waiting("acme", "0", "d")).expect("its agent has a notice already");
        queue.push(waiting("globex", "a", "d")).expect("another workspace");
    }
}
