//! The newest lines that plugins logged, in memory and nowhere else.
//!
//! Both lines and bytes are bounded. When there are too many, the plugin that takes the most room loses its oldest line: so
//! one that logs much pushes out its own lines, and a quiet one keeps what it said.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

/// The most lines that are kept, of all plugins together.
pub const MAX_KEPT_LINES: usize = 8192;
/// The most bytes that they take, each line's own place counted.
pub const MAX_KEPT_BYTES: usize = 4 << 20;
/// What a line takes besides its text: its place, its request's id.
const LINE_BYTES: usize = 128;

/// How urgent a plugin calls a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// 0.
    Error,
    /// 1.
    Warn,
    /// 2.
    Info,
    /// Anything else.
    Debug,
}

impl LogLevel {
    /// Reads the contract's number.
    pub(crate) fn of(number: u8) -> Self {
        match number {
            0 => Self::Error,
            1 => Self::Warn,
            2 => Self::Info,
            _ => Self::Debug,
        }
    }

    /// Returns the word used on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// A plugin in its place, as what it logs is told apart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LogSource {
    /// Workspace.
    pub workspace: String,
    /// Connection.
    pub connection: String,
    /// The plugin's name in the chain.
    pub plugin: String,
}

/// A line that a plugin logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its number: lines are numbered from 1 in the order in which they came.
    pub number: u64,
    /// When what it was asked about was there, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// Who logged it.
    pub source: Arc<LogSource>,
    /// The request that it was asked about, or whose answer.
    pub request_id: Arc<str>,
    /// How urgent.
    pub level: LogLevel,
    /// The text, control characters escaped.
    pub text: String,
}

impl LogLine {
    fn bytes(&self) -> usize {
        LINE_BYTES + self.text.len()
    }
}

/// Which lines. Everything given must hold.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Of one workspace.
    pub workspace: Option<String>,
    /// Of one connection.
    pub connection: Option<String>,
    /// Of one plugin.
    pub plugin: Option<String>,
    /// Of one request.
    pub request_id: Option<String>,
}

impl LogFilter {
    fn takes_source(&self, source: &LogSource) -> bool {
        let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        is(&self.workspace, &source.workspace)
            && is(&self.connection, &source.connection)
            && is(&self.plugin, &source.plugin)
    }

    fn takes(&self, line: &LogLine) -> bool {
        self.request_id.as_deref().is_none_or(|wanted| wanted == &*line.request_id)
    }
}

/// Some lines, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogPage {
    /// The lines.
    pub lines: Vec<LogLine>,
    /// Lines behind this number have not been looked at.
    pub last: u64,
    /// How many lines were let go since the start, of all plugins together.
    pub dropped: u64,
}

