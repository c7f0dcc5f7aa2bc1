//! The plugin's log. The host limits its rate and size; natively (in tests) nothing is written.

/// Logs something that the operator must see.
pub fn error(message: &str) {
    log(0, message);
}

/// Logs something that the operator should see.
pub fn warn(message: &str) {
    log(1, message);
}

/// Logs something worth knowing.
pub fn info(message: &str) {
    log(2, message);
}

/// Logs a detail.
pub fn debug(message: &str) {
    log(3, message);
}

#[cfg(target_family = "wasm")]
fn log(level: u8, message: &str) {
    crate::bindings::imports::wardlock::policy::log::log(level, message);
}

#[cfg(not(target_family = "wasm"))]
fn log(_level: u8, _message: &str) {}
