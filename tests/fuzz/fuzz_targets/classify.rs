//! Any request is classified without a panic; what no operation knows is destructive and touches who knows what; and
//! the classification of a request's rendering is that of the request. The input is `METHOD target`, and a body after
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
    let parse = |target: &str| CanonicalRequest::parse(method, target, vec![json.clone()], body.as_bytes().to_vec());
    let Ok(request) = parse(target) else { return };
    let rendered = request.path_and_query();
    let Ok(first) = classify(&support::ZOHO, request) else { return };
    if first.definition().is_none() {
        assert_eq!(first.operation().effect, Effect::Destructive, "{rendered}");
        assert!(first.operation().fields.is_none() && first.operation().breadth.is_none(), "{rendered}");
    }
    assert!(!first.operation().resources.is_empty(), "{rendered} touches nothing");
    let again = parse(&rendered).map(|request| classify(&support::ZOHO, request));
    let Ok(Ok(again)) = again else { panic!("{rendered} was classified and is not any more") };
    assert_eq!(again.operation(), first.operation(), "{rendered}");
    assert_eq!(again.digest(), first.digest(), "{rendered}");
});
