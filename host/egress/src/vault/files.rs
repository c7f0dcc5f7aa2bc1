//! The vault's files: the only code in this crate that touches the file system by path.
//!
//! Whatever holds a secret or a key must belong to this user, be closed to all others and be no symlink, as ssh
//! demands of its keys. `vault.db` is never opened here: closing such a descriptor would drop `SQLite`'s locks.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::error::VaultError;

/// No symlink is followed in the last part of a path.
const NO_FOLLOW: i32 = OFlags::NOFOLLOW.bits().cast_signed();

/// Makes the folder, closed to others, unless it exists; then checks it.
pub(super) fn make_folder(path: &Path) -> Result<(), VaultError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => sync_folder_of(path)?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(source) => return Err(failed(path, source)),
    }
    check_folder(path)
}

/// Checks that a folder is ours and closed to others.
pub(super) fn check_folder(path: &Path) -> Result<(), VaultError> {
    let metadata = fs::symlink_metadata(path).map_err(|source| failed(path, source))?;
    if !metadata.is_dir() {
        return Err(not_safe(path, "it is not a folder", "name the folder itself, not a link to it".to_owned()));
    }
    check_owner(path, &metadata)?;
    check_mode(path, &metadata, 0o077, "700")
}

/// Checks that a file, where it exists, is ours, closed to others and an ordinary file; returns whether it exists.
pub(super) fn check_file(path: &Path) -> Result<bool, VaultError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => check_metadata(path, &metadata).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(failed(path, source)),
    }
}

/// Makes a file that must not exist yet, closed to others, and waits until it is durable.
pub(super) fn create(path: &Path, content: &[u8]) -> Result<(), VaultError> {
    let write = || {
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create_new(true).mode(0o600).custom_flags(NO_FOLLOW).open(path)?;
        file.write_all(content)?;
        file.sync_all()
    };
    write().map_err(|source| failed(path, source))?;
    sync_folder_of(path)
}

/// Reads a small file after checking the very file that was opened, and the folder around it.
pub(super) fn read(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    check_file(path)?;
    let folder = folder_of(path);
    let around = fs::metadata(&folder).map_err(|source| failed(&folder, source))?;
    check_owner(&folder, &around)?;
    check_mode(&folder, &around, 0o022, "go-w")?;
    let file = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path);
    let mut file = file.map_err(|source| failed(path, source))?;
    let metadata = file.metadata().map_err(|source| failed(path, source))?;
    check_metadata(path, &metadata)?;
    read_bounded(&mut file, limit).map_err(|source| failed(path, source))
}

/// Reads a small file that the service manager made for this process: owned by root or by us, closed to others.
pub(super) fn read_handed_over(path: &Path, limit: u64) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let file = OpenOptions::new().read(true).custom_flags(NO_FOLLOW).open(path);
    let mut file = file.map_err(|source| failed(path, source))?;
    let metadata = file.metadata().map_err(|source| failed(path, source))?;
    if !metadata.is_file() {
        return Err(not_safe(path, "it is not an ordinary file", "let systemd make it".to_owned()));
    }
    if metadata.uid() != 0 {
        check_owner(path, &metadata)?;
    }
    // Group bits are the mask of the access list by which systemd opens it to the service's user.
    check_mode(path, &metadata, 0o027, "440")?;
    read_bounded(&mut file, limit).map_err(|source| failed(path, source))
}

/// Replaces a small file at once, and waits until it is durable: after a crash it is the old one or the new one.
pub(super) fn replace(path: &Path, content: &[u8]) -> Result<(), VaultError> {
    let new = path.with_extension("new");
    remove(&new)?;
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).custom_flags(NO_FOLLOW).open(&new);
    let written = file.and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()
    });
    written.map_err(|source| failed(&new, source))?;
    fs::rename(&new, path).map_err(|source| failed(path, source))?;
    sync_folder_of(path)
}

/// Reads at most `limit` bytes and one more, into a buffer that never grows.
pub(super) fn read_bounded(reader: &mut impl io::Read, limit: u64) -> io::Result<Zeroizing<Vec<u8>>> {
    let room = usize::try_from(limit).unwrap_or(usize::MAX).saturating_add(1);
    let mut bytes = Zeroizing::new(vec![0_u8; room]);
    let mut length = 0;
    while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
        match reader.read(free) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Renames a file within its folder, durably.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), VaultError> {
    fs::rename(from, to).map_err(|source| failed(from, source))?;
    sync_folder_of(to)
}

