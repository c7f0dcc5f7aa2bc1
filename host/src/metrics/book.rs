//! The registry, and a line about each metric for the documentation. Names of labels stand here once, where a metric is made.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

/// Names and values of labels.
type Labels = Vec<(&'static str, String)>;

/// What is known of one metric.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Description {
    /// The name, as it is queried.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it counts or measures.
    pub help: &'static str,
}

/// Metrics that are being made.
#[derive(Debug, Default)]
pub(super) struct Book {
    pub registry: Registry,
    pub described: Vec<Description>,
}

impl Book {
    /// A counter; its name ends in `_total`, which the library adds.
    pub fn counter(&mut self, name: &'static str, help: &'static str) -> Counter {
        self.add(name, "counter", &[], help, Counter::default())
    }

    /// Counters, one for each set of values of these labels.
    pub fn counters(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Labelled<Counter> {
        let family = self.add(name, "counter", labels, help, Family::default());
        Labelled { family, keys: labels }
    }

    /// A gauge.
    pub fn gauge<N, A>(&mut self, name: &'static str, help: &'static str) -> Gauge<N, A>
    where
        Gauge<N, A>: Metric + Default + Clone,
    {
        self.add(name, "gauge", &[], help, Gauge::default())
    }

    /// Gauges, one for each set of values of these labels.
    pub fn gauges(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Labelled<Gauge> {
        let family = self.add(name, "gauge", labels, help, Family::default());
        Labelled { family, keys: labels }
    }

    /// A histogram.
    pub fn histogram(&mut self, name: &'static str, help: &'static str, made: fn() -> Histogram) -> Histogram {
        self.add(name, "histogram", &[], help, made())
    }

    /// Histograms, one for each set of values of these labels.
    pub fn histograms(
        &mut self,
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        made: fn() -> Histogram,
    ) -> Labelled<Histogram> {
        let family = self.add(name, "histogram", labels, help, Family::new_with_constructor(made));
        Labelled { family, keys: labels }
    }

    fn add<M: Metric + Clone>(
        &mut self,
        name: &'static str,
        kind: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
        metric: M,
    ) -> M {
        let end = if kind == "counter" { "_total" } else { "" };
        self.described.push(Description { name: format!("{name}{end}"), kind, labels, help });
        self.registry.register(name, help, metric.clone());
        metric
    }
}

/// Metrics of one name that differ in their labels' values.
#[derive(Debug)]
pub(super) struct Labelled<M> {
    family: Family<Labels, M>,
    keys: &'static [&'static str],
}

impl<M: Clone> Labelled<M> {
    /// Returns the one with these values, in the order of the labels; makes it where it is not there yet. Keep it where it is
    /// needed often: this allocates.
    pub fn of(&self, values: &[&str]) -> M {
        debug_assert_eq!(self.keys.len(), values.len(), "a value for each label");
        let labels = self.keys.iter().zip(values).map(|(key, value)| (*key, (*value).to_owned())).collect();
        self.family.get_or_create_owned(&labels)
    }
}
