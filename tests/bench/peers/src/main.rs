//! One decision by other policy engines: the same request, and the same answer where an engine can give it. Times are
//! shown, never asserted; only a wrong answer fails.
//!
//! `tests/bench/peers/run [SECONDS]` builds the guest and runs this, and Wardlock's own rows right after it.

mod cedar;
#[path = "../../figures.rs"]
mod figures;
mod plugin;
mod record;
mod rego;

use std::hint::black_box;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use figures::{Times, nanos, print_table};
use record::{Answer, Request, decide};

/// Rows take turns, so that a disturbance of the machine meets all of them.
const ROUNDS: u32 = 20;
/// How long a row is measured over all rounds.
const ROW_TIME: Duration = Duration::from_secs(2);
/// So many runs of each row before any is measured.
const WARM_UP: u32 = 200;

/// An engine, asked once.
struct Row {
    name: &'static str,
    says: &'static str,
    ask: Box<dyn FnMut() -> anyhow::Result<Said>>,
}

/// What an engine says.
enum Said {
    /// An answer with its edits.
    Answer(Answer),
    /// Yes or no: it has no more to say.
    Allowed(bool),
}

impl Row {
    fn new(name: &'static str, says: &'static str, ask: impl FnMut() -> anyhow::Result<Said> + 'static) -> Self {
        Self { name, says, ask: Box::new(ask) }
    }

    /// Asks once, checks what is said, and returns the time.
    fn once(&mut self, expected: &Answer) -> anyhow::Result<u32> {
        let started = Instant::now();
        let said = black_box((self.ask)());
        let time = nanos(started.elapsed());
        match said.with_context(|| self.name)? {
            Said::Answer(answer) => ensure!(answer == *expected, "{}: another answer: {answer:?}", self.name),
            Said::Allowed(allowed) => ensure!(allowed, "{}: not allowed", self.name),
        }
        Ok(time)
    }
}

fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    let guest = PathBuf::from(words.next().context("the guest's file")?);
    let row_time = words.next().map(|seconds| seconds.parse().map(Duration::from_secs)).transpose()?;
    let request = record::request();
    let expected = decide(&request);
    let mut rows = native(&request);
    rows.extend(plugin::rows(&guest, &request)?);
    rows.extend(cedar::rows(&request)?);
    rows.extend(rego::rows(&request)?);
    for row in &mut rows {
        for _ in 0..WARM_UP {
            row.once(&expected)?;
        }
    }
    let mut times = vec![Vec::new(); rows.len()];
    for _ in 0..ROUNDS {
        for (row, times) in rows.iter_mut().zip(&mut times) {
            let until = Instant::now() + row_time.unwrap_or(ROW_TIME) / ROUNDS;
            while Instant::now() < until {
                times.push(row.once(&expected)?);
            }
        }
    }
    print(&rows, times);
    Ok(())
}

fn native(request: &Request) -> Vec<Row> {
    let (plain, in_json) = (request.clone(), request.clone());
    let json = move || {
        let seen: Request = serde_json::from_slice(&serde_json::to_vec(&in_json)?)?;
        let answer = serde_json::to_vec(&decide(&seen))?;
        Ok(Said::Answer(serde_json::from_slice(&answer)?))
    };
    vec![
        // The guest of every engine gets its own copy of everything; so does this.
        Row::new("native", "a Rust closure", move || Ok(Said::Answer(decide(&black_box(plain.clone()))))),
        Row::new(
            "native, JSON",
            "the same, request and answer through JSON: the floor of engines that take it",
            json,
        ),
    ]
}

fn print(rows: &[Row], times: Vec<Vec<u32>>) {
    let shown = rows.iter().zip(times).map(|(row, times)| {
        let times = Times::new(times);
        let numbers = [times.least_us(), times.median_us(), times.p99_us()].map(|time| format!("{time:.2}"));
        let [least, median, p99] = numbers;
        vec![row.name.to_owned(), least, median, p99, row.says.to_owned()]
    });
    println!("One decision by other engines: 12 headers, 2 edits.\n");
    print_table(&["engine", "least µs", "median µs", "p99 µs", "what"], &shown.collect::<Vec<_>>());
}
