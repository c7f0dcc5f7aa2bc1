//! Compiled code that outlives the process. The host keeps it: it alone can write there, and it authenticates every byte
//! before it gives it out, because compiled code is run as it is.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use wardlock_core::id::Digest;
use wasmtime::Engine;

use crate::prepare::{Code, Prepared};
use crate::sandbox::Key;

/// Keeps compiled code. What `load` returns must be what `store` was given for that name, by this home: the
/// implementation authenticates it, and gives nothing at all where that fails.
pub trait CodeCache: Send + Sync {
    /// Returns what is kept under a name.
    fn load(&self, name: &str) -> Option<Vec<u8>>;
    /// Keeps something. A failure only costs time later, so it is the implementation's to tell.
    fn store(&self, name: &str, bytes: &[u8]);
}

/// Returns what compiled code depends on besides the component: wasmtime's version and settings, and the processor's features.
pub(crate) fn fingerprint(engine: &Engine) -> u64 {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

/// Returns the name for code. `place` keeps code that was made in a worker, where only the worker trusts it, from code
/// for this process.
pub(crate) fn name(key: Key, place: &str, fingerprint: u64, snapshots: bool) -> String {
    Digest::of_fields([
        env!("CARGO_PKG_VERSION").as_bytes(),
        place.as_bytes(),
        &fingerprint.to_be_bytes(),
        &[u8::from(snapshots)],
        key.component.as_bytes(),
        key.settings.as_ref().map_or(b"".as_slice(), |settings| settings.as_bytes()),
        key.files.as_ref().map_or(b"".as_slice(), |files| files.as_bytes()),
    ])
    .to_string()
}

/// Writes what was prepared as one piece: the record's length, the record, the code.
pub(crate) fn join(prepared: &Prepared, code: &Code) -> Option<Vec<u8>> {
    let record = postcard::to_stdvec(prepared).ok()?;
    let length = u32::try_from(record.len()).ok()?;
    Some([&length.to_be_bytes(), record.as_slice(), code].concat())
}

/// Reads it again.
pub(crate) fn split(bytes: &[u8]) -> Option<(Prepared, Code)> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (record, code) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    Some((postcard::from_bytes(record).ok()?, code.to_vec()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn code_is_never_taken_for_what_it_was_not_made_for() {
        let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
        let plain = Key { component: one, settings: None, files: None };
        let names = [
            name(plain, "worker", 1, true),
            name(plain, "inside", 1, true),
            name(plain, "worker", 2, true),
            name(plain, "worker", 1, false),
            name(Key { component: other, ..plain }, "worker", 1, true),
            name(Key { settings: Some(other), ..plain }, "worker", 1, true),
            name(Key { settings: Some(one), ..plain }, "worker", 1, true),
            name(Key { files: Some(one), ..plain }, "worker", 1, true),
        ];
        assert_eq!(BTreeSet::from(names.clone()).len(), names.len());
        assert_eq!(name(plain, "worker", 1, true), names[0]);
    }

    #[test]
    fn what_is_cut_off_is_not_taken() {
        let prepared = [&3_u32.to_be_bytes(), b"ab".as_slice()].concat();
        for length in 0..=prepared.len() {
            assert!(split(&prepared[..length]).is_none(), "{length}");
        }
    }
}
