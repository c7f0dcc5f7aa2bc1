//! How a secret stands inside a row: the one place where it is written out, and the result is sealed at once.

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use serde::de::{Deserializer, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::secret::Secret;

/// A secret inside a row. Private to `vault`, so that [`Secret`] itself cannot be serialised.
pub(super) struct Kept(pub(super) Arc<Secret>);

impl From<Secret> for Kept {
    fn from(secret: Secret) -> Self {
        Self(Arc::new(secret))
    }
}

impl Serialize for Kept {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.open_text())
    }
}

impl<'de> Deserialize<'de> for Kept {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Kept;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a secret")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Kept, E> {
                let secret = Secret::from_bytes(Zeroizing::new(text.as_bytes().to_vec()));
                secret.map(Kept::from).map_err(|_| E::custom("not a secret"))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// Writes a row's plaintext into a buffer of exactly its length, so that no growing leaves copies behind.
pub(super) fn to_bytes<T: Serialize>(row: &T) -> Option<Zeroizing<Vec<u8>>> {
    let mut length = Length(0);
    serde_json::to_writer(&mut length, row).ok()?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(length.0));
    serde_json::to_writer(&mut *bytes, row).ok()?;
    Some(bytes)
}

/// Reads a row's plaintext back.
pub(super) fn from_bytes<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok()
}

struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
