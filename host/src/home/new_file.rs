//! A file that the operator names for something new: it gets its name when it is whole, and never takes another's.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::error::{HomeError, io_at};

/// A file in the making, closed to others. Dropped before [`NewFile::finish`], it is gone.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    temporary: Option<PathBuf>,
    file: File,
}

impl NewFile {
    /// Begins a file under a temporary name beside its own, which must be free.
    pub fn create(path: &Path) -> Result<Self, HomeError> {
        if path.symlink_metadata().is_ok() {
            return Err(HomeError::FileExists { path: path.to_owned() });
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{}.tmp", std::process::id()));
        let temporary = path.with_file_name(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let file = file.map_err(io_at("make", path))?;
        Ok(Self { path: path.to_owned(), temporary: Some(temporary), file })
    }

    /// Makes it durable, and gives it its name.
    pub fn finish(mut self) -> Result<(), HomeError> {
        self.file.sync_all().map_err(io_at("write", &self.path))?;
        let Some(temporary) = self.temporary.take() else { return Ok(()) };
        if let Err(error) = name_new(&temporary, &self.path) {
            self.temporary = Some(temporary);
            return Err(match error.kind() {
                ErrorKind::AlreadyExists => HomeError::FileExists { path: self.path.clone() },
                _ => io_at("make", &self.path)(error),
            });
        }
        let folder = match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_at("sync the folder of", &self.path))
    }
}

/// Renames a file or folder to a name that is free.
pub(super) fn name_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems that cannot promise it, such as those of memory sticks.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if to.symlink_metadata().is_err() => {
            std::fs::rename(from, to)
        }
        renamed => Ok(renamed?),
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // The error that led here is the one to tell.
            let _ = std::fs::remove_file(temporary);
        }
    }
}
