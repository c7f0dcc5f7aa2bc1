//! Finds stored secrets in other bytes, in the encodings that [`super::spelling`] lists, and cuts them out.
//!
//! Defence in depth: an upstream that spells a token in a way that is not listed gets it through. Secrets shorter
//! than 12 bytes are not looked for, since they would be found everywhere.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use aho_corasick::AhoCorasick;
use zeroize::Zeroizing;

use super::secret::Secret;
use super::spelling::spellings;

/// Spellings shorter than this are not looked for.
pub(super) const SHORTEST: usize = 12;
/// The automaton knows only this much of each spelling's beginning; the rest is compared where that is found.
/// So its size grows with the number of secrets and not with their length.
const ANCHOR: usize = 24;

/// All stored secrets in all listed spellings, ready to be looked for.
pub struct Needles {
    anchors: AhoCorasick,
    /// For each anchor of the automaton, the spellings that begin with it.
    spellings: Vec<Vec<Zeroizing<Vec<u8>>>>,
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
        let mut index: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut grouped: Vec<Vec<Zeroizing<Vec<u8>>>> = Vec::new();
        let mut longest = 0;
        let long_enough = secrets.iter().map(|secret| secret.open()).filter(|raw| raw.len() >= SHORTEST);
        for spelling in long_enough.flat_map(spellings).filter(|spelling| spelling.len() >= SHORTEST) {
            longest = longest.max(spelling.len());
            let anchor = spelling.get(..ANCHOR).unwrap_or(&spelling).to_vec();
            let place = *index.entry(anchor).or_insert(grouped.len());
            match grouped.get_mut(place) {
                Some(group) if group.contains(&spelling) => {}
                Some(group) => group.push(spelling),
                None => grouped.push(vec![spelling]),
            }
        }
        let mut anchors: Vec<(Vec<u8>, usize)> = index.into_iter().collect();
        anchors.sort_by_key(|(_, place)| *place);
        let anchors = AhoCorasick::new(anchors.iter().map(|(anchor, _)| anchor)).map_err(NeedlesError)?;
        Ok(Self { anchors, spellings: grouped, longest })
    }

    /// Returns the length of the longest spelling: what a search across chunks must hold back, plus one.
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Returns whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.spellings.is_empty()
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
        self.anchors.find_overlapping_iter(bytes).flat_map(move |anchor| {
            let group = self.spellings.get(anchor.pattern().as_usize()).map_or(&[][..], Vec::as_slice);
            let rest = bytes.get(anchor.start()..).unwrap_or_default();
            let found = group.iter().filter(move |spelling| rest.starts_with(spelling));
            found.map(move |spelling| anchor.start()..anchor.start() + spelling.len())
        })
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

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Needles({} places to look from)", self.spellings.len())
    }
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
    fn overlapping_secrets_are_cut_as_one() {
        let needles = needles(&["aaaabbbbccccdddd", "ccccddddeeeeffff"]);
        assert_eq!(needles.redact(b"<aaaabbbbccccddddeeeeffff>", b"*").bytes, b"<*>");
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
