//! Which headers of an answer pass.

use http::header::{CONTENT_ENCODING, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, TRANSFER_ENCODING};
use http::StatusCode;

use super::{Scan, ScanError};

/// Headers that never pass, whatever a service lists: they belong to one hop, to a browser, to the provider's own
/// session, or to the host.
const NEVER_PASS: [&str; 19] = [
    "alt-svc",
    "authentication-info",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-connection",
    "public-key-pins",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "www-authenticate",
];

/// Refuses what cannot be scanned as it stands.
pub(super) fn check(status: StatusCode, headers: &HeaderMap) -> Result<(), ScanError> {
    let partial = status == StatusCode::PARTIAL_CONTENT || headers.contains_key(CONTENT_RANGE);
    if partial || status.is_informational() {
        return Err(ScanError::Partial);
    }
    let plain = headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    let framed = headers.get_all(TRANSFER_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if plain && framed { Ok(()) } else { Err(ScanError::Encoded) }
}

/// Returns the headers that pass, with secrets cut out of their values, and how many places were cut.
pub(super) fn pass(scan: &Scan<'_>, headers: &HeaderMap, replacement: &[u8]) -> (HeaderMap, usize) {
    let mut passed = HeaderMap::new();
    let mut cut = 0;
    for (name, value) in headers {
        if !may_pass(scan, name) {
            continue;
        }
        let Some(value) = own_location(scan, name, value) else {
            continue;
        };
        let redacted = scan.needles.redact(&value, replacement);
        cut += redacted.count;
        if let Ok(value) = HeaderValue::from_bytes(&redacted.bytes) {
            passed.append(name, value);
        }
    }
    (passed, cut)
}

fn may_pass(scan: &Scan<'_>, name: &HeaderName) -> bool {
    let text = name.as_str();
    let never = NEVER_PASS.contains(&text)
        || text.starts_with("access-control-")
        || text.starts_with("wardlock-")
        || text.starts_with("proxy-");
    !never && (name == CONTENT_TYPE || scan.service.request.answer_headers.contains(text))
}

/// Turns a `Location` on the host that was asked into its path, and drops any other: nobody follows it with a
/// credential, here or in the agent (facts U1).
fn own_location(scan: &Scan<'_>, name: &HeaderName, value: &HeaderValue) -> Option<Vec<u8>> {
    if name != LOCATION {
        return Some(value.as_bytes().to_vec());
    }
    let text = value.to_str().ok()?;
    let own = format!("https://{}/", scan.host);
    let path = match text.strip_prefix(&own) {
        Some(rest) => format!("/{rest}"),
        None => text.to_owned(),
    };
    let plain_path = path.starts_with('/') && !path.starts_with("//") && !path.contains('\\');
    plain_path.then(|| path.into_bytes())
}
