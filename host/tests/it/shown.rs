//! What the executable shows: to programs one JSON document, to people what they decide about, as it is.

use serde_json::{Value, json};
use wardlock_tests::home::{Output, Serving, Wardlock};
use wardlock_tests::{programs, raw};

use crate::program::{connect, program, register, run};

/// The public key of RFC 8032, section 7.1, test 1.
pub(crate) const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea ada\n";
pub(crate) const LEADS: &str = "/acme/zoho/crm/v8/Leads";

/// A served home that takes leads in; its account is connected, and the connection proved.
pub(crate) fn taking_leads() -> (Wardlock, Serving) {
    let wardlock = program();
    run(&wardlock, &["init", "--policy", "zoho-lead-intake", "--workspace", "acme", "--region", "eu"])
        .ok()
        .expect("a home");
    let listen = format!("[listen]\nagents = \"{}\"\ncallback = \"{}\"\n", wardlock.agents(), wardlock.callback());
    wardlock.write("wardlock.toml", &listen).expect("written");
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    register(&wardlock).ok().expect("registered");
    connect(&wardlock, "acme/zoho").ok().expect("connected");
    let proved = run(&wardlock, &["proof", "acme/zoho"]).ok().expect("proved");
    for told in ["ok     the pinned account", "-      the pinned account: not told by this answer"] {
        assert!(proved.stdout.contains(told), "{told}: {}", proved.stdout);
    }
    (wardlock, serving)
}

pub(crate) fn answering(wardlock: &Wardlock, args: &[&str], answer: &str) -> Output {
    wardlock.run(args, answer.as_bytes()).expect("it runs")
}

pub(crate) fn json(wardlock: &Wardlock, args: &[&str]) -> Value {
    run(wardlock, &[&["--json"], args].concat()).json().expect("json")
}

pub(crate) fn token(wardlock: &Wardlock) -> String {
    let added = json(wardlock, &["agent", "add", "intake", "--workspace", "acme"]);
    added["token"].as_str().expect("a token").to_owned()
}

/// Has a request held, and returns its draft's id.
pub(crate) fn held(wardlock: &Wardlock, token: &str, method: &str, path: &str, body: &Value) -> String {
    let body = body.to_string();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nAccept: application/problem+json\r\n\
         Wardlock-Purpose: a lead of the fair in Graz\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        wardlock.agents(),
        body.len()
    );
    let said = raw::exchange(wardlock.agents(), request.as_bytes()).expect("a reply").json().expect("json");
    assert_eq!(said["code"], "held", "{said}");
    said["draft"].as_str().expect("a draft").to_owned()
}

#[test]
fn writes_show_what_they_mean_before_and_what_has_changed_after() {
    let (wardlock, serving) = taking_leads();
    let set = answering(&wardlock, &["--json", "writes", "draft", "acme/zoho"], "acme/zoho\n").ok().expect("set");
    let told = set.json().expect("one document");
    assert_eq!((&told["writes"], &told["enabled"]), (&json!("draft"), &json!(true)));
    let scopes = told["scopes_granted"].as_array().expect("scopes");
    assert!(scopes.iter().any(|scope| scope["allows"].as_str().is_some_and(|words| words.starts_with("CRM: "))));
    for shown in ["will be able to:", "records.create", "scopes granted:", "Type the connection"] {
        assert!(set.stderr.contains(shown), "`{shown}` is not shown before: {}", set.stderr);
    }
    let set = answering(&wardlock, &["writes", "on", "acme/zoho"], "acme/zoho\n").ok().expect("set");
    assert!(set.stderr.contains("passes, up to the limit of records"), "{}", set.stderr);
    assert_eq!(set.stdout, "connection: acme/zoho\nwrites: on\nenabled: yes\n");
    let set = run(&wardlock, &["writes", "draft", "acme/zoho", "--confirm", "acme/zoho"]).ok().expect("set");
    assert!(set.stderr.contains("will be able to:") && set.stderr.contains("held for a person"), "{}", set.stderr);
    let off = run(&wardlock, &["writes", "off", "acme/zoho"]).ok().expect("off");
    assert_eq!(off.stdout, "connection: acme/zoho\nwrites: off\nenabled: no\n");
    let no = answering(&wardlock, &["--json", "writes", "on", "acme/zoho"], "acme\n");
    assert_eq!((no.code, no.stdout.contains("will_be_able_to")), (Some(1), false), "{no:?}");
    serving.stop().expect("it ends");
}

