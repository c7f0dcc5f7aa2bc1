//! Failing disks: strace makes calls on the audit's files fail, or the disk is full. Nothing is sent that is not
//! recorded, agents are told why, and it goes on by itself once the fault has ended.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as Moment};

use rustix::process::{Pid, Signal, kill_process};

use crate::Count;
use crate::child::HOME;
use crate::load::{self, Load, Told, Trigger};
use crate::suite::{Host, PATIENCE, Suite};

/// How long agents ask while something fails.
const FAILING: Duration = Duration::from_millis(700);
/// The small disk: a home, and room for some thousand rows.
const SMALL: &str = "size=16m,mode=700";
/// The settings of these homes: syncs for reads, too, a mirror, and agents that may ask as fast as they are refused.
const CONFIG: &str = "[limits]\nrate = \"9000/s\"\nrate_per_agent = \"9000/s\"\n[audit]\nreads = \"power\"\nmirror = \"state/mirror.jsonl\"\n";
/// `SQLite`'s files.
const LOG: &[&str] = &["audit.db", "audit.db-wal", "audit.db-shm"];
const MIRROR: &[&str] = &["mirror.jsonl"];

/// What fails.
struct Fault {
    calls: &'static str,
    error: &'static str,
    /// Which of the calls, in strace's words.
    when: &'static str,
    files: &'static [&'static str],
}

const fn fault(
    calls: &'static str,
    error: &'static str,
    when: &'static str,
    files: &'static [&'static str],
) -> Fault {
    Fault { calls, error, when, files }
}

const SYNCS: &str = "fsync,fdatasync";

/// Once, a few times, and until it is repaired.
const FAULTS: [Fault; 14] = [
    fault(SYNCS, "EIO", "1", LOG),
    fault(SYNCS, "EIO", "4", LOG),
    fault(SYNCS, "EIO", "2..5", LOG),
    fault(SYNCS, "EIO", "3+", LOG),
    fault("pwrite64", "ENOSPC", "1", LOG),
    fault("pwrite64", "ENOSPC", "6", LOG),
    fault("pwrite64", "ENOSPC", "5..40", LOG),
    fault("pwrite64", "ENOSPC", "9+", LOG),
    fault("pwrite64", "EIO", "4..6", LOG),
    fault("ftruncate,pwrite64", "ENOSPC", "3+", LOG),
    fault("write", "ENOSPC", "3", MIRROR),
    fault("write", "ENOSPC", "2+", MIRROR),
    fault(SYNCS, "EIO", "3..4", MIRROR),
    fault("ftruncate,write", "ENOSPC", "2+", MIRROR),
];

/// Has everything fail; `only` keeps the faults whose names contain it.
pub async fn sweep(only: &str) -> Count {
    let mut count = Count::default();
    for fault in FAULTS.iter().filter(|fault| fault.name().contains(only)) {
        let mut suite = Suite::new(CONFIG).await;
        count.add(&fault.name(), tokio::task::block_in_place(|| fault.run(&mut suite)));
    }
    let full = "a full disk";
    if full.contains(only) {
        let mut suite = Suite::new(CONFIG).await;
        count.add(full, tokio::task::block_in_place(|| on_a_full_disk(&mut suite)));
    }
    count
}

impl Fault {
    fn name(&self) -> String {
        let file = if self.files == MIRROR { "the mirror" } else { "the log" };
        format!("{} {} {}, {file}", self.calls, self.error, self.when)
    }

    fn run(&self, suite: &mut Suite) -> Result<String, String> {
        let mut host = Host::start(suite);
        let mut asked = load::until_served(host.agents, suite.token(), Duration::ZERO)?;
        let before = suite.books(&mut host)?.last;
        // They stand in the `-wal` so far, and only there.
        if last_in_file(suite)? >= before {
            return Err("the log's own file holds everything at once; nothing is tested".to_owned());
        }
        let strace = Strace::attach(self, suite, host.pid());
        let load = Load::start(host.agents, suite.token(), &Trigger::None);
        std::thread::sleep(FAILING);
        // A fault that does not end by itself ends when strace lets go.
        let failed = if self.when.ends_with('+') {
            let failed = strace.end()?;
            asked.extend(load::until_served(host.agents, suite.token(), PATIENCE)?);
            failed
        } else {
            asked.extend(load::until_served(host.agents, suite.token(), PATIENCE)?);
            strace.end()?
        };
        asked.extend(load.end());
        if failed == 0 {
            return Err("no call failed".to_owned());
        }
        if self.calls == SYNCS && self.files == LOG && last_in_file(suite)? < before {
            return Err("after a sync that failed, rows before it are still in the same `-wal`".to_owned());
        }
        // Half of them end in order, half do not.
        if failed % 2 == 0 {
            host.kill();
        } else {
            host.stop().filter(std::process::ExitStatus::success).ok_or("it does not end in order")?;
        }
        holds(suite, &asked).map(|told| format!("{failed} failed, {told}"))
    }
}