/// Removes a file if it is there.
pub(super) fn remove(path: &Path) -> Result<(), VaultError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(path, error)),
        _ => Ok(()),
    }
}

/// Opens a descriptor that this process inherited, by its number.
pub(super) fn open_descriptor(number: u32) -> io::Result<File> {
    let folder = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    File::open(Path::new(folder).join(number.to_string()))
}

fn sync_folder_of(path: &Path) -> Result<(), VaultError> {
    let folder = folder_of(path);
    File::open(&folder).and_then(|file| file.sync_all()).map_err(|source| failed(&folder, source))
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn check_metadata(path: &Path, metadata: &Metadata) -> Result<(), VaultError> {
    if metadata.is_symlink() {
        return Err(not_safe(path, "it is a symlink", "put the file itself there".to_owned()));
    }
    if !metadata.is_file() {
        return Err(not_safe(path, "it is not an ordinary file", "put the file itself there".to_owned()));
    }
    if metadata.nlink() > 1 {
        return Err(not_safe(path, "it has a second name (a hard link)", "remove the other name".to_owned()));
    }
    check_owner(path, metadata)?;
    check_mode(path, metadata, 0o077, "600")
}

fn check_owner(path: &Path, metadata: &Metadata) -> Result<(), VaultError> {
    let own = rustix::process::geteuid().as_raw();
    if metadata.uid() == own {
        return Ok(());
    }
    let problem = format!("it belongs to user {} and not to user {own}, who runs this", metadata.uid());
    Err(not_safe(path, &problem, format!("`chown {own} {}`", path.display())))
}

fn check_mode(path: &Path, metadata: &Metadata, closed: u32, wanted: &str) -> Result<(), VaultError> {
    let mode = metadata.mode() & 0o7777;
    if mode & closed == 0 {
        return Ok(());
    }
    let problem = format!("its mode {mode:04o} opens it to others");
    Err(not_safe(path, &problem, format!("`chmod {wanted} {}`", path.display())))
}

fn not_safe(path: &Path, problem: &str, mend: String) -> VaultError {
    VaultError::Unsafe { path: path.to_owned(), problem: problem.to_owned(), mend }
}

pub(super) fn failed(path: &Path, source: io::Error) -> VaultError {
    VaultError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("chmod");
    }

    fn problem(result: Result<impl std::fmt::Debug, VaultError>) -> String {
        let error = result.expect_err("refused");
        format!("{error}; {}", error.hint().unwrap_or_default())
    }

    #[test]
    fn files_are_made_closed_and_never_over_another() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("key");
        create(&path, b"content").expect("made");
        assert_eq!(fs::metadata(&path).expect("metadata").mode() & 0o777, 0o600);
        assert!(create(&path, b"other").is_err());
        assert_eq!(read(&path, 100).expect("read").as_slice(), b"content");
        assert_eq!(read(&path, 3).expect("read").len(), 4, "one more than the limit tells that it is exceeded");
    }

    #[test]
    fn what_others_could_read_or_replace_is_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let path = home.path().join("key");
        create(&path, b"content").expect("made");
        for open in [0o640, 0o604, 0o622] {
            mode(&path, open);
            let problem = problem(read(&path, 100));
            assert!(problem.contains("opens it to others") && problem.contains("chmod 600"), "{problem}");
        }
        mode(&path, 0o600);
        let link = home.path().join("link");
        symlink(&path, &link).expect("link");
        assert!(problem(read(&link, 100)).contains("symlink"));
        fs::hard_link(&path, home.path().join("second")).expect("link");
        assert!(problem(check_file(&path)).contains("hard link"));
        assert!(problem(check_file(home.path())).contains("not an ordinary file"));
        mode(home.path(), 0o777);
        assert!(problem(check_folder(home.path())).contains("chmod 700"));
        assert!(problem(read(&path, 100)).contains("hard link"));
    }

    #[test]
    fn folders_are_made_closed_and_links_to_them_refused() {
        let home = tempfile::tempdir().expect("a folder");
        let state = home.path().join("state");
        make_folder(&state).expect("made");
        make_folder(&state).expect("there already");
        assert_eq!(fs::metadata(&state).expect("metadata").mode() & 0o777, 0o700);
        let link = home.path().join("link");
        symlink(&state, &link).expect("link");
        assert!(problem(make_folder(&link)).contains("not a folder"));
    }
}
