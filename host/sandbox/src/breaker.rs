//! Stops running a hook of a plugin that fails and fails: it denies at once, and now and then one call is let through as a probe.
//!
//! Every call that is not run denies, as every fault does; this spares the machine what would come to nothing, and providers the
//! requests whose answers nobody would be given. Each agent has a breaker of its own: what makes a plugin trap may stand in the request,
//! so what one agent sends must not close the connection for the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use wardlock_core::plugin::PluginFault;

/// Losses so near to one another are one: a worker that ends takes all that it held along.
const ONE_LOSS: Duration = Duration::from_millis(20);
/// How many faults in a row trip it.
const FAULTS: u32 = 5;
/// How long nothing is run after that; after each probe that fails, twice as long.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest that nothing is run.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How many agents' counts are kept before those without a fault are forgotten.
const MOST_AGENTS: usize = 1024;
/// After what time without a call nobody waits for a probe any more.
const GIVEN_UP: Duration = Duration::from_mins(10);

/// Counts the faults of one hook of a loaded plugin, for each agent.
#[derive(Debug, Default)]
pub(crate) struct Breakers(Mutex<HashMap<String, Arc<Breaker>>>);

impl Breakers {
    /// Returns the count of an agent's calls.
    pub(crate) fn of(&self, agent: &str) -> Arc<Breaker> {
        let mut all = self.all();
        if let Some(breaker) = all.get(agent) {
            return Arc::clone(breaker);
        }
        if all.len() >= MOST_AGENTS {
            all.retain(|_, breaker| Arc::strong_count(breaker) > 1 || breaker.state().faults > 0);
        }
        Arc::clone(all.entry(agent.to_owned()).or_default())
    }

    /// Returns whether it is not run for some agent for now.
    pub(crate) fn is_tripped(&self) -> bool {
        let now = Instant::now();
        self.all().values().any(|breaker| breaker.is_tripped_at(now))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Breaker>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts the faults that one agent's calls meet.
#[derive(Debug, Default)]
pub(crate) struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Faults in a row.
    faults: u32,
    /// When the last worker was lost under it.
    lost_at: Option<Instant>,
    tripped: Option<Tripped>,
}

#[derive(Debug, Clone, Copy)]
struct Tripped {
    wait: Duration,
    probe_at: Instant,
    /// Whether a probe is under way.
    probing: bool,
    /// Whether a request was let go whose answer is to be the probe.
    sent: bool,
}

/// A call that is run. Dropped without [`Call::ended`] it says nothing of the plugin: its agent left.
#[derive(Debug)]
#[must_use]
pub(crate) struct Call<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Breaker {
    /// Lets a call run, or says that none is for now.
    pub(crate) fn enter(&self, now: Instant) -> Result<Call<'_>, PluginFault> {
        let mut state = self.state();
        let Some(tripped) = &mut state.tripped else {
            return Ok(Call { breaker: self, is_probe: false });
        };
        if tripped.probing || !(tripped.sent || tripped.is_due(now)) {
            return Err(tripped.fault(now));
        }
        (tripped.probing, tripped.sent) = (true, false);
        Ok(Call { breaker: self, is_probe: true })
    }

    /// Lets a request go whose answer is this hook's to judge, or says that none goes for now. Once it tripped, one goes in each wait,
    /// and its answer is the probe; one that never has an answer says nothing.
    pub(crate) fn send(&self, now: Instant) -> Result<(), PluginFault> {
        let mut state = self.state();
        let Some(tripped) = &mut state.tripped else { return Ok(()) };
        if tripped.probing || !tripped.is_due(now) {
            return Err(tripped.fault(now));
        }
        (tripped.sent, tripped.probe_at) = (true, now + tripped.wait);
        Ok(())
    }

