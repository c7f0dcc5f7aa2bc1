//! What plugins log: at most 16 lines of 1 KiB for one request, escaped, with the request's id and the plugin's name.
//!
//! Standard output and standard error end here too. Lines are gathered where the guest runs and told where the host is: in the
//! host's log, and among the newest lines that are kept in memory.

use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tracing::Level;
use wardlock_core::plugin::Caller;

use crate::logs::{LogLevel, LogSource, PluginLogs};
use crate::text::escaped;

const MAX_LINES: usize = 16;
const MAX_LINE_BYTES: usize = 1 << 10;

/// What one plugin logged in one request.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PluginLog {
    lines: Vec<(u8, String)>,
    dropped: u32,
}

/// A log that a guest's output streams share with the `log` import.
pub(crate) type SharedLog = Arc<Mutex<PluginLog>>;

impl PluginLog {
    /// Takes what a guest logs, line by line. Levels: 0 error, 1 warn, 2 info, anything else debug.
    fn write(&mut self, level: u8, text: &str) {
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            if self.lines.len() < MAX_LINES {
                self.lines.push((level, escaped(line, MAX_LINE_BYTES)));
            } else {
                self.dropped = self.dropped.saturating_add(1);
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

/// Writes to a shared log.
pub(crate) fn write(log: &SharedLog, level: u8, text: &str) {
    log.lock().unwrap_or_else(PoisonError::into_inner).write(level, text);
}

/// Takes what was gathered so far.
pub(crate) fn take(log: &SharedLog) -> PluginLog {
    std::mem::take(&mut *log.lock().unwrap_or_else(PoisonError::into_inner))
}
