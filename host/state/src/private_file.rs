//! Makes sure that a database file is ours alone before `SQLite` opens it by path.
//!
//! `SQLite` gives `-wal` and `-shm` the mode of the database itself, so 0600 here is 0600 there.

use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, fstat, fsync, lstat, open};
use rustix::io::Errno;

use crate::error::FileProblem;

/// The smallest page of a database, bytes (`SQLite`'s file format, section 1.3.2).
const SMALLEST_PAGE: i64 = 512;

/// Creates the file 0600 if it is missing; refuses one that is a link, foreign, or open to others.
///
/// Closing a file gives up this process's POSIX locks on it, so this runs before `SQLite` holds any.
pub(crate) fn prepare(path: &Path) -> Result<(), FileProblem> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
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
    // `SQLite` takes less than its smallest page for an empty database, and would begin afresh over what is damaged.
    if (1..SMALLEST_PAGE).contains(&stat.st_size) {
        return Err(FileProblem::Cut { bytes: stat.st_size });
    }
    sync_folder(path)
}

/// Returns whether anything stands there.
pub(crate) fn exists(path: &Path) -> Result<bool, FileProblem> {
    match lstat(path) {
        Ok(_) => Ok(true),
        Err(Errno::NOENT) => Ok(false),
        Err(error) => Err(FileProblem::Open(error)),
    }
}

/// Makes the file's name durable, too: a new file's entry is lost with the power otherwise.
fn sync_folder(path: &Path) -> Result<(), FileProblem> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = open(folder, flags, Mode::empty()).map_err(FileProblem::Open)?;
    fsync(&folder).map_err(FileProblem::Open)
}
