//! An access token in memory, and how long it is good for.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use wardlock_core::id::Digest;
use wardlock_core::service::ServiceDefinition;

use crate::companions::Companions;
use crate::oauth::exchange::TokenError;
use crate::vault::{ClientSecrets, Secret};

/// From here on a token is renewed in the background, milliseconds.
const SOFT_MS: u64 = 5 * 60 * 1000;
/// From here on a token is no longer given out.
const HARD_MS: u64 = 30 * 1000;

/// However long a provider says that a token lives, it is not believed for longer than half a year. (A definition's
/// `max_lifetime_seconds` is shorter.)
const LONGEST_MS: u64 = 183 * 24 * 60 * 60 * 1000;

static SERIAL: AtomicU64 = AtomicU64::new(1);

/// A live access token. Tokens that live shorter than an hour have margins that are smaller in proportion.
#[derive(Debug)]
pub(crate) struct Live {
    token: Arc<Secret>,
    secrets: ClientSecrets,
    /// What goes beside it, by the digest of the service's definition.
    prepared: Mutex<BTreeMap<Digest, Arc<Companions>>>,
    serial: u64,
    expires_ms: u64,
    /// The same moment by the clock that does not jump: a wall clock set back must not keep a dead token alive.
    expires_at: Instant,
    soft_ms: u64,
    hard_ms: u64,
    forced_at: Option<Instant>,
}

impl Live {
    /// Takes in a token that was just made. `expires_ms` is by the wall clock.
    /// `before_ms`: how long before its end it is to be renewed, where the service says so.
    pub fn new(
        token: Arc<Secret>,
        secrets: ClientSecrets,
        now_ms: u64,
        expires_ms: u64,
        forced: bool,
        before_ms: Option<u64>,
    ) -> Self {
        let left_ms = expires_ms.saturating_sub(now_ms);
        let margins = (before_ms.unwrap_or(SOFT_MS).min(left_ms / 4), HARD_MS.min(left_ms / 10));
        let live = Self::with_margins(token, secrets, now_ms, expires_ms, margins);
        Self { forced_at: forced.then(Instant::now), ..live }
    }

    /// Takes up a stored token, whose first lifetime is not known; `None` where too little of it is left, or more than any
    /// token of the service has: then the clock was set back since, and nobody knows whether it still lives.
    pub fn taken_up(
        token: Arc<Secret>,
        secrets: ClientSecrets,
        now_ms: u64,
        expires_ms: u64,
        most_ms: u64,
        before_ms: Option<u64>,
    ) -> Option<Self> {
        if expires_ms.saturating_sub(now_ms) > most_ms {
            return None;
        }
        let margins = (before_ms.unwrap_or(SOFT_MS), HARD_MS);
        let live = Self::with_margins(token, secrets, now_ms, expires_ms, margins);
        live.lives(now_ms).then_some(live)
    }

    fn with_margins(
        token: Arc<Secret>,
        secrets: ClientSecrets,
        now_ms: u64,
        expires_ms: u64,
        (soft_ms, hard_ms): (u64, u64),
    ) -> Self {
        // The sum below must stay within what a clock can hold.
        let left_ms = expires_ms.saturating_sub(now_ms).min(LONGEST_MS);
        Self {
            token,
            secrets,
            prepared: Mutex::default(),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            expires_ms,
            expires_at: Instant::now() + Duration::from_millis(left_ms),
            soft_ms,
            hard_ms,
            forced_at: None,
        }
    }

    /// Returns the token.
    pub fn token(&self) -> &Arc<Secret> {
        &self.token
    }

    /// Returns what goes beside it into requests of a service: gathered once for each service that uses the grant.
    pub fn companions(&self, service: &ServiceDefinition) -> Result<Arc<Companions>, TokenError> {
        if service.inject.extra.is_empty() {
            return Ok(Arc::default());
        }
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(companions) = prepared.get(&service.digest) {
            return Ok(Arc::clone(companions));
        }
        let companions = Arc::new(Companions::of(service, &self.token, &self.secrets)?);
        prepared.insert(service.digest, Arc::clone(&companions));
        Ok(companions)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Secret;

    const HOUR_MS: u64 = 3_600_000;
    const NOW_MS: u64 = 1_700_000_000_000;

    fn token() -> Arc<Secret> {
        Arc::new(Secret::from_bytes(b"1000.canary".to_vec().into()).expect("a secret"))
    }

    #[test]
    fn a_clock_that_was_set_back_keeps_no_token_alive() {
        let live = Live::new(token(), ClientSecrets::default(), NOW_MS, NOW_MS + HOUR_MS, false, None);
        assert!(live.lives(NOW_MS) && !live.ages(NOW_MS));
        // A year back: by the wall clock it lives for a year more, by the steady one for an hour.
        let back_ms = NOW_MS - 365 * 24 * HOUR_MS;
        assert!(live.left_ms(back_ms) <= HOUR_MS);
        assert!(
            Live::taken_up(token(), ClientSecrets::default(), back_ms, NOW_MS + HOUR_MS, HOUR_MS, None).is_none()
        );
        assert!(
            Live::taken_up(token(), ClientSecrets::default(), NOW_MS, NOW_MS + HOUR_MS, HOUR_MS, None).is_some()
        );
    }

    #[test]
    fn a_clock_that_went_on_while_the_machine_slept_ends_a_token() {
        // The steady clock stands still while a machine is suspended; the wall clock has gone on at waking.
        let live = Live::new(token(), ClientSecrets::default(), NOW_MS, NOW_MS + HOUR_MS, false, None);
        assert!(!live.lives(NOW_MS + HOUR_MS - HARD_MS));
        assert!(live.ages(NOW_MS + HOUR_MS - SOFT_MS));
        assert!(!live.lives(NOW_MS + 365 * 24 * HOUR_MS));
    }

    #[test]
    fn an_absurd_lifetime_is_cut_and_a_short_one_has_short_margins() {
        let absurd = Live::new(token(), ClientSecrets::default(), NOW_MS, u64::MAX, false, None);
        assert!(absurd.left_ms(NOW_MS) <= LONGEST_MS);
        let short = Live::new(token(), ClientSecrets::default(), NOW_MS, NOW_MS + 20_000, false, None);
        assert!(short.lives(NOW_MS) && !short.ages(NOW_MS), "20 s serve for a while");
        assert!(!Live::new(token(), ClientSecrets::default(), NOW_MS, NOW_MS, false, None).lives(NOW_MS));
    }
}
