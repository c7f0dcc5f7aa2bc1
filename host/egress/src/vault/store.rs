//! The vault: `vault.db` with every record sealed, opened with a key from outside.
//!
//! All methods block and may be called from any thread; each change is one durable transaction. A missing or wrong
//! key, a missing database or a changed row is an error with its name, never a fresh start.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, Transaction};

use super::beside::{Beside, Noter};
use super::database;
use super::error::VaultError;
use super::files;
use super::held;
use super::kept::from_bytes;
use super::key::{KeyKind, KeySource, Lock, Stretch, Way};
use super::keychain::{self, Item};
use super::keys::{self, HeldKey, Key, Keys};
use super::needles::Needles;
use super::record::{GrantRow, RegistrationRow};
use super::rekey;
use super::rows::{Head, Kind, Row, Rows};
use super::secret::Secret;
use crate::failpoint;

/// The database's name within its folder.
pub(super) const DATABASE: &str = "vault.db";
/// The revision's file, where the key has no place of its own.
pub(super) const REVISION: &str = "vault.revision";
/// Its name while it is being made: nothing was ever stored in a file of this name.
const UNFINISHED: &str = "vault.db.new";

/// Every credential of one home. While it is open, no other process can open it.
pub struct Vault {
    connection: Mutex<Connection>,
    /// The key of everything else here; a backup carries it on, sealed.
    pub(super) own: HeldKey,
    pub(super) rows: Rows,
    keys: Arc<Keys>,
    kind: KeyKind,
    needles: Mutex<Gathered>,
    revisions: Noter,
}

/// How many secrets may be new, or gone, until the search is prepared as a whole: with a thousand grants that takes a second, and each
/// renews its token once an hour.
const RECENT: usize = 64;

/// The search for stored secrets.
#[derive(Default)]
struct Gathered {
    /// As the vault is now.
    now: Option<Arc<Needles>>,
    /// What was prepared as a whole, and for how many secrets.
    whole: Option<(Needles, usize)>,
}

impl Gathered {
    /// Prepares what is new, or all where that is much. What was replaced lately is looked for as well.
    fn gather(&mut self, secrets: &[&Secret]) -> Result<Needles, VaultError> {
        if let Some((whole, count)) = &self.whole {
            let fresh: Vec<&Secret> = secrets.iter().copied().filter(|secret| !whole.knows(secret)).collect();
            let gone = (count + fresh.len()).saturating_sub(secrets.len());
            if fresh.is_empty() && gone == 0 {
                return Ok(whole.clone());
            }
            if fresh.len() <= RECENT && gone <= RECENT {
                return Ok(whole.and(&fresh)?);
            }
        }
        let whole = Needles::of(secrets)?;
        self.whole = Some((whole.clone(), secrets.len()));
        Ok(whole)
    }
}

impl Vault {
    /// Makes a vault in a folder, with a new key, and opens it. The folder is made if it is not there.
    pub fn create(folder: &Path, source: &KeySource) -> Result<Self, VaultError> {
        Self::create_with(folder, source, Stretch::USUAL)
    }

    pub(super) fn create_with(folder: &Path, source: &KeySource, stretch: Stretch) -> Result<Self, VaultError> {
        files::make_folder(folder)?;
        let (db, unfinished) = (folder.join(DATABASE), folder.join(UNFINISHED));
        if files::check_file(&db)? {
            return Err(VaultError::VaultExists { db });
        }
        if let KeySource::File { path } = source
            && files::check_file(path)?
        {
            return finish_interrupted(folder, path, source);
        }
        files::remove(&unfinished)?;
        let way = Way::prepare(source, stretch)?;
        files::create(&unfinished, b"")?;
        let vault = fill(&unfinished, &way)?;
        way.keep(source, &vault)?;
        files::rename(&unfinished, &db)?;
        Self::open(folder, source)
    }

    /// Opens the vault of a folder.
    pub fn open(folder: &Path, source: &KeySource) -> Result<Self, VaultError> {
        let db = existing(folder, source)?;
        if let KeySource::File { path } = source
            && !files::check_file(path)?
        {
            return Err(VaultError::KeyMissing { db, key: path.clone() });
        }
        unlock(&db, source, Older::Refused)
    }

    /// Opens the vault of a folder even if it is older than the one used last, and takes it as the newest from here on.
    /// Only when a person says that an older one was put there on purpose.
    pub fn open_older(folder: &Path, source: &KeySource) -> Result<Self, VaultError> {
        unlock(&existing(folder, source)?, source, Older::Accepted)
    }

    /// Returns what kind of key opens the vault of a folder, so that the right thing can be asked for.
    pub fn key_kind(folder: &Path) -> Result<KeyKind, VaultError> {
        files::check_folder(folder)?;
        let db = folder.join(DATABASE);
        if !files::check_file(&db)? {
            return Err(VaultError::NoVault { db });
        }
        let connection = database::open(&db)?;
        Ok(read_lock(&connection)?.kind())
    }

