//! Text that comes from a plugin: what of it may be repeated.

/// Returns whether a character may stand in text that people and terminals see: no control characters, nothing that
/// turns the direction of writing, no line separators.
pub fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Returns whether a text is a code: `[a-z0-9_]{1,64}`, and `-` where `dashes` says so.
pub fn is_code(text: &str, dashes: Dashes) -> bool {
    let allowed = |b: u8| {
        b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || (b == b'-' && dashes == Dashes::Allow)
    };
    (1..=64).contains(&text.len()) && text.bytes().all(allowed)
}

/// Whether a code may hold `-`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Dashes {
    /// It may: names.
    Allow,
    /// It may not: reason codes.
    Refuse,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_lower_case() {
        for (text, dashes, expected) in [
            ("a_1", Dashes::Refuse, true),
            ("a-1", Dashes::Refuse, false),
            ("a-1", Dashes::Allow, true),
            ("", Dashes::Allow, false),
            ("A", Dashes::Allow, false),
        ] {
            assert_eq!(is_code(text, dashes), expected, "{text}");
        }
        assert!(!is_code(&"a".repeat(65), Dashes::Allow));
    }
}