#[test]
fn a_draft_is_shown_as_it_is_and_an_act_that_was_refused_as_refused() {
    let (wardlock, serving) = taking_leads();
    run(&wardlock, &["writes", "draft", "acme/zoho", "--confirm", "acme/zoho"]).ok().expect("enabled");
    let token = token(&wardlock);
    let lead = json!({ "Last_Name": "-", "Phone": null, "Company": "N\u{202e}", "Tags": [], "Active": true });
    let id = held(&wardlock, &token, "POST", LEADS, &json!({ "data": [lead] }));
    let shown = run(&wardlock, &["drafts", "show", &id]).ok().expect("shown").stdout;
    for line in ["\"Last_Name\": \"-\"", "\"Phone\": null", "\"N\\u202e\"", "\"Tags\": []", "\"Active\": true"] {
        assert!(shown.contains(line), "`{line}` is not shown: {shown}");
    }
    let missing = json!({ "data": [{ "id": "1", "Last_Name": "Nobody" }] });
    let other = held(&wardlock, &token, "PUT", LEADS, &missing);
    let shown = run(&wardlock, &["drafts", "show", &other]).ok().expect("shown").stdout;
    assert!(shown.contains("value now: not read") && shown.contains("not found: the provider"), "{shown}");

    let hash = json(&wardlock, &["drafts", "show", &id])["request_sha256"].as_str().expect("a hash").to_owned();
    let approved = answering(&wardlock, &["--json", "drafts", "approve", &id], &format!("{}\n", &hash[..8]));
    assert_eq!(approved.json().expect("one document")["sent"], true, "{approved:?}");
    assert!(approved.stderr.contains(&hash) && approved.stderr.contains("\"Last_Name\": \"-\""), "{approved:?}");
    for again in [&["drafts", "approve", &id][..], &["drafts", "approve", &id, "--request", &hash]] {
        let again = run(&wardlock, again);
        assert_eq!(again.code, Some(1));
        assert!(again.stderr.contains("it was sent by the approval of 2"), "{}", again.stderr);
        assert!(again.stderr.contains("`wardlock audit show req_"), "{}", again.stderr);
    }

    let acts = json(&wardlock, &["audit", "list", "--act", "drafts.approve"]);
    let results: Vec<&Value> = acts.as_array().expect("rows").iter().map(|row| &row["result"]).collect();
    assert_eq!(results, ["sent", "refused"]);
    let listed = run(&wardlock, &["audit", "list", "--act", "drafts.approve"]).ok().expect("listed").stdout;
    assert!(listed.contains("RESULT") && listed.contains("refused"), "{listed}");
    let request = id.replacen("draft_", "req_", 1);
    let row = run(&wardlock, &["audit", "show", &request]).ok().expect("shown").stdout;
    assert!(
        row.starts_with("version: ") && row.contains("\ntime: 20") && row.contains("\nrefusal:\n  code: held"),
        "{row}"
    );
    assert!(row.lines().all(|line| line.len() < 200) && !row.contains(": -\n"), "{row}");
    serving.stop().expect("it ends");
}

