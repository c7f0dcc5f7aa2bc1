//! Where the vault's key comes from, and the lock that it opens.
//!
//! A source gives a key-encryption key. With it the vault's own random key is wrapped, so that the source can be
//! changed without sealing every row again.

use std::fmt;
use std::path::PathBuf;

use argon2::{Algorithm, Argon2, Params, Version};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::VaultError;
use super::files;
use super::held;
use super::keychain;
use super::keys::{self, Key};
use super::prompt::Passphrase;

/// The shortest passphrase for a new vault, in characters.
const SHORTEST_PASSPHRASE: usize = 12;
/// The most memory that a stored lock may ask for, KiB: it is read before it is authenticated.
const MOST_MEMORY_KIB: u32 = 1024 * 1024;
/// The most passes that a stored lock may ask for.
const MOST_PASSES: u32 = 16;

/// What gives the key, when a vault is made and when it is opened.
#[derive(Debug)]
pub enum KeySource {
    /// A file of 32 random bytes, closed to others. The operator asks for it by name: whoever can read the home
    /// can read both.
    File {
        /// Where it is.
        path: PathBuf,
    },
    /// A passphrase, stretched with Argon2id.
    Passphrase(Passphrase),
    /// The operating system's keychain.
    Keychain,
    /// A file that systemd hands to the service (`LoadCredentialEncrypted=`, systemd.exec(5)). It is made with
    /// `systemd-creds`, never by Wardlock.
    Credential {
        /// The folder that systemd names in `CREDENTIALS_DIRECTORY`, and the credential's name in it.
        path: PathBuf,
    },
}

/// The kind of a [`KeySource`], as it is stored and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    /// A key file.
    File,
    /// A passphrase.
    Passphrase,
    /// The operating system's keychain.
    Keychain,
    /// A systemd credential.
    Credential,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "key file",
            Self::Passphrase => "passphrase",
            Self::Keychain => "keychain",
            Self::Credential => "systemd credential",
        })
    }
}

impl KeySource {
    /// Returns whether a new key can be kept there: only a keychain may be locked, absent or hung.
    pub fn probe(&self) -> Result<(), VaultError> {
        match self {
            Self::Keychain => keychain::try_out().map_err(VaultError::Keychain),
            Self::File { .. } | Self::Passphrase(_) | Self::Credential { .. } => Ok(()),
        }
    }

    /// Returns its kind.
    pub fn kind(&self) -> KeyKind {
        match self {
            Self::File { .. } => KeyKind::File,
            Self::Passphrase(_) => KeyKind::Passphrase,
            Self::Keychain => KeyKind::Keychain,
            Self::Credential { .. } => KeyKind::Credential,
        }
    }
}

/// How much work a passphrase costs; stored with the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stretch {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl Stretch {
    /// RFC 9106 section 4, second recommendation: 64 MiB and three passes.
    pub(super) const USUAL: Self = Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
    #[cfg(test)]
    pub(super) const QUICK: Self = Self { memory_kib: 64, passes: 1, lanes: 1 };
}

/// The vault's own key, wrapped. Stored in the clear, since it is what one needs to begin.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lock {
    version: u32,
    vault: String,
    kind: KeyKind,
    stretch: Option<Stretch>,
    salt: String,
    wrapped: String,
}

/// The only version of [`Lock`] so far.
const LOCK_VERSION: u32 = 1;

impl Lock {
    /// Wraps a vault's key with a key-encryption key.
    pub(super) fn close(vault: &str, way: &Way, own: &Key) -> Result<Self, VaultError> {
        let mut lock = Self {
            version: LOCK_VERSION,
            vault: vault.to_owned(),
            kind: way.kind,
            stretch: way.stretch,
            salt: hex::encode(way.salt),
            wrapped: String::new(),
        };
        lock.wrapped = hex::encode(keys::seal(&way.key, &lock.aad(), own.as_slice())?);
        Ok(lock)
    }

    /// Returns the kind of source that opens it.
    pub(super) fn kind(&self) -> KeyKind {
        self.kind
    }

    /// Returns the vault's id.
    pub(super) fn vault(&self) -> &str {
        &self.vault
    }

