//! One daemon per home: a lock that the kernel drops with the process, and a note about who holds it.

use std::fmt;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};
use rustix::fs::FlockOperation;
use rustix::process::{Pid, test_kill_process};

use super::error::{HomeError, io_at};

/// The lock's place in a home.
const LOCK_FILE: &str = "state/lock";
/// How long a holder may take from the lock to its note.
const NOTED_WITHIN: Duration = Duration::from_millis(500);
/// How often the note is looked at meanwhile.
const LOOK: Duration = Duration::from_millis(10);

/// The lock on a home; dropped with the value, or with the process.
#[derive(Debug)]
#[must_use]
pub struct HomeLock {
    _file: File,
}

/// Who holds a home, as far as its note tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Holder {
    /// Process id.
    pub pid: Option<u32>,
    /// The command it runs (`serve`).
    pub command: Option<String>,
    /// Since when, RFC 3339.
    pub since: Option<String>,
}

impl Holder {
    pub(super) fn pid_text(&self) -> String {
        self.pid.map_or_else(|| "<its pid>".to_owned(), |pid| pid.to_string())
    }

    /// Returns whether the process that the note names is there.
    fn lives(&self) -> bool {
        let pid = self.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        // Not ours to signal is there, too.
        pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(rustix::io::Errno::SRCH)))
    }

    fn render(&self) -> String {
        format!(
            "pid = {}\ncommand = {}\nsince = {}\n",
            self.pid.unwrap_or_default(),
            self.command.as_deref().unwrap_or_default(),
            self.since.as_deref().unwrap_or_default()
        )
    }

    fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
            Some(line.escape_debug().take(80).collect::<String>())
        };
        Self {
            pid: value("pid").and_then(|pid| pid.parse().ok()),
            command: value("command"),
            since: value("since"),
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(pid) = self.pid else {
            return f.write_str("another process");
        };
        write!(f, "process {pid}")?;
        if let Some(command) = &self.command {
            write!(f, " (`wardlock {command}`)")?;
        }
        if let Some(since) = &self.since {
            write!(f, " since {since}")?;
        }
        Ok(())
    }
}

/// Takes the lock, or says who holds it.
pub(super) fn take(dir: &Dir, home: PathBuf, command: &str) -> Result<HomeLock, HomeError> {
    let path = home.join(LOCK_FILE);
    let mut file = open(dir).map_err(io_at("open", &path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            return Err(HomeError::Locked { path: home, holder: noted(&mut file) });
        }
        Err(error) => return Err(io_at("lock", path)(error.into())),
    }
    let holder = Holder {
        pid: Some(std::process::id()),
        command: Some(command.to_owned()),
        since: Some(jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
    };
    file.set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| file.write_all(holder.render().as_bytes()))
        .map_err(io_at("write", path))?;
    Ok(HomeLock { _file: file })
}

/// Says who holds the home now, if anybody does.
pub(super) fn holder(dir: &Dir, home: &Path) -> Result<Option<Holder>, HomeError> {
    let path = home.join(LOCK_FILE);
    let mut file = open(dir).map_err(io_at("open", &path))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Ok(None),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(Some(noted(&mut file))),
        Err(error) => Err(io_at("lock", path)(error.into())),
    }
}

fn open(dir: &Dir) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    dir.open_with(LOCK_FILE, &options)
}

/// Reads who holds the lock. Until a new holder has written its note, that of an earlier one stands there, or nothing.
fn noted(file: &mut File) -> Holder {
    let patience = Instant::now() + NOTED_WITHIN;
    loop {
        let holder = read(file);
        if holder.lives() || Instant::now() > patience {
            return holder;
        }
        std::thread::sleep(LOOK);
    }
}

fn read(file: &mut File) -> Holder {
    let mut text = String::new();
    // What cannot be read is not told.
    let _ = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(1024).read_to_string(&mut text));
    Holder::parse(&text)
}
