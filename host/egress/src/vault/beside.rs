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
    File {
        path: PathBuf,
        /// In the vault's folder, where nothing can be written beside the key: it may be mounted to be read only.
        instead: Option<PathBuf>,
    },
    Keychain,
}

impl Beside {
    /// Returns the place that belongs to a source of the key.
    pub(super) fn of(source: &KeySource, folder: &Path) -> Self {
        let of_vault = folder.join(store::REVISION);
        match source {
            KeySource::Keychain => Self::Keychain,
            KeySource::File { path } => {
                let path = path.with_extension("revision");
                Self::File { instead: Some(of_vault).filter(|of_vault| *of_vault != path), path }
            }
            KeySource::Passphrase(_) | KeySource::Credential { .. } => {
                Self::File { path: of_vault, instead: None }
            }
        }
    }

    /// Reads the revision; `None` where none was written yet, or it is of another vault.
    pub(super) fn read(&self, vault: &str) -> Result<Option<u64>, VaultError> {
        match self {
            Self::Keychain => {
                let content = keychain::get(vault, Item::Revision).map_err(VaultError::Keychain)?;
                Ok(content.and_then(|content| parse(&content, vault)))
            }
            Self::File { path, instead } => {
                let instead = instead.as_deref().map(|path| read_file(path, vault)).transpose()?.flatten();
                Ok(read_file(path, vault)?.max(instead))
            }
        }
    }

    pub(super) fn write(&self, vault: &str, revision: u64) -> Result<(), VaultError> {
        let line = format!("{vault} {revision}\n").into_bytes();
        match self {
            Self::Keychain => {
                keychain::set(vault, Item::Revision, Zeroizing::new(line)).map_err(VaultError::Keychain)
            }
            Self::File { path, instead: None } => files::replace(path, &line),
            Self::File { path, instead: Some(instead) } => match files::replace(path, &line) {
                // One place has it, or an older one taken on purpose would stand behind the other.
                Ok(()) => files::remove(instead),
                Err(_) => files::replace(instead, &line),
            },
        }
    }

    /// Writes the revision of an older vault that is taken on purpose, or says what stands in its way.
    pub(super) fn take_older(&self, vault: &str, revision: u64) -> Result<(), VaultError> {
        self.write(vault, revision)?;
        match (self, self.read(vault)?) {
            (Self::File { path, .. }, Some(known)) if known > revision => {
                let source =
                    std::io::Error::other(format!("it holds the newer revision {known} and cannot be replaced"));
                Err(files::failed(path, source))
            }
            _ => Ok(()),
        }
    }

    /// Returns whether this is where another writes instead.
    pub(super) fn is_second_of(&self, other: &Self) -> bool {
        matches!((self, other), (Self::File { path, .. }, Self::File { instead: Some(instead), .. }) if path == instead)
    }

    /// Removes it, when the key moves elsewhere.
    pub(super) fn remove(&self, vault: &str) -> Result<(), VaultError> {
        match self {
            Self::Keychain => keychain::remove(vault, Item::Revision).map_err(VaultError::Keychain),
            Self::File { path, .. } => files::remove(path),
        }
    }
}

fn read_file(path: &Path, vault: &str) -> Result<Option<u64>, VaultError> {
    if !files::check_file(path)? {
        return Ok(None);
    }
    Ok(parse(&files::read(path, LONGEST)?, vault))
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
