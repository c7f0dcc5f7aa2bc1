//! What authenticates a row. Its hash anybody can compute who has the rows before it; its MAC only who holds the vault's key.
//!
//! `mac` = the first 16 bytes of HMAC-SHA256 (RFC 2104) over these fields, each encoded as in a row's hash (`chain`):
//!
//! `"wardlock-audit-row-1"`, `hash`
//!
//! The hash covers place, content and the row before, so that a MAC fits nowhere else.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wardlock_core::id::Digest;

use crate::chain::field;

/// Names what is authenticated; a new encoding gets a new name.
const ENCODING: &str = "wardlock-audit-row-1";

/// How much of a MAC a row keeps, bytes: 128 bits, which nobody guesses.
pub(crate) const MAC_BYTES: usize = 16;

/// Begins an HMAC under a key.
pub(crate) fn under(key: &[u8; 32]) -> Hmac<Sha256> {
    // A key shorter than a block is filled up with zeros (RFC 2104 section 2).
    let mut block = [0; 64];
    block[..key.len()].copy_from_slice(key);
    Hmac::new(&block.into())
}

/// The key under which rows are authenticated; derived from the vault's, so that nobody else makes a row.
#[derive(Clone)]
pub(crate) struct RowKey(Hmac<Sha256>);

impl RowKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(under(key))
    }

    /// Returns the MAC of the row that has this hash.
    pub(crate) fn mac(&self, hash: &Digest) -> [u8; MAC_BYTES] {
        let mut kept = [0; MAC_BYTES];
        kept.copy_from_slice(&self.begun(hash.as_bytes()).finalize().into_bytes()[..MAC_BYTES]);
        kept
    }

    /// Returns whether this is the MAC of the row that has this hash.
    pub(crate) fn holds(&self, hash: &[u8], mac: &[u8]) -> bool {
        mac.len() == MAC_BYTES && self.begun(hash).verify_truncated_left(mac).is_ok()
    }

    fn begun(&self, hash: &[u8]) -> Hmac<Sha256> {
        let mut message = Vec::with_capacity(96);
        field(&mut message, ENCODING.as_bytes());
        field(&mut message, hash);
        let mut mac = self.0.clone();
        mac.update(&message);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_holds_for_its_row_and_key_only() {
        let (key, hash) = (RowKey::new(&[7; 32]), Digest::of(b"row"));
        let mac = key.mac(&hash);
        assert!(key.holds(hash.as_bytes(), &mac));
        assert!(!key.holds(Digest::of(b"other").as_bytes(), &mac));
        assert!(!RowKey::new(&[8; 32]).holds(hash.as_bytes(), &mac));
        for cut in 0..MAC_BYTES {
            assert!(!key.holds(hash.as_bytes(), &mac[..cut]), "{cut} bytes of it are none");
        }
    }
}
