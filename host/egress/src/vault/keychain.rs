//! The operating system's keychain: the Secret Service on Linux, Keychain on macOS, Credential Manager on Windows.
//!
//! Nothing in those stacks has a time limit, and a keychain that hangs hangs for ever. So each call runs on a thread of
//! its own and is given up after five seconds; while such a thread still hangs, further calls are answered at once.
//! Only the vault's key and the number beside it are kept there.

use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use keyring_core::api::CredentialStoreApi as _;
use keyring_core::{Entry, Error};
use zeroize::Zeroizing;

/// How long a call may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Under which name items are kept; the vault's id tells them apart.
const SERVICE: &str = "wardlock";

/// What is the matter with the keychain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeychainProblem {
    /// It is there and locked; unlocking takes the person, at a desktop.
    Locked,
    /// There is none: no session bus, no service.
    Absent,
    /// It did not answer within five seconds.
    Hung,
    /// It refuses this program or this item.
    Denied,
    /// It holds several items for this vault.
    Several,
}

impl fmt::Display for KeychainProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Locked => "is locked",
            Self::Absent => "is not there",
            Self::Hung => "does not answer",
            Self::Denied => "refuses",
            Self::Several => "holds several items for this vault",
        })
    }
}

/// Which item of a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    /// The key-encryption key.
    Key,
    /// The last revision that was seen.
    Revision,
}

/// Reads an item; `None`: the keychain is open and has none.
pub(super) fn get(vault: &str, item: Item) -> Result<Option<Zeroizing<Vec<u8>>>, KeychainProblem> {
    let user = user(vault, item);
    call(move || match entry(&user)?.get_secret() {
        Ok(bytes) => Ok(Some(Zeroizing::new(bytes))),
        Err(Error::NoEntry) => Ok(None),
        Err(error) => Err(problem(&error)),
    })
}

/// Writes an item.
pub(super) fn set(vault: &str, item: Item, bytes: Zeroizing<Vec<u8>>) -> Result<(), KeychainProblem> {
    let user = user(vault, item);
    call(move || entry(&user)?.set_secret(&bytes).map_err(|error| problem(&error)))
}

/// Removes an item, if it is there.
pub(super) fn remove(vault: &str, item: Item) -> Result<(), KeychainProblem> {
    let user = user(vault, item);
    call(move || match entry(&user)?.delete_credential() {
        Ok(()) | Err(Error::NoEntry) => Ok(()),
        Err(error) => Err(problem(&error)),
    })
}

/// Writes an item and removes it: an empty keychain that is locked says of any reading only that there is nothing.
pub(super) fn try_out() -> Result<(), KeychainProblem> {
    let id = "trying-out";
    set(id, Item::Revision, Zeroizing::new(b"0".to_vec()))?;
    remove(id, Item::Revision)
}

fn user(vault: &str, item: Item) -> String {
    match item {
        Item::Key => vault.to_owned(),
        Item::Revision => format!("{vault}/revision"),
    }
}

/// A store is opened for each call: one that was opened while the keychain was away would stay useless.
fn entry(user: &str) -> Result<Entry, KeychainProblem> {
    #[cfg(target_os = "macos")]
    let store = apple_native_keyring_store::keychain::Store::new();
    #[cfg(target_os = "windows")]
    let store = windows_native_keyring_store::Store::new();
    #[cfg(not(any(target_os = "macos", target_os = "windows")))]
    let store = zbus_secret_service_keyring_store::Store::new();
    let store = store.map_err(|error| problem(&error))?;
    store.build(SERVICE, user, None).map_err(|error| problem(&error))
}

/// The platform's own words go no further: they may quote what they are about.
fn problem(error: &Error) -> KeychainProblem {
    match error {
        Error::NoStorageAccess(_) => KeychainProblem::Locked,
        Error::PlatformFailure(_) | Error::NoDefaultStore => KeychainProblem::Absent,
        Error::Ambiguous(_) => KeychainProblem::Several,
        _ => KeychainProblem::Denied,
    }
}

fn call<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, KeychainProblem> + Send + 'static,
) -> Result<T, KeychainProblem> {
    static HANGING: Mutex<Option<JoinHandle<()>>> = Mutex::new(None);
    let mut hanging = HANGING.lock().unwrap_or_else(PoisonError::into_inner);
    if hanging.as_ref().is_some_and(|thread| !thread.is_finished()) {
        return Err(KeychainProblem::Hung);
    }
    let (done, result) = channel();
    let thread = thread::Builder::new().name("keychain".to_owned()).spawn(move || {
        // Whoever asked may have given up.
        let _ = done.send(work());
    });
    let thread = thread.map_err(|_| KeychainProblem::Absent)?;
    result.recv_timeout(PATIENCE).unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => {
            *hanging = Some(thread);
            Err(KeychainProblem::Hung)
        }
        // The call panicked inside the platform's library.
        RecvTimeoutError::Disconnected => Err(KeychainProblem::Denied),
    })
}
