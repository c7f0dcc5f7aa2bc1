//! What a plugin takes of its quotas: the same on both sides of any boundary that plugins run behind.

use serde::{Deserialize, Serialize};

use super::text::is_plain;

/// The most bytes of a key.
const MAX_KEY: usize = 128;
/// The longest window, seconds: 366 days.
const MAX_WINDOW: u32 = 366 * 24 * 3600;
/// How often one decision of a plugin may take.
pub const MAX_TAKES: u32 = 16;
/// How many counters a plugin may have at once in one workspace.
pub const MAX_COUNTERS: usize = 10_000;

/// What a take comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Whether there was one left.
    pub granted: bool,
    /// How many are left in this window.
    pub remaining: u32,
    /// When the window ends, milliseconds since 1970-01-01T00:00:00Z.
    pub resets_ms: u64,
}

impl Taken {
    /// Takes one of `limit` where `used` are gone already.
    pub fn of(limit: u32, used: u32, window: Window) -> Self {
        let granted = used < limit;
        let remaining = limit.saturating_sub(used).saturating_sub(u32::from(granted));
        Self { granted, remaining, resets_ms: window.end_ms }
    }
}

/// A window of fixed length, aligned to 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// When it began, milliseconds since then.
    pub start_ms: u64,
    /// When it ends.
    pub end_ms: u64,
}

impl Window {
    /// Returns the window of a length that a time lies in.
    pub fn at(now_ms: u64, seconds: u32) -> Self {
        let length_ms = u64::from(seconds.max(1)) * 1000;
        let start_ms = now_ms - now_ms % length_ms;
        Self { start_ms, end_ms: start_ms.saturating_add(length_ms) }
    }
}

/// Why nothing can be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum QuotaFault {
    /// The call breaks the contract.
    #[error("`quota.take` {what}")]
    Misuse {
        /// What is wrong with it.
        what: String,
    },
    /// The plugin has too many counters.
    #[error("`quota.take` names more than {MAX_COUNTERS} keys whose windows have not ended")]
    TooManyCounters,
    /// The host cannot count.
    #[error("the host cannot count quotas: {what}")]
    Unavailable {
        /// What happened.
        what: String,
    },
}

impl QuotaFault {
    /// Makes a fault of a call that breaks the contract: what is wrong, as the rest of a sentence about `quota.take`.
    pub fn misuse(what: &str) -> Self {
        Self::Misuse { what: what.to_owned() }
    }
}

/// Checks what a plugin asks for.
pub fn check_take(key: &str, window_seconds: u32) -> Result<(), QuotaFault> {
    if key.is_empty() || key.len() > MAX_KEY || !key.chars().all(is_plain) {
        return Err(QuotaFault::misuse("has a key that is not 1 to 128 bytes of plain text"));
    }
    if window_seconds == 0 || window_seconds > MAX_WINDOW {
        return Err(QuotaFault::misuse("has a window that is not 1 s to 366 days long"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_aligned_and_a_take_says_what_is_left() {
        let window = Window::at(7_199_999, 3600);
        assert_eq!((window.start_ms, window.end_ms), (3_600_000, 7_200_000));
        assert_eq!(Window::at(7_200_000, 3600).start_ms, 7_200_000);
        let left = |limit, used| {
            let taken = Taken::of(limit, used, window);
            (taken.granted, taken.remaining)
        };
        assert_eq!(
            [left(2, 0), left(2, 1), left(2, 2), left(1, 2), left(0, 0)],
            [(true, 1), (true, 0), (false, 0), (false, 0), (false, 0)]
        );
    }

    #[test]
    fn what_is_asked_for_is_capped() {
        assert_eq!(check_take("mails", 1), Ok(()));
        assert_eq!(check_take(&"k".repeat(MAX_KEY), MAX_WINDOW), Ok(()));
        for (key, window) in [("", 1), ("a\nb", 1), ("a", 0), ("a", MAX_WINDOW + 1)] {
            assert!(matches!(check_take(key, window), Err(QuotaFault::Misuse { .. })), "{key:?} {window}");
        }
        assert!(check_take(&"k".repeat(MAX_KEY + 1), 1).is_err());
    }
}
