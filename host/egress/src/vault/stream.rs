//! Cuts stored secrets out of a stream, wherever its chunks are split.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::needles::{Needles, Redacted};

/// Cuts secrets out of a stream of chunks, wherever the chunks are split.
///
/// What is given out lags behind by one byte less than the longest spelling, which is cheap to know. Whoever hears
/// nothing more for a moment calls [`StreamScan::pause`], and gets all but what could really be a secret's beginning.
pub struct StreamScan {
    needles: Arc<Needles>,
    replacement: Vec<u8>,
    held: Zeroizing<Vec<u8>>,
    /// How many of the held bytes belong to a secret whose replacement was already given out.
    cut: usize,
    count: usize,
}

impl StreamScan {
    /// Starts a scan.
    pub fn new(needles: Arc<Needles>, replacement: impl Into<Vec<u8>>) -> Self {
        Self { needles, replacement: replacement.into(), held: Zeroizing::default(), cut: 0, count: 0 }
    }

    /// Takes a chunk and returns the bytes that are now known to be clean.
    pub fn push(&mut self, chunk: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(chunk);
        let hold_back = self.needles.longest().saturating_sub(1);
        self.give(self.held.len().saturating_sub(hold_back))
    }

    /// Returns what is surely clean of what was held back, because nothing more comes for now. A beginning of a secret
    /// stays held, however long the pause: given out piece by piece it would be a secret, too.
    pub fn pause(&mut self) -> Vec<u8> {
        self.give(self.held.len() - self.needles.begun(&self.held))
    }

    /// Looks for other secrets from here on, as they are stored now.
    pub fn turn_to(&mut self, needles: Arc<Needles>) {
        self.needles = needles;
    }

    /// Ends the stream and returns what was held back.
    pub fn finish(mut self) -> Redacted {
        let bytes = self.give(self.held.len());
        Redacted { bytes, count: self.count }
    }

    /// Returns how many places were cut so far.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Gives out the held bytes before `until`. A secret that begins there is whole in the held bytes; one that
    /// reaches further is cut, and its rest stays held, because the next secret may begin inside it.
    fn give(&mut self, until: usize) -> Vec<u8> {
        let mut clean = Vec::with_capacity(until);
        let mut from = self.cut;
        for place in self.needles.merged(&self.held) {
            if place.start >= until && place.start >= from {
                break;
            }
            if place.start >= from {
                clean.extend_from_slice(self.held.get(from..place.start).unwrap_or_default());
                clean.extend_from_slice(&self.replacement);
                self.count += 1;
            }
            from = from.max(place.end);
        }
        if from < until {
            clean.extend_from_slice(self.held.get(from..until).unwrap_or_default());
        }
        self.cut = from.saturating_sub(until);
        self.held.drain(..until);
        clean
    }
}

