//! The checks that ssh makes of its files: real, ours, and closed to others.

use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::error::{HomeError, io_at};

/// Bits with which the group or others may write.
const OTHERS_WRITE: u32 = 0o022;
/// The sticky bit: in such a folder only the owner of an entry may replace it.
const STICKY: u32 = 0o1000;

/// Checks a folder that must be closed to everybody else: the home, and what is in it.
pub(super) fn private_folder(path: &Path) -> Result<(), HomeError> {
    closed(path, &folder(path)?, 0o077, 0o700, "look into it")
}

/// Checks the folders above a home: nobody else may put another home in its place.
pub(super) fn parents(path: &Path) -> Result<(), HomeError> {
    let absolute = std::path::absolute(path).map_err(io_at("find", path))?;
    for parent in absolute.ancestors().skip(1) {
        let Ok(metadata) = std::fs::metadata(parent) else { continue };
        let mode = metadata.mode();
        if mode & 0o002 != 0 && mode & STICKY == 0 {
            return Err(HomeError::OpenParent { path: parent.to_owned() });
        }
    }
    Ok(())
}

/// Checks a file that the operator wrote: others may perhaps read it, never write it.
pub(super) fn operator_file(path: &Path) -> Result<(), HomeError> {
    let metadata = real(path)?;
    if !metadata.is_file() {
        return Err(HomeError::NotFile { path: path.to_owned() });
    }
    ours(path, &metadata)?;
    closed(path, &metadata, OTHERS_WRITE, 0o600, "write it")
}

/// Checks a folder whose files the operator wrote, likewise.
pub(super) fn operator_folder(path: &Path) -> Result<(), HomeError> {
    closed(path, &folder(path)?, OTHERS_WRITE, 0o700, "write into it")
}

/// Looks at a folder that must be one, and ours.
fn folder(path: &Path) -> Result<Metadata, HomeError> {
    let metadata = real(path)?;
    if !metadata.is_dir() {
        return Err(HomeError::NotFolder { path: path.to_owned() });
    }
    ours(path, &metadata)?;
    Ok(metadata)
}

/// Looks at what must not be a link.
fn real(path: &Path) -> Result<Metadata, HomeError> {
    let metadata = metadata(path)?;
    if metadata.is_symlink() { Err(HomeError::Symlink { path: path.to_owned() }) } else { Ok(metadata) }
}

fn metadata(path: &Path) -> Result<Metadata, HomeError> {
    std::fs::symlink_metadata(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => HomeError::Missing { path: path.to_owned() },
        _ => io_at("look at", path)(error),
    })
}

fn ours(path: &Path, metadata: &Metadata) -> Result<(), HomeError> {
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() == user {
        return Ok(());
    }
    Err(HomeError::Owner { path: path.to_owned(), owner: metadata.uid(), user })
}

fn closed(
    path: &Path,
    metadata: &Metadata,
    forbidden: u32,
    should: u32,
    may: &'static str,
) -> Result<(), HomeError> {
    let mode = metadata.mode() & 0o777;
    if mode & forbidden == 0 {
        return Ok(());
    }
    Err(HomeError::Mode { path: path.to_owned(), mode, should, may })
}
