//! The whole proxy beside a direct call to the same upstream, over keep-alive HTTP/1.1, in one process; and beside nginx and
//! Envoy, where `tests/bench/proxies` has brought them. Times are shown, never asserted; only a wrong answer or a wrong
//! audit fails.
//!
//! `cargo bench --workspace --bench proxy [-- CONNECTIONS [SECONDS [SIDE]]]`: so many connections alone, for a profiler; with a
//! side's name (`Wardlock`), that side alone.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod client;
#[expect(dead_code, reason = "the benches share their figures, and each needs some")]
mod figures;
mod proxies;
mod upstream;
mod worker;
#[expect(dead_code, reason = "the benches share their world, and each needs some")]
mod world;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use client::{Load, Target, load};
use figures::{Times, print_table};
use proxies::Proxies;
use upstream::Upstream;
use world::{Others, World};

const CONNECTIONS: [usize; 3] = [1, 32, 128];
/// Direct and proxied calls take turns, so that a disturbance of the machine meets both.
const ROUNDS: u32 = 3;
/// How long each side is measured over all rounds, for one number of connections.
const SIDE_TIME: Duration = Duration::from_secs(6);
/// What calls that do not go through Wardlock carry in the place of an agent's token.
const TOKEN: &str = "1000.0123456789abcdef0123456789abcdef";
const PATH: &str = "/crm/v8/Leads?fields=Last_Name,Company&per_page=200";
/// With `Host` and the credential, 13 headers, as an SDK sends them.
const HEADERS: &str = "Accept: application/json\r\nAccept-Language: de-DE,de;q=0.9\r\nAccept-Encoding: gzip, deflate\r\n\
                       User-Agent: bench/1.0\r\nConnection: keep-alive\r\nCache-Control: no-cache\r\n\
                       X-Application: weekly-report\r\nX-Application-Version: 4.18.2\r\nX-Environment: production\r\n\
                       X-Correlation-Id: 7f3c1e0a-52b5-4b0e-9b54-0b9cbb5b6a11\r\nX-Locale: de_DE\r\n";

fn main() -> anyhow::Result<()> {
    worker::be_a_worker_if_told_so();
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let only: Option<usize> = words.next().map(|connections| connections.parse()).transpose()?;
    let side_time = words.next().map(|seconds| seconds.parse().map(Duration::from_secs)).transpose()?;
    let only_side = words.next();
    let upstream = Upstream::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let world = runtime.block_on(World::start(&upstream, Others::default()))?;
    let proxies = Proxies::start(&upstream)?;
    let mut sides = sides(&upstream, &world, &proxies);
    sides.retain(|side| only_side.as_ref().is_none_or(|only| side.name == only));
    ensure!(!sides.is_empty(), "there is no such side");
    let mut rows = Vec::new();
    let mut asked = 0;
    for connections in only.map_or(CONNECTIONS.to_vec(), |only| vec![only]) {
        let loads = measure(&sides, connections, side_time.unwrap_or(SIDE_TIME))?;
        if let Some((_, ours)) = sides.iter().zip(&loads).find(|(side, _)| side.name == OURS) {
            asked += ours.nanos.len() + connections * ROUNDS as usize;
        }
        rows.extend(shown(connections, &sides, loads));
    }
    check_audit(&world, asked)?;
    drop(proxies);
    runtime.block_on(world.stop());
    print(&rows);
    Ok(())
}

/// Who is called, and what it does with a call.
struct Side {
    name: &'static str,
    does: &'static str,
    target: Target,
}

/// Wardlock's name among the sides; the first is the direct call.
const OURS: &str = "Wardlock";

/// The same call: to the upstream over TLS, and to each proxy, which calls the upstream over TLS.
fn sides(upstream: &Upstream, world: &World, proxies: &Proxies) -> Vec<Side> {
    let side = |name, does, address: SocketAddr, path: &str, token: &str| {
        let request = request(path, &address.to_string(), token);
        Side { name, does, target: Target { address, tls: None, request, body_bytes: upstream.body_bytes } }
    };
    let mut direct = side("direct", "TLS from client to upstream", upstream.address, PATH, TOKEN);
    direct.target.tls = Some((upstream::HOST, upstream.ca_der.clone()));
    direct.target.request = request(PATH, upstream::HOST, TOKEN);
    let does =
        "agent known by its token, rules, a plugin, crash-safe audit of two rows, credential, scan of the answer";
    let ours = side(OURS, does, world.agents, &format!("/acme/zoho{PATH}"), &world.tokens["acme"]);
    let others = proxies.all.iter().map(|proxy| side(proxy.name, proxy.does, proxy.address, PATH, TOKEN));
    [direct, ours].into_iter().chain(others).collect()
}

fn request(target: &str, host: &str, token: &str) -> Arc<[u8]> {
    let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{HEADERS}\r\n");
    Arc::from(text.into_bytes())
}

fn measure(sides: &[Side], connections: usize, side_time: Duration) -> anyhow::Result<Vec<Load>> {
    let mut loads: Vec<Load> = sides.iter().map(|_| Load { nanos: Vec::new(), time: Duration::ZERO }).collect();
    for _ in 0..ROUNDS {
        for (side, all) in sides.iter().zip(&mut loads) {
            let part = load(&side.target, connections, side_time / ROUNDS).with_context(|| side.name)?;
            all.nanos.extend(part.nanos);
            all.time += part.time;
        }
    }
    Ok(loads)
}

/// Two rows for every request, every link of the chain in place.
fn check_audit(world: &World, asked: usize) -> anyhow::Result<()> {
    let verified = world.host.audit().verify(&wardlock_audit::Against::default())?;
    ensure!(verified.is_sound(), "the audit does not verify");
    let rows = world.host.audit().count()?;
    let least = u64::try_from(asked)? * 2;
    ensure!(rows >= least, "{rows} audit rows for {asked} requests");
    Ok(())
}

/// Returns a row for each side.
fn shown(connections: usize, sides: &[Side], loads: Vec<Load>) -> Vec<Vec<String>> {
    let rate =
        |load: &Load| f64::from(u32::try_from(load.nanos.len()).unwrap_or(u32::MAX)) / load.time.as_secs_f64();
    let rates: Vec<f64> = loads.iter().map(rate).collect();
    let times: Vec<Times> = loads.into_iter().map(|load| Times::new(load.nanos)).collect();
    let ours = sides.iter().position(|side| side.name == OURS).unwrap_or(0);
    let mut rows = Vec::new();
    for ((side, rate), times_of) in sides.iter().zip(&rates).zip(&times) {
        rows.push(vec![
            format!("{connections}, {}", side.name),
            format!("{rate:.0}"),
            format!("{:.3}", rate / rates[0]),
            format!("{:.2}", rates[ours] / rate),
            format!("{:.0}", times_of.median_us()),
            format!("{:.0}", times_of.p99_us()),
            format!("{:+.0}", times_of.median_us() - times[0].median_us()),
            side.does.to_owned(),
        ]);
    }
    rows
}

fn print(rows: &[Vec<String>]) {
    println!("The whole proxy: keep-alive HTTP/1.1 from the client, TLS to the upstream.\n");
    let head = ["connections", "req/s", "x direct", "Wardlock / it", "p50 µs", "p99 µs", "p50 added µs", "does"];
    print_table(&head, rows);
    println!(
        "\nClient, upstream and the proxy that is called share this machine's cores ({}), the direct call only the first two.\n\
         Budgets: p50 added at one connection at most 120 µs; ahead of Envoy, at least half of nginx.",
        std::thread::available_parallelism().map_or(0, usize::from)
    );
}
