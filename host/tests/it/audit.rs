//! `wardlock audit …` from outside: the executable, its exit codes, and what a stranger can do with a copy.

use std::fs;

use serde_json::Value;
use wardlock_tests::home::Wardlock;
use wardlock_tests::raw;

use crate::program::{register, run, with_workspace};
use crate::rolled_back;

/// A home in which something was done.
fn with_rows() -> Wardlock {
    let wardlock = with_workspace();
    register(&wardlock).ok().expect("registered");
    run(&wardlock, &["agent", "add", "reporter", "--workspace", "acme"]).ok().expect("an agent");
    wardlock
}

fn json(wardlock: &Wardlock, args: &[&str]) -> Value {
    run(wardlock, &[&["--json"], args].concat()).json().expect("json")
}

#[test]
fn a_kept_head_shows_what_was_cut_off_later_also_to_who_has_a_copy_only() {
    let wardlock = with_rows();
    let head = run(&wardlock, &["audit", "head"]).ok().expect("a head");
    let line = head.stdout.trim().to_owned();
    assert!(line.starts_with("wardlock-audit-head-1 number=") && !line.contains('\n'), "{line}");
    let key = head.stderr.rsplit("public key: ").next().expect("a key").trim().to_owned();

    let verified = json(&wardlock, &["audit", "verify", "--head", &line, "--public-key", &key]);
    assert_eq!((&verified["ok"], &verified["faults"]), (&true.into(), &Value::Array(Vec::new())), "{verified}");

    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy.db");
    let stranger = |args: &[&str]| {
        let copy = copy.display().to_string();
        let bin = std::process::Command::new(env!("CARGO_BIN_EXE_wardlock"))
            .args(["--home", "/nonexistent", "--json", "audit", "verify", "--file", &copy])
            .args(args)
            .output()
            .expect("it runs");
        let said: Value = serde_json::from_slice(&bin.stdout).expect("json");
        (bin.status.code(), said)
    };
    fs::copy(wardlock.home().join("state/audit.db"), &copy).expect("copied");
    let (code, said) = stranger(&["--head", &line, "--public-key", &key]);
    assert_eq!(
        (code, &said["kept_heads"][0]["found"]),
        (Some(0), &"holds: every row up to it is as it was".into())
    );
    let (_, said) = stranger(&[]);
    assert!(said["not_said"].to_string().contains("no public key was given"), "{said}");

    let database = rusqlite::Connection::open(&copy).expect("the copy");
    let trigger = "SELECT sql FROM sqlite_schema WHERE name = 'records_are_not_removed'";
    let trigger: String = database.query_row(trigger, [], |row| row.get(0)).expect("the trigger");
    database
        .execute_batch(&format!(
            "DROP TRIGGER records_are_not_removed; DELETE FROM records WHERE sequence > 1; DELETE FROM heads; {trigger}"
        ))
        .expect("cut off");
    drop(database);
    assert_eq!(stranger(&[]).0, Some(0), "what is left is sound in itself");
    let (code, said) = stranger(&["--head", &line]);
    assert_eq!(code, Some(1));
    assert!(said["faults"][0].as_str().is_some_and(|fault| fault.contains("missing at the end")), "{said}");
}

#[test]
fn what_is_no_head_and_no_key_is_said_so() {
    let wardlock = with_rows();
    for args in [["--head", "wardlock-audit-head-1 number=x"], ["--head", "nothing"], ["--public-key", "ab"]] {
        let output = run(&wardlock, &[["audit", "verify"], args].concat());
        assert_eq!(output.code, Some(2), "{args:?}: {output:?}");
    }
}

/// Serves, with an agent whose requests are refused because nothing is connected.
fn served() -> (Wardlock, wardlock_tests::home::Serving, String) {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let added = json(&wardlock, &["agent", "add", "reporter", "--workspace", "acme"]);
    let token = added["token"].as_str().expect("a token").to_owned();
    (wardlock, serving, token)
}

fn ask(wardlock: &Wardlock, token: &str, target: &str, purpose: &str) {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nWardlock-Purpose: {purpose}\r\n\
         Connection: close\r\n\r\n",
        wardlock.agents()
    );
    let reply = raw::exchange(wardlock.agents(), request.as_bytes()).expect("a reply");
    assert!(reply.status >= 400, "nothing is connected");
}

