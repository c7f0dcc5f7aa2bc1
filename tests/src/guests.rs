//! Guests that misbehave, as components. Their sources are in `tests/guests`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::written;

/// The guests that are crates, by name.
pub const GUESTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// Returns the component of the guest called `name`: a crate of `tests/guests`, or one of `written`.
///
/// # Panics
///
/// If there is no such guest.
pub fn guest(name: &str) -> &'static [u8] {
    static WRITTEN: Mutex<BTreeMap<String, &'static [u8]>> = Mutex::new(BTreeMap::new());
    if let Some((_, bytes)) = GUESTS.iter().find(|(known, _)| *known == name) {
        return bytes;
    }
    let mut built = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = built.get(name) {
        return bytes;
    }
    match written::component(name) {
        // Each is built once a process, and tests want it as they want the others.
        Some(bytes) => built.entry(name.to_owned()).or_insert_with(|| bytes.leak()),
        None => panic!("there is no guest `{name}`"),
    }
}
