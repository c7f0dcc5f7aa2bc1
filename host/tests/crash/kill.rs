//! One kill after another, each on what the one before left, and what must hold after it.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

use crate::Count;
use crate::instant::Instant;
use crate::load::{self, Told};
use crate::suite::{Host, Suite};

/// How often each kind of instant is in the sample.
const SAMPLE: usize = 2;
/// How many kills one home takes. Each start verifies the whole log, so it must not grow for ever.
const PER_HOME: usize = 45;

/// The homes: as they are by default, and with all that the audit can do.
const CONFIGS: [&str; 2] =
    ["", "[audit]\nreads = \"power\"\nmirror = \"state/mirror.jsonl\"\nrotate = \"1MiB\"\n"];

/// What came of the kills at one kind of instant.
#[derive(Default)]
struct Tally {
    kills: usize,
    received: usize,
    intents: usize,
    unknown: usize,
}

/// Kills so often at least, or a sample; `only` keeps the instants whose names contain it.
pub async fn sweep(full: Option<usize>, only: &str) -> Count {
    let kinds = Instant::KINDS;
    let rounds = full.map_or(SAMPLE, |kills| kills.div_ceil(kinds));
    let instants = (0..rounds * kinds).map(Instant::number).filter(|instant| instant.to_string().contains(only));
    let instants: Vec<Instant> = instants.collect();
    let per_home = if full.is_some() { PER_HOME } else { kinds };
    let (mut count, mut tally) = (Count::default(), BTreeMap::<&str, Tally>::new());
    for (home, instants) in instants.chunks(per_home).enumerate() {
        let mut suite = Suite::new(CONFIGS[home % CONFIGS.len()]).await;
        let mut host = Host::start(&suite);
        for instant in instants {
            count.all += 1;
            // The simulator lives on this runtime's other threads; all here blocks.
            let killed = tokio::task::block_in_place(|| kill(&mut suite, &mut host, instant));
            match killed {
                Ok(one) => add(tally.entry(instant.group()).or_default(), &one),
                Err(problem) => {
                    println!("FAILED: {instant}: {problem}");
                    count.failed += 1;
                    // What is wrong with this home would be told again and again.
                    drop(host);
                    suite = Suite::new(CONFIGS[home % CONFIGS.len()]).await;
                    host = Host::start(&suite);
                }
            }
        }
        let ended = tokio::task::block_in_place(|| host.stop());
        assert!(ended.is_some_and(|status| status.success()), "the host ends in order: {ended:?}");
        suite.search();
    }
    for (group, Tally { kills, received, intents, unknown }) in &tally {
        println!(
            "{group:<32} {kills:>4} kills: {received:>5} received, {intents:>5} INTENTs, {unknown:>4} unknown"
        );
    }
    count
}

fn add(tally: &mut Tally, one: &Tally) {
    tally.kills += 1;
    tally.received += one.received;
    tally.intents += one.intents;
    tally.unknown += one.unknown;
}

/// Kills the host while agents ask, starts it again on the same home, and looks.
fn kill(suite: &mut Suite, host: &mut Host, instant: &Instant) -> Result<Tally, String> {
    // The child serves what its predecessor left, before it is killed itself.
    let served = load::until_served(host.agents, suite.token(), Duration::ZERO)?;
    let came = suite.received();
    let first = suite.books(host)?;
    first.compare(&came, &served)?;
    suite.seen = first.last;
    suite.left.simulator.switches().change(|switches| instant.prepare(switches));
    let load = instant.carry_out(suite, host)?;
    let told: Vec<Told> = load.end();
    let status = host.ended(Duration::ZERO).ok_or("it lives")?;
    if status.signal() != Some(9) {
        return Err(format!("it was not killed but ended: {status}"));
    }
    let mut received = suite.received();
    let connections = suite.left.simulator.connections().len();
    suite.left.simulator.switches().change(|switches| {
        switches.api_answers.clear();
        switches.api_faults.clear();
    });
    *host = Host::start(suite);
    let books = suite.books(host)?;
    suite.seen = books.last.max(suite.seen);
    // On a busy machine the provider may come to the last requests only now; those of a new connection are the new host's.
    let late = suite.received();
    if late.iter().any(|recording| recording.connection >= connections) {
        return Err("something was sent although nobody asked".to_owned());
    }
    received.extend(late);
    books.compare(&received, &told)?;
    if books.unknown as u64 != host.closed_as_unknown {
        return Err(format!("{} were closed as unknown, and {} are shown", host.closed_as_unknown, books.unknown));
    }
    if instant.leaves_unknown() && books.unknown == 0 {
        return Err("somebody was under way, and nothing is shown as unknown".to_owned());
    }
    Ok(Tally { kills: 1, received: received.len(), intents: books.intents(), unknown: books.unknown })
}
