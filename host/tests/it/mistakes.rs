//! What the executable says to mistakes: what, where, how to mend it, and with which exit code.

use crate::program::{register, run, with_home, with_workspace};
use wardlock_tests::home::Wardlock;

/// The public keys of RFC 8032, section 7.1, tests 1 and 2.
const ADA: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea ada\n";
const BOB: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM bob\n";

#[test]
fn error_in_a_workspace_file_shows_the_line() {
    let wardlock = with_workspace();
    let path = wardlock.home().join("workspaces/acme.toml");
    let text =
        std::fs::read_to_string(&path).expect("a file").replace("writes     = \"off\"", "writes     = \"offf\"");
    wardlock.write("workspaces/acme.toml", &text).expect("written");
    let said = run(&wardlock, &["policy", "check"]).stdout;
    assert!(said.contains("writes     = \"offf\""), "the line is shown: {said}");
    let told = run(&wardlock, &["--json", "policy", "check"]).json().expect("json");
    assert_eq!(told["problems"][0]["line"], "writes     = \"offf\"", "{told}");
}

#[test]
fn number_or_group_that_is_none_is_told_with_those_that_are() {
    let wardlock = with_workspace();
    let path = wardlock.home().join("workspaces/acme.toml");
    let text = std::fs::read_to_string(&path).expect("a file");
    for (from, to, says) in [
        (
            "writes     =",
            "max_records = -1\nwrites     =",
            "a whole number from 0 to 4294967295 is wanted, and -1 stands here",
        ),
        ("writes     =", "approvals = -1\nwrites     =", "a number of people from 1 to 5 is wanted"),
        (
            "[connections.zoho]",
            "[recorder]\nrequests = -1\n[connections.zoho]",
            "a number from 1 to 10000 is wanted",
        ),
        ("operations = [", "operations = [\"horses\", ", "groups are `bulk.read`, `bulk.write`"),
    ] {
        assert!(text.contains(from), "{from}: {text}");
        wardlock.write("workspaces/acme.toml", &text.replace(from, to)).expect("written");
        let said = run(&wardlock, &["policy", "check"]).stdout;
        assert!(said.contains(says), "{to}: {said}");
    }
}

#[test]
fn what_changes_nothing_in_the_rules_for_writes_is_noted() {
    let wardlock = with_workspace();
    let path = wardlock.home().join("workspaces/acme.toml");
    let text = std::fs::read_to_string(&path).expect("a file");
    let noted = |rules: &str| {
        let text = text.replace("writes     =", &format!("{rules}\nwrites     ="));
        wardlock.write("workspaces/acme.toml", &text).expect("written");
        let told = run(&wardlock, &["--json", "policy", "check"]).ok().expect("notes close nothing");
        let told = told.json().expect("json");
        let problems = told["problems"].as_array().expect("problems").iter();
        problems.map(|one| one["message"].as_str().expect("a sentence").to_owned()).collect::<Vec<_>>()
    };
    let before = noted("").len();
    let reads = noted("unattended = [\"records.list\"]");
    assert!(reads.iter().any(|note| note.contains("`records.list` is no write by itself")), "{reads:?}");
    let above = noted("max_records = 5\nlimits = { \"records.list\" = { max_records = 9 } }");
    assert!(above.iter().any(|note| note.contains("9 is above the connection's `max_records` of 5")), "{above:?}");
    assert_eq!(noted("limits = { \"records.list\" = { max_records = 9 } }").len(), before);
}

#[test]
fn region_that_the_service_does_not_have_makes_no_home() {
    let wardlock = Wardlock::new(env!("CARGO_BIN_EXE_wardlock")).expect("a folder");
    for (region, told) in [("xx", "there are ae, au, ca"), ("us1", "did you mean `us`?")] {
        let init = ["init", "--policy", "zoho-readonly", "--workspace", "acme", "--region", region];
        let output = run(&wardlock, &init);
        assert_eq!(output.code, Some(2), "{output:?}");
        assert!(output.stderr.contains(told), "{output:?}");
        assert!(!wardlock.home().exists(), "nothing is half made");
    }
}

#[test]
fn ready_made_workspace_is_added_to_a_home_that_is_there() {
    let wardlock = with_home();
    let init = |more: &[&str]| {
        let args = ["init", "--policy", "zoho-readonly", "--workspace", "globex", "--region", "eu"];
        run(&wardlock, &[&args[..], more].concat())
    };
    let added = init(&[]).ok().expect("a workspace");
    assert!(added.stderr.contains("wardlock reload"), "{added:?}");
    assert!(run(&wardlock, &["policy", "check"]).ok().is_ok());
    let again = init(&[]);
    assert!(again.code == Some(3) && again.stderr.contains("globex.toml exists already"), "{again:?}");
    for new in [&["--key", "passphrase"][..], &["--recovery", "age1"]] {
        assert_ne!(init(new).code, Some(0), "a key and recipients are a new home's");
    }
    let bare = run(&wardlock, &["init"]);
    assert!(bare.code == Some(3) && bare.stderr.contains("is a Wardlock home already"), "{bare:?}");
}

