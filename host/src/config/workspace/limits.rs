//! `limits` of a plugin: what one decision may take, within what the sandbox gives.

use std::time::Duration;

use serde::Deserialize;
use wardlock_core::plugin::{MAX_MEMORY, MAX_TIME, MIN_MEMORY, MIN_TIME};

use crate::config::units::{Bytes, Span};

/// The memory of a plugin whose table says nothing of it.
pub const DEFAULT_MEMORY_BYTES: u64 = 32 << 20;

/// The table.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsFile {
    pub(super) time: Time,
    pub(super) memory: Memory,
}

impl Default for LimitsFile {
    fn default() -> Self {
        Self { time: Time(Duration::from_millis(20)), memory: Memory(DEFAULT_MEMORY_BYTES) }
    }
}

/// How long it may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Time(pub(super) Duration);

impl TryFrom<String> for Time {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let no =
            format!("`{}` is not a time from {MIN_TIME:?} to {MAX_TIME:?}, such as \"20ms\"", text.escape_debug());
        let Ok(Span(time)) = Span::try_from(text) else { return Err(no) };
        if (MIN_TIME..=MAX_TIME).contains(&time) { Ok(Self(time)) } else { Err(no) }
    }
}

/// How many bytes of memory it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Memory(pub(super) u64);

impl TryFrom<String> for Memory {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (least, most) = (MIN_MEMORY >> 10, MAX_MEMORY >> 20);
        let no =
            format!("`{}` is not a size from {least}KiB to {most}MiB, such as \"32MiB\"", text.escape_debug());
        let Ok(Bytes(bytes)) = Bytes::try_from(text) else { return Err(no) };
        if (MIN_MEMORY..=MAX_MEMORY).contains(&bytes) { Ok(Self(bytes)) } else { Err(no) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_wrong_with_a_limit_one_range_is_told() {
        for bad in ["1h", "0ms", "6s", "1min", "day", ""] {
            let no = Time::try_from(bad.to_owned()).expect_err(bad);
            assert!(no.contains("from 1ms to 5s"), "{no}");
        }
        for bad in ["100GiB", "65MiB", "1B", "63KiB", "32MB", ""] {
            let no = Memory::try_from(bad.to_owned()).expect_err(bad);
            assert!(no.contains("from 64KiB to 64MiB"), "{no}");
        }
        for (good, time) in [("1ms", MIN_TIME), ("5s", MAX_TIME), ("20 ms", Duration::from_millis(20))] {
            assert_eq!(Time::try_from(good.to_owned()), Ok(Time(time)));
        }
        for (good, bytes) in [("64KiB", MIN_MEMORY), ("64MiB", MAX_MEMORY)] {
            assert_eq!(Memory::try_from(good.to_owned()), Ok(Memory(bytes)));
        }
    }
}