/// The newest lines of every plugin.
#[derive(Debug, Default)]
pub struct PluginLogs {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    of: BTreeMap<Arc<LogSource>, Lines>,
    /// Every source by the room that it takes, so that the largest is found at once.
    sizes: BTreeSet<(usize, Arc<LogSource>)>,
    lines: usize,
    bytes: usize,
    last: u64,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Lines {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl PluginLogs {
    /// Keeps what a plugin said to one request, line by line.
    pub(crate) fn add(
        &self,
        source: LogSource,
        at_ms: u64,
        request_id: &str,
        lines: impl IntoIterator<Item = (LogLevel, String)>,
    ) {
        let request_id: Arc<str> = request_id.into();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let source =
            kept.of.get_key_value(&source).map_or_else(|| Arc::new(source), |(known, _)| Arc::clone(known));
        for (level, text) in lines {
            kept.last += 1;
            let (number, source, request_id) = (kept.last, Arc::clone(&source), Arc::clone(&request_id));
            kept.push(LogLine { number, at_ms, source, request_id, level, text });
            while kept.lines > MAX_KEPT_LINES || kept.bytes > MAX_KEPT_BYTES {
                kept.drop_one();
            }
        }
    }

    /// Returns the newest lines, at most that many.
    pub fn newest(&self, filter: &LogFilter, limit: usize) -> LogPage {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let mut lines = kept.matching(filter, 0);
        lines.drain(..lines.len().saturating_sub(limit));
        LogPage { lines, last: kept.last, dropped: kept.dropped }
    }

    /// Returns the lines behind a number, the oldest ones if there are more than that many.
    pub fn after(&self, number: u64, filter: &LogFilter, limit: usize) -> LogPage {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // A number that was not given yet comes from before a new start.
        let number = if number > kept.last { 0 } else { number };
        let mut lines = kept.matching(filter, number);
        let all = lines.len() <= limit;
        lines.truncate(limit);
        let last = if all { kept.last } else { lines.last().map_or(number, |line| line.number) };
        LogPage { lines, last, dropped: kept.dropped }
    }
}

impl Kept {
    fn push(&mut self, line: LogLine) {
        let (source, bytes) = (Arc::clone(&line.source), line.bytes());
        let of = self.of.entry(Arc::clone(&source)).or_default();
        self.sizes.remove(&(of.bytes, Arc::clone(&source)));
        of.lines.push_back(line);
        of.bytes += bytes;
        self.sizes.insert((of.bytes, source));
        self.lines += 1;
        self.bytes += bytes;
    }

    /// Lets the oldest line go of whoever takes the most room.
    fn drop_one(&mut self) {
        let Some((_, source)) = self.sizes.pop_last() else { return };
        let Some(of) = self.of.get_mut(&source) else { return };
        if let Some(line) = of.lines.pop_front() {
            of.bytes -= line.bytes();
            self.lines -= 1;
            self.bytes -= line.bytes();
            self.dropped += 1;
        }
        if of.lines.is_empty() {
            self.of.remove(&source);
        } else {
            self.sizes.insert((of.bytes, source));
        }
    }

    /// Returns the lines behind a number, in order.
    fn matching(&self, filter: &LogFilter, after: u64) -> Vec<LogLine> {
        let of_sources = self.of.iter().filter(|(source, _)| filter.takes_source(source));
        let lines = of_sources.flat_map(|(_, of)| &of.lines);
        let mut lines: Vec<LogLine> =
            lines.filter(|line| line.number > after && filter.takes(line)).cloned().collect();
        lines.sort_unstable_by_key(|line| line.number);
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(plugin: &str) -> LogSource {
        LogSource { workspace: "acme".to_owned(), connection: "zoho".to_owned(), plugin: plugin.to_owned() }
    }

    fn say(logs: &PluginLogs, plugin: &str, request: &str, text: &str) {
        logs.add(source(plugin), 7, request, [(LogLevel::Info, text.to_owned())]);
    }

    fn of(plugin: &str) -> LogFilter {
        LogFilter { plugin: Some(plugin.to_owned()), ..LogFilter::default() }
    }

    fn texts(page: &LogPage) -> Vec<&str> {
        page.lines.iter().map(|line| line.text.as_str()).collect()
    }

    #[test]
    fn p12_quiet_plugin_keeps_its_lines_beside_a_chatty_one() {
        let logs = PluginLogs::default();
        say(&logs, "quiet", "req_1", "said once");
        for number in 0..3 * MAX_KEPT_LINES {
            say(&logs, "chatty", "req_2", &format!("line {number}"));
        }
        assert_eq!(texts(&logs.newest(&of("quiet"), 10)), ["said once"]);
        let all = logs.newest(&LogFilter::default(), usize::MAX);
        assert_eq!(all.lines.len(), MAX_KEPT_LINES);
        assert_eq!(all.lines.last().map(|line| line.number), Some(all.last));
        assert_eq!(all.dropped, 2 * MAX_KEPT_LINES as u64 + 1);
    }

    #[test]
    fn long_lines_are_bounded_by_their_bytes() {
        let logs = PluginLogs::default();
        let long = "x".repeat(64 << 10);
        for plugin in ["one", "two"] {
            for _ in 0..200 {
                say(&logs, plugin, "req_1", &long);
            }
        }
        let held = |plugin| logs.newest(&of(plugin), usize::MAX).lines.len();
        let most = MAX_KEPT_BYTES / (long.len() + LINE_BYTES);
        assert_eq!(held("one") + held("two"), most);
        assert!(held("one").abs_diff(held("two")) <= 1, "each has its half: {} and {}", held("one"), held("two"));
        // Who says one line that is larger than everything leaves nothing, and takes nothing with it for good.
        say(&logs, "huge", "req_1", &"x".repeat(MAX_KEPT_BYTES + 1));
        assert_eq!(held("huge"), 0);
        let kept = logs.kept.lock().expect("a lock");
        assert_eq!(kept.sizes.len(), kept.of.len());
        assert_eq!(kept.bytes, kept.of.values().map(|of| of.bytes).sum::<usize>());
        assert!(kept.bytes <= MAX_KEPT_BYTES);
    }

    #[test]
    fn lines_are_followed_by_pages_in_order() {
        let logs = PluginLogs::default();
        for number in 1..=5 {
            say(
                &logs,
                if number % 2 == 0 { "even" } else { "odd" },
                &format!("req_{number}"),
                &number.to_string(),
            );
        }
        let newest = logs.newest(&LogFilter::default(), 2);
        assert_eq!((texts(&newest), newest.last), (vec!["4", "5"], 5));
        let page = logs.after(0, &LogFilter::default(), 3);
        assert_eq!((texts(&page), page.last), (vec!["1", "2", "3"], 3));
        let page = logs.after(page.last, &LogFilter::default(), 3);
        assert_eq!((texts(&page), page.last), (vec!["4", "5"], 5));
        // What others say is not looked at again.
        let page = logs.after(0, &of("even"), 3);
        assert_eq!((texts(&page), page.last), (vec!["2", "4"], 5));
        assert_eq!(logs.after(5, &LogFilter::default(), 3).lines, []);
        assert_eq!(
            logs.after(6, &LogFilter::default(), 9).lines.len(),
            5,
            "who followed an earlier process goes on"
        );
        let request = LogFilter { request_id: Some("req_3".to_owned()), ..LogFilter::default() };
        assert_eq!(texts(&logs.newest(&request, 10)), ["3"]);
        let elsewhere = LogFilter { workspace: Some("globex".to_owned()), ..LogFilter::default() };
        assert_eq!(logs.newest(&elsewhere, 10).lines, []);
    }
}
