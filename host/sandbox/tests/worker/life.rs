//! A worker's life and end: what it may do, who is told when it ends, and who takes its place.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::Signal;
use serde_json::json;
use tokio::task::JoinHandle;
use wardlock_core::plugin::{PluginFault, Verdict};
use wardlock_sandbox::{LoadSpec, Runs, Sandbox, SandboxConfig};
use wardlock_tests::guests::guest;

use crate::support::{self, request, spec};

fn small() -> Sandbox {
    let max_time = Duration::from_mins(1);
    support::start(SandboxConfig { max_per_plugin: 32, max_time, ..SandboxConfig::default() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_holds_itself() {
    let (sandbox, _, _alone) = with_workers().await;
    let (count, confinement) = sandbox.features().workers.expect("workers");
    assert_eq!(count, 2);
    for measure in &confinement.holds {
        // Landlock is a kernel's own choice; the rest is in every kernel that Wardlock supports.
        assert!(measure.holds.is_ok() || measure.name == "landlock", "{}: {:?}", measure.name, measure.holds);
    }
    let names: BTreeSet<&str> = confinement.holds.iter().map(|measure| measure.name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["descriptors", "landlock", "limits", "memory", "privileges", "seccomp"]));
}

fn kill(pid: u32) {
    let sent = try_send(pid, Signal::KILL);
    // One that has been reaped is told of for a moment.
    assert!(matches!(sent, Ok(()) | Err(Errno::SRCH)), "{sent:?}");
}

fn send(pid: u32, signal: Signal) {
    try_send(pid, signal).expect("sent");
}

fn try_send(pid: u32, signal: Signal) -> Result<(), Errno> {
    let pid = rustix::process::Pid::from_raw(pid.try_into().expect("a pid")).expect("a pid");
    rustix::process::kill_process(pid, signal)
}

/// Starts a sandbox and returns its workers' process ids. One test at a time, since some of them want a processor for themselves.
async fn with_workers() -> (Sandbox, Vec<u32>, tokio::sync::MutexGuard<'static, ()>) {
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let alone = ALONE.lock().await;
    let sandbox = small();
    let workers = sandbox.worker_ids();
    (sandbox, workers, alone)
}

fn is_worker(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = |name: &str| status.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    // A name is cut off at 15 bytes.
    line("Name:").is_some_and(|name| "wardlock-plugin-worker".starts_with(&name))
        && line("PPid:") == Some(std::process::id().to_string())
        && line("State:").is_some_and(|state| !state.starts_with('Z'))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn p15_workers_that_are_killed_cost_what_they_held_and_are_replaced_with_their_plugins() {
    let (sandbox, workers, _alone) = with_workers().await;
    assert!(workers.len() >= 2, "{workers:?}");
    let mut endless = spec(guest("probe"), json!({ "mode": "loop" }));
    // Longer than the test waits.
    endless.time = Duration::from_mins(1);
    let endless = Arc::new(sandbox.load(endless).await.expect("the probe loads"));
    let fine = sandbox.load(spec(guest("probe"), json!({ "mode": "allow" }))).await.expect("the probe loads");
    let held: Vec<_> = (0..4)
        .map(|_| {
            let endless = Arc::clone(&endless);
            tokio::spawn(async move { endless.decide(&request()).await })
        })
        .collect();
    assert_eq!(fine.decide(&request()).await.expect("an answer").verdict, Verdict::Allow);
    let killed = Instant::now();
    // Those who come to a worker only after the kill are ended with its replacement.
    while !held.iter().all(JoinHandle::is_finished) {
        sandbox.worker_ids().into_iter().for_each(kill);
        assert!(killed.elapsed() < Duration::from_secs(20), "who asked was not told");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for answer in held {
        assert_eq!(answer.await.expect("a task"), Err(PluginFault::Lost));
    }
    // Whoever asks now waits for the replacement, or is told that it was lost; nobody is answered by half.
    let back = loop {
        match fine.decide(&request()).await {
            Ok(answer) => break answer,
            Err(fault) => assert_eq!(fault, PluginFault::Lost),
        }
        assert!(killed.elapsed() < Duration::from_secs(20), "no worker came back");
    };
    assert_eq!(back.verdict, Verdict::Allow);
    println!("service was back {} ms after the kill", killed.elapsed().as_millis());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn p15_workers_that_hang_are_ended_and_replaced() {
    let (sandbox, workers, _alone) = with_workers().await;
    // A worker has ten times the limit and five seconds more.
    let hasty = LoadSpec { time: Duration::from_millis(50), ..spec(guest("probe"), json!({ "mode": "allow" })) };
    let plugin = Arc::new(sandbox.load(hasty).await.expect("the probe loads"));
    workers.iter().for_each(|pid| send(*pid, Signal::STOP));
    let asked: Vec<_> = workers
        .iter()
        .map(|_| {
            let plugin = Arc::clone(&plugin);
            tokio::spawn(async move { plugin.decide(&request()).await })
        })
        .collect();
    for answer in asked {
        assert_eq!(answer.await.expect("a task"), Err(PluginFault::Lost));
    }
    let hung = Instant::now();
    while plugin.decide(&request()).await.is_err() {
        assert!(hung.elapsed() < Duration::from_secs(20), "no worker came back");
    }
    // The one that answers may be back before the other is ended.
    while workers.iter().any(|pid| is_worker(*pid)) {
        assert!(hung.elapsed() < Duration::from_secs(20), "a worker that hung is still there");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn program_that_cannot_be_run_is_named() {
    let runs = Runs::Workers { count: 1, program: "/nowhere/wardlock".into() };
    let error =
        Sandbox::start(SandboxConfig { runs, ..SandboxConfig::default() }).await.expect_err("nothing runs");
    let said = error.to_string();
    assert!(said.contains("/nowhere/wardlock cannot be run: No such file"), "{said}");
    // A program that is none of ours ends before it is ready, whatever it says.
    let runs = Runs::Workers { count: 1, program: "/bin/true".into() };
    let error =
        Sandbox::start(SandboxConfig { runs, ..SandboxConfig::default() }).await.expect_err("nothing runs");
    assert!(error.to_string().contains("ended before it was ready"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn p15_a_kill_under_load_answers_or_names_every_request() {
    /// How many ask at once.
    const ASKING: usize = 16;
    let (sandbox, workers, _alone) = with_workers().await;
    let plugin = sandbox.load(spec(guest("probe"), json!({ "mode": "allow" }))).await.expect("the probe loads");
    let (plugin, over) = (Arc::new(plugin), Arc::new(AtomicBool::new(false)));
    let asking: Vec<_> = (0..ASKING)
        .map(|_| {
            let (plugin, over) = (Arc::clone(&plugin), Arc::clone(&over));
            tokio::spawn(async move {
                // How many were answered and how many lost, and when the first answer after the last loss came.
                let (mut answered, mut lost, mut back) = (0, 0, None);
                while !over.load(Ordering::Relaxed) {
                    match plugin.decide(&request()).await {
                        Ok(answer) => {
                            assert_eq!(answer.verdict, Verdict::Allow);
                            answered += 1;
                            back.get_or_insert_with(Instant::now);
                        }
                        Err(fault) => {
                            assert_eq!(fault, PluginFault::Lost);
                            (lost, back) = (lost + 1, None);
                        }
                    }
                }
                (answered, lost, back.expect("it was answered at last"))
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let killed = Instant::now();
    workers.iter().copied().for_each(kill);
    tokio::time::sleep(Duration::from_secs(3)).await;
    over.store(true, Ordering::Relaxed);
    let (mut answered, mut lost, mut back) = (0, 0, Duration::ZERO);
    for task in asking {
        let (its_answered, its_lost, its_back) = task.await.expect("a task");
        (answered, lost) = (answered + its_answered, lost + its_lost);
        back = back.max(its_back.saturating_duration_since(killed));
    }
    println!("{answered} answered, {lost} lost; the last of {ASKING} was served again after {back:?}");
    assert!(answered > 100, "{answered} were answered");
    // Each of them has one request under way, and may ask a worker once more before its end is noticed; who comes then
    // waits for the replacement.
    assert!((1..=3 * ASKING).contains(&lost), "{lost} were lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_plugins_have_room_and_those_that_go_are_forgotten() {
    let (sandbox, workers, _alone) = with_workers().await;
    let mut plugins = Vec::new();
    // Each has a file in memory in each worker once it has run.
    for round in 0..100 {
        let plugin =
            sandbox.load(spec(guest("begins-with-data"), json!({ "round": round }))).await.expect("it loads");
        assert!(plugin.snapshot().is_ok());
        for _ in 0..2 {
            assert_eq!(plugin.decide(&request()).await.expect("an answer").verdict, Verdict::Allow, "{round}");
        }
        plugins.push(plugin);
    }
    plugins.truncate(50);
    for (round, plugin) in plugins.iter().enumerate() {
        assert_eq!(plugin.decide(&request()).await.expect("an answer").verdict, Verdict::Allow, "{round}");
    }
    assert!(workers.iter().all(|pid| is_worker(*pid)), "a worker ended under them");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_goes_ends_its_workers() {
    let (sandbox, workers, _alone) = with_workers().await;
    assert!(!workers.is_empty());
    drop(sandbox);
    let deadline = Instant::now() + Duration::from_secs(20);
    while workers.iter().any(|pid| is_worker(*pid)) {
        assert!(Instant::now() < deadline, "workers stay: {workers:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
