//! An authenticator of the tests' own, and everything of what it says that must not be believed.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;

const ORIGIN: &str = "http://localhost:7423";
const TEXT: &str = "Wardlock: do exactly this, once.\nnonce: 1\n{}\n";

enum Key {
    Es256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    fn es256() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random);
        Self::Es256(pair.expect("a key"))
    }

    fn ed25519() -> Self {
        Self::Ed25519(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key"))
    }

    fn cose(&self) -> Vec<u8> {
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                [ES256, &point[1..33], ES256_Y, &point[33..]].concat()
            }
            Self::Ed25519(pair) => [ED25519_KEY, pair.public_key().as_ref()].concat(),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Es256(pair) => pair.sign(&SystemRandom::new(), message).expect("a signature").as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

fn client(kind: &str, challenge: &[u8], origin: &str) -> Vec<u8> {
    let challenge = URL_SAFE_NO_PAD.encode(challenge);
    json!({ "type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false, "other": 1 })
        .to_string()
        .into_bytes()
}

fn said(party: &str, flags: u8, counter: u32) -> Vec<u8> {
    [&Sha256::digest(party)[..], &[flags], &counter.to_be_bytes()].concat()
}

fn registration(key: &Key) -> Registration {
    let attested = [&[0; 16][..], &[0, 4], b"id-1", &key.cose()].concat();
    Registration {
        client_data: client("webauthn.create", &[9; 32], ORIGIN),
        authenticator_data: [said("localhost", PRESENT | VERIFIED | KEY_FOLLOWS, 0), attested].concat(),
        origin: ORIGIN.to_owned(),
    }
}

fn enrolled(key: &Key) -> Passkey {
    enrol(&registration(key), &[9; 32], 5).expect("enrolled")
}

/// Signs what stands there now.
fn sealed(key: &Key, mut assertion: Assertion) -> Assertion {
    let message = [&assertion.authenticator_data[..], &Sha256::digest(&assertion.client_data)].concat();
    assertion.signature = key.sign(&message);
    assertion
}

fn assertion(key: &Key) -> Assertion {
    let assertion = Assertion {
        id: URL_SAFE_NO_PAD.encode("id-1"),
        client_data: client("webauthn.get", &challenge_of(TEXT), ORIGIN),
        authenticator_data: said("localhost", PRESENT | VERIFIED, 3),
        signature: Vec::new(),
        origin: ORIGIN.to_owned(),
    };
    sealed(key, assertion)
}

#[test]
fn both_kinds_are_enrolled_and_sign() {
    for (key, kind) in [(Key::es256(), PasskeyKind::Es256), (Key::ed25519(), PasskeyKind::Ed25519)] {
        let passkey = enrolled(&key);
        assert_eq!((passkey.kind, passkey.added_ms, passkey.id.as_str()), (kind, 5, "aWQtMQ"));
        assert_eq!(verify(std::slice::from_ref(&passkey), TEXT, &assertion(&key)), Ok(3));
        let other = if kind == PasskeyKind::Es256 { Key::ed25519() } else { Key::es256() };
        assert_eq!(verify(&[passkey], TEXT, &assertion(&other)), Err(Problem::Signature));
    }
}

#[test]
fn what_was_signed_for_anything_else_is_none() {
    let key = Key::es256();
    let passkeys = [enrolled(&key)];
    let check = |change: &dyn Fn(&mut Assertion), problem: Problem| {
        let mut changed = assertion(&key);
        change(&mut changed);
        // Signed anew: it is this alone that does not hold.
        assert_eq!(verify(&passkeys, TEXT, &sealed(&key, changed)), Err(problem));
    };
    check(&|it| it.client_data = client("webauthn.get", &challenge_of("another"), ORIGIN), Problem::Challenge);
    check(&|it| it.client_data = client("webauthn.create", &challenge_of(TEXT), ORIGIN), Problem::Kind);
    for origin in ["http://localhost:7424", "http://localhost", "https://localhost:7423", "http://evil.example"] {
        check(&|it| it.client_data = client("webauthn.get", &challenge_of(TEXT), origin), Problem::Origin);
    }
    let framed = |it: &mut Assertion| {
        let text = String::from_utf8(it.client_data.clone()).expect("UTF-8").replace("false", "true");
        it.client_data = text.into_bytes();
    };
    check(&framed, Problem::Origin);
    check(&|it| it.client_data = b"{}".to_vec(), Problem::ClientData);
    let twice = |it: &mut Assertion| {
        let text = String::from_utf8(it.client_data.clone()).expect("UTF-8");
        it.client_data = text.replacen('{', "{\"type\":\"webauthn.get\",", 1).into_bytes();
    };
    check(&twice, Problem::ClientData);
    check(&|it| it.authenticator_data = said("evil.example", PRESENT | VERIFIED, 3), Problem::RelyingParty);
    for flags in [0, PRESENT, VERIFIED] {
        check(&|it| it.authenticator_data = said("localhost", flags, 3), Problem::NotVerified);
    }
    let impossible = said("localhost", PRESENT | VERIFIED | BACKED_UP, 3);
    check(&|it| it.authenticator_data.clone_from(&impossible), Problem::AuthenticatorData);
    for length in 0..37 {
        check(&|it| it.authenticator_data.truncate(length), Problem::AuthenticatorData);
    }
    check(&|it| it.id = "other".to_owned(), Problem::Unknown);
}

#[test]
fn what_was_changed_after_it_was_signed_is_none() {
    let key = Key::es256();
    let passkeys = [enrolled(&key)];
    let check = |change: &dyn Fn(&mut Assertion)| {
        let mut changed = assertion(&key);
        change(&mut changed);
        assert_eq!(verify(&passkeys, TEXT, &changed), Err(Problem::Signature));
    };
    check(&|it| it.authenticator_data[36] ^= 1);
    check(&|it| it.client_data.push(b' '));
    check(&|it| it.signature[8] ^= 1);
    check(&|it| it.signature.clear());
}

#[test]
fn what_is_no_passkey_is_not_enrolled() {
    let key = Key::es256();
    let check = |change: &dyn Fn(&mut Registration), problem: Problem| {
        let mut changed = registration(&key);
        change(&mut changed);
        assert_eq!(enrol(&changed, &[9; 32], 0), Err(problem));
    };
    check(&|it| it.client_data = client("webauthn.create", &[8; 32], ORIGIN), Problem::Challenge);
    check(&|it| it.client_data = client("webauthn.get", &[9; 32], ORIGIN), Problem::Kind);
    check(&|it| it.client_data = client("webauthn.create", &[9; 32], "http://evil.example"), Problem::Origin);
    check(&|it| it.authenticator_data[32] &= !KEY_FOLLOWS, Problem::AuthenticatorData);
    check(&|it| it.authenticator_data[32] &= !VERIFIED, Problem::NotVerified);
    // RS256, and a map that is not the one beginning.
    check(&|it| it.authenticator_data[37 + 22 + 4] ^= 1, Problem::KeyKind);
    let whole = registration(&key).authenticator_data.len();
    for length in 0..whole {
        let mut cut = registration(&key);
        cut.authenticator_data.truncate(length);
        assert!(enrol(&cut, &[9; 32], 0).is_err(), "{length} bytes of {whole}");
    }
}
