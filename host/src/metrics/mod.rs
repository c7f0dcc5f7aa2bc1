//! What operators watch: counters, gauges and histograms, and their text for Prometheus.
//!
//! A label is a name from the configuration or a word of a closed list. Nothing that an agent writes becomes one, so an
//! agent can neither make a series nor say anything through one. The numbers live as long as the process, whether the vault is
//! open or locked. `docs/observability.md` lists every metric, and a test keeps the two equal.

mod audit;
mod book;
mod connection;
mod now;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use wardlock_core::refusal::Code;
use wardlock_egress::RefreshWatch;

use crate::gate::Gate;
use audit::AuditMetrics;
use book::{Book, Description, Labelled};

pub(crate) use audit::watch as audit_watch;
pub use connection::{ConnectionMetrics, Sending};

/// The labels of what belongs to a connection.
const CONNECTION: &[&str] = &["workspace", "connection"];

/// How the metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Prometheus' own text, version 0.0.4.
    Prometheus,
    /// `OpenMetrics` 1.0.0, for those who ask for it.
    OpenMetrics,
}

impl Format {
    /// Returns what an `Accept` header asks for, as Prometheus sends it.
    pub fn accepted(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Returns the content type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Every number.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    #[cfg_attr(not(test), expect(dead_code, reason = "what the documentation is compared with"))]
    described: Vec<Description>,
    /// Gauges of one moment are written together.
    rendering: tokio::sync::Mutex<()>,
    requests: Labelled<Counter>,
    refusals: Labelled<Counter>,
    unauthenticated: Counter,
    outcomes: Labelled<Counter>,
    answers: Labelled<Counter>,
    redactions: Labelled<Counter>,
    request_time: Labelled<Histogram>,
    decision_time: Labelled<Histogram>,
    turn_time: Labelled<Histogram>,
    upstream_time: Labelled<Histogram>,
    plugin_time: Labelled<Histogram>,
    verdicts: Labelled<Counter>,
    faults: Labelled<Counter>,
    places_in_use: Gauge,
    places_limit: Gauge,
    policy_problems: Labelled<Gauge>,
    places_refused: Counter,
    /// Connections of agents that are open.
    pub(crate) connections: Gauge,
    /// Connections that gave their slots to others.
    pub(crate) connections_displaced: Counter,
    /// Connections of agents that found no slot.
    pub(crate) connections_refused: Counter,
    refreshes: Labelled<Counter>,
    grants: Labelled<Gauge>,
    /// The audit's.
    pub(crate) audit: AuditMetrics,
    vault_open: Gauge,
    spans: Labelled<Counter>,
    recorded: Labelled<Counter>,
    approvers_told: Labelled<Counter>,
}

impl Metrics {
    /// Makes them, all at nothing.
    pub fn new() -> Arc<Self> {
        let mut book = Book::default();
        let b = &mut book;
        let metrics = Self {
            requests: b.counters(
                "wardlock_requests",
                &["workspace", "connection", "effect", "decision"],
                "Requests of known agents, by what was decided",
            ),
            refusals: b.counters("wardlock_refusals", &["code"], "Refusals that agents were told"),
            unauthenticated: b.counter(
                "wardlock_unauthenticated_requests",
                "Requests refused before it was known whose they are",
            ),
            outcomes: b.counters(
                "wardlock_outcomes",
                &["workspace", "connection", "outcome"],
                "Requests sent to a provider, by what came of them",
            ),
            answers: b.counters(
                "wardlock_upstream_answers",
                &["workspace", "connection", "status"],
                "Answers of providers, by the class of their status",
            ),
            redactions: b.counters(
                "wardlock_redactions",
                CONNECTION,
                "Stored secrets cut out of providers' answers",
            ),
            request_time: b.histograms(
                "wardlock_request_duration_seconds",
                CONNECTION,
                "Time from when all of a request has arrived to the end of its answer",
                slow,
            ),
            decision_time: b.histograms(
                "wardlock_decision_duration_seconds",
                CONNECTION,
                "Time from when all of a request has arrived to the decision of its plugin chain",
                quick,
            ),
            turn_time: b.histograms(
                "wardlock_turn_wait_seconds",
                CONNECTION,
                "Time that allowed requests waited for their turn at the provider",
                slow,
            ),
            upstream_time: b.histograms(
                "wardlock_upstream_duration_seconds",
                CONNECTION,
                "Time from the audited intent to the provider's scanned answer, a refresh of the token included",
                slow,
            ),
            plugin_time: b.histograms(
                "wardlock_plugin_duration_seconds",
                &["workspace", "connection", "plugin"],
                "Time of one plugin's verdict",
                quick,
            ),
            verdicts: b.counters(
                "wardlock_plugin_verdicts",
                &["workspace", "connection", "plugin", "verdict"],
                "Verdicts of plugins",
            ),
            faults: b.counters(
                "wardlock_plugin_faults",
                &["workspace", "connection", "plugin", "kind"],
                "Plugins that gave no verdict, which denies",
            ),
            places_in_use: b.gauge("wardlock_places_in_use", "Requests under way"),
            places_limit: b.gauge("wardlock_places_limit", "The most requests that may be under way"),
            policy_problems: b.gauges(
                "wardlock_policy_problems",
                &["severity"],
                "What is wrong in the home's files and closes something, or keeps what was loaded before serving",
            ),
            places_refused: b.counter("wardlock_places_refused", "Requests that found no place"),
            connections: b.gauge("wardlock_agent_connections", "Open connections of agents"),
            connections_displaced: b.counter(
                "wardlock_agent_connections_displaced",
                "Idle connections closed because others came and too many were open",
            ),
            connections_refused: b.counter(
                "wardlock_agent_connections_refused",
                "Connections of agents closed at once because all that were open had a request under way",
            ),
            refreshes: b.counters(
                "wardlock_token_refreshes",
                &["grant", "result"],
                "Refreshes of access tokens, by how they ended",
            ),
            grants: b.gauges("wardlock_grants", &["condition"], "Stored grants; none while the vault is locked"),
            audit: AuditMetrics::new(b),
            vault_open: b.gauge("wardlock_vault_open", "1 while the vault is open, 0 while it is locked"),
            spans: b.counters(
                "wardlock_spans",
                &["result"],
                "Spans of requests for the collector, where there is one, by what became of them",
            ),
            recorded: b.counters(
                "wardlock_recordings",
                &["result"],
                "Requests for the recorder, where a workspace has one, by what became of them",
            ),
            approvers_told: b.counters(
                "wardlock_approvers_told",
                &["result"],
                "Drafts that people were to be told of, where wardlock.toml says how, by what became of it",
            ),
            registry: Registry::default(),
            described: Vec::new(),
            rendering: tokio::sync::Mutex::default(),
        };
        b.gauges("wardlock_build_info", &["version"], "1, for the version that runs")
            .of(&[env!("CARGO_PKG_VERSION")])
            .set(1);
        b.gauge::<f64, std::sync::atomic::AtomicU64>("process_start_time_seconds", "When this process started")
            .set(seconds_now());
        // Known beforehand, so that a first refusal shows as a rise.
        for code in Code::ALL {
            metrics.refusals.of(&[code.as_str()]);
        }
        let Book { registry, described } = book;
        Arc::new(Self { registry, described, ..metrics })
    }

