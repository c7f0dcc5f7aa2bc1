//! How long the disk takes to make something durable: measured, because every power-safe row waits for it.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, fdatasync, open, unlink};
use rustix::io::write;

/// How often it is tried; the middle one counts.
const TRIES: usize = 5;

/// About what a small commit writes: one page.
const PAGE: [u8; 4096] = [0x5a; 4096];

/// Writes and syncs a page beside the log, a few times, and returns the median; `None` where that is not possible.
pub(crate) fn sync_time(log: &Path) -> Option<Duration> {
    let mut name = log.as_os_str().to_owned();
    name.push("-probe");
    let path = Path::new(&name);
    let times = measure(path);
    // A probe that stays behind does no harm, and is written over at the next start.
    let _ = unlink(path);
    times.ok()
}

fn measure(path: &Path) -> rustix::io::Result<Duration> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::RUSR | Mode::WUSR)?;
    let mut times = [Duration::ZERO; TRIES];
    for time in &mut times {
        let started = Instant::now();
        write(&file, &PAGE)?;
        fdatasync(&file)?;
        *time = started.elapsed();
    }
    times.sort_unstable();
    Ok(times[TRIES / 2])
}
