//! Google's quirks.

/// The quirks. The queues of [`Switches`](crate::Switches) (answers and faults) and its echo work here too.
#[derive(Clone, Debug)]
pub struct GoogleSwitches {
    /// Refresh tokens per user and client before the oldest is evicted. Google: 100.
    pub live_refresh_tokens: usize,
    /// How long an authorization code lives.
    pub code_lifetime_ms: u64,
    /// Whether the app is in "Testing": its refresh tokens then live seven days.
    pub testing: bool,
    /// Whether every API call is a 429 with the delay in its body.
    pub rate_limited: bool,
    /// The delay that a 429 names.
    pub retry_delay_seconds: u64,
    /// Rows of a page of `search`, and of a chunk of `searchStream`. Google: 10 000.
    pub page_rows: usize,
}

impl Default for GoogleSwitches {
    fn default() -> GoogleSwitches {
        GoogleSwitches {
            live_refresh_tokens: 100,
            code_lifetime_ms: 600_000,
            testing: false,
            rate_limited: false,
            retry_delay_seconds: 30,
            page_rows: 10_000,
        }
    }
}
