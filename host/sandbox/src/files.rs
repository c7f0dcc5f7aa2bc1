//! The files of a granted folder: read by the host when a plugin is loaded, and the same for every request until a reload.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use wardlock_core::id::Digest;

use crate::bindings::wardlock::policy::folder as wit;
use crate::instance::Guest;

/// The most files of a folder.
pub const MAX_FILES: usize = 256;
/// The most bytes of all files of a folder together, with their names: lists that people keep. They go to every worker.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// A folder's files, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files(BTreeMap<String, Vec<u8>>);

/// Too much stands in a folder. How much is not told: whoever reads it stops when it is too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TooManyFiles {
    /// Too many files.
    #[error("the folder holds more than {MAX_FILES} files")]
    Files,
    /// Too many bytes.
    #[error("the files of the folder have more than {MAX_FILE_BYTES} bytes, names included")]
    Bytes,
}

impl Files {
    /// Takes files by name.
    pub fn new(files: BTreeMap<String, Vec<u8>>) -> Result<Self, TooManyFiles> {
        if files.len() > MAX_FILES {
            return Err(TooManyFiles::Files);
        }
        let bytes: usize = files.iter().map(|(name, content)| name.len() + content.len()).sum();
        if bytes > MAX_FILE_BYTES { Err(TooManyFiles::Bytes) } else { Ok(Self(files)) }
    }

    /// Returns the digest of all names and contents.
    pub fn digest(&self) -> Digest {
        Digest::of_fields(self.0.iter().flat_map(|(name, content)| [name.as_bytes(), content.as_slice()]))
    }
}

/// A guest asks for files that nobody gave it.
#[derive(Debug, thiserror::Error)]
#[error("`folder` is used without the capability `folder`")]
pub(crate) struct NoFolder;

impl Guest {
    fn folder(&self) -> wasmtime::Result<&Arc<Files>> {
        Ok(self.files.as_ref().ok_or(NoFolder)?)
    }
}

impl wit::Host for Guest {
    fn names(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(self.folder()?.0.keys().cloned().collect())
    }

    fn read(&mut self, name: String) -> wasmtime::Result<Option<Vec<u8>>> {
        Ok(self.folder()?.0.get(&name).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(given: &[(&str, usize)]) -> Result<Files, TooManyFiles> {
        Files::new(given.iter().map(|&(name, size)| (name.to_owned(), vec![b'x'; size])).collect())
    }

    #[test]
    fn bounds_count_names_and_contents() {
        assert!(files(&[("a", MAX_FILE_BYTES - 1)]).is_ok());
        let error = files(&[("a", MAX_FILE_BYTES - 2), ("bb", 1)]).expect_err("too much").to_string();
        assert!(error.contains("more than 1048576 bytes"), "{error}");
        let many: Vec<String> = (0..=MAX_FILES).map(|number| number.to_string()).collect();
        let error = files(&many.iter().map(|name| (name.as_str(), 0)).collect::<Vec<_>>()).expect_err("too many");
        assert_eq!(error.to_string(), "the folder holds more than 256 files");
    }

    #[test]
    fn digest_tells_names_from_contents() {
        let named = |files: &[(&str, &str)]| {
            let files = files.iter().map(|&(name, text)| (name.to_owned(), text.into())).collect();
            Files::new(files).expect("few").digest()
        };
        assert_ne!(named(&[("ab", "c")]), named(&[("a", "bc")]));
        assert_ne!(named(&[("a", "b")]), named(&[("b", "a")]));
        assert_ne!(named(&[]), named(&[("", "")]));
    }
}
