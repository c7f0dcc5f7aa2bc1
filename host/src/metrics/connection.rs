//! What requests on one connection count, resolved once for the connection: nothing is looked up or allocated a request.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use wardlock_audit::Finished;
use wardlock_core::answer::Outcome;
use wardlock_core::chain::VerdictRecord;
use wardlock_core::connection::Connection;
use wardlock_core::plugin::PluginFault;
use wardlock_sandbox::Plugin;

use super::Metrics;
use crate::admin::AuditFilter;

/// The effects, and the word for a request that was refused before it was classified.
const EFFECTS: [&str; 4] = ["read", "write", "destructive", "unknown"];
const DECISIONS: [&str; 3] = AuditFilter::DECISIONS;
const OUTCOMES: [Outcome; 7] = Outcome::ALL;
/// By the first digit; the first is for requests that brought no answer.
const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];
const VERDICTS: [&str; 7] = ["allow", "deny", "hold", "shape", "fault", "pass", "edit"];

/// A counter that is there once it is needed: what never happens has no series.
type Lazy = OnceLock<Counter>;

/// The numbers of one connection.
#[derive(Debug)]
pub struct ConnectionMetrics {
    metrics: Arc<Metrics>,
    workspace: String,
    connection: String,
    requests: [[Lazy; DECISIONS.len()]; EFFECTS.len()],
    outcomes: [Lazy; OUTCOMES.len()],
    answers: [Lazy; STATUSES.len()],
    redactions: Lazy,
    request_time: Histogram,
    decision_time: Histogram,
    turn_time: Histogram,
    upstream_time: Histogram,
    plugins: Vec<PluginMetrics>,
}

#[derive(Debug)]
struct PluginMetrics {
    name: String,
    time: Histogram,
    verdicts: [Lazy; VERDICTS.len()],
    faults: [Lazy; PluginFault::KINDS.len()],
    /// All of them, since it is loaded as it is.
    failed: Arc<AtomicU64>,
}

impl ConnectionMetrics {
    pub(super) fn new(metrics: &Arc<Metrics>, connection: &Connection, plugins: &[Arc<Plugin>]) -> Self {
        let (workspace, name) = (connection.workspace.as_str(), connection.name.as_str());
        let plugin = |plugin: &Arc<Plugin>| PluginMetrics {
            name: plugin.name().to_string(),
            time: metrics.plugin_time.of(&[workspace, name, plugin.name().as_str()]),
            verdicts: Default::default(),
            faults: Default::default(),
            failed: Arc::clone(plugin.faults()),
        };
        Self {
            metrics: Arc::clone(metrics),
            workspace: workspace.to_owned(),
            connection: name.to_owned(),
            requests: Default::default(),
            outcomes: Default::default(),
            answers: Default::default(),
            redactions: Lazy::new(),
            request_time: metrics.request_time.of(&[workspace, name]),
            decision_time: metrics.decision_time.of(&[workspace, name]),
            turn_time: metrics.turn_time.of(&[workspace, name]),
            upstream_time: metrics.upstream_time.of(&[workspace, name]),
            plugins: plugins.iter().map(plugin).collect(),
        }
    }

    /// Counts a request that was decided.
    pub fn request(&self, effect: &str, decision: &str) {
        let (Some(row), Some(column)) = (place(&EFFECTS, effect), place(&DECISIONS, decision)) else {
            return;
        };
        let made = || self.metrics.requests.of(&[&self.workspace, &self.connection, effect, decision]);
        self.requests[row][column].get_or_init(made).inc();
    }

    /// Measures a whole request.
    pub fn took(&self, total: Duration) {
        self.request_time.observe(total.as_secs_f64());
    }

    /// Measures the time until a chain's decision, and counts what its plugins said.
    pub fn decided(&self, time: Duration, verdicts: &[VerdictRecord]) {
        self.decision_time.observe(time.as_secs_f64());
        self.judged(verdicts);
    }

    /// Counts what plugins said.
    pub fn judged(&self, verdicts: &[VerdictRecord]) {
        for verdict in verdicts {
            if let Some(plugin) = self.plugins.iter().find(|plugin| plugin.name == verdict.plugin) {
                self.said(plugin, verdict);
            }
        }
    }

    /// Measures how long a request waited for its turn at the provider.
    pub fn waited(&self, time: Duration) {
        self.turn_time.observe(time.as_secs_f64());
    }

    fn said(&self, plugin: &PluginMetrics, verdict: &VerdictRecord) {
        plugin.time.observe(Duration::from_micros(verdict.micros).as_secs_f64());
        let labels = |word| [self.workspace.as_str(), self.connection.as_str(), plugin.name.as_str(), word];
        if let Some(at) = place(&VERDICTS, verdict.verdict) {
            plugin.verdicts[at].get_or_init(|| self.metrics.verdicts.of(&labels(verdict.verdict))).inc();
        }
        let Some(kind) = verdict.fault else { return };
        plugin.failed.fetch_add(1, Ordering::Relaxed);
        if let Some(at) = place(&PluginFault::KINDS, kind) {
            plugin.faults[at].get_or_init(|| self.metrics.faults.of(&labels(kind))).inc();
        }
    }

    fn outcome(&self, outcome: Outcome) {
        if let Some(at) = OUTCOMES.iter().position(|known| *known == outcome) {
            let made = || self.metrics.outcomes.of(&[&self.workspace, &self.connection, outcome.as_str()]);
            self.outcomes[at].get_or_init(made).inc();
        }
    }

    fn answer(&self, status: Option<u16>) {
        let class = status.map_or(0, |status| usize::from(status / 100));
        if let Some(word) = STATUSES.get(class) {
            let made = || self.metrics.answers.of(&[&self.workspace, &self.connection, word]);
            self.answers[class].get_or_init(made).inc();
        }
    }

    fn redacted(&self, redactions: u32) {
        if redactions > 0 {
            let made = || self.metrics.redactions.of(&[&self.workspace, &self.connection]);
            self.redactions.get_or_init(made).inc_by(u64::from(redactions));
        }
    }
}

fn place(words: &[&str], word: &str) -> Option<usize> {
    words.iter().position(|known| *known == word)
}

/// A request that is being sent. Dropped without [`Sending::finished`], it counts as aborted, as its record does.
#[must_use = "dropping it counts the request as aborted"]
pub struct Sending(Option<Arc<ConnectionMetrics>>);

impl Sending {
    /// Begins with an INTENT that is on the disk.
    pub fn new(connection: Arc<ConnectionMetrics>) -> Self {
        Self(Some(connection))
    }

    /// Counts what came of it.
    pub fn finished(mut self, finished: &Finished) {
        if let Some(connection) = self.0.take() {
            connection.outcome(finished.outcome);
            connection.answer(finished.upstream_status);
            connection.redacted(finished.redactions);
            connection.judged(&finished.verdicts);
            connection.upstream_time.observe(Duration::from_micros(finished.upstream_micros).as_secs_f64());
            connection.took(finished.total);
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.outcome(Outcome::Aborted);
        }
    }
}