const HOSTILE: &str = "=HYPERLINK(\"http://evil.example\"),<script>alert(1)</script>";

#[test]
fn rows_are_listed_by_what_they_name_also_by_a_value_that_they_do_not_hold() {
    let (wardlock, serving, token) = served();
    ask(&wardlock, &token, "/acme/zoho/crm/v8/Leads/4150868000000624001", "one");
    ask(&wardlock, &token, "/acme/zoho/crm/v8/Contacts/4150868000000624002", "two");
    let found = |args: &[&str]| {
        let rows = json(&wardlock, &[&["audit", "list"], args].concat());
        rows.as_array().expect("rows").len()
    };
    assert_eq!(found(&["--path-value", "4150868000000624001"]), 1);
    assert_eq!(found(&["--path-value", "4150868000000624009"]), 0);
    assert_eq!(found(&["--resource", "Contacts", "--agent", "reporter", "--region", "eu"]), 1);
    assert_eq!(found(&["--code", "service_not_connected", "--since", "1h"]), 2);
    assert_eq!(found(&["--code", "service_not_connected", "--until", "2020-01-01"]), 0);
    assert_eq!(found(&["--kind", "admin", "--act", "agent.add"]), 1);
    assert_eq!(found(&["--limit", "1", "--after", "1"]), 1);
    for wrong in [["--since", "yesterday"], ["--kind", "nothing"]] {
        assert_eq!(run(&wardlock, &[&["audit", "list"], &wrong[..]].concat()).code, Some(2), "{wrong:?}");
    }
    serving.stop().expect("it ends");
}

#[test]
fn an_export_holds_every_row_ends_with_a_head_and_is_harmless() {
    let (wardlock, serving, token) = served();
    ask(&wardlock, &token, "/acme/zoho/crm/v8/Leads/1", HOSTILE);
    for number in 0..450 {
        ask(&wardlock, &token, &format!("/acme/zoho/crm/v8/Leads/{number}"), "many");
        // Slower than an agent may ask: of refusals for that not each has a row.
        std::thread::sleep(std::time::Duration::from_millis(6));
    }
    let jsonl = run(&wardlock, &["audit", "export"]).ok().expect("exported").stdout;
    let lines: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let (head, rows) = lines.split_last().expect("lines");
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row["sequence"], at + 1, "every row, in order");
    }
    assert!(rows.len() > 450, "more than two pages: {}", rows.len());
    assert!(rows.iter().any(|row| row["request"]["purpose"] == HOSTILE), "the value itself is kept");
    assert_eq!(
        rows.last().expect("a row")["act"]["what"],
        "audit.export",
        "who takes the records out is recorded"
    );

    let kept = tempfile::NamedTempFile::new().expect("a file");
    fs::write(kept.path(), &jsonl).expect("written");
    let heads = kept.path().display().to_string();
    let verified = json(&wardlock, &["audit", "verify", "--heads", &heads]);
    assert_eq!(verified["kept_heads"][0]["row"], rows.len(), "the head is of the last row: {head}");
    assert_eq!(verified["ok"], true, "{verified}");

    let csv =
        run(&wardlock, &["audit", "export", "--format", "csv", "--agent", "reporter"]).ok().expect("exported");
    let mut table = csv.stdout.lines();
    assert!(table.next().is_some_and(|head| head.starts_with("sequence,time,kind,request,")), "{}", csv.stdout);
    assert_eq!(table.count(), 451);
    assert!(csv.stdout.contains("\"'=HYPERLINK(\"\"http://evil.example\"\"),<script>"), "a formula is text");
    assert!(csv.stderr.contains("wardlock-audit-head-1 "), "{}", csv.stderr);
    serving.stop().expect("it ends");
}

