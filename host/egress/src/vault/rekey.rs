//! Changes where the key comes from, so that a crash at any moment leaves a vault that one of the two keys opens.

use std::path::{Path, PathBuf};

use super::beside::Beside;
use super::error::VaultError;
use super::key::{KeySource, Lock, Stretch, Way};
use super::keychain::{self, Item};
use super::keys::Key;
use super::{database, files, store};

/// Wraps the vault's own key with a key from the new source. In this order: the new key is kept, the revision is
/// written beside it, the lock is changed durably, the old key is removed.
pub(super) fn rekey(db: &Path, old: &KeySource, new: &KeySource, stretch: Stretch) -> Result<(), VaultError> {
    let mut connection = database::open(db)?;
    let lock = store::read_lock(&connection)?;
    let own = open_lock(&lock, old)?;
    database::migrate(&mut connection)?;
    let way = Way::prepare(new, stretch)?;
    // A key that takes the place of another stands beside it until the lock is changed.
    match (old, new) {
        (KeySource::File { path }, KeySource::File { path: other }) if path == other => {
            let path = beside_file(path);
            files::remove(&path)?;
            way.keep(&KeySource::File { path }, lock.vault())?;
        }
        (KeySource::Keychain, KeySource::Keychain) => return Err(VaultError::SameSource),
        (KeySource::Credential { path }, KeySource::Credential { path: other }) if path == other => {
            return Err(VaultError::SameSource);
        }
        _ => way.keep(new, lock.vault())?,
    }
    let changed = Lock::close(lock.vault(), &way, &own)?;
    let changed = serde_json::to_vec(&changed).map_err(|_| VaultError::NotWritten)?;
    let folder = db.parent().unwrap_or(Path::new("."));
    // Before the lock is changed: beside the new key none may be missing.
    if let Some(revision) = Beside::of(old, folder).read(lock.vault())? {
        Beside::of(new, folder).write(lock.vault(), revision)?;
    }
    let transaction = database::begin(&mut connection)?;
    database::set_meta(&transaction, "lock", &changed)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| VaultError::from(error))?;
    forget(db, old, new, lock.vault())
}

/// Opens a lock. Where a key file was being replaced and the crash came in between, the new one takes its place now.
pub(super) fn open_lock(lock: &Lock, source: &KeySource) -> Result<Key, VaultError> {
    let opened = lock.open(source);
    let (Err(VaultError::WrongKey { .. }), KeySource::File { path }) = (&opened, source) else {
        return opened;
    };
    let new = beside_file(path);
    if !files::check_file(&new)? {
        return opened;
    }
    let own = lock.open(&KeySource::File { path: new.clone() })?;
    files::rename(&new, path)?;
    Ok(own)
}

fn beside_file(path: &Path) -> PathBuf {
    path.with_extension("rekey")
}

/// Removes the old key, and the revision that stood beside it; it stands beside the new one by then.
fn forget(db: &Path, old: &KeySource, new: &KeySource, vault: &str) -> Result<(), VaultError> {
    let folder = db.parent().unwrap_or(Path::new("."));
    match (old, new) {
        (KeySource::File { path }, KeySource::File { path: other }) if path == other => {
            return files::rename(&beside_file(path), path);
        }
        (KeySource::File { path }, _) => files::remove(path)?,
        (KeySource::Keychain, _) => keychain::remove(vault, Item::Key).map_err(VaultError::Keychain)?,
        (KeySource::Passphrase(_) | KeySource::Credential { .. }, _) => {}
    }
    // A key file's may be the very file that others have, too.
    let (before, after) = (Beside::of(old, folder), Beside::of(new, folder));
    if before == after || before.is_second_of(&after) { Ok(()) } else { before.remove(vault) }
}
