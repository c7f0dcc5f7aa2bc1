//! A folder that a plugin's author works in, opened as a capability.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;

/// Why a folder of an author's, or a file in it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// The operating system refused.
    #[error("could not {doing} {}", .path.display())]
    Io {
        /// What was tried, as a verb.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder, a pipe or a device stands there.
    #[error("{} is not a regular file", .path.display())]
    NotFile {
        /// What stands there.
        path: PathBuf,
    },
}

impl FolderError {
    /// Returns how to mend it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Io { .. } => "name a folder that this user may use",
            Self::NotFile { .. } => "move it away: only regular files are read and written here",
        }
    }
}

/// An author's folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    dir: Dir,
}

impl Folder {
    /// Opens a folder.
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(io_at("open", path))?;
        Ok(Self { path: path.to_owned(), dir })
    }

    /// Opens a folder, which is made where it is not there.
    pub fn make(path: &Path) -> Result<Self, FolderError> {
        Dir::create_ambient_dir_all(path, ambient_authority()).map_err(io_at("make", path))?;
        Self::open(path)
    }

    /// Returns it as a capability.
    pub(super) fn dir(&self) -> &Dir {
        &self.dir
    }

    /// Returns the path of a file in it.
    pub fn path_of(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a text file.
    pub fn read_text(&self, name: &str) -> Result<String, FolderError> {
        let mut text = String::new();
        let read = self.open_to_read(name)?.read_to_string(&mut text);
        read.map(|_| text).map_err(io_at("read", self.path_of(name)))
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, FolderError> {
        let mut bytes = Vec::new();
        let read = self.open_to_read(name)?.read_to_end(&mut bytes);
        read.map(|_| bytes).map_err(io_at("read", self.path_of(name)))
    }

    fn open_to_read(&self, name: &str) -> Result<File, FolderError> {
        let failed = || io_at("read", self.path_of(name));
        let file = self.dir.open_with(name, without_waiting().read(true)).map_err(failed())?;
        if file.metadata().map_err(failed())?.is_file() {
            return Ok(file);
        }
        Err(FolderError::NotFile { path: self.path_of(name) })
    }

    /// Returns what tells a file from one that was written later; `None` where none is there.
    pub(super) fn stamp(&self, name: &str) -> Option<Stamp> {
        let about = self.dir.metadata(name).ok()?;
        Some(Stamp(about.ino(), about.ctime(), about.ctime_nsec()))
    }

    /// Writes a file that is not there yet, and makes the folders that it stands in.
    pub fn write_new(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let path = self.path_of(name);
        if let Some(parent) = Path::new(name).parent().filter(|parent| !parent.as_os_str().is_empty()) {
            self.dir.create_dir_all(parent).map_err(io_at("make the folder of", &path))?;
        }
        let mut options = OpenOptions::new();
        let file = self.dir.open_with(name, options.write(true).create_new(true));
        file.and_then(|mut file| file.write_all(bytes)).map_err(io_at("make", path))
    }

    /// Returns whether nothing stands in it.
    pub fn is_empty(&self) -> Result<bool, FolderError> {
        Ok(self.dir.entries().map_err(io_at("list", &self.path))?.next().is_none())
    }

    /// Writes a file so that at any instant either the old or the new one stands there. What is there already keeps its mode and
    /// owner, and one that this user may not write stays as it is.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FolderError> {
        let there = self.writable(name)?;
        let temporary = format!("{name}.{}.tmp", std::process::id());
        let written = self
            .write_like(&temporary, bytes, there.as_ref())
            .and_then(|()| self.dir.rename(&temporary, &self.dir, name));
        written.map_err(|error| {
            // The first error is the one to tell.
            let _ = self.dir.remove_file(&temporary);
            io_at("write", self.path_of(name))(error)
        })
    }

    /// Returns what is known of a file that this user may write; `None` where there is none. Root may write everything, and is told
    /// of a file that nobody is to write all the same.
    fn writable(&self, name: &str) -> Result<Option<Metadata>, FolderError> {
        let failed = || io_at("write", self.path_of(name));
        // A pipe that nobody reads is not opened to be written.
        if self.dir.metadata(name).is_ok_and(|about| !about.is_file()) {
            return Err(FolderError::NotFile { path: self.path_of(name) });
        }
        let about = match self.dir.open_with(name, without_waiting().write(true)) {
            Ok(file) => file.metadata().map_err(failed())?,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed()(error)),
        };
        if about.permissions().readonly() {
            return Err(failed()(ErrorKind::PermissionDenied.into()));
        }
        Ok(Some(about))
    }

    /// Writes a file with the owner and the mode of another one.
    fn write_like(&self, name: &str, bytes: &[u8], like: Option<&Metadata>) -> io::Result<()> {
        let mut file = self.dir.create(name)?;
        file.write_all(bytes)?;
        let Some(like) = like else { return Ok(()) };
        let made = file.metadata()?;
        if (made.uid(), made.gid()) != (like.uid(), like.gid()) {
            fchown(&file, Some(like.uid()), Some(like.gid()))?;
        }
        file.set_permissions(like.permissions())
    }

    /// Lists the files whose names end with `.` and `extension`, sorted.
    pub fn list(&self, extension: &str) -> Result<Vec<String>, FolderError> {
        let failed = || io_at("list", &self.path);
        let mut names = Vec::new();
        for entry in self.dir.entries().map_err(failed())? {
            let name = entry.map_err(failed())?.file_name().to_string_lossy().into_owned();
            if Path::new(&name).extension().is_some_and(|end| end == extension) {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }
}

/// A file as it was at one moment: which one it is, and when it was last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(u64, i64, i64);

/// Opens nothing that somebody else has to open first: a pipe.
fn without_waiting() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed());
    options
}

