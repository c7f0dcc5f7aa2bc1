//! The vault inside a backup of the home: a snapshot of `vault.db`, and its key, sealed for the backup's recipients.
//!
//! The key file, the keychain's item or the passphrase is not in a backup: whoever opens one gets the vault's own key,
//! and a lock is put around it anew at the restore, with a key from a source that is there.

use std::io::Write as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::super::beside::Beside;
use super::super::error::VaultError;
use super::super::kept::to_bytes;
use super::super::key::{KeySource, Lock, Stretch, Way};
use super::super::keychain::{self, Item};
use super::super::keys::Key;
use super::super::record::{Copied, GrantRow};
use super::super::rows::{Kind, Row, Rows};
use super::super::store::{self, Vault, content};
use super::super::{database, files};
use super::envelope::{Content, Opening, Recipients};
use super::error::CopyError;

/// The vault's own key, encrypted for a backup's recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedKey(pub Vec<u8>);

/// A vault that was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// The grants, all of them marked as [`Copied`].
    pub grants: Vec<String>,
    /// Its revision from here on.
    pub revision: u64,
    /// Whether it is locked with a key that was there before, and not with a new one.
    pub key_was_there: bool,
}

impl Vault {
    /// Writes a consistent copy of the database, sealed as it is, to a file that does not exist yet.
    pub fn snapshot(&self, to: &Path) -> Result<(), VaultError> {
        let name = to.to_str().ok_or_else(|| VaultError::File {
            path: to.to_owned(),
            source: std::io::Error::new(std::io::ErrorKind::InvalidInput, "its name is not UTF-8"),
        })?;
        // SQLite fills an empty file, and would make a new one open to others.
        files::create(to, b"")?;
        self.connection().execute("VACUUM INTO ?1", [name])?;
        Ok(())
    }

    /// Encrypts the vault's own key for the recipients of a backup.
    pub fn seal_key(&self, recipients: &Recipients) -> Result<SealedKey, CopyError> {
        let mut sealing = recipients.seal(Content::Key, Vec::new())?;
        sealing.write_all(self.own.get().as_slice()).map_err(CopyError::Io)?;
        Ok(SealedKey(sealing.finish().map_err(CopyError::Io)?))
    }

    /// Makes a restored `vault.db` the vault of its folder: locks it with a key from `source` and marks its grants. A key
    /// that is there already is used if it opens this vault, and never replaced.
    ///
    /// Where a newer revision stands beside the key, `older` must say that a person wants it so.
    pub fn restore(
        folder: &Path,
        key: &SealedKey,
        opening: &Opening,
        source: &KeySource,
        copied: Copied,
        older: bool,
    ) -> Result<Restored, CopyError> {
        Self::restore_with(folder, key, opening, source, copied, older, Stretch::USUAL)
    }

    pub(in crate::vault) fn restore_with(
        folder: &Path,
        key: &SealedKey,
        opening: &Opening,
        source: &KeySource,
        copied: Copied,
        older: bool,
        stretch: Stretch,
    ) -> Result<Restored, CopyError> {
        let db = folder.join(store::DATABASE);
        if !files::check_file(&db)? {
            return Err(CopyError::BadContent { what: "it holds no vault".to_owned() });
        }
        let own = open_key(key, opening)?;
        let mut connection = database::open(&db)?;
        let lock = store::read_lock(&connection)?;
        let rows = store::rows_of(&own, lock.vault());
        database::migrate(&mut connection)?;
        let found = rows.read_head(&connection)?.revision;
        let beside = Beside::of(source, folder);
        let known = beside.read(lock.vault())?.unwrap_or(0);
        if known > found && !older {
            return Err(VaultError::RolledBack { found, known }.into());
        }
        let key_was_there = opened_by_what_is_there(&lock, source, &own)?;
        let new_lock = if key_was_there { None } else { Some(locked_anew(&lock, source, &own, stretch)?) };
        let marked = mark(&mut connection, &rows, new_lock.as_ref(), copied);
        let noted = marked.and_then(|(grants, revision)| {
            beside.write(lock.vault(), revision)?;
            Ok(Restored { grants, revision, key_was_there })
        });
        if noted.is_err() && !key_was_there {
            forget(source, lock.vault());
        }
        connection.close().map_err(|(_, error)| VaultError::from(error))?;
        noted
    }
}

fn open_key(key: &SealedKey, opening: &Opening) -> Result<Key, CopyError> {
    let mut opened = opening.open(Content::Key, key.0.as_slice())?;
    let bytes = files::read_bounded(&mut opened, 32).map_err(CopyError::of_stream)?;
    let own = <&[u8; 32]>::try_from(bytes.as_slice());
    let own = own.map_err(|_| CopyError::BadContent { what: "its key has another length".to_owned() })?;
    Ok(Zeroizing::new(*own))
}

/// Returns whether a key that is kept where the source says opens the vault; one that opens another is in the way.
fn opened_by_what_is_there(lock: &Lock, source: &KeySource, own: &Key) -> Result<bool, CopyError> {
    let there = match source {
        KeySource::File { path } => files::check_file(path)?,
        KeySource::Keychain => keychain::get(lock.vault(), Item::Key).map_err(VaultError::Keychain)?.is_some(),
        // A passphrase is typed anew, and a credential locks whatever it is given for.
        KeySource::Passphrase(_) | KeySource::Credential { .. } => false,
    };
    if !there {
        return Ok(false);
    }
    match lock.open(source) {
        Ok(opened) if opened == *own => Ok(true),
        _ => Err(CopyError::KeyTaken),
    }
}

/// Makes a key, keeps it where the source says, and puts a lock around the vault's own with it.
fn locked_anew(lock: &Lock, source: &KeySource, own: &Key, stretch: Stretch) -> Result<Lock, CopyError> {
    let way = Way::prepare(source, stretch)?;
    let closed = Lock::close(lock.vault(), &way, own)?;
    way.keep(source, lock.vault())?;
    Ok(closed)
}

/// Removes a key that was made for nothing: it would be in the way of the next try.
fn forget(source: &KeySource, vault: &str) {
    let removed = match source {
        KeySource::File { path } => files::remove(path),
        KeySource::Keychain => keychain::remove(vault, Item::Key).map_err(VaultError::Keychain),
        KeySource::Passphrase(_) | KeySource::Credential { .. } => Ok(()),
    };
    if let Err(error) = removed {
        tracing::warn!(%error, "a key that was made for a restored vault stays");
    }
}

/// Marks every grant as copied and puts the new lock on, in one step.
fn mark(
    connection: &mut rusqlite::Connection,
    rows: &Rows,
    lock: Option<&Lock>,
    copied: Copied,
) -> Result<(Vec<String>, u64), CopyError> {
    let transaction = database::begin(connection)?;
    let mut head = rows.read_head(&transaction)?;
    let mut names = Vec::new();
    for row in rows.read_all(&transaction, Kind::Grant)? {
        let mut grant: GrantRow = content(&row)?;
        grant.bring(copied);
        let content = to_bytes(&grant).ok_or(VaultError::NotWritten)?;
        names.push(row.id.clone());
        rows.write(&transaction, &mut head, Kind::Grant, &Row { content, ..row })?;
    }
    head.revision += 1;
    let revision = head.revision;
    rows.write_head(&transaction, head)?;
    if let Some(lock) = lock {
        let lock = serde_json::to_vec(lock).map_err(|_| VaultError::NotWritten)?;
        database::set_meta(&transaction, "lock", &lock)?;
    }
    transaction.commit().map_err(VaultError::from)?;
    Ok((names, revision))
}
