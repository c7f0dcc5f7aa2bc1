//! How many decisions run at once: over all plugins, and of one plugin, so that none takes every place.

use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit, TryAcquireError};
use wardlock_core::plugin::PluginFault;

/// The places of all plugins together.
#[derive(Debug)]
pub(crate) struct Gate {
    slots: Semaphore,
    max_wait: Duration,
}

/// The places of one plugin, and how many decisions may wait for them.
#[derive(Debug)]
pub(crate) struct Share {
    queue: Semaphore,
    running: Semaphore,
}

/// A place. The pool has room for every place that is given out.
#[derive(Debug)]
#[must_use]
pub(crate) struct Place<'a> {
    _slot: SemaphorePermit<'a>,
    _running: SemaphorePermit<'a>,
    _queued: SemaphorePermit<'a>,
}

impl Gate {
    /// Makes a gate with so many places; nobody waits longer than `max_wait`.
    pub(crate) fn new(slots: u32, max_wait: Duration) -> Self {
        Self { slots: Semaphore::new(slots as usize), max_wait }
    }

    /// Takes a place, or says [`PluginFault::Busy`].
    pub(crate) async fn enter<'a>(&'a self, share: &'a Share) -> Result<Place<'a>, PluginFault> {
        let queued = share.queue.try_acquire().map_err(|_| PluginFault::Busy)?;
        let running = self.wait(&share.running).await?;
        let slot = self.wait(&self.slots).await?;
        Ok(Place { _slot: slot, _running: running, _queued: queued })
    }

    async fn wait<'a>(&self, semaphore: &'a Semaphore) -> Result<SemaphorePermit<'a>, PluginFault> {
        match semaphore.try_acquire() {
            Ok(permit) => return Ok(permit),
            Err(TryAcquireError::Closed) => return Err(PluginFault::Busy),
            Err(TryAcquireError::NoPermits) => {}
        }
        match tokio::time::timeout(self.max_wait, semaphore.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(PluginFault::Busy),
        }
    }
}

impl Share {
    /// Makes a share of so many places, for which so many more may wait.
    pub(crate) fn new(running: u32, waiting: u32) -> Self {
        let running = running as usize;
        Self { queue: Semaphore::new(running + waiting as usize), running: Semaphore::new(running) }
    }
}
