//! Row A26: what an agent writes is data wherever the audit is shown.

use serde_json::Value;
use wardlock_audit::misleading;
use wardlock_tests::home::Wardlock;
use wardlock_tests::raw;

use crate::program::{run, with_workspace};

/// What would speak to a terminal, a spreadsheet, a browser or a reader. Headers take no control character below 0x80, but
/// all of Unicode; a path takes everything, encoded.
const HOSTILE: [&str; 10] = [
    "=HYPERLINK(\"http://evil.example\";\"x\")",
    "+1+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "-2+3",
    "\u{9b}31m red \u{9d}0;title\u{9c}",
    "invoice\u{202e}fdp.exe\u{2066}\u{200b}\u{feff}",
    "<script>alert(1)</script>",
    "a\u{2028}b\u{2029}c\u{85}d",
    "\\u{1b}[31m decision=allow \\",
    "z\u{300}\u{301}\u{302}\u{303}\u{304}\u{305}\u{306}",
];

fn ask(wardlock: &Wardlock, token: &str, target: &str, purpose: &str) -> u16 {
    let request = format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nWardlock-Purpose: {purpose}\r\n\
         Connection: close\r\n\r\n",
        wardlock.agents()
    );
    let reply = raw::exchange(wardlock.agents(), request.as_bytes()).expect("a reply");
    wardlock.note("a reply", &reply.bytes);
    reply.status
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat()
}

#[test]
fn a26_what_an_agent_writes_is_harmless_wherever_the_audit_shows_it() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let added =
        run(&wardlock, &["--json", "agent", "add", "reporter", "--workspace", "acme"]).json().expect("json");
    let token = added["token"].as_str().expect("a token").to_owned();
    for text in HOSTILE {
        // As a purpose, a workspace, a connection, a segment, and the name and value of a parameter.
        let spelt = percent(text);
        for target in [
            "/acme/zoho/crm/v8/Leads?fields=Last_Name".to_owned(),
            format!("/{spelt}/zoho/crm/v8/Leads"),
            format!("/acme/{spelt}/crm/v8/Leads"),
            format!("/acme/zoho/crm/v8/Leads/{spelt}/{spelt}/x/y"),
            format!("/acme/zoho/crm/v8/Leads?{spelt}={spelt}"),
        ] {
            assert!(ask(&wardlock, &token, &target, text) >= 400, "nothing is connected");
        }
    }
    for control in ["%1b[31m", "a%0ab", "a%0d%0ab", "%00", "%07", "%7f"] {
        assert_eq!(ask(&wardlock, &token, &format!("/acme/{control}/crm/v8/Leads"), "x"), 400);
    }
    assert_eq!(ask(&wardlock, &token, &format!("/acme/{}", "a".repeat(1 << 20)), "x"), 431);
    assert_eq!(ask(&wardlock, &token, &format!("/acme/{}/x", "a".repeat(50_000)), "x"), 404);

    let said = |args: &[&str]| run(&wardlock, args).ok().expect("it works").stdout;
    let jsonl = said(&["audit", "export"]);
    let rows: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert!(rows.len() > HOSTILE.len() * 5, "{}", rows.len());
    for text in HOSTILE {
        assert!(rows.iter().any(|row| row["request"]["purpose"] == text), "the value itself is kept: {text}");
        assert!(rows.iter().any(|row| row["connection"] == text || row["connection"].is_null()), "{text}");
    }
    let longest = rows.iter().map(|row| row.to_string().len()).max().unwrap_or_default();
    assert!(longest < 8 << 10, "a row has its bounds: {longest}");
    let id =
        rows.iter().rfind(|row| row["request"]["purpose"] == HOSTILE[4]).expect("a row")["request_id"].clone();
    let id = id.as_str().expect("an id");
    let csv = said(&["audit", "export", "--format", "csv"]);
    for (what, text) in [
        ("list", said(&["audit", "list", "--limit", "1000"])),
        ("list --json", said(&["--json", "audit", "list", "--limit", "1000"])),
        ("show", said(&["audit", "show", id])),
        ("show --json", said(&["--json", "audit", "show", id])),
        ("export", jsonl),
        ("export --format csv", csv.clone()),
    ] {
        let speaks = misleading(&text).find(|(character, misleads)| *misleads && *character != '\n');
        assert_eq!(speaks, None, "audit {what}: {text}");
    }
    for line in csv.lines().skip(1) {
        let cells = line.split(',').map(|cell| cell.trim_start_matches('"'));
        let formula =
            cells.clone().find(|cell| cell.starts_with(['=', '+', '-', '@', '\t', '＝', '＋', '－', '＠']));
        assert_eq!(formula, None, "{line}");
    }
    serving.stop().expect("it ends");
}
