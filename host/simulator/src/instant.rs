//! Time stamps in the forms that Zoho writes and reads.

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// Returns a time as Zoho writes it: `2026-11-21T19:40:00+00:00`.
pub(crate) fn iso(ms: u64) -> String {
    let ms = i64::try_from(ms).unwrap_or(i64::MAX);
    let timestamp = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH);
    timestamp.to_zoned(TimeZone::UTC).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// Reads an ISO 8601 time with an offset; a day alone means its first moment in UTC.
pub(crate) fn parse(text: &str) -> Option<u64> {
    // A `+` that was left bare in a query arrives as a space.
    let text = text.trim().replace(' ', "+");
    let timestamp: Timestamp = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse()).ok()?;
    u64::try_from(timestamp.as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        assert_eq!(iso(1_795_290_000_000), "2026-11-21T19:40:00+00:00");
        assert_eq!(parse("2026-11-21T20:40:00+01:00"), Some(1_795_290_000_000));
        assert_eq!(parse("2026-11-21"), Some(1_795_219_200_000));
        assert_eq!(parse("yesterday"), None);
    }
}
