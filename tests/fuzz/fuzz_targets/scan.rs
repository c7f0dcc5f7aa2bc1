//! Stored secrets never come out of the scan of answers, in the spellings of the usual encoders, wherever the stream
//! is split or pauses and whatever stands around them; what holds no secret comes out byte for byte; and a stream gives
//! what the whole gives.
//!
//! The input makes or chooses the secrets, then pieces of an answer (its own bytes, or a secret in one of the spellings, or the
//! beginning of one), then the sizes of the chunks.
#![no_main]

// The scan stands behind a wall: nothing outside `vault` opens a secret. These files of it stand alone, so the wall
// needs no door for this.
#[allow(dead_code, unreachable_pub)]
#[path = "../../../host/egress/src/vault"]
mod vault {
    pub mod needles;
    pub mod secret;
    pub mod spelling;
    pub mod stream;
}

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use libfuzzer_sys::fuzz_target;
use support::input::Input;
use vault::needles::Needles;
use vault::secret::Secret;
use vault::stream::StreamScan;
use zeroize::Zeroizing;

/// Brackets stand in no secret here, so a replacement completes none.
const CUT: &[u8] = b"[CUT]";

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let raw: Vec<Vec<u8>> = match input.byte() {
        // Mostly of a few sets, whose search is made once.
        seed @ 0..240 => drawn(seed),
        _ => (0..1 + input.byte() % 3).map(|_| secret(&mut input)).collect(),
    };
    let needles = needles_of(&raw);
    let (mut answer, mut hidden) = (Vec::new(), Vec::new());
    for _ in 0..input.byte() % 12 {
        let secret = &raw[usize::from(input.byte()) % raw.len()];
        match input.byte() % 3 {
            0 => answer.extend_from_slice(input.bytes()),
            1 => {
                let spelt = spell(secret, &mut input);
                answer.extend_from_slice(&spelt);
                hidden.push(spelt);
            }
            _ => answer.extend_from_slice(&secret[..usize::from(input.byte()) % secret.len()]),
        }
    }
    let whole = needles.redact(&answer, CUT);
    for spelt in &hidden {
        assert!(!contains(&whole.bytes, spelt), "a secret came out: {}", spelt.escape_ascii());
    }
    for raw in &raw {
        assert!(!contains(&whole.bytes, raw), "a secret came out: {}", raw.escape_ascii());
    }
    assert!(!needles.find_in(&whole.bytes), "what was cut is found again");
    if !needles.find_in(&answer) {
        assert_eq!((&whole.bytes, whole.count), (&answer, 0), "something that is no secret was changed");
    }
    let (mut scan, mut streamed, mut rest) = (StreamScan::new(needles, CUT), Vec::new(), answer.as_slice());
    while !rest.is_empty() {
        let size = usize::from(input.byte());
        let (chunk, left) = rest.split_at((size / 2 + 1).min(rest.len()));
        streamed.extend(scan.push(chunk));
        if size % 2 == 1 {
            streamed.extend(scan.pause());
        }
        rest = left;
    }
    let last = scan.finish();
    streamed.extend_from_slice(&last.bytes);
    assert_eq!(
        (&streamed, last.count),
        (&whole.bytes, whole.count),
        "the stream gives something else than the whole"
    );
});

/// The search for these secrets: it takes longer to make than to use, and most inputs differ in what comes after.
fn needles_of(raw: &[Vec<u8>]) -> Arc<Needles> {
    static KNOWN: Mutex<BTreeMap<Vec<Vec<u8>>, Arc<Needles>>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().expect("one thread");
    if known.len() > 500 {
        known.clear();
    }
    let make = || {
        let secret = |raw: &Vec<u8>| Secret::from_bytes(Zeroizing::new(raw.clone())).expect("visible ASCII");
        let secrets: Vec<Secret> = raw.iter().map(secret).collect();
        Arc::new(Needles::of(&secrets.iter().collect::<Vec<_>>()).expect("an automaton"))
    };
    Arc::clone(known.entry(raw.to_vec()).or_insert_with(make))
}

/// Secrets that a seed makes, by a multiplicative generator.
fn drawn(seed: u8) -> Vec<Vec<u8>> {
    let mut state = u64::from(seed) + 1;
    let bytes = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    let bytes: Vec<u8> = bytes.take(255).collect();
    let mut input = Input::new(&bytes);
    (0..1 + seed % 3).map(|_| secret(&mut input)).collect()
}

/// 12 to 75 characters that a secret may have, without brackets.
fn secret(input: &mut Input<'_>) -> Vec<u8> {
    let length = 12 + usize::from(input.byte()) % 64;
    let character = |byte: u8| match b'!' + byte % 94 {
        b'[' | b']' => b'.',
        other => other,
    };
    (0..length).map(|_| character(input.byte())).collect()
}

/// Spells a secret by encoders that are not those of the scan.
fn spell(raw: &[u8], input: &mut Input<'_>) -> Vec<u8> {
    let by_byte = |write: &dyn Fn(&mut String, u8)| {
        raw.iter().fold(String::new(), |mut text, &byte| {
            write(&mut text, byte);
            text
        })
    };
    match input.byte() % 8 {
        0 => raw.to_vec(),
        1 => by_byte(&|text, byte| {
            let _ = write!(text, "{byte:02x}");
        })
        .into_bytes(),
        2 => by_byte(&|text, byte| {
            let _ = write!(text, "{byte:02X}");
        })
        .into_bytes(),
        3 => by_byte(&|text, byte| {
            let _ = write!(text, "%{byte:02X}");
        })
        .into_bytes(),
        4 => by_byte(&|text, byte| {
            let _ = write!(text, "\\u{byte:04x}");
        })
        .into_bytes(),
        5 => raw.iter().flat_map(|&byte| [byte, 0]).collect(),
        shape => {
            // Within other bytes, as a provider would encode a whole answer.
            let (before, after) = (usize::from(input.byte()) % 4, usize::from(input.byte()) % 4);
            let text = [&b"xyz"[..before.min(3)], raw, &b"abc"[..after.min(3)]].concat();
            let encoded = if shape == 6 { STANDARD.encode(text) } else { URL_SAFE_NO_PAD.encode(text) };
            encoded.into_bytes()
        }
    }
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}
