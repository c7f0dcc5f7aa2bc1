//! What plugins log: at most 16 lines of 1 KiB for one request, escaped, with the request's id and the plugin's name.
//!
//! Standard output and standard error end here too.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;

use crate::text::escaped;

const MAX_LINES: u32 = 16;
const MAX_LINE_BYTES: usize = 1 << 10;

/// The log of one plugin in one request.
#[derive(Debug)]
pub(crate) struct PluginLog {
    plugin: Arc<str>,
    request_id: String,
    lines: u32,
}

/// A log that a guest's output streams share with the `log` import.
pub(crate) type SharedLog = Arc<Mutex<PluginLog>>;

impl PluginLog {
    /// Opens the log of one request.
    pub(crate) fn open(plugin: &Arc<str>, request_id: &str) -> Self {
        Self { plugin: Arc::clone(plugin), request_id: request_id.to_owned(), lines: 0 }
    }

    /// Writes what a guest logs, line by line. Levels: 0 error, 1 warn, 2 info, anything else debug.
    pub(crate) fn write(&mut self, level: u8, text: &str) {
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            self.lines = self.lines.saturating_add(1);
            if self.lines <= MAX_LINES {
                self.emit(level, &escaped(line, MAX_LINE_BYTES));
            }
        }
    }

    fn emit(&self, level: u8, line: &str) {
        let (plugin, request_id) = (&*self.plugin, self.request_id.as_str());
        match level {
            0 => tracing::event!(target: "wardlock::plugin", Level::ERROR, request_id, plugin, "{line}"),
            1 => tracing::event!(target: "wardlock::plugin", Level::WARN, request_id, plugin, "{line}"),
            2 => tracing::event!(target: "wardlock::plugin", Level::INFO, request_id, plugin, "{line}"),
            _ => tracing::event!(target: "wardlock::plugin", Level::DEBUG, request_id, plugin, "{line}"),
        }
    }
}

impl Drop for PluginLog {
    fn drop(&mut self) {
        let dropped = self.lines.saturating_sub(MAX_LINES);
        if dropped > 0 {
            self.emit(1, &format!("{dropped} more lines of this request were dropped"));
        }
    }
}

/// Writes to a shared log.
pub(crate) fn write(log: &SharedLog, level: u8, text: &str) {
    log.lock().unwrap_or_else(PoisonError::into_inner).write(level, text);
}
