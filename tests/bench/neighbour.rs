//! What a hostile plugin costs the neighbours: with one hostile request in flight at any time in one workspace, another
//! workspace's times beside its own alone, over real sockets, in one run. Times are shown, never asserted.
//!
//! `cargo bench --workspace --bench neighbour [-- SECONDS]`

#![expect(clippy::print_stdout, reason = "a bench prints its table")]

mod client;
#[expect(dead_code, reason = "the benches share their figures, and each needs some")]
mod figures;
mod upstream;
mod worker;
#[expect(dead_code, reason = "the benches share their world, and each needs some")]
mod world;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, anyhow, ensure};

use client::{Load, Target, load};
use figures::{Times, print_table};
use upstream::Upstream;
use world::{Others, World};

/// Each hostile guest, and the code with which its requests are refused.
const HOSTILE: [(&str, &str); 5] = [
    ("loop-in-request", "plugin_timeout"),
    ("loop-of-fills", "plugin_timeout"),
    ("memory-grows", "plugin_memory"),
    ("many-empty-notes", "plugin_nonsense"),
    // It ends at once, so this shows what a second client that is always refused costs without any hostility.
    ("unreachable", "plugin_trap"),
];
/// The time limit of a hostile plugin, milliseconds, as `world.rs` sets it.
const LIMIT_MS: f64 = 20.0;
/// Alone and beside take turns, so that a disturbance of the machine meets both.
const ROUNDS: u32 = 8;
/// How long each side is measured over all rounds, for one guest.
const SIDE_TIME: Duration = Duration::from_secs(12);
const PATH: &str = "/crm/v8/Leads?fields=Last_Name,Company&per_page=200";

fn main() -> anyhow::Result<()> {
    worker::be_a_worker_if_told_so();
    let mut words = std::env::args().skip(1).filter(|word| !word.starts_with("--"));
    let seconds = words.next().map(|seconds| seconds.parse().map(Duration::from_secs)).transpose()?;
    let side_time = seconds.unwrap_or(SIDE_TIME);
    let upstream = Upstream::start()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let names = HOSTILE.map(|(name, _)| name);
    let world = runtime.block_on(World::start(&upstream, Others { hostile: &names, ..Others::default() }))?;
    let agents = world.agents;
    let neighbour = Target {
        address: agents,
        tls: None,
        request: request(agents, &format!("/acme/zoho{PATH}"), &world.tokens["acme"]).into(),
        body_bytes: upstream.body_bytes,
    };
    let mut rows = Vec::new();
    for (name, code) in HOSTILE {
        let attack = request(agents, &format!("/noisy/{name}{PATH}"), &world.tokens["noisy"]);
        rows.push(row(name, measure(&neighbour, agents, &attack, code, side_time)?));
    }
    let verified = world.host.audit().verify(&wardlock_audit::Against::default())?;
    ensure!(verified.is_sound(), "the audit does not verify");
    runtime.block_on(world.stop());
    print(&rows);
    Ok(())
}

fn request(host: SocketAddr, target: &str, token: &str) -> Vec<u8> {
    format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n").into_bytes()
}

/// What the neighbour's calls took alone and beside the attack, and how many attacks there were.
struct Measured {
    alone: Load,
    beside: Load,
    attacks: usize,
}

fn measure(
    neighbour: &Target,
    agents: SocketAddr,
    attack: &[u8],
    code: &str,
    side_time: Duration,
) -> anyhow::Result<Measured> {
    let none = || Load { nanos: Vec::new(), time: Duration::ZERO };
    let mut measured = Measured { alone: none(), beside: none(), attacks: 0 };
    for _ in 0..ROUNDS {
        add(&mut measured.alone, load(neighbour, 1, side_time / ROUNDS)?);
        let stop = Arc::new(AtomicBool::new(false));
        let attacking = {
            let (stop, attack, code) = (Arc::clone(&stop), attack.to_vec(), code.to_owned());
            thread::spawn(move || attack_until(&stop, agents, &attack, &code))
        };
        let beside = load(neighbour, 1, side_time / ROUNDS);
        stop.store(true, Ordering::Relaxed);
        measured.attacks += attacking.join().map_err(|_| anyhow!("the attacker panicked"))??;
        add(&mut measured.beside, beside?);
    }
    Ok(measured)
}

fn add(all: &mut Load, part: Load) {
    all.nanos.extend(part.nanos);
    all.time += part.time;
}

/// Sends the attack again as soon as it is answered, over one connection, and returns how often.
fn attack_until(stop: &AtomicBool, agents: SocketAddr, attack: &[u8], code: &str) -> anyhow::Result<usize> {
    let mut stream = TcpStream::connect(agents)?;
    stream.set_nodelay(true)?;
    let mut attacks = 0;
    while !stop.load(Ordering::Relaxed) {
        stream.write_all(attack)?;
        let said = refusal(&mut stream)?;
        ensure!(said.contains(code), "not refused as {code}: {said}");
        attacks += 1;
    }
    Ok(attacks)
}

/// Reads one answer: its head to the empty line, its body by its length.
fn refusal(stream: &mut TcpStream) -> anyhow::Result<String> {
    let (mut said, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer)?;
        ensure!(read > 0, "the connection ended within an answer");
        said.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&said);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).context("a length")?;
        if body.len() >= length.parse()? {
            return Ok(text.into_owned());
        }
    }
}

fn row(name: &str, measured: Measured) -> Vec<String> {
    let attacks =
        f64::from(u32::try_from(measured.attacks).unwrap_or(u32::MAX)) / measured.beside.time.as_secs_f64();
    let (alone, beside) = (Times::new(measured.alone.nanos), Times::new(measured.beside.nanos));
    let ratio = beside.median_us() / alone.median_us();
    let most = alone.p99_us() * 1.5 + LIMIT_MS * 1000.0;
    let mut cells = vec![name.to_owned(), format!("{attacks:.0}")];
    for times in [&alone, &beside] {
        cells.extend([times.median_us(), times.p99_us()].map(|number| format!("{number:.0}")));
    }
    cells.push(format!("{ratio:.2}"));
    cells.push(format!("{most:.0}"));
    let told = |holds: bool| if holds { "holds" } else { "missed" };
    cells.push(format!("p50 {}, p99 {}", told(ratio <= 1.5), told(beside.p99_us() <= most)));
    cells
}

fn print(rows: &[Vec<String>]) {
    println!(
        "A neighbour of one hostile request at any time: one connection, one plugin, crash-safe audit, TLS.\n"
    );
    let head = [
        "hostile plugin",
        "attacks/s",
        "alone p50 µs",
        "p99 µs",
        "beside p50 µs",
        "p99 µs",
        "p50 ratio",
        "p99 goal µs",
        "goals: p50 ratio 1.5, p99 1.5 × + 20 ms",
    ];
    print_table(&head, rows);
    println!(
        "\nClient, attacker, upstream and proxy share this machine's cores ({}).",
        std::thread::available_parallelism().map_or(0, usize::from)
    );
}