/// Reads a file wherever it stands.
pub(super) fn read_file(path: &Path) -> Result<Vec<u8>, FolderError> {
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Folder::open(parent)?.read(&name.to_string_lossy()),
        _ => Err(io_at("read", path)(io::ErrorKind::IsADirectory.into())),
    }
}

pub(super) fn io_at(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError::Io { doing, path: path.into(), source }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests look at the files from outside")]
mod tests {
    use std::fs::{Permissions, metadata, read, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_file_keeps_its_mode_and_one_that_nobody_may_write_stays() {
        let home = tempfile::tempdir().expect("a folder");
        let (folder, path) = (Folder::open(home.path()).expect("opened"), home.path().join("a.toml"));
        write(&path, "old").expect("written");
        for mode in [0o640, 0o664, 0o600] {
            set_permissions(&path, Permissions::from_mode(mode)).expect("set");
            folder.write("a.toml", b"new").expect("written");
            assert_eq!(metadata(&path).expect("there").permissions().mode() & 0o777, mode);
        }
        assert_eq!(read(&path).expect("there"), b"new");
        set_permissions(&path, Permissions::from_mode(0o444)).expect("set");
        let error = crate::text::with_causes(&folder.write("a.toml", b"newer").expect_err("refused"));
        assert!(error.contains("a.toml"), "{error}");
        assert_eq!(
            (read(&path).expect("there"), folder.list("tmp").expect("listed")),
            (b"new".to_vec(), Vec::new())
        );
        folder.write("b.toml", b"b").expect("a new one");
    }

    #[test]
    fn what_is_no_file_is_told_and_not_waited_for() {
        let home = tempfile::tempdir().expect("a folder");
        let (folder, pipe) = (Folder::open(home.path()).expect("opened"), home.path().join("a.toml"));
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        let told =
            [folder.read("a.toml").err(), folder.read_text("a.toml").err(), folder.write("a.toml", b"").err()];
        assert!(told.iter().all(|error| matches!(error, Some(FolderError::NotFile { .. }))), "{told:?}");
        assert!(told.iter().flatten().all(|error| error.hint().contains("move it away")));
    }
}
