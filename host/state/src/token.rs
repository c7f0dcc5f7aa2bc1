//! An agent's token: `wl_<public id>_<secret>_<check>`.
//!
//! The id finds the agent; the secret has 256 random bits; the check lets scanners of logs and repositories, and
//! a mistyped token, be told from a real one without asking anybody. All three parts are base62.

use std::fmt;

use zeroize::{Zeroize as _, Zeroizing};

use crate::error::StateError;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX: &str = "wl_";
const ID_LENGTH: usize = 10;
/// 43 × log2(62) = 256.03 bits.
const SECRET_LENGTH: usize = 43;
/// 62⁶ exceeds 2³², so that a CRC-32 fits.
const CHECK_LENGTH: usize = 6;
const LENGTH: usize = PREFIX.len() + ID_LENGTH + 1 + SECRET_LENGTH + 1 + CHECK_LENGTH;

/// A new agent's token. It is shown once; what is stored is its digest. Wiped when dropped.
#[must_use = "a token that is not shown is lost"]
pub struct AgentToken(Zeroizing<String>);

impl AgentToken {
    /// Makes a token from the operating system's randomness.
    pub(crate) fn random() -> Result<Self, StateError> {
        // Room for all of it at once, because growing would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(LENGTH));
        text.push_str(PREFIX);
        push_random(&mut text, ID_LENGTH)?;
        text.push('_');
        push_random(&mut text, SECRET_LENGTH)?;
        let check = check_of(text.as_bytes());
        text.push('_');
        text.push_str(&check);
        Ok(Self(text))
    }

    /// Shows the token, and then wipes it.
    pub fn expose_once<R>(self, show: impl FnOnce(&str) -> R) -> R {
        show(&self.0)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AgentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgentToken(..)")
    }
}

/// Returns the public id of a text that has a token's form, and whose check fits.
pub(crate) fn id_of(token: &str) -> Option<&str> {
    let (body, check) = token.rsplit_once('_')?;
    let (id, secret) = body.strip_prefix(PREFIX)?.split_once('_')?;
    let base62 = |part: &str, length| part.len() == length && part.bytes().all(|b| b.is_ascii_alphanumeric());
    let formed = base62(id, ID_LENGTH) && base62(secret, SECRET_LENGTH) && base62(check, CHECK_LENGTH);
    (formed && check_of(body.as_bytes()) == check).then_some(id)
}

fn push_random(text: &mut String, count: usize) -> Result<(), StateError> {
    let mut bytes = [0; 64];
    let end = text.len() + count;
    while text.len() < end {
        getrandom::fill(&mut bytes).map_err(StateError::Random)?;
        // 248 is the largest multiple of 62 in a byte; beyond it some characters would be likelier.
        let fair = bytes.iter().filter(|byte| **byte < 248);
        for byte in fair.take(end - text.len()) {
            text.push(char::from(ALPHABET[usize::from(byte % 62)]));
        }
    }
    bytes.zeroize();
    Ok(())
}

fn check_of(bytes: &[u8]) -> String {
    let mut rest = crc32(bytes);
    let mut check = [0; CHECK_LENGTH];
    for place in check.iter_mut().rev() {
        *place = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    check.iter().copied().map(char::from).collect()
}

/// CRC-32 as in IEEE 802.3, bit by bit: 60 bytes now and then need no table.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    let byte = |crc: u32, byte: &u8| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc));
    !bytes.iter().fold(u32::MAX, byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_is_the_usual_crc() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_token_has_the_form_and_a_changed_one_has_not() {
        let token = AgentToken::random().expect("a token");
        assert_eq!(format!("{token:?}"), "AgentToken(..)");
        token.expose_once(|text| {
            assert_eq!(text.len(), LENGTH);
            assert_eq!(id_of(text), Some(&text[3..13]));
            for at in 0..text.len() {
                let mut bytes = text.as_bytes().to_vec();
                bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
                let changed = String::from_utf8(bytes).expect("ASCII");
                assert_eq!(id_of(&changed), None, "{changed}");
            }
        });
    }

    #[test]
    fn no_other_text_has_the_form() {
        for text in ["", "wl_", "wl___", "wl_a_b_c", "Bearer x", &"_".repeat(64), "é", &"wl_é".repeat(20)] {
            assert_eq!(id_of(text), None, "{text}");
        }
    }
}
