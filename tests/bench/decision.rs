//! One decision by a Rust plugin: a fresh instance, in this process and in a worker, beside a reused one and native Rust,
//! and the whole step of the chain with its judging anew. Times are shown, never asserted; only a wrong answer fails.
//!
//! `cargo bench --workspace --bench decision [-- ROW [SECONDS]]`: a ROW by its name alone, for a profiler, or `all`.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod asked;
mod case;
mod figures;
mod row;
mod worker;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure};
use tokio::task::JoinSet;
use wardlock_core::chain::Chain;
use wardlock_core::plugin::{Answer, PluginFault, PluginRequest};
use wardlock_sandbox::{Plugin, Quotas, Reused, Runs, Sandbox, SandboxConfig, run_chain};

use case::{Case, NoQuotas, guest, native, shaper};
use figures::{Times, nanos, print_table};
use row::Row;

/// Rows take turns, so that a disturbance of the machine meets all of them.
const ROUNDS: u32 = 20;
/// How long a row is measured over all rounds.
const ROW_TIME: Duration = Duration::from_secs(2);
/// So many runs of each row before any is measured.
const WARM_UP: u32 = 500;
/// How many decisions are under way at once in the rows of many, and how many each place takes one after another.
const AT_ONCE: u32 = 16;
const IN_TURN: u32 = 8;

fn main() -> anyhow::Result<()> {
    worker::be_a_worker_if_told_so();
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let only = words.next();
    let row_time = words.next().map(|seconds| seconds.parse().map(Duration::from_secs)).transpose()?;
    let is_wanted = |row: &Row| only.as_deref().is_none_or(|name| name == "all" || name == row.name());
    let rows: Vec<Row> = Row::ALL.into_iter().filter(is_wanted).collect();
    ensure!(!rows.is_empty(), "there is no such row; rows: {}", Row::ALL.map(Row::name).join(", "));
    // As the product has it: decisions are asked for by tasks of a runtime with a thread for each processor.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { tokio::spawn(measure(rows, row_time.unwrap_or(ROW_TIME))).await? })
}

async fn measure(rows: Vec<Row>, row_time: Duration) -> anyhow::Result<()> {
    let plugins = Plugins::load().await?;
    let case = Case::new(&plugins.fresh)?;
    let reused = plugins.fresh.reused(&case.request).await?;
    let mut bench = Bench { reused, case: &case, plugins: &plugins };
    for &row in &rows {
        for _ in 0..WARM_UP {
            bench.once(row).await?;
        }
    }
    let mut times = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for (&row, times) in rows.iter().zip(&mut times) {
            let until = Instant::now() + row_time / ROUNDS;
            while Instant::now() < until {
                times.push(bench.once(row).await?);
            }
        }
    }
    print(&rows, times, &plugins);
    Ok(())
}

/// The same plugin wherever it may run. Each keeps its sandbox.
struct Plugins {
    fresh: Arc<Plugin>,
    configured: Arc<Plugin>,
    worker: Arc<Plugin>,
    pagemap_scan: bool,
}

impl Plugins {
    async fn load() -> anyhow::Result<Self> {
        let inside = SandboxConfig { runs: Runs::InProcess, ..SandboxConfig::default() };
        let plain = SandboxConfig { snapshots: false, ..inside.clone() };
        let (fresh, pagemap_scan) = load(inside).await?;
        let (configured, _) = load(plain).await?;
        let (worker, _) = load(SandboxConfig::default()).await?;
        ensure!(fresh.snapshot().is_ok() && worker.snapshot().is_ok(), "there is no snapshot");
        ensure!(configured.snapshot().is_err(), "there is a snapshot");
        Ok(Self { fresh, configured, worker, pagemap_scan })
    }
}

async fn load(config: SandboxConfig) -> anyhow::Result<(Arc<Plugin>, bool)> {
    let sandbox = Sandbox::start(config).await?;
    let plugin = sandbox.load(shaper(guest("probe")?)?).await?;
    Ok((Arc::new(plugin), sandbox.features().pagemap_scan))
}

struct Bench<'a> {
    case: &'a Case,
    plugins: &'a Plugins,
    reused: Reused<'a>,
}

