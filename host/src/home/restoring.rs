//! A home that is being made out of a backup: no home until [`Restoring::finish`], and gone if it never comes to that.

use std::io::{self, Read};
use std::path::Path;

use cap_std::fs::{OpenOptions, OpenOptionsExt as _};

use super::error::{HomeError, io_at};
use super::{CONFIG_FILE, FOLDERS, Home};

/// Folders in the making.
#[derive(Debug)]
pub struct Restoring {
    home: Home,
    /// Whether the folder itself was not there before.
    made: bool,
    done: bool,
}

impl Restoring {
    /// Begins in a folder that is empty or not there.
    pub fn begin(path: &Path) -> Result<Self, HomeError> {
        let made = path.symlink_metadata().is_err();
        Ok(Self { home: Home::begin(path)?, made, done: false })
    }

    /// Returns the folders as a home; its `wardlock.toml` is not there yet.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Writes a file that must not be there, 0600 in folders 0700, durably. More than `limit` bytes are refused.
    pub fn write(&self, name: &str, content: &mut impl Read, limit: u64) -> Result<(), HomeError> {
        Home::check_name(name)?;
        let path = self.home.path.join(name);
        let mut folder = String::new();
        for part in name.split('/').rev().skip(1).collect::<Vec<_>>().into_iter().rev() {
            folder = if folder.is_empty() { part.to_owned() } else { format!("{folder}/{part}") };
            self.home.check_folder(&folder)?;
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = self.home.dir.open_with(name, &options).map_err(io_at("make", &path))?;
        let copied = io::copy(&mut content.take(limit + 1), &mut file).map_err(io_at("write", &path))?;
        if copied > limit {
            return Err(HomeError::TooLarge { path, limit });
        }
        file.sync_all().map_err(io_at("write", path))
    }

    /// Writes `wardlock.toml`, which makes it a home.
    pub fn finish(mut self, config: &str) -> Result<(), HomeError> {
        self.home.write(CONFIG_FILE, config.as_bytes())?;
        self.done = true;
        Ok(())
    }
}

impl Drop for Restoring {
    fn drop(&mut self) {
        if self.done {
            return;
        }
        // The error that led here is the one to tell; what stays is no home.
        for folder in FOLDERS {
            let _ = self.home.dir.remove_dir_all(folder);
        }
        if self.made {
            let _ = std::fs::remove_dir(&self.home.path);
        }
    }
}
