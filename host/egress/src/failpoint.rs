//! Named instants of a refresh, at which the crash suite (`tests/crash/run`) ends the process. Without the feature
//! `failpoints`, which the product never has, nothing happens at them.

/// Passes a named instant.
pub(crate) fn pass(instant: &'static str) {
    #[cfg(feature = "failpoints")]
    fail::fail_point!(instant);
    #[cfg(not(feature = "failpoints"))]
    let _ = instant;
}
