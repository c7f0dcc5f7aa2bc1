//! Path and query of a request target: decoded once, rendered in one spelling.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{NotCanonical, Parameter};

/// What stays as it is in a path segment: unreserved, sub-delims, `:` and `@` (RFC 3986 section 3.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// What stays as it is in a query name or value: unreserved only, so that no form decoder sees structure in it.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Parses an origin-form target into decoded segments and parameters.
pub(super) fn parse(target: &str) -> Result<(Vec<String>, Vec<Parameter>), NotCanonical> {
    if target.contains('#') {
        return Err(NotCanonical::Ambiguous { place: "target", what: "a fragment" });
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let rest = path.strip_prefix('/').ok_or(NotCanonical::OriginForm)?;
    let segments = rest.split('/').map(parse_segment).collect::<Result<Vec<_>, _>>()?;
    let query = match query {
        None | Some("") => Vec::new(),
        Some(query) => query.split('&').map(parse_parameter).collect::<Result<Vec<_>, _>>()?,
    };
    Ok((segments, query))
}

fn parse_segment(raw: &str) -> Result<String, NotCanonical> {
    const PLACE: &str = "path";
    let segment = decode(raw, PLACE, false)?;
    let ambiguous = |what| Err(NotCanonical::Ambiguous { place: PLACE, what });
    let read = folded(&segment);
    match read.as_ref() {
        "" => return ambiguous("an empty segment"),
        "." | ".." => return ambiguous("a dot segment"),
        _ => {}
    }
    for character in read.chars() {
        match character {
            '/' | '\\' => return ambiguous("an encoded slash or a backslash"),
            '%' => return ambiguous("a doubly encoded character"),
            ';' => return ambiguous("a `;`"),
            c if c.is_control() => return ambiguous("a control character"),
            _ => {}
        }
    }
    Ok(segment)
}

/// Returns a segment as an upstream may read it that folds characters to their compatible forms (Unicode NFKC) or to the
/// nearest ones of an old code page: what then is structure is structure here, too.
fn folded(segment: &str) -> Cow<'_, str> {
    if segment.is_ascii() {
        return Cow::Borrowed(segment);
    }
    let mut read = String::with_capacity(segment.len());
    for character in segment.chars() {
        match character {
            '\u{2024}' | '\u{fe52}' | '\u{ff0e}' => read.push('.'),
            '\u{2025}' | '\u{fe30}' => read.push_str(".."),
            '\u{2044}' | '\u{2215}' | '\u{29f8}' | '\u{ff0f}' => read.push('/'),
            '\u{2100}' | '\u{2101}' | '\u{2105}' | '\u{2106}' => read.push_str("a/c"),
            '\u{2216}' | '\u{29f5}' | '\u{29f9}' | '\u{fe68}' | '\u{ff3c}' => read.push('\\'),
            '\u{fe6a}' | '\u{ff05}' => read.push('%'),
            '\u{37e}' | '\u{fe14}' | '\u{fe54}' | '\u{ff1b}' => read.push(';'),
            other => read.push(other),
        }
    }
    Cow::Owned(read)
}

fn parse_parameter(raw: &str) -> Result<Parameter, NotCanonical> {
    const PLACE: &str = "query";
    let (name, value) = raw.split_once('=').unwrap_or((raw, ""));
    let parameter = Parameter { name: decode(name, PLACE, true)?, value: decode(value, PLACE, true)? };
    if parameter.name.is_empty() {
        return Err(NotCanonical::Ambiguous { place: PLACE, what: "a parameter without a name" });
    }
    let mut characters = parameter.name.chars().chain(parameter.value.chars());
    if characters.any(char::is_control) {
        return Err(NotCanonical::Ambiguous { place: PLACE, what: "a control character" });
    }
    // Some servers split pairs at `;` too (the HTML 4.01 recommendation, appendix B.2.2).
    if raw.contains(';') {
        return Err(NotCanonical::Ambiguous { place: PLACE, what: "a bare `;`" });
    }
    Ok(parameter)
}