#[test]
fn name_that_is_taken_or_unknown_is_a_plain_no() {
    let wardlock = with_workspace();
    register(&wardlock).ok().expect("registered");
    run(&wardlock, &["agent", "add", "reporter", "--workspace", "acme"]).ok().expect("an agent");
    let taken = register(&wardlock);
    assert_eq!(taken.code, Some(1), "{taken:?}");
    for args in [
        &["agent", "add", "reporter", "--workspace", "acme"][..],
        &["agent", "revoke", "nobody"],
        &["disconnect", "nothing"],
        &["connections", "show", "acme/nothing"],
        &["audit", "show", "req_nothing"],
    ] {
        let output = run(&wardlock, args);
        assert_eq!(output.code, Some(1), "{args:?}: {output:?}");
        assert!(output.stderr.contains("hint: "), "{args:?}: {output:?}");
    }
}

#[test]
fn filter_that_no_row_can_meet_is_a_usage_error() {
    let wardlock = with_workspace();
    for (args, named) in [
        (&["audit", "list", "--decision", "maybe"][..], "allow, hold, deny"),
        (&["audit", "list", "--outcome", "zzz"], "ok, partial, failed"),
        (&["audit", "list", "--effect", "zzz"], "read, write, destructive"),
        (&["audit", "list", "--kind", "zzz"], "intent, outcome"),
        (&["audit", "list", "--code", "writes_of"], "did you mean `writes_off`?"),
        (&["audit", "list", "--code", "zzz"], "docs/refusals.md"),
        (&["audit", "list", "--limit", "0"], "--limit"),
    ] {
        let output = run(&wardlock, args);
        assert_eq!(output.code, Some(2), "{args:?}: {output:?}");
        assert!(output.stderr.contains(named), "{args:?}: {output:?}");
    }
}

#[test]
fn file_that_is_no_plugin_is_told_in_one_plain_line() {
    let wardlock = with_workspace();
    wardlock.write("plugins/text.wasm", "hello").expect("written");
    let file = wardlock.home().join("plugins/text.wasm");
    let output = run(&wardlock, &["plugin", "inspect", file.to_str().expect("a path")]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("does not begin as WebAssembly does"), "{output:?}");
    assert!(output.stderr.contains("hint: build it for wasm32-wasip2"), "{output:?}");
    assert!(!output.stderr.contains("\\n"), "{output:?}");
    let missing = run(&wardlock, &["plugin", "inspect", "/nowhere/x.wasm"]);
    assert_eq!(missing.code, Some(2), "{missing:?}");
    assert!(missing.stderr.contains("No such file") && missing.stderr.contains("hint: "), "{missing:?}");
}

#[test]
fn every_starter_is_there_to_be_used() {
    let wardlock = with_workspace();
    for starter in ["read-only", "field-mask", "page-cap", "office-hours", "require-purpose"] {
        let file = wardlock.home().join(format!("plugins/{starter}.wasm"));
        assert!(file.is_file(), "{} is missing", file.display());
    }
}

#[test]
fn service_check_says_where_and_how_to_mend_it() {
    let wardlock = with_home();
    let clean = include_str!("../../../tests/providers/notes.toml");
    let written = |text: &str| {
        wardlock.write("services/notes.toml", text).expect("written");
        wardlock.home().join("services/notes.toml").display().to_string()
    };
    let file = written(clean);
    let nothing = run(&wardlock, &["service", "check", &file]).ok().expect("nothing is found").stdout;
    assert!(nothing.contains("3 operations, nothing found"), "{nothing}");
    for (from, to, line, says) in [
        ("pkce = true", "pkce = false", 23, "set it to true"),
        ("effect = \"read\"", "effect = \"reed\"", 72, "did you mean `read`?"),
        ("name = \"notes\"", "name = \"notes \"", 3, "begins or ends with a space"),
    ] {
        let file = written(&clean.replacen(from, to, 1));
        let told = run(&wardlock, &["service", "check", &file]);
        assert_eq!(told.code, Some(1), "{}", told.stdout);
        assert!(told.stdout.contains(&format!("notes.toml:{line}: ")), "{}", told.stdout);
        assert!(told.stdout.contains(says), "{}", told.stdout);
        let json = run(&wardlock, &["--json", "service", "check", &file]).json().expect("json");
        assert_eq!((&json["ok"], &json["found"][0]["line"]), (&false.into(), &line.into()), "{json}");
    }
}