fn on_a_full_disk(suite: &mut Suite) -> Result<String, String> {
    let disk = Mounted::with_home_of(suite)?;
    let host = Host::start(suite);
    let mut asked = load::until_served(host.agents, suite.token(), Duration::ZERO)?;
    let filler = disk.fill();
    let load = Load::start(host.agents, suite.token(), &Trigger::None);
    std::thread::sleep(FAILING);
    std::fs::remove_file(filler).expect("removed");
    asked.extend(load::until_served(host.agents, suite.token(), PATIENCE)?);
    asked.extend(load.end());
    host.stop().filter(std::process::ExitStatus::success).ok_or("it does not end in order")?;
    let held = holds(suite, &asked);
    drop(disk);
    held
}

/// Opens the home without a fault and looks whether everything that was received is recorded, and what agents were told.
fn holds(suite: &mut Suite, asked: &[Told]) -> Result<String, String> {
    let received = suite.received();
    let mut host = Host::start(suite);
    let books = suite.books(&mut host)?;
    books.compare(&received, asked)?;
    let refused = asked.iter().filter(|told| told.status == 503).count();
    let named =
        asked.iter().filter(|told| String::from_utf8_lossy(&told.body).contains("audit_unavailable")).count();
    if refused == 0 || refused != named {
        return Err(format!("{refused} were answered with 503, {named} were told `audit_unavailable`"));
    }
    if let Some(told) = asked.iter().find(|told| ![200, 204, 400, 503].contains(&told.status)) {
        return Err(format!("somebody was answered with {}", told.status));
    }
    let served = asked.len() - refused;
    Ok(format!("{served} served, {refused} refused, {} received, {} INTENTs", received.len(), books.intents()))
}

/// Returns the last row of the log's own file, as if its `-wal` had been lost.
fn last_in_file(suite: &Suite) -> Result<u64, String> {
    let alone = tempfile::tempdir().expect("a folder");
    let copy = alone.path().join("audit.db");
    std::fs::copy(suite.state("audit.db"), &copy).expect("copied");
    let read = || {
        let database = rusqlite::Connection::open(&copy)?;
        database.query_row("SELECT coalesce(max(sequence), 0) FROM records", [], |row| row.get::<_, i64>(0))
    };
    match read() {
        Ok(last) => Ok(u64::try_from(last).unwrap_or(0)),
        // A log whose tables are in the `-wal`, too.
        Err(error) if error.to_string().contains("no such table") => Ok(0),
        Err(error) => Err(format!("the log's own file: {error}")),
    }
}

/// strace, attached to every thread of a host.
struct Strace {
    process: Child,
    shown: PathBuf,
}

impl Strace {
    fn attach(fault: &Fault, suite: &Suite, pid: Pid) -> Self {
        let shown = suite.left.folder.path().join("strace");
        let mut strace = Command::new("strace");
        strace.args(["-f", "-e", "signal=none", "-e", &format!("trace={}", fault.calls)]);
        strace.args(["-e", &format!("inject={}:error={}:when={}", fault.calls, fault.error, fault.when)]);
        for file in fault.files {
            strace.arg("-P").arg(suite.state(file));
        }
        strace.arg("-o").arg(&shown).args(["-p", &pid.as_raw_nonzero().to_string()]);
        let mut process = strace.stderr(Stdio::piped()).spawn().expect("strace (apt-get install strace)");
        let mut said = BufReader::new(process.stderr.take().expect("standard error"));
        loop {
            let mut line = String::new();
            assert!(said.read_line(&mut line).expect("a line") > 0, "strace attaches");
            if line.contains("attached") {
                break;
            }
        }
        // It says more when it lets go, and must not be ended by a closed pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { process, shown }
    }

    /// Lets the host go, and returns how many calls failed.
    fn end(mut self) -> Result<usize, String> {
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        self.process.wait().map_err(|error| format!("strace: {error}"))?;
        let shown = std::fs::read_to_string(&self.shown).map_err(|error| format!("what strace saw: {error}"))?;
        Ok(shown.matches("(INJECTED)").count())
    }
}

/// A small disk on which the suite's home stands.
struct Mounted(PathBuf);

impl Mounted {
    fn with_home_of(suite: &Suite) -> Result<Self, String> {
        let home = suite.left.folder.path().join(HOME);
        let aside = suite.left.folder.path().join("aside");
        std::fs::rename(&home, &aside).expect("moved aside");
        std::fs::create_dir(&home).expect("a folder");
        if !ran(Command::new("mount").args(["-t", "tmpfs", "-o", SMALL, "tmpfs"]).arg(&home)) {
            return Err("a small disk must be mounted, and that needs root".to_owned());
        }
        let mounted = Self(home.clone());
        let copied = ran(Command::new("cp").arg("-a").arg(aside.join(".")).arg(&home));
        if copied { Ok(mounted) } else { Err("the home does not fit on the small disk".to_owned()) }
    }

    /// Fills it to the last byte.
    fn fill(&self) -> PathBuf {
        use std::io::Write as _;

        let filler = self.0.join("filler");
        let mut file = std::fs::File::create(&filler).expect("a file");
        for size in [1 << 16, 1 << 10, 1] {
            while file.write_all(&vec![0; size]).is_ok() {}
        }
        filler
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let patience = Moment::now() + PATIENCE;
        while !unmounted(&self.0) && Moment::now() < patience {
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn unmounted(path: &Path) -> bool {
    ran(Command::new("umount").arg(path))
}

fn ran(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}
