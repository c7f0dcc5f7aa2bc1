//! Telling people that a request waits for them: by a program, or by a message that is posted. Neither carries anything of the
//! request: what is told may pass through chats and phones.
//!
//! It stands beside a request's path: what does not fit into a bounded queue, or cannot be told, is counted and lost. A draft waits all
//! the same. `queue` says whose turn it is: nobody who has much to tell, or a program that hangs, keeps others from being told.

mod queue;

use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use wardlock_egress::{Collector, Dialer};

use self::queue::{Notice, Queue};
use crate::config::ApproversConfig;
use crate::logs::OnceAMinute;
use crate::metrics::Metrics;

/// How many are told at once, each of another workspace.
const AT_ONCE: usize = 32;
/// How long a program may take before it is ended.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a program gets of the daemon's environment: the rest may hold what opens the vault.
const KEPT: [&str; 3] = ["PATH", "HOME", "LANG"];
/// How often it is looked whether it has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A draft that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// Its id.
    pub draft: String,
    /// The workspace.
    pub workspace: String,
    /// The connection's name there.
    pub connection: String,
    /// The agent that asked. Nobody is told of it: drafts of one agent are told together.
    pub agent: String,
}

/// Whoever is told, or nobody.
pub struct Approvers {
    queue: Option<Arc<Mutex<Queue>>>,
    came: Notify,
    dropped: Mutex<OnceAMinute>,
    metrics: Arc<Metrics>,
}

impl Approvers {
    /// Makes the queue, where anybody is to be told.
    pub fn new(config: &ApproversConfig, metrics: &Arc<Metrics>) -> Self {
        let anybody = !config.command.is_empty() || config.webhook.is_some();
        let queue = anybody.then(Arc::default);
        Self { queue, came: Notify::new(), dropped: Mutex::default(), metrics: Arc::clone(metrics) }
    }

    /// Has a draft told. Waits for nothing.
    pub fn tell(&self, waiting: Waiting) {
        let Some(queue) = &self.queue else { return };
        match locked(queue).push(waiting) {
            Ok(()) => self.came.notify_one(),
            Err(waiting) => self.lose(&waiting),
        }
    }

    fn lose(&self, waiting: &Waiting) {
        self.metrics.approvers_told("dropped", 1);
        if locked(&self.dropped).is_due() {
            let Waiting { draft, workspace, .. } = waiting;
            tracing::warn!(
                draft,
                workspace,
                "too many drafts of this workspace wait to be told, so nobody is told of this one; it waits all the same"
            );
        }
    }

    /// Tells what comes, for as long as it is polled: of each workspace one after the other.
    pub async fn run(&self, config: &ApproversConfig, dialer: &Dialer) {
        let Some(queue) = &self.queue else { return };
        let teller = Arc::new(Teller::new(config, dialer, &self.metrics));
        let mut under_way = JoinSet::new();
        loop {
            while under_way.len() < AT_ONCE
                && let Some(notice) = locked(queue).next()
            {
                let (teller, turn) = (Arc::clone(&teller), Turn::of(queue, &notice));
                under_way.spawn(async move {
                    teller.tell(notice).await;
                    drop(turn);
                });
            }
            tokio::select! {
                () = self.came.notified() => {}
                Some(_) = under_way.join_next() => {}
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A workspace's turn, which ends with whatever is told in it.
struct Turn {
    queue: Arc<Mutex<Queue>>,
    workspace: String,
}

impl Turn {
    fn of(queue: &Arc<Mutex<Queue>>, notice: &Notice) -> Self {
        Self { queue: Arc::clone(queue), workspace: notice.first.workspace.clone() }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        locked(&self.queue).end(&self.workspace);
    }
}

/// Tells one notice.
struct Teller {
    command: Vec<String>,
    webhook: Option<Collector>,
    failed: Mutex<OnceAMinute>,
    metrics: Arc<Metrics>,
}

impl Teller {
    fn new(config: &ApproversConfig, dialer: &Dialer, metrics: &Arc<Metrics>) -> Self {
        let webhook = config.webhook.clone();
        let webhook = webhook.map(|address| Collector::new(address, "application/json", dialer));
        let (command, metrics) = (config.command.clone(), Arc::clone(metrics));
        Self { command, webhook, failed: Mutex::default(), metrics }
    }

    async fn tell(&self, notice: Notice) {
        let (draft, drafts) = (notice.first.draft.clone(), notice.more.saturating_add(1));
        let mut problems = Vec::new();
        if let Some(webhook) = &self.webhook {
            let posted = webhook.tell(message(&notice)).await;
            problems.extend(posted.err().map(|error| format!("`approvers.webhook`: {error}")));
        }
        if !self.command.is_empty() {
            let command = self.command.clone();
            let ran = tokio::task::spawn_blocking(move || run(&command, &notice)).await;
            let ran = ran.unwrap_or_else(|error| Err(error.to_string()));
            problems.extend(ran.err().map(|error| format!("`approvers.command`: {error}")));
        }
        self.metrics.approvers_told(if problems.is_empty() { "told" } else { "failed" }, drafts);
        if !problems.is_empty() && locked(&self.failed).is_due() {
            let why = problems.join("; ");
            tracing::warn!(draft, why, "not everybody could be told that a draft waits; it waits all the same");
        }
    }
}

fn message(of: &Notice) -> Vec<u8> {
    let draft = &of.first.draft;
    let look = format!("wardlock drafts show {draft}");
    let mut message =
        json!({ "event": "draft.held", "draft": draft, "connection": of.connection(), "look": look });
    if of.more > 0 {
        message["more"] = of.more.into();
    }
    message.to_string().into_bytes()
}

/// Runs the program as it is, without a shell and with nothing of the daemon's environment but [`KEPT`], and ends it if it takes too
/// long, with whatever it started. What it says is not kept. Blocks.
fn run(command: &[String], of: &Notice) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("no program is named")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("WARDLOCK_DRAFT", &of.first.draft)
        .env("WARDLOCK_CONNECTION", of.connection())
        .envs((of.more > 0).then(|| ("WARDLOCK_MORE", of.more.to_string())))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    let ends = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("`{program}` ended with {status}")),
            Ok(None) if Instant::now() < ends => std::thread::sleep(LOOK_AGAIN),
            Ok(None) => {
                end_all(&mut child);
                return Err(format!("`{program}` did not end within {} s, and was ended", PATIENCE.as_secs()));
            }
            Err(error) => return Err(format!("`{program}` cannot be waited for: {error}")),
        }
    }
}

/// Ends a program and what it started: a script's own commands would go on without it.
fn end_all(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It has not been waited for, so that the number is still its own.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}
