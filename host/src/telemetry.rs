//! Spans for the operator's collector, as OTLP: what each request's log line says, and how long its parts took.
//!
//! Ended spans wait in a bounded queue. A collector that is slow or gone costs spans, which are counted, and never a request.
//! Ids of traces are random: nothing reads an agent's `traceparent`, and no service takes it.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::Uri;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanLimits, SpanProcessor};
use prost::Message as _;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::Level;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};
use wardlock_egress::{Collector, CollectorError, Dialer};

use crate::logs::OURS;
use crate::metrics::Metrics;

/// How many ended spans may wait: a request has some six, of some 500 bytes each.
const WAITING: usize = 4096;
/// How many spans one message holds at most.
const TOGETHER: usize = 512;
/// How long a span waits for others, so that they share a message.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last spans may take at the end.
const FAREWELL: Duration = Duration::from_secs(3);

/// Makes the layer that keeps ended spans, and where they wait for a collector.
pub fn keep() -> (Box<dyn Layer<Registry> + Send + Sync>, Spans) {
    let (queue, spans) = queue(WAITING);
    (layer(queue), spans)
}

fn queue(waiting: usize) -> (Queue, Spans) {
    let (ended, waiting) = mpsc::channel(waiting);
    let dropped = Arc::new(AtomicU64::new(0));
    (Queue { ended, dropped: Arc::clone(&dropped) }, Spans { waiting, dropped })
}

/// Spans only, no events: what an event says of an error is for the log. And none of other people's code.
fn layer(queue: Queue) -> Box<dyn Layer<Registry> + Send + Sync> {
    // Whatever these could be set to by the environment is set here.
    let provider = SdkTracerProvider::builder()
        .with_span_processor(queue)
        .with_sampler(Sampler::AlwaysOn)
        .with_span_limits(SpanLimits::default())
        .with_resource(Resource::builder_empty().build())
        .build();
    let filter = filter_fn(|metadata| {
        metadata.is_span() && *metadata.level() <= Level::DEBUG && metadata.target().starts_with(OURS)
    });
    let filter = filter.with_max_level_hint(Level::DEBUG);
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(OURS))
        .with_context_activation(false)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter)
        .boxed()
}

/// The way in: a span that finds no room is dropped at once.
#[derive(Debug)]
struct Queue {
    ended: mpsc::Sender<SpanData>,
    dropped: Arc<AtomicU64>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.ended.try_send(span).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The way out: spans that wait for somebody to tell them.
#[derive(Debug)]
pub struct Spans {
    waiting: mpsc::Receiver<SpanData>,
    dropped: Arc<AtomicU64>,
}

impl Spans {
    /// Begins to tell the collector at this address.
    pub fn tell(self, address: &Uri, dialer: &Dialer, metrics: &Arc<Metrics>) -> Telling {
        let service = [
            KeyValue::new("service.name", "wardlock"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
        ];
        let teller = Teller {
            collector: Collector::new(address.clone(), "application/x-protobuf", dialer),
            waiting: self.waiting,
            dropped: self.dropped,
            metrics: Arc::clone(metrics),
            resource: (&Resource::builder_empty().with_attributes(service).build()).into(),
            failing: false,
        };
        let (stop, stopped) = oneshot::channel();
        Telling { stop, task: tokio::spawn(teller.run(stopped)) }
    }
}

/// A collector that is being told.
#[derive(Debug)]
pub struct Telling {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Telling {
    /// Tells what still waits, if the collector takes it soon, and ends.
    pub async fn stop(mut self) {
        // It fails where the task is gone, which is an end, too.
        let _ = self.stop.send(());
        if tokio::time::timeout(FAREWELL, &mut self.task).await.is_err() {
            tracing::warn!("the collector is too slow for the last spans");
            self.task.abort();
        }
    }
}

struct Teller {
    collector: Collector,
    waiting: mpsc::Receiver<SpanData>,
    dropped: Arc<AtomicU64>,
    metrics: Arc<Metrics>,
    resource: ResourceAttributesWithSchema,
    /// Whether the newest message was not taken.
    failing: bool,
}

impl Teller {
    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        let (mut batch, mut closed, mut ending) = (Vec::new(), false, false);
        loop {
            let pause = tokio::time::sleep(PAUSE);
            tokio::pin!(pause);
            while batch.len() < TOGETHER {
                let room = TOGETHER - batch.len();
                tokio::select! {
                    biased;
                    more = self.waiting.recv_many(&mut batch, room) => if more == 0 {
                        ending = true;
                        break;
                    },
                    () = &mut pause => break,
                    _ = &mut stopped, if !closed => {
                        closed = true;
                        self.waiting.close();
                    }
                }
            }
            self.tell(mem::take(&mut batch)).await;
            if ending {
                return;
            }
        }
    }

    /// Posts one message, and counts its spans whatever comes of it. A message that is not taken is not sent again.
    async fn tell(&mut self, spans: Vec<SpanData>) {
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        self.metrics.spans("dropped", dropped);
        if spans.is_empty() {
            return;
        }
        let count = spans.len() as u64;
        let resource_spans = group_spans_by_resource_and_scope(spans, &self.resource);
        let told = self.collector.tell(ExportTraceServiceRequest { resource_spans }.encode_to_vec()).await;
        self.metrics.spans(if told.is_ok() { "sent" } else { "failed" }, count);
        self.note(told);
    }

    /// Logs that it fails and that it does so no longer, once each.
    fn note(&mut self, told: Result<(), CollectorError>) {
        match told {
            Ok(()) if self.failing => tracing::info!("the collector takes spans again"),
            Err(error) if !self.failing => {
                tracing::warn!(%error, "the collector takes no spans; `telemetry.otlp` in wardlock.toml says where it is");
            }
            _ => {}
        }
        self.failing = told.is_err();
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn spans_that_nobody_fetches_are_dropped_and_counted_and_hold_nobody_up() {
        let (queue, mut spans) = queue(3);
        let subscriber = tracing_subscriber::registry().with(layer(queue));
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..10 {
                tracing::error_span!("request", request_id = "req_1").in_scope(|| tracing::error!("an event"));
                tracing::error_span!(target: "hyper::proto", "other");
                tracing::trace_span!("finer");
            }
        });
        assert_eq!(spans.dropped.load(Ordering::Relaxed), 7);
        let span = spans.waiting.try_recv().expect("a span");
        assert_eq!(span.name, "request");
        assert_eq!(span.attributes, [KeyValue::new("request_id", "req_1")], "nothing that the libraries add");
        assert!(span.events.is_empty(), "no event goes along");
    }
}
