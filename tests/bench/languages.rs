//! One policy in five languages: a decision in an instance that stays, in a fresh one, and across a worker, in one run. Times
//! are shown, never asserted; only answers that differ fail.
//!
//! `tests/bench/languages [SECONDS]` builds the components and runs it; `WARDLOCK_POLYGLOT` names their folder.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod asked;
#[expect(dead_code, reason = "the benches share their case, and each needs some")]
mod case;
#[expect(dead_code, reason = "the benches share their figures, and each needs some")]
mod figures;
mod worker;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde_json::json;
use wardlock_core::plugin::Answer;
use wardlock_sandbox::{LoadSpec, Plugin, Runs, Sandbox, SandboxConfig};

use case::{Case, spec};
use figures::{Times, nanos, print_table};

/// The languages; the first is what the others are compared with.
const LANGUAGES: [&str; 5] = ["rust", "c", "zig", "javascript", "python"];
/// Languages and places take turns, so that a disturbance of the machine meets all of them.
const ROUNDS: u32 = 10;
/// How long each place of each language is measured over all rounds.
const PLACE_TIME: Duration = Duration::from_secs(2);
/// So many decisions in each place before any is measured.
const WARM_UP: u32 = 20;
/// So many decisions of an instance that stays before it is replaced: a policy in C frees nothing, because no instance of
/// the product sees a second request.
const REPLACED: usize = 200;

/// Where a decision is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Reused,
    Fresh,
    Configured,
    Worker,
}

impl Place {
    const ALL: [Self; 4] = [Self::Reused, Self::Fresh, Self::Configured, Self::Worker];
}

fn main() -> anyhow::Result<()> {
    worker::be_a_worker_if_told_so();
    let seconds = std::env::args().skip(1).find(|word| !word.starts_with("--")).map(|seconds| seconds.parse());
    let place_time = seconds.transpose()?.map_or(PLACE_TIME, Duration::from_secs);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async { tokio::spawn(measure(place_time)).await? })
}

async fn measure(place_time: Duration) -> anyhow::Result<()> {
    let places = Places::start().await?;
    let mut builds = Vec::new();
    for language in LANGUAGES {
        builds.push(Build::load(language, &places).await?);
    }
    let first = builds.first().context("a language")?;
    let case = Case::new(&first.fresh)?;
    let expected = first.fresh.decide(&case.request).await?;
    let bench = Bench { case: &case, expected: &expected };
    let mut times: Vec<[Vec<u32>; 4]> = builds.iter().map(|_| Default::default()).collect();
    for _ in 0..ROUNDS {
        for (build, times) in builds.iter().zip(&mut times) {
            for (place, times) in Place::ALL.into_iter().zip(times) {
                times.extend(bench.round(build, place, place_time / ROUNDS).await?);
            }
        }
    }
    print(&builds, times);
    Ok(())
}

/// A sandbox for each way.
struct Places {
    fresh: Sandbox,
    configured: Sandbox,
    worker: Sandbox,
}

impl Places {
    async fn start() -> anyhow::Result<Self> {
        let worker = SandboxConfig { max_compile: Duration::from_mins(10), ..SandboxConfig::default() };
        let fresh = SandboxConfig { runs: Runs::InProcess, ..worker.clone() };
        let configured = SandboxConfig { snapshots: false, ..fresh.clone() };
        Ok(Self {
            fresh: Sandbox::start(fresh).await?,
            configured: Sandbox::start(configured).await?,
            worker: Sandbox::start(worker).await?,
        })
    }
}

/// `field-mask`, as one language's tools built it, wherever it may run.
struct Build {
    language: &'static str,
    bytes: usize,
    fresh: Plugin,
    configured: Plugin,
    worker: Plugin,
    /// How long it took to compile in this process, without a snapshot and with one.
    compiled: [Duration; 2],
}