    /// Returns the id of a folder's vault, also while another process has it open.
    pub fn id_of(folder: &Path) -> Result<String, VaultError> {
        files::check_folder(folder)?;
        let db = folder.join(DATABASE);
        if !files::check_file(&db)? {
            return Err(VaultError::NoVault { db });
        }
        Ok(read_lock(&database::open_to_look(&db)?)?.vault().to_owned())
    }

    /// Returns the vault's id.
    pub fn id(&self) -> &str {
        self.rows.vault()
    }

    /// Returns whether the key of the folder's vault is within reach now. Only a keychain may be locked, absent or hung;
    /// that it holds no key is told when the vault is opened.
    pub fn reach(folder: &Path, source: &KeySource) -> Result<(), VaultError> {
        if source.kind() != KeyKind::Keychain {
            return Ok(());
        }
        let connection = database::open(&existing(folder, source)?)?;
        keychain::get(read_lock(&connection)?.vault(), Item::Key).map(drop).map_err(VaultError::Keychain)
    }

    /// Changes where the key comes from. The vault must be closed. The old key opens nothing but older copies of
    /// `vault.db` from then on; a key file or keychain item of it is removed.
    pub fn rekey(folder: &Path, old: &KeySource, new: &KeySource) -> Result<(), VaultError> {
        rekey::rekey(&existing(folder, old)?, old, new, Stretch::USUAL)
    }

    /// Returns what kind of key opened it.
    pub fn opened_with(&self) -> KeyKind {
        self.kind
    }

    /// Returns whether the key is still where it was taken from: a keychain may be locked, gone or hung since. Takes up to
    /// five seconds.
    pub fn key_is_reachable(&self) -> Result<(), VaultError> {
        match self.kind {
            KeyKind::Keychain => held::of_keychain(self.rows.vault()).map(drop),
            KeyKind::File | KeyKind::Passphrase | KeyKind::Credential => Ok(()),
        }
    }

    /// Returns how many times the vault was changed.
    pub fn revision(&self) -> Result<u64, VaultError> {
        Ok(self.rows.read_head(&self.connection())?.revision)
    }

