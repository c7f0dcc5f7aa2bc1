//! One daemon per home: a lock that the kernel drops with the process, and a note about who holds it.

use std::fmt;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cap_std::fs::{Dir, File, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
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
        pid.is_some_and(|pid| !matches!(test_kill_process(pid), Err(Errno::SRCH)))
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
        Err(Errno::WOULDBLOCK) => {
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
        Err(Errno::WOULDBLOCK) => Ok(Some(noted(&mut file))),
        Err(error) => Err(io_at("lock", path)(error.into())),
    }
}

/// Returns whether a process holds the lock that stands at this path, as the kernel has it, whatever the note says; `None`: it does not
/// tell.
pub fn is_held_by(path: &Path, pid: u32) -> Option<bool> {
    // A link leads to what another home holds.
    let lock = match rustix::fs::open(path, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(lock) => lock,
        Err(Errno::NOENT | Errno::LOOP) => return Some(false),
        Err(_) => return None,
    };
    let found = rustix::fs::fstat(&lock).ok()?;
    let (major, minor) = (rustix::fs::major(found.st_dev), rustix::fs::minor(found.st_dev));
    let place = format!("{major:02x}:{minor:02x}:{}", found.st_ino);
    let holders = holders(&std::fs::read_to_string("/proc/locks").ok()?, &place);
    if holders.is_empty() {
        // It stands there under another name, or nobody holds it.
        return rustix::fs::flock(&lock, FlockOperation::NonBlockingLockShared).ok().map(|()| false);
    }
    Some(holders.contains(&pid))
}

/// Who holds a lock of the kind that a home has on a file, of what `/proc/locks` says (proc(5)).
fn holders(locks: &str, place: &str) -> Vec<u32> {
    let holder = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, "FLOCK", _, "WRITE", pid, at, ..] = words[..] else { return None };
        (at == place).then(|| pid.parse().ok()).flatten()
    };
    locks.lines().filter_map(holder).collect()
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_who_holds_a_lock_whatever_is_written_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, own) = (folder.path().join("lock"), std::process::id());
        assert_eq!(is_held_by(&path, own), Some(false), "there is none");
        let file = std::fs::File::create(&path).expect("a file");
        assert_eq!(is_held_by(&path, own), Some(false), "nobody holds it");
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).expect("held");
        std::fs::write(&path, "pid = 1\n").expect("written");
        assert_eq!((is_held_by(&path, own), is_held_by(&path, 1)), (Some(true), Some(false)));
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&path, &link).expect("a link");
        assert_eq!(is_held_by(&link, own), Some(false), "a link is no lock of this home's");
    }

    #[test]
    fn only_whoever_holds_that_file_is_a_holder() {
        let locks = "1: FLOCK  ADVISORY  WRITE 15274 fe:00:106 0 EOF\n\
                     1: -> FLOCK  ADVISORY  WRITE 15275 fe:00:106 0 EOF\n\
                     2: FLOCK  ADVISORY  READ 15276 fe:00:106 0 EOF\n\
                     3: POSIX  ADVISORY  WRITE 15277 fe:00:106 0 EOF\n\
                     4: FLOCK  ADVISORY  WRITE 15278 fe:01:106 0 EOF\n";
        assert_eq!(holders(locks, "fe:00:106"), [15274]);
    }
}
