//! Signed heads: what a chain was at its end, in one line that can be kept elsewhere.
//!
//! A head is signed (Ed25519, RFC 8032) over these fields, each encoded as in a row's hash (`chain`):
//!
//! `"wardlock-audit-head-1"`, `number`, `sequence`, `hash`, `at_ms`, `key`
//!
//! Heads are numbered 1, 2, 3 …, through all files of a log, so that a missing one shows. The signing key stays in the
//! vault; this crate is handed a [`Signer`] and sees public keys only.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest as _, Sha256};
use wardlock_core::id::Digest;

use crate::authentic::RowKey;
use crate::chain::{Link, field};

/// Begins every line; names the encoding.
const LINE: &str = "wardlock-audit-head-1";

/// How much of a public key's hash names it, bytes: 128 bits, so that nobody makes a second key of the same name.
const KEY_ID_BYTES: usize = 16;

/// A public key, under which heads are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes the bytes of an Ed25519 public key (RFC 8032 section 5.1.5).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the short name that heads carry: the beginning of its SHA-256, in hex.
    pub fn id(&self) -> String {
        hex::encode(&Sha256::digest(self.0)[..KEY_ID_BYTES])
    }

    pub(crate) fn holds(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        let signature = Signature::from_bytes(signature);
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A text is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a public key is 64 hexadecimal digits, as `wardlock audit head` prints it")]
pub struct NotAKey;

impl FromStr for PublicKey {
    type Err = NotAKey;

    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text.trim(), &mut bytes).map_err(|_| NotAKey)?;
        VerifyingKey::from_bytes(&bytes).map(|_| Self(bytes)).map_err(|_| NotAKey)
    }
}

/// Signs bytes.
type Sign = dyn Fn(&[u8]) -> [u8; 64] + Send + Sync;

/// What only who holds the vault's key can make: signatures of heads, whose key itself is behind the function, and MACs of rows.
#[derive(Clone)]
pub struct Signer {
    key: PublicKey,
    rows: RowKey,
    sign: Arc<Sign>,
}

impl Signer {
    /// Takes a public key and what signs for it, and the secret key under which rows are authenticated.
    pub fn new(
        key: PublicKey,
        row_key: &[u8; 32],
        sign: impl Fn(&[u8]) -> [u8; 64] + Send + Sync + 'static,
    ) -> Self {
        Self { key, rows: RowKey::new(row_key), sign: Arc::new(sign) }
    }

    /// Returns the key under which its signatures are checked.
    pub fn key(&self) -> PublicKey {
        self.key
    }

    pub(crate) fn rows(&self) -> &RowKey {
        &self.rows
    }

    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        (self.sign)(message)
    }

    pub(crate) fn head(&self, number: u64, link: Link, at_ms: u64) -> SignedHead {
        let mut head = SignedHead {
            number,
            sequence: link.sequence,
            hash: link.hash,
            at_ms,
            key: self.key,
            signature: [0; 64],
        };
        head.signature = self.sign(&head.message());
        head
    }
}

/// The end of a chain at some time, signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedHead {
    /// Its number among the log's heads, from 1.
    pub number: u64,
    /// Place of the last row.
    pub sequence: u64,
    /// Hash of the last row.
    pub hash: Digest,
    /// When it was signed, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// Under which key.
    pub key: PublicKey,
    /// The signature.
    pub signature: [u8; 64],
}

impl SignedHead {
    /// Returns whether the signature holds under its own key; whose key that is, is another question.
    pub fn is_signed(&self) -> bool {
        self.key.holds(&self.message(), &self.signature)
    }

    /// Returns the head as it is kept elsewhere.
    pub fn kept(&self) -> KeptHead {
        let Self { number, sequence, hash, at_ms, key, signature } = *self;
        KeptHead { number, sequence, hash, at_ms, key_id: key.id(), signature }
    }

    /// Returns the line to keep elsewhere.
    pub fn line(&self) -> String {
        self.kept().to_string()
    }

    fn message(&self) -> Vec<u8> {
        message(self.number, self.sequence, &self.hash, self.at_ms, &self.key)
    }
}

/// A head from outside the log: what its line says. The line names the key and does not hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptHead {
    /// Its number among the log's heads.
    pub number: u64,
    /// Place of the row that was the last.
    pub sequence: u64,
    /// Hash of that row.
    pub hash: Digest,
    /// When it was signed, milliseconds since 1970-01-01T00:00:00Z.
    pub at_ms: u64,
    /// The key's short name.
    pub key_id: String,
    /// The signature.
    pub signature: [u8; 64],
}

