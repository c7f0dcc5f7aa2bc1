//! The starter plugins, built for wasm32-wasip2 and embedded as bytes.
//!
//! Their sources are in `plugins/guests`; this package only carries them.

/// A starter plugin.
#[derive(Clone, Copy)]
pub struct Starter {
    /// Its name, as in `describe` and as its file would be called.
    pub name: &'static str,
    /// The component.
    pub bytes: &'static [u8],
}

/// Every starter plugin.
pub const STARTERS: &[Starter] = include!(concat!(env!("OUT_DIR"), "/starters.rs"));

/// Returns the starter plugin called `name`.
pub fn starter(name: &str) -> Option<&'static Starter> {
    STARTERS.iter().find(|starter| starter.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_starter_is_a_component() {
        for starter in STARTERS {
            // The preamble of a component: magic, version 13, layer 1.
            assert_eq!(starter.bytes[..8], *b"\0asm\x0d\0\x01\0", "{}", starter.name);
        }
    }

    #[test]
    fn starters_are_found_by_name() {
        assert_eq!(starter("field-mask").map(|starter| starter.name), Some("field-mask"));
        assert!(starter("nothing").is_none());
    }
}
