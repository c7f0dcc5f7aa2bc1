//! Finds stored secrets in other people's files without giving one away: `wardlock doctor --look`.
//!
//! In two steps, so that whoever reads the files needs neither the secrets nor to send all that it reads: a sieve of
//! keyed fingerprints says where a secret could begin, and the vault says whether one does, and whose. A fingerprint is
//! 64 bits of a spelling's first [`WINDOW`] bytes under a key of its own each time; who has both can test guesses of
//! those bytes, so they go over the admin socket only, and are kept in memory only.

use std::collections::HashSet;

use super::error::VaultError;
use super::needles::SHORTEST;
use super::record::{GrantRow, RegistrationRow};
use super::rows::Kind;
use super::secret::Secret;
use super::spelling::spellings;
use super::store::{Vault, content};

/// How much of a spelling a fingerprint is made of: the shortest that is looked for.
const WINDOW: usize = SHORTEST;

/// Says where a stored secret could begin.
#[derive(Debug)]
pub struct Fingerprints {
    key: u64,
    known: HashSet<u64>,
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
    pub fn from_parts(key: u64, known: Vec<u64>, longest: usize) -> Self {
        Self { key, known: known.into_iter().collect(), longest: longest.max(WINDOW) }
    }

    /// Returns key, fingerprints in order, and the length of the longest spelling.
    pub fn parts(&self) -> (u64, Vec<u64>, usize) {
        let mut known: Vec<u64> = self.known.iter().copied().collect();
        known.sort_unstable();
        (self.key, known, self.longest)
    }

    /// Returns the length of the longest spelling, bytes: what the vault must be shown of a place.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Returns the places where a secret could begin, in order.
    pub fn places(&self, bytes: &[u8]) -> Vec<usize> {
        let Some(first) = bytes.get(..WINDOW) else {
            return Vec::new();
        };
        let leaving = (1..WINDOW).fold(1_u64, |power, _| power.wrapping_mul(self.key));
        let mut print = fingerprint(self.key, first);
        let mut places = Vec::new();
        if self.known.contains(&print) {
            places.push(0);
        }
        for (at, (&out, &into)) in bytes.iter().zip(bytes.iter().skip(WINDOW)).enumerate() {
            let kept = print.wrapping_sub(u64::from(out).wrapping_mul(leaving));
            print = kept.wrapping_mul(self.key).wrapping_add(u64::from(into));
            if self.known.contains(&print) {
                places.push(at + 1);
            }
        }
        places
    }
}

fn fingerprint(key: u64, window: &[u8]) -> u64 {
    window.iter().fold(0_u64, |print, &byte| print.wrapping_mul(key).wrapping_add(u64::from(byte)))
}

impl Vault {
    /// Returns the fingerprints of every stored secret, those of before too, under a new key.
    pub fn fingerprints(&self) -> Result<Fingerprints, VaultError> {
        let mut key = [0; 8];
        getrandom::fill(&mut key)?;
        // An odd key loses none of the sixty-four bits.
        let key = u64::from_le_bytes(key) | 1;
        let (mut known, mut longest) = (HashSet::new(), 0);
        for (_, secret) in self.owned()? {
            for spelling in spellings(secret.open()) {
                if let Some(window) = spelling.get(..WINDOW) {
                    known.insert(fingerprint(key, window));
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

    #[test]
    fn a_sieve_finds_every_place_and_nearly_nothing_else() {
        let known = ["1000.canary.aaaa", "canary.aaaa-and-more"];
        let known: HashSet<u64> =
            known.iter().map(|text| fingerprint(0x1234_5679, &text.as_bytes()[..WINDOW])).collect();
        let sieve = Fingerprints { key: 0x1234_5679, known, longest: 20 };
        let text = b"x 1000.canary.aaaa y 1000.canary.aaaa-and-more";
        assert_eq!(sieve.places(text), vec![2, 21, 26]);
        assert_eq!(sieve.places(b"1000.canary"), Vec::<usize>::new());
        assert_eq!(sieve.places(b"1000.canary."), vec![0]);
        let noise: Vec<u8> = (0..25_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
        assert_eq!(sieve.places(&noise), Vec::<usize>::new());
        let (key, prints, longest) = sieve.parts();
        assert_eq!(Fingerprints::from_parts(key, prints, longest).places(text), vec![2, 21, 26]);
    }
}
