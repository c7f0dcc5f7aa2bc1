//! How often agents may ask, one by one and all together (the generic cell rate algorithm: what is not used up to now may come
//! at once, and nobody waits for a minute to turn over).

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::state::keyed::HashMapStateStore;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use wardlock_core::id::AgentName;
use wardlock_core::refusal::{Code, Refusal};

use crate::config::Rate;

/// How many refusals in a second are told at once to one agent, and to all strangers together.
const TOLD_AT_ONCE: u32 = 50;
/// How long each further one waits. A client that calls again as soon as it is refused would otherwise leave the machine no time for
/// anybody else; with this it makes one call a second by each of its connections.
const TOLD_AFTER: Duration = Duration::from_secs(1);

/// The rates, and how far each is used up.
#[derive(Debug)]
pub struct Rates {
    all: (Rate, DefaultDirectRateLimiter),
    per_agent: (Rate, RateLimiter<AgentName, HashMapStateStore<AgentName>, DefaultClock>),
    /// Of refusals; strangers are `None`.
    refusals: RateLimiter<Option<AgentName>, HashMapStateStore<Option<AgentName>>, DefaultClock>,
    clock: DefaultClock,
}

impl Rates {
    /// Begins with nothing used up.
    pub fn new(all: Rate, per_agent: Rate) -> Self {
        Self {
            all: (all, RateLimiter::direct(quota(all))),
            per_agent: (per_agent, RateLimiter::hashmap(quota(per_agent))),
            refusals: RateLimiter::hashmap(quota(Rate::per_second(TOLD_AT_ONCE))),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request of an agent that is known. One that is refused as the agent's own counts for nobody else.
    pub fn take(&self, agent: &AgentName) -> Result<(), Refusal> {
        let (rate, limiter) = &self.per_agent;
        limiter.check_key(agent).map_err(|early| self.too_often("this agent", *rate, &early, Duration::ZERO))?;
        let (rate, limiter) = &self.all;
        limiter.check().map_err(|early| self.too_often("all agents together", *rate, &early, Duration::ZERO))
    }

    /// Counts what a request that is counted carries beyond one: a call with a hundred parts is a hundred, here as at the provider.
    pub fn take_parts(&self, agent: &AgentName, parts: usize) -> Result<(), Refusal> {
        let count = u32::try_from(parts).unwrap_or(u32::MAX);
        let Some(more) = count.checked_sub(1).and_then(NonZeroU32::new) else { return Ok(()) };
        // Its first is counted already, and the others must have room beside it.
        let fits = |rate: Rate| count <= rate.count.get();
        let never = |who: &str, rate: Rate| {
            let detail = format!("this carries {parts} requests, and {who} may make {} at once", rate.count);
            Refusal::new(Code::RateLimited, "rates", detail)
                .hint("send fewer in one call; the operator sets `rate_per_agent` and `rate` in wardlock.toml")
        };
        let ((own, of_agent), (all, of_all)) = (&self.per_agent, &self.all);
        for (who, rate) in [("this agent", *own), ("all agents together", *all)] {
            if !fits(rate) {
                return Err(never(who, rate));
            }
        }
        let taken = of_agent.check_key_n(agent, more).map_err(|_| never("this agent", *own))?;
        // Whoever comes again is counted once before the others are.
        let once_more = |rate: Rate| rate.per / rate.count.get();
        taken.map_err(|early| self.too_often("this agent", *own, &early, once_more(*own)))?;
        let taken = of_all.check_n(more).map_err(|_| never("all agents together", *all))?;
        taken.map_err(|early| self.too_often("all agents together", *all, &early, once_more(*all)))
    }

    /// Counts a refusal before anything was judged, and returns how long it must wait.
    pub fn told_after(&self, agent: Option<&AgentName>) -> Duration {
        let at_once = self.refusals.check_key(&agent.cloned()).is_ok();
        if at_once { Duration::ZERO } else { TOLD_AFTER }
    }

    /// Forgets the agents that used nothing lately.
    pub fn tidy(&self) {
        self.per_agent.1.retain_recent();
        self.refusals.retain_recent();
    }

    fn too_often(
        &self,
        who: &str,
        rate: Rate,
        early: &governor::NotUntil<<DefaultClock as Clock>::Instant>,
        longer: Duration,
    ) -> Refusal {
        let wait = early.wait_time_from(self.clock.now()) + longer;
        let detail = format!("{who} may make {} requests in {} s", rate.count, rate.per.as_secs());
        Refusal::new(Code::RateLimited, "rates", detail)
            .hint("send less often; the operator sets `rate_per_agent` and `rate` in wardlock.toml")
            .retry_after(whole_seconds(wait))
    }
}

/// Rounds up: who comes a moment too early would be refused once more.
fn whole_seconds(wait: Duration) -> u32 {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
}

fn quota(rate: Rate) -> Quota {
    let one = rate.per / rate.count.get();
    // A period of no length is none; a million in a second still has one of a microsecond.
    Quota::with_period(one).map_or_else(|| Quota::per_second(rate.count), |quota| quota.allow_burst(rate.count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(text: &str) -> Rate {
        Rate::try_from(text.to_owned()).expect("a rate")
    }

    fn agent(name: &str) -> AgentName {
        AgentName::parse(name).expect("a name")
    }

    #[test]
    fn a27_an_agent_that_asks_too_often_is_told_when_to_come_again() {
        let rates = Rates::new(rate("1000/s"), rate("3/h"));
        for _ in 0..3 {
            rates.take(&agent("one")).expect("as many may come at once");
        }
        let refusal = rates.take(&agent("one")).expect_err("the fourth");
        assert_eq!(refusal.code, Code::RateLimited);
        let wait = refusal.retry_after.expect("a time");
        assert!((1190..=1200).contains(&wait), "a third of an hour: {wait}");
        rates.take(&agent("two")).expect("another agent has its own");
    }

    #[test]
    fn a27_who_is_refused_uses_up_nothing_of_the_others() {
        let rates = Rates::new(rate("4/h"), rate("2/h"));
        let greedy = (0..100).filter(|_| rates.take(&agent("greedy")).is_ok()).count();
        assert_eq!(greedy, 2);
        rates.take(&agent("two")).expect("the third of all");
        rates.take(&agent("three")).expect("the fourth of all");
        let refusal = rates.take(&agent("four")).expect_err("the fifth of all");
        assert!(refusal.detail.contains("all agents together"), "{}", refusal.detail);
    }

    #[test]
    fn a27_who_is_refused_again_and_again_is_told_slowly_and_alone() {
        let rates = Rates::new(rate("1000/s"), rate("3/h"));
        let at_once = (0..200).filter(|_| rates.told_after(None).is_zero()).count();
        assert!((50..100).contains(&at_once), "{at_once} at once");
        assert_eq!(rates.told_after(Some(&agent("one"))), Duration::ZERO);
    }

    #[test]
    fn a27_a_call_that_carries_others_counts_as_many() {
        let rates = Rates::new(rate("1000/s"), rate("10/h"));
        for parts in [0, 1] {
            rates.take_parts(&agent("one"), parts).expect("counted already");
        }
        rates.take(&agent("one")).expect("the call itself");
        rates.take_parts(&agent("one"), 8).expect("seven more");
        let refusal = rates.take_parts(&agent("one"), 4).expect_err("two are left");
        assert!(refusal.detail.starts_with("this agent may make 10 requests"));
        let wait = refusal.retry_after.expect("a time");
        assert!((710..=720).contains(&wait), "one more, and the call itself: {wait}");
        rates.take_parts(&agent("one"), 3).expect("two more");
        let never = rates.take_parts(&agent("two"), 11).expect_err("one too many for ever");
        assert_eq!((never.code, never.retry_after), (Code::RateLimited, None));
        let never = rates.take_parts(&agent("two"), 12).expect_err("never");
        assert_eq!((never.code, never.retry_after), (Code::RateLimited, None));
        assert_eq!(never.detail, "this carries 12 requests, and this agent may make 10 at once");
    }

    #[test]
    fn a_time_is_rounded_up_to_seconds() {
        for (millis, seconds) in [(1, 1), (1000, 1), (1001, 2), (0, 1)] {
            assert_eq!(whole_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}
