//! Logs: one line of text or one JSON object an event, on standard error.
//!
//! Other people's code is capped at `info`, whatever level is set: at `trace`, HTTP and TLS libraries write down headers. What
//! others wrote is escaped in text, so that no line can be forged and no terminal driven.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use tracing::{Level, Subscriber};
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, fmt};

use crate::config::{LogConfig, LogFormat};
use crate::telemetry::{self, Spans};
use crate::text::for_terminal;

/// How every crate of ours begins, and nobody else's.
pub(crate) const OURS: &str = "wardlock";

/// Lets a line through once a minute: what fails for ever fails many times a second, and would fill a disk.
#[derive(Debug, Default)]
pub(crate) struct OnceAMinute(Option<Instant>);

impl OnceAMinute {
    /// Returns whether it is time for one.
    pub fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|last| last.elapsed() >= Duration::from_mins(1));
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}

/// Starts logging for the life of the process. Where there is a collector, spans are kept for it, too; returns where they
/// wait.
pub fn start(log: LogConfig, has_collector: bool) -> Option<Spans> {
    // Colours for people; `NO_COLOR` is the library's to keep.
    let colours = std::io::stderr().is_terminal();
    let lines = lines(log, colours, std::io::stderr);
    let (mut layers, mut kept) = (vec![lines], None);
    if has_collector {
        let (layer, spans) = telemetry::keep();
        layers.push(layer);
        kept = Some(spans);
    }
    // It fails where logging was started already, as a test may have done.
    let _ = tracing_subscriber::registry().with(layers).try_init();
    kept
}

/// The layer that writes lines.
fn lines<S, W>(log: LogConfig, colours: bool, writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let layer = fmt::layer().with_writer(writer);
    // Switched off only: the library itself looks whether colours are wanted.
    let layer = if colours { layer } else { layer.with_ansi(false) };
    match log.format {
        LogFormat::Json => layer.json().with_filter(filter(log.level())).boxed(),
        LogFormat::Text => {
            let fields = debug_fn(|writer, field, value| {
                let shown = for_terminal(&format!("{value:?}"));
                match field.name() {
                    "message" => write!(writer, "{shown}"),
                    name => write!(writer, "{name}={shown}"),
                }
            });
            layer.fmt_fields(fields.delimited(" ")).with_filter(filter(log.level())).boxed()
        }
    }
}

/// Our own code up to this level, all other up to `info` at most.
fn filter(level: Level) -> Targets {
    // Levels are ordered by how much they let through.
    Targets::new().with_default(level.min(Level::INFO)).with_target(OURS, level)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("a lock").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(table: &str, work: impl FnOnce()) -> String {
        let log: LogConfig = toml::from_str(table).expect("a table");
        let kept = Kept::default();
        let writer = kept.clone();
        let lines = lines(log, false, move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(lines), work);
        let bytes = kept.0.lock().expect("a lock").clone();
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn whatever_level_is_set_other_peoples_code_is_capped() {
        let text = logged("level = \"trace\"", || {
            for_each_level("one");
            tracing::trace!(target: "hyper::proto", "header");
            tracing::debug!(target: "rustls::client", "header");
            tracing::debug!(target: "reqwest::connect", "header");
            tracing::trace!(target: "h2::codec", "header");
            tracing::info!(target: "hyper::proto", "harmless");
            tracing::trace!(target: "wardlock_egress::client", "ours");
        });
        assert!(!text.contains("header"), "{text}");
        assert!(text.contains("harmless") && text.contains("ours") && text.contains("trace one"), "{text}");
        let text = logged("level = \"error\"", || for_each_level("two"));
        assert!(text.contains("error two") && !text.contains("warn two"), "{text}");
        let text = logged("", || for_each_level("three"));
        assert!(
            text.contains("info three") && !text.contains("debug three"),
            "requests are logged at debug: {text}"
        );
    }

    fn for_each_level(word: &str) {
        tracing::error!("error {word}");
        tracing::warn!("warn {word}");
        tracing::info!("info {word}");
        tracing::debug!("debug {word}");
        tracing::trace!("trace {word}");
    }

    #[test]
    fn nobody_forges_a_line_or_drives_a_terminal() {
        let evil = "a\nERROR forged\r\u{1b}[2J\u{9b}31m\u{202e}\u{7f}b";
        for table in ["", "format = \"json\""] {
            let text = logged(table, || {
                let _span = tracing::error_span!("request", purpose = evil, shown = %evil).entered();
                tracing::error!(text = evil, shown = %evil, debug = ?evil, "{evil}");
            });
            assert_eq!(text.lines().count(), 1, "{text:?}");
            let line = text.trim_end_matches('\n');
            assert!(!line.contains(|character: char| character < ' '), "{text:?}");
        }
        let text = logged("", || tracing::error!("{evil}"));
        assert!(!text.contains(['\u{7f}', '\u{9b}', '\u{202e}']), "{text:?}");
    }

    #[test]
    fn what_is_logged_in_a_request_carries_its_id() {
        for (table, shown) in [("", "request_id=\"req_1\""), ("format = \"json\"", "\"request_id\":\"req_1\"")] {
            let text = logged(table, || {
                let _span = tracing::error_span!("request", request_id = "req_1").entered();
                tracing::warn!("something");
            });
            assert!(text.contains(shown), "{text}");
        }
    }
}
