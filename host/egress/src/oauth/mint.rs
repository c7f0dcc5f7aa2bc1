//! The owner of access tokens: one flight per grant, however many ask, and no request that is dropped cancels it.
//!
//! A token is given out until its hard margin; from its soft margin on it is renewed in the background. A failure is
//! kept for a while, so that callers are answered at once and the provider is left in peace. A token that the
//! provider called stale is never given out again.

mod flight;
mod live;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use wardlock_audit::{Audit, Clock};
use wardlock_core::id::GrantName;
use wardlock_core::service::ServiceDefinition;

use crate::dialer::Dialer;
use crate::oauth::exchange::TokenError;
use crate::vault::{Secret, Vault};
use flight::Order;
pub(crate) use flight::on_vault;
pub(crate) use live::Live;

/// A token that was itself made by a forced refresh this recently is not refreshed by force again: the provider calls
/// fresh tokens stale (a wrong data centre does), and the budget must not be burnt on that.
const FORCED_AGAIN: Duration = Duration::from_mins(1);
/// How long a failure that only a person can mend is kept before the provider is asked again, milliseconds; each further one
/// is kept twice as long.
const PERMANENT_MS: u64 = 60_000;
/// The longest that such a failure is kept: whoever mends it at the provider waits no longer.
const LONGEST_PERMANENT_MS: u64 = 10 * 60_000;
/// The longest pause after transient failures, milliseconds.
const LONGEST_PAUSE_MS: u64 = 60_000;