impl Bench<'_> {
    /// Runs a row once, checks what came of it, and returns the time.
    async fn once(&mut self, row: Row) -> anyhow::Result<u32> {
        let Self { case, plugins, reused } = self;
        match row {
            Row::Native => {
                let started = Instant::now();
                let answer = native(black_box(&case.request));
                timed(started, move || check(case, Ok(black_box(answer))))
            }
            Row::Reused => {
                let started = Instant::now();
                let answer = reused.decide(black_box(&case.request)).await;
                timed(started, move || check(case, answer))
            }
            Row::Fresh => one(case, &plugins.fresh).await,
            Row::Configured => one(case, &plugins.configured).await,
            Row::Worker => one(case, &plugins.worker).await,
            Row::FreshMany => many(case, &plugins.fresh).await,
            Row::WorkerMany => many(case, &plugins.worker).await,
            Row::JudgedAnew => {
                let (classified, answer) = (case.classified.clone(), native(&case.request));
                let started = Instant::now();
                let mut chain = Chain::start(&case.judge, classified);
                chain.take(Ok(answer), 0);
                let (shaped, _outcome) = black_box(chain.finish());
                timed(started, move || case.check_shaped(&shaped))
            }
            Row::Chain => {
                let (classified, context) = (case.classified.clone(), case.context());
                let plugins = [Arc::clone(&plugins.worker)];
                let quotas: Arc<dyn Quotas> = Arc::new(NoQuotas);
                let started = Instant::now();
                let (shaped, _outcome) =
                    black_box(run_chain(&case.judge, &plugins, &context, &quotas, classified, None).await);
                timed(started, move || case.check_shaped(&shaped))
            }
        }
    }
}

async fn one(case: &Case, plugin: &Plugin) -> anyhow::Result<u32> {
    let started = Instant::now();
    let answer = plugin.decide(black_box(&case.request)).await;
    timed(started, move || check(case, answer))
}

/// Asks in many tasks at once, and returns the time of all divided by their number.
async fn many(case: &Case, plugin: &Arc<Plugin>) -> anyhow::Result<u32> {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for _ in 0..AT_ONCE {
        tasks.spawn(in_turn(Arc::clone(plugin), Arc::clone(&case.request)));
    }
    let answers = tasks.join_all().await;
    let time = nanos(started.elapsed() / (AT_ONCE * IN_TURN));
    answers.into_iter().flatten().try_for_each(|answer| check(case, answer))?;
    Ok(time)
}

async fn in_turn(plugin: Arc<Plugin>, request: Arc<PluginRequest>) -> Vec<Result<Answer, PluginFault>> {
    let mut answers = Vec::new();
    for _ in 0..IN_TURN {
        answers.push(plugin.decide(&request).await);
    }
    answers
}

/// Stops the time, then checks.
fn timed(started: Instant, check: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<u32> {
    let time = nanos(started.elapsed());
    check()?;
    Ok(time)
}

fn check(case: &Case, answer: Result<Answer, PluginFault>) -> anyhow::Result<()> {
    match answer {
        Ok(answer) if answer == native(&case.request) => Ok(()),
        Ok(answer) => bail!("another answer: {answer:?}"),
        Err(fault) => Err(anyhow!("no answer: {fault}")),
    }
}

fn print(rows: &[Row], times: Vec<Vec<u32>>, plugins: &Plugins) {
    let times: Vec<Times> = times.into_iter().map(Times::new).collect();
    let reused = rows.iter().position(|&row| row == Row::Reused).map(|at| times[at].median_us());
    let shown = rows.iter().zip(&times).map(|(row, times)| {
        let ratio = reused.map_or("-".to_owned(), |reused| format!("{:.2}", times.median_us() / reused));
        let numbers = [times.least_us(), times.median_us(), times.p99_us()].map(|time| format!("{time:.2}"));
        let [least, median, p99] = numbers;
        vec![row.name().to_owned(), least, median, p99, ratio, row.says().to_owned()]
    });
    println!("One decision: 12 headers, 2 edits, a Rust plugin.\n");
    print_table(&["row", "least µs", "median µs", "p99 µs", "x reused", "what"], &shown.collect::<Vec<_>>());
    let found = if plugins.pagemap_scan { "is there" } else { "is missing, which doubles the fresh row" };
    println!(
        "\nOne task asks, in the rows of many {AT_ONCE}; epoch tickers and workers run beside it. Cores: {}. PAGEMAP_SCAN {found}.",
        std::thread::available_parallelism().map_or(0, usize::from)
    );
}
