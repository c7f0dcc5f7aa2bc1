//! Makes agent-made text harmless wherever it is shown.

use std::fmt::Write as _;

/// Escapes what could speak to a terminal or mislead a reader: control characters (so ANSI sequences, too),
/// characters that turn the direction of writing, invisible ones, line separators, and the backslash itself.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if misleads(c) => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Whether a character does something other than stand in its place (Unicode `Cc`, `Cf`, `Zl`, `Zp`, fillers).
pub fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{115f}'
            | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Renders JSON text so that it is harmless, too: the same value, with such characters as `\u` escapes.
pub fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        // Line ends stand between members, never inside a text.
        if !misleads(character) || character == '\n' {
            escaped.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a26_nothing_speaks_to_the_terminal() {
        assert_eq!(escape("a\x1b[31mred\u{202e}\u{7f}\n\\"), "a\\u{1b}[31mred\\u{202e}\\u{7f}\\n\\\\");
        assert_eq!(escape("Zoë, 東京 🙂"), "Zoë, 東京 🙂");
    }

    #[test]
    fn a26_escaped_json_is_the_same_value() {
        let value = serde_json::json!({"purpose": "x\u{202e}y\u{e0041}\u{9b}"});
        let escaped = escape_json(&value.to_string());
        assert!(!escaped.chars().any(misleads), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("still JSON"), value);
    }
}
