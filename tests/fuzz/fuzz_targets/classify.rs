//! Any request is classified without a panic; what no operation knows is destructive and touches who knows what; the
//! effect is never lower than a few lines by hand say, of a request that carries others for the worst of them; and the classification of a request's rendering is that of the
//! request. The input is `METHOD target`, and a body after
//! the first line.
#![no_main]

mod support;

use libfuzzer_sys::fuzz_target;
use wardlock_core::canonical::{CanonicalRequest, Header};
use wardlock_core::classify::classify;
use wardlock_core::plugin::Effect;

fuzz_target!(|input: &str| {
    let (line, body) = input.split_once('\n').unwrap_or((input, ""));
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let json = Header { name: "content-type".to_owned(), value: b"application/json".to_vec() };
    let parse =
        |target: &str| CanonicalRequest::parse(method, target, vec![json.clone()], body.as_bytes().to_vec());
    let Ok(request) = parse(target) else { return };
    let rendered = request.path_and_query();
    let Ok(first) = classify(&support::ZOHO, request) else { return };
    if first.definition().is_none() {
        assert_eq!(first.operation().effect, Effect::Destructive, "{rendered}");
        assert!(first.operation().fields.is_none() && first.operation().breadth.is_none(), "{rendered}");
    }
    let least = match first.parts() {
        [] => least_effect(method, first.request().segments()),
        parts => carried(body, parts.len()),
    };
    assert!(first.operation().effect >= least, "{method} {rendered} {body}");
    for part in first.parts() {
        let (part, whole) = (part.classified().operation(), first.operation());
        assert!(part.effect <= whole.effect, "{body}");
        assert!(part.resources.iter().all(|resource| whole.resources.contains(resource)), "{body}");
        assert!(whole.breadth.is_none_or(|sum| part.breadth.is_some_and(|one| one <= sum)), "{body}");
    }
    assert!(!first.operation().resources.is_empty(), "{rendered} touches nothing");
    let again = parse(&rendered).map(|request| classify(&support::ZOHO, request));
    let Ok(Ok(again)) = again else { panic!("{rendered} was classified and is not any more") };
    assert_eq!(again.operation(), first.operation(), "{rendered}");
    assert_eq!(again.digest(), first.digest(), "{rendered}");
});

/// The least that the worst of the calls in a composite does, read by another parser: all of them, in plain spelling.
fn carried(body: &str, parts: usize) -> Effect {
    let whole: serde_json::Value = serde_json::from_str(body).expect("a body that was read is JSON");
    let calls = whole["__composite_requests"].as_array().expect("a list");
    assert_eq!(calls.len(), parts, "{body}");
    let text = |call: &serde_json::Value, name: &str| call[name].as_str().expect("a text").to_owned();
    let least = |call: &serde_json::Value| {
        let uri = text(call, "uri");
        let path = uri.split('?').next().unwrap_or_default();
        assert!(path.starts_with('/') && !path.contains(['%', '\\', '#']) && !path.contains("//"), "{uri}");
        let segments: Vec<String> = path.split('/').skip(1).map(str::to_owned).collect();
        assert!(!call.to_string().contains("@{"), "{call}");
        least_effect(&text(call, "method"), &segments)
    };
    calls.iter().map(least).max().expect("a call")
}

/// The least that a request does, read off Zoho's documentation and not off the definition: what is no GET writes, but
/// for these questions that are asked by POST; DELETE deletes, but for the opposite of activating.
fn least_effect(method: &str, segments: &[String]) -> Effect {
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match (method, segments.as_slice()) {
        (_, [api, ..]) if *api != "crm" => Effect::Destructive,
        ("GET" | "HEAD", _) => Effect::Read,
        ("POST", ["crm", "v8", "coql"] | ["crm", "bulk", "v8", "read"]) => Effect::Read,
        ("POST", ["crm", "v8", _, _, "actions", "get_related_records_count"]) => Effect::Read,
        ("POST", ["crm", "v8", "settings", "data_sharing", "rules", "search"]) => Effect::Read,
        ("POST", ["crm", "v8", "settings", "data_sharing", "rules", "actions", "summary"]) => Effect::Read,
        ("POST", ["crm", "v8", "settings", "user_groups", "actions", "get_assigned" | "get_unassigned"]) => {
            Effect::Read
        }
        ("DELETE", [.., "actions", "activate"]) => Effect::Write,
        ("DELETE", _) => Effect::Destructive,
        _ => Effect::Write,
    }
}