    /// Unwraps the vault's key.
    pub(super) fn open(&self, source: &KeySource) -> Result<Key, VaultError> {
        if self.version != LOCK_VERSION {
            return Err(VaultError::Newer { found: self.version.into(), known: LOCK_VERSION.into() });
        }
        if self.kind != source.kind() {
            return Err(VaultError::OtherKeyKind { is: self.kind, given: source.kind() });
        }
        let key = match source {
            KeySource::File { path } => held::of_file(path)?,
            KeySource::Credential { path } => held::of_credential(path)?,
            KeySource::Keychain => held::of_keychain(&self.vault)?,
            KeySource::Passphrase(passphrase) => {
                let damaged = || VaultError::Damaged { what: "the lock's salt or parameters".to_owned() };
                let mut salt = [0_u8; 16];
                hex::decode_to_slice(&self.salt, &mut salt).map_err(|_| damaged())?;
                stretched(passphrase, &salt, self.stretch.ok_or_else(damaged)?)?
            }
        };
        let wrong = || VaultError::WrongKey { given: self.kind };
        let wrapped = hex::decode(&self.wrapped).map_err(|_| wrong())?;
        let own = keys::open(&key, &self.aad(), &wrapped).map_err(|_| wrong())?;
        let own: &[u8; 32] = own.as_slice().try_into().map_err(|_| wrong())?;
        Ok(Zeroizing::new(*own))
    }

    fn aad(&self) -> Vec<u8> {
        let Self { version, vault, kind, stretch, salt, wrapped: _ } = self;
        let stretch = stretch.map(|Stretch { memory_kib, passes, lanes }| [memory_kib, passes, lanes]);
        format!("wardlock vault key/{version}/{vault}/{kind}/{stretch:?}/{salt}").into_bytes()
    }
}

/// A way to the vault's key: a key-encryption key, and what is needed to get at it again.
pub(super) struct Way {
    kind: KeyKind,
    stretch: Option<Stretch>,
    salt: [u8; 16],
    key: Key,
}

impl Way {
    /// Prepares a key-encryption key for a vault. For a key file or the keychain this makes the key, and does not keep
    /// it yet.
    pub(super) fn prepare(source: &KeySource, stretch: Stretch) -> Result<Self, VaultError> {
        let mut salt = [0_u8; 16];
        getrandom::fill(&mut salt)?;
        let kind = source.kind();
        match source {
            KeySource::File { .. } | KeySource::Keychain => {
                Ok(Self { kind, stretch: None, salt, key: keys::random()? })
            }
            KeySource::Credential { path } => {
                Ok(Self { kind, stretch: None, salt, key: held::of_credential(path)? })
            }
            KeySource::Passphrase(passphrase) => {
                if passphrase.characters() < SHORTEST_PASSPHRASE {
                    return Err(VaultError::ShortPassphrase);
                }
                let key = stretched(passphrase, &salt, stretch)?;
                Ok(Self { kind, stretch: Some(stretch), salt, key })
            }
        }
    }

    /// Writes the key where the source keeps it: the file, or the keychain under the vault's id.
    pub(super) fn keep(&self, source: &KeySource, vault: &str) -> Result<(), VaultError> {
        match source {
            KeySource::File { path } => files::create(path, &held::line(&self.key)),
            KeySource::Keychain => {
                keychain::set(vault, keychain::Item::Key, held::line(&self.key)).map_err(VaultError::Keychain)
            }
            KeySource::Passphrase(_) | KeySource::Credential { .. } => Ok(()),
        }
    }
}

impl Passphrase {
    /// Stretches it for a number that is used once, as hex: who signs that signs for this passphrase, and tells nobody which it is.
    pub fn stretched_for(&self, number: &str) -> Result<String, VaultError> {
        // No salt of a lock is as long: what comes of this is never a vault's key.
        let salt = format!("wardlock signed passphrase/{number}");
        Ok(hex::encode(stretched(self, salt.as_bytes(), Stretch::USUAL)?.as_slice()))
    }
}

fn stretched(passphrase: &Passphrase, salt: &[u8], stretch: Stretch) -> Result<Key, VaultError> {
    let Stretch { memory_kib, passes, lanes } = stretch;
    if memory_kib > MOST_MEMORY_KIB || passes > MOST_PASSES || lanes != 1 {
        return Err(VaultError::Damaged { what: "the lock asks for absurd work".to_owned() });
    }
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(|_| VaultError::KeyDerivation)?;
    let mut key = Zeroizing::new([0_u8; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.open(), salt, key.as_mut_slice())
        .map_err(|_| VaultError::KeyDerivation)?;
    Ok(key)
}