impl Build {
    async fn load(language: &'static str, places: &Places) -> anyhow::Result<Self> {
        let folder = std::env::var("WARDLOCK_POLYGLOT").context("WARDLOCK_POLYGLOT: run tests/bench/languages")?;
        let path = Path::new(&folder).join(format!("field-mask-{language}.wasm"));
        let component = std::fs::read(&path).with_context(|| path.display().to_string())?;
        let spec = spec("field-mask", &component, json!({ "hide": ["Email"], "protect": ["Owner"] }))?;
        let (configured, plain) = load(&places.configured, &spec).await?;
        let (fresh, snapshot) = load(&places.fresh, &spec).await?;
        let (worker, _) = load(&places.worker, &spec).await?;
        ensure!(fresh.snapshot() == worker.snapshot(), "{language}: a snapshot here and none there");
        Ok(Self { language, bytes: component.len(), fresh, configured, worker, compiled: [plain, snapshot] })
    }
}

async fn load(sandbox: &Sandbox, spec: &LoadSpec) -> anyhow::Result<(Plugin, Duration)> {
    let started = Instant::now();
    let plugin = sandbox.load(spec.clone()).await?;
    Ok((plugin, started.elapsed()))
}

struct Bench<'a> {
    case: &'a Case,
    expected: &'a Answer,
}

impl Bench<'_> {
    /// Measures a language in a place for so long.
    async fn round(&self, build: &Build, place: Place, time: Duration) -> anyhow::Result<Vec<u32>> {
        let until = Instant::now() + time;
        match place {
            Place::Reused => self.reused(&build.fresh, until).await,
            Place::Fresh => self.decided(&build.fresh, until).await,
            Place::Configured => self.decided(&build.configured, until).await,
            Place::Worker => self.decided(&build.worker, until).await,
        }
        .with_context(|| format!("{}, {place:?}", build.language))
    }

    async fn decided(&self, plugin: &Plugin, until: Instant) -> anyhow::Result<Vec<u32>> {
        for _ in 0..WARM_UP {
            plugin.decide(&self.case.request).await?;
        }
        let mut times = Vec::new();
        while Instant::now() < until || times.is_empty() {
            let started = Instant::now();
            let answer = plugin.decide(black_box(&self.case.request)).await?;
            times.push(nanos(started.elapsed()));
            ensure!(answer == *self.expected, "another answer: {answer:?}");
        }
        Ok(times)
    }

    async fn reused(&self, plugin: &Plugin, until: Instant) -> anyhow::Result<Vec<u32>> {
        let request: &Arc<_> = &self.case.request;
        let mut times = Vec::new();
        while Instant::now() < until || times.is_empty() {
            let mut reused = plugin.reused(request).await?;
            for _ in 0..WARM_UP {
                reused.decide(request).await?;
            }
            for _ in 0..REPLACED {
                let started = Instant::now();
                let answer = reused.decide(black_box(request)).await?;
                times.push(nanos(started.elapsed()));
                ensure!(answer == *self.expected, "another answer: {answer:?}");
            }
        }
        Ok(times)
    }
}

fn print(builds: &[Build], times: Vec<[Vec<u32>; 4]>) {
    println!("One decision of `field-mask` in five languages: 12 headers, 1 edit. Medians, µs.\n");
    let mut rows = Vec::new();
    for (build, times) in builds.iter().zip(times) {
        let [reused, fresh, configured, worker] = times.map(Times::new);
        let mut cells = vec![build.language.to_owned(), build.bytes.to_string()];
        cells.extend(build.compiled.map(|time| format!("{:.1}", time.as_secs_f64())));
        let medians = [&reused, &fresh, &configured, &worker].map(Times::median_us);
        cells.extend(medians.map(|median| format!("{median:.1}")));
        cells.push(format!("{:.1}", worker.p99_us()));
        cells.push(format!("{:.1}", fresh.median_us() / reused.median_us()));
        cells.push(build.fresh.snapshot().map_or_else(|why| format!("no: {why}"), |()| "yes".to_owned()));
        rows.push(cells);
    }
    let head = [
        "language",
        "bytes",
        "compiled, s",
        "with snapshot, s",
        "reused",
        "fresh",
        "configured",
        "worker",
        "worker p99",
        "fresh / reused",
        "snapshot",
    ];
    print_table(&head, &rows);
    println!(
        "\n`fresh`, from a snapshot where there is one, `configured`, never from one, and `reused` in this process, `worker` as the product \
         has it.\nBudgets for a fresh instance: JavaScript 120 µs, Python 400 µs, Rust across a worker 25 µs. Cores: {}.",
        std::thread::available_parallelism().map_or(0, usize::from)
    );
}
