//! Runs the executable in a home of its own, and keeps all that it said.
//!
//! Only an integration test of the package `wardlock` knows where its executable is (`env!("CARGO_BIN_EXE_wardlock")`),
//! so that is an argument. When a [`Wardlock`] is dropped, everything that it wrote is searched for the test's
//! canaries; a leak fails the test, whatever else it checks.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};

use crate::canary::Canaries;
use crate::ports;

/// The one file of a home that holds a secret openly; that is what the operator asked for with `--key file`.
pub const KEY_FILE: &str = "state/vault.key";

/// Longer than a start takes on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a finished command said.
#[derive(Debug, Clone)]
pub struct Output {
    /// How it ended; `None` when a signal ended it.
    pub code: Option<i32>,
    /// Its data.
    pub stdout: String,
    /// Its talk.
    pub stderr: String,
}

impl Output {
    /// Reads standard output as one JSON document.
    pub fn json(&self) -> anyhow::Result<serde_json::Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("no JSON on standard output: {self:?}"))
    }

    /// Passes the output on if the exit code is 0.
    pub fn ok(self) -> anyhow::Result<Self> {
        ensure!(self.code == Some(0), "the command failed: {self:?}");
        Ok(self)
    }
}

/// Everything said so far, by whom.
type Said = Arc<Mutex<Vec<(String, Vec<u8>)>>>;

/// The executable with a home of its own in a temporary folder.
pub struct Wardlock {
    program: PathBuf,
    folder: tempfile::TempDir,
    agents: SocketAddr,
    callback: SocketAddr,
    canaries: Canaries,
    said: Said,
    path: String,
}

impl Wardlock {
    /// Takes the executable and a folder; there is no home yet.
    pub fn new(program: impl Into<PathBuf>) -> anyhow::Result<Self> {
        let (agents, callback) = (ports::unused(), ports::unused());
        let folder = tempfile::Builder::new().prefix("wardlock-test-").tempdir()?;
        let canaries = Canaries::new();
        let (program, path) = (program.into(), "/usr/bin:/bin".to_owned());
        Ok(Self { program, folder, agents, callback, canaries, said: Said::default(), path })
    }

    /// Has programs looked for in a folder before those of the system.
    #[must_use]
    pub fn finding(mut self, programs: &Path) -> Self {
        self.path = format!("{}:{}", programs.display(), self.path);
        self
    }

    /// Returns where programs are looked for.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Makes the home with a key file, on ports of its own. The key is a canary from here on.
    pub fn init(&self) -> anyhow::Result<()> {
        self.run(&["init", "--key", "file"], b"")?.ok()?;
        self.write(
            "wardlock.toml",
            &format!("[listen]\nagents = \"{}\"\ncallback = \"{}\"\n", self.agents, self.callback),
        )?;
        let key = fs::read_to_string(self.home().join(KEY_FILE))?;
        self.canaries.watch("vault key", &STANDARD.decode(key.trim()).context("the key file's form")?);
        Ok(())
    }

    /// Returns the home folder.
    pub fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Returns where agents call.
    pub fn agents(&self) -> SocketAddr {
        self.agents
    }

    /// Returns where consent comes back.
    pub fn callback(&self) -> SocketAddr {
        self.callback
    }

    /// Returns the canaries that are searched for at the end.
    pub fn canaries(&self) -> &Canaries {
        &self.canaries
    }

    /// Writes a file of the home, closed to others.
    pub fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        use std::os::unix::fs::PermissionsExt as _;

        let path = self.home().join(name);
        fs::write(&path, text)?;
        Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o600))?)
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str], stdin: &[u8]) -> anyhow::Result<Output> {
        let mut child = self.command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        // A command that reads no input may be gone already.
        let _ = child.stdin.take().context("no standard input")?.write_all(stdin);
        let output = child.wait_with_output()?;
        let name = format!("`wardlock {}`", args.join(" "));
        self.note(&format!("{name} on standard output"), &output.stdout);
        self.note(&format!("{name} on standard error"), &output.stderr);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Output { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) })
    }

    /// Starts `wardlock serve` with further arguments and waits until it serves.
    pub fn serve(&self, args: &[&str]) -> anyhow::Result<Serving> {
        let args = [&["serve"], args].concat();
        let mut child = self.command(&args).stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let stderr = child.stderr.take().context("no standard error")?;
        let (sender, lines) = channel();
        let said = Arc::clone(&self.said);
        let log = std::thread::spawn(move || {
            keep(stderr, |line| {
                lock(&said).push(("the daemon's log".to_owned(), line.as_bytes().to_vec()));
                // The receiver may have heard enough.
                let _ = sender.send(line.to_owned());
            });
        });
        let mut serving = Serving { child, log: Some(log) };
        let log = wait_until_serving(&lines);
        if let Err(error) = log {
            serving.kill();
            return Err(error);
        }
        Ok(serving)
    }

    /// Keeps bytes that an agent, a plugin or a provider saw, to be searched at the end.
    pub fn note(&self, place: &str, bytes: &[u8]) {
        lock(&self.said).push((place.to_owned(), bytes.to_vec()));
    }

    /// Searches everything for the canaries.
    pub fn search(&self) -> anyhow::Result<()> {
        for (place, bytes) in lock(&self.said).iter() {
            self.canaries.scan(place, bytes)?;
        }
        if self.home().exists() {
            self.canaries.scan_folder(&self.home(), &[KEY_FILE])?;
        }
        self.canaries.scan_processes()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--home").arg(self.home()).args(args).stderr(Stdio::piped()).env_clear();
        // Nothing of the person who runs the tests: not their home, not their colours.
        command.env("HOME", self.folder.path()).env("PATH", &self.path).env("NO_COLOR", "1");
        command
    }
}

