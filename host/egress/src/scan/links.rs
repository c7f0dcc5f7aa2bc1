//! Links in an answer that lead around the proxy: rewritten to lead through it, without the credential that some carry
//! (Meta's `paging.next`). What is rewritten here is no exposure: the agent never sees it.

use std::collections::BTreeMap;

use url::Url;
use wardlock_core::answer::links;

use super::Scan;

/// The name of a credential in queries, whatever else a service's is called (RFC 6750 section 2.3).
const CREDENTIAL: &str = "access_token";

/// Rewrites the links that the service lists. Everything else of the body stays byte for byte as it is.
pub(super) fn rewritten(scan: &Scan<'_>, body: Vec<u8>) -> Vec<u8> {
    let Some(base) = &scan.links_to else {
        return body;
    };
    let found = links(&scan.service.answer, &body);
    let new: BTreeMap<String, String> =
        found.into_iter().filter_map(|link| Some((link.clone(), rewrite(scan, base, &link)?))).collect();
    if new.is_empty() { body } else { replaced(&body, &new) }
}

/// Returns where a link leads through the proxy; `None` for one that leads elsewhere than to this region's hosts.
fn rewrite(scan: &Scan<'_>, base: &str, link: &str) -> Option<String> {
    let url = Url::parse(link).ok()?;
    let host = url.host_str()?;
    let plain = url.scheme() == "https" && url.port().is_none() && url.username().is_empty();
    let (its_region, environment) = scan.service.region_of_host(host)?;
    let asked = scan.service.region_of_host(scan.host)?;
    if !plain || (host != scan.host && (environment.is_none() || (its_region, environment) != asked)) {
        return None;
    }
    let inject = &scan.service.inject;
    let ours = |name: &str| {
        inject.query().any(|known| known == name)
            || scan.service.request.token_query.as_deref() == Some(name)
            || name == CREDENTIAL
    };
    let kept: Vec<(String, String)> = url
        .query_pairs()
        .filter(|(name, _)| !ours(name))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    let mut rewritten = format!("{base}{}", url.path());
    if !kept.is_empty() {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).finish();
        rewritten.push('?');
        rewritten.push_str(&query);
    }
    Some(rewritten)
}

/// Replaces whole string literals of a JSON text, however their characters are escaped.
fn replaced(json: &[u8], new: &BTreeMap<String, String>) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len());
    let mut rest = json;
    while let Some(start) = rest.iter().position(|&byte| byte == b'"') {
        let (before, from) = rest.split_at(start);
        out.extend_from_slice(before);
        let Some(length) = literal(from) else {
            rest = from;
            break;
        };
        let (text, after) = from.split_at(length);
        let decoded = serde_json::from_slice::<String>(text).ok();
        let replacement = decoded.and_then(|text| new.get(&text)).and_then(|text| serde_json::to_vec(text).ok());
        out.extend_from_slice(replacement.as_deref().unwrap_or(text));
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

/// Returns how many bytes a string literal has that begins here.
fn literal(text: &[u8]) -> Option<usize> {
    let mut escaped = false;
    for (at, &byte) in text.iter().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return Some(at + 1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Weak};
    use std::time::Duration;

    use tokio::time::Instant;
    use wardlock_core::id::ConnectionName;
    use wardlock_core::service::{ServiceDefinition, parse};

    use super::*;
    use crate::vault::Needles;

    fn service() -> ServiceDefinition {
        let text = include_str!("../../../services/meta-ads.toml");
        parse(text, "meta-ads.toml").expect("a service")
    }

    #[track_caller]
    fn check(body: &str, expect: &str) {
        let service = service();
        let scan = Scan {
            service: &service,
            connection: &ConnectionName::parse("meta").expect("a name"),
            host: "graph.facebook.com",
            links_to: Some("http://127.0.0.1:7420/acme/meta".to_owned()),
            needles: Arc::new(Needles::of(&[]).expect("needles")),
            companions: &Arc::default(),
            vault: Weak::new(),
            holds: false,
            deadline: Instant::now(),
            idle: Duration::ZERO,
        };
        let got = rewritten(&scan, body.as_bytes().to_vec());
        assert_eq!(String::from_utf8(got).expect("text"), expect, "{body}");
    }

    #[test]
    fn a_link_leads_through_the_proxy_and_loses_what_the_host_added() {
        check(
            r#"{"data": [ ],"paging":{"next":"https:\/\/graph.facebook.com\/v26.0\/act_1\/ads?access_token=EAAcanary&appsecret_proof=ab&limit=25&after=Q\u0025253D"}}"#,
            r#"{"data": [ ],"paging":{"next":"http://127.0.0.1:7420/acme/meta/v26.0/act_1/ads?limit=25&after=Q%253D"}}"#,
        );
    }

    #[test]
    fn what_leads_elsewhere_or_stands_elsewhere_stays() {
        for body in [
            r#"{"paging":{"next":"https://evil.example/v26.0/act_1?access_token=x"}}"#,
            r#"{"paging":{"next":"http://graph.facebook.com/v26.0/act_1"}}"#,
            r#"{"paging":{"next":"https://graph.facebook.com@evil.example/"}}"#,
            r#"{"paging":{"next":"https://graph.facebook.com:444/"}}"#,
            r#"{"data":[{"link":"https://graph.facebook.com/v26.0/x?access_token=y"}]}"#,
            r#"{"paging":{}}"#,
            "not json",
        ] {
            check(body, body);
        }
    }
}