    /// Writes all of them.
    pub async fn render(&self, gate: &Gate, format: Format) -> String {
        let _alone = self.rendering.lock().await;
        now::look(self, gate).await;
        let mut written = String::new();
        let done = match format {
            Format::Prometheus => prometheus_text::encode(&mut written, &self.registry),
            Format::OpenMetrics => text::encode(&mut written, &self.registry),
        };
        if done.is_err() {
            tracing::error!("the metrics cannot be written");
        }
        written
    }

    /// Returns the numbers of a connection.
    pub fn of_connection(
        self: &Arc<Self>,
        connection: &wardlock_core::connection::Connection,
        plugins: &[Arc<wardlock_sandbox::Plugin>],
    ) -> Arc<ConnectionMetrics> {
        Arc::new(ConnectionMetrics::new(self, connection, plugins))
    }

    /// Counts a request that reached no open connection. The names are of the configuration, or empty.
    pub fn request(&self, workspace: &str, connection: &str, effect: &str, decision: &str) {
        self.requests.of(&[workspace, connection, effect, decision]).inc();
    }

    /// Counts what an agent was told.
    pub fn refused(&self, code: Code) {
        self.refusals.of(&[code.as_str()]).inc();
    }

    /// Counts a request that was refused before it was known whose it is.
    pub fn unauthenticated(&self) {
        self.unauthenticated.inc();
    }

    /// Counts a request that found no place.
    pub fn no_place(&self) {
        self.places_refused.inc();
    }

    /// Counts spans that a collector was told, or should have been.
    pub(crate) fn spans(&self, result: &'static str, count: u64) {
        self.spans.of(&[result]).inc_by(count);
    }

    /// Counts requests for the recorder.
    pub(crate) fn recorded(&self, result: &'static str, count: u64) {
        self.recorded.of(&[result]).inc_by(count);
    }

    /// Counts a draft that people were to be told of.
    pub(crate) fn approvers_told(&self, result: &'static str) {
        self.approvers_told.of(&[result]).inc();
    }

    /// Returns how many requests for the recorder came to a result.
    #[cfg(test)]
    pub(crate) fn recorded_so_far(&self, result: &'static str) -> u64 {
        self.recorded.of(&[result]).get()
    }

    /// Returns who counts the refreshes of tokens.
    pub fn refresh_watch(self: &Arc<Self>) -> RefreshWatch {
        let metrics = Arc::clone(self);
        Arc::new(move |grant, result| {
            metrics.refreshes.of(&[grant.as_str(), result]).inc();
        })
    }
}

/// For what takes a plugin's or a disk's time: 25 µs to 1 s.
fn quick() -> Histogram {
    Histogram::new([25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 1.0])
}

/// For what takes a provider's time: 1 ms to a minute.
fn slow() -> Histogram {
    Histogram::new([1e-3, 5e-3, 10e-3, 25e-3, 50e-3, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
}

/// Seconds since 1970-01-01T00:00:00Z, as Prometheus writes moments.
fn seconds_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs_f64()
}
