//! Passkeys: what an authenticator says in a browser, checked as a relying party must (Web Authentication Level 2, sections 7.1
//! and 7.2), for one relying party and without attestation.
//!
//! No library is used, because those that fit choose the challenge themselves, and here it is the digest of what is done. Nothing of
//! CBOR is parsed either: authenticators write keys in the canonical form of CTAP2 (section 8 there), so each kind has one beginning.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use wardlock_egress::vault::{Passkey, PasskeyKind};

/// The relying party: passkeys want a name, and loopback has this one.
pub const RELYING_PARTY: &str = "localhost";

/// The longest id of a passkey in bytes (section 4, "credential id").
const MOST_ID: usize = 1023;

/// Flags of the authenticator's data (section 6.1): somebody was there, and was verified; a key follows; it may be backed up, and is.
const PRESENT: u8 = 1;
const VERIFIED: u8 = 1 << 2;
const MAY_BE_BACKED_UP: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const KEY_FOLLOWS: u8 = 1 << 6;

/// How a COSE key of ES256 begins (RFC 9053, section 7.1): a map of 5, EC2, alg -7, curve P-256, and x of 32 bytes.
const ES256: &[u8] = &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20];
/// What stands before its y.
const ES256_Y: &[u8] = &[0x22, 0x58, 0x20];
/// How one of Ed25519 begins (section 7.2 there): a map of 4, OKP, alg -8, curve Ed25519, and x of 32 bytes.
const ED25519_KEY: &[u8] = &[0xa4, 0x01, 0x01, 0x03, 0x27, 0x20, 0x06, 0x21, 0x58, 0x20];

/// What a passkey's browser brings: `PublicKeyCredential` with an `AuthenticatorAssertionResponse`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assertion {
    /// The passkey's id, base64url.
    pub id: String,
    /// The client's data: JSON, as the browser wrote it.
    pub client_data: Vec<u8>,
    /// The authenticator's data.
    pub authenticator_data: Vec<u8>,
    /// The signature over both.
    pub signature: Vec<u8>,
    /// The origin at which it was asked for: the listener's own, never the browser's word.
    pub origin: String,
}

/// What a browser brings of a new passkey.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The client's data: JSON, as the browser wrote it.
    pub client_data: Vec<u8>,
    /// The authenticator's data, in which the key stands.
    pub authenticator_data: Vec<u8>,
    /// The origin at which it was asked for.
    pub origin: String,
}

/// What does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// No such passkey.
    #[error("the operator has no such passkey")]
    Unknown,
    /// The client's data.
    #[error("what the browser brought is not what a browser brings")]
    ClientData,
    /// Another ceremony.
    #[error("it was made for something else than this")]
    Kind,
    /// Another challenge.
    #[error("it was made over something else")]
    Challenge,
    /// Another page.
    #[error("it was made at another page")]
    Origin,
    /// The authenticator's data.
    #[error("what the authenticator says cannot be read")]
    AuthenticatorData,
    /// Another relying party.
    #[error("the passkey is of another place")]
    RelyingParty,
    /// Nobody was there.
    #[error("the authenticator did not verify who is there")]
    NotVerified,
    /// The key.
    #[error("the passkey is of a kind that is not taken: ES256 and Ed25519 are")]
    KeyKind,
    /// The signature.
    #[error("the signature does not hold")]
    Signature,
}

/// The part of the client's data that is looked at (section 5.8.1). Others may come with it, so unknown members are let be.
#[derive(Debug, Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(default, rename = "crossOrigin")]
    cross_origin: bool,
}

