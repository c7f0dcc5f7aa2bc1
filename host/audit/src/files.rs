//! The files of one log: `audit.db`, then `audit.2.db`, `audit.3.db` and so on. The last one is written.
//!
//! No file is ever renamed: `SQLite` finds a database's `-wal` by its name, and a reader that lets go of a renamed one
//! would remove that of another.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{Dir, Mode, OFlags, open, unlink};
use rustix::io::Errno;

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LogFile {
    /// Its number, from 1.
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
}

/// Returns the file of a number, for a log that begins in `first`.
pub(crate) fn file(first: &Path, number: u64) -> LogFile {
    if number <= 1 {
        return LogFile { number: 1, path: first.to_owned() };
    }
    let stem = first.file_stem().unwrap_or_default().to_string_lossy();
    let extension = first.extension().unwrap_or_default().to_string_lossy();
    LogFile { number, path: first.with_file_name(format!("{stem}.{number}.{extension}")) }
}

/// Returns whether a file of this name belongs to a log that begins in `first`.
pub fn is_of_log(first: &str, name: &str) -> bool {
    number_of(Path::new(first), name).is_some()
}

/// Returns every file of a log that is there, in order.
pub(crate) fn all(first: &Path) -> Result<Vec<LogFile>, Errno> {
    let folder = first.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut files = Vec::new();
    for entry in Dir::read_from(open(folder, flags, Mode::empty())?)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        files.extend(number_of(first, &name).map(|number| file(first, number)));
    }
    files.sort_by_key(|file| file.number);
    Ok(files)
}

/// Removes a file, and then what `SQLite` puts beside it: a file without its `-wal` may lack rows.
pub(crate) fn remove(file: &LogFile) -> Result<(), Errno> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name: OsString = file.path.as_os_str().to_owned();
        name.push(suffix);
        match unlink(&name) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn number_of(first: &Path, name: &str) -> Option<u64> {
    if first.file_name().is_some_and(|own| own == name) {
        return Some(1);
    }
    let stem = first.file_stem()?.to_str()?;
    let extension = first.extension()?.to_str()?;
    let number = name.strip_prefix(stem)?.strip_prefix('.')?.strip_suffix(extension)?.strip_suffix('.')?;
    let is_plain = !number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit());
    number.parse().ok().filter(|number| is_plain && *number > 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_log_are_known_by_their_names() {
        let first = Path::new("/home/state/audit.db");
        assert_eq!(file(first, 3).path, Path::new("/home/state/audit.3.db"));
        for (name, number) in [("audit.db", Some(1)), ("audit.2.db", Some(2)), ("audit.10.db", Some(10))] {
            assert_eq!(number_of(first, name), number, "{name}");
        }
        for name in
            ["audit.db-wal", "audit.1.db", "audit.02.db", "audit.+2.db", "audit..db", "state.db", "audit.2.db-shm"]
        {
            assert_eq!(number_of(first, name), None, "{name}");
        }
    }
}
