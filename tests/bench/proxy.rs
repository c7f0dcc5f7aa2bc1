//! The whole proxy beside a direct call to the same upstream, over keep-alive HTTP/1.1, in one process. Times are
//! shown, never asserted; only a wrong answer or a wrong audit fails.
//!
//! `cargo bench --workspace --bench proxy [-- CONNECTIONS [SECONDS]]`: so many connections alone, for a profiler.

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod client;
mod figures;
mod upstream;
#[expect(dead_code, reason = "the benches share their world, and each needs some")]
mod world;

use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;

use client::{Load, Target, load};
use figures::{Times, print_table};
use upstream::Upstream;
use world::{Others, World};

const CONNECTIONS: [usize; 3] = [1, 32, 128];
/// Direct and proxied calls take turns, so that a disturbance of the machine meets both.
const ROUNDS: u32 = 3;
/// How long each side is measured over all rounds, for one number of connections.
const SIDE_TIME: Duration = Duration::from_secs(6);
const PATH: &str = "/crm/v8/Leads?fields=Last_Name,Company&per_page=200";
/// With `Host` and the credential, 13 headers, as an SDK sends them.
const HEADERS: &str = "Accept: application/json\r\nAccept-Language: de-DE,de;q=0.9\r\nAccept-Encoding: gzip, deflate\r\n\
                       User-Agent: bench/1.0\r\nConnection: keep-alive\r\nCache-Control: no-cache\r\n\
                       X-Application: weekly-report\r\nX-Application-Version: 4.18.2\r\nX-Environment: production\r\n\
                       X-Correlation-Id: 7f3c1e0a-52b5-4b0e-9b54-0b9cbb5b6a11\r\nX-Locale: de_DE\r\n";

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let only: Option<usize> = words.next().map(|connections| connections.parse()).transpose()?;
    let side_time = words.next().map(|seconds| seconds.parse().map(Duration::from_secs)).transpose()?;
    let upstream = Upstream::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let world = runtime.block_on(World::start(&upstream, Others::default()))?;
    let (direct, proxied) = targets(&upstream, &world);
    let mut rows = Vec::new();
    let mut asked = 0;
    for connections in only.map_or(CONNECTIONS.to_vec(), |only| vec![only]) {
        let side_time = side_time.unwrap_or(SIDE_TIME);
        let [direct, proxied] = measure([&direct, &proxied], connections, side_time)?;
        asked += proxied.nanos.len() + connections * ROUNDS as usize;
        rows.push(row(connections, direct, proxied));
    }
    check_audit(&world, asked)?;
    runtime.block_on(world.stop());
    print(&rows);
    Ok(())
}

/// The same call: to the upstream over TLS, and to the proxy, which calls the upstream over TLS.
fn targets(upstream: &Upstream, world: &World) -> (Target, Target) {
    let direct = Target {
        address: upstream.address,
        tls: Some((upstream::HOST, upstream.ca_der.clone())),
        request: request(PATH, upstream::HOST, "1000.0123456789abcdef0123456789abcdef"),
        body_bytes: upstream.body_bytes,
    };
    let proxied = Target {
        address: world.agents,
        tls: None,
        request: request(&format!("/acme/zoho{PATH}"), &world.agents.to_string(), &world.tokens["acme"]),
        body_bytes: upstream.body_bytes,
    };
    (direct, proxied)
}

fn request(target: &str, host: &str, token: &str) -> Arc<[u8]> {
    let text = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n{HEADERS}\r\n");
    Arc::from(text.into_bytes())
}

fn measure(targets: [&Target; 2], connections: usize, side_time: Duration) -> anyhow::Result<[Load; 2]> {
    let mut loads = targets.map(|_| Load { nanos: Vec::new(), time: Duration::ZERO });
    for _ in 0..ROUNDS {
        for (target, all) in targets.into_iter().zip(&mut loads) {
            let part = load(target, connections, side_time / ROUNDS)?;
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

fn row(connections: usize, direct: Load, proxied: Load) -> Vec<String> {
    let rate =
        |load: &Load| f64::from(u32::try_from(load.nanos.len()).unwrap_or(u32::MAX)) / load.time.as_secs_f64();
    let (direct_rate, proxied_rate) = (rate(&direct), rate(&proxied));
    let (direct, proxied) = (Times::new(direct.nanos), Times::new(proxied.nanos));
    let mut cells = vec![connections.to_string()];
    for (rate, times) in [(direct_rate, &direct), (proxied_rate, &proxied)] {
        cells.extend([rate, times.median_us(), times.p99_us()].map(|number| format!("{number:.0}")));
    }
    cells.push(format!("{:.2}", proxied_rate / direct_rate));
    cells.push(format!("{:+.0}", proxied.median_us() - direct.median_us()));
    cells.push(beside(connections).to_owned());
    cells
}

/// What others reached, and the budget.
fn beside(connections: usize) -> &'static str {
    match connections {
        1 => "budget: at most +120 µs; Envoy +77, nginx +24",
        32 => "ratio of Envoy 0.18, of nginx 0.48",
        128 => "ratio of Envoy 0.18, of nginx 0.40",
        _ => "",
    }
}

fn print(rows: &[Vec<String>]) {
    println!("The whole proxy: one plugin, crash-safe audit, TLS to the upstream.\n");
    let head = [
        "connections",
        "direct req/s",
        "p50 µs",
        "p99 µs",
        "proxy req/s",
        "p50 µs",
        "p99 µs",
        "ratio",
        "p50 added µs",
        "beside",
    ];
    print_table(&head, rows);
    println!(
        "\nClient, upstream and proxy share this machine's cores ({}), the direct call only the first two.\n\
         Envoy and nginx: another run, plain upstream, native load generator; see tests/bench/README.md.",
        std::thread::available_parallelism().map_or(0, usize::from)
    );
}
