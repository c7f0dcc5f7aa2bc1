//! The files that the policy was read from, by their digests: so that the audit shows which policy held when.

use std::collections::BTreeMap;

use wardlock_core::id::Digest;

/// SHA-256 of each file, by its place in the home.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicyFiles(BTreeMap<String, Digest>);

impl PolicyFiles {
    /// Notes what was read from a file.
    pub fn note(&mut self, file: &str, text: &str) {
        self.0.insert(file.to_owned(), Digest::of(text.as_bytes()));
    }

    /// Notes of one file what was noted before: what it says now does not hold.
    pub fn carry(&mut self, file: &str, before: &Self) {
        match before.0.get(file) {
            Some(digest) => self.0.insert(file.to_owned(), *digest),
            None => self.0.remove(file),
        };
    }

    /// Notes what others noted.
    pub fn extend(&mut self, others: &Self) {
        self.0.extend(others.0.iter().map(|(file, digest)| (file.clone(), *digest)));
    }

    /// Returns one digest over all files: their names and digests, each preceded by its length.
    pub fn digest(&self) -> Digest {
        let digests: Vec<(&str, String)> =
            self.0.iter().map(|(file, digest)| (file.as_str(), digest.to_string())).collect();
        Digest::of_fields(digests.iter().flat_map(|(file, digest)| [file.as_bytes(), digest.as_bytes()]))
    }

    /// Returns what changed since: each file that is new or different with its digest, each that is gone with none.
    pub fn changed_since<'a>(&'a self, before: &'a Self) -> Vec<(&'a str, Option<Digest>)> {
        let gone = before.0.keys().filter(|file| !self.0.contains_key(*file)).map(|file| (file.as_str(), None));
        let changed = self.0.iter().filter(|(file, digest)| before.0.get(*file) != Some(digest));
        changed.map(|(file, digest)| (file.as_str(), Some(*digest))).chain(gone).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> PolicyFiles {
        let mut files = PolicyFiles::default();
        for (file, text) in texts {
            files.note(file, text);
        }
        files
    }

    #[test]
    fn what_is_new_different_or_gone_is_named() {
        let before = files(&[("a.toml", "1"), ("b.toml", "2"), ("c.toml", "3")]);
        let after = files(&[("a.toml", "1"), ("b.toml", "two"), ("d.toml", "4")]);
        let expected =
            [("b.toml", Some(Digest::of(b"two"))), ("d.toml", Some(Digest::of(b"4"))), ("c.toml", None)];
        assert_eq!(after.changed_since(&before), expected);
        assert_ne!(after.digest(), before.digest());
        assert_eq!(after.changed_since(&after), []);
    }

    #[test]
    fn texts_that_change_places_digest_differently() {
        assert_ne!(
            files(&[("a.toml", "1"), ("b.toml", "2")]).digest(),
            files(&[("a.toml", "2"), ("b.toml", "1")]).digest()
        );
    }
}
