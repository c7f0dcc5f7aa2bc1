//! Telling people that a request waits for them: by a program, or by a message that is posted. Neither carries anything of the
//! request: what is told may pass through chats and phones.
//!
//! It stands beside a request's path: what does not fit into a bounded queue, or cannot be told, is counted and lost. A draft waits all
//! the same.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc::{self, Receiver, Sender};
use wardlock_egress::{Collector, Dialer};

use crate::config::ApproversConfig;
use crate::logs::OnceAMinute;
use crate::metrics::Metrics;

/// How many may wait to be told.
const WAITING: usize = 256;
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
    /// `workspace/connection`.
    pub connection: String,
}

/// Whoever is told, or nobody.
pub struct Approvers {
    queue: Option<Sender<Waiting>>,
    waiting: Mutex<Option<Receiver<Waiting>>>,
    metrics: Arc<Metrics>,
}

impl Approvers {
    /// Makes the queue, where anybody is to be told.
    pub fn new(config: &ApproversConfig, metrics: &Arc<Metrics>) -> Self {
        let anybody = !config.command.is_empty() || config.webhook.is_some();
        let (queue, waiting) = anybody.then(|| mpsc::channel(WAITING)).unzip();
        Self { queue, waiting: Mutex::new(waiting), metrics: Arc::clone(metrics) }
    }

    /// Has a draft told. Waits for nothing.
    pub fn tell(&self, waiting: Waiting) {
        if let Some(queue) = &self.queue
            && queue.try_send(waiting).is_err()
        {
            self.metrics.approvers_told("dropped");
        }
    }

    /// Tells what comes, one after the other, for as long as it is polled.
    pub async fn run(&self, config: &ApproversConfig, dialer: &Dialer) {
        let Some(mut waiting) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        let webhook = config.webhook.clone();
        let webhook = webhook.map(|address| Collector::new(address, "application/json", dialer));
        let mut told = OnceAMinute::default();
        while let Some(one) = waiting.recv().await {
            let mut problems = Vec::new();
            if let Some(webhook) = &webhook {
                let posted = webhook.tell(message(&one)).await;
                problems.extend(posted.err().map(|error| format!("`approvers.webhook`: {error}")));
            }
            if !config.command.is_empty() {
                let (command, one) = (config.command.clone(), one.clone());
                let ran = tokio::task::spawn_blocking(move || run(&command, &one)).await;
                let ran = ran.unwrap_or_else(|error| Err(error.to_string()));
                problems.extend(ran.err().map(|error| format!("`approvers.command`: {error}")));
            }
            self.metrics.approvers_told(if problems.is_empty() { "told" } else { "failed" });
            if !problems.is_empty() && told.is_due() {
                let why = problems.join("; ");
                tracing::warn!(
                    draft = one.draft,
                    why,
                    "nobody could be told that a draft waits; it waits all the same"
                );
            }
        }
    }
}

fn message(of: &Waiting) -> Vec<u8> {
    let show = format!("wardlock drafts show {}", of.draft);
    json!({ "event": "draft.held", "draft": of.draft, "connection": of.connection, "look": show })
        .to_string()
        .into_bytes()
}

/// Runs the program as it is, without a shell and with nothing of the daemon's environment but [`KEPT`], and ends it if it takes too
/// long. What it says is not kept. Blocks.
fn run(command: &[String], of: &Waiting) -> Result<(), String> {
    let (program, arguments) = command.split_first().ok_or("no program is named")?;
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("WARDLOCK_DRAFT", &of.draft)
        .env("WARDLOCK_CONNECTION", &of.connection)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    let ends = Instant::now() + PATIENCE;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => return Err(format!("`{program}` ended with {status}")),
            Ok(None) if Instant::now() < ends => std::thread::sleep(LOOK_AGAIN),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("`{program}` did not end within {} s, and was ended", PATIENCE.as_secs()));
            }
            Err(error) => return Err(format!("`{program}` cannot be waited for: {error}")),
        }
    }
}
