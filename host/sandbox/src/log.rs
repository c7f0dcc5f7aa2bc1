//! What plugins log: at most 16 lines of 1 KiB for one request, escaped, with the request's id and the plugin's name.
//!
//! Standard output and standard error end here too. Lines are gathered where the guest runs and told where the host is: in the
//! host's log, and among the newest lines that are kept in memory.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::Level;
use wardlock_core::plugin::Caller;

use crate::logs::{LogLevel, LogSource, PluginLogs};
use crate::text::escaped;

const MAX_LINES: usize = 16;
const MAX_LINE_BYTES: usize = 1 << 10;
/// How many lines an error keeps, and how long they are: it is told on one line.
const LAST_LINES: usize = 4;
const LAST_LINE_BYTES: usize = 300;

/// What one plugin logged in one request.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PluginLog {
    lines: Vec<(u8, String)>,
    dropped: u32,
    /// Whether the last lines are kept instead of the first.
    #[serde(skip)]
    keeps_last: bool,
}

/// A log that a guest's output streams share with the `log` import.
pub(crate) type SharedLog = Arc<Mutex<PluginLog>>;

impl PluginLog {
    /// Takes what a guest logs, line by line. Levels: 0 error, 1 warn, 2 info, anything else debug.
    fn write(&mut self, level: u8, text: &str) {
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            if self.lines.len() < MAX_LINES {
                self.lines.push((level, escaped(line, MAX_LINE_BYTES)));
                continue;
            }
            self.dropped = self.dropped.saturating_add(1);
            if self.keeps_last {
                self.lines.remove(0);
                self.lines.push((level, escaped(line, MAX_LINE_BYTES)));
            }
        }
    }

    /// Tells what was logged. The lines may come from a process that says anything, so their bounds hold here once more.
    pub(crate) fn tell(&self, logs: &PluginLogs, of: &Said<'_>) {
        if self.lines.is_empty() && self.dropped == 0 {
            return;
        }
        let shown = self
            .lines
            .iter()
            .take(MAX_LINES)
            .map(|(level, line)| (LogLevel::of(*level), escaped(line, MAX_LINE_BYTES + '…'.len_utf8())));
        let rest = (self.dropped > 0)
            .then(|| (LogLevel::Warn, format!("{} more lines of this request were dropped", self.dropped)));
        let lines: Vec<(LogLevel, String)> = shown.chain(rest).collect();
        lines.iter().for_each(|(level, line)| emit(of, *level, line));
        let source = LogSource {
            workspace: of.caller.workspace.clone(),
            connection: of.caller.connection.clone(),
            plugin: of.plugin.to_owned(),
        };
        logs.add(source, of.at_ms, of.request_id, lines);
    }
}

/// Who says something, and about what.
pub(crate) struct Said<'a> {
    pub(crate) plugin: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) caller: &'a Caller,
    pub(crate) at_ms: u64,
}

fn emit(Said { plugin, request_id, .. }: &Said<'_>, level: LogLevel, line: &str) {
    match level {
        LogLevel::Error => tracing::event!(target: "wardlock::plugin", Level::ERROR, request_id, plugin, "{line}"),
        LogLevel::Warn => tracing::event!(target: "wardlock::plugin", Level::WARN, request_id, plugin, "{line}"),
        LogLevel::Info => tracing::event!(target: "wardlock::plugin", Level::INFO, request_id, plugin, "{line}"),
        LogLevel::Debug => tracing::event!(target: "wardlock::plugin", Level::DEBUG, request_id, plugin, "{line}"),
    }
}

/// The last lines that a plugin logged before it failed, escaped. They may come from a process that says anything, so whatever is read
/// is bounded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<String>")]
pub struct LastLines(Vec<String>);

impl From<Vec<String>> for LastLines {
    fn from(lines: Vec<String>) -> Self {
        let left_out = lines.len().saturating_sub(LAST_LINES);
        let most = LAST_LINE_BYTES + '…'.len_utf8();
        Self(lines.iter().skip(left_out).map(|line| escaped(line, most)).collect())
    }
}

impl fmt::Display for LastLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, "; it logged: {}", self.0.join(" | "))
    }
}

/// Makes the log of a plugin that is loaded: nobody sees it unless that fails.
pub(crate) fn of_loading() -> SharedLog {
    Arc::new(Mutex::new(PluginLog { keeps_last: true, ..PluginLog::default() }))
}

/// Returns the last lines of a log.
pub(crate) fn last(log: &SharedLog) -> LastLines {
    let log = log.lock().unwrap_or_else(PoisonError::into_inner);
    let lines: Vec<String> = log.lines.iter().map(|(_, line)| escaped(line, LAST_LINE_BYTES)).collect();
    lines.into()
}

/// Writes to a shared log.
pub(crate) fn write(log: &SharedLog, level: u8, text: &str) {
    log.lock().unwrap_or_else(PoisonError::into_inner).write(level, text);
}

/// Takes what was gathered so far.
pub(crate) fn take(log: &SharedLog) -> PluginLog {
    std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_lines_are_few_short_and_escaped_wherever_they_come_from() {
        let log = of_loading();
        for line in 0..100 {
            write(&log, 2, &format!("line {line}"));
        }
        write(&log, 0, "the\u{1b}[31mend");
        assert_eq!(last(&log).to_string(), "; it logged: line 97 | line 98 | line 99 | the\\u{1b}[31mend");
        assert_eq!(last(&SharedLog::default()).to_string(), "");
        // As a process sends them that says anything.
        let said: Vec<String> = (0..9).map(|_| "\n".repeat(10_000)).collect();
        let told = LastLines::from(said).to_string();
        assert!(told.len() < 1_300 && !told.contains('\n'), "{}", told.len());
    }
}
