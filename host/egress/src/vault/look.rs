//! Finds stored secrets in other people's files without giving one away: `wardlock doctor --look`.
//!
//! In two steps, so that whoever reads the files needs neither the secrets nor to send all that it reads: a sieve of
//! keyed fingerprints says where a secret could begin, and the vault says whether one does, and whose. A fingerprint is
//! HMAC-SHA256 of a spelling's first [`WINDOW`] bytes, cut to 32 bits. Whoever has the sieve has its key, too: what they can do
//! is to try guesses of those bytes, of which one in 2³² passes without being right. The key is the process's, so that asking
//! again tells nothing more.

use std::collections::HashSet;
use std::sync::OnceLock;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::error::VaultError;
use super::keys::{self, Key};
use super::needles::SHORTEST;
use super::record::{GrantRow, RegistrationRow};
use super::rows::Kind;
use super::secret::Secret;
use super::spelling::spellings;
use super::store::{Vault, content};

/// How much of a spelling a fingerprint is made of: the shortest that is looked for.
const WINDOW: usize = SHORTEST;

/// The key of every sieve of this process: under several keys, fingerprints of the same bytes would add up to those bytes.
static KEY: OnceLock<Key> = OnceLock::new();

/// Says where a stored secret could begin.
pub struct Fingerprints {
    key: Key,
    known: HashSet<u32>,
    longest: usize,
}

/// Whose a secret is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    /// What it is: `refresh token`, `former client secret`.
    pub kind: &'static str,
    /// What it belongs to: `registration` or `grant`.
    pub of: &'static str,
    /// Its name.
    pub name: String,
    /// The region whose own client secret it is.
    pub region: Option<String>,
}

impl Fingerprints {
    /// Takes up what [`Fingerprints::parts`] gave.
    pub fn from_parts(key: [u8; 32], known: Vec<u32>, longest: usize) -> Self {
        Self { key: Zeroizing::new(key), known: known.into_iter().collect(), longest: longest.max(WINDOW) }
    }

    /// Returns key, fingerprints in order, and the length of the longest spelling.
    pub fn parts(&self) -> ([u8; 32], Vec<u32>, usize) {
        let mut known: Vec<u32> = self.known.iter().copied().collect();
        known.sort_unstable();
        (*self.key, known, self.longest)
    }

    /// Returns the length of the longest spelling, bytes: what the vault must be shown of a place.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Returns the places where a secret could begin, in order.
    pub fn places(&self, bytes: &[u8]) -> Vec<usize> {
        let keyed = keys::keyed(&self.key);
        let (mut last, mut passed) = (&[][..], false);
        let mut places = Vec::new();
        for (at, window) in bytes.windows(WINDOW).enumerate() {
            // A long run of one byte is looked at once.
            if window != last {
                (last, passed) = (window, self.known.contains(&fingerprint(&keyed, window)));
            }
            if passed {
                places.push(at);
            }
        }
        places
    }
}

fn fingerprint(keyed: &Hmac<Sha256>, window: &[u8]) -> u32 {
    let [a, b, c, d, ..]: [u8; 32] = keyed.clone().chain_update(window).finalize().into_bytes().into();
    u32::from_le_bytes([a, b, c, d])
}

/// Returns the key of this process's sieves.
fn key() -> Result<Key, getrandom::Error> {
    if let Some(key) = KEY.get() {
        return Ok(key.clone());
    }
    // Of two that come first at once, one has its key taken by both.
    let made = keys::random()?;
    Ok(KEY.get_or_init(|| made).clone())
}

impl Vault {
    /// Returns the fingerprints of every stored secret, those of before too.
    pub fn fingerprints(&self) -> Result<Fingerprints, VaultError> {
        let key = key()?;
        let keyed = keys::keyed(&key);
        let (mut known, mut longest) = (HashSet::new(), 0);
        for (_, secret) in self.owned()? {
            for spelling in spellings(secret.open()) {
                if let Some(window) = spelling.get(..WINDOW) {
                    known.insert(fingerprint(&keyed, window));
                    longest = longest.max(spelling.len());
                }
            }
        }
        Ok(Fingerprints { key, known, longest: longest.max(WINDOW) })
    }