impl KeptHead {
    /// Returns whether it was signed under this key.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let message = message(self.number, self.sequence, &self.hash, self.at_ms, key);
        self.key_id == key.id() && key.holds(&message, &self.signature)
    }

    /// Finds the heads in a text: lines of their own, or inside the JSON lines of a mirror or an export.
    pub fn find_in(text: &str) -> Result<Vec<Self>, NotAHead> {
        let lines = text.lines().filter_map(|line| line.find(LINE).map(|at| &line[at..]));
        lines.map(|line| line.split(['"', '\\']).next().unwrap_or(line).parse()).collect()
    }
}

impl fmt::Display for KeptHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, sequence, hash, at_ms, key_id, signature } = self;
        write!(
            f,
            "{LINE} number={number} sequence={sequence} hash={hash} time={at_ms} key={key_id} signature={}",
            hex::encode(signature)
        )
    }
}

/// A text is no head.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no line of `wardlock audit head`: {0}")]
pub struct NotAHead(&'static str);

impl FromStr for KeptHead {
    type Err = NotAHead;

    fn from_str(text: &str) -> Result<Self, NotAHead> {
        let mut words = text.split_whitespace();
        if words.next() != Some(LINE) {
            return Err(NotAHead("it does not begin with `wardlock-audit-head-1`"));
        }
        let mut member = |name: &'static str| {
            let word = words.next().and_then(|word| word.split_once('='));
            word.filter(|(found, _)| *found == name).map(|(_, value)| value).ok_or(NotAHead(
                "it is cut short, or its members are not number, sequence, hash, time, key, signature",
            ))
        };
        let number = |text: &str| text.parse::<u64>().map_err(|_| NotAHead("a number in it is none"));
        let (numbered, sequence) = (number(member("number")?)?, number(member("sequence")?)?);
        let mut hash = [0; 32];
        hex::decode_to_slice(member("hash")?, &mut hash).map_err(|_| NotAHead("its hash is not 64 digits"))?;
        let at_ms = number(member("time")?)?;
        let key_id = member("key")?.to_owned();
        let mut signature = [0; 64];
        hex::decode_to_slice(member("signature")?, &mut signature)
            .map_err(|_| NotAHead("its signature is not 128 digits"))?;
        Ok(Self { number: numbered, sequence, hash: Digest::from_bytes(hash), at_ms, key_id, signature })
    }
}

fn message(number: u64, sequence: u64, hash: &Digest, at_ms: u64, key: &PublicKey) -> Vec<u8> {
    let mut message = Vec::new();
    for bytes in [
        LINE.as_bytes(),
        &number.to_be_bytes(),
        &sequence.to_be_bytes(),
        hash.as_bytes(),
        &at_ms.to_be_bytes(),
        key.as_bytes(),
    ] {
        field(&mut message, bytes);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::support::signer;

    fn head() -> SignedHead {
        signer(7).head(3, Link { sequence: 12, hash: Digest::of(b"row") }, 1_700_000_000_000)
    }

    #[test]
    fn a_head_survives_its_line() {
        let head = head();
        let kept: KeptHead = head.line().parse().expect("a head");
        assert_eq!(kept, head.kept());
        assert!(head.is_signed() && kept.is_signed_by(&head.key) && !kept.is_signed_by(&signer(8).key()));
        let inside = format!("{{\"head\":\"{}\"}}\nother\n  {}\n", head.line(), head.line());
        assert_eq!(KeptHead::find_in(&inside), Ok(vec![kept.clone(), kept]));
    }

    #[test]
    fn any_changed_member_breaks_the_signature() {
        let head = head();
        let changed = [
            SignedHead { number: 4, ..head },
            SignedHead { sequence: 13, ..head },
            SignedHead { hash: Digest::of(b"other"), ..head },
            SignedHead { at_ms: head.at_ms + 1, ..head },
            SignedHead { key: signer(8).key(), ..head },
        ];
        assert!(changed.iter().all(|head| !head.is_signed()));
    }

    #[test]
    fn what_is_no_head_is_said_so() {
        let line = head().line();
        for wrong in ["", "head", &line[..60], &line.replace("hash=", "hash=x"), &line[..line.len() - 1]] {
            assert!(wrong.parse::<KeptHead>().is_err(), "{wrong}");
        }
        assert!("ab".parse::<PublicKey>().is_err());
    }
}
