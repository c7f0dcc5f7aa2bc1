//! Who is trusted to sign plugins: the publishers of `wardlock.toml`, and what a component's signature says.
//!
//! Public keys are no secrets, so all of this stands here and not in egress. A signature is the file `NAME.wasm.minisig`
//! beside the component. It is judged before anything of the component runs; the digest stays pinned all the same.

mod key;
mod signature;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use wardlock_core::id::PublisherName;

use crate::text::for_terminal;

pub use key::{KeyError, KeyId, PublisherKey};
pub use signature::{LONGEST, Signature, SignatureError};

/// How the name of a signature's file ends, after the component's own.
pub const SIGNATURE_END: &str = ".minisig";
/// The longest part of a trusted comment that is kept, in characters.
const COMMENT_CHARS: usize = 200;

/// The publishers that `wardlock.toml` names, and whether every plugin must be one of theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publishers {
    keys: BTreeMap<PublisherName, PublisherKey>,
    signed: bool,
}

/// What a component's signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Unsigned,
    /// It names a key that no publisher here has, so nobody can say whether it holds.
    Untrusted {
        /// The key that it names.
        key: KeyId,
    },
    /// It holds, and is a publisher's.
    Signed(Signer),
}

/// Who signed a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The publisher, as `wardlock.toml` names it.
    pub publisher: PublisherName,
    /// The key's id.
    pub key: KeyId,
    /// The signature's trusted comment, safe to show.
    pub comment: String,
}

/// Why a plugin does not load for want of a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// There is none.
    #[error("it is not signed, and {wanted} is wanted")]
    Unsigned {
        /// Whose signature is wanted.
        wanted: String,
    },
    /// It is by a key that no publisher has.
    #[error("its signature names the key {key}, which no publisher in wardlock.toml has, and {wanted} is wanted")]
    Untrusted {
        /// The key.
        key: KeyId,
        /// Whose signature is wanted.
        wanted: String,
    },
    /// It is another publisher's.
    #[error("it is signed by `{publisher}`, and `{wanted}` is wanted")]
    Other {
        /// Who signed it.
        publisher: PublisherName,
        /// Who was to sign it.
        wanted: PublisherName,
    },
}

impl TrustError {
    /// Returns what to do; `signature` is the file in which a signature is looked for.
    pub fn hint(&self, signature: &str) -> String {
        match self {
            Self::Unsigned { .. } => {
                format!(
                    "put the publisher's signature beside it as {signature}; `wardlock plugin add` takes it along"
                )
            }
            Self::Untrusted { .. } => {
                "if you trust that key, `wardlock plugin trust NAME KEY` prints what to write".to_owned()
            }
            Self::Other { publisher, .. } => {
                format!(
                    "write `publisher = \"{publisher}\"` if you mean theirs, or get the component that you mean"
                )
            }
        }
    }
}

impl Publishers {
    /// Makes them of keys. `signed` says that only plugins with a trusted signature load. Of two publishers with one key the
    /// second is returned: a signature could not say whose it is.
    pub fn new(
        keys: impl IntoIterator<Item = (PublisherName, PublisherKey)>,
        signed: bool,
    ) -> Result<Self, PublisherName> {
        let mut all: BTreeMap<PublisherName, PublisherKey> = BTreeMap::new();
        for (name, key) in keys {
            if all.values().any(|known| known.id() == key.id()) {
                return Err(name);
            }
            all.insert(name, key);
        }
        Ok(Self { keys: all, signed })
    }

    /// Returns whether only plugins with a trusted signature load.
    pub fn only_signed(&self) -> bool {
        self.signed
    }

    /// Returns a publisher's key.
    pub fn key(&self, name: &str) -> Option<&PublisherKey> {
        self.keys.get(name)
    }

    /// Returns every publisher's name.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(PublisherName::as_str)
    }

    /// Says who signed a component. A signature that is none, or that names a trusted key and does not hold, is an error.
    pub fn standing(&self, component: &[u8], signature: Option<&[u8]>) -> Result<Standing, SignatureError> {
        let Some(bytes) = signature else { return Ok(Standing::Unsigned) };
        let signature = Signature::parse(bytes)?;
        let key = signature.key();
        let Some((publisher, trusted)) = self.keys.iter().find(|(_, known)| known.id() == key) else {
            return Ok(Standing::Untrusted { key });
        };
        let comment = signature
            .verified(component, trusted)
            .map_err(|()| SignatureError::Wrong { publisher: publisher.clone(), key })?;
        let comment = for_terminal(&comment.chars().take(COMMENT_CHARS).collect::<String>());
        Ok(Standing::Signed(Signer { publisher: publisher.clone(), key, comment }))
    }

    /// Says whether a component of that standing may load; `wanted` is the publisher that its place in a chain names.
    pub fn admit(&self, standing: &Standing, wanted: Option<&PublisherName>) -> Result<(), TrustError> {
        let words = || match wanted {
            Some(name) => format!("`{name}`'s signature"),
            None => "a publisher's signature (`signed = true` in wardlock.toml)".to_owned(),
        };
        match (standing, wanted) {
            (Standing::Unsigned | Standing::Untrusted { .. }, None) if !self.signed => Ok(()),
            (Standing::Unsigned, _) => Err(TrustError::Unsigned { wanted: words() }),
            (Standing::Untrusted { key }, _) => Err(TrustError::Untrusted { key: *key, wanted: words() }),
            (Standing::Signed(signer), Some(wanted)) if signer.publisher != *wanted => {
                Err(TrustError::Other { publisher: signer.publisher.clone(), wanted: wanted.clone() })
            }
            (Standing::Signed(_), _) => Ok(()),
        }
    }

    /// Returns them for programs.
    pub fn to_json(&self) -> Value {
        let rows = self.keys.iter().map(
            |(name, key)| json!({ "publisher": name.as_str(), "key_id": key.id().to_string(), "key": key.line() }),
        );
        json!({ "signed": self.signed, "publishers": rows.collect::<Vec<_>>() })
    }
}

impl Standing {
    /// Returns the publisher, where one signed.
    pub fn publisher(&self) -> Option<&PublisherName> {
        match self {
            Self::Signed(signer) => Some(&signer.publisher),
            Self::Unsigned | Self::Untrusted { .. } => None,
        }
    }

    /// Says it in words.
    pub fn words(&self) -> String {
        match self {
            Self::Unsigned => "not signed".to_owned(),
            Self::Untrusted { key } => {
                format!("its signature is checked by nobody: it names the key {key}, which no publisher here has")
            }
            Self::Signed(Signer { publisher, key, comment }) if comment.is_empty() => {
                format!("signed by `{publisher}` (key {key})")
            }
            Self::Signed(Signer { publisher, key, comment }) => {
                format!("signed by `{publisher}` (key {key}): {comment}")
            }
        }
    }

    /// Returns it for programs.
    pub fn to_json(&self) -> Value {
        let (state, publisher, key, comment) = match self {
            Self::Unsigned => ("unsigned", None, None, None),
            Self::Untrusted { key } => ("untrusted", None, Some(key), None),
            Self::Signed(signer) => ("signed", Some(&signer.publisher), Some(&signer.key), Some(&signer.comment)),
        };
        json!({
            "state": state,
            "publisher": publisher.map(PublisherName::as_str),
            "key_id": key.map(ToString::to_string),
            "trusted_comment": comment,
        })
    }
}

#[cfg(test)]
mod tests;
