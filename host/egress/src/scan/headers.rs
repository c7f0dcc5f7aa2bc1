//! Which headers of an answer pass.

use http::StatusCode;
use http::header::{
    CONNECTION, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION, TRANSFER_ENCODING,
};

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
    let framed =
        headers.get_all(TRANSFER_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"));
    if framed { Ok(()) } else { Err(ScanError::Encoded) }
}

/// Returns the headers that pass, with secrets cut out of their values, and how many places were cut.
pub(super) fn pass(scan: &Scan<'_>, headers: &HeaderMap, replacement: &[u8]) -> (HeaderMap, usize) {
    let mut passed = HeaderMap::new();
    let mut cut = 0;
    let listed = listed_in_connection(headers);
    for (name, value) in headers {
        if !may_pass(scan, name) || listed.iter().any(|listed| listed == name.as_str()) {
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

/// Names that `Connection` lists are the provider's hop's (RFC 9110 section 7.6.1).
fn listed_in_connection(headers: &HeaderMap) -> Vec<String> {
    let lists = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lists.flat_map(|list| list.split(',').map(|name| name.trim().to_ascii_lowercase())).collect()
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
    // Through the proxy, where whoever follows it must come back to.
    let through = scan.links_to.as_deref().and_then(|base| url::Url::parse(base).ok());
    let through = through.map(|base| base.path().to_owned()).unwrap_or_default();
    plain_path.then(|| format!("{through}{path}").into_bytes())
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Weak};
    use std::time::Duration;

    use tokio::time::Instant;
    use wardlock_core::id::ConnectionName;

    use super::*;
    use crate::vault::Needles;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs.map(|&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn passed(pairs: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        passed_through(None, pairs)
    }

    fn passed_through(links_to: Option<&str>, pairs: &[(&'static str, &'static str)]) -> Vec<(String, String)> {
        let text = include_str!("../../../services/zoho-crm.toml");
        let mut service = wardlock_core::service::parse(text, "zoho-crm.toml").expect("a service");
        // Even a definition that lists them lets none of these pass.
        let listed = pairs.iter().map(|(name, _)| (*name).to_owned());
        service.request.answer_headers.extend(listed.filter(|name| name != "x-unlisted"));
        let scan = Scan {
            service: &service,
            connection: &ConnectionName::parse("crm").expect("a name"),
            host: "www.zohoapis.eu",
            links_to: links_to.map(Into::into),
            needles: Arc::new(Needles::of(&[]).expect("needles")),
            companions: &Arc::default(),
            vault: Weak::new(),
            holds: false,
            deadline: Instant::now(),
            idle: Duration::ZERO,
        };
        let (passed, _) = pass(&scan, &headers(pairs), b"[cut]");
        passed.iter().map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect()
    }

    #[test]
    fn u1_a_redirect_leads_nowhere_but_to_the_host_that_was_asked() {
        let table = [
            ("https://www.zohoapis.eu/crm/v8/Leads?x=1", Some("/crm/v8/Leads?x=1")),
            ("/crm/v8/Leads", Some("/crm/v8/Leads")),
            ("https://evil.example/", None),
            ("https://www.zohoapis.eu.evil.example/", None),
            ("https://www.zohoapis.eu@evil.example/", None),
            ("http://www.zohoapis.eu/", None),
            ("https://www.zohoapis.eu//evil.example", None),
            ("//evil.example", None),
            ("/\\evil.example", None),
            ("evil", None),
        ];
        for (given, expected) in table {
            let found = passed(&[("location", given)]).pop().map(|(_, value)| value);
            assert_eq!(found.as_deref(), expected, "{given}");
            let through = passed_through(Some("http://127.0.0.1:7420/acme/crm"), &[("location", given)]);
            let expected = expected.map(|path| format!("/acme/crm{path}"));
            assert_eq!(through.first().map(|(_, value)| value), expected.as_ref(), "{given} through the proxy");
        }
    }

    #[test]
    fn u8_what_belongs_to_a_hop_a_browser_or_the_host_never_passes() {
        let dropped = [
            ("set-cookie", "a=b"),
            ("alt-svc", "h3"),
            ("access-control-allow-origin", "*"),
            ("authentication-info", "x"),
            ("connection", "close"),
            ("wardlock-decision", "allow"),
            ("proxy-authenticate", "x"),
            ("x-unlisted", "x"),
        ];
        assert_eq!(passed(&dropped), vec![]);
        assert_eq!(passed(&[("content-type", "application/json")]).len(), 1);
        assert_eq!(
            passed(&[("connection", "close, ETag"), ("etag", "x")]),
            vec![],
            "what the hop lists is its own"
        );
    }

    #[test]
    fn what_cannot_be_scanned_is_refused() {
        let table = [
            (200, headers(&[("transfer-encoding", "gzip, chunked")]), Err(ScanError::Encoded)),
            (200, headers(&[("transfer-encoding", "chunked")]), Ok(())),
            (206, headers(&[]), Err(ScanError::Partial)),
            (200, headers(&[("content-range", "bytes 0-1/9")]), Err(ScanError::Partial)),
            (101, headers(&[]), Err(ScanError::Partial)),
        ];
        for (status, given, expected) in table {
            let status = StatusCode::from_u16(status).expect("a status");
            assert_eq!(check(status, &given), expected, "{status} {given:?}");
        }
    }
}
