//! SSH keys of operators, and what they sign (PROTOCOL.sshsig and PROTOCOL.u2f of OpenSSH).

use ssh_key::{Algorithm, EcdsaCurve, PublicKey, SshSig};

use super::NAMESPACE;
use crate::admin::Failure;

/// What a hardware key signs beside the message: a byte of flags and a counter of four.
const FLAGS_AND_COUNTER: usize = 5;
/// The flag that says that somebody touched the key.
const TOUCHED: u8 = 1;

/// Returns whether a signature is one of this key over a text. One of a hardware key must have been made by a touch.
pub(super) fn signs(public_key: &str, signature: &str, text: &str) -> bool {
    let parsed = PublicKey::from_openssh(public_key).ok().zip(SshSig::from_pem(signature).ok());
    parsed.is_some_and(|(key, signature)| {
        key.verify(NAMESPACE, text.as_bytes(), &signature).is_ok() && is_touched(&key, &signature)
    })
}

fn is_touched(key: &PublicKey, signature: &SshSig) -> bool {
    if !matches!(key.algorithm(), Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256) {
        return true;
    }
    let bytes = signature.signature_bytes();
    let flags = bytes.len().checked_sub(FLAGS_AND_COUNTER).and_then(|at| bytes.get(at));
    flags.is_some_and(|flags| flags & TOUCHED != 0)
}

/// Checks the key of a new operator; returns it as it is kept.
pub fn checked_key(text: &str) -> Result<String, Failure> {
    let hint = "give the file that ends in `.pub`; `ssh-keygen -t ed25519` makes a key, `-t ed25519-sk` one in a hardware key";
    let key = PublicKey::from_openssh(text.trim());
    let key = key.map_err(|error| Failure::usage(format!("this is no OpenSSH public key: {error}")).hint(hint))?;
    let is_taken = match key.algorithm() {
        Algorithm::Ed25519 | Algorithm::SkEd25519 | Algorithm::SkEcdsaSha2NistP256 => true,
        Algorithm::Ecdsa { curve } => curve == EcdsaCurve::NistP256,
        _ => false,
    };
    if !is_taken {
        let kind = key.algorithm();
        let problem =
            format!("the key is of the kind {kind}, and Ed25519, ECDSA over P-256 or a hardware key is wanted");
        return Err(Failure::usage(problem).hint(hint));
    }
    key.to_openssh().map_err(|error| Failure::usage(error).hint(hint))
}

/// The key's fingerprint, as `ssh-keygen -l` shows it.
pub fn fingerprint(public_key: &str) -> String {
    let key = PublicKey::from_openssh(public_key);
    key.map_or_else(|_| "unreadable".to_owned(), |key| key.fingerprint(ssh_key::HashAlg::Sha256).to_string())
}

#[cfg(test)]
mod tests {
    use ring::digest::{SHA256, digest};
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use ssh_key::public::{Ed25519PublicKey, KeyData, SkEd25519};
    use ssh_key::{HashAlg, LineEnding, Signature};

    use super::*;

    /// A hardware key as OpenSSH has it, and a signature by it with these flags.
    fn hardware(text: &str, application: &str, flags: u8) -> (String, String) {
        let key = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key");
        let public = Ed25519PublicKey(key.public_key().as_ref().try_into().expect("32 bytes"));
        let public = KeyData::SkEd25519(SkEd25519::new(public, "ssh:"));
        let message = SshSig::signed_data(NAMESPACE, HashAlg::Sha512, text.as_bytes()).expect("a message");
        let trailer = [flags, 0, 0, 0, 9];
        let hash = |bytes: &[u8]| digest(&SHA256, bytes).as_ref().to_vec();
        let signed = [hash(application.as_bytes()), trailer.to_vec(), hash(&message)].concat();
        let bytes = [key.sign(&signed).as_ref(), &trailer].concat();
        let signature = Signature::new(Algorithm::SkEd25519, bytes).expect("a signature");
        let signature = SshSig::new(public.clone(), NAMESPACE, HashAlg::Sha512, signature).expect("armour");
        let public = PublicKey::from(public).to_openssh().expect("a line");
        (public, signature.to_pem(LineEnding::LF).expect("text"))
    }

    #[test]
    fn a_hardware_key_signs_by_a_touch_for_its_own_application_and_nothing_else() {
        let (key, signature) = hardware("do it", "ssh:", TOUCHED);
        assert_eq!(checked_key(&key).expect("taken"), key);
        assert!(signs(&key, &signature, "do it"));
        assert!(!signs(&key, &signature, "do that"));
        let verified = hardware("do it", "ssh:", TOUCHED | 4);
        assert!(signs(&key, &verified.1, "do it"), "with a PIN, too");
        assert!(!signs(&key, &hardware("do it", "ssh:", 0).1, "do it"), "nobody touched it");
        assert!(!signs(&key, &hardware("do it", "https://example.com", TOUCHED).1, "do it"));
    }
}
