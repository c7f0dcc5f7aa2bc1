//! Secrets made for one test, and the search for them.
//!
//! A test makes its tokens, keys and codes with [`Canaries`] and scans whatever an agent, a plugin, a log, a database
//! or a process list showed. Nothing may hold one, raw or in a common encoding. What the search cannot find: a secret
//! that was compressed, encrypted or reversed, and pieces shorter than half of it.

mod forms;

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wardlock_simulator::{TokenFactory, TokenKind};

/// A canary that was found where it must not be. It never prints the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leak {
    /// What leaked: `refresh token`.
    pub canary: String,
    /// In which form: `raw`, `base64`, `hex`, …
    pub form: &'static str,
    /// Where.
    pub place: String,
    /// At which byte of the decoded place.
    pub at: usize,
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} leaked ({}) into {} at byte {}", self.canary, self.form, self.place, self.at)
    }
}

impl std::error::Error for Leak {}

/// The canaries of one test. Clones share them.
#[derive(Clone, Default)]
pub struct Canaries(Arc<Mutex<Watched>>);

#[derive(Default)]
struct Watched {
    canaries: Vec<Canary>,
    /// Made at the first search after the last canary came.
    searcher: Option<forms::Searcher>,
}

struct Canary {
    name: String,
    value: Vec<u8>,
}

impl Canaries {
    /// Starts with none.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a secret in the shape of a Zoho token, unlike any other.
    pub fn token(&self, name: &str) -> String {
        let value = format!("1000.{}.{}", random_hex(16), random_hex(16));
        self.watch(name, value.as_bytes());
        value
    }

    /// Makes a secret of characters that each encoding writes in its own way.
    pub fn phrase(&self, name: &str) -> String {
        let value = format!("{}/+\"\\&%='<{}", random_hex(8), random_hex(8));
        self.watch(name, value.as_bytes());
        value
    }

    /// Watches for a secret that somebody else made, such as a key file's bytes.
    ///
    /// # Panics
    ///
    /// If it is shorter than 12 bytes: it would be found by chance.
    pub fn watch(&self, name: &str, value: &[u8]) {
        assert!(value.len() >= 12, "the {name} is too short for a canary");
        let mut watched = self.lock();
        watched.canaries.push(Canary { name: name.to_owned(), value: value.to_vec() });
        watched.searcher = None;
    }

    /// Returns the simulator's source of tokens: every code and token that it gives is a canary.
    pub fn token_factory(&self) -> TokenFactory {
        let canaries = self.clone();
        Arc::new(move |kind, _| {
            canaries.token(match kind {
                TokenKind::Code => "authorization code",
                TokenKind::Access => "access token",
                TokenKind::Refresh => "refresh token",
            })
        })
    }

    /// Returns how many canaries there are. A test that watches for none proves nothing.
    pub fn count(&self) -> usize {
        self.lock().canaries.len()
    }

    /// Searches bytes.
    pub fn scan(&self, place: &str, bytes: &[u8]) -> Result<(), Leak> {
        let mut watched = self.lock();
        let Watched { canaries, searcher } = &mut *watched;
        let values = canaries.iter().map(|canary| canary.value.as_slice());
        let searcher = searcher.get_or_insert_with(|| forms::Searcher::of(values));
        searcher.search(bytes).map_or(Ok(()), |found| {
            Err(Leak {
                canary: canaries[found.canary].name.clone(),
                form: found.form,
                place: place.to_owned(),
                at: found.at,
            })
        })
    }

    /// Searches every file under a folder, databases with their journals among them. `except` names the files, as
    /// paths within the folder, that may hold a secret: the key file.
    pub fn scan_folder(&self, folder: &Path, except: &[&str]) -> anyhow::Result<()> {
        self.scan_below(folder, folder, except)
    }

    fn scan_below(&self, top: &Path, folder: &Path, except: &[&str]) -> anyhow::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let within = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
            // The name may be the leak.
            self.scan(&format!("the file name `{within}`"), within.as_bytes())?;
            let kind = match fs::symlink_metadata(&path) {
                Ok(metadata) => metadata.file_type(),
                // A journal may go while it is looked at.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            if kind.is_dir() {
                self.scan_below(top, &path, except)?;
            } else if kind.is_file() && !except.contains(&within.as_str()) {
                match fs::read(&path) {
                    Ok(bytes) => self.scan(&within, &bytes)?,
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    /// Searches the command line and the environment of every process that this one may look at.
    pub fn scan_processes(&self) -> anyhow::Result<()> {
        for entry in fs::read_dir("/proc")? {
            let Ok(entry) = entry else { continue };
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            for file in ["cmdline", "environ"] {
                // Processes end, and others' environments are closed to us.
                if let Ok(bytes) = fs::read(entry.path().join(file)) {
                    self.scan(&format!("/proc/{name}/{file}"), &bytes)?;
                }
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn random_hex(bytes: usize) -> String {
    let mut random = vec![0; bytes];
    // Without randomness every canary would be the same one, and the search would prove nothing.
    assert!(getrandom::fill(&mut random).is_ok(), "no randomness");
    hex::encode(random)
}

#[cfg(test)]
mod tests;
