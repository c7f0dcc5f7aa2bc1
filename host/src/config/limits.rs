//! `[limits]`: how much of everything there may be, how often and for how long.

use std::time::Duration;

use serde::Deserialize;

use super::text_error::{Document, TextError};
use super::units::{Bytes, Rate, Span};

/// The table, which is what holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsFile {
    /// The largest body that is buffered.
    pub body: Bytes,
    /// Within what time a request's head must have arrived.
    pub head_time: Span,
    /// Within what time its body must have arrived.
    pub request_time: Span,
    /// How long an agent may leave an answer unread.
    pub unread_time: Span,
    /// Within what time the provider must have answered.
    pub upstream_time: Span,
    /// How long a request may wait until the provider takes one more call.
    pub queue_time: Span,
    /// How long requests under way may take to finish at shutdown.
    pub shutdown_time: Span,
    /// How many connections of agents may be open.
    pub connections: usize,
    /// How many requests may be under way.
    pub requests: usize,
    /// How many requests of one agent may be under way.
    pub requests_per_agent: usize,
    /// How often agents may ask, all together.
    pub rate: Rate,
    /// How often one agent may ask.
    pub rate_per_agent: Rate,
    /// How many plugin decisions may run.
    pub plugins: u32,
}

impl Default for LimitsFile {
    fn default() -> Self {
        Self {
            body: Bytes(4 << 20),
            head_time: Span(Duration::from_secs(15)),
            request_time: Span(Duration::from_secs(30)),
            unread_time: Span(Duration::from_mins(1)),
            upstream_time: Span(Duration::from_mins(1)),
            queue_time: Span(Duration::from_secs(10)),
            shutdown_time: Span(Duration::from_secs(10)),
            connections: 1024,
            requests: 256,
            requests_per_agent: 64,
            rate: Rate::per_second(2000),
            rate_per_agent: Rate::per_second(200),
            plugins: 32,
        }
    }
}

impl LimitsFile {
    /// Checks what the types do not.
    pub fn check(&self, document: &Document<'_>) -> Result<(), TextError> {
        let counts = [
            ("connections", self.connections, 65_536),
            ("requests", self.requests, 65_536),
            ("requests_per_agent", self.requests_per_agent, 65_536),
            ("plugins", self.plugins as usize, 1024),
        ];
        for (key, count, most) in counts {
            if !(1..=most).contains(&count) {
                return Err(document.error_at(&["limits", key], format!("a number from 1 to {most} is wanted")));
            }
        }
        if self.body.0 > 64 << 20 {
            let problem = "bodies are kept in memory, so \"64MiB\" is the most";
            return Err(document.error_at(&["limits", "body"], problem));
        }
        Ok(())
    }
}