impl Drop for Wardlock {
    fn drop(&mut self) {
        // A test that failed already says more about itself than this could.
        if std::thread::panicking() {
            return;
        }
        if let Err(leak) = self.search() {
            panic!("{leak:#}");
        }
    }
}

/// A running daemon; it is killed when dropped.
pub struct Serving {
    child: Child,
    log: Option<JoinHandle<()>>,
}

impl Serving {
    /// Returns the process's id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub fn stop(mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        let status = self.child.wait()?;
        self.finish_log();
        Ok(status)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Ends it at once (SIGKILL).
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        self.finish_log();
    }

    fn finish_log(&mut self) {
        if let Some(log) = self.log.take() {
            let _ = log.join();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Waits for the line that says that the listener is bound.
fn wait_until_serving(lines: &Receiver<String>) -> anyhow::Result<()> {
    let mut log = String::new();
    loop {
        match lines.recv_timeout(PATIENCE) {
            Ok(line) if line.contains("serving") => return Ok(()),
            Ok(line) => log.push_str(&line),
            Err(RecvTimeoutError::Timeout) => bail!("the daemon does not serve; its log:\n{log}"),
            Err(RecvTimeoutError::Disconnected) => bail!("the daemon ended; its log:\n{log}"),
        }
    }
}

fn keep(stream: impl Read, mut each: impl FnMut(&str)) {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
        each(&String::from_utf8_lossy(&line));
        line.clear();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stand-in for the executable: a shell script that does what each test needs. A child writes it: a descriptor of
    /// ours, open for writing, would be inherited by whatever another test starts just then, and "text file busy" be
    /// the answer to starting the script.
    fn stand_in(script: &str) -> (tempfile::TempDir, Wardlock) {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("source");
        let program = folder.path().join("wardlock");
        fs::write(&source, format!("#!/bin/sh\n{script}\n")).unwrap();
        let copied = Command::new("install").args(["-m", "700"]).args([&source, &program]).status().unwrap();
        assert!(copied.success(), "install copies the script");
        let wardlock = Wardlock::new(program).unwrap();
        (folder, wardlock)
    }

    #[test]
    fn command_gets_its_home_and_its_input_and_nothing_of_ours() {
        let (_folder, wardlock) = stand_in("echo \"$1 $3 $CARGO\"; cat >&2; exit 3");
        let output = wardlock.run(&["agent", "list"], b"typed").unwrap();
        assert_eq!((output.code, output.stdout.as_str()), (Some(3), "--home agent \n"));
        assert_eq!(output.stderr, "typed");
        assert!(output.ok().is_err());
    }

    #[test]
    fn daemon_is_waited_for_and_ended() {
        let (_folder, wardlock) =
            stand_in("echo starting >&2; echo INFO serving >&2; exec cat /dev/zero > /dev/null");
        let serving = wardlock.serve(&[]).unwrap();
        assert!(serving.stop().unwrap().code().is_none(), "the script knows no SIGTERM");
    }

    #[test]
    fn daemon_that_does_not_start_shows_its_log() {
        let (_folder, wardlock) = stand_in("echo no key >&2; exit 3");
        let error = wardlock.serve(&[]).err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("the daemon ended; its log:\nno key\n"));
    }

    #[test]
    fn planted_leak_in_an_output_a_log_or_the_home_is_found() {
        let (_folder, wardlock) = stand_in("echo \"$3\"; echo \"serving $4\" >&2");
        let value = wardlock.canaries().token("access token");
        assert!(wardlock.search().is_ok());
        wardlock.run(&[&value], b"").unwrap();
        assert!(wardlock.search().is_err(), "standard output");
        lock(&wardlock.said).clear();
        drop(wardlock.serve(&[&value]).unwrap());
        assert!(wardlock.search().is_err(), "the daemon's log");
        lock(&wardlock.said).clear();
        fs::create_dir(wardlock.home()).unwrap();
        wardlock.write("wardlock.toml", &value).unwrap();
        assert!(wardlock.search().is_err(), "the home");
        wardlock.write("wardlock.toml", "").unwrap();
        wardlock.search().unwrap();
    }
}
