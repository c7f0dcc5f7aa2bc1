//! Files on their way out of a home: whoever holds the home makes them in `state/`, and the command takes them from
//! there to where the operator wants them. So a confined daemon needs no other place to write to.

use std::io::{self, Write};

use cap_std::fs::{File, OpenOptions, OpenOptionsExt as _};

use super::error::{HomeError, io_at};
use super::{Home, files};

/// How their names begin.
const PREFIX: &str = "outgoing-";

/// A file in `state/` that is on its way out; it is gone when this is dropped.
#[derive(Debug)]
pub struct Outgoing<'a> {
    home: &'a Home,
    name: String,
    keep: bool,
}

impl Outgoing<'_> {
    /// Returns its name within `state/`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Leaves it for the command that takes it, and returns its name.
    pub fn leave(mut self) -> String {
        self.keep = true;
        self.name.clone()
    }

    /// Opens it for reading; returns its length, too.
    pub fn open(&self) -> Result<(File, u64), HomeError> {
        let path = self.home.path.join("state").join(&self.name);
        let file = self.home.dir.open(format!("state/{}", self.name)).map_err(io_at("open", &path))?;
        let length = file.metadata().map_err(io_at("look at", path))?.len();
        Ok((file, length))
    }

    /// Copies it to where it goes.
    pub fn copy_to(&self, output: &mut impl Write) -> Result<(), HomeError> {
        let path = self.home.path.join("state").join(&self.name);
        let (mut file, _) = self.open()?;
        io::copy(&mut file, output).map(drop).map_err(io_at("copy", path))
    }
}

impl Drop for Outgoing<'_> {
    fn drop(&mut self) {
        if !self.keep {
            // One that stays is removed when the home is taken the next time.
            let _ = self.home.dir.remove_file(format!("state/{}", self.name));
        }
    }
}

impl Home {
    /// Names a new outgoing file; `end` says what it is. It is not there yet.
    pub fn name_outgoing(&self, end: &str) -> Result<Outgoing<'_>, HomeError> {
        let mut random = [0_u8; 8];
        let drawn = getrandom::fill(&mut random).map_err(io::Error::from);
        drawn.map_err(io_at("name a file in", self.path.join("state")))?;
        let name = format!("{PREFIX}{}.{end}", hex::encode(random));
        Ok(Outgoing { home: self, name, keep: false })
    }

    /// Makes an outgoing file, closed to others.
    pub fn make_outgoing(&self, end: &str) -> Result<(Outgoing<'_>, File), HomeError> {
        let outgoing = self.name_outgoing(end)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        let file = self.dir.open_with(format!("state/{}", outgoing.name), &options);
        let file = file.map_err(io_at("make", self.path.join("state").join(&outgoing.name)))?;
        Ok((outgoing, file))
    }

    /// Takes an outgoing file that somebody left.
    pub fn take_outgoing(&self, name: &str) -> Result<Outgoing<'_>, HomeError> {
        files::plain_name(name)?;
        if !name.starts_with(PREFIX) {
            return Err(HomeError::Name { name: name.escape_debug().to_string() });
        }
        Ok(Outgoing { home: self, name: name.to_owned(), keep: false })
    }

    /// Removes what was left behind on its way out. Only by who holds the home's lock.
    pub fn clear_outgoing(&self) -> Result<(), HomeError> {
        let path = self.path.join("state");
        for entry in self.dir.read_dir("state").map_err(io_at("list", &path))? {
            let name = entry.map_err(io_at("list", &path))?.file_name();
            if name.to_string_lossy().starts_with(PREFIX) {
                let left = std::path::Path::new("state").join(&name);
                self.dir.remove_file(left).map_err(io_at("remove", path.join(&name)))?;
            }
        }
        Ok(())
    }
}
