//! What recording costs: rows a second by one caller and by many, as ratios.
//!
//! `cargo bench --workspace --bench audit`

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

#[expect(dead_code, reason = "the benches share their figures, and each needs some")]
mod figures;
mod log;

use std::time::{Duration, Instant};

use figures::print_table;
use log::{Log, act, refused};
use wardlock_audit::Audit;

/// How long each row of the table is measured.
const ROW_TIME: Duration = Duration::from_secs(3);

/// How many callers wait at once where a commit serves many.
const MANY: usize = 256;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    runtime.block_on(commits())
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

async fn rate(callers: usize, power: bool) -> anyhow::Result<f64> {
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