#[test]
fn a_built_in_definition_is_copied_under_another_name_only() {
    let wardlock = with_home();
    let text = run(&wardlock, &["service", "show", "google-ads", "--definition"]).ok().expect("its text").stdout;
    let check = |text: &str| {
        wardlock.write("services/ads.toml", text).expect("written");
        let file = wardlock.home().join("services/ads.toml").display().to_string();
        run(&wardlock, &["--json", "service", "check", &file]).json().expect("json")
    };
    let newer = text.replacen("version = \"v26\"", "version = \"v27\"", 1);
    assert_ne!(newer, text, "the version stands in it once");
    let told = check(&newer);
    assert_eq!(
        told["found"][0]["problem"],
        "a service `google-ads` is built in, and a file may not take its place"
    );
    let told = check(&newer.replacen("name = \"google-ads\"", "name = \"ads\"", 1));
    assert_eq!(told["ok"], true, "{told}");
    let output = run(&wardlock, &["service", "show", "ads", "--definition"]);
    assert!(output.stderr.contains("no service `ads` is built in"), "{output:?}");
}

#[test]
fn service_new_begins_a_definition_and_takes_no_name_that_is_taken() {
    let wardlock = with_home();
    let metadata = r#"{
        "issuer": "https://id.tasks.example",
        "authorization_endpoint": "https://id.tasks.example/auth",
        "token_endpoint": "https://id.tasks.example/token"
    }"#;
    wardlock.write("metadata.json", metadata).expect("written");
    let path = |name: &str| wardlock.home().join(name).display().to_string();
    let (metadata, file) = (path("metadata.json"), path("services/tasks.toml"));
    let new = ["service", "new", "--name", "tasks", "--api-host", "api.tasks.example", "--out", &file];
    let from = |issuer: &'static str| ["--issuer", issuer, "--issuer-metadata", &metadata];
    let other = run(&wardlock, &[&new[..], &from("https://id.tasks.test")].concat());
    assert_eq!(other.code, Some(2), "{other:?}");
    assert!(other.stderr.contains("is of issuer `https://id.tasks.example`"), "{other:?}");
    assert!(!wardlock.home().join("services/tasks.toml").exists(), "nothing is half made");

    run(&wardlock, &[&new[..], &from("https://id.tasks.example")].concat()).ok().expect("a definition");
    let told = run(&wardlock, &["--json", "service", "check", &file]).json().expect("json");
    assert_eq!(
        (&told["parses"], &told["ok"]),
        (&true.into(), &false.into()),
        "it is still to be filled in: {told}"
    );
    let taken = run(&wardlock, &[&new[..], &from("https://id.tasks.example")].concat());
    assert_eq!(taken.code, Some(1), "{taken:?}");

    let nobody_to_ask = run(&wardlock, &["service", "new", "--name", "tasks"]);
    assert_eq!(nobody_to_ask.code, Some(2), "{nobody_to_ask:?}");
    assert!(nobody_to_ask.stderr.contains("`--api-host` is not known"), "{nobody_to_ask:?}");
}

#[test]
fn service_schema_is_the_published_one() {
    let wardlock = with_home();
    let printed = run(&wardlock, &["service", "schema"]).ok().expect("a schema").stdout;
    assert_eq!(printed.trim_end(), include_str!("../../../docs/service.schema.json").trim_end());
}

#[test]
fn first_operator_is_an_admin_every_other_an_approver_and_each_has_one_key() {
    let wardlock = with_workspace();
    let add = |name: &str, keys: &str| {
        wardlock.write("one.pub", keys).expect("written");
        let key = wardlock.home().join("one.pub").display().to_string();
        run(&wardlock, &["--json", "operator", "add", name, "--key", &key])
    };
    let two = add("ada", &format!("{ADA}{BOB}"));
    assert_eq!(two.code, Some(2), "{two:?}");
    assert!(two.stderr.contains("more than one line"), "{two:?}");
    assert_eq!(add("ada", ADA).json().expect("json")["role"], "admin");
    // It wants a signature; what would be signed names the role.
    let unsigned = add("bob", BOB);
    assert!(unsigned.stderr.contains("wants an operator's signature"), "{unsigned:?}");
    let listed = run(&wardlock, &["--json", "operator", "list"]).json().expect("json");
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
}
