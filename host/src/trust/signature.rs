//! A component's signature, as minisign writes it: two comments, each with a line of base64 beneath it.

use minisign_verify::Signature as Minisign;
use wardlock_core::id::PublisherName;

use super::key::{KeyId, PublisherKey};
use crate::text::decode_base64;

/// The longest signature in bytes: what also travels with a component.
pub const LONGEST: usize = wardlock_egress::registry::LARGEST_SIGNATURE;
/// What marks a signature of the whole file and not of its hash.
const LEGACY: &[u8] = b"Ed";

/// Why a signature says nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is none, or a part of one.
    #[error("its signature is no whole minisign signature")]
    Torn,
    /// It is of the kind that minisign made before 0.6.
    #[error("its signature is of minisign's legacy kind, which is not taken")]
    Legacy,
    /// It names a trusted key, and does not hold.
    #[error("its signature names `{publisher}`'s key {key} and is not of this component")]
    Wrong {
        /// Whose key it names.
        publisher: PublisherName,
        /// The key.
        key: KeyId,
    },
}

impl SignatureError {
    /// Returns what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Torn => {
                "get the component's .minisig file once more, or take it away if the plugin may be unsigned"
            }
            Self::Legacy => "have it signed anew: `minisign -S` has made the present kind since 0.6, without `-l`",
            Self::Wrong { .. } => {
                "get the component and its .minisig file once more; one of them was changed, or is of another version"
            }
        }
    }
}

/// A signature that has its form. Whether it holds is not known yet.
pub struct Signature {
    signature: Minisign,
    key: KeyId,
}

impl Signature {
    /// Reads a signature. It must be whole, and of the present kind, which is of the file's hash. The two bytes that tell the kinds
    /// apart are not signed: taking both, a signature of a component would hold for a file that consists of its hash.
    pub fn parse(bytes: &[u8]) -> Result<Self, SignatureError> {
        let text = std::str::from_utf8(bytes).ok().filter(|text| text.len() <= LONGEST);
        let text = text.ok_or(SignatureError::Torn)?;
        let lines: Vec<&str> = text.trim_end().lines().collect();
        let [first, signed, second, _] = lines[..] else { return Err(SignatureError::Torn) };
        if !first.starts_with("untrusted comment:") || !second.starts_with("trusted comment: ") {
            return Err(SignatureError::Torn);
        }
        let signed = decode_base64(signed).ok_or(SignatureError::Torn)?;
        let signature = Minisign::decode(text).map_err(|_| SignatureError::Torn)?;
        if signed.starts_with(LEGACY) {
            return Err(SignatureError::Legacy);
        }
        let key = KeyId::of(&signed).ok_or(SignatureError::Torn)?;
        Ok(Self { signature, key })
    }

    /// Returns the key that it names.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Returns its trusted comment if it is that key's signature of the component and of the comment.
    pub(super) fn verified(&self, component: &[u8], by: &PublisherKey) -> Result<&str, ()> {
        by.key().verify(component, &self.signature, false).map_err(|_| ())?;
        Ok(self.signature.trusted_comment())
    }
}
