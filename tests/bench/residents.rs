//! What many loaded plugins cost: loading them with nothing kept and from compiled code that was kept, the memory of the host
//! and its workers, and one decision among them. Times are shown, never asserted; only a wrong answer fails.
//!
//! `cargo bench --workspace --bench residents [-- PLUGINS...]`, by default 1, 10, 100 and 1,000.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod asked;
#[expect(dead_code, reason = "the benches share their case, and each needs some")]
mod case;
#[expect(dead_code, reason = "the benches share their figures, and each needs some")]
mod figures;
mod memory;
mod worker;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use wardlock_sandbox::{CodeCache, Sandbox, SandboxConfig};

use case::{Case, guest, native, shaper};
use figures::{Times, nanos, print_table};
use memory::Memory;

const PLUGINS: [u32; 4] = [1, 10, 100, 1_000];
/// The first argument of the process that loads.
const LOAD: &str = "load";
/// So many decisions are measured, over all plugins in turn and at least once each.
const DECISIONS: usize = 4_000;
/// A custom section: its number, the length of what follows, the length of its name, the name. Then a number of four bytes.
const SECTION: [u8; 6] = [0, 8, 3, b'n', b'o', b'.'];

fn main() -> anyhow::Result<()> {
    worker::be_a_worker_if_told_so();
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    if let [LOAD, count, folder] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        let (count, folder) = (count.parse()?, PathBuf::from(folder));
        memory::allow_many_files()?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let loaded = runtime.block_on(async { tokio::spawn(load(count, folder)).await? })?;
        println!("{}", loaded.map(|number| number.to_string()).join("\t"));
        return Ok(());
    }
    let mut counts: Vec<u32> = words.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    if counts.is_empty() {
        counts = PLUGINS.to_vec();
    }
    let rows = counts.into_iter().map(row).collect::<anyhow::Result<Vec<_>>>()?;
    print(&rows);
    Ok(())
}

/// Loads so many twice: with nothing kept, and from what was kept.
fn row(count: u32) -> anyhow::Result<Vec<String>> {
    let folder = tempfile::tempdir()?;
    let [cold, ..] = another(count, folder.path())?;
    let [warm, host, workers, files, median, p99] = another(count, folder.path())?;
    let number = f64::from(count);
    let mut cells = vec![count.to_string(), format!("{cold:.2}"), format!("{warm:.3}")];
    cells.push(format!("{:.2}", warm * 1000.0 / number));
    cells.extend([host, workers, files].map(|kib| format!("{:.1}", kib / 1024.0)));
    cells.push(format!("{:.0}", (host + workers + files) / number));
    cells.extend([median, p99].map(|time| format!("{time:.1}")));
    cells.push(String::new());
    Ok(cells)
}

/// Loads so many in a process of their own, so that no earlier row's memory counts.
fn another(count: u32, folder: &Path) -> anyhow::Result<[f64; 6]> {
    let mut program = Command::new(std::env::current_exe()?);
    let ended = program.args([LOAD, &count.to_string()]).arg(folder).stderr(Stdio::inherit()).output()?;
    ensure!(ended.status.success(), "{count} plugins: {}", ended.status);
    let numbers: Result<Vec<f64>, _> =
        String::from_utf8(ended.stdout)?.split_whitespace().map(str::parse).collect();
    numbers?.try_into().map_err(|numbers| anyhow::anyhow!("not six numbers: {numbers:?}"))
}

/// Loads so many, and returns the seconds that it took, KiB that came with them, and µs of a decision among them.
async fn load(count: u32, folder: PathBuf) -> anyhow::Result<[f64; 6]> {
    let sandbox = Sandbox::start(SandboxConfig::default()).await?;
    sandbox.keep_code(Arc::new(Folder(folder)));
    let (component, before) = (guest("probe")?, Memory::now()?);
    let (mut took, mut plugins) = (Duration::ZERO, Vec::new());
    for number in 0..count {
        let spec = shaper(&[component, &SECTION, &number.to_be_bytes()].concat())?;
        let started = Instant::now();
        plugins.push(sandbox.load(spec).await?);
        took += started.elapsed();
    }
    let grown = Memory::now()?.since(before);
    ensure!(plugins.iter().all(|plugin| plugin.snapshot().is_ok()), "there is no snapshot");
    let case = Case::new(plugins.first().context("a plugin")?)?;
    let mut times = Vec::new();
    for plugin in plugins.iter().cycle().take(DECISIONS.max(plugins.len())) {
        let started = Instant::now();
        let answer = plugin.decide(&case.request).await?;
        times.push(nanos(started.elapsed()));
        ensure!(answer == native(&case.request), "another answer: {answer:?}");
    }
    let times = Times::new(times);
    Ok([took.as_secs_f64(), grown.host, grown.workers, grown.files, times.median_us(), times.p99_us()])
}

fn print(rows: &[Vec<String>]) {
    println!(
        "Plugins that are loaded, each another component of the same Rust plugin, from a snapshot, across workers.\n"
    );
    let head = [
        "plugins",
        "cold s",
        "warm s",
        "warm ms each",
        "host MiB",
        "workers MiB",
        "files MiB",
        "KiB each",
        "decision µs",
        "p99 µs",
        "",
    ];
    print_table(&head, rows);
    println!(
        "\nMemory is what came with the plugins: resident in the host, in its workers together, and in the files in memory that hold \
         their code.\nBudget for 1,000: 0.24 MiB each, loaded in under 1 s from a warm cache. Cores: {}.",
        std::thread::available_parallelism().map_or(0, usize::from)
    );
}

/// Keeps compiled code in a folder. Nobody else can write there, so it authenticates nothing.
struct Folder(PathBuf);

impl CodeCache for Folder {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        std::fs::read(self.0.join(name)).ok()
    }

    fn store(&self, name: &str, bytes: &[u8]) {
        // What is not kept is compiled again, and shows in the table.
        drop(std::fs::write(self.0.join(name), bytes));
    }
}
