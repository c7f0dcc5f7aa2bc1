//! Meta's quirks.

/// The quirks. The queues of [`Switches`](crate::Switches) (answers and faults) and its echo work here too.
#[derive(Clone, Debug)]
pub struct MetaSwitches {
    /// How long a token of the code exchange lives: about two hours.
    pub short_lifetime_seconds: u64,
    /// How long a token of `fb_exchange_token` lives: about sixty days.
    pub long_lifetime_seconds: u64,
    /// How long an authorization code lives.
    pub code_lifetime_ms: u64,
    /// Whether errors come with status 200, as the field reports.
    pub errors_in_200: bool,
    /// The code of the throttle (4, 17, 32, 613, 80000-80014) that every API call runs into.
    pub throttled: Option<u32>,
    /// What the usage headers say until access comes back, in minutes.
    pub minutes_to_regain_access: u64,
    /// Objects of a page when the call names no `limit`.
    pub page_objects: usize,
}

impl Default for MetaSwitches {
    fn default() -> MetaSwitches {
        MetaSwitches {
            short_lifetime_seconds: 7_200,
            long_lifetime_seconds: 5_183_944,
            code_lifetime_ms: 600_000,
            errors_in_200: false,
            throttled: None,
            minutes_to_regain_access: 5,
            page_objects: 25,
        }
    }
}