    /// Returns whether the plugin is not run, and somebody still asks.
    fn is_tripped_at(&self, now: Instant) -> bool {
        self.state().tripped.is_some_and(|tripped| now < tripped.probe_at + GIVEN_UP)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tripped {
    fn is_due(&self, now: Instant) -> bool {
        now >= self.probe_at
    }

    fn fault(&self, now: Instant) -> PluginFault {
        let left = self.probe_at.saturating_duration_since(now).as_millis().div_ceil(1000).max(1);
        PluginFault::Tripped { retry_after_seconds: u32::try_from(left).unwrap_or(u32::MAX) }
    }
}

impl Call<'_> {
    /// Notes how it ended.
    pub(crate) fn ended(self, fault: Option<&PluginFault>, now: Instant) {
        let mut state = self.breaker.state();
        match fault {
            None => *state = State::default(),
            Some(fault) if is_its_own(fault) => state.failed(self.is_probe, now),
            // Whose fault it was is not known; a neighbour of the culprit has successes in between.
            Some(PluginFault::Lost) if state.is_another_loss(now) => state.failed(self.is_probe, now),
            // Of the machine, not of the plugin: a probe of it is still to be made.
            Some(_) => {}
        }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if self.is_probe
            && let Some(tripped) = &mut self.breaker.state().tripped
        {
            tripped.probing = false;
        }
    }
}

impl State {
    /// Notes a loss; returns whether it is not the one that was noted before.
    fn is_another_loss(&mut self, now: Instant) -> bool {
        let before = self.lost_at.replace(now);
        before.is_none_or(|before| now.saturating_duration_since(before) > ONE_LOSS)
    }

