//! Any request line parses without a panic, and what parses has one form: parsed again from its rendering, it is the
//! same. The input is `METHOD target`, and a body after the first line.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wardlock_core::canonical::CanonicalRequest;

fuzz_target!(|input: &str| {
    let (line, body) = input.split_once('\n').unwrap_or((input, ""));
    let (method, target) = line.split_once(' ').unwrap_or(("GET", line));
    let Ok(request) = CanonicalRequest::parse(method, target, Vec::new(), body.as_bytes().to_vec()) else {
        return;
    };
    let rendered = request.path_and_query();
    assert!(rendered.is_ascii() && rendered.starts_with('/') && !rendered.starts_with("//"), "{rendered}");
    for segment in request.segments() {
        assert!(!segment.is_empty() && segment != "." && segment != "..", "{rendered}");
        assert!(!segment.contains(['/', '\\', '%', '\0']), "{rendered}");
    }
    let again = CanonicalRequest::parse(method, &rendered, Vec::new(), body.as_bytes().to_vec());
    assert_eq!(again.as_ref(), Ok(&request), "{rendered}");
    assert_eq!(again.map(|again| again.digest()), Ok(request.digest()));
});
