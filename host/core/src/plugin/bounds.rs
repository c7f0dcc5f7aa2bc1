//! What a workspace file may say of a plugin's limits.

use std::time::Duration;

/// The shortest time limit.
pub const MIN_TIME: Duration = Duration::from_millis(1);
/// The longest time limit that a plugin may have, unless a sandbox is told otherwise.
pub const MAX_TIME: Duration = Duration::from_secs(5);
/// The least memory that a limit may name: one page of WebAssembly.
pub const MIN_MEMORY: u64 = 64 << 10;
/// The largest memory limit, unless a sandbox is told otherwise.
pub const MAX_MEMORY: u64 = 64 << 20;