/// Decodes percent escapes once; `plus_is_space` as in `application/x-www-form-urlencoded`.
fn decode(raw: &str, place: &'static str, plus_is_space: bool) -> Result<String, NotCanonical> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'%' => {
                let digits = tail.get(..2).ok_or(NotCanonical::BadEscape { place })?;
                let mut byte = [0];
                hex::decode_to_slice(digits, &mut byte).map_err(|_| NotCanonical::BadEscape { place })?;
                bytes.push(byte[0]);
                rest = &tail[2..];
            }
            b'+' if plus_is_space => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(|_| NotCanonical::NotUtf8 { place })
}

/// Renders segments in their one spelling.
pub(super) fn render_path(segments: &[String]) -> String {
    let mut path = String::new();
    for segment in segments {
        path.push('/');
        path.extend(utf8_percent_encode(segment, SEGMENT));
    }
    path
}

/// Renders parameters in their one spelling, without the question mark; `None` where there is none.
pub fn render_query(query: &[Parameter]) -> Option<String> {
    if query.is_empty() {
        return None;
    }
    let mut text = String::new();
    for parameter in query {
        if !text.is_empty() {
            text.push('&');
        }
        text.extend(utf8_percent_encode(&parameter.name, QUERY));
        text.push('=');
        text.extend(utf8_percent_encode(&parameter.value, QUERY));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(target: &str, expect: &str) {
        let got = match parse(target) {
            Ok((segments, query)) => match render_query(&query) {
                Some(query) => format!("{}?{query}", render_path(&segments)),
                None => render_path(&segments),
            },
            Err(error) => format!("refused: {error}"),
        };
        assert_eq!(got, expect, "for {target}");
    }

    #[test]
    fn spellings_that_decode_alike_render_alike() {
        check("/a/crm/v8/Leads?fields=Last_Name%2CEmail", "/a/crm/v8/Leads?fields=Last_Name%2CEmail");
        check("/a/crm/v8/Leads?fields=Last_Name,Email", "/a/crm/v8/Leads?fields=Last_Name%2CEmail");
        check("/%61/b%7e%3A%40", "/a/b~:@");
        check("/a?q=x+y&q=x%20y", "/a?q=x%20y&q=x%20y");
        check("/a?criteria=%28A%3Aequals%3AD+o%29", "/a?criteria=%28A%3Aequals%3AD%20o%29");
        check("/a/b+c", "/a/b+c");
        check("/a/b\u{ff0e}c", "/a/b%EF%BC%8Ec");
        check("/a/\u{2026}", "/a/%E2%80%A6");
        check("/a?x", "/a?x=");
        check("/a?", "/a");
    }

    #[test]
    fn a4_what_has_two_readings_is_refused() {
        for target in [
            "",
            "a",
            "*",
            "//evil/x",
            "/a//b",
            "/a/",
            "/",
            "/a/../b",
            "/a/%2e%2e/b",
            "/a/.%2E/b",
            "/a/%2E/b",
            "/a/..%2fb",
            "/a/..%5cb",
            "/a\\..\\b",
            "/a/%252e%252e/b",
            "/a/%00",
            "/a/%0d%0a",
            "/a/%u002e",
            "/a/%c0%ae",
            "/a/%",
            "/a/%4",
            "/a;b",
            "/a/..;/b",
            "/a/%3Bb",
            "/a#b",
            "/a?x=1#b",
            "/a?x=%00",
            "/a?x=%0a",
            "/a?x=%ff",
            "/a?=b",
            "/a?&x=1",
            "/a?x=1&",
            "/a?x=1;y=2",
            "/a/\u{85}",
            "/a/\u{ff0e}\u{ff0e}",
            "/a/.\u{2024}",
            "/a/\u{2025}",
            "/a/b\u{ff0f}c",
            "/a/\u{2105}",
            "/a/b\u{ff3c}",
            "/a/\u{ff05}2e",
            "/a/b\u{37e}c",
        ] {
            assert!(parse(target).is_err(), "accepted {target:?}");
        }
    }

    proptest! {
        #[test]
        fn rendering_is_a_fixed_point(target in "/[ -~é]{1,40}(\\?[ -~é]{0,40})?") {
            if let Ok((segments, query)) = parse(&target) {
                let rendered = match render_query(&query) {
                    Some(query) => format!("{}?{query}", render_path(&segments)),
                    None => render_path(&segments),
                };
                prop_assert_eq!(parse(&rendered), Ok((segments, query)));
                prop_assert!(rendered.is_ascii());
            }
        }
    }
}
