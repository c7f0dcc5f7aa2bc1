//! The spellings in which a secret may come back from an upstream: raw, JSON, percent, HTML, hex, base64, UTF-16.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

type Spelling = Zeroizing<Vec<u8>>;

/// Returns every spelling of a secret's bytes that is looked for; some may be alike.
pub(super) fn spellings(raw: &[u8]) -> Vec<Spelling> {
    let mut all = vec![Zeroizing::new(raw.to_vec())];
    all.extend(json(raw));
    all.extend(percent(raw));
    all.extend(html(raw));
    all.extend(hexadecimal(raw));
    all.extend(base64(raw));
    all.extend(utf16(raw));
    all
}

/// Spells each byte by a rule; the buffer never grows, so that no copies are left behind.
fn spell(raw: &[u8], rule: impl Fn(&mut String, u8)) -> Spelling {
    // The longest is `%2500` or `&#x2f;` or `\u002f`: six bytes for one.
    let mut text = String::with_capacity(raw.len() * 6);
    for &byte in raw {
        rule(&mut text, byte);
    }
    Zeroizing::new(text.into_bytes())
}

/// Writes formatted text; writing to a `String` cannot fail.
macro_rules! put {
    ($text:expr, $($format:tt)+) => { { let _ = write!($text, $($format)+); } };
}

/// JSON strings: only what must be escaped; `\/` as PHP does; `<>&'` as Go does; everything as `\u00xx`.
fn json(raw: &[u8]) -> Vec<Spelling> {
    let plain = |text: &mut String, byte: u8| match byte {
        b'"' | b'\\' => put!(text, "\\{}", char::from(byte)),
        _ => text.push(char::from(byte)),
    };
    let slashes = |text: &mut String, byte: u8| match byte {
        b'/' => text.push_str("\\/"),
        _ => plain(text, byte),
    };
    let for_html = |slash_too: bool| {
        move |text: &mut String, byte: u8| match byte {
            b'<' | b'>' | b'&' | b'\'' | b'=' | b'+' => put!(text, "\\u{byte:04x}"),
            b'/' if slash_too => put!(text, "\\u{byte:04x}"),
            _ => plain(text, byte),
        }
    };
    let go = |text: &mut String, byte: u8| match byte {
        b'<' | b'>' | b'&' => put!(text, "\\u{byte:04x}"),
        _ => plain(text, byte),
    };
    vec![
        spell(raw, plain),
        spell(raw, slashes),
        spell(raw, go),
        spell(raw, for_html(false)),
        spell(raw, for_html(true)),
        spell(raw, |text, byte| put!(text, "\\u{byte:04x}")),
        spell(raw, |text, byte| put!(text, "\\u{byte:04X}")),
    ]
}

/// Percent-encoding: common sets of punctuation left alone, or letters and digits only, or nothing; hex digits in both
/// cases; then twice.
fn percent(raw: &[u8]) -> Vec<Spelling> {
    const LEFT_ALONE: [Option<&[u8]>; 6] =
        [Some(b"-._~"), Some(b"-._~!'()*"), Some(b"-._*"), Some(b"-._~!'()*$&+,;=:@/?"), Some(b""), None];
    let mut all = Vec::with_capacity(LEFT_ALONE.len() * 4);
    for left_alone in LEFT_ALONE {
        for sign in ["%", "%25"] {
            let keep =
                |byte: u8| left_alone.is_some_and(|left| byte.is_ascii_alphanumeric() || left.contains(&byte));
            all.push(spell(raw, |text, byte| {
                if keep(byte) { text.push(char::from(byte)) } else { put!(text, "{sign}{byte:02X}") }
            }));
            all.push(spell(raw, |text, byte| {
                if keep(byte) { text.push(char::from(byte)) } else { put!(text, "{sign}{byte:02x}") }
            }));
        }
    }
    all
}

