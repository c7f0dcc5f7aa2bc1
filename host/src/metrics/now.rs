//! What is looked up whenever somebody asks for the metrics, because nobody tells of its changes.

use std::sync::Arc;

use wardlock_egress::vault::Condition;

use super::Metrics;
use crate::gate::Gate;
use crate::host::now_ms;
use crate::loaded::Severity;

/// The conditions of grants, as labels.
const CONDITIONS: [&str; 3] = ["ok", "throttled", "reconnect"];

/// Brings every gauge up to date.
pub(super) async fn look(metrics: &Metrics, gate: &Gate) {
    let config = &gate.seat().config;
    let host = gate.opened();
    metrics.vault_open.set(i64::from(host.is_some()));
    let in_use = host.as_ref().map_or(0, |host| host.places().in_use());
    metrics.places_in_use.set(signed(in_use));
    metrics.places_limit.set(signed(config.requests()));
    let sync = host.as_ref().and_then(|host| host.audit().opened().sync_time);
    metrics.audit.sync.set(sync.map_or(f64::NAN, |time| time.as_secs_f64()));
    let loaded = host.as_ref().map(|host| host.loaded());
    for (severity, word) in [(Severity::Closes, "closes"), (Severity::Stale, "stale")] {
        let problems = loaded.iter().flat_map(|loaded| loaded.problems());
        let count = problems.filter(|problem| problem.severity == severity).count();
        metrics.policy_problems.of(&[word]).set(signed(count));
    }
    let mut counts = [0_i64; CONDITIONS.len()];
    if let Some(host) = host {
        let vault = Arc::clone(host.vault());
        // Nothing holds the host while this goes on, so that the vault can be locked.
        drop(host);
        let grants = tokio::task::spawn_blocking(move || vault.grants()).await;
        let now_ms = now_ms();
        for grant in grants.ok().and_then(Result::ok).unwrap_or_default() {
            counts[at(grant.condition.as_ref(), now_ms)] += 1;
        }
    }
    for (condition, count) in CONDITIONS.iter().zip(counts) {
        metrics.grants.of(&[condition]).set(count);
    }
}

fn at(condition: Option<&Condition>, now_ms: u64) -> usize {
    match condition {
        None => 0,
        Some(Condition::Throttled { until_ms }) => usize::from(*until_ms > now_ms),
        Some(Condition::Reconnect { .. }) => 2,
    }
}

fn signed(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
