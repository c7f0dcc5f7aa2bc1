//! Time and tokens, the same for every provider that is played here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::config::{Clock, TokenFactory, TokenKind};

/// Tells the time and makes tokens; clones share the count.
#[derive(Clone)]
pub(crate) struct Mint {
    clock: Clock,
    factory: TokenFactory,
    made: Arc<AtomicU64>,
}

impl Mint {
    pub fn new(clock: Clock, factory: TokenFactory) -> Mint {
        Mint { clock, factory, made: Arc::default() }
    }

    pub fn now(&self) -> u64 {
        (self.clock)()
    }

    pub fn token(&self, kind: TokenKind) -> String {
        (self.factory)(kind, self.number())
    }

    /// Returns a number that was never given before.
    pub fn number(&self) -> u64 {
        self.made.fetch_add(1, Ordering::SeqCst) + 1
    }
}
