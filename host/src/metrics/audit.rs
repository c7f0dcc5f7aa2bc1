//! What the audit's writing thread tells of its commits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use wardlock_audit::{Commit, Watch};

use super::book::Book;
use super::{quick, seconds_now};

/// Numbers of the audit.
#[derive(Debug)]
pub(crate) struct AuditMetrics {
    rows: Counter,
    failures: Counter,
    commit_rows: Histogram,
    commit_time: Histogram,
    last_commit: Gauge<f64, AtomicU64>,
    /// How long the disk took to sync when the log was opened.
    pub sync: Gauge<f64, AtomicU64>,
    /// Refusals that agents were told and the audit could not hold.
    pub unrecorded: Counter,
    /// Whether the newest commit failed.
    failing: AtomicBool,
}

impl AuditMetrics {
    pub(super) fn new(book: &mut Book) -> Self {
        Self {
            rows: book.counter("wardlock_audit_rows", "Audit rows written"),
            failures: book.counter("wardlock_audit_commit_failures", "Commits of the audit that failed"),
            commit_rows: book.histogram("wardlock_audit_commit_rows", "Audit rows in one commit", || {
                // A commit holds at most 256 rows.
                Histogram::new(exponential_buckets(1.0, 2.0, 9))
            }),
            commit_time: book.histogram(
                "wardlock_audit_commit_duration_seconds",
                "Time of one commit of the audit, until its rows are as durable as they must be",
                quick,
            ),
            last_commit: book
                .gauge("wardlock_audit_last_commit_timestamp_seconds", "When the audit last wrote rows"),
            sync: book.gauge(
                "wardlock_audit_disk_sync_seconds",
                "Time that the audit's disk took to sync when the vault was opened",
            ),
            unrecorded: book.counter(
                "wardlock_audit_unrecorded_refusals",
                "Requests refused without a row because the audit could not record",
            ),
            failing: AtomicBool::new(false),
        }
    }

    /// Returns whether the newest commit failed.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    fn committed(&self, commit: Commit) {
        self.failing.store(!commit.is_written, Ordering::Relaxed);
        if !commit.is_written {
            self.failures.inc();
            return;
        }
        self.rows.inc_by(commit.rows as u64);
        self.commit_rows.observe(f64::from(u32::try_from(commit.rows).unwrap_or(u32::MAX)));
        self.commit_time.observe(commit.took.as_secs_f64());
        self.last_commit.set(seconds_now());
    }
}

/// Returns who counts the commits of an audit.
pub(crate) fn watch(metrics: &Arc<super::Metrics>) -> Watch {
    let metrics = Arc::clone(metrics);
    Arc::new(move |commit| metrics.audit.committed(commit))
}
