//! The few things that are done to files by path: what the operator names on the command line, the admin socket, the
//! systemd unit, and the demo's own folder.

use std::io::{ErrorKind, Read, Write as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use super::error::{HomeError, io_at};
use super::{CONFIG_FILE, SIMULATOR_MARK};

/// The largest file that is read from a command line's path.
const LIMIT: u64 = 64 << 20;

/// Reads a file that the operator named.
pub fn read_operator_file(path: &Path) -> Result<Vec<u8>, HomeError> {
    read_bounded(std::fs::File::open(path).map_err(io_at("open", path))?, path, LIMIT)
}

/// Reads a file that the operator named and that must be a regular one: who opens a pipe waits until somebody writes to it.
pub fn read_regular_file(path: &Path) -> Result<Vec<u8>, HomeError> {
    regular(path)?;
    read_operator_file(path)
}

fn regular(path: &Path) -> Result<(), HomeError> {
    let metadata = std::fs::metadata(path).map_err(io_at("open", path))?;
    if metadata.is_file() { Ok(()) } else { Err(HomeError::NotFile { path: path.to_owned() }) }
}

/// Reads a file of at most `limit` bytes that goes with one that the operator named; `None` where it is not there.
pub fn find_operator_file(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, HomeError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        // A link that leads nowhere is an error: somebody put it there.
        _ => {
            regular(path)?;
            read_bounded(std::fs::File::open(path).map_err(io_at("open", path))?, path, limit).map(Some)
        }
    }
}

fn read_bounded(file: std::fs::File, path: &Path, limit: u64) -> Result<Vec<u8>, HomeError> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io_at("read", path))?;
    if bytes.len() as u64 > limit {
        return Err(HomeError::TooLarge { path: path.to_owned(), limit });
    }
    Ok(bytes)
}

/// Opens a file that the operator named, to be read piece by piece; returns its length, too.
pub fn open_operator_file(path: &Path) -> Result<(impl Read + use<>, u64), HomeError> {
    let file = std::fs::File::open(path).map_err(io_at("open", path))?;
    let metadata = file.metadata().map_err(io_at("look at", path))?;
    if !metadata.is_file() {
        return Err(HomeError::NotFile { path: path.to_owned() });
    }
    Ok((file, metadata.len()))
}

/// Reads a file of the kernel's, such as `/proc/net/tcp`; `None` where it is not there.
pub fn read_system_file(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// Writes a file of the system's, readable by all: the systemd unit.
pub fn write_system_file(path: &Path, bytes: &[u8]) -> Result<(), HomeError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644);
    let mut file = options.open(path).map_err(io_at("write", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io_at("write", path))
}

/// Removes a socket that a killed daemon left. Whoever calls this holds the home's lock, so no other daemon lives.
pub fn remove_leftover_socket(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_socket() => std::fs::remove_file(path),
        Ok(_) => Err(std::io::Error::new(ErrorKind::AlreadyExists, "something else than a socket stands there")),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Closes a file or socket to everybody else.
pub fn make_private(path: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Removes a whole home, if it is one that the simulator made.
pub fn remove_simulator_home(path: &Path) -> Result<(), HomeError> {
    let is_one = [CONFIG_FILE, SIMULATOR_MARK]
        .iter()
        .all(|name| std::fs::symlink_metadata(path.join(name)).is_ok_and(|metadata| metadata.is_file()));
    if !is_one {
        return Err(HomeError::NotSimulator { path: path.to_owned() });
    }
    std::fs::remove_dir_all(path).map_err(io_at("remove", path))
}
