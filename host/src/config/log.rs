//! `[log]` in `wardlock.toml`: how much is logged, and in which form.

use serde::Deserialize;
use tracing::Level;

/// The table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// The form of a line.
    pub format: LogFormat,
    level: LevelWord,
}

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object, for programs.
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LevelWord {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

impl LogConfig {
    /// Returns up to which level Wardlock's own code logs.
    pub fn level(self) -> Level {
        match self.level {
            LevelWord::Error => Level::ERROR,
            LevelWord::Warn => Level::WARN,
            LevelWord::Info => Level::INFO,
            LevelWord::Debug => Level::DEBUG,
            LevelWord::Trace => Level::TRACE,
        }
    }
}
