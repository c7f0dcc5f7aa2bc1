//! Small text forms that several edges share.

use std::fmt::Write as _;

use wardlock_audit::misleading;

/// Decodes standard base64, padded or not.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;

    STANDARD_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

/// Encodes standard base64 without padding.
pub fn encode_base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD_NO_PAD;

    STANDARD_NO_PAD.encode(bytes)
}

/// Renders an error with its causes on one line.
pub fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

/// A time as people and programs read it (RFC 3339, UTC); a dash where it is out of range.
pub fn time(ms: u64) -> String {
    let ms = i64::try_from(ms).ok();
    let time = ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| "-".to_owned(), |time| time.to_string())
}

/// Reads a time with an offset, as TOML writes it, as milliseconds since 1970-01-01T00:00:00Z.
pub fn millis(text: &str) -> Result<u64, String> {
    let bad = || format!("`now` is not a time with an offset, such as 2026-01-05T12:00:00Z: {text}");
    let time: jiff::Timestamp = text.parse().map_err(|_| bad())?;
    u64::try_from(time.as_millisecond()).map_err(|_| bad())
}

/// Reads a time as a person gives it: a stamp, a day (UTC), or how long ago. Milliseconds since 1970-01-01T00:00:00Z.
pub fn moment(text: &str, now_ms: u64) -> Result<u64, String> {
    if let Ok(ago) = crate::config::lifetime(text) {
        return Ok(now_ms.saturating_sub(u64::try_from(ago.as_millis()).unwrap_or(u64::MAX)));
    }
    let day = format!("{text}T00:00:00Z");
    let stamp = text.parse::<jiff::Timestamp>().or_else(|_| day.parse());
    let ms = stamp.ok().and_then(|stamp| u64::try_from(stamp.as_millisecond()).ok());
    ms.ok_or_else(|| format!("`{}` is no time", text.escape_debug()))
}

/// What to do about one that cannot be read.
pub const MOMENT_HINT: &str = "write \"2026-11-25T08:00:00Z\", \"2026-11-25\" (UTC), or \"24h\" for so long ago";

/// How many records a request touches, where the host cannot count them.
pub const UNCOUNTED: &str = "nobody can tell: whatever the request selects, which can be a whole view or list";

/// Makes text that others wrote safe to show on a terminal or a page: control, invisible and direction-turning characters, and marks
/// beyond a few over one character, become visible escapes, so that nobody's terminal is driven by a request path.
pub fn for_terminal(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for (character, misleads) in misleading(text) {
        if misleads {
            // Writing to a String cannot fail.
            let _ = write!(safe, "\\u{{{:x}}}", u32::from(character));
        } else {
            safe.push(character);
        }
    }
    safe
}

/// As [`for_terminal`], but keeps line ends.
pub fn for_terminal_lines(text: &str) -> String {
    text.lines().map(for_terminal).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_escapes_become_visible() {
        assert_eq!(for_terminal("a\u{1b}[31mb\u{202e}"), "a\\u{1b}[31mb\\u{202e}");
        let drawn = for_terminal(&format!("a{}", "\u{300}".repeat(500)));
        assert_eq!(drawn.matches('\u{300}').count(), 4);
    }

    #[test]
    fn base64_is_read_with_and_without_padding() {
        assert_eq!(decode_base64("YTpi"), Some(b"a:b".to_vec()));
        assert_eq!(decode_base64("YTpiYg=="), decode_base64("YTpiYg"));
        assert_eq!(decode_base64("*"), None);
    }
}