impl fmt::Debug for StreamScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamScan").field("count", &self.count).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::vault::needles::SHORTEST;
    use crate::vault::needles::tests::{CUT, needles};
    use crate::vault::spelling::spellings;

    fn streamed(needles: &Arc<Needles>, chunks: &[&[u8]]) -> Redacted {
        paused(needles, chunks, &[false])
    }

    /// Streams with a pause after those chunks for which `pauses`, over and over, says so.
    fn paused(needles: &Arc<Needles>, chunks: &[&[u8]], pauses: &[bool]) -> Redacted {
        let mut scan = StreamScan::new(Arc::clone(needles), CUT);
        let mut bytes = Vec::new();
        for (chunk, pause) in chunks.iter().zip(pauses.iter().cycle()) {
            bytes.extend(scan.push(chunk));
            if *pause {
                bytes.extend(scan.pause());
            }
        }
        let last = scan.finish();
        bytes.extend_from_slice(&last.bytes);
        Redacted { bytes, count: last.count }
    }

    #[test]
    fn with_nothing_to_look_for_nothing_is_held_back() {
        let mut scan = StreamScan::new(needles(&["elevenchars"]), CUT);
        assert_eq!(scan.push(b"elevenchars"), b"elevenchars");
        assert_eq!(scan.finish(), Redacted { bytes: Vec::new(), count: 0 });
    }

    #[test]
    fn what_is_held_back_is_less_than_the_longest_spelling() {
        let needles = needles(&["1000.canary.aaaa"]);
        let mut scan = StreamScan::new(Arc::clone(&needles), CUT);
        let given = scan.push(&[b'x'; 1000]).len();
        assert_eq!(1000 - given, needles.longest() - 1);
    }

    #[test]
    fn a_pause_gives_out_all_but_the_beginning_of_a_secret() {
        let needles = needles(&["1000.canary.aaaa"]);
        let mut scan = StreamScan::new(needles, CUT);
        let mut shown = scan.push(b"data: hello\n\n");
        shown.extend(scan.pause());
        assert_eq!(shown, b"data: hello\n\n");
        // A secret that drips with a pause behind every byte shows no byte of itself.
        for byte in b"1000.canary.aaa" {
            shown.extend(scan.push(&[*byte]));
            shown.extend(scan.pause());
        }
        assert_eq!(shown, b"data: hello\n\n");
        shown.extend(scan.push(b"a|"));
        shown.extend(scan.pause());
        assert_eq!(shown, b"data: hello\n\n[REDACTED]|");
        assert_eq!(scan.finish(), Redacted { bytes: Vec::new(), count: 1 });
    }

    #[test]
    fn a_secret_that_is_stored_while_a_stream_flows_is_looked_for_from_then_on() {
        let mut scan = StreamScan::new(needles(&["1000.canary.aaaa"]), CUT);
        let mut shown = scan.push(b"<1000.canary.bbbb>");
        shown.extend(scan.pause());
        scan.turn_to(needles(&["1000.canary.aaaa", "1000.canary.bbbb"]));
        shown.extend(scan.push(b"<1000.canary.bbbb>"));
        shown.extend(scan.finish().bytes);
        assert_eq!(shown, b"<1000.canary.bbbb><[REDACTED]>");
    }

    /// Visible ASCII, as every secret is.
    fn any_secret() -> impl Strategy<Value = String> {
        "[!-~]{12,60}"
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn u2_every_listed_spelling_is_found_at_every_split_and_byte_by_byte(
            text in any_secret(),
            which in any::<prop::sample::Index>(),
            before in proptest::collection::vec(any::<u8>(), 0..80),
            after in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let all: Vec<_> = spellings(text.as_bytes()).into_iter().filter(|s| s.len() >= SHORTEST).collect();
            let spelling = which.get(&all).as_slice();
            let needles = needles(&[&text]);
            let bytes = [before.as_slice(), spelling, after.as_slice()].concat();
            prop_assert!(needles.find_in(&bytes));
            let whole = needles.redact(&bytes, CUT);
            prop_assert!(whole.count >= 1);
            for split in 0..=bytes.len() {
                let (left, right) = bytes.split_at(split);
                prop_assert_eq!(&streamed(&needles, &[left, right]), &whole);
            }
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(&streamed(&needles, &single), &whole);
            prop_assert_eq!(&paused(&needles, &single, &[true]), &whole);
        }

        #[test]
        fn any_chunks_and_pauses_give_what_the_whole_gives(
            pieces in proptest::collection::vec(prop_oneof![
                Just("aaaabbbbccccdddd"), Just("ccccddddeeeeffff"), Just("aaaabbbbcccc"), Just("aaaa"), Just("dddd"),
            ], 0..12),
            sizes in proptest::collection::vec(1_usize..9, 1..6),
            pauses in proptest::collection::vec(any::<bool>(), 1..6),
        ) {
            let needles = needles(&["aaaabbbbccccdddd", "ccccddddeeeeffff", "ddddaaaabbbb"]);
            let bytes = pieces.concat().into_bytes();
            let mut rest = bytes.as_slice();
            let mut chunks = Vec::new();
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, left) = rest.split_at((*size).min(rest.len()));
                chunks.push(chunk);
                rest = left;
            }
            prop_assert_eq!(paused(&needles, &chunks, &pauses), needles.redact(&bytes, CUT));
        }
    }
}
