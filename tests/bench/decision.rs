//! One decision by a Rust plugin: a fresh instance beside a reused one and native Rust, and the whole step of the
//! chain with its judging anew. Times are shown, never asserted; only a wrong answer fails.
//!
//! `cargo bench --workspace --bench decision [-- ROW [SECONDS]]`: a ROW's name alone, for a profiler.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod case;
mod figures;

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure};
use wardlock_core::chain::Chain;
use wardlock_core::plugin::{Answer, PluginFault};
use wardlock_sandbox::{Reused, run_chain};

use case::{Case, guest, native};
use figures::{Times, nanos, print_table};

/// Rows take turns, so that a disturbance of the machine meets all of them.
const ROUNDS: u32 = 20;
/// How long a row is measured over all rounds.
const ROW_TIME: Duration = Duration::from_secs(2);
/// So many runs of each row before any is measured.
const WARM_UP: u32 = 500;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Row {
    Native,
    Reused,
    Fresh,
    JudgedAnew,
    Chain,
}

impl Row {
    const ALL: [Self; 5] = [Self::Native, Self::Reused, Self::Fresh, Self::JudgedAnew, Self::Chain];

    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Reused => "reused",
            Self::Fresh => "fresh",
            Self::JudgedAnew => "judged-anew",
            Self::Chain => "chain",
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Native => "the same answer by a Rust function",
            Self::Reused => "an instance that stays (never in the product)",
            Self::Fresh => "gate, instance, settings, answer, end; budget: 10 µs and 2.5 x reused",
            Self::JudgedAnew => "the two edits applied, canonical form, classification, rules; no plugin",
            Self::Chain => "the whole step: fresh instance and judging anew",
        }
    }
}

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let only = words.next();
    let row_time = words.next().map(|seconds| seconds.parse().map(Duration::from_secs)).transpose()?;
    let is_wanted = |row: &Row| only.as_deref().is_none_or(|name| name == row.name());
    let rows: Vec<Row> = Row::ALL.into_iter().filter(is_wanted).collect();
    ensure!(!rows.is_empty(), "there is no such row; rows: {}", Row::ALL.map(Row::name).join(", "));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    runtime.block_on(measure(&rows, row_time.unwrap_or(ROW_TIME)))
}

async fn measure(rows: &[Row], row_time: Duration) -> anyhow::Result<()> {
    let case = Case::new(guest("probe")?).await?;
    let mut bench = Bench { reused: case.plugin.reused(&case.request).await?, case: &case };
    for &row in rows {
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
    print(rows, times, case.sandbox.features().pagemap_scan);
    Ok(())
}

struct Bench<'a> {
    case: &'a Case,
    reused: Reused<'a>,
}

impl Bench<'_> {
    /// Runs a row once, checks what came of it, and returns the time.
    async fn once(&mut self, row: Row) -> anyhow::Result<u32> {
        let case = self.case;
        match row {
            Row::Native => {
                let started = Instant::now();
                let answer = native(black_box(&case.request));
                timed(started, move || check(case, Ok(black_box(answer))))
            }
            Row::Reused => {
                let started = Instant::now();
                let answer = self.reused.decide(black_box(&case.request)).await;
                timed(started, move || check(case, answer))
            }
            Row::Fresh => {
                let started = Instant::now();
                let answer = case.plugin.decide(black_box(&case.request)).await;
                timed(started, move || check(case, answer))
            }
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
                let plugins = [Arc::clone(&case.plugin)];
                let started = Instant::now();
                let (shaped, _outcome) = black_box(run_chain(&case.judge, &plugins, context, classified).await);
                timed(started, move || case.check_shaped(&shaped))
            }
        }
    }
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

fn print(rows: &[Row], times: Vec<Vec<u32>>, pagemap_scan: bool) {
    let times: Vec<Times> = times.into_iter().map(Times::new).collect();
    let reused = rows.iter().position(|&row| row == Row::Reused).map(|at| times[at].median_us());
    let shown = rows.iter().zip(&times).map(|(row, times)| {
        let ratio = reused.map_or("-".to_owned(), |reused| format!("{:.2}", times.median_us() / reused));
        let (median, p99) = (format!("{:.2}", times.median_us()), format!("{:.2}", times.p99_us()));
        vec![row.name().to_owned(), median, p99, ratio, row.says().to_owned()]
    });
    println!("One decision: 12 headers, 2 edits, a Rust plugin.\n");
    print_table(&["row", "median µs", "p99 µs", "x reused", "what"], &shown.collect::<Vec<_>>());
    let found = if pagemap_scan { "is there" } else { "is missing, which doubles the fresh row" };
    println!("\nOne thread asks; the epoch ticker runs beside it. PAGEMAP_SCAN {found}.");
}
