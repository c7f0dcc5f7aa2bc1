//! `wardlock connect`, as a person at a terminal meets it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wardlock_simulator::{Consent, Led};
use wardlock_tests::home::{Output, Wardlock};
use wardlock_tests::{programs, raw};

use crate::program::{register, run, with_workspace};

/// What a person at the terminal can do.
struct Terminal {
    typing: ChildStdin,
    pid: Pid,
}

impl Terminal {
    fn enter(&mut self, line: &str) {
        self.typing.write_all(format!("{line}\n").as_bytes()).expect("typed");
    }

    fn press_ctrl_c(&self) {
        kill_process(self.pid, Signal::INT).expect("it runs");
    }
}

/// Runs `connect acme/zoho` with more arguments; `person` is told each line of standard error.
fn connect(wardlock: &Wardlock, args: &[&str], person: impl FnMut(&str, &mut Terminal)) -> Output {
    connect_with(wardlock, args, &[], person)
}

/// The same, with more in its environment.
fn connect_with(
    wardlock: &Wardlock,
    args: &[&str],
    environment: &[(&str, &OsStr)],
    mut person: impl FnMut(&str, &mut Terminal),
) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_wardlock"))
        .arg("--home")
        .arg(wardlock.home())
        .args(["--json", "connect", "acme/zoho"])
        .args(args)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut terminal =
        Terminal { typing: child.stdin.take().expect("standard input"), pid: Pid::from_child(&child) };
    let mut said = String::new();
    for line in BufReader::new(child.stderr.take().expect("standard error")).lines() {
        let line = line.expect("text");
        said.push_str(&line);
        said.push('\n');
        person(&line, &mut terminal);
    }
    drop(terminal);
    let output = child.wait_with_output().expect("it ends");
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    wardlock.note("connect", stdout.as_bytes());
    wardlock.note("connect", said.as_bytes());
    Output { code: output.status.code(), stdout, stderr: said }
}

/// Runs a piece of the simulated browser.
fn browse<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Runtime::new().expect("a runtime").block_on(work)
}

/// Returns the provider's page in a line, if it is there.
fn page(line: &str) -> Option<&str> {
    Some(line.trim()).filter(|line| line.starts_with("http://127.0.0.1") && line.contains("/oauth/"))
}

#[test]
fn address_of_a_browser_elsewhere_is_pasted_and_judged_as_any_callback() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    register(&wardlock).ok().expect("registered");
    let connected = connect(&wardlock, &["--no-browser"], |line, terminal| {
        if let Some(page) = page(line) {
            let callback = browse(wardlock_simulator::callback_of(page, &Consent::default())).expect("a callback");
            terminal.enter("https://accounts.zoho.eu/oauth/v2/auth");
            terminal.enter(&callback.replace("state=", "state=x"));
            terminal.enter(&callback);
        }
    });
    let connected = connected.ok().expect("connected");
    assert_eq!(connected.json().expect("json")["tenant"], "20071234567");
    let told = &connected.stderr;
    let callback = wardlock.callback();
    let tunnel = format!("ssh -N -L {}:{callback}", callback.port());
    for expected in [tunnel.as_str(), "That is not the address", "does not lead to an account"] {
        assert!(told.contains(expected), "`{expected}` is not told: {told}");
    }
    serving.stop().expect("it ends");
}

/// Returns what a process list shows of this command line and of what it started, as any user of the machine reads it.
fn command_lines(of: &str) -> String {
    let lines = std::fs::read_dir("/proc").expect("processes").filter_map(|entry| {
        let line = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    lines.filter(|line| line.contains(of)).collect::<Vec<_>>().join("\n")
}

#[cfg(target_os = "linux")]
#[test]
fn browser_s_command_line_leads_nobody_else_to_the_consent() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    register(&wardlock).ok().expect("registered");
    let browser = wardlock.home().join("browser");
    // It stays, as a browser does.
    programs::script(&browser, "sleep 20 &\nwait\n").expect("a program");
    let home = wardlock.home().display().to_string();
    let mut shown = String::new();
    let stopped = connect_with(&wardlock, &[], &[("BROWSER", browser.as_os_str())], |line, terminal| {
        // It is said after the browser was opened.
        if line.contains("copy the address") {
            // A process that is just being executed has no command line for a moment.
            let deadline = Instant::now() + Duration::from_secs(20);
            while !shown.contains("file://") && Instant::now() < deadline {
                shown = command_lines(&home);
            }
            terminal.press_ctrl_c();
        }
    });
    assert!(stopped.stderr.contains("/start/"), "the address is printed: {stopped:?}");
    let file = shown.split(' ').find_map(|word| word.strip_prefix("file://"));
    let file = file.unwrap_or_else(|| panic!("the browser has no file: {shown}\n{stopped:?}"));
    assert!(!shown.contains("/start/") && !shown.contains("state="), "{shown}");
    assert!(!std::path::Path::new(file).exists(), "it is gone with the command");
    serving.stop().expect("it ends");
}

#[test]
fn interrupted_connect_leaves_nothing_behind_and_can_be_begun_again() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    register(&wardlock).ok().expect("registered");
    let mut left_open = String::new();
    for way in [["--no-browser"].as_slice(), &["--invite"]] {
        let stopped = connect(&wardlock, way, |line, terminal| {
            if let Some(page) = page(line) {
                left_open = page.to_owned();
                terminal.press_ctrl_c();
            }
            if line.contains("/invite/") {
                terminal.press_ctrl_c();
            }
        });
        assert_eq!(stopped.code, Some(1), "{stopped:?}");
        assert!(
            stopped.stderr.contains("stopped; a consent that was not stored yet is given back"),
            "{stopped:?}"
        );
    }
    let callback = browse(wardlock_simulator::callback_of(&left_open, &Consent::default())).expect("a callback");
    let again = connect(&wardlock, &["--no-browser"], |line, terminal| {
        if let Some(page) = page(line) {
            // The page of the interrupted one leads nowhere any more.
            terminal.enter(&callback);
            terminal
                .enter(&browse(wardlock_simulator::callback_of(page, &Consent::default())).expect("a callback"));
        }
    });
    let again = again.ok().expect("connected");
    assert!(again.stderr.contains("does not lead to an account"), "{}", again.stderr);
    serving.stop().expect("it ends");
}

