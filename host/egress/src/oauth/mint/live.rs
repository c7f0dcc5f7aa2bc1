//! An access token in memory, and how long it is good for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::vault::Secret;

/// From here on a token is renewed in the background, milliseconds (DESIGN section 7, "Tokens").
const SOFT_MS: u64 = 5 * 60 * 1000;
/// From here on a token is no longer given out.
const HARD_MS: u64 = 30 * 1000;

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// A live access token. Tokens that live shorter than an hour have margins that are smaller in proportion.
#[derive(Debug)]
pub(crate) struct Live {
    token: Arc<Secret>,
    serial: u64,
    expires_ms: u64,
    /// The same moment by the clock that does not jump: a wall clock set back must not keep a dead token alive.
    expires_at: Instant,
    soft_ms: u64,
    hard_ms: u64,
    forced_at: Option<Instant>,
}

impl Live {
    /// Takes in a token. `expires_ms` is by the wall clock.
    pub fn new(token: Arc<Secret>, now_ms: u64, expires_ms: u64, forced: bool) -> Self {
        let left_ms = expires_ms.saturating_sub(now_ms);
        let now = Instant::now();
        Self {
            token,
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            expires_ms,
            expires_at: now + Duration::from_millis(left_ms),
            soft_ms: SOFT_MS.min(left_ms / 4),
            hard_ms: HARD_MS.min(left_ms / 10),
            forced_at: forced.then_some(now),
        }
    }

    /// Returns the token.
    pub fn token(&self) -> &Arc<Secret> {
        &self.token
    }

    /// Returns its number in this process.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Returns whether it may be given out.
    pub fn lives(&self, now_ms: u64) -> bool {
        self.left_ms(now_ms) > self.hard_ms
    }

    /// Returns whether it should be renewed in the background.
    pub fn ages(&self, now_ms: u64) -> bool {
        self.left_ms(now_ms) <= self.soft_ms
    }

    /// Returns whether it was made because its predecessor was called stale, so recently.
    pub fn forced_within(&self, time: Duration) -> bool {
        self.forced_at.is_some_and(|at| at.elapsed() < time)
    }

    /// Returns how long it lives by the clock that is further on.
    fn left_ms(&self, now_ms: u64) -> u64 {
        let by_wall = self.expires_ms.saturating_sub(now_ms);
        let steady = self.expires_at.saturating_duration_since(Instant::now()).as_millis();
        by_wall.min(u64::try_from(steady).unwrap_or(u64::MAX))
    }
}

/// Returns whether a stored token is worth taking up again: after a restart its first lifetime is not known.
pub(super) fn is_worth_taking(now_ms: u64, expires_ms: u64) -> bool {
    expires_ms.saturating_sub(now_ms) > HARD_MS
}
