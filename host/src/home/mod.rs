//! The home folder: where everything of one Wardlock stands, opened as a capability.
//!
//! This is the one module where `std::fs` is allowed, and only to find, make and check the folder itself: every
//! file in it is read and written through [`cap_std`]. The one exception is
//! [`Home::state_path`], because `SQLite` opens its files by path.

#![expect(clippy::disallowed_methods, reason = "the one module that finds, makes and checks the folder itself")]

mod check;
mod error;
mod files;
mod lock;
mod new_file;
mod outgoing;
mod outside;
mod restoring;
mod walk;

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::Dir;

pub use error::HomeError;
pub use lock::{Holder, HomeLock, is_held_by};
pub use new_file::NewFile;
pub use outgoing::Outgoing;
pub use outside::{
    find_operator_file, make_private, open_operator_file, read_operator_file, read_regular_file, read_system_file,
    remove_leftover_socket, remove_simulator_home, write_system_file,
};
pub use restoring::Restoring;
pub use walk::{Walk, open_found, walk};

use error::io_at;

/// The file that makes a folder a home.
pub const CONFIG_FILE: &str = "wardlock.toml";
/// The folders of a home.
pub const FOLDERS: [&str; 4] = ["workspaces", "services", "plugins", "state"];

/// What a new home's `wardlock.toml` says: every key with its default, in comments.
const CONFIG_TEMPLATE: &str = include_str!("wardlock.toml");
/// Present in homes that only the simulator may use.
const SIMULATOR_MARK: &str = "state/simulator";

/// An open home folder.
#[derive(Debug)]
pub struct Home {
    path: PathBuf,
    /// The same without links, as it was when the folder was opened.
    real_path: PathBuf,
    dir: Dir,
}

impl Home {
    /// Returns where the home is: what the command line names, else `WARDLOCK_HOME`, else `wardlock` in the
    /// platform's configuration folder.
    pub fn locate(named: Option<&Path>) -> Result<PathBuf, HomeError> {
        locate_in(named, |variable| std::env::var_os(variable).filter(|value| !value.is_empty()))
    }

    /// Makes a home. An existing folder must be empty; its mode becomes 0700.
    pub fn create(path: &Path) -> Result<Self, HomeError> {
        let home = Self::begin(path)?;
        // Last: a folder without it is no home, so a half-made one is never taken for one.
        home.write(CONFIG_FILE, CONFIG_TEMPLATE.as_bytes())?;
        Ok(home)
    }

