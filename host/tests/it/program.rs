//! The executable, from outside: commands, exit codes, the socket, the demo.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use wardlock_simulator::Consent;
use wardlock_tests::home::{Output, Wardlock};
use wardlock_tests::raw;

/// The simulator's client, as `serve --simulator` introduces it.
const CLIENT_ID: &str = "1000.WARDLOCKSIMULATORCLIENT00000001";
pub const CLIENT_SECRET: &str = "simulator-client-secret-of-nobody";

pub fn program() -> Wardlock {
    Wardlock::new(env!("CARGO_BIN_EXE_wardlock")).expect("a folder")
}

pub fn with_home() -> Wardlock {
    let wardlock = program();
    wardlock.init().expect("a home");
    wardlock
}

pub fn run(wardlock: &Wardlock, args: &[&str]) -> Output {
    wardlock.run(args, b"").expect("it runs")
}

pub fn register(wardlock: &Wardlock) -> Output {
    let args =
        ["registration", "add", "zoho", "--service", "zoho-crm", "--client-id", CLIENT_ID, "--secret-stdin"];
    wardlock.run(&args, CLIENT_SECRET.as_bytes()).expect("it runs")
}

/// Makes a home with a ready-made workspace, on ports of its own.
pub fn with_workspace() -> Wardlock {
    let wardlock = program();
    let init = ["init", "--policy", "zoho-readonly", "--workspace", "acme", "--region", "eu"];
    let output = run(&wardlock, &init).ok().expect("a home");
    assert!(output.stderr.contains("wardlock connect acme/zoho"), "the next steps are told: {output:?}");
    let listen = format!("[listen]\nagents = \"{}\"\ncallback = \"{}\"\n", wardlock.agents(), wardlock.callback());
    wardlock.write("wardlock.toml", &listen).expect("written");
    wardlock
}

