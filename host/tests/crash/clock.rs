//! A wall clock that jumps (promise R9): a year ahead and a year back, while the host runs and between two starts. Agents are
//! served, no token is used that has ended by the host's own clock, and the audit stays in order.

use std::path::{Path, PathBuf};

use crate::load::{self, Told};
use crate::suite::{Host, PATIENCE, Suite};

/// Where Debian's package `faketime` puts it, below the folder of the machine's kind.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// What the host's clock shows beside the true one, in faketime's words.
const JUMPS: [&str; 6] = ["+0", "+365d", "+0", "-365d", "+365d", "-365d"];

/// Jumps while it runs, and then before each start.
pub fn jumps(suite: &mut Suite) -> Result<String, String> {
    let clock = Clock::new(suite)?;
    let mut told = Vec::new();
    let mut host = clock.start(suite);
    for (number, jump) in JUMPS.into_iter().enumerate() {
        let calls = suite.left.simulator.token_calls();
        clock.set(jump);
        served(suite, &host, &mut told).map_err(|problem| format!("jump {number}, {jump}: {problem}"))?;
        if number == 1 && suite.left.simulator.token_calls() == calls {
            return Err("a year later it still used the token of before".to_owned());
        }
    }
    let while_running = told.len();
    for jump in JUMPS {
        host.stop().filter(std::process::ExitStatus::success).ok_or("it does not end in order")?;
        clock.set(jump);
        host = clock.start(suite);
        served(suite, &host, &mut told).map_err(|problem| format!("started at {jump}: {problem}"))?;
    }
    let books = suite.books(&mut host)?;
    books.compare(&suite.received(), &told)?;
    if books.unknown > 0 {
        return Err(format!("{} are unknown", books.unknown));
    }
    host.stop().filter(std::process::ExitStatus::success).ok_or("it does not end in order")?;
    Ok(format!(
        "{while_running} served while it ran, {} after starts; the audit is in order",
        told.len() - while_running
    ))
}

/// Asks a few times. The first may find the provider's throttle.
fn served(suite: &Suite, host: &Host, told: &mut Vec<Told>) -> Result<(), String> {
    for _ in 0..3 {
        told.extend(load::until_served(host.agents, suite.token(), PATIENCE)?);
    }
    Ok(())
}

/// The clock of hosts that are started by it: a file says how far it is off.
struct Clock {
    library: PathBuf,
    file: PathBuf,
}

impl Clock {
    fn new(suite: &Suite) -> Result<Self, String> {
        let folders = std::fs::read_dir("/usr/lib").map_err(|error| format!("/usr/lib: {error}"))?;
        let mut libraries = folders.flatten().map(|folder| folder.path().join(LIBRARY));
        let library =
            libraries.find(|path| path.exists()).ok_or("missing: faketime (apt-get install faketime)")?;
        let clock = Self { library, file: suite.left.folder.path().join("clock") };
        clock.set("+0");
        Ok(clock)
    }

    fn set(&self, jump: &str) {
        // Renamed, so that nobody reads half of it.
        let new = self.file.with_extension("new");
        std::fs::write(&new, jump).expect("written");
        std::fs::rename(&new, &self.file).expect("renamed");
    }

    fn start(&self, suite: &Suite) -> Host {
        let preload = format!("LD_PRELOAD={}", shown(&self.library));
        let file = format!("FAKETIME_TIMESTAMP_FILE={}", shown(&self.file));
        // The steady clock does not jump on a real machine either.
        let settings = [preload.as_str(), &file, "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"];
        Host::start_by(suite, &[&["env"], settings.as_slice()].concat())
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
