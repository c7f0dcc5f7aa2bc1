//! What a request costs in a home that has grown: a thousand workspaces, and a long audit, beside the same request in an empty
//! home in the same process. Times are shown, never asserted; only a wrong answer, a wrong count or a closed connection fails.
//!
//! `cargo bench --profile dev --bench growth [-- ROWS [WORKSPACES]]`, by default a million and a thousand.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

#[expect(dead_code, reason = "the benches share their client, and each needs some")]
mod client;
#[expect(dead_code, reason = "the benches share their figures, and each needs some")]
mod figures;
#[expect(dead_code, reason = "the benches share their log, and each needs some")]
mod log;
mod upstream;
mod worker;
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use wardlock::loaded::State;
use wardlock::ops;
use wardlock_audit::Filter;

use client::{Target, load};
use figures::{Times, print_table};
use upstream::Upstream;
use world::{Others, World};

const ROWS: u32 = 1_000_000;
const WORKSPACES: u32 = 1_000;
/// Both homes take turns, so that a disturbance of the machine meets both.
const ROUNDS: u32 = 6;
/// How long each home is called in one round: by one connection, and by many.
const ROUND: [(usize, Duration); 2] = [(1, Duration::from_millis(700)), (8, Duration::from_millis(500))];
/// How often what is no request is timed; the median is shown.
const TIMES: usize = 9;
const PATH: &str = "/acme/zoho/crm/v8/Leads?fields=Last_Name,Company&per_page=200";

fn main() -> anyhow::Result<()> {
    worker::be_a_worker_if_told_so();
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let mut number = |usual| words.next().map_or(Ok(usual), |word| word.parse::<u32>());
    let (rows, workspaces) = (number(ROWS)?, number(WORKSPACES)?);
    let upstream = Upstream::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let empty = runtime.block_on(World::start(&upstream, Others::default()))?;
    let before = resident_mib()?;
    let began = Instant::now();
    let grown = runtime.block_on(World::start(
        &upstream,
        Others { neighbours: workspaces.saturating_sub(1), ..Others::default() },
    ))?;
    println!(
        "{workspaces} workspaces, each with a connection, a plugin, a grant and an agent, made in {:.0} s: {:.0} MiB more are \
         resident than with one.\n",
        began.elapsed().as_secs_f64(),
        resident_mib()? - before
    );
    let mut shown = Vec::new();
    let mut filled = 0;
    for wanted in [0, rows.min(10_000), rows] {
        let began = Instant::now();
        runtime.block_on(log::fill(grown.host.audit(), filled..wanted))?;
        if wanted > filled {
            let time = began.elapsed().as_secs_f64();
            println!(
                "{} rows written in {time:.0} s, {:.0}/s.",
                wanted - filled,
                f64::from(wanted - filled) / time
            );
        }
        filled = wanted;
        for (connections, time) in ROUND {
            shown.push(requests([&empty, &grown], &upstream, wanted, connections, time)?);
        }
    }
    println!("\nA request in a home of {workspaces} workspaces, beside one in an empty home.\n");
    let head = ["rows", "connections", "empty p50 µs", "p99", "grown p50 µs", "p99", "p50 ×", "p99 ×", ""];
    print_table(&head, &shown);
    ensure!(grown.host.audit().count()? >= u64::from(rows), "rows are missing");
    let open = grown.host.loaded().connections().filter(|found| matches!(found.state, State::Open(_))).count();
    ensure!(open == workspaces as usize, "{open} connections serve, of {workspaces}");
    runtime.block_on(others(empty, grown, &upstream))
}