/// What lists, and a member of its rows that people are shown as it is.
const LISTS: [(&[&str], &str); 10] = [
    (&["drafts", "list"], "draft"),
    (&["drafts", "list", "--all"], "draft"),
    (&["connections", "list"], "connection"),
    (&["agent", "list"], "agent"),
    (&["grants"], "grant"),
    (&["registration", "list"], "registration"),
    (&["operator", "list"], "operator"),
    (&["plugin", "list"], "plugin"),
    (&["audit", "list", "--limit", "1000"], "time"),
    (&["service", "list"], "service"),
];

#[test]
fn every_list_shows_its_rows_to_people() {
    let (wardlock, serving) = taking_leads();
    run(&wardlock, &["writes", "draft", "acme/zoho", "--confirm", "acme/zoho"]).ok().expect("enabled");
    for list in [&["drafts", "list"][..], &["drafts", "list", "--all"], &["operator", "list"]] {
        let none = run(&wardlock, list).ok().expect("none");
        assert_eq!((none.stdout.as_str(), none.stderr.as_str()), ("", "(none)\n"), "{list:?}");
    }
    let token = token(&wardlock);
    let none = run(&wardlock, &["drafts", "reject", "--agent", "intake"]).ok().expect("none waits");
    assert_eq!(none.stdout, "agent: intake\nrejected: none\ndetail: no draft of `intake` waits\n");
    let nobody = run(&wardlock, &["drafts", "reject", "--agent", "intaek"]);
    assert!(nobody.code == Some(1) && nobody.stderr.contains("there is no agent `intaek`"), "{nobody:?}");
    let id = held(&wardlock, &token, "POST", LEADS, &json!({ "data": [{ "Last_Name": "A", "Company": "B" }] }));
    wardlock.write("ada.pub", KEY).expect("written");
    let key = wardlock.home().join("ada.pub").display().to_string();
    run(&wardlock, &["operator", "add", "ada", "--key", &key]).ok().expect("an operator");
    for (list, member) in LISTS {
        let rows = json(&wardlock, list);
        let shown = run(&wardlock, list).ok().expect("listed");
        assert!(rows.as_array().is_some_and(|rows| !rows.is_empty()), "{list:?}: {rows}");
        for row in rows.as_array().into_iter().flatten() {
            let word = row[member].as_str().unwrap_or_else(|| panic!("{list:?}: {row}"));
            assert!(shown.stdout.contains(word), "`{word}` of {list:?} is not shown: {shown:?}");
        }
    }
    let rejected = run(&wardlock, &["drafts", "reject", "--agent", "intake"]).ok().expect("rejected");
    assert_eq!(rejected.stdout, format!("agent: intake\nrejected: {id}\n"));
    serving.stop().expect("it ends");
}

#[test]
fn who_signs_is_told_what_the_key_s_program_said_and_acceptance_is_one_document() {
    let folder = tempfile::tempdir().expect("a folder");
    programs::script(&folder.path().join("ssh-keygen"), "echo 'Load key: bad permissions' >&2\nexit 255\n")
        .expect("a program");
    let wardlock = program().finding(folder.path());
    run(&wardlock, &["init", "--policy", "zoho-readonly", "--workspace", "acme", "--region", "eu"])
        .ok()
        .expect("a home");
    wardlock.write("ada.pub", KEY).expect("written");
    let key = wardlock.home().join("ada.pub").display().to_string();
    run(&wardlock, &["operator", "add", "ada", "--key", &key]).ok().expect("an operator");
    let nothing = run(&wardlock, &["--json", "policy", "accept"]).ok().expect("nothing to accept");
    assert_eq!(nothing.json().expect("one document")["wider"], json!([]));
    let unsigned =
        run(&wardlock, &["--as", "ada", "--sign-with", &key, "agent", "add", "a", "--workspace", "acme"]);
    assert_eq!(unsigned.code, Some(1), "{unsigned:?}");
    for said in ["ada.pub", "Load key: bad permissions", "the private key's file"] {
        assert!(unsigned.stderr.contains(said), "`{said}` is not said: {}", unsigned.stderr);
    }
}
