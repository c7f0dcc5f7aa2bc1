//! Guests that misbehave, as components. Their sources are in `tests/guests`.

/// Every guest by name.
pub const GUESTS: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// Returns the component of the guest called `name`.
///
/// # Panics
///
/// If there is no such guest.
pub fn guest(name: &str) -> &'static [u8] {
    match GUESTS.iter().find(|(known, _)| *known == name) {
        Some((_, bytes)) => bytes,
        None => panic!("there is no guest `{name}`"),
    }
}
