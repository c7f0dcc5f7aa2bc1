//! What outlives a child: its home, and the provider. And the child, as the parent sees it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant as Moment};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wardlock_simulator::{Recording, Role};

use crate::books::Books;
use crate::child::{AUTHORITY, HOME, HOSTS};
use crate::world::{Left, Plan, World, plugin, workspace};

/// What the service itself asks when an account is connected.
const LOOK_UPS: [&str; 2] = ["/crm/v8/org", "/crm/v8/users"];
/// Longer than anything takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_mins(1);
/// Longer than bytes take from a socket of this machine to the provider's reader.
const SETTLED: Duration = Duration::from_millis(40);

/// A connected home and its provider.
pub struct Suite {
    pub left: Left,
    /// The last row that has been looked at.
    pub seen: u64,
}

impl Suite {
    /// Makes a home, with more of its `wardlock.toml`, and connects it.
    pub async fn new(config: &str) -> Self {
        let file = workspace("acme", "eu", "", &plugin("read-only", "{}"));
        Self::of(Plan { workspaces: vec![("acme", file)], config: config.to_owned(), ..Plan::default() }).await
    }

    /// Makes a home of a plan, and connects it.
    pub async fn of(plan: Plan) -> Self {
        let listen = format!("agents = \"{}\"", wardlock_tests::ports::unused());
        let plan = Plan { listen, ..plan };
        let left = World::start(plan).await.leave().await;
        let hosts = serde_json::to_vec(&left.simulator.hosts()).expect("JSON");
        std::fs::write(left.folder.path().join(HOSTS), hosts).expect("written");
        std::fs::write(left.folder.path().join(AUTHORITY), left.simulator.ca_der()).expect("written");
        left.simulator.clear_recordings();
        Self { left, seen: 0 }
    }

    /// A file of the home's state.
    pub fn state(&self, name: &str) -> PathBuf {
        self.left.folder.path().join(HOME).join("state").join(name)
    }

    /// What its hosts log.
    pub fn log(&self) -> PathBuf {
        self.left.folder.path().join("log")
    }

    /// The token of the home's agent.
    pub fn token(&self) -> &str {
        &self.left.tokens["acme"]
    }

    /// What a host's audit shows of what has not been looked at.
    pub fn books(&self, host: &mut Host) -> Result<Books, String> {
        Books::read(&host.tell(&format!("rows {}", self.seen)).ok_or("the host is gone")?)
    }

    /// Takes what agents' requests brought to the provider, once nothing more comes.
    pub fn received(&self) -> Vec<Recording> {
        let mut before = usize::MAX;
        loop {
            let all = self.left.simulator.recordings();
            if all.len() == before {
                self.left.simulator.clear_recordings();
                let asked = |seen: &Recording| seen.role == Role::Api && !LOOK_UPS.contains(&seen.path());
                return all.into_iter().filter(asked).collect();
            }
            before = all.len();
            std::thread::sleep(SETTLED);
        }
    }

    /// Searches what is left for secrets.
    pub fn search(&self) {
        self.left.canaries.scan_folder(self.left.folder.path(), &[]).expect("no canary in the home");
    }
}

/// A running child.
pub struct Host {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    pub agents: SocketAddr,
    /// How many requests it found without an outcome when it opened the audit.
    pub closed_as_unknown: u64,
}

impl Host {
    /// Starts one on the suite's home.
    pub fn start(suite: &Suite) -> Self {
        Self::start_by(suite, &[])
    }

    /// Starts one by a program that changes what it may do and becomes it.
    pub fn start_by(suite: &Suite, by: &[&str]) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(suite.log()).expect("a log");
        let mut process = own(by, suite.left.folder.path()).stderr(log).spawn().expect("it starts");
        let mut output = BufReader::new(process.stdout.take().expect("standard output"));
        let found = line(&mut output).expect("the host opens its home");
        Self {
            input: process.stdin.take().expect("standard input"),
            output,
            process,
            agents: found["agents"].as_str().and_then(|text| text.parse().ok()).expect("an address"),
            closed_as_unknown: found["closed_as_unknown"].as_u64().expect("a number"),
        }
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Tells it something and returns its answer; `None`: it is gone.
    pub fn tell(&mut self, words: &str) -> Option<Value> {
        writeln!(self.input, "{words}").ok()?;
        line(&mut self.output)
    }

    /// Kills it.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Waits until it has ended; `None`: it lives on, after this time.
    pub fn ended(&mut self, within: Duration) -> Option<ExitStatus> {
        let patience = Moment::now() + within;
        loop {
            match self.process.try_wait().expect("its state") {
                Some(status) => return Some(status),
                None if Moment::now() > patience => return None,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let _ = kill_process(self.pid(), signal);
    }

    /// Has it end in order.
    pub fn stop(mut self) -> Option<ExitStatus> {
        self.signal(Signal::TERM);
        self.ended(PATIENCE)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn own(by: &[&str], folder: &Path) -> Command {
    let program = std::env::current_exe().expect("this program");
    let mut command = match by {
        [] => Command::new(&program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(&program);
            command
        }
    };
    command.arg("child").arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn line(output: &mut BufReader<ChildStdout>) -> Option<Value> {
    let mut text = String::new();
    output.read_line(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}
