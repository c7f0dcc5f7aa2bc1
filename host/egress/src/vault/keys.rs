//! Keys derived from the vault's own, each bound to one purpose: what is sealed for one opens for no other.
//!
//! They come from another branch than the key of the vault's rows, so nobody who holds [`Keys`] can open a row.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signer as _, SigningKey};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Length of the nonce that stands before each sealed text.
const NONCE: usize = 24;

/// A key of 32 bytes, wiped when dropped.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// What a key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Hashes of record ids and paths in the audit.
    AuditPaths,
    /// Heads of the audit chain, which are signed.
    AuditHeads,
    /// Rows of the audit, which are authenticated one by one.
    AuditRows,
    /// Held requests.
    Drafts,
    /// Proofs, and how far writes are enabled.
    Writes,
    /// Recorded requests and answers.
    Recordings,
    /// The cache of compiled plugins.
    CompiledCode,
}

impl Purpose {
    /// Returns the label, which is part of every derived key and must never change.
    fn label(self) -> &'static [u8] {
        match self {
            Self::AuditPaths => b"audit-paths",
            Self::AuditHeads => b"audit-heads",
            Self::AuditRows => b"audit-rows",
            Self::Drafts => b"drafts",
            Self::Writes => b"writes",
            Self::Recordings => b"recordings",
            Self::CompiledCode => b"compiled-code",
        }
    }
}

/// Sealed bytes did not open: another key, another purpose, another place, or a changed byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed bytes do not open here: they were changed, or belong to another place or key")]
pub struct NotOpened;

/// Purpose-bound keys, for what is sealed or authenticated outside the vault.
pub struct Keys {
    root: HeldKey,
}

/// A key that is held for long: alone on a page that is not swapped out, where the system allows that.
pub(super) struct HeldKey {
    /// Dropped first: the page must still be there when it is unlocked.
    locked: Option<region::LockGuard>,
    page: Box<Page>,
}

/// One page of the usual size, so that locking it locks nothing else.
#[repr(align(4096))]
struct Page(Key);

impl HeldKey {
    pub(super) fn new(key: Key) -> Self {
        let page = Box::new(Page(key));
        let locked = region::lock(std::ptr::from_ref::<Page>(&page), size_of::<Page>()).ok();
        Self { locked, page }
    }

    pub(super) fn get(&self) -> &Key {
        &self.page.0
    }

    /// Returns whether the page stays in memory.
    pub(super) fn is_locked(&self) -> bool {
        self.locked.is_some()
    }
}

impl Keys {
    pub(super) fn new(root: Key) -> Self {
        Self { root: HeldKey::new(root) }
    }

    /// Returns whether the pages of the keys are locked in memory.
    pub fn are_locked_in_memory(&self) -> bool {
        self.root.is_locked()
    }

    /// Seals bytes for a purpose; `aad` names the place, which must be the same when they are opened.
    pub fn seal(&self, purpose: Purpose, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
        seal(&self.key(purpose, b"seal"), aad, plaintext)
    }

    /// Opens what [`Keys::seal`] sealed for the same purpose and place.
    pub fn open(&self, purpose: Purpose, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
        open(&self.key(purpose, b"seal"), aad, sealed)
    }

    /// Authenticates bytes for a purpose (HMAC-SHA256): the parts, one after the other.
    pub fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        *mac(&self.key(purpose, b"mac"), parts)
    }

    /// Returns whether [`Keys::mac`] made this of the same parts, in a time that does not tell how near it is.
    pub fn is_mac(&self, purpose: Purpose, parts: &[&[u8]], given: &[u8; 32]) -> bool {
        self.mac(purpose, parts).ct_eq(given).into()
    }

    /// Signs bytes for a purpose (Ed25519, RFC 8032). The signing key is derived, used and wiped here.
    pub fn sign(&self, purpose: Purpose, bytes: &[u8]) -> [u8; 64] {
        self.signing_key(purpose).sign(bytes).to_bytes()
    }

    /// Returns the public key under which [`Keys::sign`]'s signatures of a purpose are checked.
    pub fn public_key(&self, purpose: Purpose) -> [u8; 32] {
        self.signing_key(purpose).verifying_key().to_bytes()
    }

    fn signing_key(&self, purpose: Purpose) -> SigningKey {
        SigningKey::from_bytes(&self.key(purpose, b"sign"))
    }

    /// Derives a key for a purpose, for code that computes keyed digests on its own.
    pub fn derive_key(&self, purpose: Purpose) -> Zeroizing<[u8; 32]> {
        self.key(purpose, b"key")
    }

    fn key(&self, purpose: Purpose, verb: &[u8]) -> Key {
        mac(self.root.get(), &[b"wardlock/v1/", purpose.label(), b"/", verb])
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

/// Seals with XChaCha20-Poly1305 under a random nonce, which stands before the result.
pub(super) fn seal(key: &Key, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, getrandom::Error> {
    let mut nonce = [0_u8; NONCE];
    getrandom::fill(&mut nonce)?;
    let cipher = XChaCha20Poly1305::new(&(**key).into());
    let payload = Payload { msg: plaintext, aad };
    // Sealing fails only beyond 256 GiB, which no caller's memory holds.
    let sealed = cipher.encrypt(&XNonce::from(nonce), payload).map_err(|_| getrandom::Error::UNEXPECTED)?;
    Ok([nonce.as_slice(), &sealed].concat())
}

/// Opens what [`seal`] sealed.
pub(super) fn open(key: &Key, aad: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, NotOpened> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE>().ok_or(NotOpened)?;
    let cipher = XChaCha20Poly1305::new(&(**key).into());
    let opened = cipher.decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad }).map_err(|_| NotOpened)?;
    Ok(Zeroizing::new(opened))
}

