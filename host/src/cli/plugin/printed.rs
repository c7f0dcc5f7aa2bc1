//! TOML as it is printed for a person to paste: harmless on a terminal, and the same values.

use std::fmt::Write as _;

use wardlock_audit::misleading;

use crate::text::for_terminal;

/// Each character of a text, and whether it misleads.
type Characters<'a> = &'a [(char, bool)];

/// Shows a TOML text: what misleads becomes an escape of TOML's in strings, and a visible one elsewhere.
pub(super) fn toml(text: &str) -> String {
    let all: Vec<(char, bool)> = misleading(text).filter(|(character, _)| *character != '\r').collect();
    let (mut shown, mut rest) = (String::with_capacity(text.len()), all.as_slice());
    while let Some((first, _)) = rest.first() {
        let (part, behind) = rest.split_at(match first {
            '"' | '\'' => string_length(rest),
            '#' => rest.iter().position(|(character, _)| *character == '\n').unwrap_or(rest.len()),
            _ => 1,
        });
        match first {
            '"' | '\'' => push_string(&mut shown, part),
            '\n' | '\t' => shown.push(*first),
            _ => shown.push_str(&for_terminal(&part.iter().map(|(character, _)| *character).collect::<String>())),
        }
        rest = behind;
    }
    shown
}

/// Returns how many quotes open the string that a text begins with.
fn quotes(text: Characters<'_>) -> usize {
    let first = text.first().map(|(first, _)| *first);
    let is_long = text.len() > 2 && text[1..3].iter().all(|(character, _)| Some(*character) == first);
    if is_long { 3 } else { 1 }
}

/// Returns the length of the string that a text begins with, quotes and all.
fn string_length(text: Characters<'_>) -> usize {
    let (quote, quotes) = (text[0].0, quotes(text));
    let is_quote = |at: usize| text.get(at).is_some_and(|(character, _)| *character == quote);
    let mut at = quotes;
    while at < text.len() {
        if quote == '"' && text[at].0 == '\\' {
            at += 2;
            continue;
        }
        if (at..at + quotes).all(is_quote) {
            // Quotes right before the last three belong to the text.
            while quotes == 3 && is_quote(at + 3) {
                at += 1;
            }
            return at + quotes;
        }
        at += 1;
    }
    text.len()
}

/// Adds a string. One without escapes becomes one with them, where something in it misleads.
fn push_string(shown: &mut String, string: Characters<'_>) {
    let quotes = quotes(string);
    let is_kept = |(character, misleads): &(char, bool)| !misleads || matches!(character, '\n' | '\t');
    if string.iter().all(is_kept) || string.len() < 2 * quotes {
        shown.extend(string.iter().map(|(character, _)| character));
        return;
    }
    let is_literal = string[0].0 == '\'';
    let quote = "\"".repeat(quotes);
    shown.push_str(&quote);
    for of in &string[quotes..string.len() - quotes] {
        // Writing to a String cannot fail.
        let _ = match of {
            ('"' | '\\', _) if is_literal => write!(shown, "\\{}", of.0),
            (character, _) if is_kept(of) => write!(shown, "{character}"),
            (character, _) => write!(shown, "\\U{:08x}", u32::from(*character)),
        };
    }
    shown.push_str(&quote);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_has_the_same_values_and_nothing_that_misleads() {
        let text = "# a\u{202e}b \"\r\n[a.\"k\u{200d}\"]\n\tplain = \"no # comment\"\n\"e\" = \"\"\nbasic = \"a\u{200c}\\\"\\u200d\"\n\
                    literal = 'a\u{200c}\\n\"b'\nlong = \"\"\"\na\u{200b} \\\"\"\"\\\n  b\"\"\"\"\nlong_literal = \'\'\'\n'\\\u{feff}\"\"\"\'\'\'\'\n\
                    tag = \"\u{e0041}\" # \u{7}\n";
        let shown = toml(text);
        let of = |text: &str| toml::from_str::<toml::Table>(text);
        assert_eq!(of(&shown), of(&text.replace(['\u{202e}', '\u{7}'], "")), "{shown}");
        assert!(of(&shown).is_ok() && shown.starts_with("# a\\u{202e}b"), "{shown}");
        assert_eq!(misleading(&shown).find(|(of, misleads)| *misleads && !matches!(of, '\n' | '\t')), None);
    }
}
