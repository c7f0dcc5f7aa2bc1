//! The forms in which a secret is searched for.
//!
//! Two ways meet: needles, which are the secret as an encoding would write it, and views, which are the haystack with
//! one layer of escaping taken off. Letters match in either case, so `%2f`, `%2F` and hexadecimal of both kinds do.

use aho_corasick::{AhoCorasick, MatchKind};
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// A secret from this length on is searched for in halves, too: a cut-off secret is a leaked secret.
const HALVED_FROM: usize = 24;

/// A needle that was found.
pub(super) struct Found {
    /// Which secret.
    pub canary: usize,
    pub form: &'static str,
    pub at: usize,
}

struct Needle {
    canary: usize,
    form: &'static str,
    bytes: Vec<u8>,
}

/// Every secret in every form, ready to be searched for: making it takes longer than most searches.
pub(super) struct Searcher {
    needles: Vec<Needle>,
    /// `None`: there is nothing to search for.
    automaton: Option<AhoCorasick>,
}

impl Searcher {
    pub fn of<'a>(secrets: impl Iterator<Item = &'a [u8]>) -> Self {
        let needles: Vec<Needle> =
            secrets.enumerate().flat_map(|(canary, secret)| needles(canary, secret)).collect();
        let patterns = needles.iter().map(|needle| &needle.bytes);
        let build = || {
            // Fails only for more patterns than memory holds.
            AhoCorasick::builder()
                .ascii_case_insensitive(true)
                // The whole secret is named before a half of it.
                .match_kind(MatchKind::LeftmostLongest)
                .build(patterns)
                .ok()
        };
        let automaton = if needles.is_empty() { None } else { build() };
        Self { needles, automaton }
    }

    pub fn search(&self, haystack: &[u8]) -> Option<Found> {
        let automaton = self.automaton.as_ref()?;
        views(haystack).into_iter().find_map(|(view, bytes)| {
            let found = automaton.find(&bytes)?;
            let needle = &self.needles[found.pattern().as_usize()];
            Some(Found { canary: needle.canary, form: view.unwrap_or(needle.form), at: found.start() })
        })
    }
}

fn needles(canary: usize, secret: &[u8]) -> Vec<Needle> {
    let mut forms: Vec<(&'static str, Vec<u8>)> = vec![
        ("raw", secret.to_vec()),
        ("hex", hex::encode(secret).into_bytes()),
        // Without the zero at either end, so that both byte orders match.
        ("UTF-16", secret.iter().flat_map(|&byte| [byte, 0]).take(secret.len() * 2 - 1).collect()),
    ];
    if secret.len() >= HALVED_FROM {
        let (first, second) = secret.split_at(secret.len() / 2);
        forms.push(("first half", first.to_vec()));
        forms.push(("second half", second.to_vec()));
    }
    for offset in 0..3 {
        forms.push(("base64", base64_inside(&STANDARD, secret, offset)));
        forms.push(("base64url", base64_inside(&URL_SAFE, secret, offset)));
    }
    forms.into_iter().map(|(form, bytes)| Needle { canary, form, bytes }).collect()
}

/// Returns the base64 characters that are the secret's alone when `offset` bytes (modulo 3) stand before it.
fn base64_inside(engine: &impl base64::Engine, secret: &[u8], offset: usize) -> Vec<u8> {
    let padded: Vec<u8> = std::iter::repeat_n(0, offset).chain(secret.iter().copied()).collect();
    let text = engine.encode(&padded);
    let (first, end) = ((offset * 8).div_ceil(6), padded.len() * 8 / 6);
    text.as_bytes()[first..end].to_vec()
}

type View = (Option<&'static str>, Vec<u8>);

/// The haystack as it is, and with escapes taken off; a view that changes nothing is left out.
fn views(haystack: &[u8]) -> Vec<View> {
    let percent = decode_percent(haystack);
    let json = decode_json(haystack);
    let all = [
        (Some("percent-encoded"), percent.clone()),
        (Some("percent-encoded twice"), decode_percent(&percent)),
        (Some("JSON-escaped"), json.clone()),
        (Some("JSON-escaped twice"), decode_json(&json)),
        (Some("JSON-escaped and percent-encoded"), decode_percent(&json)),
        (Some("HTML-escaped"), decode_html(haystack)),
        (Some("broken into lines"), haystack.iter().copied().filter(|byte| !b"\r\n".contains(byte)).collect()),
    ];
    let mut views: Vec<View> = vec![(None, haystack.to_vec())];
    for (name, bytes) in all {
        if views.iter().all(|(_, seen)| *seen != bytes) {
            views.push((name, bytes));
        }
    }
    views
}

/// Rewrites the haystack: `step` takes one escape off the front and says how many bytes it was.
fn rewrite(mut rest: &[u8], step: impl Fn(&[u8]) -> Option<(u32, usize)>) -> Vec<u8> {
    let mut out = Vec::with_capacity(rest.len());
    while let Some(&first) = rest.first() {
        match step(rest) {
            // Secrets are ASCII or bytes, so a code point over 255 is none of theirs.
            Some((code, length)) => {
                out.push(u8::try_from(code).unwrap_or(b'?'));
                rest = &rest[length..];
            }
            None => {
                out.push(first);
                rest = &rest[1..];
            }
        }
    }
    out
}

fn decode_percent(bytes: &[u8]) -> Vec<u8> {
    rewrite(bytes, |rest| Some((number(rest.strip_prefix(b"%")?.get(..2)?, 16)?, 3)))
}

fn decode_json(bytes: &[u8]) -> Vec<u8> {
    rewrite(bytes, |rest| match rest.strip_prefix(b"\\")? {
        [b'u', digits @ ..] => Some((number(digits.get(..4)?, 16)?, 6)),
        [escaped @ (b'"' | b'\\' | b'/'), ..] => Some((u32::from(*escaped), 2)),
        _ => None,
    })
}

fn decode_html(bytes: &[u8]) -> Vec<u8> {
    const NAMED: [(&[u8], u8); 5] =
        [(b"&amp;", b'&'), (b"&lt;", b'<'), (b"&gt;", b'>'), (b"&quot;", b'"'), (b"&apos;", b'\'')];
    rewrite(bytes, |rest| {
        if let Some((name, byte)) = NAMED.iter().find(|(name, _)| rest.starts_with(name)) {
            return Some((u32::from(*byte), name.len()));
        }
        let digits = rest.strip_prefix(b"&#")?;
        let end = digits.iter().take(8).position(|&byte| byte == b';')?;
        let code = match &digits[..end] {
            [b'x' | b'X', digits @ ..] => number(digits, 16)?,
            digits => number(digits, 10)?,
        };
        Some((code, end + 3))
    })
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()
}