    /// Makes the folders of a home, which is none yet.
    fn begin(path: &Path) -> Result<Self, HomeError> {
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let mut builder = DirBuilder::new();
                builder.recursive(true).mode(0o700).create(path).map_err(io_at("make", path))?;
            }
            Err(error) => return Err(io_at("look at", path)(error)),
            Ok(_) => check_empty(path)?,
        }
        let private = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(path, private).map_err(io_at("change the mode of", path))?;
        check::private_folder(path)?;
        check::parents(path)?;
        let home = Self::open_dir(path)?;
        for folder in FOLDERS {
            let mut builder = cap_std::fs::DirBuilder::new();
            cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
            let made = home.dir.create_dir_with(folder, &builder);
            made.map_err(io_at("make", path.join(folder)))?;
        }
        Ok(home)
    }

    /// Opens a home and checks it as ssh checks its own: real folders, ours, closed to others.
    pub fn open(path: &Path) -> Result<Self, HomeError> {
        check::private_folder(path)?;
        check::parents(path)?;
        let home = Self::open_dir(path)?;
        match home.dir.symlink_metadata(CONFIG_FILE) {
            Ok(_) => check::operator_file(&path.join(CONFIG_FILE))?,
            Err(error) if error.kind() == ErrorKind::NotFound && home.is_empty()? => {
                return Err(HomeError::Missing { path: path.to_owned() });
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(HomeError::Foreign { path: path.to_owned() });
            }
            Err(error) => return Err(io_at("look at", path.join(CONFIG_FILE))(error)),
        }
        for folder in FOLDERS {
            home.check_folder(folder)?;
        }
        Ok(home)
    }

    /// Returns whether a home stands at the path. It may still not open.
    pub fn exists(path: &Path) -> bool {
        std::fs::symlink_metadata(path.join(CONFIG_FILE)).is_ok()
    }

    /// Returns the path of `state/`, for the vault, which opens `SQLite` by path.
    pub fn state_folder(&self) -> PathBuf {
        self.path.join("state")
    }

    /// Returns the folder's path, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the folder's path without links, for what is signed.
    pub fn real_path(&self) -> &Path {
        &self.real_path
    }

    /// Takes the home for one daemon; a second one is told who holds it. `command` goes into the note.
    pub fn lock(&self, command: &str) -> Result<HomeLock, HomeError> {
        lock::take(&self.dir, self.path.clone(), command)
    }

    /// Returns who holds the home now.
    pub fn holder(&self) -> Result<Option<Holder>, HomeError> {
        lock::holder(&self.dir, &self.path)
    }

    /// Returns the path of a file in `state/`, for `SQLite` and for the admin socket, which know paths only.
    pub fn state_path(&self, name: &str) -> Result<PathBuf, HomeError> {
        Ok(self.path.join("state").join(files::plain_name(name)?))
    }

    /// Marks the home as one that only the simulator may use. A plain `serve` refuses such a home.
    pub fn mark_simulator(&self) -> Result<(), HomeError> {
        self.write(SIMULATOR_MARK, b"Only `wardlock demo` and `wardlock serve --simulator` use this home.\n")
    }

    /// Returns whether only the simulator may use the home.
    pub fn is_simulator(&self) -> bool {
        self.dir.symlink_metadata(SIMULATOR_MARK).is_ok()
    }

    fn open_dir(path: &Path) -> Result<Self, HomeError> {
        let path = std::path::absolute(path).map_err(io_at("find", path))?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority()).map_err(io_at("open", &path))?;
        let real_path = std::fs::canonicalize(&path).map_err(io_at("find", &path))?;
        Ok(Self { path, real_path, dir })
    }

    fn is_empty(&self) -> Result<bool, HomeError> {
        Ok(self.dir.entries().map_err(io_at("list", &self.path))?.next().is_none())
    }

    fn check_folder(&self, folder: &str) -> Result<(), HomeError> {
        let path = self.path.join(folder);
        match check::private_folder(&path) {
            Err(HomeError::Missing { .. }) => {
                let mut builder = cap_std::fs::DirBuilder::new();
                cap_std::fs::DirBuilderExt::mode(&mut builder, 0o700);
                self.dir.create_dir_with(folder, &builder).map_err(io_at("make", path))
            }
            checked => checked,
        }
    }
}

fn check_empty(path: &Path) -> Result<(), HomeError> {
    // Whatever else is wrong with an existing folder is told first; its mode is about to be mended.
    match check::private_folder(path) {
        Ok(()) | Err(HomeError::Mode { .. }) => {}
        Err(error) => return Err(error),
    }
    if path.join(CONFIG_FILE).symlink_metadata().is_ok() {
        return Err(HomeError::Exists { path: path.to_owned() });
    }
    let mut entries = std::fs::read_dir(path).map_err(io_at("list", path))?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(HomeError::Foreign { path: path.to_owned() }),
    }
}

fn locate_in(
    named: Option<&Path>,
    environment: impl Fn(&'static str) -> Option<OsString>,
) -> Result<PathBuf, HomeError> {
    if let Some(path) = named {
        return Ok(path.to_owned());
    }
    if let Some(path) = environment("WARDLOCK_HOME") {
        return Ok(path.into());
    }
    let absolute = |variable: &'static str| match environment(variable).map(PathBuf::from) {
        Some(path) if !path.is_absolute() => Err(HomeError::NotAbsolute { variable }),
        path => Ok(path),
    };
    if let Some(config) = absolute("XDG_CONFIG_HOME")? {
        return Ok(config.join("wardlock"));
    }
    let home = absolute("HOME")?.ok_or(HomeError::Nowhere)?;
    let config = if cfg!(target_os = "macos") { "Library/Application Support" } else { ".config" };
    Ok(home.join(config).join("wardlock"))
}

#[cfg(test)]
mod tests;
