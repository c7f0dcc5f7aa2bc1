//! Makes sure that a database file is ours alone before `SQLite` opens it by path.
//!
//! `SQLite` gives `-wal` and `-shm` the mode of the database itself, so 0600 here is 0600 there.

use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, fstat, fsync, open};
use rustix::io::Errno;

use crate::error::FileProblem;

/// The smallest page of a database, bytes (`SQLite`'s file format, section 1.3.2).
const SMALLEST_PAGE: i64 = 512;

/// Creates the file 0600 if it is missing; refuses one that is a link, foreign, or open to others.
///
/// Closing a file gives up this process's POSIX locks on it, so this runs before `SQLite` holds any.
pub(crate) fn prepare(path: &Path) -> Result<(), FileProblem> {
    let (_file, bytes) = open_ours(path, OFlags::RDWR)?;
    // `SQLite` takes less than its smallest page for an empty database, and would begin afresh over what is damaged.
    if (1..SMALLEST_PAGE).contains(&bytes) {
        return Err(FileProblem::Cut { bytes });
    }
    sync_folder(path)
}

/// Opens a file of ours for appending, creating it 0600 if it is missing.
pub(crate) fn open_to_append(path: &Path) -> Result<OwnedFd, FileProblem> {
    let (file, _) = open_ours(path, OFlags::RDWR | OFlags::APPEND)?;
    sync_folder(path)?;
    Ok(file)
}

fn open_ours(path: &Path, access: OFlags) -> Result<(OwnedFd, i64), FileProblem> {
    let flags = access | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = open(path, flags, Mode::RUSR | Mode::WUSR).map_err(|error| match error {
        Errno::LOOP | Errno::ISDIR | Errno::NXIO => FileProblem::NotRegular,
        other => FileProblem::Open(other),
    })?;
    let stat = fstat(&file).map_err(FileProblem::Open)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(FileProblem::NotRegular);
    }
    if stat.st_uid != rustix::process::geteuid().as_raw() {
        return Err(FileProblem::Foreign { uid: stat.st_uid });
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::RWXG | Mode::RWXO) {
        return Err(FileProblem::Exposed { mode: mode.as_raw_mode() });
    }
    Ok((file, stat.st_size))
}

/// Makes the file's name durable, too: a new file's entry is lost with the power otherwise.
fn sync_folder(path: &Path) -> Result<(), FileProblem> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open(folder, flags, Mode::empty()).map_err(FileProblem::Open)?;
    fsync(&folder).map_err(FileProblem::Open)
}
