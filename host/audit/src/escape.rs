//! Makes agent-made text harmless wherever it is shown.

use std::fmt::Write as _;

/// How many marks that are drawn over the character before them stay as they are: as many as languages write. More are drawn over the
/// lines around them, too.
const MOST_MARKS: usize = 4;

/// Escapes what could speak to a terminal or mislead a reader: control characters (so ANSI sequences, too),
/// characters that turn the direction of writing, invisible ones, line separators, marks beyond [`MOST_MARKS`], and the backslash itself.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for (character, misleads) in misleading(text) {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            c if misleads => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\u{{{:x}}}", u32::from(c));
            }
            c => escaped.push(c),
        }
    }
    escaped
}

/// Returns each character with whether it must be escaped where people read the text: it misleads, or is one mark too many.
pub fn misleading(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut marks = 0;
    text.chars().map(move |character| {
        marks = if is_mark(character) { marks + 1 } else { 0 };
        (character, misleads(character) || marks > MOST_MARKS)
    })
}

/// Whether a character is drawn over the one before it (Unicode `Grapheme_Extend`), or nobody knows how it is drawn: what the standard
/// library escapes beyond ASCII.
fn is_mark(character: char) -> bool {
    !character.is_ascii() && character.escape_debug().len() > 1
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
    for (character, misleads) in misleading(json) {
        // Line ends stand between members, never inside a text.
        if !misleads || character == '\n' {
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
    fn a26_marks_beyond_a_few_are_not_drawn_over_other_lines() {
        let marked = |marks: usize| format!("a{}", "\u{300}".repeat(marks));
        assert_eq!(escape(&marked(4)), marked(4));
        assert_eq!(escape(&marked(6)), format!("{}\\u{{300}}\\u{{300}}", marked(4)));
        assert_eq!(escape(&"e\u{301}".repeat(9)), "e\u{301}".repeat(9), "each has its own");
        for written in ["שָׁ֣לוֹם", "นี้น้ำ", "हिन्दी क्ष्म्य", "Việt Nam", "अँग्रेज़ी", "👩\u{1f3fd}"]
        {
            assert_eq!(escape(written), written, "as a language writes it");
        }
        let value = serde_json::Value::String(marked(500));
        let escaped = escape_json(&value.to_string());
        assert_eq!(escaped.matches('\u{300}').count(), 4);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("still JSON"), value);
    }

    #[test]
    fn a26_escaped_json_is_the_same_value() {
        let value = serde_json::json!({"purpose": "x\u{202e}y\u{e0041}\u{9b}"});
        let escaped = escape_json(&value.to_string());
        assert!(!escaped.chars().any(misleads), "{escaped}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&escaped).expect("still JSON"), value);
    }
}
