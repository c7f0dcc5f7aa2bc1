//! A publisher's public key, as minisign writes it: a line of base64, or a file with a comment above that line.

use std::fmt;

use ed25519_dalek::VerifyingKey;
use minisign_verify::PublicKey;

use crate::text::{decode_base64, encode_base64};

/// Bytes of a public key: two of the algorithm, eight of the id, 32 of the key.
const PUBLIC_BYTES: usize = 42;
/// Bytes of a secret key.
const SECRET_BYTES: usize = 158;

/// By what a signature names its key: eight bytes, shown as minisign does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyId(u64);

impl KeyId {
    /// Reads the id that stands behind the algorithm in a key or a signature.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        let id = bytes.get(2..10)?;
        Some(Self(u64::from_le_bytes(id.try_into().ok()?)))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

/// A publisher's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublisherKey {
    key: PublicKey,
    id: KeyId,
    line: String,
}

/// Why a text is no publisher's key. None of these shows the text: it may be a secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It is something else.
    #[error("this is no minisign public key")]
    NotOne,
    /// It is the secret half.
    #[error("this is a minisign secret key, and the public one is wanted")]
    Secret,
    /// Its bytes are none that minisign makes: a slip in the copying, or a key under which anybody can sign.
    #[error("this has the form of a minisign public key, and its bytes are no key")]
    NoPoint,
}

impl KeyError {
    /// Returns what to do.
    pub fn hint(self) -> &'static str {
        match self {
            Self::NotOne => {
                "it is one line of 56 characters that begins with RW, or the file with that line: minisign.pub"
            }
            Self::Secret => "name the other file, minisign.pub; what a secret key was typed into may have kept it",
            Self::NoPoint => "copy it once more from where its publisher shows it",
        }
    }
}

impl PublisherKey {
    /// Reads a key: its line, or the text of its file.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().ok_or(KeyError::NotOne)?;
        let line = if first.starts_with("untrusted comment:") { lines.next() } else { Some(first) };
        let (Some(line), None) = (line, lines.next()) else { return Err(KeyError::NotOne) };
        let bytes = decode_base64(line).ok_or(KeyError::NotOne)?;
        if bytes.len() == SECRET_BYTES && bytes.starts_with(b"Ed") {
            return Err(KeyError::Secret);
        }
        if bytes.len() != PUBLIC_BYTES {
            return Err(KeyError::NotOne);
        }
        let line = encode_base64(&bytes);
        let key = PublicKey::from_base64(&line).map_err(|_| KeyError::NotOne)?;
        let id = KeyId::of(&bytes).ok_or(KeyError::NotOne)?;
        let point: [u8; 32] = bytes[10..].try_into().map_err(|_| KeyError::NotOne)?;
        match VerifyingKey::from_bytes(&point) {
            Ok(point) if !point.is_weak() => Ok(Self { key, id, line }),
            Ok(_) | Err(_) => Err(KeyError::NoPoint),
        }
    }

    /// Returns its id.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Returns its line, as `wardlock.toml` takes it.
    pub fn line(&self) -> &str {
        &self.line
    }

    pub(super) fn key(&self) -> &PublicKey {
        &self.key
    }
}
