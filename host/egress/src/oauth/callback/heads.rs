//! Which connections wait for a whole head: the one that has waited longest gives way when too many do. A listener that let
//! newcomers wait instead would belong to whoever opens its places first and then says nothing.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// How many may wait. A browser sends its head at once, so only a flood of as many newcomers in that time pushes it out.
const AT_ONCE: usize = 128;

/// The connections that wait, the one that has waited longest first.
#[derive(Debug, Default)]
pub(super) struct Heads(Mutex<VecDeque<Arc<Notify>>>);

/// A connection's place among them, until its head is whole or it ends. What comes after a head is answered at once, so it
/// takes no place.
#[derive(Debug)]
pub(super) struct Head {
    heads: Arc<Heads>,
    leave: Arc<Notify>,
}

impl Heads {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Takes a place for a new connection; when all are taken, another one is told to leave.
    pub fn wait_for_one(self: &Arc<Self>) -> Head {
        let leave = Arc::new(Notify::new());
        let mut waiting = self.lock();
        if waiting.len() >= AT_ONCE
            && let Some(longest) = waiting.pop_front()
        {
            longest.notify_one();
        }
        waiting.push_back(Arc::clone(&leave));
        Head { heads: Arc::clone(self), leave }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Notify>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Head {
    /// It has come: the connection gives way to nobody any more.
    pub fn is_whole(&self) {
        self.heads.lock().retain(|waiting| !Arc::ptr_eq(waiting, &self.leave));
    }

    /// Resolves when the connection must make room.
    pub async fn told_to_leave(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        self.is_whole();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn leaves(head: &Head) -> bool {
        tokio::time::timeout(Duration::ZERO, head.told_to_leave()).await.is_ok()
    }

    #[tokio::test]
    async fn whoever_has_waited_longest_for_its_head_gives_way_and_who_has_shown_one_does_not() {
        let heads = Heads::new();
        let mut waiting: Vec<Head> = (0..AT_ONCE).map(|_| heads.wait_for_one()).collect();
        assert!(!leaves(&waiting[0]).await, "there is room");
        waiting[0].is_whole();
        waiting.push(heads.wait_for_one());
        assert!(!leaves(&waiting[0]).await && !leaves(&waiting[1]).await, "one has left its place");
        let newcomer = heads.wait_for_one();
        assert!(!leaves(&waiting[0]).await && leaves(&waiting[1]).await && !leaves(&waiting[2]).await);
        drop((waiting, newcomer));
        assert!(heads.lock().is_empty(), "nothing is left of those that are gone");
    }
}
