//! Named instants at which the crash suites (`tests/crash/run`) end the process. Without the feature `failpoints`, which the
//! product never has, nothing happens at them. They stand here because every crate that has some can see this one.

/// Passes a named instant.
pub fn pass(instant: &'static str) {
    #[cfg(feature = "failpoints")]
    fail::fail_point!(instant);
    #[cfg(not(feature = "failpoints"))]
    let _ = instant;
}

/// Kills the process with SIGKILL when it passes an instant for the nth time from here on.
#[cfg(feature = "failpoints")]
pub fn kill_at(instant: &str, nth: usize) -> Result<(), String> {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use rustix::process::{Signal, getpid, kill_process};

    let passed = AtomicUsize::new(0);
    fail::cfg_callback(instant, move || {
        if passed.fetch_add(1, Ordering::SeqCst) + 1 == nth {
            // Who cannot be killed goes on, and the suite sees that.
            let _ = kill_process(getpid(), Signal::KILL);
        }
    })
}
