//! Compiled plugins, kept in the home: written by this process alone, and authenticated by a key of the vault before a
//! byte of them is run.

use std::sync::Arc;

use wardlock_egress::vault::{Keys, Purpose};
use wardlock_sandbox::CodeCache;

use crate::gate::Seat;
use crate::home::HomeError;

/// Where they stand.
const FOLDER: &str = "state/compiled";
/// The ending of their names.
const ENDING: &str = "code";
/// So many files may stand there; then all go, and what is used comes again.
const MOST: usize = 2048;
/// Length of an HMAC-SHA-256.
const MAC: usize = 32;

/// The home's folder of compiled plugins.
pub struct CompiledPlugins {
    seat: Arc<Seat>,
    keys: Arc<Keys>,
}

impl CompiledPlugins {
    /// Opens the folder.
    pub fn new(seat: Arc<Seat>, keys: Arc<Keys>) -> Self {
        Self { seat, keys }
    }

    /// Authenticates the name too: code of one plugin does not open under another's.
    fn mac(&self, name: &str, bytes: &[u8]) -> [u8; 32] {
        self.keys.mac(Purpose::CompiledCode, &[name.as_bytes(), bytes])
    }

    fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), HomeError> {
        let home = &self.seat.home;
        home.ensure_folder(FOLDER)?;
        let files = home.list(FOLDER, ENDING)?;
        if files.len() >= MOST {
            for file in files {
                home.remove(&format!("{FOLDER}/{file}"))?;
            }
        }
        home.write(&place(name), &[self.mac(name, bytes).as_slice(), bytes].concat())
    }
}

impl CodeCache for CompiledPlugins {
    fn load(&self, name: &str) -> Option<Vec<u8>> {
        let kept = self.seat.home.read(&place(name)).ok()??;
        let (mac, bytes) = kept.split_first_chunk::<MAC>()?;
        if self.keys.is_mac(Purpose::CompiledCode, &[name.as_bytes(), bytes], mac) {
            return Some(bytes.to_vec());
        }
        tracing::warn!(file = place(name), "a compiled plugin is not what this home wrote; it is compiled anew");
        None
    }

    fn store(&self, name: &str, bytes: &[u8]) {
        if let Err(error) = self.keep(name, bytes) {
            tracing::warn!(%error, "a compiled plugin cannot be kept; it will be compiled at the next start again");
        }
    }
}

fn place(name: &str) -> String {
    format!("{FOLDER}/{name}.{ENDING}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use wardlock_egress::Dialer;
    use wardlock_egress::vault::{KeySource, Vault};

    use super::*;
    use crate::home::Home;
    use crate::host::World;

    fn kept(folder: &Path) -> CompiledPlugins {
        let home = Home::create(&folder.join("home")).expect("a home");
        let key = KeySource::File { path: folder.join("key") };
        Vault::create(&home.state_folder(), &key).expect("a vault");
        let keys = Vault::open(&home.state_folder(), &key).expect("a vault").keys();
        let dialer = Dialer::fixed([].into(), Vec::new()).expect("a dialer");
        let world = World { dialer, simulated: false, worker: "/nowhere".into() };
        CompiledPlugins::new(Seat::take(home, world, "test").expect("the home"), keys)
    }

    #[test]
    fn p14_compiled_code_that_was_changed_is_not_run() {
        let (here, there) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let (kept, others) = (kept(here.path()), kept(there.path()));
        kept.store("one", b"compiled code");
        kept.store("two", b"other code");
        assert_eq!(kept.load("one").as_deref(), Some(b"compiled code".as_slice()));
        assert_eq!(kept.load("none"), None);
        let home = &kept.seat.home;
        let whole = home.read(&place("one")).expect("read").expect("a file");
        for at in [0, MAC / 2, MAC, whole.len() - 1] {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            home.write(&place("one"), &changed).expect("written");
            assert_eq!(kept.load("one"), None, "byte {at}");
        }
        for cut in [0, 1, MAC - 1, whole.len() - 1] {
            home.write(&place("one"), &whole[..cut]).expect("written");
            assert_eq!(kept.load("one"), None, "the first {cut} bytes");
        }
        // Another plugin's code under its name, and another home's.
        home.write(&place("one"), &home.read(&place("two")).expect("read").expect("a file")).expect("written");
        assert_eq!(kept.load("one"), None);
        others.store("one", b"compiled code");
        let foreign = others.seat.home.read(&place("one")).expect("read").expect("a file");
        home.write(&place("one"), &foreign).expect("written");
        assert_eq!(kept.load("one"), None);
        kept.store("one", b"compiled code");
        assert_eq!(kept.load("one").as_deref(), Some(b"compiled code".as_slice()));
    }
}