/// Runs `connect` and accepts at the simulator, as a person with a browser would.
pub fn connect(wardlock: &Wardlock, connection: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wardlock"))
        .arg("--home")
        .arg(wardlock.home())
        .args(["--json", "connect", connection, "--no-browser"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = String::new();
    let mut lines = BufReader::new(child.stderr.take().expect("standard error")).lines();
    for line in lines.by_ref() {
        let line = line.expect("text");
        said.push_str(&line);
        said.push('\n');
        if let Some(url) = line.trim().strip_prefix("http://127.0.0.1") {
            let url = format!("http://127.0.0.1{url}");
            if url.contains("/start/") {
                let runtime = tokio::runtime::Runtime::new().expect("a runtime");
                let done = runtime.block_on(wardlock_simulator::consent(&url, &Consent::default()));
                assert_eq!(done.expect("a callback").status, 200);
            }
        }
    }
    for line in lines.map_while(Result::ok) {
        said.push_str(&line);
        said.push('\n');
    }
    let output = child.wait_with_output().expect("it ends");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    wardlock.note("connect", stdout.as_bytes());
    wardlock.note("connect", said.as_bytes());
    Output { code: output.status.code(), stdout, stderr: said }
}

#[test]
fn main_job_works_by_commands_alone() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    register(&wardlock).ok().expect("registered");
    let connected = connect(&wardlock, "acme/zoho").ok().expect("connected");
    for told in ["https://api-console.zoho.eu", "Server-based", "/callback", "invalid_client"] {
        assert!(connected.stderr.contains(told), "`{told}` is not told: {}", connected.stderr);
    }
    let added =
        run(&wardlock, &["--json", "agent", "add", "reporter", "--workspace", "acme"]).ok().expect("an agent");
    let token = added.json().expect("json")["token"].as_str().expect("a token").to_owned();
    let request = format!(
        "GET /acme/zoho/crm/v8/Leads?fields=Last_Name&per_page=2 HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
         Connection: close\r\n\r\n",
        wardlock.agents()
    );
    let reply = raw::exchange(wardlock.agents(), request.as_bytes()).expect("a reply");
    wardlock.note("the agent's reply", &reply.bytes);
    assert_eq!(reply.status, 200, "{}", String::from_utf8_lossy(&reply.bytes));
    assert_eq!(reply.json().expect("json")["data"].as_array().map(Vec::len), Some(2));
    let id = reply.header("wardlock-request-id").expect("an id");
    let rows = run(&wardlock, &["--json", "audit", "show", id]).ok().expect("rows").json().expect("json");
    assert_eq!(rows.as_array().map(Vec::len), Some(2), "INTENT and OUTCOME: {rows}");

    let shown =
        run(&wardlock, &["--json", "connections", "show", "acme/zoho"]).ok().expect("shown").json().expect("json");
    assert_eq!(shown["tenant"], "20071234567");
    assert_eq!(shown["region"], "eu");
    assert_eq!(shown["secrets"]["client_secret"], "stored");
    assert_eq!(shown["secrets"]["refresh_token"], "stored");
    assert!(!shown.to_string().contains(CLIENT_ID), "the client id is masked: {shown}");
    let verified = run(&wardlock, &["--json", "audit", "verify"]).ok().expect("sound").json().expect("json");
    assert_eq!(verified["ok"], true);

    let revoked = run(&wardlock, &["agent", "revoke", "reporter"]);
    assert_eq!(revoked.code, Some(0));
    let refused = raw::exchange(wardlock.agents(), request.as_bytes()).expect("a reply");
    assert_eq!(refused.status, 401, "a revoked token opens nothing");
    run(&wardlock, &["disconnect", "acme-zoho"]).ok().expect("disconnected");
    assert_eq!(serving.stop().expect("it ends").code(), Some(0));
}

#[test]
fn l1_admin_socket_is_closed_to_others_and_gone_after_the_end() {
    use std::os::unix::fs::PermissionsExt as _;

    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let socket = wardlock.home().join("state/admin.sock");
    let mode = std::fs::metadata(&socket).expect("a socket").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    serving.stop().expect("it ends");
    assert_eq!(run(&wardlock, &["--json", "agent", "list"]).code, Some(3), "a simulator's home needs its daemon");
}

#[test]
fn simulator_home_never_serves_real_providers() {
    let wardlock = with_workspace();
    drop(wardlock.serve(&["--simulator"]).expect("it serves"));
    let plain = run(&wardlock, &["serve"]);
    assert_eq!(plain.code, Some(3), "{plain:?}");
    assert!(plain.stderr.contains("simulator"), "{}", plain.stderr);
}

#[test]
fn real_home_becomes_no_simulator_home_once_it_holds_an_account() {
    let wardlock = with_workspace();
    register(&wardlock).ok().expect("registered without a daemon");
    let refused = run(&wardlock, &["serve", "--simulator"]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
}

#[test]
fn usage_errors_exit_2_and_name_what_is_wrong() {
    let wardlock = with_home();
    for (args, named) in [
        (&["agent", "add"][..], "NAME"),
        (&["sevre"][..], "serve"),
        (&["connect", "acme"][..], "workspace/connection"),
        (&["service", "show", "zoho"][..], "zoho-crm"),
        (&["init", "--policy", "zoho-readonly"][..], "--workspace"),
        (
            &["registration", "add", "z", "--service", "zoho-crm", "--client-id", "1", "--client-secret", "s"][..],
            "--client-secret",
        ),
    ] {
        let output = run(&wardlock, args);
        assert_eq!(output.code, Some(2), "{args:?}: {output:?}");
        assert!(output.stderr.contains(named), "{args:?} does not name `{named}`: {}", output.stderr);
        assert!(output.stdout.is_empty(), "talk is not data: {output:?}");
    }
}

#[test]
fn second_init_changes_nothing() {
    let wardlock = with_home();
    let key = std::fs::read(wardlock.home().join("state/vault.key")).expect("a key");
    let again = run(&wardlock, &["init"]);
    assert_eq!(again.code, Some(3), "{again:?}");
    assert_eq!(std::fs::read(wardlock.home().join("state/vault.key")).expect("a key"), key);
}

#[test]
fn home_without_its_key_is_refused_and_never_started_afresh() {
    let wardlock = with_home();
    let key = wardlock.home().join("state/vault.key");
    let kept = std::fs::read(&key).expect("a key");
    std::fs::remove_file(&key).expect("removed");
    let output = run(&wardlock, &["grants"]);
    assert_eq!(output.code, Some(3), "{output:?}");
    assert!(!key.exists(), "no new key is made");
    wardlock.write("state/vault.key", &String::from_utf8(kept).expect("text")).expect("written");
    run(&wardlock, &["grants"]).ok().expect("the key opens it again");
}

#[test]
fn misspelt_key_names_line_and_nearest() {
    let wardlock = with_workspace();
    let path = wardlock.home().join("workspaces/acme.toml");
    let text = std::fs::read_to_string(&path).expect("a file").replace("resources  =", "resorces  =");
    wardlock.write("workspaces/acme.toml", &text).expect("written");
    let output = run(&wardlock, &["policy", "check"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let said = format!("{}{}", output.stdout, output.stderr);
    let line = text.lines().position(|line| line.starts_with("resorces")).expect("a line") + 1;
    assert!(said.contains(&format!("acme.toml:{line}")), "the line is named: {said}");
    assert!(said.contains("did you mean `resources`"), "the nearest key is named: {said}");
}

#[test]
fn secret_in_a_file_is_refused_with_the_command_that_takes_it() {
    let wardlock = with_workspace();
    let path = wardlock.home().join("workspaces/acme.toml");
    let text = std::fs::read_to_string(&path).expect("a file");
    let text = text.replace("writes     =", "client_secret = \"hunter2hunter2\"\nwrites     =");
    wardlock.write("workspaces/acme.toml", &text).expect("written");
    let output = run(&wardlock, &["policy", "check"]);
    let said = format!("{}{}", output.stdout, output.stderr);
    assert_eq!(output.code, Some(1), "{said}");
    assert!(said.contains("registration add"), "{said}");
    assert!(!said.contains("hunter2"), "the value is not repeated: {said}");
}

#[test]
fn plugin_of_another_digest_closes_its_connection_and_nothing_else() {
    let wardlock = with_workspace();
    let other = std::fs::read_to_string(wardlock.home().join("workspaces/acme.toml"))
        .expect("a file")
        .replace("workspace = \"acme\"", "workspace = \"beta\"")
        .replace("acme-zoho", "beta-zoho");
    let digest = other.split("sha256 = \"").nth(1).and_then(|rest| rest.split('"').next()).expect("a digest");
    wardlock.write("workspaces/beta.toml", &other.replacen(digest, &"0".repeat(64), 1)).expect("written");
    let output = run(&wardlock, &["--json", "policy", "check"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let said = output.stdout;
    assert!(said.contains(digest), "the line to paste is printed: {said}");
    let _serving = wardlock.serve(&["--simulator"]).expect("it serves all the same");
    let list = run(&wardlock, &["--json", "connections", "list"]).ok().expect("a list").json().expect("json");
    let state = |name: &str| {
        let rows = list.as_array().into_iter().flatten();
        rows.filter(|row| row["connection"] == name).map(|row| row["state"].to_string()).collect::<String>()
    };
    assert!(state("beta/zoho").contains("closed"), "{list}");
    assert!(!state("acme/zoho").contains("closed"), "{list}");
}

#[test]
fn plugin_inspect_shows_a_starter_and_says_what_a_stranger_is() {
    let wardlock = with_home();
    let shown =
        run(&wardlock, &["--json", "plugin", "inspect", "field-mask"]).ok().expect("shown").json().expect("json");
    assert_eq!(shown["name"], "field-mask");
    assert_eq!(shown["contract"], "wardlock:policy@0.1.0");
    assert!(shown["schema"]["properties"]["hide"].is_object(), "{shown}");
    wardlock.write("plugins/not.wasm", "not a component").expect("written");
    let file = wardlock.home().join("plugins/not.wasm");
    let output = run(&wardlock, &["plugin", "inspect", file.to_str().expect("utf-8")]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("component"), "{}", output.stderr);
}

#[test]
fn guide_prints_what_the_console_wants() {
    let wardlock = with_home();
    let output = run(&wardlock, &["service", "guide", "zoho-crm", "--region", "in"]).ok().expect("a guide");
    let redirect = format!("http://{}/callback", wardlock.callback());
    assert!(
        output.stdout.lines().any(|line| line.trim() == redirect),
        "the redirect alone on its line: {}",
        output.stdout
    );
    assert!(output.stdout.contains("api-console.zoho.in"), "{}", output.stdout);
    assert!(output.stdout.contains("Server-based"), "{}", output.stdout);
    assert_eq!(run(&wardlock, &["service", "guide", "zoho-crm", "--region", "mars"]).code, Some(2));
}

#[test]
fn doctor_is_red_about_an_agent_under_our_own_user() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    run(&wardlock, &["--json", "agent", "add", "reporter", "--workspace", "acme"]).ok().expect("an agent");
    let added = run(&wardlock, &["--json", "agent", "add", "second", "--workspace", "acme"]).json().expect("json");
    let token = added["token"].as_str().expect("a token");
    let request = format!(
        "GET /acme/zoho/crm/v8/org HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n",
        wardlock.agents()
    );
    let reply = raw::exchange(wardlock.agents(), request.as_bytes()).expect("a reply");
    let mended = String::from_utf8_lossy(&reply.body).into_owned();
    assert!(mended.contains("service_not_connected") && mended.contains("wardlock connect acme/zoho"), "{mended}");
    let output = run(&wardlock, &["--json", "doctor"]);
    assert_eq!(output.code, Some(1), "{output:?}");
    let checks = output.json().expect("json");
    let separation =
        checks["checks"].as_array().into_iter().flatten().find(|check| check["check"] == "separation");
    assert_eq!(separation.expect("a check")["state"], "red");
    serving.stop().expect("it ends");
}

/// What the README says that the demo prints.
fn of_the_readme() -> String {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("```\nGET /acme").expect("the demo's output");
    let (block, _) = rest.split_once("\n```").expect("its end");
    format!("GET /acme{block}")
}

/// The same text whatever the machine: how long plugins took is another at each run.
fn without_times(text: &str) -> String {
    let pieces = text.split('(').map(|piece| piece.split_once(" µs)").map_or(piece, |(_, rest)| rest));
    pieces.collect::<Vec<_>>().join("()")
}

#[test]
fn demo_once_prints_one_object_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_wardlock"))
        .args(["demo", "--once", "--json"])
        .env_clear()
        .env("TMPDIR", folder.path())
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    for case in ["allowed_read", "shaped_read", "refused_write", "refused_foreign_workspace"] {
        for key in
            ["decision", "region", "api_host", "tenant", "plugins", "upstream_status", "outcome", "secret_exposed"]
        {
            assert!(report[case].get(key).is_some(), "{case} says nothing of {key}: {report}");
        }
        assert_eq!(report[case]["secret_exposed"], false);
    }
    let plugin = &report["shaped_read"]["plugins"][0];
    assert!(
        plugin["micros"].is_u64() && plugin["digest"].as_str().is_some_and(|digest| digest.len() == 64),
        "{plugin}"
    );
    assert_eq!(report["shaped_read"]["tenant"], "20071234567");
    assert_eq!(report["refused_write"]["upstream_status"], Value::Null);
    assert_eq!(report["token_calls"], 1);
    assert_eq!(
        without_times(&wardlock::demo::told(&report)),
        without_times(&of_the_readme()),
        "the README shows this"
    );
    assert_eq!(folder.path().read_dir().expect("a folder").count(), 0, "the demo leaves nothing behind");
}

#[test]
fn records_survive_a_killed_daemon() {
    let wardlock = with_workspace();
    let mut serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let added =
        run(&wardlock, &["--json", "agent", "add", "reporter", "--workspace", "acme"]).json().expect("json");
    let request = format!(
        "GET /acme/zoho/crm/v8/org HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        wardlock.agents(),
        added["token"].as_str().expect("a token")
    );
    let reply = raw::exchange(wardlock.agents(), request.as_bytes()).expect("a reply");
    let id = reply.header("wardlock-request-id").expect("an id").to_owned();
    serving.kill();
    let _serving = wardlock.serve(&["--simulator"]).expect("it serves again");
    let rows = run(&wardlock, &["--json", "audit", "show", &id]).ok().expect("rows").json().expect("json");
    assert_eq!(rows.as_array().map(Vec::len), Some(1), "{rows}");
    assert_eq!(run(&wardlock, &["--json", "audit", "verify"]).json().expect("json")["ok"], true);
    let reply = raw::exchange(wardlock.agents(), request.as_bytes()).expect("a reply");
    assert_ne!(reply.status, 401, "the agent is still known");
}

#[test]
fn reload_tells_what_broke_and_takes_it_back() {
    let wardlock = with_workspace();
    let _serving = wardlock.serve(&["--simulator"]).expect("it serves");
    let path = wardlock.home().join("workspaces/acme.toml");
    let good = std::fs::read_to_string(&path).expect("a file");
    wardlock.write("workspaces/acme.toml", &format!("{good}\ncolour = \"red\"\n")).expect("written");
    let broken = run(&wardlock, &["--json", "reload"]);
    let said = broken.json().expect("json");
    assert_eq!((broken.code, &said["ok"]), (Some(1), &Value::Bool(false)), "{said}");
    let problem = &said["problems"][0];
    assert!(
        problem["message"].as_str().is_some_and(|text| text.contains("colour") && !text.contains('\n')),
        "{said}"
    );
    wardlock.write("workspaces/acme.toml", &good).expect("written");
    let mended = run(&wardlock, &["--json", "reload"]).ok().expect("mended").json().expect("json");
    assert_eq!(mended["connections_open"], 1);
}

#[test]
fn locked_vault_answers_nobody_until_it_is_unlocked() {
    let wardlock = program();
    let passphrase = b"correct horse battery staple";
    let with_passphrase = |args: &[&str]| {
        let args: Vec<&str> = ["--passphrase-fd", "0"].iter().chain(args).copied().collect();
        wardlock.run(&args, passphrase).expect("it runs")
    };
    with_passphrase(&["init", "--key", "passphrase"]).ok().expect("a home");
    let (agents, callback) = (wardlock.agents(), wardlock.callback());
    let operators = wardlock_tests::ports::unused();
    let config = format!(
        "[listen]\nagents = \"{agents}\"\ncallback = \"{callback}\"\noperators = \"{operators}\"\n[vault]\nkey = \"passphrase\"\n"
    );
    wardlock.write("wardlock.toml", &config).expect("written");
    let nobody = run(&wardlock, &["metrics"]);
    assert_eq!(
        nobody.code,
        Some(1),
        "without a daemon nothing is counted, and no passphrase asked for: {nobody:?}"
    );
    let serving = wardlock.serve(&[]).expect("it serves, locked");
    let ask = |scheme: &str| {
        let request = format!(
            "GET /acme/zoho/crm/v8/Leads HTTP/1.1\r\nHost: {agents}\r\nAuthorization: {scheme} wlk_x\r\nConnection: close\r\n\r\n"
        );
        raw::exchange(agents, request.as_bytes()).expect("a reply")
    };
    let vault = |word: &str| {
        let status = run(&wardlock, &["--json", "vault", "status"]).ok().expect("a status");
        assert_eq!(status.json().expect("json")["vault"], word);
    };
    let locked = || {
        vault("locked");
        let reply = ask("Bearer");
        assert_eq!((reply.status, &reply.json().expect("json")["code"]), (503, &"vault_locked".into()));
        let shaped = ask("Zoho-oauthtoken");
        assert_eq!((shaped.status, &shaped.json().expect("json")["status"]), (503, &"error".into()));
        let refused = run(&wardlock, &["agent", "list"]);
        assert_eq!(refused.code, Some(3), "{refused:?}");
        assert!(refused.stderr.contains("wardlock vault unlock"), "{}", refused.stderr);
        let health = format!("GET /health HTTP/1.1\r\nHost: {operators}\r\n\r\n");
        let health = raw::exchange(operators, health.as_bytes()).expect("a reply");
        assert_eq!((health.status, health.body.as_slice()), (503, b"vault_locked\n".as_slice()));
        let metrics = run(&wardlock, &["metrics"]).ok().expect("counted while locked").stdout;
        let series = crate::exposition::read(&metrics);
        assert_eq!(series.get("wardlock_vault_open"), Some(&0.0));
        assert!(series["wardlock_refusals_total{code=\"vault_locked\"}"] >= 2.0, "{metrics}");
    };
    locked();
    let wrong = wardlock.run(&["vault", "unlock"], b"another passphrase").expect("it runs");
    assert_eq!(wrong.code, Some(3), "{wrong:?}");
    locked();
    wardlock.run(&["vault", "unlock"], passphrase).expect("it runs").ok().expect("unlocked");
    vault("open");
    assert_eq!(ask("Bearer").status, 401);
    run(&wardlock, &["agent", "list"]).ok().expect("an open vault");
    run(&wardlock, &["vault", "lock"]).ok().expect("locked");
    locked();
    wardlock.run(&["vault", "unlock"], passphrase).expect("it runs").ok().expect("unlocked again");
    run(&wardlock, &["audit", "verify"]).ok().expect("the chain goes on");
    let acts = run(&wardlock, &["--json", "audit", "list"]).ok().expect("rows").stdout;
    assert!(acts.contains("vault.lock") && acts.contains("vault.unlock"), "{acts}");
    assert!(serving.stop().expect("it ends").success());
}

#[test]
fn key_moves_from_a_file_to_a_passphrase() {
    let wardlock = with_home();
    register(&wardlock).ok().expect("registered");
    let moved = wardlock
        .run(
            &["--json", "vault", "rekey", "--key", "passphrase", "--new-passphrase-fd", "0"],
            b"correct horse battery",
        )
        .expect("it runs")
        .ok()
        .expect("moved");
    assert_eq!(moved.json().expect("json")["write"], "key = \"passphrase\"");
    assert!(!wardlock.home().join("state/vault.key").exists());
    let told = run(&wardlock, &["registration", "list"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    let listen = format!("[listen]\nagents = \"{}\"\ncallback = \"{}\"\n", wardlock.agents(), wardlock.callback());
    wardlock.write("wardlock.toml", &format!("{listen}[vault]\nkey = \"passphrase\"\n")).expect("written");
    let list = ["--passphrase-fd", "0", "registration", "list"];
    let shown = wardlock.run(&list, b"correct horse battery").expect("it runs").ok().expect("listed");
    assert!(shown.stdout.contains("zoho"), "{}", shown.stdout);
    let serving = wardlock.serve(&[]).expect("it serves, locked");
    let busy = wardlock
        .run(&["--passphrase-fd", "0", "vault", "rekey", "--key", "file"], b"correct horse battery")
        .expect("it runs");
    assert_eq!(busy.code, Some(4), "{busy:?}");
    serving.stop().expect("it ends");
}
