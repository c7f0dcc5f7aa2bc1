//! Walks a folder that the operator named, to read every file in it: `wardlock doctor --look`.
//!
//! No symlink is followed and nothing but plain files is opened, so that a walk stays in its folder and waits for nobody.

use std::fs::File;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::error::{HomeError, io_at};

/// The most files that one walk takes.
const MOST_FILES: usize = 1_000_000;
/// Files beyond this size are not read: no notes, settings or sources are, and a disk image would take hours.
const LARGEST: u64 = 1 << 30;

/// What a walk found.
#[derive(Debug, Default)]
pub struct Walk {
    /// The files to read, in order.
    pub files: Vec<PathBuf>,
    /// Files and folders that cannot be read.
    pub unreadable: Vec<PathBuf>,
    /// Files that are too large.
    pub too_large: Vec<PathBuf>,
    /// How many symlinks were not followed.
    pub links: usize,
    /// How many sockets, pipes and devices were left alone.
    pub special: usize,
    /// Whether there were more files than a walk takes.
    pub cut_short: bool,
}

/// Walks a folder, or takes the one file.
pub fn walk(root: &Path) -> Result<Walk, HomeError> {
    let metadata = std::fs::metadata(root).map_err(io_at("look into", root))?;
    let mut walk = Walk::default();
    if !metadata.is_dir() {
        walk.files.push(root.to_owned());
        return Ok(walk);
    }
    std::fs::read_dir(root).map_err(io_at("look into", root))?;
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else {
            walk.unreadable.push(folder);
            continue;
        };
        for entry in entries {
            let Some(path) = entry.ok().map(|entry| entry.path()) else {
                walk.unreadable.push(folder.clone());
                continue;
            };
            if walk.files.len() >= MOST_FILES {
                walk.cut_short = true;
                return Ok(walk);
            }
            walk.take(path, &mut folders);
        }
    }
    walk.files.sort_unstable();
    Ok(walk)
}

impl Walk {
    fn take(&mut self, path: PathBuf, folders: &mut Vec<PathBuf>) {
        match std::fs::symlink_metadata(&path) {
            Err(_) => self.unreadable.push(path),
            Ok(metadata) if metadata.is_symlink() => self.links += 1,
            Ok(metadata) if metadata.is_dir() => folders.push(path),
            Ok(metadata) if !metadata.is_file() => self.special += 1,
            Ok(metadata) if metadata.size() > LARGEST => self.too_large.push(path),
            Ok(_) => self.files.push(path),
        }
    }
}

/// Opens a file that a walk found, if it is still one: what was put in its place meanwhile is not followed or waited
/// for.
pub fn open_found(path: &Path) -> std::io::Result<File> {
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::ErrorKind::InvalidInput.into()) }
}