/// Is told how a refresh ended: `ok`, or a word of [`TokenError::word`]. It must not block.
pub type RefreshWatch = Arc<dyn Fn(&GrantName, &'static str) + Send + Sync>;

/// Owns every access token.
#[derive(Clone)]
pub(crate) struct TokenOwner {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub vault: Arc<Vault>,
    pub dialer: Dialer,
    pub audit: Audit,
    pub clock: Clock,
    watch: OnceLock<RefreshWatch>,
    slots: Mutex<HashMap<GrantName, Arc<Slot>>>,
}

/// One grant's place.
#[derive(Default)]
struct Slot(Mutex<State>);

#[derive(Default)]
struct State {
    generation: u64,
    live: Option<Arc<Live>>,
    flight: Option<watch::Receiver<Landed>>,
    failure: Option<Failure>,
    failures: u32,
    /// The token that the provider called stale last: never again, though the vault still holds it.
    rejected: Option<Arc<Secret>>,
    /// What the flight under way brings is outdated: something that belongs to it was changed meanwhile.
    outdated: bool,
}

struct Failure {
    error: TokenError,
    until_ms: u64,
}

/// How a flight ended; `None` while it is under way.
type Landed = Option<Result<Arc<Live>, TokenError>>;

/// For which grant a token is asked.
#[derive(Clone)]
pub(crate) struct Wanted {
    pub grant: GrantName,
    pub generation: u64,
    pub service: Arc<ServiceDefinition>,
}

enum Ask {
    Ready(Arc<Live>),
    Wait(watch::Receiver<Landed>),
    /// A flight must end first whose result is of no use.
    Outdated(watch::Receiver<Landed>),
    Failed(TokenError),
}

impl TokenOwner {
    pub fn new(vault: Arc<Vault>, dialer: Dialer, audit: Audit, clock: Clock) -> Self {
        Self {
            shared: Arc::new(Shared {
                vault,
                dialer,
                audit,
                clock,
                watch: OnceLock::new(),
                slots: Mutex::default(),
            }),
        }
    }

    /// Has somebody count refreshes from here on; only the first to ask is heard.
    pub fn watch(&self, watch: RefreshWatch) {
        drop(self.shared.watch.set(watch));
    }

    /// Returns a token that lives, renewing it first where it must be.
    pub async fn token(&self, wanted: &Wanted) -> Result<Arc<Live>, TokenError> {
        loop {
            match self.ask(wanted) {
                Ask::Ready(live) => return Ok(live),
                Ask::Failed(error) => return Err(error),
                Ask::Wait(flight) => return landed(flight).await,
                // What it brought is on the disk, and is taken up from there.
                Ask::Outdated(flight) => drop(landed(flight).await),
            }
        }
    }

    /// Renews a token that the provider called stale, once for all who were told so; `None` where a token that was
    /// just renewed for that reason is called stale again, and renewing would not help.
    pub async fn after_stale(&self, wanted: &Wanted, stale: &Live) -> Result<Option<Arc<Live>>, TokenError> {
        match self.reject(wanted, stale) {
            Some(Ask::Ready(live)) => Ok(Some(live)),
            Some(Ask::Failed(error)) => Err(error),
            Some(Ask::Wait(flight)) => landed(flight).await.map(Some),
            Some(Ask::Outdated(flight)) => {
                drop(landed(flight).await);
                self.token(wanted).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// The same, without waiting for it.
    pub fn note_stale(&self, wanted: &Wanted, stale: &Live) {
        // The flight is detached, so it goes on without a waiter.
        drop(self.reject(wanted, stale));
    }

    /// Renews with another client secret than the stored one, to see whether it works. A failure is told to the asker
    /// and not kept: it says nothing about the stored secret.
    pub async fn try_secret(&self, wanted: &Wanted, secret: Arc<Secret>) -> Result<Arc<Live>, TokenError> {
        loop {
            match self.try_now(wanted, &secret) {
                Ok(flight) => return landed(flight).await,
                // One call at a time: two with one refresh token would end the login where the provider rotates.
                Err(other) => drop(landed(other).await),
            }
        }
    }

    /// Begins the flight, or returns the one that is under way.
    fn try_now(
        &self,
        wanted: &Wanted,
        secret: &Arc<Secret>,
    ) -> Result<watch::Receiver<Landed>, watch::Receiver<Landed>> {
        let slot = self.slot(&wanted.grant);
        let mut state = lock(&slot.0);
        state.turn_to(wanted.generation);
        match state.flight() {
            Some(flight) => Err(flight),
            None => Ok(self.fly_with(&slot, &mut state, wanted, false, Some(Arc::clone(secret)))),
        }
    }

    /// Forgets what is kept of a grant, failures too: after a new consent, a removal, or a mended registration. A flight under
    /// way keeps its place: two at once with one refresh token end the login where the provider rotates.
    pub fn forget(&self, grant: &GrantName) {
        let mut slots = lock(&self.shared.slots);
        let Some(slot) = slots.get(grant) else { return };
        let mut state = lock(&slot.0);
        let Some(flight) = state.flight() else {
            drop(state);
            slots.remove(grant);
            return;
        };
        *state = State { generation: state.generation, flight: Some(flight), outdated: true, ..State::default() };
    }

    fn ask(&self, wanted: &Wanted) -> Ask {
        let slot = self.slot(&wanted.grant);
        let mut state = lock(&slot.0);
        state.turn_to(wanted.generation);
        let now_ms = (self.shared.clock)();
        if let Some(live) = state.live.clone().filter(|live| live.lives(now_ms)) {
            if live.ages(now_ms) && state.may_try(now_ms) {
                drop(self.fly(&slot, &mut state, wanted, false));
            }
            return Ask::Ready(live);
        }
        self.join(&slot, &mut state, wanted, now_ms, false)
    }

    fn reject(&self, wanted: &Wanted, dead: &Live) -> Option<Ask> {
        if wanted.service.oauth.is_key() {
            // There is no other one before somebody enters it.
            return None;
        }
        let slot = self.slot(&wanted.grant);
        let mut state = lock(&slot.0);
        state.turn_to(wanted.generation);
        let now_ms = (self.shared.clock)();
        if let Some(live) = &state.live {
            if live.serial() != dead.serial() && live.lives(now_ms) {
                return Some(Ask::Ready(Arc::clone(live)));
            }
            if dead.forced_within(FORCED_AGAIN) {
                return None;
            }
        }
        state.live = None;
        state.rejected = Some(Arc::clone(dead.token()));
        Some(self.join(&slot, &mut state, wanted, now_ms, true))
    }

    /// Joins the flight that is under way, or begins one unless a failure is still kept.
    fn join(&self, slot: &Arc<Slot>, state: &mut State, wanted: &Wanted, now_ms: u64, forced: bool) -> Ask {
        if let Some(flight) = state.flight() {
            return if state.outdated { Ask::Outdated(flight) } else { Ask::Wait(flight) };
        }
        if let Some(failure) = state.failure.as_ref().filter(|failure| failure.until_ms > now_ms) {
            return Ask::Failed(failure.told(now_ms));
        }
        Ask::Wait(self.fly(slot, state, wanted, forced))
    }

    /// Begins a flight in a task of its own.
    fn fly(&self, slot: &Arc<Slot>, state: &mut State, wanted: &Wanted, forced: bool) -> watch::Receiver<Landed> {
        state.flight().unwrap_or_else(|| self.fly_with(slot, state, wanted, forced, None))
    }

    fn fly_with(
        &self,
        slot: &Arc<Slot>,
        state: &mut State,
        wanted: &Wanted,
        forced: bool,
        trying: Option<Arc<Secret>>,
    ) -> watch::Receiver<Landed> {
        let (land, flight) = watch::channel(None);
        state.flight = Some(flight.clone());
        let renewing = state.live.is_some();
        let rejected = state.rejected.clone();
        let order = Order { wanted: wanted.clone(), rejected, forced, renewing, trying };
        let (shared, slot) = (Arc::clone(&self.shared), Arc::clone(slot));
        tokio::spawn(async move {
            let result = flight::fly(&shared, &order).await;
            lock(&slot.0).land(&order, &result, (shared.clock)());
            let _ = land.send(Some(result));
        });
        flight
    }

    fn slot(&self, grant: &GrantName) -> Arc<Slot> {
        let mut slots = lock(&self.shared.slots);
        if let Some(slot) = slots.get(grant) {
            return Arc::clone(slot);
        }
        let slot = Arc::new(Slot::default());
        slots.insert(grant.clone(), Arc::clone(&slot));
        slot
    }
}

impl Shared {
    /// Tells who counts how a refresh ended.
    fn refreshed(&self, grant: &GrantName, word: &'static str) {
        if let Some(watch) = self.watch.get() {
            watch(grant, word);
        }
    }
}

impl State {
    /// Another consent took the grant's place: nothing of the old one holds.
    fn turn_to(&mut self, generation: u64) {
        if self.generation != generation {
            *self = Self { generation, ..Self::default() };
        }
    }

    /// Returns the flight under way. One whose task died is none.
    fn flight(&self) -> Option<watch::Receiver<Landed>> {
        self.flight.clone().filter(|flight| flight.has_changed().is_ok())
    }

    fn may_try(&self, now_ms: u64) -> bool {
        self.flight().is_none() && self.failure.as_ref().is_none_or(|failure| failure.until_ms <= now_ms)
    }

    fn land(&mut self, order: &Order, result: &Result<Arc<Live>, TokenError>, now_ms: u64) {
        if self.generation != order.wanted.generation {
            return;
        }
        self.flight = None;
        if std::mem::take(&mut self.outdated) {
            return;
        }
        match result {
            Ok(live) => {
                self.live = Some(Arc::clone(live));
                self.failure = None;
                self.failures = 0;
            }
            Err(_) if order.trying.is_some() => {}
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                let until_ms = now_ms.saturating_add(kept_ms(error, self.failures));
                self.failure = Some(Failure { error: error.clone(), until_ms });
            }
        }
    }
}

impl Failure {
    /// Returns the error with the time that is left.
    fn told(&self, now_ms: u64) -> TokenError {
        let left = self.until_ms.saturating_sub(now_ms).div_ceil(1000).max(1);
        match self.error.clone() {
            TokenError::Throttled { .. } => TokenError::Throttled { retry_after_seconds: left },
            TokenError::Transient { what, .. } => TokenError::Transient { what, retry_after_seconds: left },
            error => error,
        }
    }
}

/// Returns how long a failure is kept.
fn kept_ms(error: &TokenError, failures: u32) -> u64 {
    match error {
        TokenError::Throttled { retry_after_seconds } => retry_after_seconds.saturating_mul(1000),
        TokenError::Transient { retry_after_seconds, .. } => {
            let doubled = 2_500_u64.saturating_mul(1 << failures.min(5));
            let pause = doubled.min(LONGEST_PAUSE_MS).max(retry_after_seconds.saturating_mul(1000));
            pause.saturating_add(jitter_ms(pause / 4))
        }
        TokenError::Reconnect { .. } | TokenError::Misconfigured { .. } => {
            let doubled = PERMANENT_MS.saturating_mul(1 << failures.saturating_sub(1).min(5));
            doubled.min(LONGEST_PERMANENT_MS)
        }
        // These are ours, and may be mended at any moment.
        TokenError::VaultLocked
        | TokenError::GrantChanged
        | TokenError::AuditUnavailable
        | TokenError::Internal(_) => 0,
    }
}

/// Returns a random time up to `most`, so that the grants and hosts that an outage hit at one moment do not all come back
/// at one moment.
fn jitter_ms(most: u64) -> u64 {
    let mut bits = [0_u8; 8];
    // Without randomness the pause is merely not spread.
    let random = getrandom::fill(&mut bits).map_or(0, |()| u64::from_le_bytes(bits));
    random.checked_rem(most.saturating_add(1)).unwrap_or(0)
}

async fn landed(mut flight: watch::Receiver<Landed>) -> Result<Arc<Live>, TokenError> {
    let landed = flight.wait_for(Option::is_some).await;
    let ended = landed.map_err(|_| TokenError::Internal("the refresh task ended early"))?;
    match &*ended {
        Some(result) => result.clone(),
        None => Err(TokenError::Internal("the refresh task ended early")),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_endpoint_gets_few_calls_whatever_fails() {
        // The provider's budget is 10 calls in 10 minutes; half of it must be left for those who mend.
        let calls_within = |seconds: u64, error: &TokenError| {
            let (mut at_ms, mut calls) = (0, 0);
            while at_ms < seconds * 1000 {
                calls += 1;
                at_ms += kept_ms(error, calls);
            }
            calls
        };
        let transient = TokenError::Transient { what: "x", retry_after_seconds: 1 };
        let misconfigured = TokenError::Misconfigured { code: "x".to_owned(), cause: "y".to_owned() };
        assert!(calls_within(60, &transient) <= 5, "{}", calls_within(60, &transient));
        assert!(calls_within(600, &misconfigured) <= 5, "{}", calls_within(600, &misconfigured));
        assert!(calls_within(3600, &misconfigured) <= 10);
        assert_eq!(calls_within(600, &TokenError::Throttled { retry_after_seconds: 600 }), 1);
    }

    #[test]
    fn pauses_are_spread() {
        let transient = TokenError::Transient { what: "x", retry_after_seconds: 1 };
        let pauses: std::collections::BTreeSet<u64> = (0..32).map(|_| kept_ms(&transient, 3)).collect();
        assert!(pauses.len() > 8, "{pauses:?}");
        assert!(pauses.iter().all(|pause| (20_000..=25_000).contains(pause)), "{pauses:?}");
    }
}
