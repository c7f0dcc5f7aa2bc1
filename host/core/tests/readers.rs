//! Whatever is accepted is read alike by everybody: by this crate, by the `url` crate that clients build on, and by
//! `http::Uri` that servers build on. They part company over dot segments, backslashes and tabs, and then one judges what
//! another does not send.

#![allow(clippy::expect_used, reason = "all of it is tests")]

use http::Uri;
use proptest::prelude::*;
use url::Url;
use wardlock_core::canonical::CanonicalRequest;

/// The host that a path is sent to.
const BASE: &str = "https://good.example";

/// What attackers put into targets.
const PIECES: [&str; 52] = [
    "/",
    "//",
    "\\",
    ".",
    "..",
    "%2e",
    "%2E%2e",
    "%2f",
    "%2F",
    "%5c",
    "%252e",
    "%25",
    "%00",
    "%0d%0a",
    "%09",
    "%20",
    ";",
    "%3b",
    "@",
    "%40",
    "evil",
    "good@evil",
    ":80",
    "http:",
    "https://evil",
    "?",
    "#",
    "%23",
    "%3f",
    "&",
    "=",
    "+",
    "%2b",
    "a",
    "Leads",
    "é",
    "%c3%a9",
    "%c0%ae",
    "\u{ff0e}",
    "%ef%bc%8f",
    "{",
    "}",
    "|",
    "^",
    "[",
    "]",
    "~",
    "'",
    "*",
    "(",
    "!",
    "$",
];

/// Mostly what is accepted, so that targets of many pieces are.
fn piece() -> impl Strategy<Value = &'static str> {
    let harmless = [
        "a", "Leads", "v8", "%20", "@", ":80", "%c3%a9", "+", "=", "~", "'", "*", "(", "!", "$", "[", "|", "^",
        "{", "...",
    ];
    prop_oneof![12 => prop::sample::select(harmless.to_vec()), 1 => prop::sample::select(&PIECES[..])]
}

fn accepted(target: &str) -> Option<CanonicalRequest> {
    CanonicalRequest::parse("GET", target, Vec::new(), Vec::new()).ok()
}

/// Everybody reads the rendered form as it was judged; none of them leaves the host.
fn read_alike(target: &str) -> Result<(), TestCaseError> {
    let Some(judged) = accepted(target) else {
        return Ok(());
    };
    let (wire, path, query) = (judged.path_and_query(), judged.path(), judged.query_string());
    prop_assert_eq!(&accepted(&wire), &Some(judged.clone()), "its own form is read as something else");

    let sent = Url::parse(&format!("{BASE}{wire}")).expect("a URL");
    prop_assert_eq!(sent.path(), &path);
    prop_assert_eq!(sent.query(), query.as_deref());
    prop_assert_eq!((sent.host_str(), sent.username(), sent.fragment()), (Some("good.example"), "", None));
    let joined = Url::parse(BASE).expect("a URL").join(&wire).expect("a URL");
    prop_assert_eq!(joined.as_str(), sent.as_str(), "a client that joins goes elsewhere");

    let served: Uri = wire.parse().expect("a URI");
    prop_assert_eq!(served.path(), &path);
    prop_assert_eq!(served.query(), query.as_deref());
    prop_assert_eq!((served.host(), served.scheme()), (None, None));

    let decoded: Vec<(String, String)> = sent.query_pairs().into_owned().collect();
    let ours: Vec<_> = judged.query().iter().map(|given| (given.name.clone(), given.value.clone())).collect();
    prop_assert_eq!(decoded, ours, "a form decoder reads other parameters");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a2_no_accepted_target_names_another_host(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 1..5),
        front in prop::sample::select(&["", "/", "//", "/\\", "\\", "http://", "http:/\\", "@", "/@"][..]),
    ) {
        read_alike(&format!("{front}{}", pieces.concat()))?;
    }

    #[test]
    fn a4_every_accepted_target_has_one_reading(
        segments in prop::collection::vec(prop::collection::vec(piece(), 1..4), 1..5),
        query in prop::collection::vec((piece(), piece()), 0..3),
    ) {
        let segments = segments.into_iter().map(|pieces| format!("/{}", pieces.concat())).collect::<Vec<_>>().concat();
        let query: Vec<String> = query.into_iter().map(|(name, value)| format!("n{name}={value}")).collect();
        read_alike(&format!("{segments}?{}", query.join("&")))?;
    }

    #[test]
    fn a4_so_has_every_text(target in "/\\PC{0,40}(\\?\\PC{0,40})?") {
        read_alike(&target)?;
    }
}

#[test]
fn a4_the_readers_do_part_company_where_targets_are_refused() {
    for (target, path) in [("/a/%2e%2e/b", "/b"), ("/a\\..\\b", "/b"), ("/./a", "/a"), ("/a/\tb", "/a/b")] {
        assert_eq!(Url::parse(&format!("{BASE}{target}")).expect("a URL").path(), path);
        assert!(accepted(target).is_none(), "{target:?}");
    }
}