#[test]
fn invited_person_connects_by_a_link_that_works_once() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    register(&wardlock).ok().expect("registered");
    let callback = wardlock.callback();
    let base = format!("http://{callback}/invite/");
    let mut link = String::new();
    let connected = connect(&wardlock, &["--invite", "--expires", "10min"], |line, _| {
        let Some(token) = line.trim().strip_prefix(&base) else { return };
        link = token.to_owned();
        let ask = |method: &str| {
            let request =
                format!("{method} /invite/{token} HTTP/1.1\r\nHost: {callback}\r\nContent-Length: 0\r\n\r\n");
            raw::exchange(callback, request.as_bytes()).expect("a page")
        };
        let shown = ask("GET");
        assert_eq!(shown.status, 200);
        assert!(String::from_utf8_lossy(&shown.body).contains("Zoho CRM"), "{shown:?}");
        let led = ask("POST");
        let page = led.header("location").expect("the provider's page").to_owned();
        let elsewhere = Led { page: page.clone(), cookie: None };
        let turned_away = browse(elsewhere.consent(&Consent::default())).expect("a page");
        assert_eq!(turned_away.status, 403, "another browser than the one that opened the link");
        let cookie = led.header("set-cookie").and_then(|line| line.split(';').next()).map(str::to_owned);
        let done = browse(Led { page, cookie }.consent(&Consent::default())).expect("consent");
        assert_eq!(done.status, 200);
    });
    let connected = connected.ok().expect("connected");
    assert_eq!(connected.json().expect("json")["tenant"], "20071234567");
    assert!(connected.stderr.contains("was turned away"), "{}", connected.stderr);
    assert!(connected.stderr.contains("callback_url"), "how others reach it is told: {}", connected.stderr);
    assert!(!link.is_empty());
    serving.stop().expect("it ends");
}

#[test]
fn pasted_refresh_token_is_asked_about_twice() {
    let wardlock = with_workspace();
    let serving = wardlock.serve(&["--simulator"]).expect("it serves");
    register(&wardlock).ok().expect("registered");
    for answers in [["acme/other", "yes"], ["acme/zoho", "no"], ["", ""]] {
        let refused = wardlock
            .run(
                &["connect", "acme/zoho", "--advanced-paste"],
                format!("{}\n{}\n", answers[0], answers[1]).as_bytes(),
            )
            .expect("it runs");
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains("not confirmed, so nothing was stored"), "{refused:?}");
    }
    let unknown = {
        let token = wardlock.home().join("token");
        std::fs::write(&token, "1000.no-such-token\n").expect("written");
        let command = format!(
            "exec 3<{} ; printf 'acme/zoho\\nyes\\n' | exec {} --home {} connect acme/zoho --advanced-paste --secret-fd 3",
            token.display(),
            env!("CARGO_BIN_EXE_wardlock"),
            wardlock.home().display()
        );
        Command::new("sh").args(["-c", &command]).output().expect("it runs")
    };
    let said = String::from_utf8_lossy(&unknown.stderr);
    assert_eq!(unknown.status.code(), Some(1), "{said}");
    assert!(said.contains("belongs to another client or data centre"), "{said}");
    let shown = run(&wardlock, &["--json", "connections", "show", "acme/zoho"]).ok().expect("shown");
    assert_eq!(shown.json().expect("json")["state"], "not connected");
    serving.stop().expect("it ends");
}

#[test]
fn connect_says_which_ways_exclude_each_other_and_what_it_does_not_know() {
    let wardlock = with_workspace();
    for args in [
        ["--invite", "--no-browser"].as_slice(),
        &["--advanced-paste", "--invite"],
        &["--look-up", "--no-browser"],
        &["--expires", "1h"],
        &["--invite", "--expires", "8d"],
    ] {
        let refused = run(&wardlock, &[&["connect", "acme/zoho"], args].concat());
        assert_eq!(refused.code, Some(2), "{args:?}: {refused:?}");
    }
}
