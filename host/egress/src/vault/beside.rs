//! The revision that was seen last, kept beside the key, so that an older `vault.db` put in the newer one's place is
//! noticed (threat L6): its tokens may have been rotated since, and sending them would end the login.
//!
//! It is written before the first change and after each, and may lag behind by a crash, but never runs ahead: a vault that was
//! changed and has none is as suspect as an older one. Who can write it can set it back; the audit knows, too. In the keychain it is an item of
//! its own; otherwise it is a file, and a backup that holds both files is not told from the original.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use zeroize::Zeroizing;

use super::error::VaultError;
use super::key::KeySource;
use super::keychain::{self, Item};
use super::{files, store};

/// The longest content of the file.
const LONGEST: u64 = 128;

/// Where the revision is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Beside {
    File(PathBuf),
    Keychain,
}

impl Beside {
    /// Returns the place that belongs to a source of the key.
    pub(super) fn of(source: &KeySource, folder: &Path) -> Self {
        match source {
            KeySource::Keychain => Self::Keychain,
            KeySource::File { path } => Self::File(path.with_extension("revision")),
            KeySource::Passphrase(_) | KeySource::Credential { .. } => Self::File(folder.join(store::REVISION)),
        }
    }

    /// Reads the revision; `None` where none was written yet, or it is of another vault.
    pub(super) fn read(&self, vault: &str) -> Result<Option<u64>, VaultError> {
        let content = match self {
            Self::Keychain => keychain::get(vault, Item::Revision).map_err(VaultError::Keychain)?,
            Self::File(path) if files::check_file(path)? => Some(files::read(path, LONGEST)?),
            Self::File(_) => None,
        };
        Ok(content.and_then(|content| parse(&content, vault)))
    }

    pub(super) fn write(&self, vault: &str, revision: u64) -> Result<(), VaultError> {
        let line = format!("{vault} {revision}\n").into_bytes();
        match self {
            Self::Keychain => {
                keychain::set(vault, Item::Revision, Zeroizing::new(line)).map_err(VaultError::Keychain)
            }
            Self::File(path) => files::replace(path, &line),
        }
    }

    /// Removes it, when the key moves elsewhere.
    pub(super) fn remove(&self, vault: &str) -> Result<(), VaultError> {
        match self {
            Self::Keychain => keychain::remove(vault, Item::Revision).map_err(VaultError::Keychain),
            Self::File(path) => files::remove(path),
        }
    }
}

fn parse(content: &[u8], vault: &str) -> Option<u64> {
    let (of, revision) = std::str::from_utf8(content).ok()?.trim_end().split_once(' ')?;
    revision.parse().ok().filter(|_| of == vault)
}

/// Writes revisions on a thread of its own: the keychain may take its time, and no refresh waits for it.
#[derive(Debug)]
pub(super) struct Noter {
    notes: Option<Sender<u64>>,
    thread: Option<JoinHandle<()>>,
}

impl Noter {
    pub(super) fn start(beside: Beside, vault: String) -> Self {
        let (notes, arriving) = channel::<u64>();
        let noting = move || {
            while let Ok(mut revision) = arriving.recv() {
                // Only the newest counts.
                revision = arriving.try_iter().last().unwrap_or(revision);
                if let Err(error) = beside.write(&vault, revision) {
                    tracing::warn!(%error, "the vault's revision could not be noted beside its key");
                }
            }
        };
        // Without the thread nothing is noted, and an older file goes unnoticed: the vault itself is as safe.
        let thread = thread::Builder::new().name("vault-revision".to_owned()).spawn(noting);
        if thread.is_err() {
            tracing::warn!("the vault's revision cannot be noted beside its key: no thread");
        }
        Self { notes: Some(notes), thread: thread.ok() }
    }

    pub(super) fn note(&self, revision: u64) {
        if let Some(notes) = &self.notes {
            // The thread is gone only where it could not be made.
            let _ = notes.send(revision);
        }
    }
}

impl Drop for Noter {
    fn drop(&mut self) {
        self.notes = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has been reported by the panic hook already.
            drop(thread.join());
        }
    }
}
