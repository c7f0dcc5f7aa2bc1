//! Files of a home, read and written through its capability.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{OpenOptions, OpenOptionsExt as _};
use rustix::fs::OFlags;

use super::error::{HomeError, io_at};
use super::{CONFIG_FILE, Home, check};

/// The largest text file that is read: configuration is written by people.
const TEXT_LIMIT: u64 = 1 << 20;
/// The largest other file that is read: components from Python toolchains have 40 MB.
const BYTES_LIMIT: u64 = 128 << 20;

/// How often a file was written by this process.
static WRITINGS: AtomicU64 = AtomicU64::new(0);

/// How many folders deep an operator's files may stand.
const DEEPEST: usize = 8;

impl Home {
    /// Reads a text file, such as `workspaces/acme.toml`; `None` where there is none.
    pub fn read_text(&self, name: &str) -> Result<Option<String>, HomeError> {
        let Some(bytes) = self.read_at_most(name, TEXT_LIMIT)? else { return Ok(None) };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(HomeError::NotText { path: self.path.join(name) }),
        }
    }

    /// Reads a file; `None` where there is none.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, HomeError> {
        self.read_at_most(name, BYTES_LIMIT)
    }

    /// Writes a file so that at any instant either the old or the new one stands there, whole: a temporary file
    /// beside it, synced, renamed, and the folder synced.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
        Self::check_name(name)?;
        let path = self.path.join(name);
        // A name for each writing: two of one file may be under way at once.
        let number = WRITINGS.fetch_add(1, Ordering::Relaxed);
        let temporary = format!("{name}.{}-{number}.tmp", std::process::id());
        let written =
            self.write_new(&temporary, bytes).and_then(|()| self.dir.rename(&temporary, &self.dir, name));
        if let Err(error) = written {
            // The first error is the one to tell.
            let _ = self.dir.remove_file(&temporary);
            return Err(io_at("write", path)(error));
        }
        self.sync_folder(name).map_err(io_at("sync the folder of", path))
    }

    /// Lists the files of a folder whose names end with `.` and `extension`, sorted. Hidden ones are left out.
    pub fn list(&self, folder: &str, extension: &str) -> Result<Vec<String>, HomeError> {
        let path = self.path.join(folder);
        let entries = self.dir.read_dir(folder).map_err(io_at("list", &path))?;
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(io_at("list", &path))?.file_name();
            let name = name.to_string_lossy();
            let is_wanted = name.rsplit_once('.').is_some_and(|(_, end)| end == extension);
            if is_wanted && !name.starts_with('.') {
                names.push(name.into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Reads the files of a folder, by name; `None` where there is no such folder. Folders in it and hidden files are left out. All of
    /// them may have `limit` bytes together, and of more than `most` files only one more is read.
    pub fn read_folder(
        &self,
        folder: &str,
        most: usize,
        limit: u64,
    ) -> Result<Option<BTreeMap<String, Vec<u8>>>, HomeError> {
        Self::check_name(folder)?;
        let path = self.path.join(folder);
        match check::operator_folder(&path) {
            Ok(()) => {}
            Err(HomeError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let (mut files, mut size) = (BTreeMap::new(), 0);
        for entry in self.dir.read_dir(folder).map_err(io_at("list", &path))? {
            let entry = entry.map_err(io_at("list", &path))?;
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let name =
                entry.file_name().into_string().map_err(|name| HomeError::NotText { path: path.join(name) })?;
            if name.starts_with('.') || files.len() > most {
                continue;
            }
            // Gone since it was listed: as if it had never been there.
            if let Some(bytes) = self.read_at_most(&format!("{folder}/{name}"), limit)? {
                size += bytes.len() as u64;
                if size > limit {
                    return Err(HomeError::TooLarge { path, limit });
                }
                files.insert(name, bytes);
            }
        }
        Ok(Some(files))
    }

    fn read_at_most(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, HomeError> {
        Self::check_name(name)?;
        let path = self.path.join(name);
        match check::operator_file(&path) {
            Ok(()) => {}
            Err(HomeError::Missing { .. }) => return Ok(None),
            Err(error) => return Err(error),
        }
        let mut options = OpenOptions::new();
        // A pipe that has taken the file's place since it was looked at keeps nobody waiting.
        options.read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed());
        let file = self.dir.open_with(name, &options).map_err(io_at("open", &path))?;
        if !file.metadata().map_err(io_at("look at", &path))?.is_file() {
            return Err(HomeError::NotFile { path });
        }
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(io_at("read", &path))?;
        if bytes.len() as u64 > limit {
            return Err(HomeError::TooLarge { path, limit });
        }
        Ok(Some(bytes))
    }

    fn write_new(&self, name: &str, bytes: &[u8]) -> std::io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = match self.dir.open_with(name, &options) {
            // Left by a process of the same id that was killed here.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                self.dir.remove_file(name)?;
                self.dir.open_with(name, &options)?
            }
            opened => opened?,
        };
        file.write_all(bytes)?;
        file.sync_all()
    }

    fn sync_folder(&self, name: &str) -> std::io::Result<()> {
        let folder = match Path::new(name).parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        // As a plain file: a `Dir` may be opened with O_PATH, which cannot be synced.
        self.dir.open(folder)?.sync_all()
    }

    /// Lists the files that an operator put into the home's folders, sorted, as paths within it; and what stands there
    /// besides: links, and names that are not plain.
    pub fn operator_files(&self) -> Result<(Vec<String>, Vec<String>), HomeError> {
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for entry in self.dir.entries().map_err(io_at("list", &self.path))? {
            let name = entry.map_err(io_at("list", &self.path))?.file_name().to_string_lossy().into_owned();
            match name.as_str() {
                CONFIG_FILE => files.push(name),
                "state" => {}
                "workspaces" | "services" | "plugins" => self.list_below(&name, &mut files, &mut others)?,
                _ => others.push(name),
            }
        }
        files.sort();
        others.sort();
        Ok((files, others))
    }

    fn list_below(
        &self,
        folder: &str,
        files: &mut Vec<String>,
        others: &mut Vec<String>,
    ) -> Result<(), HomeError> {
        let path = self.path.join(folder);
        for entry in self.dir.read_dir(folder).map_err(io_at("list", &path))? {
            let entry = entry.map_err(io_at("list", &path))?;
            let kind = entry.file_type().map_err(io_at("look at", &path))?;
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            match plain_name(&entry.file_name().to_string_lossy()) {
                Ok(_) if kind.is_file() => files.push(name),
                Ok(_) if kind.is_dir() && name.matches('/').count() < DEEPEST => {
                    self.list_below(&name, files, others)?;
                }
                _ => others.push(name),
            }
        }
        Ok(())
    }

    /// Refuses names that lead anywhere but to a file of this home or of one of its folders.
    pub(super) fn check_name(name: &str) -> Result<(), HomeError> {
        for part in name.split('/') {
            plain_name(part)?;
        }
        Ok(())
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) -> Result<(), HomeError> {
        Self::check_name(name)?;
        self.dir.remove_file(name).map_err(io_at("remove", self.path.join(name)))
    }

    /// Makes a folder below one of the home's folders, if it is not there.
    pub fn ensure_folder(&self, folder: &str) -> Result<(), HomeError> {
        Self::check_name(folder)?;
        self.check_folder(folder)
    }
}

/// Returns the name if it is one plain file name: no folder, not hidden, nothing unprintable.
pub(super) fn plain_name(name: &str) -> Result<&str, HomeError> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.is_empty() && name.len() <= 128 && !name.starts_with('.') && name.chars().all(plain) {
        return Ok(name);
    }
    Err(HomeError::Name { name: name.chars().take(80).collect::<String>().escape_debug().to_string() })
}
