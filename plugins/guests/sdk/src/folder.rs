//! Files that the operator lets a plugin read: lists of what is allowed, tables, templates. Needs the capability `folder`; a
//! call without it ends the plugin.
//!
//! They are there in `configure` already, and the same for every request until a reload: what is made of them there costs no
//! request anything.
//!
//! Natively there is no host: `cases::Host` (feature `cases`) stands in for it.

#[cfg(target_family = "wasm")]
use crate::bindings::imports::wardlock::policy::folder as host;
#[cfg(not(target_family = "wasm"))]
use crate::native as host;

/// Returns the files' names, sorted.
///
/// # Panics
/// Natively, where no host stands in, and where one would end the plugin.
pub fn names() -> Vec<String> {
    host::names()
}

/// Returns a file's bytes; none where there is no such file.
///
/// # Panics
/// Natively, where no host stands in, and where one would end the plugin.
pub fn read(name: &str) -> Option<Vec<u8>> {
    host::read(name)
}