    fn failed(&mut self, is_probe: bool, now: Instant) {
        self.faults = self.faults.saturating_add(1);
        let wait = match self.tripped {
            Some(tripped) if is_probe => tripped.wait.saturating_mul(2).min(LONGEST_WAIT),
            None if self.faults >= FAULTS => FIRST_WAIT,
            // Too few; or one that was let in before the others failed, which tells nothing new.
            _ => return,
        };
        self.tripped = Some(Tripped { wait, probe_at: now + wait, probing: false, sent: false });
    }
}

/// Whether a fault is the plugin's own, and not the machine's.
fn is_its_own(fault: &PluginFault) -> bool {
    match fault {
        PluginFault::Timeout { .. }
        | PluginFault::Memory
        | PluginFault::Trap { .. }
        | PluginFault::Nonsense { .. } => true,
        PluginFault::Busy | PluginFault::Lost | PluginFault::Engine { .. } | PluginFault::Tripped { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A breaker, and a clock that is set by hand.
    struct Tried {
        breaker: Breaker,
        begun: Instant,
    }

    impl Breaker {
        fn is_tripped(&self) -> bool {
            self.state().tripped.is_some()
        }
    }

    #[test]
    fn what_one_agent_sends_trips_it_for_no_other() {
        let (breakers, now) = (Breakers::default(), Instant::now());
        let bad = breakers.of("bad");
        for _ in 0..FAULTS {
            bad.enter(now).expect("it runs").ended(Some(&PluginFault::Memory), now);
        }
        assert!(breakers.of("bad").enter(now).is_err() && breakers.is_tripped());
        breakers.of("good").enter(now).expect("it runs").ended(None, now);
        assert!(breakers.of("bad").enter(now).is_err(), "another's success is not its own");
        assert!(!bad.is_tripped_at(now + FIRST_WAIT + GIVEN_UP));
        for number in 0..2 * MOST_AGENTS {
            let _ = breakers.of(&number.to_string());
        }
        assert!(breakers.all().len() <= MOST_AGENTS && breakers.of("bad").enter(now).is_err());
    }

    impl Tried {
        fn new() -> Self {
            Self { breaker: Breaker::default(), begun: Instant::now() }
        }

        /// Calls at a time after the beginning, and says whether it was run, or when to come back.
        fn call(&self, at_ms: u64, fault: Option<&PluginFault>) -> Result<(), u32> {
            let now = self.begun + Duration::from_millis(at_ms);
            match self.breaker.enter(now) {
                Ok(call) => {
                    call.ended(fault, now);
                    Ok(())
                }
                Err(PluginFault::Tripped { retry_after_seconds }) => Err(retry_after_seconds),
                Err(other) => panic!("{other}"),
            }
        }

        fn tripped(self) -> Self {
            for _ in 0..FAULTS {
                assert_eq!(self.call(0, Some(&PluginFault::Memory)), Ok(()));
            }
            assert!(self.breaker.is_tripped());
            self
        }
    }

    #[test]
    fn only_faults_in_a_row_trip_it() {
        let tried = Tried::new();
        for _ in 0..3 {
            for _ in 1..FAULTS {
                assert_eq!(tried.call(0, Some(&PluginFault::Timeout { limit_ms: 1 })), Ok(()));
            }
            assert_eq!(tried.call(0, None), Ok(()));
        }
        for fault in [PluginFault::Busy, PluginFault::Engine { what: String::new() }] {
            for _ in 0..2 * FAULTS {
                assert_eq!(tried.call(0, Some(&fault)), Ok(()), "the machine's are not the plugin's");
            }
        }
        assert_eq!(tried.tripped().call(0, None), Err(1));
    }

    #[test]
    fn workers_that_are_lost_one_after_another_trip_it_and_one_that_held_many_calls_does_not() {
        let tried = Tried::new();
        for _ in 0..2 * FAULTS {
            assert_eq!(tried.call(0, Some(&PluginFault::Lost)), Ok(()), "all of one worker's");
        }
        for loss in 1..u64::from(FAULTS) {
            assert_eq!(tried.call(100 * loss, Some(&PluginFault::Lost)), Ok(()));
        }
        assert_eq!(tried.call(1000, None), Err(1));
        let neighbour = Tried::new();
        for loss in 0..2 * u64::from(FAULTS) {
            assert_eq!(neighbour.call(100 * loss, Some(&PluginFault::Lost)), Ok(()));
            assert_eq!(neighbour.call(100 * loss + 50, None), Ok(()));
        }
    }

    #[test]
    fn a_probe_that_succeeds_closes_it_and_one_that_fails_doubles_the_wait() {
        let tried = Tried::new().tripped();
        let mut at_ms = 0;
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(tried.call(at_ms, None), Err(wait));
            assert_eq!(tried.call(at_ms + u64::from(wait) * 1000 - 1, None), Err(1));
            at_ms += u64::from(wait) * 1000;
            assert_eq!(tried.call(at_ms, Some(&PluginFault::Memory)), Ok(()), "a probe after {wait} s");
        }
        at_ms += 60_000;
        assert_eq!(tried.call(at_ms, None), Ok(()));
        assert!(!tried.breaker.is_tripped());
        for _ in 1..FAULTS {
            assert_eq!(tried.call(at_ms, Some(&PluginFault::Memory)), Ok(()), "it begins anew");
        }
        assert!(!tried.breaker.is_tripped());
    }

    #[test]
    fn one_probe_at_a_time_and_one_that_is_given_up_leaves_room_for_another() {
        let tried = Tried::new().tripped();
        let then = tried.begun + FIRST_WAIT;
        let probe = tried.breaker.enter(then).expect("a probe");
        assert_eq!(tried.call(1000, None), Err(1), "while one is under way");
        drop(probe);
        let probe = tried.breaker.enter(then).expect("another");
        probe.ended(Some(&PluginFault::Busy), then);
        assert!(tried.breaker.is_tripped());
        assert_eq!(tried.call(1000, None), Ok(()));
        assert!(!tried.breaker.is_tripped());
    }

    #[test]
    fn one_request_goes_in_each_wait_and_its_answer_is_the_probe() {
        let tried = Tried::new().tripped();
        let send = |at_ms| tried.breaker.send(tried.begun + Duration::from_millis(at_ms));
        assert_eq!(send(999), Err(PluginFault::Tripped { retry_after_seconds: 1 }));
        assert_eq!(send(1000), Ok(()));
        assert_eq!(send(1001), Err(PluginFault::Tripped { retry_after_seconds: 1 }), "its answer is waited for");
        assert_eq!(send(2000), Ok(()), "the provider is slow, or there is no answer");
        assert_eq!(tried.call(2010, Some(&PluginFault::Memory)), Ok(()), "the probe");
        assert_eq!(tried.call(2020, None), Err(2), "an answer that comes besides");
        assert!(send(4009).is_err(), "it waits twice as long now");
        assert_eq!(send(4010), Ok(()));
        assert_eq!(tried.call(4020, None), Ok(()));
        assert!(!tried.breaker.is_tripped());
        assert_eq!(send(4020), Ok(()));
    }

    #[test]
    fn calls_that_were_under_way_when_it_tripped_do_not_lengthen_the_wait() {
        let tried = Tried::new();
        let now = tried.begun;
        let late: Vec<Call<'_>> = (0..10).map(|_| tried.breaker.enter(now).expect("it runs")).collect();
        for call in late {
            call.ended(Some(&PluginFault::Memory), now);
        }
        assert_eq!(tried.call(999, None), Err(1));
        assert_eq!(tried.call(1000, None), Ok(()));
    }
}
