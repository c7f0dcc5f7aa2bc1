//! Spans for a collector: what it is told, what it is never told, and that its loss holds nobody up.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use wardlock_tests::raw;

use crate::program::{run, with_workspace};
use crate::world::{self, Plan, World};

/// Longer than spans take to arrive on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// A collector that takes everything.
struct Collector {
    address: SocketAddr,
    messages: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let collector = Self { address: listener.local_addr().expect("an address"), messages: Arc::default() };
        let messages = Arc::clone(&collector.messages);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let messages = Arc::clone(&messages);
                std::thread::spawn(move || take(&stream, &messages));
            }
        });
        collector
    }

    fn bytes(&self) -> Vec<u8> {
        self.messages.lock().expect("a lock").concat()
    }

    fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for message in self.messages.lock().expect("a lock").iter() {
            let message = ExportTraceServiceRequest::decode(message.as_slice()).expect("a message");
            for resource in message.resource_spans {
                let about = resource.resource.expect("a resource").attributes;
                assert!(about.iter().any(|pair| pair.key == "service.name"), "{about:?}");
                spans.extend(resource.scope_spans.into_iter().flat_map(|scope| scope.spans));
            }
        }
        spans
    }

    /// The spans of the trace of one request.
    fn of_request(&self, id: &str) -> Vec<Span> {
        let spans = self.spans();
        let root = spans.iter().find(|span| attribute(span, "request_id").as_deref() == Some(id));
        let trace = root.map(|root| root.trace_id.clone());
        spans.into_iter().filter(|span| Some(&span.trace_id) == trace.as_ref()).collect()
    }
}

/// Reads the requests of one connection and answers each.
fn take(stream: &TcpStream, messages: &Mutex<Vec<Vec<u8>>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        while reader.read_line(&mut line).is_ok_and(|count| count > 0) && line != "\r\n" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            line.clear();
        }
        let mut message = vec![0; length];
        if length == 0 || reader.read_exact(&mut message).is_err() {
            return;
        }
        messages.lock().expect("a lock").push(message);
        let mut writer = stream;
        if writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").is_err() {
            return;
        }
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|pair| pair.key == key)?.value.as_ref()?.value.as_ref()?;
    match value {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{key} is {other:?}"),
    }
}

/// Asks until a request's spans have all arrived: those of other tests wait in the same queue, which may be full.
async fn a_whole_trace(world: &World, collector: &Collector) -> (u16, Vec<Span>) {
    let path = "/acme/zoho/crm/v8/Leads?fields=Last_Name&ids=4567000000123456";
    let headers = "X-Quiet: loudvalue\r\nWardlock-Purpose: loudpurpose\r\n\
                   Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let reply = world.ask("acme", "GET", path, headers, "").await;
        let id = reply.header("wardlock-request-id").expect("an id").to_owned();
        tokio::time::sleep(Duration::from_secs(2)).await;
        let spans = collector.of_request(&id);
        if spans.len() == 6 {
            return (reply.status, spans);
        }
    }
    panic!("no trace came whole: {:?}", collector.spans().len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_told_each_requests_parts_under_one_random_id_and_no_more() {
    let collector = Collector::start();
    let world = World::start(Plan::default()).await;
    let address = format!("http://{}/v1/traces", collector.address).parse().expect("an address");
    let telling = world::spans().tell(&address, &world.host.world().dialer, world.host.metrics());
    let (status, spans) = a_whole_trace(&world, &collector).await;

    let mut names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["audit", "audit", "chain", "request", "token", "upstream"]);
    let root = spans.iter().find(|span| span.name == "request").expect("the request");
    assert!(root.parent_span_id.is_empty(), "an agent is nobody's parent");
    assert_ne!(hex::encode(&root.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736", "nor chooses the trace");
    for span in &spans {
        assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano && span.events.is_empty());
        assert!(span.name == "request" || span.parent_span_id == root.span_id, "{span:?}");
    }
    let shown = ["request_id", "workspace", "agent", "connection", "operation", "decision", "outcome", "status"];
    let mut keys: Vec<&str> = root.attributes.iter().map(|pair| pair.key.as_str()).collect();
    keys.sort_unstable_by_key(|key| shown.iter().position(|shown| shown == key));
    assert_eq!(keys, shown);
    for (key, value) in [
        ("workspace", "acme"),
        ("agent", "agent-acme"),
        ("connection", "zoho"),
        ("operation", "records.list"),
        ("decision", "allow"),
        ("status", &status.to_string()),
    ] {
        assert_eq!(attribute(root, key).as_deref(), Some(value), "{key}");
    }

    let series = world.series().await;
    assert!(series[r#"wardlock_spans_total{result="sent"}"#] >= 6.0);
    telling.stop().await;
    let bytes = collector.bytes();
    world.canaries.scan("what the collector was told", &bytes).expect("no canary");
    let text = String::from_utf8_lossy(&bytes);
    for hidden in ["loudvalue", "loudpurpose", "4567000000123456", "fields=", "/crm/v8"] {
        assert!(!text.contains(hidden), "`{hidden}` was told");
    }
    world.end().await;
}

#[test]
fn the_last_spans_are_told_at_the_end_and_a_collector_that_is_gone_holds_nobody_up() {
    let collector = Collector::start();
    let wardlock = with_workspace();
    let collector_at = |address: SocketAddr| {
        let (agents, callback) = (wardlock.agents(), wardlock.callback());
        let text = format!(
            "[listen]\nagents = \"{agents}\"\ncallback = \"{callback}\"\n\n[telemetry]\notlp = \"http://{address}\"\n"
        );
        wardlock.write("wardlock.toml", &text).expect("written");
    };
    let request = format!("GET /acme/zoho/x HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", wardlock.agents());
    let ask = || {
        let reply = raw::exchange(wardlock.agents(), request.as_bytes()).expect("a reply");
        assert_eq!(reply.status, 401);
        reply.header("wardlock-request-id").expect("an id").to_owned()
    };

    collector_at(collector.address);
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let id = ask();
    assert_eq!(serving.stop().expect("it ends").code(), Some(0));
    let spans = collector.of_request(&id);
    assert_eq!(spans.len(), 1, "{spans:?}");
    assert_eq!(attribute(&spans[0], "decision").as_deref(), Some("deny"));
    wardlock.note("what the collector was told", &collector.bytes());

    collector_at(wardlock_tests::ports::unused());
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let began = Instant::now();
    loop {
        ask();
        let metrics = run(&wardlock, &["metrics"]).ok().expect("metrics").stdout;
        if metrics
            .lines()
            .any(|line| line.starts_with("wardlock_spans_total{result=\"failed\"} ") && !line.ends_with(" 0"))
        {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "no span is counted as failed: {metrics}");
        std::thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(serving.stop().expect("it ends").code(), Some(0));
}
