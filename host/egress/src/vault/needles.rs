//! Finds stored secrets in other bytes, in the encodings that [`super::spelling`] lists, and cuts them out.
//!
//! Defence in depth: an upstream that spells a token in a way that is not listed gets it through. Secrets shorter
//! than 12 bytes are not looked for, since they would be found everywhere.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::AhoCorasick;
use zeroize::Zeroizing;

use super::secret::Secret;
use super::spelling::spellings;

/// Spellings shorter than this are not looked for.
pub(super) const SHORTEST: usize = 12;
/// The automaton knows only this much of each spelling's beginning; the rest is compared where that is found.
/// So its size grows with the number of secrets and not with their length.
const ANCHOR: usize = 24;

/// All stored secrets in all listed spellings, ready to be looked for. In parts: what is ready already is not prepared again when
/// more comes.
#[derive(Clone)]
pub struct Needles {
    parts: Vec<Arc<Part>>,
}

struct Part {
    anchors: AhoCorasick,
    /// For each anchor of the automaton, the spellings that begin with it.
    groups: Vec<Range<usize>>,
    /// Every spelling once, in order, so that those with a common beginning stand together.
    spellings: Vec<Zeroizing<Vec<u8>>>,
    longest: usize,
}

/// The automaton could not be built.
#[derive(Debug, thiserror::Error)]
#[error("the search for stored secrets cannot be prepared")]
pub struct NeedlesError(#[source] aho_corasick::BuildError);

/// Bytes from which every secret was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redacted {
    /// What is left, with the replacement in each secret's place.
    pub bytes: Vec<u8>,
    /// How many places were cut.
    pub count: usize,
}

impl Needles {
    /// Prepares the search for these secrets.
    pub fn of(secrets: &[&Secret]) -> Result<Self, NeedlesError> {
        Ok(Self { parts: vec![Arc::new(Part::of(secrets)?)] })
    }

    /// Returns a search for what both look for; nothing is prepared anew.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        Self { parts: self.parts.iter().chain(&other.parts).map(Arc::clone).collect() }
    }

    /// Prepares the search for these as well.
    pub fn and(&self, secrets: &[&Secret]) -> Result<Self, NeedlesError> {
        let mut parts = self.parts.clone();
        parts.push(Arc::new(Part::of(secrets)?));
        Ok(Self { parts })
    }

    /// Returns whether a secret is looked for, or too short to be.
    pub fn knows(&self, secret: &Secret) -> bool {
        let raw = secret.open();
        let among = |part: &Arc<Part>| part.spellings.binary_search_by(|known| known.as_slice().cmp(raw)).is_ok();
        raw.len() < SHORTEST || self.parts.iter().any(among)
    }

    /// Returns the length of the longest spelling: what a search across chunks must hold back, plus one.
    pub fn longest(&self) -> usize {
        self.parts.iter().map(|part| part.longest).max().unwrap_or_default()
    }

    /// Returns whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.parts.iter().all(|part| part.spellings.is_empty())
    }

    /// Returns how many of the last bytes could be the beginning of a secret whose end is still to come: the longest
    /// tail that is the beginning of a spelling and not all of it.
    pub fn begun(&self, bytes: &[u8]) -> usize {
        self.parts.iter().map(|part| part.begun(bytes)).max().unwrap_or_default()
    }

    /// Returns whether any secret stands in the bytes.
    pub fn find_in(&self, bytes: &[u8]) -> bool {
        self.places(bytes).next().is_some()
    }

    /// Cuts every secret out. Secrets that overlap are cut as one.
    pub fn redact(&self, bytes: &[u8], replacement: &[u8]) -> Redacted {
        let mut left = Vec::with_capacity(bytes.len());
        let mut count = 0;
        let mut from = 0;
        for place in self.merged(bytes) {
            left.extend_from_slice(bytes.get(from..place.start).unwrap_or_default());
            left.extend_from_slice(replacement);
            count += 1;
            from = place.end;
        }
        left.extend_from_slice(bytes.get(from..).unwrap_or_default());
        Redacted { bytes: left, count }
    }

    fn places<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        self.parts.iter().flat_map(|part| part.places(bytes))
    }

    /// Returns the places of secrets in order, overlapping ones joined.
    pub(super) fn merged(&self, bytes: &[u8]) -> Vec<Range<usize>> {
        let mut places: Vec<Range<usize>> = self.places(bytes).collect();
        places.sort_by_key(|place| place.start);
        let mut merged: Vec<Range<usize>> = Vec::with_capacity(places.len());
        for place in places {
            match merged.last_mut() {
                Some(last) if place.start < last.end => last.end = last.end.max(place.end),
                _ => merged.push(place),
            }
        }
        merged
    }
}

impl Part {
    fn of(secrets: &[&Secret]) -> Result<Self, NeedlesError> {
        let long_enough = secrets.iter().map(|secret| secret.open()).filter(|raw| raw.len() >= SHORTEST);
        let mut spellings: Vec<_> = long_enough.flat_map(spellings).filter(|s| s.len() >= SHORTEST).collect();
        spellings.sort_unstable_by(|left, right| left.as_slice().cmp(right.as_slice()));
        spellings.dedup();
        let longest = spellings.iter().map(|spelling| spelling.len()).max().unwrap_or_default();
        let mut groups = Vec::new();
        let mut from = 0;
        // All of a group have the same beginning of `ANCHOR` bytes, or are one spelling that is shorter.
        for group in spellings.chunk_by(|left, right| anchor(left) == anchor(right)) {
            groups.push(from..from + group.len());
            from += group.len();
        }
        let heads = groups.iter().filter_map(|group| spellings.get(group.start)).map(|head| anchor(head));
        let anchors = AhoCorasick::new(heads).map_err(NeedlesError)?;
        Ok(Self { anchors, groups, spellings, longest })
    }

