//! Text that comes from a guest, as it is shown.

pub(crate) use wardlock_core::plugin::text::{Dashes, is_code, is_plain};

/// Shows guest text on one line: at most `max_bytes` of it, the characters that may not be repeated escaped.
pub(crate) fn escaped(text: &str, max_bytes: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max_bytes) + 4);
    for c in text.chars() {
        if shown.len() + c.len_utf8() > max_bytes {
            shown.push('…');
            break;
        }
        if is_plain(c) {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guest_text_stays_on_its_line() {
        assert_eq!(escaped("a\nb\u{1b}[31m\u{202e}c", 100), "a\\nb\\u{1b}[31m\\u{202e}c");
        assert_eq!(escaped("ééé", 4), "éé…");
        assert_eq!(escaped("ééé", 3), "é…");
    }
}