    /// Returns for each piece whose secret, in any listed spelling, it begins with; mostly nobody's.
    pub fn owners(&self, pieces: &[Vec<u8>]) -> Result<Vec<Vec<Owner>>, VaultError> {
        let mut owners = vec![Vec::new(); pieces.len()];
        for (owner, secret) in self.owned()? {
            let spellings = spellings(secret.open());
            let long_enough: Vec<_> = spellings.iter().filter(|spelling| spelling.len() >= WINDOW).collect();
            for (piece, owners) in pieces.iter().zip(&mut owners) {
                if long_enough.iter().any(|spelling| piece.starts_with(spelling)) {
                    owners.push(owner.clone());
                }
            }
        }
        Ok(owners)
    }

    /// Returns every secret with whose it is. One shorter than [`WINDOW`] is not looked for, here as elsewhere.
    fn owned(&self) -> Result<Vec<(Owner, std::sync::Arc<Secret>)>, VaultError> {
        let connection = self.connection();
        let mut owned = Vec::new();
        for row in self.rows.read_all(&connection, Kind::Registration)? {
            let named = |kind, region| Owner { kind, of: "registration", name: row.id.clone(), region };
            let RegistrationRow { secret, region_secrets, further, previous, .. } = content(&row)?;
            owned.extend(secret.map(|secret| (named("client secret", None), secret.0)));
            owned.extend(further.into_values().map(|secret| (named("further secret", None), secret.0)));
            owned.extend(
                region_secrets.into_iter().map(|(region, own)| (named("client secret", Some(region)), own.0)),
            );
            owned.extend(previous.into_iter().map(|old| (named("former client secret", None), old.0)));
        }
        for row in self.rows.read_all(&connection, Kind::Grant)? {
            let named = |kind| Owner { kind, of: "grant", name: row.id.clone(), region: None };
            let GrantRow { refresh_token, access, previous, .. } = content(&row)?;
            owned.extend(refresh_token.map(|kept| (named("refresh token"), kept.0)));
            owned.extend(access.map(|access| (named("access token"), access.token.0)));
            owned.extend(previous.into_iter().map(|old| (named("former token"), old.0)));
        }
        owned.retain(|(_, secret)| secret.open().len() >= WINDOW);
        Ok(owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sieve(known: &[&str]) -> Fingerprints {
        let key = Zeroizing::new([7; 32]);
        let keyed = keys::keyed(&key);
        let known = known.iter().map(|text| fingerprint(&keyed, &text.as_bytes()[..WINDOW])).collect();
        Fingerprints { key, known, longest: 20 }
    }

    #[test]
    fn a_sieve_finds_every_place_and_nearly_nothing_else() {
        let sieve = sieve(&["1000.canary.aaaa", "canary.aaaa-and-more", "zzzzzzzzzzzz"]);
        let text = b"x 1000.canary.aaaa y 1000.canary.aaaa-and-more";
        assert_eq!(sieve.places(text), vec![2, 21, 26]);
        assert_eq!(sieve.places(b"1000.canary"), Vec::<usize>::new());
        assert_eq!(sieve.places(b"1000.canary."), vec![0]);
        assert_eq!(sieve.places(b"azzzzzzzzzzzzzz"), vec![1, 2, 3]);
        let noise: Vec<u8> = (0..25_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        assert_eq!(sieve.places(&noise), Vec::<usize>::new());
        let (key, prints, longest) = sieve.parts();
        assert_eq!(Fingerprints::from_parts(key, prints, longest).places(text), vec![2, 21, 26]);
    }

    #[test]
    fn a_fingerprint_is_no_sum_of_the_bytes_and_is_made_under_one_key_a_process() {
        let keyed = keys::keyed(&Zeroizing::new([7; 32]));
        // The first four bytes of HMAC-SHA256, as `keys` has it.
        let whole = keys::mac(&Zeroizing::new([7; 32]), &[b"1000.canary."]);
        assert_eq!(fingerprint(&keyed, b"1000.canary.").to_le_bytes(), whole[..4]);
        // Of a sum, neighbours' differences would be the same.
        let step = |a: &[u8], b: &[u8]| fingerprint(&keyed, a).wrapping_sub(fingerprint(&keyed, b));
        assert_ne!(step(b"aaaaaaaaaaab", b"aaaaaaaaaaaa"), step(b"bbbbbbbbbbbb", b"bbbbbbbbbbba"));
        assert_eq!(key().expect("a key"), key().expect("the same"));
    }
}