#[test]
fn tail_shows_rows_as_they_come_until_ctrl_c() {
    use std::io::BufRead as _;

    let (wardlock, serving, token) = served();
    let mut tail = std::process::Command::new(env!("CARGO_BIN_EXE_wardlock"))
        .arg("--home")
        .arg(wardlock.home())
        .args(["audit", "tail", "-n", "1", "--agent", "reporter"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = std::io::BufReader::new(tail.stdout.take().expect("standard output")).lines();
    for number in 1..=3 {
        ask(&wardlock, &token, &format!("/acme/zoho/crm/v8/Leads/{number}"), &format!("number {number}"));
        let line = lines.next().expect("a line").expect("text");
        assert!(line.contains(&format!("purpose=number {number}")), "{line}");
    }
    let pid = rustix::process::Pid::from_child(&tail);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("told");
    assert_eq!(tail.wait().expect("it ends").code(), Some(0));
    serving.stop().expect("it ends");
    let alone = run(&wardlock, &["audit", "tail"]);
    assert_eq!(alone.code.map(|code| code != 0), Some(true), "{alone:?}");
}

#[test]
fn a_mirror_holds_every_row_and_one_that_cannot_be_written_refuses_the_start_by_name() {
    let wardlock = with_workspace();
    let config = |mirror: &str| {
        let listen =
            format!("[listen]\nagents = \"{}\"\ncallback = \"{}\"\n", wardlock.agents(), wardlock.callback());
        let audit = format!("[audit]\nmirror = \"{mirror}\"\nrotate = \"30d\"\nkeep = \"1y\"\n");
        wardlock.write("wardlock.toml", &(listen + &audit)).expect("written");
    };
    config("state/mirror.jsonl");
    run(&wardlock, &["agent", "add", "reporter", "--workspace", "acme"]).ok().expect("an agent");
    let rows = json(&wardlock, &["audit", "list"]).as_array().expect("rows").len();
    let mirror = fs::read_to_string(wardlock.home().join("state/mirror.jsonl")).expect("the mirror");
    let mirrored = mirror.lines().filter(|line| line.contains("\"sequence\":")).count();
    assert!(rows > 0 && mirrored == rows, "{mirrored} of {rows}");
    let heads = wardlock.home().join("state/mirror.jsonl").display().to_string();
    assert_eq!(json(&wardlock, &["audit", "verify", "--heads", &heads])["ok"], true);

    config("/nonexistent/mirror.jsonl");
    let refused = run(&wardlock, &["agent", "list"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("/nonexistent/mirror.jsonl"), "{}", refused.stderr);
    assert!(refused.stderr.contains("is its disk there?"), "{}", refused.stderr);
}

#[test]
fn a_request_that_a_crash_left_open_is_shown_with_what_to_do_and_counted_by_doctor() {
    let wardlock = with_rows();
    // What a crash leaves: an intent, and nothing that ends it.
    let database = rusqlite::Connection::open(wardlock.home().join("state/audit.db")).expect("the audit");
    let last = "SELECT detail FROM records ORDER BY sequence DESC LIMIT 1";
    let detail: String = database.query_row(last, [], |row| row.get(0)).expect("a row");
    let named = ["req_crash", "acme", "zoho", "reporter", "records.update", "write", "allow"].map(Some);
    let [id, workspace, connection, agent, operation, effect, decision] = named;
    let named = [id, workspace, connection, agent, operation, effect, decision, None];
    rolled_back::append(&database, "intent", named, &detail);
    database.execute("INSERT INTO open_intents SELECT max(sequence) FROM records", []).expect("left open");
    drop(database);
    let shown = json(&wardlock, &["audit", "show", "req_crash"]);
    assert_eq!(shown[1]["outcome"], "unknown", "{shown}");
    assert!(shown[1]["advice"].as_str().is_some_and(|advice| advice.contains("look at the provider")), "{shown}");
    let doctor = run(&wardlock, &["--json", "doctor"]).json().expect("json");
    let checks = doctor["checks"].as_array().expect("checks");
    let check = checks.iter().find(|check| check["check"] == "requests without an outcome").expect("counted");
    assert_eq!(check["state"], "yellow");
    assert!(
        check["found"].as_str().is_some_and(|found| found.starts_with("1 in the last week, 1 of them")),
        "{check}"
    );
    assert!(checks.iter().any(|check| check["check"] == "audit's disk"), "{doctor}");
}
