//! Cases made of requests to a home's connections, by the executable: `plugin case`.

use wardlock_tests::home::{Output, Wardlock};

use super::folder;
use crate::program::{run, with_workspace};

fn case(wardlock: &Wardlock, curl: &str, more: &[&str]) -> Output {
    run(wardlock, &[&["plugin", "case", "--plugin", "read-only", "--curl", curl], more].concat())
}

#[test]
fn case_is_made_of_a_request_as_the_host_finds_it() {
    let wardlock = with_workspace();
    let cases = folder(&[]);
    let file = cases.path().join("lead-is-not-updated.toml");
    let curl = "curl -X PUT -H 'Authorization: Bearer wl_never_shown' -H 'Wardlock-Purpose: tidy up' -H 'X-Own: 1' \
                -H 'Origin: https://app.example' -H 'Sec-Fetch-Mode: cors' --json '{\"data\":[{\"Email\":\"a@example.com\"}]}' http://127.0.0.1:7420/acme/zoho/crm/v8/Leads/1000001";
    let args = ["--out", file.to_str().expect("text"), "--promise", "Nobody updates a lead."];
    let made = case(&wardlock, curl, &args).ok().expect("made");
    assert!(made.stdout.contains("verdict: deny") && made.stdout.contains("code: read_only"), "{made:?}");
    assert!(made.stderr.contains("the host's own rules refuse this request"), "{made:?}");
    let text = std::fs::read_to_string(&file).expect("text");
    for line in [
        "# Nobody updates a lead.\n[request]\nmethod = \"PUT\"\npath = \"/crm/v8/Leads/1000001\"\n",
        "purpose = \"tidy up\"\n",
        "workspace = \"acme\"\nconnection = \"zoho\"\nagent = \"reporter\"\nregion = \"eu\"\n",
        "name = \"records.update_one\"\neffect = \"write\"\nresources = [\"Leads\"]\nfields = [[\"Leads\", \"Email\", \"write\"]]\nbreadth = 1\n",
        "[expect]\nverdict = \"deny\"\ncode = \"read_only\"\n",
    ] {
        assert!(text.contains(line), "`{line}` is not in it:\n{text}");
    }
    assert!(!text.contains("wl_") && !text.contains("x-own"), "only what plugins see is in it:\n{text}");
    let held = run(&wardlock, &["plugin", "test", "read-only", "--cases", cases.path().to_str().expect("text")]);
    assert_eq!(held.ok().expect("it holds").stdout, "1 case holds\n");

    let again = case(&wardlock, curl, &["--out", file.to_str().expect("text")]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.stderr.contains("exists already"), "{again:?}");
}

#[test]
fn request_that_no_plugin_would_see_becomes_no_case() {
    let wardlock = with_workspace();
    for (curl, code, told) in [
        ("curl http://127.0.0.1:7420/acme/zoho/crm/v8/../Leads", 1, "no plugin would see this request"),
        ("curl http://127.0.0.1:7420/acme/other/crm/v8/Leads", 1, "connections here: acme/zoho"),
        ("curl http://127.0.0.1:7420/", 2, "the address names no connection"),
        ("wget http://127.0.0.1:7420/acme/zoho/crm/v8/Leads", 2, "does not begin with `curl`"),
        ("curl -F a=b http://127.0.0.1:7420/acme/zoho/crm/v8/Leads", 2, "`-F` is not read here"),
    ] {
        let refused = case(&wardlock, curl, &[]);
        assert_eq!(refused.code, Some(code), "{curl}: {refused:?}");
        assert!(refused.stderr.contains(told), "{curl}: {refused:?}");
        assert!(refused.stdout.is_empty(), "{refused:?}");
    }
    // The upstream's own address, with the connection named beside it.
    let named = case(&wardlock, "curl https://www.zohoapis.eu/crm/v8/Leads", &["--connection", "acme/zoho"]);
    let named = named.ok().expect("made");
    assert!(named.stdout.contains("name = \"records.list\""), "{named:?}");
}

#[test]
fn case_for_programs_is_json_and_one_of_nothing_is_told_of_both_ways() {
    let wardlock = with_workspace();
    let curl = "curl http://127.0.0.1:7420/acme/zoho/crm/v8/Leads";
    let made = case(&wardlock, curl, &["--json"]).ok().expect("made").json().expect("json");
    assert_eq!((&made["verdict"], &made["operation"]), (&"allow".into(), &"records.list".into()), "{made}");
    assert!(made["text"].as_str().expect("a case").contains("[expect]\nverdict = \"allow\"\n"), "{made}");
    // A line by itself is one, too.
    let by_itself = run(&wardlock, &["--json", "plugin", "case", curl, "--plugin", "read-only"]);
    assert_eq!(by_itself.ok().expect("made").json().expect("json"), made);
    for (args, says) in [
        (
            &["curl", "http://127.0.0.1:7420/acme/zoho/crm/v8/Leads", "--plugin", "read-only"][..],
            "quote the whole line",
        ),
        (&[curl], "`--curl LINE` with `--plugin FILE`"),
        (&["--curl", curl], "`--curl LINE` with `--plugin FILE`"),
        (&["req_387f32d309ba8165e2dfe5ef891b3ae0", "--agent", "a"], "`--agent` go with `--curl`"),
    ] {
        let refused = run(&wardlock, &[&["plugin", "case"], args].concat());
        assert!(refused.code == Some(2) && refused.stderr.contains(says), "{args:?}: {refused:?}");
    }
    let nothing = run(&wardlock, &["plugin", "case"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(nothing.stderr.contains("--curl") && nothing.stderr.contains("request's id"), "{nothing:?}");
    for args in [
        &["plugin", "case", "nope"][..],
        &["plugin", "logs", "--request", "nope"],
        &["audit", "replay", "--request", "foo"],
    ] {
        let refused = run(&wardlock, args);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(refused.stderr.contains("32 hexadecimal digits"), "{refused:?}");
    }
}
