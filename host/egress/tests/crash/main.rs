//! Kill at any instant of a refresh never loses the login silently (promise 7): the program behind `tests/crash/run`.
//!
//! It plays the provider and starts itself as a child, which refreshes an expired token on a real vault and is killed
//! at one instant: at a failpoint, or before one of its state-changing system calls. Then it starts the child again,
//! undisturbed, and looks at what became of the login.
//!
//! - [`child`]: the process that is killed.
//! - [`instant`]: when, and how it is killed then.
//! - [`calls`]: which system calls a refresh makes, on which of its threads.
//! - [`case`]: one kill, and what must hold after it.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test says what it expects, and a suite what it did"
)]

mod calls;
mod case;
mod child;
#[expect(dead_code, reason = "shared with the tests in `flow`, which play it")]
#[path = "../flow/fault.rs"]
mod fault;
#[path = "../flow/home.rs"]
mod home;
mod instant;
#[expect(dead_code, reason = "shared with the tests in `flow`, which use the rest of it")]
#[path = "../flow/support.rs"]
mod support;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Instant as Moment;

use case::{Case, GRACE, Outcome};
use instant::Instant;
use wardlock_simulator::Rotation;

/// The providers, by how they rotate refresh tokens.
const ROTATIONS: [Rotation; 3] = [Rotation::Never, GRACE, Rotation::WithoutGrace];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["child", rest @ ..] => child::run(rest),
        ["--full"] => sweep(true, ""),
        ["--only", text] => sweep(true, text),
        // `cargo test` may add its own words.
        _ => sweep(false, ""),
    }
}

/// Kills at every instant, or at a sample of them: every failpoint, and five of each system call of each thread, from
/// the first to the last, each with one kind of provider. `only` keeps the cases whose names contain it.
fn sweep(full: bool, only: &str) -> ExitCode {
    let started = Moment::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut tally: BTreeMap<String, BTreeMap<Outcome, usize>> = BTreeMap::new();
    let mut failed = Vec::new();
    for case in cases(&runtime, full).into_iter().filter(|case| case.to_string().contains(only)) {
        match runtime.block_on(case.run()) {
            Ok(outcome) => *tally.entry(case.group()).or_default().entry(outcome).or_default() += 1,
            Err(problem) => {
                println!("FAILED: {case}: {problem}");
                failed.push(case);
            }
        }
    }
    summary(&tally);
    let all = tally.values().flat_map(BTreeMap::values).sum::<usize>() + failed.len();
    for outcome in [Outcome::Works, Outcome::Named, Outcome::Survived] {
        let count: usize = tally.values().filter_map(|outcomes| outcomes.get(&outcome)).sum();
        println!("{count} {outcome}");
    }
    println!("{all} cases in {} s, {} failed", started.elapsed().as_secs(), failed.len());
    if failed.is_empty() && all > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn cases(runtime: &tokio::runtime::Runtime, full: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for (turn, rotation) in ROTATIONS.into_iter().enumerate() {
        cases.extend(Instant::FAILPOINTS.map(|failpoint| Case { rotation, instant: failpoint }));
        let calls = runtime.block_on(calls::of_a_refresh(rotation));
        assert!(calls.len() > 5, "strace shows the system calls of a refresh");
        for (place, ((thread, call), count)) in calls.into_iter().enumerate() {
            // One after the last: the child survives.
            let all = 1..=count + 1;
            let sample = [1, count.div_ceil(4), count.div_ceil(2), (3 * count).div_ceil(4), count];
            let mine = |nth: &usize| full || (place + nth) % ROTATIONS.len() == turn && sample.contains(nth);
            let instant = |nth| Instant::Call { thread, call: call.clone(), nth };
            cases.extend(all.filter(mine).map(|nth| Case { rotation, instant: instant(nth) }));
        }
    }
    cases
}

fn summary(tally: &BTreeMap<String, BTreeMap<Outcome, usize>>) {
    for (group, outcomes) in tally {
        let outcomes: Vec<String> = outcomes.iter().map(|(outcome, count)| format!("{count} {outcome}")).collect();
        println!("{group:<44} {}", outcomes.join(", "));
    }
}
