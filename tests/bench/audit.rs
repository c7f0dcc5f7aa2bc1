//! What recording costs: rows a second by one caller and by many, as ratios. And what finding rows and verifying costs in
//! a log of a million.
//!
//! `cargo bench --workspace --bench audit [-- ROWS]`: 0 leaves the long log out.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

#[expect(dead_code, reason = "the benches share their figures, and each needs some")]
mod figures;
mod log;

use std::time::{Duration, Instant};

use anyhow::ensure;
use figures::print_table;
use log::{Log, MANY, act, fill, refused};
use wardlock_audit::{Against, Audit, Filter};

/// How long each row of the table is measured.
const ROW_TIME: Duration = Duration::from_secs(3);

/// How long the long log is, unless the command line says otherwise.
const LONG: u32 = 1_000_000;

/// A million rows in ten seconds.
const VERIFIED: f64 = 100_000.0;

fn main() -> anyhow::Result<()> {
    let rows = std::env::args().skip(1).find(|word| !word.starts_with("--")).map(|rows| rows.parse());
    let rows = rows.transpose()?.unwrap_or(LONG);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    runtime.block_on(async {
        commits().await?;
        if rows > 0 {
            long_log(rows).await?;
        }
        Ok(())
    })
}

/// Finds rows in a long log, and walks it.
async fn long_log(rows: u32) -> anyhow::Result<()> {
    let log = Log::new()?;
    let started = Instant::now();
    fill(&log.audit, 0..rows).await?;
    let filled = started.elapsed();
    println!("\n{rows} rows, written in {:.0} s, {} MiB.\n", filled.as_secs_f64(), log.bytes()? >> 20);
    lists(&log, rows)?;
    let started = Instant::now();
    let verified = log.audit.verify(&Against::default())?;
    ensure!(
        verified.is_sound() && verified.rows == u64::from(rows),
        "the log does not verify: {:?}",
        verified.faults
    );
    let seconds = started.elapsed().as_secs_f64();
    let rate = f64::from(rows) / seconds;
    println!(
        "\nVerified in {seconds:.1} s, with {} heads and the index: {rate:.0} rows/s, {:.2} x the goal of {VERIFIED:.0} rows/s.",
        verified.heads,
        rate / VERIFIED
    );
    Ok(())
}

fn lists(log: &Log, rows: u32) -> anyhow::Result<()> {
    let middle = log.audit.list(&Filter { before: Some(u64::from(rows / 2)), ..Filter::newest(1) })?;
    let at_ms = middle.first().map_or(0, |row| row.at_ms);
    let text = |text: &str| Some(text.to_owned());
    let filters = [
        ("the newest", Filter::default()),
        ("of a workspace", Filter { workspace: text("acme"), ..Filter::default() }),
        ("of the rarest agent", Filter { agent: text(&log::agent(0)), ..Filter::default() }),
        (
            "of two frequent names",
            Filter { agent: text(&log::agent(1)), code: text("resource_not_allowed"), ..Filter::default() },
        ),
        ("of a path value", Filter { value: Some((rows / 2).to_string()), ..Filter::default() }),
        (
            "of a second in the middle",
            Filter { since_ms: Some(at_ms), until_ms: Some(at_ms + 1000), ..Filter::default() },
        ),
        (
            "of a time and an agent",
            Filter { since_ms: Some(at_ms), agent: text(&log::agent(1)), ..Filter::default() },
        ),
        ("of what is not there", Filter { agent: text("nobody"), ..Filter::default() }),
        ("a page in the middle", Filter { after: Some(u64::from(rows / 2)), ..Filter::default() }),
    ];
    let mut shown = Vec::new();
    for (name, filter) in filters {
        let started = Instant::now();
        let found = log.audit.list(&filter)?.len();
        let time = started.elapsed();
        shown.push(vec![
            name.to_owned(),
            found.to_string(),
            format!("{:.1}", time.as_secs_f64() * 1000.0),
            String::new(),
        ]);
    }
    print_table(&["list: at most 100 rows", "found", "ms", ""], &shown);
    Ok(())
}

/// Rows that survive a crash, or the loss of power; one row to a commit, or whatever waits.
async fn commits() -> anyhow::Result<()> {
    let mut rows = Vec::new();
    for power in [false, true] {
        let single = rate(1, power).await?;
        let group = rate(MANY, power).await?;
        let survives = if power { "power" } else { "crash" };
        for (callers, rate) in [(1, single), (MANY, group)] {
            let shown = [
                survives.to_owned(),
                callers.to_string(),
                format!("{rate:.0}"),
                format!("{:.1}", rate / single),
                if callers == 1 { "one row to a commit" } else { "a commit for whatever waits" }.to_owned(),
            ];
            rows.push(shown.to_vec());
        }
    }
    println!("Rows recorded a second, by callers who each wait for their row to be durable.\n");
    print_table(&["survives", "callers", "rows/s", "x single", "how"], &rows);
    Ok(())
}

async fn rate(callers: u32, power: bool) -> anyhow::Result<f64> {
    let log = Log::new()?;
    if let Some(time) = log.audit.opened().sync_time.filter(|_| power && callers == 1) {
        println!("The disk takes {:.2} ms to make a page durable.", time.as_secs_f64() * 1000.0);
    }
    let started = Instant::now();
    let tasks: Vec<_> =
        (0..callers).map(|_| tokio::spawn(record(log.audit.clone(), power, started + ROW_TIME))).collect();
    let mut rows = 0;
    for task in tasks {
        rows += task.await??;
    }
    Ok(f64::from(rows) / started.elapsed().as_secs_f64())
}

async fn record(audit: Audit, power: bool, until: Instant) -> anyhow::Result<u32> {
    let mut rows = 0;
    while Instant::now() < until {
        if power {
            audit.act(act(rows)).await?;
        } else {
            audit.refuse(refused(rows)).await?;
        }
        rows += 1;
    }
    Ok(rows)
}
