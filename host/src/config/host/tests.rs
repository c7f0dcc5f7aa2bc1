//! What `wardlock.toml` may say, and what is said of what it may not.

use super::*;
use crate::config::ApproversConfig;

const RECIPIENT: &str = "age1s2aht6wfnnfwx8sq6d722cljg7ap5ea247w0f7pemzpadrp02qnsvje78g";

fn check(text: &str, expected: &str) {
    let error = HostConfig::parse("wardlock.toml", text).expect_err(text);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_template_shows_the_defaults() {
    let template = include_str!("../../home/wardlock.toml");
    let default = HostConfig::default();
    assert_eq!(HostConfig::parse("wardlock.toml", "").expect("nothing"), default);
    assert_eq!(HostConfig::parse("wardlock.toml", template).expect("the template"), default);
    // Every commented key, uncommented, still says the default, but for the examples.
    let uncommented: String = template
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.contains(" = ") => format!("{key}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    // No recipient stands there whole: whoever took it over would make backups for somebody else.
    let uncommented = uncommented.replace("age1...", RECIPIENT);
    let mut shown = HostConfig::parse("wardlock.toml", &uncommented).expect("the template without `#`");
    assert_eq!(shown.listen.hosts, ["wardlock.internal:7420"]);
    shown.listen.hosts.clear();
    assert_eq!(shown.redirect_uri(), "https://connect.example.com/callback");
    shown.listen.callback_url = None;
    assert_eq!(shown.listen.operators, Some(([127, 0, 0, 1], 7422).into()));
    assert_eq!(shown.listen.operators_hosts, ["wardlock.internal:7422"]);
    (shown.listen.operators, shown.listen.operators_hosts) = (None, Vec::new());
    assert_eq!(shown.listen.dashboard.take(), Some(shown.dashboard(true).expect("the default address")));
    assert_eq!(shown.recipients.len(), 1);
    shown.recipients.clear();
    assert_eq!(shown.audit_mirror(), Some("/mnt/other-disk/wardlock-audit.jsonl".into()));
    assert!(shown.audit_rotation().after.is_some() && shown.audit_rotation().keep.is_some());
    (shown.audit.mirror, shown.audit.rotate, shown.audit.keep) = (None, None, None);
    let program = Path::new("/proc/self/exe");
    assert_eq!(shown.plugin_runs(program), Runs::Workers { count: 2, program: program.to_owned() });
    assert_eq!(default.plugin_runs(program), Runs::workers(program));
    shown.plugins = default.plugins.clone();
    assert_eq!(shown.otlp, Some(http::Uri::from_static("http://127.0.0.1:4318/v1/traces")));
    shown.otlp = None;
    assert_eq!(shown.approvers.command, ["notify-send", "Wardlock: a request waits"]);
    assert_eq!(shown.approvers.webhook, Some(http::Uri::from_static("https://hooks.example.com/wardlock")));
    shown.approvers = ApproversConfig::default();
    assert_eq!(shown, default);
}

#[test]
fn plugins_run_where_the_operator_says() {
    let inside = HostConfig::parse("wardlock.toml", "[plugins]\nrun = \"in-process\"\n").expect("taken");
    assert_eq!(inside.plugin_runs(Path::new("/program")), Runs::InProcess);
    check(
        "[plugins]\nworkers = 0\n",
        "wardlock.toml:2:11: `plugins.workers`: a number from 1 to 64 is wanted\n\
         2 | workers = 0\n  |           ^",
    );
    check(
        "[plugins]\nrun = \"in-process\"\nworkers = 2\n",
        "wardlock.toml:3:11: `plugins.workers`: `run = \"in-process\"` has no workers\n\
         3 | workers = 2\n  |           ^\n\
         leave `workers` out, or set `run = \"worker\"`",
    );
}

#[test]
fn publishers_are_named_with_their_keys() {
    // minisign's own key, as its documentation has it.
    const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";
    let text = format!("[plugins]\nsigned = true\n[plugins.publishers.acme]\nkey = \"{KEY}\"\n");
    let config = HostConfig::parse("wardlock.toml", &text).expect("taken");
    let key = config.publishers().key("acme").expect("a key");
    assert_eq!((key.line(), key.id().to_string().as_str()), (KEY, "E7620F1842B4E81F"));
    assert!(config.publishers().only_signed() && !HostConfig::default().publishers().only_signed());
    check(
        "[plugins]\nsigned = true\n",
        "wardlock.toml:2:10: `plugins.signed`: no plugin would load: no publisher is named whose signatures are taken\n\
         2 | signed = true\n  |          ^^^^\n\
         `wardlock plugin trust NAME KEY` prints the table of one",
    );
    check(
        "[plugins.publishers.acme]\nkey = \"acme.pub\"\n",
        "wardlock.toml:2:7: `plugins.publishers.acme.key`: this is no minisign public key\n\
         2 | key = \"acme.pub\"\n  |       ^^^^^^^^^^\n\
         it is one line of 56 characters that begins with RW, or the file with that line: minisign.pub",
    );
    for (wrong, told) in [
        (
            format!("[plugins.publishers.Acme]\nkey = \"{KEY}\"\n"),
            "wardlock.toml:1:21: `plugins.publishers.Acme`: `Acme` is no publisher name",
        ),
        (
            format!("[plugins.publishers]\nacme.key = \"{KEY}\"\nglobex.key = \"{KEY}\"\n"),
            "wardlock.toml:3:14: `plugins.publishers.globex.key`: another publisher has this key",
        ),
        ("[plugins.publishers.acme]\nkeys = \"x\"\n".to_owned(), "there is no key `keys` here"),
    ] {
        let error = HostConfig::parse("wardlock.toml", &wrong).expect_err(&wrong).to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn settings_say_what_is_wrong_and_where() {
    check(
        "[listen]\nagent = \"127.0.0.1:7420\"\n",
        "wardlock.toml:2:1: `listen.agent`: there is no key `agent` here\n\
         2 | agent = \"127.0.0.1:7420\"\n  | ^^^^^\ndid you mean `agents`?",
    );
    check(
        "[listen]\nagents = \"localhost\"\n",
        "wardlock.toml:2:10: `listen.agents`: an address and a port are wanted\n\
         2 | agents = \"localhost\"\n  |          ^^^^^^^^^^^\n\
         such as \"127.0.0.1:7420\", or \"[::1]:7420\"; names are not looked up",
    );
    check(
        "[listen]\noperators = \"127.0.0.1:7420\"\n",
        "wardlock.toml:2:13: `listen.operators`: operators need another address than agents and the consent callback\n\
         2 | operators = \"127.0.0.1:7420\"\n  |             ^^^^^^^^^^^^^^^^",
    );
    check(
        "[vault]\nkey = \"keyring\"\n",
        "wardlock.toml:2:7: `vault.key`: `keyring` is not one of the values of this key\n\
         2 | key = \"keyring\"\n  |       ^^^^^^^^^\n\
         write one of \"file\", \"passphrase\", \"keychain\", \"credential\"",
    );
    check(
        "[vault]\nkey = \"keychain\"\npath = \"state/vault.key\"\n",
        "wardlock.toml:3:8: `vault.path`: this key belongs to `key = \"file\"`\n\
         3 | path = \"state/vault.key\"\n  |        ^^^^^^^^^^^^^^^^^\n\
         take it out, or set `key = \"file\"`",
    );
    check(
        "[limits]\nbody = \"1GiB\"\n",
        "wardlock.toml:2:8: `limits.body`: bodies are kept in memory, so \"64MiB\" is the most\n\
         2 | body = \"1GiB\"\n  |        ^^^^^^",
    );
    check(
        "[audit]\nkeep = \"1y\"\n",
        "wardlock.toml:2:8: `audit.keep`: only whole files are removed, and there is one as long as `rotate` is missing\n\
         2 | keep = \"1y\"\n  |        ^^^^\n\
         set `rotate = \"100MiB\"`, too",
    );
    check(
        "[limits]\nrequest_time = 30\n",
        "wardlock.toml:2:16: `limits.request_time`: text in quotes is wanted, and a number stands here\n\
         2 | request_time = 30\n  |                ^^\nput quotes around it",
    );
    check(
        "[listen]\nhosts = [\"http://api.example.com\"]\n",
        "wardlock.toml:2:10: `listen.hosts`: a host name is wanted, without a scheme, a path or a wildcard\n\
         2 | hosts = [\"http://api.example.com\"]\n  |          ^^^^^^^^^^^^^^^^^^^^^^^^\n\
         such as \"wardlock.internal:7420\", or \"https://agents.example.com\"",
    );
    for wrong in [
        "http://a.example/callback",
        "https://a.example/other",
        "https://a.example/callback?x=1",
        "https://A.example/callback",
    ] {
        let text = format!("[listen]\ncallback_url = \"{wrong}\"\n");
        let error = HostConfig::parse("wardlock.toml", &text).expect_err(wrong).to_string();
        assert!(error.contains("`listen.callback_url`: an https address is wanted"), "{error}");
    }
    for wrong in [
        "127.0.0.1:4318",
        "grpc://127.0.0.1:4317",
        "http://user:secret@127.0.0.1:4318",
        "http://127.0.0.1:4318/?key=secret",
        "http://127.0.0.1:4318/#x",
        "http://127.0.0.1:4318/v1/traces",
        "",
    ] {
        let text = format!("[telemetry]\notlp = \"{wrong}\"\n");
        let error = HostConfig::parse("wardlock.toml", &text).expect_err(wrong).to_string();
        assert!(error.contains("`telemetry.otlp`: the address of a collector is wanted"), "{error}");
    }
    let behind = HostConfig::parse("wardlock.toml", "[telemetry]\notlp = \"https://otlp.example.com/a/\"\n");
    let address = http::Uri::from_static("https://otlp.example.com/a/v1/traces");
    assert_eq!(behind.expect("a path before").otlp(), Some(&address));
    check(
        "[backup]\nrecipients = [\"age1nobody\"]\n",
        "wardlock.toml:2:15: `backup.recipients`: `age1nobody` is not an age recipient\n\
         2 | recipients = [\"age1nobody\"]\n  |               ^^^^^^^^^^^^\n\
         a recipient begins with `age1` and comes from `age-keygen`; those of ssh, plugins and `age1pq1` are not taken",
    );
    check(
        "[listen\n",
        "wardlock.toml:1:8: this is not TOML: unclosed table, expected `]`\n1 | [listen\n  |        ^",
    );
}

#[test]
fn a_name_that_would_ring_or_colour_a_terminal_is_told_escaped() {
    let error = HostConfig::parse("wardlock.toml", "\"a\\u0007\\u001b[31m\" = 1\n").expect_err("no such key");
    assert!(error.summary().contains("a\\u{7}\\u{1b}[31m"), "{error}");
}

#[test]
fn any_damage_to_the_file_is_read_or_told_with_its_place_and_in_plain_characters() {
    let whole: String = include_str!("../../home/wardlock.toml")
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(key) if key.contains(" = ") => format!("{key}\n"),
            _ if line.starts_with('#') => String::new(),
            _ => format!("{line}\n"),
        })
        .collect();
    for (at, _) in whole.char_indices() {
        let (before, after) = whole.split_at(at);
        let rest: String = after.chars().skip(1).collect();
        for put in ["", "\"", "\"\\u0007\"", "\u{85}", "\n", "=", "[", "0", "-", "ß"] {
            let text = format!("{before}{put}{rest}");
            let Err(error) = HostConfig::parse("wardlock.toml", &text) else { continue };
            let line = text.split('\n').nth(error.line - 1).expect("a line of the file");
            assert!(error.column <= line.chars().count() + 1, "{text}\n{error}");
            let said = format!("{}{}", error.summary(), error.hint.clone().unwrap_or_default());
            assert!(!said.chars().any(char::is_control), "{said:?}");
        }
    }
}

#[test]
fn approvers_are_told_by_a_program_or_over_a_private_way() {
    for right in ["https://hooks.example.com/a?b=c", "http://127.0.0.1:9/a", "http://localhost/a", "http://[::1]/"]
    {
        let text = format!("[approvers]\nwebhook = \"{right}\"\n");
        let config = HostConfig::parse("wardlock.toml", &text).expect("taken");
        assert_eq!(config.approvers().webhook.as_ref().map(http::Uri::to_string).as_deref(), Some(right));
    }
    for wrong in [
        "http://hooks.example.com/",
        "https://me:pass@hooks.example.com/",
        "ftp://localhost/",
        "https://a/#b",
        "a",
    ] {
        let text = format!("[approvers]\nwebhook = \"{wrong}\"\n");
        let error = HostConfig::parse("wardlock.toml", &text).expect_err(wrong).to_string();
        assert!(error.contains("`approvers.webhook`: an https address is wanted"), "{error}");
    }
    let error = HostConfig::parse("wardlock.toml", "[approvers]\ncommand = [\"\"]\n").expect_err("no program");
    assert!(error.to_string().contains("a program is wanted"), "{error}");
}