/// Calls both homes in turn.
fn requests(
    worlds: [&World; 2],
    upstream: &Upstream,
    rows: u32,
    connections: usize,
    time: Duration,
) -> anyhow::Result<Vec<String>> {
    let targets = worlds.map(|world| Target {
        address: world.agents,
        tls: None,
        request: request(world),
        body_bytes: upstream.body_bytes,
    });
    let mut nanos = [Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (target, all) in targets.iter().zip(&mut nanos) {
            all.extend(load(target, connections, time)?.nanos);
        }
    }
    let [empty, grown] = nanos.map(Times::new);
    let mut cells = vec![rows.to_string(), connections.to_string()];
    for times in [&empty, &grown] {
        cells.extend([times.median_us(), times.p99_us()].map(|time| format!("{time:.0}")));
    }
    let ratios = [grown.median_us() / empty.median_us(), grown.p99_us() / empty.p99_us()];
    cells.extend(ratios.map(|ratio| format!("{ratio:.2}")));
    cells.push(String::new());
    Ok(cells)
}

fn request(world: &World) -> Arc<[u8]> {
    let (host, token) = (world.agents, &world.tokens["acme"]);
    let text = format!("GET {PATH} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n");
    Arc::from(text.into_bytes())
}

/// What is no request: a page of the audit, loading anew, and a start.
async fn others(mut empty: World, mut grown: World, upstream: &Upstream) -> anyhow::Result<()> {
    let mut shown = Vec::new();
    let pages = [&empty, &grown].map(page);
    shown.push(row("`audit list`, the newest page", &pages.into_iter().collect::<anyhow::Result<Vec<_>>>()?));
    let mut reloads = Vec::new();
    for world in [&empty, &grown] {
        let mut times = Vec::new();
        for _ in 0..TIMES {
            let began = Instant::now();
            let loaded = ops::reload(&world.host).await;
            times.push(began.elapsed());
            ensure!(loaded["ok"] == true, "it does not load anew: {loaded}");
        }
        reloads.push(median(times));
    }
    shown.push(row("`reload`", &reloads));
    let searches = [&empty, &grown].map(search);
    shown.push(row(
        "first search for secrets after a new token",
        &searches.into_iter().collect::<anyhow::Result<Vec<_>>>()?,
    ));
    let mut starts = [Vec::new(), Vec::new()];
    for _ in 0..3 {
        let took;
        (empty, took) = empty.again(upstream).await?;
        starts[0].push(took);
        let took;
        (grown, took) = grown.again(upstream).await?;
        starts[1].push(took);
    }
    shown.push(row("start, to where it listens", &starts.map(median)));
    println!();
    print_table(&["", "empty ms", "grown ms", "×", ""], &shown);
    // After a start, a request is answered as before.
    for world in [&empty, &grown] {
        let (address, request) = (world.agents, request(world));
        let target = Target { address, tls: None, request, body_bytes: upstream.body_bytes };
        let called = tokio::task::spawn_blocking(move || load(&target, 1, Duration::from_millis(100)));
        ensure!(!called.await??.nanos.is_empty(), "nothing is answered after a start");
    }
    empty.stop().await;
    grown.stop().await;
    Ok(())
}

fn page(world: &World) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        let rows = world.host.audit().list(&Filter::newest(100))?;
        times.push(began.elapsed());
        ensure!(rows.len() == 100, "{} rows on a page", rows.len());
    }
    Ok(median(times))
}

fn search(world: &World) -> anyhow::Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..TIMES {
        world.store()?;
        let began = Instant::now();
        ensure!(!world.host.egress().contains_secret(PATH.as_bytes())?, "a path is no secret");
        times.push(began.elapsed());
    }
    Ok(median(times))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn row(name: &str, times: &[Duration]) -> Vec<String> {
    let millis: Vec<f64> = times.iter().map(|time| time.as_secs_f64() * 1000.0).collect();
    let ratio = millis.get(1).zip(millis.first()).map_or(f64::NAN, |(grown, empty)| grown / empty);
    let mut cells = vec![name.to_owned()];
    cells.extend(millis.iter().map(|time| format!("{time:.1}")));
    cells.extend([format!("{ratio:.1}"), String::new()]);
    cells
}

/// What this process has in memory, both homes, client and upstream.
fn resident_mib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("a line on memory")?;
    let kib: u32 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(f64::from(kib) / 1024.0)
}
