//! When a child is killed, and how: by itself at a failpoint, or by strace before a system call.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant as Moment};

use crate::child::{BLOCKING, READY};

/// Longer than a thread takes to begin on a busy machine. An idle blocking thread ends after ten seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// A thread of the child, by the name that the kernel shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Thread {
    /// Network, and opening the home.
    Main,
    /// The vault's calls.
    Blocking,
    /// The audit's writer.
    Audit,
    /// The note of the vault's revision.
    Revision,
}

impl Thread {
    pub const ALL: [Self; 4] = [Self::Main, Self::Blocking, Self::Audit, Self::Revision];

    pub fn name(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Blocking => BLOCKING,
            Self::Audit => "wardlock-audit",
            Self::Revision => "vault-revision",
        }
    }
}

/// When the child is killed.
#[derive(Debug, Clone)]
pub enum Instant {
    /// Never.
    Never,
    /// When it passes this failpoint for the nth time.
    Failpoint { name: &'static str, nth: usize },
    /// Before the nth call of this name on this thread.
    Call { thread: Thread, call: String, nth: usize },
}

const fn at(name: &'static str, nth: usize) -> Instant {
    Instant::Failpoint { name, nth }
}

impl Instant {
    /// Every failpoint. The first commit is the journal's, the second the token's.
    pub const FAILPOINTS: [Self; 10] = [
        at("before-journal", 1),
        at("before-commit", 1),
        at("after-commit", 1),
        at("after-journal", 1),
        at("before-request", 1),
        at("after-answer", 1),
        at("before-commit", 2),
        at("after-commit", 2),
        at("after-storing", 1),
        at("after-audit", 1),
    ];

    /// Runs the child to its end.
    pub fn run(&self, folder: &Path, ahead_ms: u64) -> Output {
        match self {
            Self::Never => own(folder, ahead_ms, &[]).output().expect("it runs"),
            Self::Failpoint { name, nth } => {
                own(folder, ahead_ms, &[name, &nth.to_string()]).output().expect("it runs")
            }
            Self::Call { thread, call, nth } => {
                let inject = format!("inject={call}:signal=KILL:when={nth}");
                let strace = strace(&["-e", &format!("trace={call}"), "-e", &inject]);
                traced(strace, *thread, folder, ahead_ms)
            }
        }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => write!(f, "undisturbed"),
            Self::Failpoint { name, nth } => write!(f, "{name} {nth}"),
            Self::Call { thread, call, nth } => write!(f, "{}: {call} {nth}", thread.name()),
        }
    }
}

/// Runs the child with one of its threads traced: the main one from its first instruction, the others from when
/// everything is open and the refresh is about to begin. (strace counts each thread's calls by themselves, so a trace
/// of all of them would always kill in the first that gets so far.)
pub fn traced(mut strace: Command, thread: Thread, folder: &Path, ahead_ms: u64) -> Output {
    if thread == Thread::Main {
        let child = own(folder, ahead_ms, &[]);
        return strace.arg(child.get_program()).args(child.get_args()).output().expect("strace runs");
    }
    let mut child = own(folder, ahead_ms, &["wait"]).spawn().expect("it starts");
    let mut said = BufReader::new(child.stdout.take().expect("standard output"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    assert_eq!(line.trim(), READY, "the child opens its home");
    let mut strace = strace.arg("-p").arg(thread_id(&child, thread)).spawn().expect("strace runs");
    let mut attached = String::new();
    BufReader::new(strace.stderr.take().expect("standard error")).read_line(&mut attached).expect("a line");
    assert!(attached.contains("attached"), "strace attaches: {attached}");
    child.stdin.take().expect("standard input").write_all(b"go\n").expect("told");
    let mut stdout = Vec::new();
    std::io::Read::read_to_end(&mut said, &mut stdout).expect("what it says");
    let output = child.wait_with_output().expect("it ends");
    strace.wait().expect("strace ends with it");
    Output { stdout, ..output }
}

/// strace's command line up to what it runs. What it shows goes nowhere unless told.
pub fn strace(arguments: &[&str]) -> Command {
    let mut command = Command::new("strace");
    let quiet = ["-e", "signal=none", "-o", "/dev/null"];
    command.args(quiet).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// This program as a child.
fn own(folder: &Path, ahead_ms: u64, when: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.arg("child").arg(folder).arg(ahead_ms.to_string()).args(when);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Returns the id of a child's thread. A thread gives itself its name, which takes it a moment.
fn thread_id(child: &Child, thread: Thread) -> String {
    let patience = Moment::now() + PATIENCE;
    loop {
        match find_thread(child, thread) {
            Some(id) => return id,
            None => assert!(Moment::now() < patience, "the child has no thread `{}`", thread.name()),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[expect(clippy::disallowed_methods, reason = "the kernel's own files")]
fn find_thread(child: &Child, thread: Thread) -> Option<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).expect("threads");
    let mut ids = tasks.map(|task| task.expect("a thread").path());
    let path = ids
        .find(|path| std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == thread.name()))?;
    path.file_name().map(|id| id.to_string_lossy().into_owned())
}