/// Returns what a passkey signs for a text.
pub fn challenge_of(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// Checks that one of these passkeys signed a text, with its person there and verified. Returns its own count of uses.
pub fn verify(passkeys: &[Passkey], text: &str, assertion: &Assertion) -> Result<u32, Problem> {
    let passkey = passkeys.iter().find(|passkey| passkey.id == assertion.id).ok_or(Problem::Unknown)?;
    check_client(&assertion.client_data, "webauthn.get", &challenge_of(text), &assertion.origin)?;
    let said = Said::read(&assertion.authenticator_data)?;
    let key = URL_SAFE_NO_PAD.decode(&passkey.public_key).map_err(|_| Problem::KeyKind)?;
    let algorithm: &dyn VerificationAlgorithm = match passkey.kind {
        PasskeyKind::Es256 => &ECDSA_P256_SHA256_ASN1,
        PasskeyKind::Ed25519 => &ED25519,
    };
    let signed = [&assertion.authenticator_data[..], &Sha256::digest(&assertion.client_data)].concat();
    UnparsedPublicKey::new(algorithm, key)
        .verify(&signed, &assertion.signature)
        .map_err(|_| Problem::Signature)?;
    Ok(said.counter)
}

/// Reads a new passkey.
pub fn enrol(registration: &Registration, challenge: &[u8; 32], now_ms: u64) -> Result<Passkey, Problem> {
    check_client(&registration.client_data, "webauthn.create", challenge, &registration.origin)?;
    let said = Said::read(&registration.authenticator_data)?;
    if said.flags & KEY_FOLLOWS == 0 {
        return Err(Problem::AuthenticatorData);
    }
    // Section 6.5.1: the authenticator's model, the id with its length, the key.
    let (_, rest) = said.rest.split_at_checked(16).ok_or(Problem::AuthenticatorData)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Problem::AuthenticatorData)?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (id, key) = rest.split_at_checked(length).ok_or(Problem::AuthenticatorData)?;
    if id.is_empty() || id.len() > MOST_ID {
        return Err(Problem::AuthenticatorData);
    }
    let (kind, public_key) = read_key(key).ok_or(Problem::KeyKind)?;
    Ok(Passkey {
        id: URL_SAFE_NO_PAD.encode(id),
        kind,
        public_key: URL_SAFE_NO_PAD.encode(public_key),
        counter: said.counter,
        added_ms: now_ms,
    })
}

fn read_key(key: &[u8]) -> Option<(PasskeyKind, Vec<u8>)> {
    if let Some(rest) = key.strip_prefix(ES256) {
        let (x, rest) = rest.split_at_checked(32)?;
        let y = rest.strip_prefix(ES256_Y)?.get(..32)?;
        return Some((PasskeyKind::Es256, [&[4], x, y].concat()));
    }
    let x = key.strip_prefix(ED25519_KEY)?.get(..32)?;
    Some((PasskeyKind::Ed25519, x.to_vec()))
}

fn check_client(bytes: &[u8], kind: &str, challenge: &[u8; 32], origin: &str) -> Result<(), Problem> {
    let said: ClientData = serde_json::from_slice(bytes).map_err(|_| Problem::ClientData)?;
    if said.kind != kind {
        return Err(Problem::Kind);
    }
    if said.challenge != URL_SAFE_NO_PAD.encode(challenge) {
        return Err(Problem::Challenge);
    }
    if said.origin != origin || said.cross_origin {
        return Err(Problem::Origin);
    }
    Ok(())
}

/// What an authenticator says: its flags and count, and what follows them.
struct Said<'a> {
    flags: u8,
    counter: u32,
    rest: &'a [u8],
}

impl<'a> Said<'a> {
    /// Reads it, and checks what every ceremony wants: this relying party, and somebody there who was verified.
    fn read(bytes: &'a [u8]) -> Result<Self, Problem> {
        let (party, rest) = bytes.split_first_chunk::<32>().ok_or(Problem::AuthenticatorData)?;
        let (&flags, rest) = rest.split_first().ok_or(Problem::AuthenticatorData)?;
        let (counter, rest) = rest.split_first_chunk::<4>().ok_or(Problem::AuthenticatorData)?;
        if party[..] != Sha256::digest(RELYING_PARTY)[..] {
            return Err(Problem::RelyingParty);
        }
        if flags & PRESENT == 0 || flags & VERIFIED == 0 {
            return Err(Problem::NotVerified);
        }
        if flags & BACKED_UP != 0 && flags & MAY_BE_BACKED_UP == 0 {
            return Err(Problem::AuthenticatorData);
        }
        Ok(Self { flags, counter: u32::from_be_bytes(*counter), rest })
    }
}

#[cfg(test)]
mod tests;