    fn begun(&self, bytes: &[u8]) -> usize {
        let longest = self.longest.saturating_sub(1).min(bytes.len());
        let begins = |length: &usize| {
            let tail = bytes.get(bytes.len() - length..).unwrap_or_default();
            // In order, what begins with the tail stands right behind the place of the tail itself.
            let behind = self.spellings.partition_point(|spelling| spelling.as_slice() <= tail);
            self.spellings.get(behind).is_some_and(|spelling| spelling.starts_with(tail))
        };
        (1..=longest).rev().find(begins).unwrap_or_default()
    }

    fn places<'a>(&'a self, bytes: &'a [u8]) -> impl Iterator<Item = Range<usize>> + 'a {
        self.anchors.find_overlapping_iter(bytes).flat_map(move |anchor| {
            let group = self.groups.get(anchor.pattern().as_usize()).cloned().unwrap_or_default();
            let group = self.spellings.get(group).unwrap_or_default();
            let rest = bytes.get(anchor.start()..).unwrap_or_default();
            let found = group.iter().filter(move |spelling| rest.starts_with(spelling));
            found.map(move |spelling| anchor.start()..anchor.start() + spelling.len())
        })
    }
}

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places: usize = self.parts.iter().map(|part| part.groups.len()).sum();
        write!(f, "Needles({places} places to look from)")
    }
}

/// The part of a spelling that the automaton knows.
fn anchor(spelling: &[u8]) -> &[u8] {
    spelling.get(..ANCHOR).unwrap_or(spelling)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::vault::secret::tests::secret;

    pub(crate) const CUT: &[u8] = b"[REDACTED]";

    pub(crate) fn needles(secrets: &[&str]) -> Arc<Needles> {
        let secrets: Vec<Secret> = secrets.iter().map(|text| secret(text)).collect();
        Arc::new(Needles::of(&secrets.iter().collect::<Vec<_>>()).expect("needles"))
    }

    #[test]
    fn secrets_are_cut_out_and_the_rest_is_kept() {
        let needles = needles(&["1000.canary.aaaa", "1000.canary.bbbb"]);
        let text = b"{\"a\":\"1000.canary.aaaa\",\"b\":\"1000.canary.bbbb\",\"c\":\"1000.canary.cccc\"}";
        let redacted = needles.redact(text, CUT);
        let expect = br#"{"a":"[REDACTED]","b":"[REDACTED]","c":"1000.canary.cccc"}"#;
        assert_eq!(redacted, Redacted { bytes: expect.to_vec(), count: 2 });
        assert!(needles.find_in(text) && !needles.find_in(&redacted.bytes));
    }

    #[test]
    fn what_comes_later_is_looked_for_beside_what_was_there() {
        let (first, second) = (secret("aaaabbbbccccdddd"), secret("ccccddddeeeeffff"));
        let needles = Needles::of(&[&first]).expect("needles");
        assert!(needles.knows(&first) && !needles.knows(&second) && needles.knows(&secret("short")));
        let both = needles.and(&[&second]).expect("needles");
        assert!(both.knows(&first) && both.knows(&second));
        assert_eq!(both.redact(b"<aaaabbbbccccddddeeeeffff>", b"*").bytes, b"<*>");
        assert_eq!(both.begun(b"<ccccddddeeee"), 12);
    }

    #[test]
    fn overlapping_secrets_are_cut_as_one() {
        let needles = needles(&["aaaabbbbccccdddd", "ccccddddeeeeffff"]);
        assert_eq!(needles.redact(b"<aaaabbbbccccddddeeeeffff>", b"*").bytes, b"<*>");
    }

    #[test]
    fn what_could_begin_a_secret_is_told_to_the_byte() {
        let needles = needles(&["1000.canary.aaaa"]);
        let table: [(&[u8], usize); 7] = [
            (b"", 0),
            (b"data: {}\n\n", 0),
            (b"x1000.canary", 11),
            (b"x1000.canary.aaaa", 0),
            (b"1000.canary.1000.cana", 9),
            (b"31303030", 8),
            (b"1\x000\x00", 4),
        ];
        for (bytes, expect) in table {
            assert_eq!(needles.begun(bytes), expect, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn short_secrets_are_not_looked_for() {
        let needles = needles(&["elevenchars"]);
        assert!(needles.is_empty() && !needles.find_in(b"elevenchars"));
    }

    #[test]
    fn a_long_secret_with_a_common_beginning_is_compared_to_its_end() {
        let long = |end: &str| format!("{}{end}", "eyJhbGciOiJSUzI1NiJ9.".repeat(40));
        let needles = needles(&[&long("one"), &long("two")]);
        assert!(needles.find_in(long("two").as_bytes()));
        assert!(!needles.find_in(long("six").as_bytes()));
    }
}
