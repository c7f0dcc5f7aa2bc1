//! The starters hold their cases through the real sandbox; what a case must not say is told; an update leaves the rest.

use std::path::{Path, PathBuf};

use wardlock_plugins::STARTERS;
use wardlock_sandbox::{Sandbox, SandboxConfig};

use super::verdict::differences;
use super::*;

fn folder_of(starter: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/guests").join(starter).join("cases")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_starter_holds_its_cases_through_the_real_sandbox() {
    let sandbox = Sandbox::new(SandboxConfig { snapshots: false, ..SandboxConfig::default() }).expect("a sandbox");
    for starter in STARTERS {
        let cases = read(&folder_of(starter.name)).expect("cases");
        let mut tested = Tested::new(&sandbox, starter.bytes);
        let results = run(&mut tested, &cases).await.expect("it loads");
        assert_eq!(results.len(), cases.len());
        for (case, result) in cases.iter().zip(results) {
            assert!(result.holds(), "{}/{}: {}", starter.name, case.name, result.differences.join("\n"));
        }
    }
}

fn parse(text: &str) -> Case {
    Case::parse("a.toml", text).expect("a case")
}

#[test]
fn case_that_is_none_is_told_with_its_place() {
    for (text, told) in [
        ("[expect]\nverdict = \"refuse\"\n", "a.toml:2"),
        ("[expect]\ncode = \"x\"\n", "neither `verdict` nor `problems`"),
        ("[expect]\nverdict = \"deny\"\nproblems = [\"\"]\n", "`problems` stands alone"),
        ("[request]\nmehtod = \"GET\"\n[expect]\nverdict = \"allow\"\n", "mehtod"),
        ("[request]\nmethod = \"get\"\n[expect]\nverdict = \"allow\"\n", "a.toml:2:10: `request.method`"),
        ("[request]\nnow = 2026-01-05\n[expect]\nverdict = \"allow\"\n", "a time with an offset"),
        ("[request.operation]\neffect = \"readish\"\n[expect]\nverdict = \"allow\"\n", "readish"),
        ("[settings]\nfrom = 2026-01-05\n[expect]\nverdict = \"allow\"\n", "no dates"),
    ] {
        let error = Case::parse("a.toml", text).expect_err(text).to_string();
        assert!(error.contains(told), "{text}: {error}");
    }
}

#[test]
fn a_case_that_says_nothing_has_what_the_format_says() {
    let case = parse("[expect]\nverdict = \"allow\"\n");
    let request = &case.request;
    assert_eq!(crate::text::time(request.now_ms), "2026-01-05T12:00:00Z");
    assert_eq!((request.method, request.path.as_str(), request.id.as_str()), ("GET", "/crm/v8/Leads", "case"));
    assert_eq!((request.body.as_ref(), request.operation.fields.as_ref()), (None, None));
    assert_eq!(case.settings, serde_json::json!({}));
}

fn said(verdict: &'static str, code: Option<&str>, edits: Option<&[[&str; 3]]>) -> Found {
    let edits = edits.map(|edits| edits.iter().map(|edit| edit.map(str::to_owned).to_vec()).collect());
    let said = Said { verdict, code: code.map(str::to_owned), retry_after_seconds: None, edits };
    Found::Said(said, None)
}

/// Updates a case, and checks that it expects what was found then.
fn check_update(text: &str, found: &Found, expected: &str) {
    let updated = update(&parse(text), found).expect("rewritten").expect("an answer");
    assert_eq!(updated, expected);
    assert_eq!(differences(&parse(&updated).expected, found), [""; 0]);
}

#[test]
fn update_rewrites_what_is_expected_and_leaves_the_rest() {
    check_update(
        "# The promise.\n[settings]\nhide = [\"Email\"]   # one\n\n[request]\nmethod = 'PUT'\n\n# Why so.\n[expect]\n\
         # never\nverdict = \"deny\"   # for now\n# its code\ncode = \"old\"\n",
        &said("deny", Some("new"), None),
        "# The promise.\n[settings]\nhide = [\"Email\"]   # one\n\n[request]\nmethod = 'PUT'\n\n# Why so.\n[expect]\n\
         # never\nverdict = \"deny\"   # for now\n# its code\ncode = \"new\"\n",
    );
}

#[test]
fn update_keeps_the_comment_above_a_key_that_goes() {
    check_update(
        "[expect]\nverdict = \"deny\"\n# its code\ncode = \"old\"\n",
        &said("allow", None, None),
        "[expect]\n# its code\nverdict = \"allow\"\n",
    );
}

#[test]
fn update_writes_edits_and_problems() {
    check_update(
        "[expect]\nverdict = \"allow\"\n",
        &said("shape", Some("narrowed"), Some(&[["set-query", "fields", "Name"]])),
        "[expect]\nverdict = \"shape\"\ncode = \"narrowed\"\nedits = [[\"set-query\", \"fields\", \"Name\"]]\n",
    );
    check_update(
        "expect = { verdict = \"allow\" } # short\n",
        &said("deny", Some("no"), None),
        "expect = { verdict = \"deny\", code = \"no\" } # short\n",
    );
    check_update(
        "[expect]\nverdict = \"deny\"\ncode = \"no\"\n",
        &Found::Problems([("/max".to_owned(), "is wrong".to_owned())].into()),
        "[expect]\nproblems = [\"/max\"]\n",
    );
}

#[test]
fn no_case_can_expect_a_fault() {
    let case = parse("[expect]\nverdict = \"allow\"\n");
    assert_eq!(update(&case, &Found::Fault("it trapped".to_owned())), Ok(None));
    assert_eq!(update(&case, &Found::Refused("no `shape`".to_owned())), Ok(None));
    assert!(case.differences(&Found::Refused("no `shape`".to_owned()))[0].ends_with("when it serves: no `shape`"));
}
