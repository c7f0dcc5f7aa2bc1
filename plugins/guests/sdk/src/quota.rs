//! Counters that the host keeps for a plugin in one workspace: all that stays from one request to the next. Needs the
//! capability `quota`.

#[cfg(target_family = "wasm")]
use crate::bindings::imports::wardlock::policy::quota as host;
#[cfg(not(target_family = "wasm"))]
use crate::native as host;

pub use crate::bindings::imports::wardlock::policy::quota::Taken;

/// Takes one of `limit` in a window of fixed length, aligned to 1970-01-01T00:00:00Z, and says whether there was one.
///
/// What was taken counts only if the request is allowed in the end. A key is 1 to 128 bytes of plain text, a window at most
/// 366 days long, and one decision takes at most 16 times; a call beyond these bounds, without the capability or outside
/// `on_request` ends the plugin, and that denies.
///
/// Natively there is no host: `cases::Host` (feature `cases`) stands in for it.
///
/// # Panics
/// Natively, where no host stands in, and where one would end the plugin.
pub fn take(key: &str, limit: u32, window_seconds: u32) -> Taken {
    host::take(key, limit, window_seconds)
}
