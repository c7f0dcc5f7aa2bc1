//! What a guest takes of its quotas: asked of one small object, wherever the guest runs. Who counts is elsewhere.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use wardlock_core::id::PluginName;
use wardlock_core::plugin::quota::{MAX_TAKES, QuotaFault, Taken, check_take};

use crate::bindings::wardlock::policy::quota as wit;
use crate::instance::Guest;

/// What a take comes to, once it is known.
pub type TakeAnswer<'a> = Pin<Box<dyn Future<Output = Result<Taken, QuotaFault>> + Send + 'a>>;

/// Counts what plugins take while one request is judged.
pub trait Quotas: Send + Sync {
    /// Takes one of `limit` for a plugin, by its name in the chain. Key and window are within their bounds.
    fn take<'a>(&'a self, plugin: &'a PluginName, key: &'a str, limit: u32, window_seconds: u32)
    -> TakeAnswer<'a>;

    /// Is told that a plugin has answered and was noted: what is taken from here on belongs to the next question.
    fn asked(&self) {}
}

/// What one plugin takes in one decision.
pub(crate) trait Take: Send + Sync {
    /// Takes one of `limit`.
    fn take<'a>(&'a self, key: &'a str, limit: u32, window_seconds: u32) -> TakeAnswer<'a>;
}

/// One plugin's takes where they are counted: within the contract's bounds, whatever runs the guest.
pub(crate) struct Bounded {
    quotas: Arc<dyn Quotas>,
    plugin: PluginName,
    taken: AtomicU32,
}

impl Bounded {
    /// Begins with none.
    pub(crate) fn new(quotas: &Arc<dyn Quotas>, plugin: &PluginName) -> Arc<Self> {
        Arc::new(Self { quotas: Arc::clone(quotas), plugin: plugin.clone(), taken: AtomicU32::new(0) })
    }
}

impl Take for Bounded {
    fn take<'a>(&'a self, key: &'a str, limit: u32, window_seconds: u32) -> TakeAnswer<'a> {
        let checked = check_take(key, window_seconds).and_then(|()| {
            if self.taken.fetch_add(1, Ordering::Relaxed) < MAX_TAKES {
                Ok(())
            } else {
                Err(QuotaFault::misuse("is called more than 16 times in one decision"))
            }
        });
        match checked {
            Ok(()) => self.quotas.take(&self.plugin, key, limit, window_seconds),
            Err(fault) => Box::pin(std::future::ready(Err(fault))),
        }
    }
}

/// Whether a guest waits for its host: that is no time of its own.
#[derive(Debug, Clone, Default)]
pub(crate) struct Waits(Arc<AtomicBool>);

impl Waits {
    pub(crate) fn are_for_the_host(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, waits: bool) {
        self.0.store(waits, Ordering::Relaxed);
    }
}

/// What a guest's calls of `take` come to.
pub(crate) enum Takes {
    /// They end it, and why.
    Refused(&'static str),
    /// They are counted.
    Counted(Arc<dyn Take>, Waits),
}

impl Takes {
    /// What holds outside `on-request`.
    pub(crate) const OUTSIDE: Self = Self::Refused("is called outside `on-request`");
    /// What holds for a plugin that may not count.
    pub(crate) const NO_CAPABILITY: Self = Self::Refused("is called without the capability `quota`");
}

/// A take that ends its guest.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub(crate) struct TakeRefused(pub(crate) QuotaFault);

impl wit::Host for Guest {
    async fn take(&mut self, key: String, limit: u32, window_seconds: u32) -> wasmtime::Result<wit::Taken> {
        let taken = match &self.takes {
            Takes::Refused(what) => Err(QuotaFault::misuse(what)),
            Takes::Counted(take, waits) => {
                waits.set(true);
                let taken = take.take(&key, limit, window_seconds).await;
                waits.set(false);
                taken
            }
        };
        let Taken { granted, remaining, resets_ms } = taken.map_err(TakeRefused)?;
        Ok(wit::Taken { granted, remaining, resets_ms })
    }
}
