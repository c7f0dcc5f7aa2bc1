//! `[vault]`: where the vault's key comes from.

use std::path::PathBuf;

use serde::Deserialize;
use wardlock_egress::vault;

use crate::admin::Failure;
use crate::home::Home;

use super::text_error::{Document, TextError};

/// The key file within the home.
const KEY_FILE: &str = "state/vault.key";
/// The credential's name within what systemd hands over.
const CREDENTIAL: &str = "wardlock-key";

/// Where the vault's key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A key file; relative paths are within the home.
    File {
        /// Where it is.
        path: PathBuf,
    },
    /// A passphrase that is asked for at start.
    Passphrase,
    /// The operating system's keychain.
    Keychain,
    /// A credential that systemd hands to the service.
    Credential {
        /// Its name.
        name: String,
    },
}

impl KeySource {
    /// Returns the key's place in the terms of the vault. A passphrase has none: it must be asked for.
    pub fn resolve(&self, home: &Home) -> Result<vault::KeySource, Failure> {
        match self {
            Self::File { path } => Ok(vault::KeySource::File { path: home.path().join(path) }),
            Self::Keychain => Ok(vault::KeySource::Keychain),
            Self::Credential { name } => handed_over(name),
            Self::Passphrase => Err(Failure::home("the passphrase is missing")),
        }
    }
}

/// Returns the credential of the usual name.
pub fn credential() -> Result<vault::KeySource, Failure> {
    handed_over(CREDENTIAL)
}

fn handed_over(name: &str) -> Result<vault::KeySource, Failure> {
    match std::env::var_os("CREDENTIALS_DIRECTORY") {
        Some(folder) => Ok(vault::KeySource::Credential { path: PathBuf::from(folder).join(name) }),
        None => Err(Failure::home("systemd handed no credentials to this process").hint(format!(
            "make one: `head -c 32 /dev/urandom | systemd-creds encrypt --name={name} - FILE`, put \
             `LoadCredentialEncrypted={name}:FILE` into the service's unit, and run commands by `systemd-run --pipe -p \
             LoadCredentialEncrypted={name}:FILE wardlock …`"
        ))),
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct VaultFile {
    key: KeyWord,
    path: Option<String>,
    credential: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KeyWord {
    #[default]
    File,
    Passphrase,
    Keychain,
    Credential,
}

impl VaultFile {
    /// Checks what was written, and returns what it says.
    pub fn check(self, document: &Document<'_>) -> Result<KeySource, TextError> {
        let unfit = |key: &str, owner: &str| {
            let problem = format!("this key belongs to `key = \"{owner}\"`");
            document.error_at(&["vault", key], problem).hint(format!("take it out, or set `key = \"{owner}\"`"))
        };
        if self.credential.is_some() && self.key != KeyWord::Credential {
            return Err(unfit("credential", "credential"));
        }
        match (self.key, self.path) {
            (KeyWord::Passphrase, None) => Ok(KeySource::Passphrase),
            (KeyWord::Keychain, None) => Ok(KeySource::Keychain),
            (KeyWord::Credential, None) => {
                let name = self.credential.unwrap_or_else(|| CREDENTIAL.to_owned());
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
                if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
                    let problem = "the name of a credential is wanted: letters, digits, `-`, `_` and `.`";
                    return Err(document.error_at(&["vault", "credential"], problem));
                }
                Ok(KeySource::Credential { name })
            }
            (KeyWord::Passphrase | KeyWord::Keychain | KeyWord::Credential, Some(_)) => Err(unfit("path", "file")),
            (KeyWord::File, None) => Ok(KeySource::File { path: KEY_FILE.into() }),
            (KeyWord::File, Some(path)) if path.is_empty() => {
                Err(document.error_at(&["vault", "path"], "a path is wanted"))
            }
            (KeyWord::File, Some(path)) => Ok(KeySource::File { path: path.into() }),
        }
    }
}

impl Default for KeySource {
    fn default() -> Self {
        Self::File { path: KEY_FILE.into() }
    }
}