/// Computes HMAC-SHA256 over the parts, one after the other.
pub(super) fn mac(key: &Key, parts: &[&[u8]]) -> Key {
    let mut mac = keyed(key);
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// Begins HMAC-SHA256 under a key.
pub(super) fn keyed(key: &Key) -> Hmac<Sha256> {
    // HMAC pads a key that is shorter than a block with zeros (RFC 2104 section 2).
    let mut block = Zeroizing::new([0_u8; 64]);
    for (to, from) in block.iter_mut().zip(key.iter()) {
        *to = *from;
    }
    Hmac::new(&(*block).into())
}

/// Makes a random key.
pub(super) fn random() -> Result<Key, getrandom::Error> {
    let mut key = Zeroizing::new([0_u8; 32]);
    getrandom::fill(key.as_mut_slice())?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(Zeroizing::new([7; 32]))
    }

    #[test]
    fn what_is_sealed_opens_for_its_purpose_and_place_only() {
        let keys = keys();
        let sealed = keys.seal(Purpose::Drafts, b"draft 1", b"content").expect("sealed");
        assert_eq!(keys.open(Purpose::Drafts, b"draft 1", &sealed).expect("opened").as_slice(), b"content");
        assert_eq!(keys.open(Purpose::Recordings, b"draft 1", &sealed), Err(NotOpened));
        assert_eq!(keys.open(Purpose::Drafts, b"draft 2", &sealed), Err(NotOpened));
        let other = Keys::new(Zeroizing::new([8; 32]));
        assert_eq!(other.open(Purpose::Drafts, b"draft 1", &sealed), Err(NotOpened));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let keys = keys();
        let sealed = keys.seal(Purpose::Drafts, b"", b"content").expect("sealed");
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert_eq!(keys.open(Purpose::Drafts, b"", &changed), Err(NotOpened));
            assert_eq!(keys.open(Purpose::Drafts, b"", &sealed[..place]), Err(NotOpened));
        }
    }

    #[test]
    fn derived_keys_differ_by_purpose_and_use() {
        let keys = keys();
        let all = [
            *keys.derive_key(Purpose::AuditPaths),
            *keys.derive_key(Purpose::AuditHeads),
            *keys.derive_key(Purpose::AuditRows),
            keys.mac(Purpose::AuditPaths, &[b""]),
            keys.mac(Purpose::AuditHeads, &[b""]),
            keys.mac(Purpose::AuditPaths, &[b"x"]),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(keys.mac(Purpose::AuditPaths, &[b"x"]), all[5]);
    }

    #[test]
    fn signatures_hold_for_their_purpose_and_bytes_only() {
        use ed25519_dalek::{Signature, VerifyingKey};

        let keys = keys();
        let key = VerifyingKey::from_bytes(&keys.public_key(Purpose::AuditHeads)).expect("a public key");
        let signature = Signature::from_bytes(&keys.sign(Purpose::AuditHeads, b"head"));
        assert!(key.verify_strict(b"head", &signature).is_ok());
        assert!(key.verify_strict(b"other", &signature).is_err());
        assert_ne!(keys.public_key(Purpose::AuditHeads), keys.public_key(Purpose::Drafts));
        let other = Keys::new(Zeroizing::new([8; 32]));
        assert_ne!(keys.public_key(Purpose::AuditHeads), other.public_key(Purpose::AuditHeads));
    }

    #[test]
    fn the_mac_is_hmac_sha256() {
        // RFC 4231 test case 1, its 20-byte key padded with zeros to 32.
        let mut key = Zeroizing::new([0_u8; 32]);
        key[..20].fill(0x0b);
        let expect = "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7";
        assert_eq!(hex::encode(*mac(&key, &[b"Hi ", b"There"])), expect);
    }
}
