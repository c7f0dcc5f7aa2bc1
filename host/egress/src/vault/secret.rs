//! The secret type: bytes that can be held and passed on, but seen only inside `vault`.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// The longest secret that is accepted, in bytes.
pub(super) const LONGEST: usize = 8192;

/// A credential: 1 to 8192 visible ASCII characters.
///
/// It can be neither printed, cloned, compared with `==` nor serialised, and it is wiped when dropped. Only the
/// modules in `vault` can open it; see `tests/compile_fail/`.
pub struct Secret {
    bytes: Zeroizing<Vec<u8>>,
}

/// Why some bytes are not a secret. It never holds any of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotASecret {
    /// There is nothing.
    #[error("the secret is empty")]
    Empty,
    /// There is too much.
    #[error("the secret is longer than 8192 bytes")]
    TooLong,
    /// There is a space, a line break, a control character or a character outside ASCII.
    #[error("the secret contains a space, a line break or another character that no credential has")]
    BadCharacter,
}

impl Secret {
    /// Wraps bytes that follow the rule `^[\x21-\x7e]{1,8192}$`; others are wiped and refused.
    pub fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Result<Self, NotASecret> {
        if bytes.is_empty() {
            return Err(NotASecret::Empty);
        }
        if bytes.len() > LONGEST {
            return Err(NotASecret::TooLong);
        }
        if !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(NotASecret::BadCharacter);
        }
        Ok(Self { bytes })
    }

    /// Makes a secret of 256 random bits, 43 characters of the URL alphabet: fit for a PKCE verifier or a `state`.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bits = Zeroizing::new([0_u8; 32]);
        getrandom::fill(bits.as_mut_slice())?;
        let mut bytes = Zeroizing::new(vec![0_u8; 43]);
        // 32 bytes are 43 characters, so the slice always fits.
        let written = URL_SAFE_NO_PAD.encode_slice(bits.as_slice(), bytes.as_mut_slice()).unwrap_or(0);
        bytes.truncate(written);
        Ok(Self { bytes })
    }

    /// Returns whether two secrets are the same, in a time that depends only on their lengths.
    pub fn same(&self, other: &Secret) -> bool {
        self.bytes.as_slice().ct_eq(other.bytes.as_slice()).into()
    }

    /// Opens the secret. Visible in `vault` only.
    pub(super) fn open(&self) -> &[u8] {
        &self.bytes
    }

    /// Opens the secret as text. Visible in `vault` only.
    pub(super) fn open_text(&self) -> &str {
        // Every constructor admits ASCII only, so this never falls back.
        std::str::from_utf8(&self.bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn secret(text: &str) -> Secret {
        Secret::from_bytes(Zeroizing::new(text.as_bytes().to_vec())).expect("a secret")
    }

    fn refused(bytes: &[u8]) -> NotASecret {
        Secret::from_bytes(Zeroizing::new(bytes.to_vec())).expect_err("refused")
    }

    #[test]
    fn a_secret_is_visible_ascii_of_bounded_length() {
        assert_eq!(refused(b""), NotASecret::Empty);
        assert_eq!(refused(&[b'a'; LONGEST + 1]), NotASecret::TooLong);
        for bad in [b"a b".as_slice(), b"a\r\nb", b"a\0", b"a\x7f", "é".as_bytes()] {
            assert_eq!(refused(bad), NotASecret::BadCharacter);
        }
        assert_eq!(secret("1000.ab~!").open(), b"1000.ab~!");
    }

    #[test]
    fn a_secret_prints_nothing_of_itself() {
        let shown = format!("{:?} {:#?}", secret("canary-value"), Some(secret("canary-value")));
        assert!(!shown.contains("canary"), "{shown}");
    }

    #[test]
    fn equality_is_of_the_whole_value() {
        assert!(secret("abc").same(&secret("abc")));
        assert!(!secret("abc").same(&secret("abd")));
        assert!(!secret("abc").same(&secret("abcd")));
    }

    #[test]
    fn random_secrets_differ_and_fit_pkce() {
        let (a, b) = (Secret::random().expect("random"), Secret::random().expect("random"));
        assert_eq!(a.open().len(), 43);
        assert!(!a.same(&b));
    }
}
