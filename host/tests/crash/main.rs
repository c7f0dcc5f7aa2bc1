//! Whatever the provider received has its INTENT, whenever the host dies and whatever its disk does (promise 2): the second
//! program behind `tests/crash/run`.
//!
//! It plays the provider and its agents, and starts itself as a child, which is a whole host on a connected home. The
//! child is killed at one instant of a request while agents ask. Then it is started again on the same home, and all that
//! the provider received is looked for in its audit. Or the child lives, and strace makes calls on the audit's files fail.
//!
//! - [`child`]: the process that is killed.
//! - [`suite`]: the home, the provider, and the child as the parent sees it.
//! - [`load`]: agents that ask until the child is gone.
//! - [`instant`]: when it is killed.
//! - [`books`]: what the provider received against what the audit holds.
//! - [`kill`]: one kill, and what must hold after it.
//! - [`drafts`]: a draft that is released while the host dies.
//! - [`agents`]: commands on agents and freezes, cut off between the vault and the state.
//! - [`disk`]: failing disks.
//! - [`stop`]: the end in order.
//! - [`clock`]: a clock that jumps.
//! - [`files`]: fewer files than connections.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test says what it expects, a suite what it did, and files are looked at from outside"
)]

mod agents;
mod books;
mod child;
#[path = "../it/clients.rs"]
mod clients;
mod clock;
mod disk;
mod drafts;
#[path = "../it/exposition.rs"]
mod exposition;
mod files;
mod instant;
mod kill;
mod load;
#[path = "../it/recorded.rs"]
mod recorded;
mod stop;
mod suite;
#[expect(dead_code, reason = "shared with the tests in `it`, which use the rest of it")]
#[path = "../it/world.rs"]
mod world;

use std::process::ExitCode;
use std::time::Instant as Moment;

use suite::Suite;

/// How often `--full` kills, at least.
const FULL: usize = 1000;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (full, only) = match words.as_slice() {
        ["child", rest @ ..] => return child::run(rest),
        ["--full"] => (true, ""),
        ["--only", text] => (true, *text),
        // `cargo test` may add its own words.
        _ => (false, ""),
    };
    let started = Moment::now();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let kills = runtime.block_on(kill::sweep(full.then_some(FULL), only));
    let disks = runtime.block_on(disk::sweep(only));
    let others = runtime.block_on(others(only));
    let (all, failed) = (kills.all + disks.all + others.all, kills.failed + disks.failed + others.failed);
    let seconds = started.elapsed().as_secs();
    println!(
        "{} kills, {} failing disks, {} others; {failed} failed; {seconds} s",
        kills.all, disks.all, others.all
    );
    if failed == 0 && all > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A case: its name, more of its home's `wardlock.toml`, and what is done.
type Case = (&'static str, &'static str, fn(&mut Suite) -> Result<String, String>);

const OTHERS: [Case; 5] = [
    ("SIGTERM", "[limits]\nshutdown_time = \"2s\"\n", stop::in_order),
    ("two SIGTERMs", "[limits]\nshutdown_time = \"60s\"\n", stop::at_once),
    ("clock jumps", "", clock::jumps),
    ("few files", "", files::few),
    ("agents cut off", "", agents::cut_off),
];

/// Ends it in order, and gives it few files.
async fn others(only: &str) -> Count {
    let mut count = Count::default();
    for (name, config, run) in OTHERS.into_iter().filter(|(name, ..)| name.contains(only)) {
        let mut suite = Suite::new(config).await;
        count.add(name, tokio::task::block_in_place(|| run(&mut suite)));
        suite.search();
    }
    let mut suite = Suite::of(drafts::plan()).await;
    let name = "releases cut off";
    if name.contains(only) {
        count.add(name, tokio::task::block_in_place(|| drafts::cut_off(&mut suite)));
    }
    suite.search();
    count
}

/// How many cases there were.
#[derive(Default)]
struct Count {
    all: usize,
    failed: usize,
}

impl Count {
    /// Tells what came of a case, and counts it.
    fn add(&mut self, name: &str, result: Result<String, String>) {
        self.all += 1;
        match result {
            Ok(told) => println!("{name:<44} {told}"),
            Err(problem) => {
                println!("FAILED: {name}: {problem}");
                self.failed += 1;
            }
        }
    }
}
