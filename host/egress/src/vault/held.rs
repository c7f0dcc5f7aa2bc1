//! Keys as they lie where a source keeps them: one line of base64, or 32 raw bytes.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::VaultError;
use super::files;
use super::keychain::{self, Item};
use super::keys::Key;

/// The longest content that can be a key.
const LONGEST: u64 = 128;

/// Renders a key as one line of base64.
pub(super) fn line(key: &Key) -> Zeroizing<Vec<u8>> {
    let mut line = Zeroizing::new(vec![0_u8; 45]);
    let written = STANDARD.encode_slice(key.as_slice(), &mut line).unwrap_or(0);
    line.truncate(written);
    line.push(b'\n');
    line
}

/// Reads a key file of the operator's.
pub(super) fn of_file(path: &Path) -> Result<Key, VaultError> {
    parse(&files::read(path, LONGEST)?).ok_or_else(|| VaultError::BadKeyFile { key: path.to_owned() })
}

/// Reads a credential that systemd handed over.
pub(super) fn of_credential(path: &Path) -> Result<Key, VaultError> {
    let content = files::read_handed_over(path, LONGEST)?;
    parse(&content).ok_or_else(|| VaultError::BadKeyFile { key: path.to_owned() })
}

/// Asks the keychain for the key of a vault. That it has none is an error: the vault is there.
pub(super) fn of_keychain(vault: &str) -> Result<Key, VaultError> {
    let found = keychain::get(vault, Item::Key).map_err(VaultError::Keychain)?;
    let found = found.ok_or_else(|| VaultError::KeychainEmpty { vault: vault.to_owned() })?;
    parse(&found).ok_or(VaultError::Damaged { what: "the keychain's item does not hold a key".to_owned() })
}

fn parse(content: &[u8]) -> Option<Key> {
    if let Ok(raw) = <[u8; 32]>::try_from(content) {
        return Some(Zeroizing::new(raw));
    }
    let mut key = Zeroizing::new([0_u8; 33]);
    let written = STANDARD.decode_slice(content.trim_ascii(), key.as_mut_slice()).ok()?;
    let key = key.first_chunk::<32>().filter(|_| written == 32)?;
    Some(Zeroizing::new(*key))
}
