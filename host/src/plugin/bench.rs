//! How long one decision takes: a fresh instance each time, as in a chain.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wardlock_core::plugin::{PluginFault, PluginRequest};
use wardlock_sandbox::{Plugin, Quotas};

use crate::quotas::Untouched;

/// How many decisions come before the first that is measured.
const WARM_UP: u32 = 10;

/// What was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Half of the decisions took no longer.
    pub median: Duration,
    /// Of a hundred, ninety-nine took no longer.
    pub p99: Duration,
}

/// Measures decisions on one request, one after another.
pub async fn measure(plugin: &Plugin, request: &PluginRequest, runs: u32) -> Result<Times, PluginFault> {
    for _ in 0..WARM_UP.min(runs) {
        decide(plugin, request).await?;
    }
    let mut taken = Vec::new();
    for _ in 0..runs {
        let started = Instant::now();
        decide(plugin, request).await?;
        taken.push(started.elapsed());
    }
    Ok(of(taken))
}

/// Each decision finds its quotas untouched, so that all of them are the same.
async fn decide(plugin: &Plugin, request: &PluginRequest) -> Result<(), PluginFault> {
    let quotas: Arc<dyn Quotas> = Untouched::at(request.now_ms);
    plugin.decide_counted(request, &quotas).await.map(drop)
}

fn of(mut taken: Vec<Duration>) -> Times {
    taken.sort_unstable();
    // The nearest rank: a time that was measured, none in between.
    let at = |percent: usize| taken.get((taken.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Times { median: at(50).unwrap_or_default(), p99: at(99).unwrap_or_default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(millis: std::ops::RangeInclusive<u64>, median: u64, p99: u64) {
        let times = of(millis.map(Duration::from_millis).collect());
        assert_eq!((times.median, times.p99), (Duration::from_millis(median), Duration::from_millis(p99)));
    }

    #[test]
    fn ranks_are_of_times_that_were_measured() {
        check(1..=1, 1, 1);
        check(1..=2, 1, 2);
        check(1..=100, 50, 99);
        check(1..=1000, 500, 990);
    }
}
