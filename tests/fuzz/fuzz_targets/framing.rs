//! The strict reader says the same of bytes however they arrive, passes on nothing but what it was given, in order,
//! and never panics. The first byte of the input says how large the pieces are.
#![no_main]

// The host's crate links wasmtime; this one file of it stands alone.
#[allow(dead_code, unused_imports)]
#[path = "../../../host/src/ingress/framing.rs"]
mod framing;

use framing::Framing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&first, bytes)) = input.split_first() else { return };
    let (whole_ok, whole) = feed(bytes, bytes.len().max(1));
    let (pieces_ok, pieces) = feed(bytes, usize::from(first).max(1));
    assert_eq!(whole_ok, pieces_ok, "pieces of {first} bytes are judged in another way");
    assert!(bytes.starts_with(&whole) && bytes.starts_with(&pieces), "something was added or left out");
    if whole_ok {
        assert_eq!(whole, pieces);
    }
});

fn feed(bytes: &[u8], size: usize) -> (bool, Vec<u8>) {
    let (mut framing, mut out) = (Framing::default(), Vec::new());
    let ok = bytes.chunks(size).all(|piece| framing.feed(piece, &mut out).is_ok());
    (ok, out)
}