/// HTML entities: those that must be; with `/`, `=` and backquote too; everything by number.
fn html(raw: &[u8]) -> Vec<Spelling> {
    let named = |quote: &'static str| {
        move |text: &mut String, byte: u8| match byte {
            b'&' => text.push_str("&amp;"),
            b'<' => text.push_str("&lt;"),
            b'>' => text.push_str("&gt;"),
            b'"' => text.push_str("&quot;"),
            b'\'' => text.push_str(quote),
            _ => text.push(char::from(byte)),
        }
    };
    let wider = |text: &mut String, byte: u8| match byte {
        b'/' | b'=' | b'`' => put!(text, "&#x{byte:X};"),
        _ => named("&#39;")(text, byte),
    };
    vec![
        spell(raw, named("&#39;")),
        spell(raw, named("&#x27;")),
        spell(raw, named("&apos;")),
        spell(raw, wider),
        spell(raw, |text, byte| put!(text, "&#{byte};")),
        spell(raw, |text, byte| put!(text, "&#x{byte:x};")),
        spell(raw, |text, byte| put!(text, "&#x{byte:X};")),
    ]
}

fn hexadecimal(raw: &[u8]) -> Vec<Spelling> {
    vec![spell(raw, |text, byte| put!(text, "{byte:02x}")), spell(raw, |text, byte| put!(text, "{byte:02X}"))]
}

/// Base64 in both alphabets, with the secret beginning at each of the three places that it can have within a
/// group. Characters that also depend on what stands before or after the secret are left off.
fn base64(raw: &[u8]) -> Vec<Spelling> {
    let mut all = Vec::with_capacity(6);
    for before in 0..3 {
        let mut shifted = Zeroizing::new(vec![0_u8; before]);
        shifted.reserve_exact(raw.len());
        shifted.extend_from_slice(raw);
        // Six bits a character: the first that is all the secret's, and the end of the last that is.
        let first = (before * 8).div_ceil(6);
        let end = shifted.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            let text = Zeroizing::new(engine.encode(shifted.as_slice()));
            let whole = text.as_bytes().get(first..end).unwrap_or_default();
            all.push(Zeroizing::new(whole.to_vec()));
        }
    }
    all
}

fn utf16(raw: &[u8]) -> Vec<Spelling> {
    let little = raw.iter().flat_map(|&byte| [byte, 0]).collect();
    let big = raw.iter().flat_map(|&byte| [0, byte]).collect();
    vec![Zeroizing::new(little), Zeroizing::new(big)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(raw: &str, expect: &str) {
        let found = spellings(raw.as_bytes()).iter().any(|spelling| spelling.as_slice() == expect.as_bytes());
        assert!(found, "{raw:?} is not spelt {expect:?}");
    }

    #[test]
    fn the_usual_spellings_are_there() {
        has("1//0g+a/b=", "1//0g+a/b=");
        has("1//0g+a/b=", r"1\/\/0g+a\/b=");
        has("a\"b\\c<d", r#"a\"b\\c\u003cd"#);
        has("1/0", r"\u0031\u002f\u0030");
        has("1/0", r"\u0031\u002F\u0030");
        has("1//0g+a/b=", "1%2F%2F0g%2Ba%2Fb%3D");
        has("1//0g+a/b=", "1%2f%2f0g%2ba%2fb%3d");
        has("1//0g+a/b=", "1%252F%252F0g%252Ba%252Fb%253D");
        has("ab", "%61%62");
        has("1000.a-b", "1000%2Ea%2Db");
        has("a&b'c", "a&amp;b&#39;c");
        has("a/b", "a&#x2F;b");
        has("ab", "&#97;&#98;");
        has("ab", "&#x61;&#x62;");
        has("1000.ab", "313030302e6162");
        has("1000.ab", "313030302E6162");
        has("ab", "a\0b\0");
        has("ab", "\0a\0b");
    }

    #[test]
    fn base64_is_found_at_every_place_within_a_group() {
        let raw = b"1000.c0ffee>>??c0ffee";
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            for before in 0..7 {
                for after in 0..4 {
                    let text = [&b"xyzxyzx"[..before], raw, &b"qrst"[..after]].concat();
                    let encoded = engine.encode(text);
                    let found = base64(raw).iter().any(|spelling| {
                        encoded.as_bytes().windows(spelling.len()).any(|window| window == spelling.as_slice())
                    });
                    assert!(found, "{before} before, {after} after");
                }
            }
        }
    }

    #[test]
    fn no_spelling_outgrows_its_buffer() {
        let every: Vec<u8> = (0x21..=0x7e).collect();
        let longest = spellings(&every).iter().map(|spelling| spelling.len()).max();
        assert!(longest <= Some(every.len() * 6), "{longest:?}");
    }
}