    /// Returns the purpose-bound keys for what is sealed or authenticated outside the vault.
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys)
    }

    /// Returns the search for every stored secret: client secrets of all regions, refresh and access tokens, and
    /// those of before. It is kept until something changes.
    pub fn all_needles(&self) -> Result<Arc<Needles>, VaultError> {
        // The connection first, as in `write`: a change between reading and keeping would be lost otherwise.
        let connection = self.connection();
        let mut kept = locked(&self.needles);
        if let Some(needles) = kept.now.as_ref() {
            return Ok(Arc::clone(needles));
        }
        let secrets = self.every_secret(&connection)?;
        let secrets: Vec<&Secret> = secrets.iter().map(AsRef::as_ref).collect();
        let needles = Arc::new(kept.gather(&secrets)?);
        kept.now = Some(Arc::clone(&needles));
        Ok(needles)
    }

    /// Drops the search, so that nothing of what was removed stays in memory.
    pub(super) fn forget_needles(&self) {
        *locked(&self.needles) = Gathered::default();
    }

    fn every_secret(&self, connection: &Connection) -> Result<Vec<Arc<Secret>>, VaultError> {
        let mut secrets = Vec::new();
        for row in self.rows.read_all(connection, Kind::Registration)? {
            secrets.extend(content::<RegistrationRow>(&row)?.secrets());
        }
        for row in self.rows.read_all(connection, Kind::Grant)? {
            secrets.extend(content::<GrantRow>(&row)?.secrets());
        }
        Ok(secrets)
    }

    /// Reads within the database.
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        locked(&self.connection)
    }

    /// Changes records: all of it durable when this returns, or none of it.
    pub(super) fn write<T>(
        &self,
        change: impl FnOnce(&Transaction<'_>, &mut Head) -> Result<T, VaultError>,
    ) -> Result<T, VaultError> {
        self.write_or(change)
    }

    /// Changes records as [`Vault::write`] does, where more can go wrong than the vault.
    pub(super) fn write_or<T, E: From<VaultError>>(
        &self,
        change: impl FnOnce(&Transaction<'_>, &mut Head) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut connection = self.connection();
        let transaction = database::begin(&mut connection)?;
        let mut head = self.rows.read_head(&transaction)?;
        let result = change(&transaction, &mut head)?;
        // A removal changes the vault, too, and no row counts it.
        head.revision += 1;
        let revision = head.revision;
        self.rows.write_head(&transaction, head)?;
        // Forgotten before the commit: should that fail half-way, they are only gathered once more.
        locked(&self.needles).now = None;
        failpoint::pass("before-commit");
        transaction.commit().map_err(VaultError::from)?;
        failpoint::pass("after-commit");
        self.revisions.note(revision);
        Ok(result)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// Reads what stands in an opened row.
pub(super) fn content<'a, T: serde::Deserialize<'a>>(row: &'a Row) -> Result<T, VaultError> {
    from_bytes(&row.content).ok_or_else(|| VaultError::Damaged {
        what: format!("the row of `{}` opens but cannot be read", row.id.escape_debug()),
    })
}

/// Finds the database, or says which of it and its key is missing.
fn existing(folder: &Path, source: &KeySource) -> Result<PathBuf, VaultError> {
    let db = folder.join(DATABASE);
    match files::check_folder(folder) {
        Ok(()) => {}
        Err(VaultError::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            return Err(VaultError::NoVault { db });
        }
        Err(error) => return Err(error),
    }
    if files::check_file(&db)? {
        return Ok(db);
    }
    match source {
        KeySource::File { path } if files::check_file(path)? => {
            Err(VaultError::VaultMissing { db, key: path.clone() })
        }
        _ => Err(VaultError::NoVault { db }),
    }
}

/// Finishes a vault whose making was interrupted after its key was written and before it got its name.
fn finish_interrupted(folder: &Path, key: &Path, source: &KeySource) -> Result<Vault, VaultError> {
    let (db, unfinished) = (folder.join(DATABASE), folder.join(UNFINISHED));
    if !files::check_file(&unfinished)? || unlock(&unfinished, source, Older::Refused).is_err() {
        return Err(VaultError::VaultMissing { db, key: key.to_owned() });
    }
    files::rename(&unfinished, &db)?;
    Vault::open(folder, source)
}

/// Fills a new database: schema, lock, head; returns the vault's id. It is closed again, so that nothing stays outside
/// the one file.
fn fill(path: &Path, way: &Way) -> Result<String, VaultError> {
    let mut id = [0_u8; 16];
    getrandom::fill(&mut id)?;
    let id = hex::encode(id);
    let own = keys::random()?;
    let lock = Lock::close(&id, way, &own)?;
    let lock = serde_json::to_vec(&lock).map_err(|_| VaultError::NotWritten)?;
    let mut connection = database::open(path)?;
    database::migrate(&mut connection)?;
    let transaction = database::begin(&mut connection)?;
    database::set_meta(&transaction, "lock", &lock)?;
    rows_of(&own, &id).begin_head(&transaction)?;
    transaction.commit()?;
    connection.close().map_err(|(_, error)| VaultError::from(error))?;
    Ok(id)
}

/// What to do with a database that is older than the one used last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Older {
    Refused,
    Accepted,
}

/// The branch of the vault's key that seals its rows.
const ROWS: &[u8] = b"wardlock/v1/rows";
/// The branch from which [`Keys`] come.
const PURPOSES: &[u8] = b"wardlock/v1/purposes";

fn unlock(db: &Path, source: &KeySource, older: Older) -> Result<Vault, VaultError> {
    let mut connection = database::open(db)?;
    let lock = read_lock(&connection)?;
    let own = rekey::open_lock(&lock, source)?;
    let journal: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if journal != "wal" {
        return Err(VaultError::Damaged { what: format!("`vault.db` does not take its journal mode: {journal}") });
    }
    database::migrate(&mut connection)?;
    let rows = rows_of(&own, lock.vault());
    let found = rows.read_head(&connection)?.revision;
    let beside = Beside::of(source, db.parent().unwrap_or(Path::new(".")));
    let known = beside.read(lock.vault())?;
    match older {
        Older::Accepted => beside.take_older(lock.vault(), found)?,
        Older::Refused => {
            compare(known, found)?;
            if known.is_none() {
                // Here and not on the noter's thread: from the first change on, one that is missing was taken away.
                beside.write(lock.vault(), found)?;
            }
        }
    }
    let revisions = Noter::start(beside, lock.vault().to_owned());
    if known.is_some_and(|known| known != found) {
        revisions.note(found);
    }
    Ok(Vault {
        connection: Mutex::new(connection),
        rows,
        keys: Arc::new(Keys::new(keys::mac(&own, &[PURPOSES]))),
        own: HeldKey::new(own),
        kind: lock.kind(),
        needles: Mutex::default(),
        revisions,
    })
}

/// Refuses a vault that is older than was noted beside its key. Without a note only one that was never changed is new.
fn compare(known: Option<u64>, found: u64) -> Result<(), VaultError> {
    match known {
        Some(known) if known > found => Err(VaultError::RolledBack { found, known }),
        None if found > 0 => Err(VaultError::RevisionMissing { found }),
        _ => Ok(()),
    }
}

/// Returns what seals and opens the rows of the vault with this key and id.
pub(super) fn rows_of(own: &Key, vault: &str) -> Rows {
    Rows::new(keys::mac(own, &[ROWS]), vault)
}

pub(super) fn read_lock(connection: &Connection) -> Result<Lock, VaultError> {
    let damaged = || VaultError::Damaged { what: "its lock cannot be read".to_owned() };
    let known: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if known == 0 {
        return Err(damaged());
    }
    let lock = database::meta(connection, "lock")?.ok_or_else(damaged)?;
    serde_json::from_slice(&lock).map_err(|_| damaged())
}

/// Takes a lock. A thread that panicked inside one left nothing half-done: the database rolls back by itself.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
